// Activity: which values depend on the values a derivative is taken with respect to. Only these can carry a
// cotangent; all others are skipped by the reverse sweep. Integers and bools are never active, and an
// operation that declares a zero gradient (stop_gradient, comparisons, ...) ends activity.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace tenon::transforms {
using namespace support;

using Flags = std::vector<char>;

// Extends `active` (indexed by value; seeds set) over the nodes from `first` on, in program order.
void extend_activity(const ir::Graph& graph, size_t first, Flags* active);

struct RegionActivity {
  Flags args;     // per argument of the region
  Flags results;  // per result of the node
};
// Loop: the least fixed point over its carries. Operands' flags are given in operand order.
RegionActivity loop_activity(const ir::Node& loop, const Flags& operands);
RegionActivity cond_activity(const ir::Node& cond, const Flags& operands);

// Which carries of a loop can get a cotangent, where `seeds` (per result) have one: backward over the body,
// to a fixed point over the carries.
Flags useful_results(const ir::Node& loop, const Flags& seeds);

}  // namespace tenon::transforms
