// Structure: a hash of what a value is computed from, and of nothing else. Names, places, scopes and the
// order of statements do not enter, so it is the key by which things are put into an order that follows from
// the graph. Values with one hash are computed alike: equal operations on equal operands.
//
// Arguments differ by kind and by what they stand for: inputs by position, globals by name; arguments of
// regions by the seeds given, or else by position. Linear in nodes, regions included; regions nest at most
// max_region_depth deep.
#pragma once

#include <cstdint>
#include <vector>

#include "ir/graph.h"

namespace tenon::ir {

class Structure {
 public:
  // `seeds`: one hash per argument, 0 or missing where the argument's own kind and position tell.
  explicit Structure(const Graph& graph, std::vector<uint64_t> seeds = {})
      : graph_(graph), seeds_(std::move(seeds)) {}

  // Nodes may have been appended since the last call; nodes seen already must not have changed, but for
  // results and arguments that were added.
  uint64_t of(ValueId value);
  // Takes in all nodes there are now.
  void extend();

  // Seeds for the arguments of a loop's or cond's region: captures are what they capture.
  std::vector<uint64_t> region_seeds(const Node& node, const Graph& region);

 private:
  uint64_t argument(ValueId value) const;
  uint64_t node_hash(const Node& node);

  const Graph& graph_;
  std::vector<uint64_t> seeds_;
  std::vector<uint64_t> nodes_;  // by node
};

}  // namespace tenon::ir
