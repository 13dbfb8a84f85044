// averaged: a function on the moving averages that a step keeps of its parameters.
#include <unordered_map>

#include "ir/canonical.h"
#include "ir/compact.h"
#include "support/text.h"
#include "transforms/derive.h"
#include "transforms/globals.h"
#include "transforms/options.h"
#include "transforms/transforms.h"
#include "transforms/update.h"

namespace tenon::transforms {

using ir::ArgKind;
using ir::Derive;
using ir::Function;
using ir::Graph;
using ir::Module;
using ir::ValueId;

namespace {

// The states that a step writes as averages, by the names that they have where those are free: a name that
// was taken is followed by a number.
std::unordered_map<std::string, const ir::Global*> averages_of(const Module& module, const Function& step) {
  std::unordered_map<std::string, const ir::Global*> out;
  for (const ir::Write& w : step.writes) {
    std::string_view name = w.global;
    if (!name.ends_with(average_ending)) {
      const size_t dot = name.rfind('.');
      if (dot == std::string_view::npos || !parse_unsigned(name.substr(dot + 1))) continue;
      name = name.substr(0, dot);
    }
    const ir::Global* state = module.find_global(w.global);
    if (name.ends_with(average_ending) && state->kind == ir::GlobalKind::state)
      out.try_emplace(std::string(name), state);
  }
  return out;
}

void replace(Graph& graph, ValueId value, ValueId by) {
  for (size_t i = 0; i < graph.node_count(); ++i)
    for (ValueId& v : graph.node(ir::NodeId(i)).operands)
      if (v == value) v = by;
  for (ValueId& v : graph.results)
    if (v == value) v = by;
}

}  // namespace

Result<Function> derive_averaged(Module& module, const Derive& derive) {
  static constexpr OptionDef known[] = {{"of", OptionForm::word}};
  if (Status s = check_options(derive.options, known, "derive " + derive.name); !s)
    return at_derive(module, derive, s.take_errors());
  TENON_ASSIGN(Function f, start_derived(module, derive));
  const ir::Option* of = find_option(derive.options, "of");
  if (of == nullptr)
    return derive_error(module, derive, "option of is missing",
                        "of = train: the step that keeps the averages");
  const Function* step = module.find_function(of->word);
  if (step == nullptr) {
    const std::string_view near = nearest(of->word, function_names(module));
    return derive_error(
        module, derive, "of: no step is named " + of->word,
        near.empty() ? "derive it before this line" : "did you mean " + std::string(near) + "?");
  }
  if (Status s = inline_calls(module, f); !s) return at_derive(module, derive, s.take_errors());
  const std::unordered_map<std::string, const ir::Global*> averages = averages_of(module, *step);
  bool found = false;
  const std::vector<ValueId> args = f.graph.args;
  for (const ValueId a : args) {
    const ir::Value& arg = f.graph.value(a);
    const ir::Global* param = arg.arg == ArgKind::global ? module.find_global(arg.name) : nullptr;
    if (param == nullptr || param->kind != ir::GlobalKind::param) continue;
    const std::string wanted = param->name + std::string(average_ending);
    auto average = averages.find(step->name + "." + wanted);
    if (average == averages.end()) average = averages.find(wanted);
    if (average == averages.end() || average->second->type != param->type) continue;
    if (has_write(f, param->name))
      return derive_error(module, derive,
                          derive.source + " sets " + param->name + ", of which it reads the average");
    found = true;
    replace(f.graph, a, global_value(module, f.graph, average->second->name));
  }
  if (!found)
    return derive_error(module, derive,
                        of->word + " keeps no average of a parameter that " + derive.source + " reads",
                        "derive " + of->word + " = step ... {average = 0.999}");
  ir::compact(module, f.graph);
  ir::order_nodes(f.graph);
  return f;
}

}  // namespace tenon::transforms
