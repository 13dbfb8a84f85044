// Ranges of integer values, as far as rows are chosen by them: a permutation's elements, positions, and
// whatever moves such values about lie in 0 .. bound - 1. An operation whose indices are known to lie inside
// cannot fail and tests nothing.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "lower/index.h"

namespace tenon::lower {

class IndexRanges {
 public:
  IndexRanges() = default;
  // Of a function's graph and every region in it. Linear in nodes. `cannot_fail`: functions, where applied.
  IndexRanges(const Graph& graph, const ir::DimRanges& dims, const std::set<std::string>& cannot_fail = {});

  bool may_fail(const Node& node) const { return declared_to_fail(node) && inside_.count(&node) == 0; }
  // Any node of the graph or of its regions.
  bool may_fail(const Graph& graph) const;

 private:
  static bool declared_to_fail(const Node& node);
  using Bounds = std::vector<std::optional<Dim>>;  // per value: elements are below it, and not negative
  void visit(const Graph& graph, const ir::DimRanges& dims, const std::set<std::string>& cannot_fail,
             Bounds bounds);

  std::unordered_set<const Node*> inside_;
};

}  // namespace tenon::lower
