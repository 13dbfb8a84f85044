#include "transforms/derive.h"

#include <algorithm>

#include "ir/builder.h"
#include "ir/compact.h"
#include "ir/made_names.h"
#include "ops/init.h"
#include "support/hash.h"
#include "support/text.h"
#include "transforms/globals.h"
#include "transforms/optimizer.h"
#include "transforms/options.h"
#include "transforms/transforms.h"

namespace tenon::transforms {

using ir::ArgKind;
using ir::Derive;
using ir::Function;
using ir::Module;
using ir::ValueId;

namespace {

std::vector<std::string_view> function_names(const Module& module) {
  std::vector<std::string_view> names;
  for (const Function& f : module.functions) names.push_back(f.name);
  return names;
}

// The source function, copied under the directive's name.
Result<Function> start(const Module& module, const Derive& derive) {
  const Function* source = module.find_function(derive.source);
  if (source == nullptr) {
    const std::string_view near = nearest(derive.source, function_names(module));
    return derive_error(
        module, derive, "no function is named " + derive.source,
        near.empty() ? "declare it before this line" : "did you mean " + std::string(near) + "?");
  }
  Function out = *source;
  out.comment = derive.comment;
  out.name = derive.name;
  out.origin = derive.kind + "(" + derive.source + ")";
  out.location = derive.location;
  out.result_names.resize(out.returns);
  return out;
}

Status check_loss(const Module& module, const Derive& derive, const Function& f) {
  if (f.returns == 0) return derive_error(module, derive, derive.source + " returns nothing");
  const ir::Type& type = f.graph.type(f.graph.results[0]);
  if (type.is_scalar() && is_float(type.dtype)) return Ok{};
  return derive_error(module, derive, derive.source + " returns " + type.text() + " first, wants one float",
                      "reduce it: mean, reduce_sum");
}

// Appends what a metric returns, computed from the inputs of the same names.
Status add_metric(const Module& module, const Derive& derive, const std::string& name, Function* f) {
  const Function* metric = module.find_function(name);
  if (metric == nullptr) {
    const std::string_view near = nearest(name, function_names(module));
    return derive_error(module, derive, "no metric function is named " + name,
                        near.empty() ? "" : "did you mean " + std::string(near) + "?");
  }
  std::vector<ValueId> operands;
  for (ValueId a : metric->graph.args) {
    const ir::Value& input = metric->graph.value(a);
    if (input.arg != ArgKind::input) continue;
    ValueId found;
    for (ValueId own : f->graph.args)
      if (f->graph.value(own).arg == ArgKind::input && f->graph.value(own).name == input.name) found = own;
    if (!found.valid()) {
      return derive_error(
          module, derive,
          "metric " + name + " has an input " + input.name + ", " + derive.source + " has none of that name");
    }
    operands.push_back(found);
  }
  ir::Builder b(f->graph, &module);
  const ir::OpDef& call = *ir::op_table().find("call");
  ir::Attrs attrs(call.attrs.size());
  attrs[call.attr_index("callee")] = name;
  Result<std::vector<ValueId>> results = b.try_emit(call, operands, std::move(attrs));
  if (!results) return at_derive(module, derive, results.take_errors());
  for (size_t r = 0; r < results->size(); ++r) {
    std::string label = r < metric->result_names.size() ? metric->result_names[r] : "";
    if (label.empty()) label = results->size() == 1 ? name : name + "." + std::to_string(r);
    f->graph.results.insert(f->graph.results.begin() + static_cast<ptrdiff_t>(f->returns), (*results)[r]);
    ir::MadeNames names;
    for (const std::string& other : f->result_names) names.add(other);
    f->result_names.push_back(names.claim(label));
    ++f->returns;
  }
  return Ok{};
}

// Trained parameters: those of the patterns that the loss can reach, in declaration order.
Result<std::vector<std::string>> trained(const Module& module, const Derive& derive, const Function& f) {
  std::vector<std::string> patterns{"*"};
  if (const ir::Option* over = find_option(derive.options, "over")) patterns = names_of(*over);
  std::vector<char> used(patterns.size());
  std::vector<std::string> out;
  for (const ir::Global& g : module.globals) {
    if (g.kind != ir::GlobalKind::param) continue;
    bool wanted = false;
    for (size_t i = 0; i < patterns.size(); ++i) {
      if (!glob_match(patterns[i], g.name)) continue;
      used[i] = 1;
      wanted = true;
    }
    bool reached = false;
    for (ValueId a : f.graph.args)
      reached = reached || (f.graph.value(a).arg == ArgKind::global && f.graph.value(a).name == g.name);
    if (wanted && reached && !g.frozen && is_float(g.type.dtype)) out.push_back(g.name);
  }
  const bool given = find_option(derive.options, "over") != nullptr;
  for (size_t i = 0; i < patterns.size(); ++i) {
    if (given && !used[i]) return derive_error(module, derive, "no parameter matches " + patterns[i]);
  }
  if (out.empty()) {
    return derive_error(module, derive,
                        "nothing to train: " + derive.source + " reads none of the parameters",
                        "parameters that are frozen are not trained");
  }
  return out;
}

// Values of the function that a pattern of `wrt` names: parameters by pattern, any value by name.
std::vector<ValueId> named_values(const Function& f, const std::string& pattern) {
  std::vector<ValueId> out;
  const bool literal = pattern.find_first_of("*?") == std::string::npos;
  for (size_t i = 0; i < f.graph.value_count(); ++i) {
    const ir::Value& v = f.graph.value(ValueId(i));
    if (v.name.empty() || !is_float(v.type.dtype)) continue;
    if (literal ? v.name == pattern : v.arg == ArgKind::global && glob_match(pattern, v.name))
      out.push_back(ValueId(i));
  }
  return out;
}

}  // namespace

Result<Function> derive_step(Module& module, const Derive& derive) {
  static constexpr std::string_view known[] = {"over", "with", "metrics"};
  if (Status s = check_options(derive.options, known, "derive " + derive.name); !s)
    return at_derive(module, derive, s.take_errors());
  TENON_ASSIGN(Function f, start(module, derive));
  TENON_TRY(check_loss(module, derive, f));
  const ir::Option* with = find_option(derive.options, "with");
  if (with == nullptr) {
    return derive_error(module, derive, "option with is missing",
                        "with = sgd {lr = 0.01}, or momentum, or adam");
  }
  if (const ir::Option* metrics = find_option(derive.options, "metrics")) {
    for (const std::string& name : names_of(*metrics)) TENON_TRY(add_metric(module, derive, name, &f));
  }
  if (f.result_names[0].empty()) {
    ir::MadeNames names;
    for (const std::string& other : f.result_names) names.add(other);
    f.result_names[0] = names.claim("loss");
  }
  if (Status s = inline_calls(module, f); !s) return at_derive(module, derive, s.take_errors());
  if (Status s = resolve_mode(module, f, ir::Mode::training); !s)
    return at_derive(module, derive, s.take_errors());
  TENON_ASSIGN(const std::vector<std::string> params, trained(module, derive, f));
  std::vector<ValueId> wrt;
  for (const std::string& name : params) wrt.push_back(global_value(module, f.graph, name));
  Result<std::vector<ValueId>> gradients = grad(f.graph, module, f.graph.results[0], wrt);
  if (!gradients) return at_derive(module, derive, gradients.take_errors());
  if (Status s = add_optimizer(module, f, *with, params, *gradients); !s)
    return at_derive(module, derive, s.take_errors());
  // Every step counts, whether it draws or not: an order of rows is drawn from the counter as well.
  ensure_rng(module);
  count_step(module, f);
  ir::compact(module, f.graph);
  return f;
}

Result<Function> derive_grad(Module& module, const Derive& derive) {
  static constexpr std::string_view known[] = {"wrt", "mode", "value"};
  if (Status s = check_options(derive.options, known, "derive " + derive.name); !s)
    return at_derive(module, derive, s.take_errors());
  TENON_ASSIGN(Function f, start(module, derive));
  TENON_TRY(check_loss(module, derive, f));
  ir::Mode mode = ir::Mode::inference;
  if (const ir::Option* option = find_option(derive.options, "mode")) {
    if (option->word != "inference" && option->word != "training")
      return derive_error(module, derive, "mode is " + option->word + ", wants inference or training");
    if (option->word == "training") mode = ir::Mode::training;
  }
  if (Status s = inline_calls(module, f); !s) return at_derive(module, derive, s.take_errors());
  std::vector<std::string> patterns{"*"};
  if (const ir::Option* option = find_option(derive.options, "wrt")) patterns = names_of(*option);
  // Names are looked up before the mode is resolved as well: a dropout that goes away in inference stands for
  // its operand, which keeps its own name.
  if (Status s = resolve_mode(module, f, mode); !s) return at_derive(module, derive, s.take_errors());
  std::vector<ValueId> wrt;
  for (const std::string& pattern : patterns) {
    const std::vector<ValueId> found = named_values(f, pattern);
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
      if (std::find(wrt.begin(), wrt.end(), v) == wrt.end()) wrt.push_back(v);
  }
  Result<std::vector<ValueId>> gradients = grad(f.graph, module, f.graph.results[0], wrt);
  if (!gradients) return at_derive(module, derive, gradients.take_errors());
  bool value = false;
  if (const ir::Option* option = find_option(derive.options, "value")) {
    if (option->word != "true" && option->word != "false")
      return derive_error(module, derive, "value is " + option->word + ", wants true or false");
    value = option->word == "true";
  }
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
  return f;
}

Result<Function> make_init(const Module& module) {
  Function f;
  f.name = "init";
  f.mode = ir::Mode::inference;
  f.origin = "init";
  const ValueId seed = f.graph.add_arg({DType::i64, {}}, ArgKind::input, "seed");
  ir::Builder b(f.graph, &module);
  Errors errors;
  for (const ir::Global& g : module.globals) {
    if (g.kind == ir::GlobalKind::hyper) continue;
    if (Status s = ops::check_init(g.init, g.type, g.name); !s) {
      errors.append(s.take_errors());
      continue;
    }
    if (ir::is_counter_init(g.init.name)) {
      set_write(f, g.name, g.init.name == ir::seed_init ? seed : b.constant(DType::i64, 0));
      continue;
    }
    const int64_t stream = static_cast<int64_t>(fnv1a(g.name) >> 1);
    set_write(f, g.name, ops::emit_init(b, g.init, g.type, seed, stream));
  }
  if (!errors.empty()) return errors;
  return f;
}

Status expand_derive(Module& module, const Derive& derive) {
  struct Kind {
    std::string_view name;
    Result<Function> (*make)(Module&, const Derive&);
  };
  static constexpr Kind kinds[] = {{"step", derive_step}, {"grad", derive_grad}, {"epochs", derive_epochs}};
  std::vector<std::string_view> names;
  const Kind* kind = nullptr;
  for (const Kind& k : kinds) {
    names.push_back(k.name);
    if (k.name == derive.kind) kind = &k;
  }
  if (kind == nullptr) {
    const std::string_view near = nearest(derive.kind, names);
    return derive_error(
        module, derive, "no directive is named " + derive.kind,
        near.empty() ? "one of step, grad, epochs" : "did you mean " + std::string(near) + "?");
  }
  if (module.find_function(derive.name) != nullptr)
    return derive_error(module, derive, "a function of this name stands already");
  TENON_ASSIGN(Function made, kind->make(module, derive));
  module.functions.push_back(std::move(made));
  return Ok{};
}

Status expand_derives(Module& module) {
  Errors errors;
  for (const Derive& derive : std::exchange(module.derives, {}))
    if (Status s = expand_derive(module, derive); !s) errors.append(s.take_errors());
  if (!errors.empty()) return errors;
  if (module.find_function("init") == nullptr) {
    TENON_ASSIGN(Function init, make_init(module));
    module.functions.push_back(std::move(init));
  }
  return Ok{};
}

}  // namespace tenon::transforms
