// Every elementwise operation on special values, compiled for both kinds of vectors: the bits of the exact
// evaluator. Objects whose code calls a function of the C library do not load.
#include "common/engines.h"
#include "ops/elementwise/probe.h"

using namespace tenon;
using namespace tenon::support;

namespace {

constexpr int64_t n = 203;  // whole vectors, and a tail

// One result for each element type that the operation takes.
struct Case {
  ir::Module module;
  evaluate::Inputs inputs;

  Case(const ir::OpDef& op, probe::Draw& draw) {
    module.name = "m";
    ir::Function& f = module.functions.emplace_back();
    f.name = "f";
    for (DType dtype : probe::computing) {
      const std::vector<DType> types = probe::operand_types(op, dtype);
      if (types.empty()) continue;
      const std::string name(dtype_name(dtype));
      std::vector<ir::ValueId> operands;
      for (DType t : types) {
        const std::string operand = name + "_" + std::to_string(operands.size());
        operands.push_back(f.graph.add_arg({t, {n}}, ir::ArgKind::input, operand));
        inputs.arguments.push_back(draw.array(t, n));
      }
      ir::Builder b(f.graph, &module);
      f.graph.results.push_back(b.emit_all(op, operands, {})[0]);
      f.result_names.push_back("of_" + name);
    }
    f.returns = f.graph.results.size();
  }
};

void compare_compiled(const std::string& cpu) {
  probe::Draw draw(23);
  for (const ir::OpDef* op : ir::op_table().all()) {
    if (op->elementwise() == nullptr || op->elementwise()->by_types != nullptr) continue;
    INFO(op->name << " on " << cpu);
    Case c(*op, draw);
    test::EngineOptions options;
    options.compile.cpu = cpu;
    options.pools = false;
    auto engines = test::Engines::make(std::move(c.module), "f", options);
    INFO((engines ? std::string() : engines.errors().text()));
    REQUIRE(bool(engines));
    CHECK((*engines)->compare(c.inputs) == "");
  }
}

}  // namespace

TEST_CASE("compiled elementwise operations have the exact evaluator's bits at special values, AVX2") {
  compare_compiled("x86-64-v3");
}
TEST_CASE("compiled elementwise operations have the exact evaluator's bits at special values, AVX-512") {
  if (!__builtin_cpu_supports("avx512f")) return;
  compare_compiled("x86-64-v4");
}
