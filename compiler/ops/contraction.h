// The order in which a contraction adds up its products: part of its meaning, derived from declared static
// extents only, never from what a size is bound to later or from a target.
//   N = product of the free extents of rhs, K = product of the contracting extents
//   N < 8, K <= 8: one chain (order blocks, block 512), arithmetic that fuses with its neighbours
//   N < 5:       order lanes, block 8192: a row of results fills too little of a vector, so the lanes of one
//                result run along K
//   N >= 128 or not static: order blocks of 512
//   else:        blocks short enough that a single row of lhs keeps about 8 accumulators busy: with
//                nvec = ceil(N / 16) vectors a row, K is cut into ceil(8 / nvec) blocks of a multiple of 8,
//                at least 8, at most 512; blocks of 64 where K is not static
#pragma once

#include "ops/expr.h"
#include "ops/rules.h"

namespace tenon::ops {

struct ContractionOrder {
  std::string order;  // blocks, lanes
  int64_t block;
  // The block where the order is `wanted`, which may have been given against the rule.
  int64_t block_for(std::string_view wanted) const {
    return wanted == order ? block : wanted == "lanes" ? 8192 : 512;
  }
};
// Lists may hold negative axes and ones that are out of range (the shape rule refuses those later).
ContractionOrder contraction_order(const Type& lhs, const Type& rhs, const Axes& rhs_batch,
                                   const Axes& lhs_contract, const Axes& rhs_contract);
// Of the last dimension of operand 0 with the first of operand 1.
ContractionOrder product_order(const InferContext& c);

constexpr AttrDef order_attr(ir::Attr (*derive)(const InferContext&)) {
  return {.name = "order",
          .kind = AttrKind::text,
          .doc = "order of summation; derived from declared static extents",
          .choices = "blocks|lanes",
          .derive = derive};
}
constexpr AttrDef block_attr(ir::Attr (*derive)(const InferContext&)) {
  return {.name = "block",
          .kind = AttrKind::integer,
          .doc = "products of a block of that order; derived from declared static extents",
          .derive = derive};
}
// Attributes order and block are in their ranges (T108).
Status check_order(const InferContext& c);

// Two lists of a factor's dimensions each, in pairs (T108); of `equal` extents (T107).
Status check_pairs(const InferContext& c, std::string_view lhs_name, std::string_view rhs_name, bool equal);

// Matrix product in the order that the node's attributes name.
V product(V x, V w, const ir::Node& node);

// A contraction that says of its factors' dimensions only which are pairs: it has no windows.
bool pairs_dimensions(const OpDef& op);
// The dimensions of such a contraction's factor (0: the left one) by what they are; the free ones in their
// order.
struct FactorAxes {
  Axes batch, contract, free;
};
FactorAxes factor_axes(const ir::Node& contraction, size_t factor, size_t rank);
// The contraction's attributes, where the right factor's dimensions are these.
ir::Attrs with_right_axes(const ir::Node& contraction, Axes batch, Axes contract);

}  // namespace tenon::ops
