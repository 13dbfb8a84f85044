// An executable order of groups that more edges are added to, one after the other.
//
// Positions are kept topological as edges come (Pearce and Kelly): an edge that agrees with them costs
// nothing, one that does not moves only what stands between its ends. So whether an edge would close a cycle
// is found among those as well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

namespace tenon::lower {

class GroupOrder {
 public:
  // Groups 0 .. count-1, which is an order of the edges that are added first.
  explicit GroupOrder(std::size_t count);
  // `after` waits for `before`. There must be no path from `after` to `before`.
  void add(uint32_t before, uint32_t after);
  // Is there a path from `from` to `to`, both ends included?
  bool reaches(uint32_t from, uint32_t to) const;
  const std::set<uint32_t>& before(uint32_t group) const { return before_[group]; }

 private:
  // Groups met from `start` along `edges` whose positions lie between `low` and `high`.
  std::vector<uint32_t> met(uint32_t start, const std::vector<std::set<uint32_t>>& edges, uint32_t low,
                            uint32_t high) const;

  std::vector<std::set<uint32_t>> before_, after_;
  std::vector<uint32_t> position_;
};

}  // namespace tenon::lower
