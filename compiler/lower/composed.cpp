#include "lower/composed.h"

#include <algorithm>
#include <map>

#include "support/overloaded.h"

namespace tenon::lower {
namespace {

bool reduces(const NodeDomain& d) {
  return std::find(d.reduced.begin(), d.reduced.end(), true) != d.reduced.end();
}

const Group& group_of(const Fusion& fusion, int32_t number) {
  return fusion.groups[static_cast<size_t>(number)];
}

PointwiseTerms compose_pointwise(const Graph& graph, const Fusion& fusion, int32_t number) {
  const Group& group = group_of(fusion, number);
  PointwiseTerms p{TermGraph(graph, fusion, number), {}, {}, group.domain};
  for (ValueId v : group.outputs) {
    const Shape& shape = graph.type(v).shape;
    Index at = identity_index(shape, group.all_axes());
    p.values.push_back(p.terms.element(v, at));
    p.addresses.push_back(affine_linear(at, shape));
  }
  std::vector<int> classes(p.extents.size(), 0);
  std::vector<AffineIndex*> more;
  for (AffineIndex& a : p.addresses) more.push_back(&a);
  collapse_axes(&p.terms, more, &p.extents, &classes);
  return p;
}

// The reductions of a group by stages: a stage reads results of those before it only.
void find_stages(const Graph& graph, const Fusion& fusion, const Group& group, ReduceTerms* t) {
  std::map<uint32_t, int> level;  // value -> stage at which it can be computed
  for (NodeId id : group.nodes) {
    const Node& node = graph.node(id);
    const bool reducing = node.op->iteration() != nullptr && reduces(fusion.domains[id.index]);
    int stage = 0;
    for (ValueId operand : node.operands) {
      std::vector<Source> sources;
      Index at(graph.type(operand).rank(), affine_constant(Dim(0)));
      collect_sources(graph, operand, at, fusion.index_only, &sources);
      for (const Source& s : sources)
        if (auto it = level.find(s.value.index); it != level.end()) stage = std::max(stage, it->second);
    }
    ValueId result = node.results.back();
    if (reducing) {
      Reduction r{&node, result, {}, stage};
      r.dtype = graph.type(node.operands[0]).dtype;
      if (!ir::finds_position(*node.op)) {
        r.lanes = order_of(node).lanes;
        r.block = order_of(node).block;
      }
      if (node.results.size() > 1) r.extreme = node.results[0];
      t->reductions.push_back(std::move(r));
      for (const ValueId v : node.results) {
        t->terms.set_held(v);
        level[v.index] = stage + 1;
      }
      t->last_stage = std::max(t->last_stage, stage);
    } else {
      level[result.index] = stage;
    }
  }
  for (ValueId v : group.outputs) {
    ReduceTerms::Output o{v, {}, {}, false, level[v.index]};
    bool is_held = std::any_of(t->reductions.begin(), t->reductions.end(),
                               [&](const Reduction& r) { return r.result == v || r.extreme == v; });
    o.full = !is_held && squeeze(graph.type(v).shape) == group.domain;
    if (o.full) t->last_stage = std::max(t->last_stage, o.stage);
    t->outputs.push_back(std::move(o));
  }
}

ReduceTerms compose_reduce(const Graph& graph, const Fusion& fusion, int32_t number) {
  using Output = ReduceTerms::Output;
  const Group& group = group_of(fusion, number);
  ReduceTerms t{TermGraph(graph, fusion, number), {}, {}, group.domain, {}, {}, {}};
  find_stages(graph, fusion, group, &t);
  auto make = [&](Output& o, const std::vector<uint32_t>& axes) {
    Index at = identity_index(graph.type(o.value).shape, axes);
    o.term = t.terms.element(o.value, at);
    o.address = affine_linear(at, graph.type(o.value).shape);
  };
  // Stage by stage: what an earlier stage stored is loaded by later ones.
  for (int s = 0; s <= t.last_stage; ++s) {
    for (Reduction& r : t.reductions)
      if (r.stage == s) r.operands = t.terms.entering(*r.node);
    for (Output& o : t.outputs)
      if (o.full && o.stage == s) make(o, group.all_axes());
    for (Output& o : t.outputs)
      if (o.full && o.stage == s) t.terms.set_stored(o.value);
  }
  for (Output& o : t.outputs)
    if (!o.full) make(o, group.kept_axes());
  for (bool r : group.reduced) t.classes.push_back(r ? 1 : 0);
  std::vector<AffineIndex*> more;
  for (Output& o : t.outputs) more.push_back(&o.address);
  collapse_axes(&t.terms, more, &t.extents, &t.classes);
  for (uint32_t a = 0; a < t.extents.size(); ++a) (t.classes[a] == 1 ? t.reduced : t.kept).push_back(a);
  t.classes.push_back(1);
  return t;
}

// Axes before the ordered ones that are the result's first dimensions: its rows along them are apart.
size_t leading_axes(const OrderedTerms& o) {
  const Shape& shape = o.type.shape;
  uint32_t axes = 0;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (is_one(shape[d])) continue;
    const bool leads = axes < o.it.axes.size() && o.it.axes[axes].role == ir::Axis::Role::kept &&
                       affine_is_axis(o.it.result.index[d], axes) && o.it.axes[axes].extent == shape[d] &&
                       std::none_of(
                           o.it.result.chosen.begin(), o.it.result.chosen.end(),
                           [&](const ir::Access::Chosen& c) { return c.dimension == d; });
    if (!leads) break;
    ++axes;
  }
  return axes;
}

OrderedTerms compose_ordered(const Graph& graph, const Fusion& fusion, int32_t number) {
  const Group& group = group_of(fusion, number);
  OrderedTerms o{TermGraph(graph, fusion, number)};
  o.node = &graph.node(group.nodes[0]);
  o.it = squeezed(graph, *o.node);
  o.type = graph.type(o.node->results[0]);
  o.result = affine_linear(o.it.result.index, o.type.shape);
  const bool scans = group.kind == GroupKind::scan;
  const size_t leading = scans ? o.it.axes.size() : leading_axes(o);
  for (size_t a = 0; a < o.it.axes.size(); ++a) {
    const bool ordered = o.it.axes[a].role == ir::Axis::Role::ordered;
    o.extents.push_back(o.it.axes[a].extent);
    o.classes.push_back(ordered ? ordered_class : a < leading ? outer_class : inner_class);
  }
  if (scans) o.element = o.terms.entering(*o.node)[0];
  std::vector<AffineIndex*> more;
  if (!scans)
    for (size_t k = 0; k < o.node->operands.size(); ++k)
      o.operands.push_back(
          o.it.base == k ? AffineIndex{}
                         : affine_linear(o.it.operands[k].index, graph.type(o.node->operands[k]).shape));
  for (AffineIndex& a : o.operands) more.push_back(&a);
  more.push_back(&o.result);
  collapse_axes(&o.terms, more, &o.extents, &o.classes);
  for (uint32_t a = 0; a < o.extents.size(); ++a)
    (o.classes[a] == outer_class     ? o.outer
     : o.classes[a] == ordered_class ? o.ordered
                                     : o.inner)
        .push_back(a);
  return o;
}

}  // namespace

