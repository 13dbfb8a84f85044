// The reverse sweep behind grad and vjp: one backward pass over the node order of a graph, in which gradient
// nodes are appended. No recursion over depth; regions of loop and cond are swept as graphs of their own, so
// recursion follows the nesting of regions only.
//
// Two things do not depend on the order of statements, nor on what the arithmetic of untaken sides gives:
//  - The cotangents of a value's uses are added in the order of their structure (ir/structure.h), so that
//    permuted statements give the same bits.
//  - Where a rule chooses 0 for a cotangent (the side of a select not taken), it stays 0 through the
//    elementwise operations behind it, also where their slopes are infinite or NaN: the choice is made once
//    more where the chain of elementwise operations ends.
#pragma once

#include <vector>

#include "ir/builder.h"
#include "ir/structure.h"
#include "transforms/activity.h"

namespace tenon::transforms {

class Sweep {
 public:
  // `seeds`: see ir::Structure.
  Sweep(ir::Graph& graph, const ir::Module& module, std::vector<uint64_t> seeds = {})
      : graph_(graph), module_(module), b_(graph, &module), structure_(graph, std::move(seeds)) {}

  // Cotangents of `wrt`; an invalid id where no path leads from there to an output.
  Result<std::vector<ir::ValueId>> run(const std::vector<ir::ValueId>& outputs,
                                       const std::vector<ir::ValueId>& cotangents,
                                       const std::vector<ir::ValueId>& wrt);

 private:
  struct Range {
    size_t low, next;  // nodes low..next-1 are still to be swept, from the last one down
  };
  // A cotangent, or a part of one. Where `taken` is false it counts as 0; `stale`: its value may be another
  // one there, because elementwise rules have worked on it since the choice.
  struct Cotangent {
    ir::ValueId value, taken;
    bool stale = false;
  };

  Status visit(ir::NodeId id);
  void rule(const ir::Node& node);
  void expand(const ir::Node& node);
  Status loop(ir::NodeId id);  // vjp_loop.cpp
  Status cond(ir::NodeId id);  // vjp_cond.cpp
  Errors refuse(const ir::Node& node, const std::string& why,
                const std::string& mend = "stop_gradient before it keeps the gradient away from it") const;

  bool has_cotangent(ir::ValueId v) const {
    return cotangent_[v.index].value.valid() || !parts_[v.index].empty();
  }
  void add_cotangent(ir::ValueId v, ir::ValueId cotangent) { add_cotangent(v, {cotangent, {}, false}); }
  void add_cotangent(ir::ValueId v, Cotangent part);
  // The whole cotangent of v, of which no part comes any more; an invalid id where there is none.
  const Cotangent& gather(ir::ValueId v);
  ir::ValueId settled(const Cotangent& c);
  ir::ValueId settled_cotangent(ir::ValueId v);
  ir::ValueId cotangent_or_zero(ir::ValueId v);
  void name_cotangent(ir::ValueId v);
  bool is_zero(ir::ValueId v) const;
  ir::ValueId taken_side(ir::ValueId cotangent);
  void grow();

  ir::Graph& graph_;
  const ir::Module& module_;
  ir::Builder b_;
  ir::Structure structure_;
  std::vector<Cotangent> cotangent_;           // by value, once gathered
  std::vector<std::vector<Cotangent>> parts_;  // by value, one per use so far
  Flags active_, wanted_;                      // by value; wanted: one of those that run() was asked for
  size_t original_values_ = 0;
  std::vector<Range> todo_;
};

// A tensor of zeros of any type.
ir::ValueId zeros(ir::Builder& b, const ir::Type& type);

}  // namespace tenon::transforms
