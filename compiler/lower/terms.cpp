#include "lower/terms.h"

#include <algorithm>

namespace tenon::lower {

TermId TermGraph::add(Term term) {
  terms_.push_back(std::move(term));
  return TermId(terms_.size() - 1);
}

std::string TermGraph::key_of(ValueId value, const Index& at) {
  std::string key = std::to_string(value.index);
  for (const AffineIndex& a : at) key += "|" + affine_text(a);
  return key;
}

TermId TermGraph::element(ValueId value, const Index& at) {
  std::vector<Request> stack;
  stack.push_back({value, at, key_of(value, at)});
  TermId id;
  while (!stack.empty()) {
    if (auto it = memo_.find(stack.back().key); it != memo_.end()) {
      id = it->second;
      stack.pop_back();
      continue;
    }
    missing_.clear();
    id = make(stack.back());
    if (missing_.empty()) {
      memo_.emplace(std::move(stack.back().key), id);
      stack.pop_back();
    }
    // The first one missing is made first.
    for (size_t i = missing_.size(); i-- > 0;) stack.push_back(std::move(missing_[i]));
  }
  return id;
}

// An element that a term reads: there already, or requested.
TermId TermGraph::read(ValueId value, Index at) {
  std::string key = key_of(value, at);
  if (auto it = memo_.find(key); it != memo_.end()) return it->second;
  missing_.push_back({value, std::move(at), std::move(key)});
  return {};
}

TermId TermGraph::make(const Request& request) {
  const ValueId value = request.value;
  Mode mode = Mode::computed;
  if (auto it = mode_.find(value.index); it != mode_.end()) mode = it->second;
  NodeId producer = graph_.value(value).node;
  bool here = producer.valid() &&
              (fusion_.index_only[producer.index] ||
               (fusion_.group_of[producer.index] == group_ && graph_.node(producer).op->view() == nullptr));
  if (mode == Mode::held) {
    Term t{TermKind::held};
    t.dtype = graph_.type(value).dtype;
    t.value = value;
    return add(std::move(t));
  }
  if (mode == Mode::stored || !here) {
    Term t{TermKind::load};
    t.dtype = graph_.type(value).dtype;
    t.value = value;
    t.address = affine_linear(request.at, graph_.type(value).shape);
    return add(std::move(t));
  }
  return node_element(graph_.node(producer), value, request.at);
}

Index TermGraph::substituted(const Index& index, const Index& at) const {
  Index out;
  for (const AffineIndex& a : index) out.push_back(affine_substitute(a, at));
  return out;
}

// A stored value read where some axes' indices are quotients.
TermId TermGraph::divided(ValueId value, const ir::IndexPiece& piece, const Index& at) {
  const Shape& shape = graph_.type(value).shape;
  Term load{TermKind::load};
  load.dtype = graph_.type(value).dtype;
  load.value = value;
  Index plain;
  Dim row(1);
  std::vector<Dim> strides(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    strides[d] = row;
    row = row * shape[d];
  }
  for (size_t d = 0; d < shape.size(); ++d) {
    AffineIndex rest{piece.index[d].constant, {}};
    for (const AffineIndex::Part& p : piece.index[d].parts) {
      const ir::IndexPiece::Guard* guard = nullptr;
      for (const auto& g : piece.guards)
        if (g.axis == p.axis && !is_one(g.stride)) guard = &g;
      if (guard == nullptr) {
        affine_add(&rest, at[p.axis], p.coefficient);
        continue;
      }
      Term q{TermKind::quotient};
      q.dtype = DType::i64;
      q.address = at[p.axis];
      affine_add(&q.address, affine_constant(guard->low), Dim(-1));
      q.stride = guard->stride;
      TermId id = add(std::move(q));
      load.offsets.push_back({id, p.coefficient * strides[d]});
    }
    plain.push_back(std::move(rest));
  }
  load.address = affine_linear(plain, shape);
  return add(std::move(load));
}

// The factors of a contraction's element, in the order of its sum; false where some are missing.
bool TermGraph::chain_arguments(const Node& node, const Index& at, Term* term) {
  term->kind = TermKind::folded;
  TENON_CHECK(!is_tiled(graph_, node), "a contraction in blocks is no chain");
  NodeDomain domain = iteration_domain(graph_, node);
  const Shape& shape = graph_.type(node.results[0]).shape;
  // The domain's axes: those of the result, then the contracted ones, of which the last runs fastest.
  Index axes;
  for (size_t d = 0; d < at.size(); ++d)
    if (!is_one(shape[d])) axes.push_back(at[d]);
  const size_t kept = axes.size();
  int64_t products = 1;
  for (size_t a = kept; a < domain.domain.size(); ++a) products *= domain.domain[a].constant();
  axes.resize(domain.domain.size());
  for (int64_t k = 0; k < products; ++k) {
    int64_t rest = k;
    for (size_t a = domain.domain.size(); a-- > kept;) {
      axes[a] = affine_constant(Dim(rest % domain.domain[a].constant()));
      rest /= domain.domain[a].constant();
    }
    for (size_t i = 0; i < 2; ++i)
      term->args.push_back(read(node.operands[i], substituted(domain.operands[i], axes)));
  }
  return missing_.empty();
}

// A node of an index map: the piece that holds, or the only one itself.
TermId TermGraph::map_element(const Node& node, const Index& at, Term t) {
  const std::vector<ir::IndexPiece> pieces = pieces_of(graph_, node);
  // Elements that pieces read are there before any term of this node is made.
  for (const ir::IndexPiece& piece : pieces) {
    if (!has_quotient(piece)) read(node.operands[piece.operand], substituted(piece.index, at));
    if (piece.guards.empty()) break;
  }
  if (!missing_.empty()) return {};
  t.kind = TermKind::choose;
  for (const ir::IndexPiece& piece : pieces) {
    TermPiece out;
    out.term = has_quotient(piece) ? divided(node.operands[piece.operand], piece, at)
                                   : read(node.operands[piece.operand], substituted(piece.index, at));
    for (const auto& g : piece.guards) out.guards.push_back({at[g.axis], g.low, g.high, g.stride});
    t.pieces.push_back(std::move(out));
    if (piece.guards.empty()) break;
  }
  if (t.pieces.size() == 1 && t.pieces[0].guards.empty()) return t.pieces[0].term;
  return add(std::move(t));
}

TermId TermGraph::gather_element(const Node& node, const Index& at, Term t) {
  const ir::Iteration it = squeezed(graph_, node);
  const Index axes = axes_of_result(it, at);
  const ir::Access& access = it.operands[it.elements[0]];
  t.kind = TermKind::load;
  t.value = node.operands[it.elements[0]];
  const Shape& shape = graph_.type(t.value).shape;
  std::vector<Dim> strides(shape.size());
  Dim stride(1);
  for (size_t d = shape.size(); d-- > 0;) {
    strides[d] = stride;
    stride = stride * shape[d];
  }
  for (const ir::Access::Chosen& c : access.chosen) {
    const TermId index = read(node.operands[c.operand], substituted(it.operands[c.operand].index, axes));
    t.chosen.push_back({index, strides[c.dimension], shape[c.dimension]});
  }
  if (!missing_.empty()) return {};
  t.checked = fusion_.ranges->may_fail(node);
  t.address = affine_linear(substituted(access.index, axes), shape);
  return add(std::move(t));
}

// An element that is read where it is inside of its operand; elsewhere it is the identity.
TermId TermGraph::guarded(const Node& node, const ir::Access& access, const Shape& shape, TermId element) {
  if (access.guarded.empty()) return element;
  Term outside{TermKind::outside};
  outside.dtype = terms_[element.index].dtype;
  outside.node = &node;
  Term t{TermKind::choose};
  t.dtype = outside.dtype;
  TermPiece inside{{}, element};
  for (const uint32_t d : access.guarded)
    inside.guards.push_back({access.index[d], Dim(0), shape[d], Dim(1)});
  t.pieces = {std::move(inside), {{}, add(std::move(outside))}};
  return add(std::move(t));
}

TermId TermGraph::only_element(const Node& node, const Index& at) {
  const ir::Iteration it = squeezed(graph_, node);
  ir::Access access = it.operands[0];
  access.index = substituted(access.index, axes_of_result(it, at));
  const TermId x = read(node.operands[0], access.index);
  return missing_.empty() ? guarded(node, access, graph_.type(node.operands[0]).shape, x) : TermId();
}

std::vector<TermId> TermGraph::entering(const Node& node) {
  const ir::Iteration it = squeezed(graph_, node);
  std::vector<TermId> out;
  for (const uint32_t i : it.elements) {
    const ir::Access& access = it.operands[i];
    const TermId x = element(node.operands[i], access.index);
    out.push_back(guarded(node, access, graph_.type(node.operands[i]).shape, x));
  }
  return out;
}

TermId TermGraph::node_element(const Node& node, ValueId value, const Index& at) {
  const ir::Type type = graph_.type(value);
  Term t{TermKind::scalar};
  t.dtype = type.dtype;
  t.node = &node;
  if (node.op->elementwise() != nullptr) {
    for (ValueId v : node.operands) t.args.push_back(read(v, at));
    return missing_.empty() ? add(std::move(t)) : TermId();
  }
  if (node.op->index_map() != nullptr || node.op->view() != nullptr)
    return map_element(node, at, std::move(t));
  if (ir::gathers(*node.op)) return gather_element(node, at, std::move(t));
  if (ir::multiplies(*node.op)) return chain_arguments(node, at, &t) ? add(std::move(t)) : TermId();
  if (ir::reduces(*node.op)) {
    // Over one element: all reduced extents are 1.
    t.kind = TermKind::folded;
    t.args.push_back(only_element(node, at));
    return missing_.empty() ? add(std::move(t)) : TermId();
  }
  if (ir::finds_position(*node.op)) {
    // Of one element, as above.
    if (!(value == node.results.back())) return only_element(node, at);
    t.kind = TermKind::extent;
    t.address = affine_constant(Dim(0));
    return add(std::move(t));
  }
  TENON_CHECK(node.op->generate() != nullptr, std::string(node.op->name) + " has no element form");
  switch (node.op->generate()->what) {
    case ir::Generator::constant:
      t.kind = TermKind::literal;
      break;
    case ir::Generator::iota:
      t.kind = TermKind::position;
      t.address = at[static_cast<size_t>(node.get<int64_t>("axis"))];
      break;
    case ir::Generator::extent:
      t.kind = TermKind::extent;
      t.address = affine_constant(node.get<Dim>("dim"));
      break;
    default:
      t.kind = TermKind::random;
      t.address = affine_linear(at, type.shape);
      for (ValueId v : node.operands) t.args.push_back(read(v, {}));
      if (!missing_.empty()) return {};
      break;
  }
  return add(std::move(t));
}

std::vector<uint32_t> collapse_axes(TermGraph* terms, std::vector<AffineIndex*> more, Shape* extents,
                                    std::vector<int>* classes, const std::vector<AffineIndex*>& guards) {
  std::vector<std::pair<AffineIndex*, bool>> all;
  terms->for_each_affine([&](AffineIndex& a, bool guard) { all.push_back({&a, guard}); });
  for (AffineIndex* a : more) all.push_back({a, false});
  for (AffineIndex* a : guards) all.push_back({a, true});
  const auto n = static_cast<uint32_t>(extents->size());
  std::vector<bool> joins(n, false);  // axis a runs on into a+1
  for (uint32_t a = 0; a + 1 < n; ++a) {
    bool ok = (*classes)[a] == (*classes)[a + 1];
    for (size_t i = 0; ok && i < all.size(); ++i) {
      Dim outer = coefficient(*all[i].first, a), inner = coefficient(*all[i].first, a + 1);
      ok = outer == inner * (*extents)[a + 1] && !(all[i].second && !(outer == Dim(0) && inner == Dim(0)));
    }
    joins[a] = ok;
  }
  std::vector<uint32_t> renamed(n);
  Shape merged;
  std::vector<int> merged_classes;
  for (size_t a = 0; a < n; ++a) {
    if (a > 0 && joins[a - 1]) {
      merged.back() = merged.back() * (*extents)[a];
    } else {
      merged.push_back((*extents)[a]);
      merged_classes.push_back((*classes)[a]);
    }
    renamed[a] = static_cast<uint32_t>(merged.size() - 1);
  }
  for (auto& [affine, guard] : all) {
    AffineIndex out{affine->constant, {}};
    for (const AffineIndex::Part& p : affine->parts) {
      // Only the finest axis of a joined run carries the coefficient.
      if (p.axis + 1 < n && joins[p.axis]) continue;
      out.parts.push_back({renamed[p.axis], p.coefficient});
    }
    *affine = std::move(out);
  }
  *extents = std::move(merged);
  *classes = std::move(merged_classes);
  return renamed;
}

}  // namespace tenon::lower
