// Every elementwise rule computes the same bits on numbers (Num) and as kernel expressions (Lane), as the
// kernel evaluator runs them.
#include "kernel/builder.h"
#include "kernel/evaluate.h"
#include "ops/elementwise/probe.h"

using namespace tenon;
using namespace tenon::support;

namespace {

// out[i] = rule(in0[i], in1[i], ...).
Array run_kernel(const ir::ElementwiseForm::PerType& rule, const std::vector<Array>& in, DType result) {
  const int64_t n = in[0].count();
  Array out(result, {n});
  kernel::Module module;
  kernel::Function function;
  function.name = "k";
  {
    kernel::Builder b(function);
    std::vector<kernel::VarId> buffers;
    for (size_t i = 0; i < in.size(); ++i)
      buffers.push_back(b.buffer("x" + std::to_string(i), in[i].dtype(), 0, true, false));
    const kernel::VarId target = b.buffer("y", result, 0, false, true);
    const kernel::ExprId i = b.begin_lanes("i", b.index(0), b.index(n), b.index(8));
    std::vector<kernel::ExprId> args;
    for (size_t k = 0; k < in.size(); ++k) args.push_back(b.let("a", b.load(buffers[k], i)));
    b.store(target, i, rule.kernel(b, args.data()));
    b.end();
  }
  std::vector<kernel::Argument> arguments;
  for (const Array& a : in) arguments.push_back({const_cast<std::byte*>(a.data()), a.bytes(), 0});
  arguments.push_back({out.data(), out.bytes(), 0});
  auto ran = kernel::evaluate(module, function, arguments);
  INFO((ran ? std::string() : ran.errors().text()));
  REQUIRE(bool(ran));
  return out;
}

void compare(const ir::OpDef& op, const ir::ElementwiseForm::PerType& rule, const std::vector<DType>& types,
             const probe::Single& f, int64_t n, probe::Draw& draw) {
  std::vector<Array> in;
  for (DType t : types) in.push_back(draw.array(t, n));
  const Array exact = f.exact(in);
  const Array lanes = run_kernel(rule, in, exact.dtype());
  const int64_t at = probe::first_difference(exact, lanes);
  const size_t i = at < 0 ? 0 : static_cast<size_t>(at);
  INFO(op.name << " of " << dtype_name(types.back()) << " at " << at << ": x = " << probe::element(in[0], i)
               << ", exact " << probe::element(exact, i) << ", kernel " << probe::element(lanes, i));
  CHECK(at < 0);
}

}  // namespace

TEST_CASE("rules give the same bits on numbers and on kernel expressions") {
  constexpr int64_t n = 1003;
  probe::Draw draw(17);
  for (const ir::OpDef* op : ir::op_table().all()) {
    if (op->elementwise() == nullptr || op->elementwise()->by_types != nullptr) continue;
    for (DType dtype : probe::computing) {
      const std::vector<DType> types = probe::operand_types(*op, dtype);
      if (types.empty()) continue;
      compare(*op, op->elementwise()->types[static_cast<size_t>(dtype)], types,
              probe::Single(op->name, types, n), n, draw);
    }
  }
}

TEST_CASE("casts give the same bits on numbers and on kernel expressions") {
  constexpr int64_t n = 503;
  probe::Draw draw(19);
  const ir::OpDef& op = *ir::op_table().find("cast");
  for (DType from : probe::computing)
    for (DType to : probe::computing)
      compare(op, op.elementwise()->by_types(from, to), {from}, probe::Single("cast", {from}, n, {to}), n,
              draw);
}
