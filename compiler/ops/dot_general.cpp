// dot_general: sums of products over contracting dimensions, and `dot`, its everyday case.
//
// The order of summation is part of the meaning: attributes order and block (see Order in
// ir/iteration.h; lanes are 64 lanes, blocks one), derived by the rule of contraction.h. dot carries them as
// well, so that a size that is bound while it is still folded does not change them.
#include <algorithm>

#include "ops/contraction.h"
#include "ops/expr.h"
#include "ops/family.h"
#include "ops/rules.h"

namespace tenon::ops {
namespace {

const Axes& axes_of(const InferContext& c, std::string_view name) { return c.get<Axes>(name); }

ContractionOrder choose_order(const InferContext& c) {
  return contraction_order(c.operands[0], c.operands[1], axes_of(c, "rhs_batch"), axes_of(c, "lhs_contract"),
                           axes_of(c, "rhs_contract"));
}

ir::Attr derive_order(const InferContext& c) { return choose_order(c).order; }
ir::Attr derive_block(const InferContext& c) {
  return choose_order(c).block_for(c.get<std::string>("order"));
}

Status check_side(InferContext& c, size_t operand, std::string_view batch, std::string_view contract) {
  const size_t rank = c.operands[operand].rank();
  for (std::string_view name : {batch, contract}) {
    Axes axes = axes_of(c, name);
    for (int64_t& axis : axes) {
      const int64_t n = static_cast<int64_t>(rank);
      if (axis < -n || axis >= n) {
        return c.fail(Code::bad_attribute, std::string(name) + " " + std::to_string(axis) +
                                               " is outside the " + std::to_string(rank) + " dimensions of " +
                                               operand_text(c, operand));
      }
      if (axis < 0) axis += n;
    }
    c.set(name, std::move(axes));
  }
  Axes all = axes_of(c, batch);
  for (int64_t axis : axes_of(c, contract)) all.push_back(axis);
  std::sort(all.begin(), all.end());
  if (auto twice = std::adjacent_find(all.begin(), all.end()); twice != all.end()) {
    return c.fail(Code::bad_attribute, "dimension " + std::to_string(*twice) + " of " +
                                           operand_text(c, operand) + " is named twice by " +
                                           std::string(batch) + " and " + std::string(contract));
  }
  return Ok{};
}

Status infer(InferContext& c) {
  TENON_TRY(same_dtype(c, 0, 1));
  TENON_TRY(check_side(c, 0, "lhs_batch", "lhs_contract"));
  TENON_TRY(check_side(c, 1, "rhs_batch", "rhs_contract"));
  TENON_TRY(check_pairs(c, "lhs_batch", "rhs_batch", true));
  TENON_TRY(check_pairs(c, "lhs_contract", "rhs_contract", true));
  TENON_TRY(check_order(c));
  const Type &lhs = c.operands[0], &rhs = c.operands[1];
  Type result{lhs.dtype, {}};
  for (int64_t axis : axes_of(c, "lhs_batch")) result.shape.push_back(lhs.shape[static_cast<size_t>(axis)]);
  const auto append_free = [&](const Type& type, std::string_view batch, std::string_view contract) {
    for (size_t i = 0; i < type.rank(); ++i) {
      const int64_t axis = static_cast<int64_t>(i);
      if (!contains(axes_of(c, batch), axis) && !contains(axes_of(c, contract), axis)) {
        result.shape.push_back(type.shape[i]);
      }
    }
  };
  append_free(lhs, "lhs_batch", "lhs_contract");
  append_free(rhs, "rhs_batch", "rhs_contract");
  c.results = {std::move(result)};
  return Ok{};
}

// Axes: batch, free of lhs, free of rhs, contracted.
ir::Iteration describe(const ir::Node& node, const std::vector<Type>& operands, const Type&) {
  const Axes* const batch[] = {&node.get<Axes>("lhs_batch"), &node.get<Axes>("rhs_batch")};
  const Axes* const contract[] = {&node.get<Axes>("lhs_contract"), &node.get<Axes>("rhs_contract")};
  ir::Iteration out;
  out.operands.resize(2);
  for (size_t k = 0; k < 2; ++k)
    out.operands[k].index.assign(operands[k].rank(), ir::affine_constant(Dim(0)));
  const auto axis = [&](const Dim& extent, ir::Axis::Role role) {
    out.axes.push_back({extent, role});
    const ir::AffineIndex at = ir::affine_axis(static_cast<uint32_t>(out.axes.size() - 1));
    if (role == ir::Axis::Role::kept) out.result.index.push_back(at);
    return at;
  };
  const auto paired = [&](const Axes* const pairs[2], ir::Axis::Role role) {
    for (size_t i = 0; i < pairs[0]->size(); ++i) {
      const auto l = static_cast<size_t>((*pairs[0])[i]), r = static_cast<size_t>((*pairs[1])[i]);
      out.operands[0].index[l] = out.operands[1].index[r] = axis(operands[0].shape[l], role);
    }
  };
  paired(batch, ir::Axis::Role::kept);
  for (size_t k = 0; k < 2; ++k)
    for (size_t d = 0; d < operands[k].rank(); ++d) {
      const auto at = static_cast<int64_t>(d);
      if (!contains(*batch[k], at) && !contains(*contract[k], at))
        out.operands[k].index[d] = axis(operands[k].shape[d], ir::Axis::Role::kept);
    }
  paired(contract, ir::Axis::Role::reduced);
  out.elements = {0, 1};
  return out;
}
ir::Order order_of(const ir::Node& node) {
  return {node.get<std::string>("order") == "lanes" ? 64 : 1, node.get<int64_t>("block")};
}

// --- Derivative ------------------------------------------------------------------------------------------

// One operand: how its dimensions divide.
struct Side {
  V v;
  Axes batch, contract, free;
  Side(V value, Axes b, Axes k) : v(value), batch(std::move(b)), contract(std::move(k)) {
    for (int64_t i = 0; i < v.rank(); ++i) {
      if (!contains(batch, i) && !contains(contract, i)) free.push_back(i);
    }
  }
};

Axes range(int64_t from, size_t count) {
  Axes axes;
  for (size_t i = 0; i < count; ++i) axes.push_back(from + static_cast<int64_t>(i));
  return axes;
}
int64_t position(const Axes& axes, int64_t value) {
  return std::find(axes.begin(), axes.end(), value) - axes.begin();
}

// Cotangent of `own`: the cotangent g of the result, contracted with the other operand over the other's free
// dimensions, which stand in g from `other_at` on. The two ways to order the
// operands give results whose dimensions are [batch, own free, own contract] or [batch, own contract, own
// free]; the one that is own's layout already is taken, otherwise the first is transposed.
V gradient(V g, const Side& own, const Side& other, int64_t other_at) {
  const size_t nb = own.batch.size();
  // The contracting dimensions of own in the order in which the other operand holds their partners.
  Axes partners = other.contract;
  std::sort(partners.begin(), partners.end());
  const auto perm_for = [&](bool free_first) {
    Axes perm;
    for (int64_t d = 0; d < own.v.rank(); ++d) {
      int64_t at = position(own.batch, d);
      if (contains(own.free, d)) {
        at = static_cast<int64_t>(nb + (free_first ? 0 : own.contract.size())) + position(own.free, d);
      } else if (contains(own.contract, d)) {
        const int64_t partner = other.contract[static_cast<size_t>(position(own.contract, d))];
        at = static_cast<int64_t>(nb + (free_first ? own.free.size() : 0)) + position(partners, partner);
      }
      perm.push_back(at);
    }
    return perm;
  };
  const Axes g_batch = range(0, nb), g_contract = range(other_at, other.free.size());
  const Axes direct = perm_for(true), swapped = perm_for(false);
  if (!std::is_sorted(direct.begin(), direct.end()) && std::is_sorted(swapped.begin(), swapped.end())) {
    return dot_general(other.v, g, other.batch, g_batch, other.free, g_contract);
  }
  return transpose(dot_general(g, other.v, g_batch, other.batch, g_contract, other.free), direct);
}

void vjp(ir::VjpContext& c) {
  const V g{&c.b, c.cotangents[0]};
  const Side lhs({&c.b, c.operands[0]}, c.node.get<Axes>("lhs_batch"), c.node.get<Axes>("lhs_contract"));
  const Side rhs({&c.b, c.operands[1]}, c.node.get<Axes>("rhs_batch"), c.node.get<Axes>("rhs_contract"));
  const int64_t lhs_at = static_cast<int64_t>(lhs.batch.size());
  const int64_t rhs_at = lhs_at + static_cast<int64_t>(lhs.free.size());
  if (c.wanted[0]) c.out[0] = gradient(g, lhs, rhs, rhs_at).id;
  if (c.wanted[1]) c.out[1] = gradient(g, rhs, lhs, lhs_at).id;
}

void sample(ir::SampleContext& s) {
  // Each dimension gets a role; positions are shuffled by inserting at random.
  Type lhs{s.dtype, {}}, rhs{s.dtype, {}};
  std::vector<int> lhs_role, rhs_role;
  const auto insert = [&](Type& type, std::vector<int>& roles, const Dim& extent, int role) {
    const int64_t at = s.draw(s.state, 0, static_cast<int64_t>(roles.size()));
    type.shape.insert(type.shape.begin() + at, extent);
    roles.insert(roles.begin() + at, role);
  };
  int role = 1;  // 0: free; paired dimensions share a positive (batch) or negative (contracting) number
  for (int64_t n = s.draw(s.state, 0, 1); n > 0; --n, ++role) {
    const Dim d = s.draw_dim(s.state);
    insert(lhs, lhs_role, d, role);
    insert(rhs, rhs_role, d, role);
  }
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n, ++role) {
    const Dim d = s.draw_dim(s.state);
    insert(lhs, lhs_role, d, -role);
    insert(rhs, rhs_role, d, -role);
  }
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) insert(lhs, lhs_role, s.draw_dim(s.state), 0);
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) insert(rhs, rhs_role, s.draw_dim(s.state), 0);
  Axes axes[4];
  for (int r = 1; r < role; ++r) {
    for (int sign : {1, -1}) {
      const auto l = std::find(lhs_role.begin(), lhs_role.end(), r * sign);
      if (l == lhs_role.end()) continue;
      const size_t base = sign > 0 ? 0 : 2;
      axes[base].push_back(l - lhs_role.begin());
      axes[base + 1].push_back(std::find(rhs_role.begin(), rhs_role.end(), r * sign) - rhs_role.begin());
    }
  }
  s.operands = {std::move(lhs), std::move(rhs)};
  s.attrs = {axes[0], axes[1], axes[2], axes[3], {}, {}};
  if (s.draw(s.state, 0, 2) == 0) {
    s.attrs[4] = std::string("blocks");
    s.attrs[5] = s.draw(s.state, 1, 9);
  }
}

