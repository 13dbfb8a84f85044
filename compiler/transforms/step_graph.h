// The function of a step while updates are added to it: arguments for globals, states beside parameters,
// writes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ir/made_names.h"
#include "ops/expr.h"

namespace tenon::transforms {
using namespace support;
using ops::V;

// The count of updates, a state.
inline constexpr std::string_view counter_name = "step";

class StepGraph {
 public:
  StepGraph(ir::Module& module, ir::Function& function);

  ir::Builder& builder() { return *builder_; }
  const ir::Module& module() const { return module_; }
  const std::string& name() const { return function_.name; }
  const ir::Global* find_global(const std::string& name) const;
  bool has_input(std::string_view name) const;
  // A value inside the function that has a global's name gives it up where the global comes in.
  void make_way(const std::string& global);

  // A parameter, state or hyper-parameter, as it is at entry.
  V entry(const std::string& global);
  // Appends a write, or replaces the value of the one that stands.
  void write(const std::string& global, V value);
  // The same for what changes with an update: where gradients are gathered over several calls, the old value
  // stays in all but the last of them.
  void update(const std::string& global, V value);
  // Updates are made where this holds, a bool[].
  void gate(V due) { due_ = due; }

  // Where a name that its slots would have is taken, by another step's or by the model, all of this step's
  // bear its own before them: which of two steps a slot belongs to is seen from its name.
  void name_slots(const std::vector<std::string>& names);
  // A state, always a new one.
  std::string slot(const std::string& wanted, const ir::Type& type, const ir::Init& init = {});
  // Updates done before this one, i64[]: the state `step`, which counts from here on.
  V count();
  // Updates done, this one among them.
  V next_count();

  // Puts in what is called or applied, and resolves the modes of what came with it. `kept`: values that are
  // needed later, which become others.
  Status settle(std::vector<ir::ValueId>* kept);

 private:
  void read();

  ir::Module& module_;
  ir::Function& function_;
  std::optional<ir::Builder> builder_;
  ir::MadeNames names_;
  std::unordered_map<std::string, ir::ValueId> entries_;  // arguments for globals
  std::unordered_map<std::string, size_t> globals_;       // of the module, by name
  std::unordered_map<std::string, size_t> writes_;        // position of each written global
  std::string prefix_, counter_;
  std::optional<V> due_, next_;
};

}  // namespace tenon::transforms
