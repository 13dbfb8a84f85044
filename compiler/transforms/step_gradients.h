// From the gradients of a loss to those that an update rule takes, in this order: the mean over several calls
// (`accumulate`), a function of the module (`hook`), clipping (`clip`).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "transforms/scalars.h"
#include "transforms/settings.h"

namespace tenon::transforms {

// States that gather gradients over calls: a sum beside each parameter, and the number of calls in it.
inline constexpr std::string_view sum_ending = ".sum", parts_name = "parts";

class Gradients {
 public:
  // `options`: of the step; `params` in the order of their gradients.
  Gradients(StepGraph& graph, const std::vector<ir::Option>& options, std::span<const std::string> params);

  // What of the options cannot be carried out. All at once, without a place.
  Errors check(const SettingCheck& check) const;
  // The states that it will add.
  std::vector<std::string> slots() const;

  // The means over calls, through the hooks. Values that were made before are others afterwards.
  Result<std::vector<V>> gather(const std::vector<ir::ValueId>& gradients);
  void clip(std::vector<V>* gradients, Scalars& scalars) const;

 private:
  Errors check_hooks(const SettingCheck& check) const;
  Errors check_hook(const std::string& hook, const std::string& param) const;
  const ir::Function* hook_of(const std::string& param) const;
  std::vector<ir::ValueId> operands_of(const ir::Function& hook, const std::string& param,
                                       ir::ValueId gradient,
                                       const std::function<ir::ValueId(const std::string&)>& entry) const;

  StepGraph& graph_;
  std::span<const std::string> params_;
  const ir::Option *accumulate_, *hook_, *clip_;
  int64_t calls_ = 1;  // whose gradients make one update
};

// The Euclidean norm of all elements of all values, in the widest of their types.
V norm_of(std::span<const V> values);

}  // namespace tenon::transforms
