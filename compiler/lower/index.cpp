#include "lower/index.h"

#include <algorithm>
#include <unordered_set>

#include "lower/domain.h"

namespace tenon::lower {

void affine_add(AffineIndex* to, const AffineIndex& a, const Dim& scale) {
  to->constant = to->constant + a.constant * scale;
  for (const AffineIndex::Part& part : a.parts) {
    Dim c = part.coefficient * scale;
    auto it = std::lower_bound(to->parts.begin(), to->parts.end(), part.axis,
                               [](const AffineIndex::Part& p, uint32_t axis) { return p.axis < axis; });
    if (it != to->parts.end() && it->axis == part.axis) {
      it->coefficient = it->coefficient + c;
      if (it->coefficient == Dim(0)) to->parts.erase(it);
    } else if (!(c == Dim(0))) {
      to->parts.insert(it, {part.axis, c});
    }
  }
}

bool affine_equal(const AffineIndex& a, const AffineIndex& b) {
  if (!(a.constant == b.constant) || a.parts.size() != b.parts.size()) return false;
  for (size_t i = 0; i < a.parts.size(); ++i)
    if (a.parts[i].axis != b.parts[i].axis || !(a.parts[i].coefficient == b.parts[i].coefficient))
      return false;
  return true;
}

Dim coefficient(const AffineIndex& a, uint32_t axis) {
  for (const AffineIndex::Part& p : a.parts)
    if (p.axis == axis) return p.coefficient;
  return Dim(0);
}

bool affine_is_axis(const AffineIndex& a, uint32_t axis) {
  return a.constant == Dim(0) && a.parts.size() == 1 && a.parts[0].axis == axis &&
         a.parts[0].coefficient == Dim(1);
}

std::string affine_text(const AffineIndex& a) {
  std::string out = a.constant.text();
  for (const AffineIndex::Part& p : a.parts)
    out += "+(" + p.coefficient.text() + ")*a" + std::to_string(p.axis);
  return out;
}

AffineIndex affine_substitute(const AffineIndex& a, const Index& at) {
  AffineIndex out{a.constant, {}};
  for (const AffineIndex::Part& p : a.parts) affine_add(&out, at[p.axis], p.coefficient);
  return out;
}

AffineIndex affine_linear(const Index& at, const Shape& shape) {
  AffineIndex out{Dim(0), {}};
  Dim stride(1);
  for (size_t d = shape.size(); d-- > 0;) {
    affine_add(&out, at[d], stride);
    stride = stride * shape[d];
  }
  return out;
}

bool is_one(const Dim& d) { return d == Dim(1); }

Shape squeeze(const Shape& shape) {
  Shape out;
  for (const Dim& d : shape)
    if (!is_one(d)) out.push_back(d);
  return out;
}

Index identity_index(const Shape& shape, const std::vector<uint32_t>& axes) {
  Index at;
  size_t next = 0;
  for (const Dim& d : shape) at.push_back(is_one(d) ? affine_constant(Dim(0)) : affine_axis(axes[next++]));
  return at;
}

bool is_identity(const Index& at, const Shape& shape, const std::vector<uint32_t>& axes) {
  size_t next = 0;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (is_one(shape[d])) continue;
    if (next == axes.size() || !affine_is_axis(at[d], axes[next++])) return false;
  }
  return next == axes.size();
}

bool is_index_only(const Node& node) {
  if (node.op->index_map() != nullptr) return true;
  if (node.op->generate() == nullptr) return false;
  switch (node.op->generate()->what) {
    case ir::Generator::iota:
    case ir::Generator::extent:
      return true;
    case ir::Generator::constant:
      return node.get<std::shared_ptr<const Array>>("value")->count() == 1;
    default:
      return false;
  }
}

bool is_unit_view(const Graph& graph, const Node& node) {
  return node.op->view() != nullptr &&
         squeeze(graph.type(node.operands[0]).shape) == squeeze(graph.type(node.results[0]).shape);
}

std::vector<ir::IndexPiece> pieces_of(const Graph& graph, const Node& node) {
  if (node.operands.empty()) return {};
  if (is_unit_view(graph, node)) {
    std::vector<uint32_t> axes;
    const Shape& to = graph.type(node.results[0]).shape;
    for (uint32_t d = 0; d < to.size(); ++d)
      if (!is_one(to[d])) axes.push_back(d);
    return {{.operand = 0, .index = identity_index(graph.type(node.operands[0]).shape, axes), .guards = {}}};
  }
  if (node.op->index_map() == nullptr) return {};
  std::vector<ir::Type> operands;
  for (ValueId v : node.operands) operands.push_back(graph.type(v));
  return node.op->index_map()->pieces(node, operands, graph.type(node.results[0]));
}

bool is_scalar_arithmetic(const Graph& graph, const Node& node) {
  if (node.op->elementwise() == nullptr || node.op->may_fail) return false;
  return graph.type(node.results[0]).shape.empty();
}

bool is_pointwise(const Node& node) {
  return node.op->elementwise() != nullptr || ir::gathers(*node.op) || node.op->index_map() != nullptr ||
         node.op->generate() != nullptr;
}

bool has_quotient(const ir::IndexPiece& piece) {
  for (const auto& g : piece.guards)
    if (!is_one(g.stride)) return true;
  return false;
}

void collect_sources(const Graph& graph, ValueId value, const Index& at, const std::vector<bool>& index_only,
                     std::vector<Source>* out) {
  struct Item {
    ValueId value;
    Index at;
    bool guarded, dynamic;
  };
  std::vector<Item> work{{value, at, false, false}};
  std::unordered_set<uint32_t> scalars;  // rank-0 arithmetic is a graph, not a tree
  while (!work.empty()) {
    Item item = std::move(work.back());
    work.pop_back();
    NodeId producer = graph.value(item.value).node;
    if (!producer.valid() || !index_only[producer.index]) {
      out->push_back({item.value, std::move(item.at), item.guarded, item.dynamic});
      continue;
    }
    const Node& node = graph.node(producer);
    if (node.op->elementwise() != nullptr) {
      if (!scalars.insert(item.value.index).second) continue;
      for (ValueId v : node.operands) work.push_back({v, {}, item.guarded, item.dynamic});
      continue;
    }
    if (ir::gathers(*node.op)) {
      const ir::Iteration it = squeezed(graph, node);
      const Index axes = axes_of_result(it, item.at);
      for (size_t k = node.operands.size(); k-- > 0;) {
        Index at;
        const bool chosen = !it.operands[k].chosen.empty();
        for (const AffineIndex& a : it.operands[k].index)
          at.push_back(chosen ? affine_constant(Dim(0)) : affine_substitute(a, axes));
        work.push_back({node.operands[k], std::move(at), item.guarded, item.dynamic || chosen});
      }
      continue;
    }
    // Iota, constants and extents read nothing.
    for (const ir::IndexPiece& piece : pieces_of(graph, node)) {
      Index inner;
      for (const AffineIndex& a : piece.index)
        // A quotient is no element that fusion could line up with another: any index serves.
        inner.push_back(has_quotient(piece) ? affine_constant(Dim(0)) : affine_substitute(a, item.at));
      work.push_back({node.operands[piece.operand], std::move(inner), item.guarded || !piece.guards.empty(),
                      item.dynamic || has_quotient(piece)});
    }
  }
}

}  // namespace tenon::lower
