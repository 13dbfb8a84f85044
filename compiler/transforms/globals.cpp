#include "transforms/globals.h"

#include "ir/made_names.h"
#include "ops/expr.h"

namespace tenon::transforms {

using ir::ValueId;

void add_state(ir::Module& module, std::string name, ir::Type type, ir::Init init) {
  ir::Global& g = module.globals.emplace_back();
  g.kind = ir::GlobalKind::state;
  g.name = std::move(name);
  g.type = std::move(type);
  g.init = std::move(init);
}

Rng find_rng(const ir::Module& module) {
  Rng rng;
  for (const ir::Global& g : module.globals) {
    if (g.kind != ir::GlobalKind::state) continue;
    if (g.init.name == ir::seed_init && rng.seed.empty()) rng.seed = g.name;
    if (g.init.name == ir::steps_init && rng.step.empty()) rng.step = g.name;
  }
  return rng;
}

Rng ensure_rng(ir::Module& module, const ir::Graph* graph) {
  Rng rng = find_rng(module);
  if (!rng.seed.empty() && !rng.step.empty()) return rng;
  ir::MadeNames names(module);
  if (graph != nullptr) names.add(*graph);
  auto add = [&](std::string* name, std::string_view wanted, std::string_view init) {
    if (!name->empty()) return;
    *name = names.claim(wanted);
    add_state(module, *name, {DType::i64, {}}, {std::string(init), {}});
  };
  add(&rng.seed, "rng.seed", ir::seed_init);
  add(&rng.step, "rng.step", ir::steps_init);
  return rng;
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

void add_result(ir::Function& function, ValueId value, std::string_view label) {
  std::vector<ValueId>& results = function.graph.results;
  results.insert(results.begin() + static_cast<ptrdiff_t>(function.returns), value);
  ir::MadeNames names;
  for (const std::string& other : function.result_names) names.add(other);
  function.result_names.push_back(names.claim(label));
  ++function.returns;
}

void count_step(const ir::Module& module, ir::Function& function) {
  const std::string counter = find_rng(module).step;
  if (has_write(function, counter)) return;
  const ValueId step = global_value(module, function.graph, counter);
  ir::Builder b(function.graph, &module);
  const ValueId next = b.emit("add", {step, b.constant(DType::i64, 1)});
  set_write(function, counter, next);
}

}  // namespace tenon::transforms
