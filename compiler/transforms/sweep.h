// The reverse sweep behind grad and vjp: one backward pass over the node order of a graph, in which gradient
// nodes are appended. No recursion over depth; regions of loop and cond are swept as graphs of their own, so
// recursion follows the nesting of regions only.
#pragma once

#include <vector>

#include "ir/builder.h"
#include "transforms/activity.h"

namespace tenon::transforms {

class Sweep {
 public:
  Sweep(ir::Graph& graph, const ir::Module& module) : graph_(graph), module_(module), b_(graph, &module) {}

  // Cotangents of `wrt`; an invalid id where no path leads from there to an output.
  Result<std::vector<ir::ValueId>> run(const std::vector<ir::ValueId>& outputs,
                                       const std::vector<ir::ValueId>& cotangents,
                                       const std::vector<ir::ValueId>& wrt);

 private:
  struct Range {
    size_t low, next;  // nodes low..next-1 are still to be swept, from the last one down
  };

  Status visit(ir::NodeId id);
  void rule(const ir::Node& node);
  void expand(const ir::Node& node);
  Status loop(ir::NodeId id);  // vjp_loop.cpp
  Status cond(ir::NodeId id);  // vjp_cond.cpp
  Errors refuse(const ir::Node& node, const std::string& why,
                const std::string& mend = "stop_gradient before it keeps the gradient away from it") const;

  bool has_cotangent(ir::ValueId v) const { return cotangent_[v.index].valid(); }
  ir::ValueId cotangent_or_zero(ir::ValueId v);
  void add_cotangent(ir::ValueId v, ir::ValueId cotangent);
  void name_cotangent(ir::ValueId v);
  void grow();

  ir::Graph& graph_;
  const ir::Module& module_;
  ir::Builder b_;
  std::vector<ir::ValueId> cotangent_;  // by value
  Flags active_;                        // by value
  size_t original_values_ = 0;
  std::vector<Range> todo_;
};

// A tensor of zeros of any type.
ir::ValueId zeros(ir::Builder& b, const ir::Type& type);

}  // namespace tenon::transforms