namespace {
Composed composed(const Graph& graph, const Fusion& fusion, int32_t number) {
  switch (group_of(fusion, number).kind) {
    case GroupKind::pointwise:
      return compose_pointwise(graph, fusion, number);
    case GroupKind::reduce:
      return compose_reduce(graph, fusion, number);
    case GroupKind::contract:
      return compose_contract(graph, fusion, number);
    case GroupKind::scan:
    case GroupKind::scatter:
      return compose_ordered(graph, fusion, number);
    case GroupKind::check:
    case GroupKind::permute:
    case GroupKind::control:
      return std::monostate{};
  }
  return std::monostate{};
}
}  // namespace

Composed compose(const Graph& graph, const Fusion& fusion, int32_t number) {
  Composed out = composed(graph, fusion, number);
  std::visit(Overloaded{[](std::monostate&) {}, [](auto& group) { group.terms.complete(); }}, out);
  return out;
}

Dim ReduceTerms::reduced_count() const {
  Dim n(1);
  for (uint32_t a : reduced) n = n * extents[a];
  return n;
}

Dim ReduceTerms::outer_count() const {
  Dim n(1);
  for (size_t i = 0; i + 1 < reduced.size(); ++i) n = n * extents[reduced[i]];
  return n;
}

bool ReduceTerms::finds_position() const {
  return std::any_of(reductions.begin(), reductions.end(),
                     [](const Reduction& r) { return ir::finds_position(*r.node->op); });
}

void ReduceTerms::join_even() {
  const uint32_t outer_axis = reduced[0], inner = reduced[1];
  auto join = [&](AffineIndex& a) {
    const Dim by_outer = coefficient(a, outer_axis), by_inner = coefficient(a, inner);
    if (by_inner == Dim(0) || !(by_outer == by_inner * extents[inner])) return;
    std::erase_if(a.parts,
                  [&](const AffineIndex::Part& p) { return p.axis == outer_axis || p.axis == inner; });
    a.parts.push_back({flat_axis(), by_inner});
  };
  terms.for_each_affine([&](AffineIndex& a, bool guard) {
    if (!guard) join(a);
  });
  for (Output& o : outputs) join(o.address);
}

}  // namespace tenon::lower
