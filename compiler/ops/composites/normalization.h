// What normalizations share.
#pragma once

#include "ops/expr.h"
#include "ops/rules.h"

namespace tenon::ops {

inline constexpr AttrDef epsilon{.name = "epsilon",
                                 .kind = AttrKind::number,
                                 .doc = "added to the variance (rms_norm: to the mean square), from 0 to 1",
                                 .preset = "1e-5"};

inline double epsilon_of(const ir::Node& node) { return node.get<double>("epsilon"); }

inline Status want_epsilon(const InferContext& c) {
  const double epsilon = c.get<double>("epsilon");
  if (epsilon >= 0 && epsilon <= 1) return Ok{};
  return c.fail(Code::bad_attribute, "epsilon must be from 0 to 1");
}
// Operand i, where it is given, is one number for each of `extent`.
inline Status want_each(const InferContext& c, size_t i, const Dim& extent, std::string_view of) {
  if (i >= c.operands.size()) return Ok{};
  TENON_TRY(same_dtype(c, i, 0));
  TENON_TRY(want_rank(c, i, 1));
  if (c.operands[i].shape[0] == extent) return Ok{};
  return c.fail(Code::shape_mismatch, operand_name(c, i) + " has " + c.operands[i].shape[0].text() +
                                          " entries, x has " + extent.text() + " " + std::string(of) + "; " +
                                          operand_text(c, 0));
}

// A value for each index of `axis`, over x's shape.
inline V along(V v, const Shape& shape, int64_t axis) { return broadcast_to(v, shape, {axis}); }

}  // namespace tenon::ops
