#include "transforms/derive.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "ir/builder.h"
#include "ir/canonical.h"
#include "ir/compact.h"
#include "ir/made_names.h"
#include "ops/init.h"
#include "support/hash.h"
#include "support/text.h"
#include "transforms/globals.h"
#include "transforms/metrics.h"
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
  out.batch = {};
  out.name = derive.name;
  out.origin = ir::made_by(derive.kind, derive.source);
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

// What the step writes is the optimizer's to say: a loss that sets a trained parameter itself would lose its
// write.
Status check_writes(const Module& module, const Derive& derive, const Function& f,
                    const std::vector<std::string>& params) {
  Errors errors;
  for (const std::string& name : params)
    if (has_write(f, name))
      errors.append(derive_error(module, derive, derive.source + " sets " + name + ", which the step trains",
                                 "leave it out of over, or out of " + derive.source));
  if (!errors.empty()) return errors;
  return Ok{};
}

// Trained parameters: those of the patterns that the loss can reach, in declaration order.
Result<std::vector<std::string>> trained(const Module& module, const Derive& derive, const Function& f) {
  std::vector<std::string> patterns{"*"};
  if (const ir::Option* over = find_option(derive.options, "over")) patterns = names_of(*over);
  std::vector<char> used(patterns.size());
  std::unordered_set<std::string_view> read;
  for (ValueId a : f.graph.args)
    if (f.graph.value(a).arg == ArgKind::global) read.insert(f.graph.value(a).name);
  std::vector<std::string> out;
  for (const ir::Global& g : module.globals) {
    if (g.kind != ir::GlobalKind::param) continue;
    bool wanted = false;
    for (size_t i = 0; i < patterns.size(); ++i) {
      if (!glob_match(patterns[i], g.name)) continue;
      used[i] = 1;
      wanted = true;
    }
    if (wanted && read.contains(g.name) && !g.frozen && is_float(g.type.dtype)) out.push_back(g.name);
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

// How data are cut for a step: kept where the directive says it, else found in the types again. A step whose
// inputs do not tell is refused, unless it is said to have no batch: it would train on something else than
// was meant.
Status set_batch(const Module& module, const Derive& derive, Function* f) {
  const ir::BatchWords words = batch_words(derive.options);
  if (words.dim == no_batch) {
    f->batch.dim = words.dim;
    return Ok{};
  }
  if (!words.dim.empty() && !module.dims.contains(words.dim)) {
    std::vector<std::string_view> names;
    for (const std::string& name : module.dim_order) names.push_back(name);
    const std::string_view near = nearest(words.dim, names);
    return derive_error(module, derive, "batch: no dimension is named " + words.dim,
                        near.empty() ? "" : "did you mean " + std::string(near) + "?");
  }
  const ir::BatchFinding found = ir::find_batch(*f, words);
  if (!found.problem.empty()) return derive_error(module, derive, found.problem, found.help);
  if (found.batch && !(words.dim.empty() && words.same.empty())) f->batch = *found.batch;
  return Ok{};
}

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

Result<Function> derive_step(Module& module, const Derive& derive) {
  static constexpr std::string_view known[] = {"over", "with", "metrics", "batch", "same"};
  if (Status s = check_options(derive.options, known, "derive " + derive.name); !s)
    return at_derive(module, derive, s.take_errors());
  TENON_ASSIGN(Function f, start(module, derive));
  TENON_TRY(check_loss(module, derive, f));
  const ir::Option* with = find_option(derive.options, "with");
  if (with == nullptr) {
    return derive_error(module, derive, "option with is missing",
                        "with = sgd {lr = 0.01}, or momentum, or adam");
  }
  if (f.result_names[0].empty()) {
    ir::MadeNames names;
    for (const std::string& other : f.result_names) names.add(other);
    f.result_names[0] = names.claim("loss");
  }
  if (Status s = inline_calls(module, f, true); !s) return at_derive(module, derive, s.take_errors());
  if (const ir::Option* metrics = find_option(derive.options, "metrics")) {
    for (const std::string& name : names_of(*metrics)) TENON_TRY(add_metric(module, derive, name, &f));
  }
  TENON_TRY(set_batch(module, derive, &f));
  if (Status s = resolve_mode(module, f, ir::Mode::training); !s)
    return at_derive(module, derive, s.take_errors());
  TENON_ASSIGN(const std::vector<std::string> params, trained(module, derive, f));
  TENON_TRY(check_writes(module, derive, f, params));
  std::vector<ValueId> wrt;
  std::unordered_map<std::string_view, ValueId> entries;
  for (ValueId a : f.graph.args)
    if (f.graph.value(a).arg == ArgKind::global) entries.emplace(f.graph.value(a).name, a);
  for (const std::string& name : params) wrt.push_back(entries.at(name));
  Result<std::vector<ValueId>> gradients = grad(f.graph, module, f.graph.results[0], wrt);
  if (!gradients) return at_derive(module, derive, gradients.take_errors());
  if (Status s = add_optimizer(module, f, *with, params, *gradients); !s)
    return at_derive(module, derive, s.take_errors());
  // Every step counts, whether it draws or not: an order of rows is drawn from the counter as well.
  ensure_rng(module);
  count_step(module, f);
  ir::compact(module, f.graph);
  ir::order_nodes(f.graph);
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
  ir::order_nodes(f.graph);
  return f;
}

Result<Function> make_init(const Module& module) {
  Function f;
  f.name = "init";
  f.mode = ir::Mode::inference;
  f.origin = ir::made_by("init", "");
  const ValueId seed = f.graph.add_arg({DType::i64, {}}, ArgKind::input, "seed");
  ir::Builder b(f.graph, &module);
  Errors errors;
  for (const ir::Global& g : module.globals) {
    if (g.kind == ir::GlobalKind::hyper) continue;
    // Each global stands once: no write is looked for.
    auto write = [&](ValueId value) {
      f.writes.push_back({g.name});
      f.graph.results.push_back(value);
    };
    if (Status s = ops::check_init(g.init, g.type, g.name); !s) {
      Errors found = s.take_errors();
      for (Diagnostic& d : found.list) {
        if (!d.file.empty() || !g.location.known() || g.location.file >= module.files.size()) continue;
        d.file = module.files[g.location.file];
        d.line = g.location.line;
        d.column = g.location.column;
      }
      errors.append(std::move(found));
      continue;
    }
    if (ir::is_counter_init(g.init.name)) {
      write(g.init.name == ir::seed_init ? seed : b.constant(DType::i64, 0));
      continue;
    }
    const int64_t stream = static_cast<int64_t>(fnv1a(g.name) >> 1);
    write(ops::emit_init(b, g.init, g.type, seed, stream));
  }
  if (!errors.empty()) return errors;
  return f;
}

ir::BatchFinding step_batch(const Module& module, std::string_view step) {
  const Function* source = module.find_function(step);
  ir::BatchWords words;
  for (const Derive& d : module.derives) {
    if (d.name != step || d.kind != "step") continue;
    source = module.find_function(d.source);
    words = batch_words(d.options);
  }
  if (source == nullptr || words.dim == no_batch) return {};
  Module own = module;
  Function f = *source;
  if (!inline_calls(own, f, true)) return {};
  return ir::find_batch(f, words);
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

Status expand_directives(Module& module) {
  Errors errors;
  for (const Derive& derive : std::exchange(module.derives, {}))
    if (Status s = expand_derive(module, derive); !s) errors.append(s.take_errors());
  if (!errors.empty()) return errors;
  return Ok{};
}

Status expand_derives(Module& module) {
  TENON_TRY(expand_directives(module));
  if (module.find_function("init") == nullptr) {
    TENON_ASSIGN(Function init, make_init(module));
    module.functions.push_back(std::move(init));
  }
  return Ok{};
}

}  // namespace tenon::transforms
