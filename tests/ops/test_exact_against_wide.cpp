// Each declaration's samples through both evaluators: declared arithmetic lies within the bound of the wide
// one.
#include <cmath>

#include "ops/draw.h"
#include "ops/run.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;
using ir::OpDef;

namespace {

struct Totals {
  size_t elements = 0, undecided = 0;
};

void compare(const Array& exact, const evaluate::WideArray& wide, Totals* totals) {
  REQUIRE(exact.shape() == wide.shape);
  with_dtype(exact.dtype(), [&]<class T>() {
    size_t outside = 0;
    for (size_t e = 0; e < wide.value.size(); ++e) {
      const double value = static_cast<double>(exact.as<T>()[e]), bound = wide.bound[e];
      ++totals->elements;
      if (!(bound < std::numeric_limits<double>::infinity())) {
        ++totals->undecided;
      } else if (std::isnan(wide.value[e]) != std::isnan(value)) {
        ++outside;
      } else if (!std::isnan(value) && value != wide.value[e]) {
        outside += !(std::fabs(value - wide.value[e]) <= bound);
      }
    }
    CHECK(outside == 0);
  });
}

void run_both(const OpDef& op, uint64_t seed, DType dtype, Totals* totals) {
  Draw draw(seed);
  draw.symbolic = false;
  const Draw::Drawn drawn = draw.sample(op, dtype);
  ir::Module module;
  ir::Function& f = module.functions.emplace_back();
  f.name = "f";
  evaluate::Inputs inputs;
  std::vector<ir::ValueId> args;
  for (size_t i = 0; i < drawn.operands.size(); ++i) {
    args.push_back(f.graph.add_arg(drawn.operands[i], ir::ArgKind::input, "a" + std::to_string(i)));
    inputs.arguments.push_back(random_array(drawn.operands[i], draw, domain_of(op, i)));
  }
  ir::Builder b(f.graph, &module);
  f.graph.results = b.emit_all(op, args, drawn.attrs);
  f.returns = f.graph.results.size();
  f.result_names.resize(f.returns);
  auto exact = evaluate::exact(module, f, inputs);
  INFO((exact ? std::string() : exact.errors().text()));
  REQUIRE(exact);
  REQUIRE(exact->status == 0);
  auto wide = evaluate::wide(module, f, inputs);
  INFO((wide ? std::string() : wide.errors().text()));
  REQUIRE(wide);
  for (size_t r = 0; r < f.returns; ++r) compare(exact->returned[r], wide->returned[r], totals);
}

}  // namespace

TEST_CASE("declared arithmetic lies within the wide evaluator's bound", "[ops]") {
  for (const OpDef* op : ir::op_table().all()) {
    if (op->elementwise() != nullptr || op->control() != nullptr)
      continue;  // the former have tests of their own
    Totals totals;
    for (uint64_t seed = 0; seed < 30; ++seed) {
      INFO(op->name << " seed " << seed);
      run_both(*op, seed, seed % 3 == 0 ? DType::f64 : DType::f32, &totals);
    }
    INFO(op->name);
    CHECK(totals.elements > 0);
    CHECK(totals.undecided <= totals.elements / 50);
  }
}
