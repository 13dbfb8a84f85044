// What an entry and a procedure take, and the entry of a function that stands as a procedure.
#include <algorithm>
#include <cstring>

#include "ir/batch.h"
#include "ir/made_names.h"
#include "lower/entry.h"

namespace tenon::lower {

void EntryEmitter::interface() {
  entry_.name = "entry_" + function_.name;
  entry_.entry = true;
  interface_.name = function_.name;
  interface_.origin = function_.origin;
  interface_.function = entry_.name;
  interface_.arena_function = "arena_" + function_.name;
  interface_.writes_state = !function_.writes.empty();
  for (const Loop& l : plan_.loops) interface_.loops = interface_.loops || l.commit;
  auto add = [&](kernel::ParamRole role, std::string name, DType dtype, const Shape& shape) {
    kernel::EntryParam p{role, std::move(name), dtype, {}};
    for (const Dim& d : shape) p.shape.push_back(d.text());
    interface_.params.push_back(std::move(p));
  };
  state_ = b_.buffer("state", DType::u8, alignment, true, true);
  add(kernel::ParamRole::state, "state", DType::u8, {});
  arena_ = b_.buffer("arena", DType::u8, alignment, true, true);
  add(kernel::ParamRole::arena, "arena", DType::u8, {});
  if (uses_constants(plan_)) {
    constants_ = b_.buffer("constants", DType::u8, alignment, true, false);
    add(kernel::ParamRole::constants, "constants", DType::u8, {});
  }
  for (ValueId v : plan_.inputs) {
    const ir::Value& value = graph_.value(v);
    inputs_.push_back(b_.buffer(value.name, value.type.dtype, 0, true, false));
    add(kernel::ParamRole::input, value.name, value.type.dtype, value.type.shape);
  }
  const std::vector<std::string> results = ir::result_names(function_);
  for (size_t i = 0; i < function_.returns; ++i) {
    const ir::Type& type = graph_.type(graph_.results[i]);
    const std::string& name = results[i];
    outputs_.push_back(b_.buffer(name, type.dtype, 0, true, true));
    add(kernel::ParamRole::output, name, type.dtype, type.shape);
  }
  for (uint32_t r = 0; r < plan_.roots.size(); ++r) {
    const Root& root = plan_.roots[r];
    if (root.base != RootBase::hyper) continue;
    hypers_[r] = b_.scalar(root.name, root.dtype);
    add(kernel::ParamRole::hyper, root.name, root.dtype, {});
    const ir::Global* hyper = module_.find_global(root.name);
    if (hyper != nullptr && !hyper->init.args.empty()) {
      with_dtype(root.dtype, [&]<class T>() {
        const T value = hyper->init.args[0].as<T>();
        std::memcpy(&interface_.params.back().bits, &value, sizeof value);
      });
    }
  }
  if (!interface_.loops) {
    if (const std::optional<ir::Batch> batch = ir::find_batch(function_).batch) {
      interface_.batch = batch->dim;
      std::unordered_map<std::string_view, const ir::BatchInput*> inputs;
      for (const ir::BatchInput& input : batch->inputs) inputs[input.name] = &input;
      for (kernel::EntryParam& p : interface_.params)
        if (const auto at = inputs.find(p.name); at != inputs.end() && p.role == kernel::ParamRole::input)
          p.cut = at->second->axes;
    }
  }
  add_dims(true);
}

// Sizes are parameters; `listed`: of the interface as well.
void EntryEmitter::add_dims(bool listed) {
  for (const std::string& name : dims_of(module_, graph_, plan_)) {
    dims_[name] = b_.use(b_.scalar(name));
    if (!listed) continue;
    interface_.params.push_back({kernel::ParamRole::dim, name, DType::i64, {}});
    const ir::DimRange& range = module_.dims.find(name)->second;
    interface_.dims.push_back({name, range.low, range.high});
  }
}

void EntryEmitter::procedure_parameters() {
  entry_.name = procedure_name(function_);
  entry_.procedure = true;
  arena_ = b_.buffer("arena", DType::u8, alignment, true, true);
  if (uses_constants(plan_)) constants_ = b_.buffer("constants", DType::u8, alignment, true, false);
  for (ValueId v : plan_.inputs) {
    const ir::Value& value = graph_.value(v);
    inputs_.push_back(b_.buffer(value.name, value.type.dtype, 0, true, false));
  }
  for (const std::string& name : plan_.globals) {
    const bool written = std::any_of(function_.writes.begin(), function_.writes.end(),
                                     [&](const ir::Write& w) { return w.global == name; });
    globals_.push_back(b_.buffer(name, module_.find_global(name)->type.dtype, alignment, true, written));
  }
  const std::vector<std::string> results = ir::result_names(function_);
  for (size_t i = 0; i < function_.returns; ++i)
    outputs_.push_back(b_.buffer(results[i], graph_.type(graph_.results[i]).dtype, 0, true, true));
  for (uint32_t r = 0; r < plan_.roots.size(); ++r)
    if (plan_.roots[r].base == RootBase::hyper)
      hypers_[r] = b_.scalar(plan_.roots[r].name, plan_.roots[r].dtype);
  add_dims(false);
}

void EntryEmitter::run_caller() {
  interface();
  arena_function();
  // The plan is the procedure's: its globals are slots of the state here.
  std::vector<ExprId> args{b_.address(arena_, b_.index(0), DType::u8)};
  if (uses_constants(plan_)) args.push_back(b_.address(constants_, b_.index(0), DType::u8));
  for (size_t i = 0; i < inputs_.size(); ++i)
    args.push_back(b_.address(inputs_[i], b_.index(0), graph_.type(plan_.inputs[i]).dtype));
  for (const std::string& name : plan_.globals) {
    const kernel::StateSlot* slot = layout_.find(name);
    TENON_CHECK(slot != nullptr, name);
    args.push_back(b_.address(state_, b_.index(static_cast<int64_t>(slot->offset)), slot->dtype));
  }
  for (size_t i = 0; i < outputs_.size(); ++i)
    args.push_back(b_.address(outputs_[i], b_.index(0), graph_.type(graph_.results[i]).dtype));
  for (const auto& [root, var] : hypers_) args.push_back(b_.use(var));
  for (const std::string& name : dims_of(module_, graph_, plan_)) args.push_back(dims_.at(name));
  b_.call(procedure_name(function_), std::move(args));
  entry_.comment = function_.name;
  out_->functions.push_back(std::move(entry_));
  out_->entries.push_back(std::move(interface_));
}

}  // namespace tenon::lower