// --- dot -------------------------------------------------------------------------------------------------

ir::Attr derive_dot_order(const InferContext& c) { return product_order(c).order; }
ir::Attr derive_dot_block(const InferContext& c) {
  return product_order(c).block_for(c.get<std::string>("order"));
}

Status infer_dot(InferContext& c) {
  TENON_TRY(check_order(c));
  TENON_TRY(same_dtype(c, 0, 1));
  const Type &x = c.operands[0], &w = c.operands[1];
  for (size_t i : {size_t{0}, size_t{1}}) {
    if (c.operands[i].is_scalar()) {
      return c.fail(Code::rank_mismatch, operand_text(c, i) + " has no dimension to contract");
    }
  }
  if (x.shape.back() != w.shape.front()) {
    return c.fail(Code::shape_mismatch,
                  operand_name(c, 0) + " has inner size " + x.shape.back().text() + ", " +
                      operand_name(c, 1) + " expects " + w.shape.front().text(),
                  operand_text(c, 0) + "; " + operand_text(c, 1));
  }
  Type result{x.dtype, Shape(x.shape.begin(), x.shape.end() - 1)};
  result.shape.insert(result.shape.end(), w.shape.begin() + 1, w.shape.end());
  c.results = {std::move(result)};
  return Ok{};
}

