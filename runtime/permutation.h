// A seeded permutation of 0..n-1 for splits and for batches drawn on the host: Fisher-Yates from the last
// element down, each partner drawn without bias by Random::below. The native training loop shuffles by its
// own algorithm inside the compiled graph; this one is not it.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "runtime/random.h"

namespace tenon::runtime {

inline std::vector<int64_t> permutation(int64_t n, Random random) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) order[static_cast<size_t>(i)] = i;
  for (uint64_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

}  // namespace tenon::runtime
