#include "lower/group_order.h"

#include <algorithm>
#include <unordered_set>

namespace tenon::lower {

GroupOrder::GroupOrder(std::size_t count) : before_(count), after_(count), position_(count) {
  for (uint32_t g = 0; g < count; ++g) position_[g] = g;
}

std::vector<uint32_t> GroupOrder::met(uint32_t start, const std::vector<std::set<uint32_t>>& edges,
                                      uint32_t low, uint32_t high) const {
  std::vector<uint32_t> out{start};
  std::unordered_set<uint32_t> seen{start};
  for (size_t i = 0; i < out.size(); ++i)
    for (const uint32_t next : edges[out[i]])
      if (position_[next] >= low && position_[next] <= high && seen.insert(next).second) out.push_back(next);
  return out;
}

bool GroupOrder::reaches(uint32_t from, uint32_t to) const {
  if (position_[to] < position_[from]) return false;
  const std::vector<uint32_t> all = met(to, before_, position_[from], position_[to]);
  return std::find(all.begin(), all.end(), from) != all.end();
}

void GroupOrder::add(uint32_t before, uint32_t after) {
  if (before == after || !before_[after].insert(before).second) return;
  after_[before].insert(after);
  const uint32_t low = position_[after], high = position_[before];
  if (high < low) return;
  // What leads to `before`, then what follows `after`, in the places that both had.
  std::vector<uint32_t> first = met(before, before_, low, high), last = met(after, after_, low, high);
  const auto by_position = [&](uint32_t a, uint32_t b) { return position_[a] < position_[b]; };
  std::sort(first.begin(), first.end(), by_position);
  std::sort(last.begin(), last.end(), by_position);
  first.insert(first.end(), last.begin(), last.end());
  std::vector<uint32_t> places;
  for (const uint32_t g : first) places.push_back(position_[g]);
  std::sort(places.begin(), places.end());
  for (size_t i = 0; i < first.size(); ++i) position_[first[i]] = places[i];
}

}  // namespace tenon::lower