std::vector<ir::ValueId> dot_body(ir::BodyContext& c) {
  const V x{&c.b, c.operands[0]}, w{&c.b, c.operands[1]};
  return {product(x, w, c.node).id};
}

void dot_sample(ir::SampleContext& s) {
  const Dim inner = s.draw_dim(s.state);
  Type x{s.dtype, {}}, w{s.dtype, {inner}};
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) x.shape.push_back(s.draw_dim(s.state));
  for (int64_t n = s.draw(s.state, 0, 2); n > 0; --n) w.shape.push_back(s.draw_dim(s.state));
  x.shape.push_back(inner);
  s.operands = {std::move(x), std::move(w)};
}

constexpr ir::IterationForm form{.step = ir::Accumulate::multiply, .describe = describe, .order = order_of};
constexpr ir::CompositeForm dot_form{dot_body};
constexpr OperandDef operands[] = {
    {.name = "lhs", .doc = "left factor", .dtypes = DTypes::numbers},
    {.name = "rhs", .doc = "right factor, of lhs' type", .dtypes = DTypes::numbers}};
constexpr AttrDef attrs[] = {{.name = "lhs_batch",
                              .kind = AttrKind::integers,
                              .doc = "dimensions of lhs that run along with rhs'",
                              .preset = "[]"},
                             {.name = "rhs_batch",
                              .kind = AttrKind::integers,
                              .doc = "their partners in rhs, in order",
                              .preset = "[]"},
                             {.name = "lhs_contract",
                              .kind = AttrKind::integers,
                              .doc = "dimensions of lhs that are summed over",
                              .preset = "[]"},
                             {.name = "rhs_contract",
                              .kind = AttrKind::integers,
                              .doc = "their partners in rhs, in order",
                              .preset = "[]"},
                             order_attr(derive_order),
                             block_attr(derive_block)};
constexpr AttrDef dot_attrs[] = {order_attr(derive_dot_order), block_attr(derive_dot_block)};
constexpr OperandDef dot_operands[] = {
    {.name = "x", .doc = "value whose last dimension is summed over", .dtypes = DTypes::numbers},
    {.name = "w", .doc = "value whose first dimension is summed over", .dtypes = DTypes::numbers}};

constexpr OpDef defs[] = {
    {.name = "dot_general",
     .doc = "Sum of products over the contracting dimensions. Dimensions of the result: batch, free of lhs, "
            "free "
            "of rhs. Products enter by fused multiply-add in the order that `order` and `block` name.",
     .operands = operands,
     .attrs = attrs,
     .form = &form,
     .infer = infer,
     .vjp = vjp,
     .sample = sample},
    {.name = "dot",
     .doc = "Matrix product: the last dimension of x with the first of w.",
     .operands = dot_operands,
     .attrs = dot_attrs,
     .form = &dot_form,
     .infer = infer_dot,
     .sample = dot_sample},
};

}  // namespace

TENON_OP_FAMILY(dot_general) = defs;

}  // namespace tenon::ops
