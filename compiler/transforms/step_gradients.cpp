#include "transforms/step_gradients.h"

#include <algorithm>

#include "ir/apply.h"
#include "support/text.h"
#include "transforms/options.h"

namespace tenon::transforms {

using ir::ArgKind;
using ir::ValueId;
using Kind = SettingDef::Kind;
using Range = SettingDef::Range;

namespace {

constexpr SettingDef clip_settings[] = {
    {.name = "value",
     .doc = "largest magnitude of an element",
     .range = Range::positive,
     .otherwise = "none"},
    {.name = "norm", .doc = "largest norm of a gradient", .range = Range::positive, .otherwise = "none"},
    {.name = "global_norm",
     .doc = "largest norm of all gradients together",
     .kind = Kind::scalar,
     .range = Range::positive,
     .otherwise = "none"},
};

// What brings a norm down to the largest one allowed, as torch.nn.utils.clip_grad_norm_ has it.
V shrinking(V norm, V largest) { return ops::min(largest / (norm + 1e-6), 1.0); }

}  // namespace

V norm_of(std::span<const V> values) {
  DType widest = values.front().dtype();
  for (const V v : values)
    if (dtype_bytes(v.dtype()) > dtype_bytes(widest)) widest = v.dtype();
  std::optional<V> total;
  for (const V v : values) {
    const V squares = ops::cast(ops::reduce_sum(v * v, ops::all_axes(v)), widest);
    total = total ? *total + squares : squares;
  }
  return ops::sqrt(*total);
}

Gradients::Gradients(StepGraph& graph, const std::vector<ir::Option>& options,
                     std::span<const std::string> params)
    : graph_(graph),
      params_(params),
      accumulate_(find_option(options, "accumulate")),
      hook_(find_option(options, "hook")),
      clip_(find_option(options, "clip")) {
  if (accumulate_ != nullptr) calls_ = parse_int(accumulate_->word).value_or(0);
}

const ir::Function* Gradients::hook_of(const std::string& param) const {
  const ir::Option* chosen = hook_ == nullptr ? nullptr : choose(*hook_, param);
  return chosen == nullptr ? nullptr : graph_.module().find_function(chosen->word);
}

// What a hook is applied to: the parameter and its gradient, or the gradient alone, then the globals that it
// reads. `entry` gives globals as values of the graph.
std::vector<ValueId> Gradients::operands_of(const ir::Function& hook, const std::string& param,
                                            ValueId gradient,
                                            const std::function<ValueId(const std::string&)>& entry) const {
  const std::vector<ir::AppliedArgument> arguments = ir::applied_arguments(graph_.module(), hook);
  const auto inputs = std::count_if(arguments.begin(), arguments.end(),
                                    [](const ir::AppliedArgument& a) { return !a.global; });
  std::vector<ValueId> out;
  for (const ir::AppliedArgument& a : arguments) {
    const bool is_gradient = !a.global && static_cast<std::ptrdiff_t>(out.size()) + 1 == inputs;
    out.push_back(is_gradient ? gradient : entry(a.global ? std::string(a.name) : param));
  }
  return out;
}

Errors Gradients::check_hook(const std::string& name, const std::string& param) const {
  const ir::Module& module = graph_.module();
  const ir::Function* hook = module.find_function(name);
  if (hook == nullptr) return unknown_name("function", name, function_names(module), "hook: ");
  size_t inputs = 0;
  for (const ValueId a : hook->graph.args) inputs += hook->graph.value(a).arg == ArgKind::input;
  if (inputs < 1 || inputs > 2 || hook->returns != 1 || !hook->writes.empty())
    return error(Code::derive_invalid,
                 "hook: " + name + " takes " + std::to_string(inputs) + " inputs, returns " +
                     std::to_string(hook->returns) + " values and writes " +
                     std::to_string(hook->writes.size()) +
                     ", wants a parameter and its gradient, or the gradient, and returns a gradient",
                 "func " + name + "(p: f32[n], g: f32[n]) -> f32[n]");
  // Tried on a graph of its own: a failure is the user's.
  const ir::Type& type = graph_.find_global(param)->type;
  ir::Graph trial;
  const ValueId gradient = trial.add_arg(type, ArgKind::input, "");
  const std::vector<ValueId> operands = operands_of(*hook, param, gradient, [&](const std::string& global) {
    return trial.add_arg(graph_.find_global(global)->type, ArgKind::global, global);
  });
  const ir::OpDef& op = *ir::op_table().find("apply");
  ir::Attrs attrs(op.attrs.size());
  attrs[op.attr_index("callee")] = name;
  Result<std::vector<ValueId>> made = ir::Builder(trial, &module).try_emit(op, operands, std::move(attrs));
  std::string problem;
  if (!made) {
    problem = made.errors().list.front().message;
  } else if (trial.type(made->front()) != type) {
    problem = "it returns " + trial.type(made->front()).text();
  } else {
    return {};
  }
  return error(Code::derive_invalid,
               "hook: " + name + " does not fit " + param + ": " + type.text() + " (" + problem + ")",
               "name those that it fits by pattern: hook = {*.w = " + name + "}");
}

// The first parameter that its hook does not fit stands for all.
Errors Gradients::check_hooks(const SettingCheck& check) const {
  if (!by_pattern(*hook_) && (hook_->is_list || !hook_->group.empty() || hook_->word.empty()))
    return error(Code::derive_invalid, "hook wants the name of a function, or names by patterns",
                 "hook = center, or hook = {*.w = center}");
  Errors errors;
  if (by_pattern(*hook_)) errors.append(check.patterns(*hook_, "hook"));
  for (const std::string& param : params_) {
    const ir::Option* chosen = choose(*hook_, param);
    if (chosen == nullptr) continue;
    Errors found =
        chosen->is_list || !chosen->group.empty() || chosen->word.empty()
            ? error(Code::derive_invalid, "hook: " + chosen->name + " wants the name of a function")
            : check_hook(chosen->word, param);
    if (found.empty()) continue;
    errors.append(std::move(found));
    break;
  }
  return errors;
}

Errors Gradients::check(const SettingCheck& check) const {
  Errors errors;
  if (accumulate_ != nullptr &&
      (calls_ < 1 || calls_ > (1 << 20) || accumulate_->is_list || !accumulate_->group.empty()))
    errors.append(error(Code::derive_invalid, "accumulate wants a whole number of calls, 1 to 1048576",
                        "accumulate = 4: every fourth call updates, by the mean of four gradients"));
  if (hook_ != nullptr) errors.append(check_hooks(check));
  if (clip_ != nullptr) {
    if (clip_->group.empty() || !clip_->word.empty() || clip_->is_list)
      errors.append(
          error(Code::derive_invalid, "clip does not say what is clipped",
                "clip = {global_norm = 1}, or {norm = 1} of each gradient, or {value = 1} of each element"));
    else
      errors.append(check.settings(clip_settings, clip_->group, "clip"));
  }
  return errors;
}

std::vector<std::string> Gradients::slots() const {
  std::vector<std::string> out;
  if (calls_ <= 1) return out;
  out.emplace_back(parts_name);
  for (const std::string& param : params_) out.push_back(param + std::string(sum_ending));
  return out;
}

Result<std::vector<V>> Gradients::gather(const std::vector<ValueId>& gradients) {
  std::vector<ValueId> values = gradients;  // gradients, then sums
  std::vector<std::string> sums;
  ir::Builder& b = graph_.builder();
  for (size_t i = 0; calls_ > 1 && i < params_.size(); ++i) {
    const V g{&b, gradients[i]};
    sums.push_back(graph_.slot(params_[i] + std::string(sum_ending), g.type()));
    const V sum = graph_.entry(sums[i]) + g;
    values[i] = (sum / static_cast<double>(calls_)).id;
    values.push_back(sum.id);
  }
  if (hook_ != nullptr) {
    for (size_t i = 0; i < params_.size(); ++i) {
      const ir::Function* hook = hook_of(params_[i]);
      if (hook == nullptr) continue;
      const std::vector<ValueId> operands = operands_of(
          *hook, params_[i], values[i], [&](const std::string& global) { return graph_.entry(global).id; });
      values[i] = b.emit("apply", operands, {{"callee", hook->name}});
      b.set_name(values[i], params_[i] + ".hooked");
    }
    TENON_TRY(graph_.settle(&values));
  }
  if (calls_ > 1) {
    const std::string parts = graph_.slot(std::string(parts_name), {DType::i64, {}});
    const V next = graph_.entry(parts) + 1.0;
    const V due = ops::equal(next, ops::number(next, static_cast<double>(calls_)));
    graph_.write(parts, ops::select(due, 0.0, next));
    for (size_t i = 0; i < sums.size(); ++i)
      graph_.write(sums[i], ops::select(due, 0.0, V{&b, values[params_.size() + i]}));
    graph_.gate(due);
  }
  std::vector<V> out;
  for (size_t i = 0; i < params_.size(); ++i) out.push_back({&b, values[i]});
  return out;
}

void Gradients::clip(std::vector<V>* gradients, Scalars& scalars) const {
  if (clip_ == nullptr) return;
  const auto each = [&](std::string_view name, auto clipped) {
    const ir::Option* option = find_option(clip_->group, name);
    for (size_t i = 0; option != nullptr && i < params_.size(); ++i) {
      V& g = (*gradients)[i];
      if (const ir::Option* chosen = choose(*option, params_[i]))
        g = clipped(g, scalars.value(*chosen, g.dtype()));
    }
  };
  each("value", [](V g, V largest) { return ops::max(ops::min(g, largest), -largest); });
  each("norm", [](V g, V largest) { return g * shrinking(norm_of({&g, 1}), largest); });
  if (const ir::Option* option = find_option(clip_->group, "global_norm")) {
    const V norm = norm_of(*gradients);
    const V factor = shrinking(norm, scalars.value(*option, norm.dtype()));
    for (V& g : *gradients) g = g * ops::cast(factor, g.dtype());
  }
}

}  // namespace tenon::transforms
