// Names that the compiler makes beside a user's: states, arguments, results, dimensions, loops of steps. One
// rule for all of them: what a user named keeps its name, and what is made takes the name that the pages give
// it (`rng.seed`, `fc1.w.m`, `order`, `rows`) where nobody has it, else the first free one made from it
// (`rng.seed.1`). Functions `init` and `<step>.epochs` are called by name, so a user's function of that name
// is refused (ir/verify.cpp). Symbols of objects follow codegen/symbols.h, names in C c_interface/names.h.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>

#include "ir/graph.h"

namespace tenon::ir {

// Initial values that mark the states of random numbers: the seed that `init` is given, and a count of steps
// from 0. A state is told by them, whatever its name.
inline constexpr std::string_view seed_init = "seed", steps_init = "steps";
inline bool is_counter_init(std::string_view name) { return name == seed_init || name == steps_init; }

// The training loop of a step, and the same in an order of the caller's.
inline constexpr std::string_view loop_ending = ".epochs", order_ending = ".order";

// Names in use; what is claimed is new.
class MadeNames {
 public:
  MadeNames() = default;
  // All values of a graph, those inside its regions aside: they have names of their own.
  explicit MadeNames(const Graph& graph) { add(graph); }
  // All globals, and all values of functions: a global enters a function as a value of its name.
  explicit MadeNames(const Module& module);
  void add(const Graph& graph);
  void add(std::string name) { taken_.insert(std::move(name)); }
  bool has(const std::string& name) const { return taken_.count(name) != 0; }
  std::string claim(std::string_view wanted);

 private:
  std::unordered_set<std::string> taken_;
};

// One name for each returned value: the one given, else the value's own where no other result has it, else
// out0, out1, ...
std::vector<std::string> result_names(const Function& function);

}  // namespace tenon::ir
