// What one element of a node costs: instructions of its scalar rule. Fusion bounds kernels by it, because the
// time of code generation follows the instructions of a block, not the operations that they came from.
#pragma once

#include <cstdint>
#include <tuple>
#include <vector>

#include "lower/index.h"

namespace tenon::lower {

// Instructions of one element of `node`, its operands' elements not counted; at least 1. Rules are asked once
// for each of their types.
class Costs {
 public:
  explicit Costs(const Graph& graph) : graph_(graph) {}
  uint32_t node(const Node& node);

 private:
  uint32_t elementwise(const Node& node);

  const Graph& graph_;
  std::map<std::tuple<const ir::OpDef*, DType, DType>, uint32_t> known_;
};

// Which nodes that fusion would recompute wherever they are read have to be stored instead: those at which
// the terms of one element would pass a bound. A map of several pieces reads each under a guard of its own,
// so terms multiply along chains of maps; arithmetic on single numbers is one term however often it is read.
// Clears `index_only` there. Returns the terms of each node that is recomputed, 1 for others. Time grows with
// the number of nodes.
std::vector<uint32_t> bound_terms(const Graph& graph, std::vector<bool>* index_only);

}  // namespace tenon::lower
