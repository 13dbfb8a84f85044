// step: a training step.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ir/builder.h"
#include "ir/canonical.h"
#include "ir/compact.h"
#include "ir/made_names.h"
#include "support/text.h"
#include "transforms/derive.h"
#include "transforms/globals.h"
#include "transforms/metrics.h"
#include "transforms/optimizer.h"
#include "transforms/options.h"
#include "transforms/step_gradients.h"
#include "transforms/transforms.h"
#include "transforms/update.h"

namespace tenon::transforms {

using ir::ArgKind;
using ir::Derive;
using ir::Function;
using ir::Module;
using ir::ValueId;

namespace {

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

// Those of the names that the patterns match, in their order. `unmatched`: what is said of a pattern that
// matches none.
Result<std::vector<std::string>> matching(const Module& module, const Derive& derive,
                                          const ir::Option& patterns, const std::vector<std::string>& names,
                                          const std::string& unmatched) {
  std::vector<char> wanted(names.size());
  for (const std::string& pattern : names_of(patterns)) {
    bool found = false;
    for (size_t i = 0; i < names.size(); ++i) {
      if (!glob_match(pattern, names[i])) continue;
      found = true;
      wanted[i] = 1;
    }
    if (found) continue;
    const std::vector<std::string_view> all(names.begin(), names.end());
    const std::string_view near = nearest(pattern, all);
    return derive_error(module, derive, unmatched + " matches " + pattern,
                        near.empty() ? "" : "did you mean " + std::string(near) + "?");
  }
  std::vector<std::string> out;
  for (size_t i = 0; i < names.size(); ++i)
    if (wanted[i]) out.push_back(names[i]);
  return out;
}

// Trained parameters, in declaration order: those of `over` that the loss can reach, without those of
// `frozen`.
Result<std::vector<std::string>> trained(const Module& module, const Derive& derive, const Function& f) {
  std::unordered_set<std::string_view> read;
  for (ValueId a : f.graph.args)
    if (f.graph.value(a).arg == ArgKind::global) read.insert(f.graph.value(a).name);
  std::vector<std::string> params;
  for (const ir::Global& g : module.globals)
    if (g.kind == ir::GlobalKind::param) params.push_back(g.name);
  if (const ir::Option* over = find_option(derive.options, "over")) {
    TENON_ASSIGN(params, matching(module, derive, *over, params, "no parameter"));
  }
  std::erase_if(params, [&](const std::string& name) {
    const ir::Global& g = *module.find_global(name);
    return !read.contains(name) || g.frozen || !is_float(g.type.dtype);
  });
  if (const ir::Option* frozen = find_option(derive.options, "frozen")) {
    TENON_ASSIGN(const std::vector<std::string> kept,
                 matching(module, derive, *frozen, params, "frozen: no parameter that is trained"));
    std::erase_if(params, [&](const std::string& name) {
      return std::find(kept.begin(), kept.end(), name) != kept.end();
    });
  }
  if (params.empty()) {
    return derive_error(module, derive,
                        "nothing to train: " + derive.source + " reads none of the parameters",
                        "parameters that are frozen are not trained");
  }
  return params;
}

// Returns the gradients that are asked for, and the norm of all.
Status add_gradients(const Module& module, const Derive& derive, const std::vector<std::string>& params,
                     const std::vector<ValueId>& gradients, Function* f) {
  if (const ir::Option* wanted = find_option(derive.options, "gradients")) {
    TENON_ASSIGN(const std::vector<std::string> names,
                 matching(module, derive, *wanted, params, "gradients: no parameter that is trained"));
    for (size_t i = 0; i < params.size(); ++i)
      if (std::find(names.begin(), names.end(), params[i]) != names.end())
        add_result(*f, gradients[i], params[i] + "'");
  }
  if (is_true(derive.options, "gradient_norm")) {
    ir::Builder b(f->graph, &module);
    std::vector<ops::V> values;
    for (const ValueId g : gradients) values.push_back({&b, g});
    add_result(*f, norm_of(values).id, "gradient_norm");
  }
  return Ok{};
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

// A setting of the optimizer belongs into its braces.
Status check_step_options(const Derive& derive) {
  std::vector<OptionDef> known{{"over", OptionForm::names},        {"frozen", OptionForm::names},
                               {"metrics", OptionForm::names},     {"batch", OptionForm::word},
                               {"same", OptionForm::names},        {"gradients", OptionForm::names},
                               {"gradient_norm", OptionForm::flag}};
  for (const std::string_view name : update_options) known.push_back({name});
  const ir::Option* with = find_option(derive.options, "with");
  const Optimizer* optimizer = with == nullptr ? nullptr : find_optimizer(with->word);
  return check_options(derive.options, known, "derive " + derive.name, [&](std::string_view name) {
    if (optimizer != nullptr)
      for (const SettingDef& s : optimizer->settings)
        if (s.name == name)
          return "it is a setting of the optimizer: with = " + with->word + " {" + std::string(name) +
                 " = ...}";
    return std::string();
  });
}

}  // namespace

Result<Function> derive_step(Module& module, const Derive& derive) {
  if (Status s = check_step_options(derive); !s) return at_derive(module, derive, s.take_errors());
  TENON_ASSIGN(Function f, start_derived(module, derive));
  TENON_TRY(check_loss(module, derive, f));
  if (find_option(derive.options, "with") == nullptr) {
    std::string all;
    for (const std::string_view name : optimizer_names())
      all += (all.empty() ? "" : ", ") + std::string(name);
    return derive_error(module, derive, "option with is missing", "with = sgd {lr = 0.01}; one of " + all);
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
  TENON_TRY(add_gradients(module, derive, params, *gradients, &f));
  if (Status s = add_updates(module, f, derive.options, params, *gradients); !s)
    return at_derive(module, derive, s.take_errors());
  // Every step counts, whether it draws or not: an order of rows is drawn from the counter as well.
  ensure_rng(module);
  count_step(module, f);
  ir::compact(module, f.graph);
  ir::order_nodes(f.graph);
  return f;
}

}  // namespace tenon::transforms
