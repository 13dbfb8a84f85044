// The dimensions of a convolution's factors, and its derivative; see convolution.cpp.
#pragma once

#include <algorithm>

#include "ops/expr.h"
#include "ops/rules.h"

namespace tenon::ops {

// A factor's dimensions by what they are.
struct Factor {
  Axes batch, contract, window, free;
};
inline Factor factor_of(const Axes& batch, const Axes& contract, const Axes& window, size_t rank) {
  Factor f{batch, contract, window, {}};
  for (int64_t d = 0; d < static_cast<int64_t>(rank); ++d)
    if (!contains(batch, d) && !contains(contract, d) && !contains(window, d)) f.free.push_back(d);
  return f;
}
template <class Attributes>
Factor factor_of(const Attributes& from, bool left, size_t rank) {
  auto axes = [&](std::string_view l, std::string_view r) { return from.template get<Axes>(left ? l : r); };
  return factor_of(axes("lhs_batch", "rhs_batch"), axes("lhs_contract", "rhs_contract"),
                   axes("lhs_window", "rhs_window"), rank);
}

void convolution_vjp(ir::VjpContext& c);

}  // namespace tenon::ops
