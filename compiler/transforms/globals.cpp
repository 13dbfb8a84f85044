#include "transforms/globals.h"

#include "ops/expr.h"

namespace tenon::transforms {

using ir::ValueId;

void ensure_state(ir::Module& module, std::string_view name, ir::Type type, ir::Init init) {
  if (module.find_global(name) != nullptr) return;
  ir::Global& g = module.globals.emplace_back();
  g.kind = ir::GlobalKind::state;
  g.name = std::string(name);
  g.type = std::move(type);
  g.init = std::move(init);
}

void ensure_rng(ir::Module& module) {
  ensure_state(module, rng_seed, {DType::i64, {}});
  ensure_state(module, rng_step, {DType::i64, {}});
}

ValueId global_value(const ir::Module& module, ir::Graph& graph, std::string_view name) {
  for (ValueId a : graph.args)
    if (graph.value(a).arg == ir::ArgKind::global && graph.value(a).name == name) return a;
  const ir::Global* global = module.find_global(name);
  TENON_CHECK(global != nullptr, "no global is named " + std::string(name));
  return graph.add_arg(global->type, ir::ArgKind::global, global->name);
}

void set_write(ir::Function& function, std::string_view global, ValueId value) {
  for (size_t i = 0; i < function.writes.size(); ++i) {
    if (function.writes[i].global != global) continue;
    function.graph.results[function.returns + i] = value;
    return;
  }
  function.writes.push_back({std::string(global)});
  function.graph.results.push_back(value);
}

bool has_write(const ir::Function& function, std::string_view global) {
  for (const ir::Write& w : function.writes)
    if (w.global == global) return true;
  return false;
}

void count_step(const ir::Module& module, ir::Function& function) {
  if (has_write(function, rng_step)) return;
  const ValueId step = global_value(module, function.graph, rng_step);
  ir::Builder b(function.graph, &module);
  const ValueId next = b.emit("add", {step, b.constant(DType::i64, 1)});
  set_write(function, rng_step, next);
}

}  // namespace tenon::transforms
