// grad: the gradients of a function's first result.
#include <map>
#include <unordered_set>

#include "ir/canonical.h"
#include "ir/compact.h"
#include "ir/made_names.h"
#include "support/text.h"
#include "transforms/derive.h"
#include "transforms/options.h"
#include "transforms/transforms.h"

namespace tenon::transforms {

using ir::ArgKind;
using ir::Derive;
using ir::Function;
using ir::Module;
using ir::ValueId;

namespace {

// Values of the function that a pattern of `wrt` names: parameters by pattern, in the order of their
// declarations (in which the function uses them says nothing), any value by name.
std::vector<ValueId> named_values(const Module& module, const Function& f, const std::string& pattern) {
  std::vector<ValueId> out;
  const bool literal = pattern.find_first_of("*?") == std::string::npos;
  std::map<std::string_view, ValueId> globals;
  for (size_t i = 0; i < f.graph.value_count(); ++i) {
    const ir::Value& v = f.graph.value(ValueId(i));
    if (v.name.empty() || !is_float(v.type.dtype)) continue;
    if (literal && v.name == pattern) out.push_back(ValueId(i));
    if (v.arg == ArgKind::global) globals[v.name] = ValueId(i);
  }
  if (literal) return out;
  for (const ir::Global& g : module.globals)
    if (const auto at = globals.find(g.name); at != globals.end() && glob_match(pattern, g.name))
      out.push_back(at->second);
  return out;
}

}  // namespace

Result<Function> derive_grad(Module& module, const Derive& derive) {
  static constexpr OptionDef known[] = {
      {"wrt", OptionForm::names}, {"mode", OptionForm::word}, {"value", OptionForm::flag}};
  if (Status s = check_options(derive.options, known, "derive " + derive.name); !s)
    return at_derive(module, derive, s.take_errors());
  TENON_ASSIGN(Function f, start_derived(module, derive));
  TENON_TRY(check_loss(module, derive, f));
  ir::Mode mode = ir::Mode::inference;
  if (const ir::Option* option = find_option(derive.options, "mode")) {
    if (option->word != "inference" && option->word != "training")
      return derive_error(module, derive, "mode is " + option->word + ", wants inference or training");
    if (option->word == "training") mode = ir::Mode::training;
  }
  if (Status s = inline_calls(module, f, true); !s) return at_derive(module, derive, s.take_errors());
  std::vector<std::string> patterns{"*"};
  if (const ir::Option* option = find_option(derive.options, "wrt")) patterns = names_of(*option);
  // Names are looked up before the mode is resolved as well: a dropout that goes away in inference stands for
  // its operand, which keeps its own name.
  if (Status s = resolve_mode(module, f, mode); !s) return at_derive(module, derive, s.take_errors());
  std::vector<ValueId> wrt;
  std::unordered_set<uint32_t> taken;
  for (const std::string& pattern : patterns) {
    const std::vector<ValueId> found = named_values(module, f, pattern);
    if (found.empty()) {
      std::vector<std::string_view> names;
      for (size_t i = 0; i < f.graph.value_count(); ++i) {
        const ir::Value& v = f.graph.value(ValueId(i));
        if (!v.name.empty() && is_float(v.type.dtype)) names.push_back(v.name);
      }
      const std::string_view near = nearest(pattern, names);
      return derive_error(module, derive, derive.source + " has no float value named " + pattern,
                          near.empty() ? "" : "did you mean " + std::string(near) + "?");
    }
    for (ValueId v : found)
      if (taken.insert(v.index).second) wrt.push_back(v);
  }
  Result<std::vector<ValueId>> gradients = grad(f.graph, module, f.graph.results[0], wrt);
  if (!gradients) return at_derive(module, derive, gradients.take_errors());
  const bool value = is_true(derive.options, "value");
  // With `value`, what the source returns stands before its gradients.
  f.graph.results.resize(value ? f.returns : 0);
  f.result_names.resize(f.graph.results.size());
  f.graph.results.insert(f.graph.results.end(), gradients->begin(), gradients->end());
  f.returns = f.graph.results.size();
  f.writes.clear();
  ir::MadeNames names;
  for (const std::string& other : f.result_names) names.add(other);
  for (ValueId v : wrt) f.result_names.push_back(names.claim(f.graph.value(v).name + "'"));
  ir::compact(module, f.graph);
  ir::order_nodes(f.graph);
  return f;
}

}  // namespace tenon::transforms
