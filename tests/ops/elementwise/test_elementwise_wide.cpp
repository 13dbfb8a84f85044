// Exact and wide evaluation of every elementwise operation agree within the wide one's bound, alone and
// chained.
#include "ops/elementwise/probe.h"

using namespace tenon;
using namespace tenon::support;

namespace {

// Counts elements outside the bound; undecided ones apart.
struct Verdict {
  int64_t outside = 0, undecided = 0, first = -1;
};
Verdict judge(const Array& exact, const evaluate::WideArray& wide) {
  Verdict v;
  for (size_t i = 0; i < wide.value.size(); ++i) {
    if (std::isinf(wide.bound[i])) {
      ++v.undecided;
      continue;
    }
    const double x = probe::element(exact, i), w = wide.value[i];
    const bool fits =
        std::isfinite(w) ? std::fabs(x - w) <= wide.bound[i] : (std::isnan(w) ? std::isnan(x) : x == w);
    if (!fits && v.outside++ == 0) v.first = static_cast<int64_t>(i);
  }
  return v;
}

}  // namespace

TEST_CASE("exact lies within the bound of wide for every elementwise operation and type") {
  constexpr int64_t n = 4000;
  probe::Draw draw(7);
  for (const ir::OpDef* op : ir::op_table().all()) {
    if (op->elementwise() == nullptr || op->elementwise()->by_types != nullptr) continue;
    for (DType dtype : probe::computing) {
      const std::vector<DType> types = probe::operand_types(*op, dtype);
      if (types.empty()) continue;
      const probe::Single f(op->name, types, n);
      std::vector<Array> in;
      for (DType t : types) in.push_back(draw.array(t, n));
      const Array exact = f.exact(in);
      const evaluate::WideArray wide = f.wide(in);
      const Verdict v = judge(exact, wide);
      const size_t at = v.first < 0 ? 0 : static_cast<size_t>(v.first);
      INFO(op->name << " of " << dtype_name(dtype) << ": element " << at << " of "
                    << probe::element(in[0], at) << " is " << probe::element(exact, at) << ", wide "
                    << wide.value[at] << " +- " << wide.bound[at]);
      CHECK(v.outside == 0);
      INFO(v.undecided << " undecided");
      // 64-bit integers beyond 2^53 do not fit the narrower carrier.
      CHECK((dtype == DType::i64 || v.undecided <= n / 50));
    }
  }
}

TEST_CASE("casts between all types agree") {
  constexpr int64_t n = 2000;
  probe::Draw draw(11);
  for (DType from : probe::computing) {
    for (DType to : probe::computing) {
      const probe::Single f("cast", {from}, n, {to});
      const Array in = draw.array(from, n);
      const Array exact = f.exact({in});
      CHECK(exact.dtype() == to);
      const Verdict v = judge(exact, f.wide({in}));
      INFO("cast " << dtype_name(from) << " to " << dtype_name(to) << " element " << v.first);
      CHECK(v.outside == 0);
    }
  }
}

TEST_CASE("bounds carry through chains of functions") {
  constexpr int64_t n = 300;
  probe::Draw draw(13);
  const std::vector<std::string_view> unary = {"exp", "log",   "sqrt",  "rsqrt", "tanh", "sigmoid", "sin",
                                               "cos", "erf",   "erfc",  "neg",   "abs",  "floor",   "sign",
                                               "tan", "expm1", "log1p", "atan",  "cosh", "round"};
  const std::vector<std::string_view> binary = {"add", "sub", "mul",   "div",      "pow",
                                                "max", "min", "atan2", "floor_mod"};
  int64_t undecided = 0, total = 0;
  for (DType dtype : {DType::f32, DType::f64}) {
    for (std::string_view first : unary) {
      for (std::string_view second : unary) {
        for (std::string_view joined : binary) {
          ir::Module module;
          ir::Function f;
          f.name = "f";
          ir::Builder b(f.graph, &module);
          const ir::ValueId x = f.graph.add_arg({dtype, {n}}, ir::ArgKind::input, "x");
          const ir::ValueId y = f.graph.add_arg({dtype, {n}}, ir::ArgKind::input, "y");
          const ir::ValueId z = b.emit(second, {b.emit(joined, {b.emit(first, {x}), y})});
          f.graph.results = {z};
          f.returns = 1;
          evaluate::Inputs inputs;
          for (int i = 0; i < 2; ++i) {
            Array a(dtype, {n});
            with_dtype(dtype, [&]<class T>() {
              for (T& v : a.as<T>()) v = static_cast<T>((draw.unit() - 0.3) * 6);
            });
            inputs.arguments.push_back(a);
          }
          auto exact = evaluate::exact(module, f, inputs);
          auto wide = evaluate::wide(module, f, inputs);
          REQUIRE(bool(exact));
          REQUIRE(bool(wide));
          const Verdict v = judge(exact->returned[0], wide->returned[0]);
          const size_t at = v.first < 0 ? 0 : static_cast<size_t>(v.first);
          INFO(second << "(" << joined << "(" << first << "(x), y)) of " << dtype_name(dtype)
                      << " at x = " << probe::element(inputs.arguments[0], at)
                      << ", y = " << probe::element(inputs.arguments[1], at) << ": exact "
                      << probe::element(exact->returned[0], at) << ", wide " << wide->returned[0].value[at]
                      << " +- " << wide->returned[0].bound[at]);
          CHECK(v.outside == 0);
          undecided += v.undecided;
          total += n;
        }
      }
    }
  }
  // Arguments straddle the edges of log, sqrt and pow on purpose.
  CHECK(undecided < total / 20);
}
