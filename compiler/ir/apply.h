// apply: a function of the module used as a pure function. What it reads and writes of parameters and state
// are operands and results, so that an update can be made anywhere: in a loop over batches, at other sizes.
// Hyper-parameters are read by name. These rules tell what the operands and results of an `apply` are; the
// verifier, the evaluators, inlining and lowering share them.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/op_def.h"

namespace tenon::ir {

inline bool is_control(const Node& node, Control what) {
  return node.op->control() != nullptr && node.op->control()->what == what;
}
inline bool is_apply(const Node& node) { return is_control(node, Control::apply); }

// One operand of an apply: an input of the function, or a parameter or state that it reads or writes.
struct AppliedArgument {
  std::string_view name;
  const Type* type = nullptr;
  ValueId value;  // in the function's graph; invalid: it is written and not read
  bool global = false;
  size_t result = ~size_t{0};  // of an apply: where what the function writes comes out; none: only read
};
// In the order of operands: inputs as they stand, then globals in the order of their declarations. Linear.
std::vector<AppliedArgument> applied_arguments(const Module& module, const Function& function);
// Positions among the results of the function's graph, in the order of an apply's results: what it returns,
// then what it writes in the order of declarations.
std::vector<size_t> applied_results(const Module& module, const Function& function);

// The function's dimensions at which it is applied, where they are others than its own: an extent that is one
// named dimension is what the operand has there.
using AppliedSizes = std::map<std::string, Dim, std::less<>>;
// T104 to T108 where an operand does not fit.
Result<AppliedSizes> applied_sizes(const Function& function, std::span<const AppliedArgument> arguments,
                                   std::span<const Type> operands);
// Of a node that is verified.
AppliedSizes applied_sizes(const Module& module, const Graph& graph, const Node& node);

// Functions that a graph applies, in its regions too.
void collect_applied(const Graph& graph, std::set<std::string>* names);
// Those that these functions apply, and those that they apply in turn.
std::set<std::string> applied_by(const Module& module, std::span<const std::string> functions);

// Takes operands out of every apply of a function, before those arguments leave it: `keep` by operand.
void drop_operands(Module& module, std::string_view function, const std::vector<bool>& keep);

}  // namespace tenon::ir
