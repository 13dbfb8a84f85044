#include "ops/contraction.h"

#include <algorithm>

namespace tenon::ops {
namespace {

bool names(const Axes& axes, int64_t axis, int64_t rank) {
  return contains(axes, axis) || contains(axes, axis - rank);
}
int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

ContractionOrder contraction_order(const Type& lhs, const Type& rhs, const Axes& rhs_batch,
                                   const Axes& lhs_contract, const Axes& rhs_contract) {
  Dim n = 1, k = 1;
  const int64_t lhs_rank = static_cast<int64_t>(lhs.rank()), rhs_rank = static_cast<int64_t>(rhs.rank());
  for (int64_t i = 0; i < rhs_rank; ++i) {
    if (!names(rhs_batch, i, rhs_rank) && !names(rhs_contract, i, rhs_rank))
      n = n * rhs.shape[static_cast<size_t>(i)];
  }
  for (int64_t i = 0; i < lhs_rank; ++i) {
    if (names(lhs_contract, i, lhs_rank)) k = k * lhs.shape[static_cast<size_t>(i)];
  }
  if (n.overflowed() || !n.is_constant()) return {"blocks", 512};
  // A few products need no partial sums; as one chain they are arithmetic that fuses with its neighbours.
  constexpr int64_t narrow = 8, narrowest = 5, chain = 8;
  const bool few = !k.overflowed() && k.is_constant() && k.constant() >= 1 && k.constant() <= chain;
  if (n.constant() < narrow && few) return {"blocks", 512};
  if (n.constant() < narrowest) return {"lanes", 8192};
  // Eight chains keep two multipliers busy with one row. Six vectors come close, and partial sums would cost
  // the tiles of several rows more.
  if (n.constant() > 5 * 16) return {"blocks", 512};
  if (k.overflowed() || !k.is_constant()) return {"blocks", 64};
  const int64_t vectors = ceil_div(n.constant(), 16), blocks = ceil_div(8, vectors);
  const int64_t size = ceil_div(std::min(k.constant(), int64_t{1} << 32), blocks);
  return {"blocks", std::clamp(ceil_div(size, 8) * 8, int64_t{8}, int64_t{512})};
}

ContractionOrder product_order(const InferContext& c) {
  return contraction_order(c.operands[0], c.operands[1], {}, {-1}, {0});
}

Status check_order(const InferContext& c) {
  const int64_t block = c.get<int64_t>("block");
  const bool lanes = c.get<std::string>("order") == "lanes";
  if (block >= 1 && block <= (int64_t{1} << 20) && !(lanes && block % 64 != 0)) return Ok{};
  return c.fail(Code::bad_attribute, "block is " + std::to_string(block) + ", wants " +
                                         (lanes ? "a multiple of 64 up to 1048576" : "1 to 1048576"));
}

V product(V x, V w, const ir::Node& node) {
  return emit("dot_general", {x, w},
              {{"lhs_contract", Axes{x.rank() - 1}},
               {"rhs_contract", Axes{0}},
               {"order", node.get<std::string>("order")},
               {"block", node.get<int64_t>("block")}});
}

Status check_pairs(const InferContext& c, std::string_view lhs_name, std::string_view rhs_name, bool equal) {
  const Axes &l = c.get<Axes>(lhs_name), &r = c.get<Axes>(rhs_name);
  if (l.size() != r.size())
    return c.fail(Code::bad_attribute,
                  std::string(lhs_name) + " names " + std::to_string(l.size()) + " dimensions, " +
                      std::string(rhs_name) + " " + std::to_string(r.size()) + "; " + operands_text(c),
                  "they name pairs: as many of one as of the other");
  for (size_t i = 0; equal && i < l.size(); ++i) {
    const Dim &a = c.operands[0].shape[static_cast<size_t>(l[i])],
              &b = c.operands[1].shape[static_cast<size_t>(r[i])];
    if (a != b)
      return c.fail(
          Code::shape_mismatch,
          "dimension " + std::to_string(l[i]) + " of " + operand_text(c, 0) + " is " + a.text() +
              ", dimension " + std::to_string(r[i]) + " of " + operand_text(c, 1) + " is " + b.text(),
          "pair dimensions of equal extents (" + std::string(lhs_name) + ", " + std::string(rhs_name) + ")");
  }
  return Ok{};
}

bool pairs_dimensions(const OpDef& op) { return ir::multiplies(op) && op.find_attr("lhs_window") == nullptr; }

FactorAxes factor_axes(const ir::Node& node, size_t factor, size_t rank) {
  const bool left = factor == 0;
  FactorAxes out{node.get<Axes>(left ? "lhs_batch" : "rhs_batch"),
                 node.get<Axes>(left ? "lhs_contract" : "rhs_contract"),
                 {}};
  for (int64_t d = 0; d < static_cast<int64_t>(rank); ++d)
    if (!contains(out.batch, d) && !contains(out.contract, d)) out.free.push_back(d);
  return out;
}

ir::Attrs with_right_axes(const ir::Node& node, Axes batch, Axes contract) {
  ir::Attrs attrs = node.attrs;
  attrs[node.op->attr_index("rhs_batch")] = std::move(batch);
  attrs[node.op->attr_index("rhs_contract")] = std::move(contract);
  return attrs;
}

}  // namespace tenon::ops
