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

// Which axes are rows, columns, products, and what is gone through outside of them.
// `rows_axis`: what tiles have as rows.
void order_contract(ContractTerms* t, std::optional<uint32_t> rows_axis,
                    const std::vector<uint32_t>& renamed) {
  std::vector<uint32_t> rows, columns;
  for (uint32_t a = 0; a < t->extents.size(); ++a) {
    if (t->classes[a] == batch_class) t->outer.push_back(a);
    // Phases are gone through outside of the rows.
    if (t->classes[a] == m_class && (!rows_axis || renamed[*rows_axis] != a))
      rows.insert(t->phase_axis == a ? rows.begin() : rows.end(), a);
    if (t->classes[a] == n_class) columns.push_back(a);
    if (t->classes[a] == k_class) t->k_axes.push_back(a);
  }
  // Without columns, products for each point of an axis that both factors run along in memory are the lanes.
  const auto even = [&](TermId id, uint32_t axis) {
    const Term& term = t->terms.term(id);
    return term.is_plain_load() && coefficient(term.address, axis) == Dim(1);
  };
  if (columns.empty() && !t->outer.empty() && even(t->b, t->outer.back())) {
    columns.push_back(t->outer.back());
    t->outer.pop_back();
  }
  auto last_of = [](std::vector<uint32_t>* axes, std::optional<uint32_t>* to) {
    if (axes->empty()) return;
    *to = axes->back();
    axes->pop_back();
  };
  if (rows_axis) t->m_axis = renamed[*rows_axis];
  last_of(&columns, &t->n_axis);
  t->outer.insert(t->outer.end(), rows.begin(), rows.end());
  t->outer.insert(t->outer.end(), columns.begin(), columns.end());
  for (size_t i = 0; i < t->windows.size(); ++i) {
    Window& w = t->windows[i];
    if (w.by != 1) w.quotient = renamed[w.quotient];
    for (const AffineIndex::Part& p : w.index.parts)
      if (t->classes[p.axis] == k_class) w.tap = p.axis;
  }
  // Tiles know the borders of one window: its taps are the last products but for those of one axis, which no
  // other window runs along.
  for (size_t i = 0; i < t->windows.size(); ++i) {
    const Window& w = t->windows[i];
    if (!t->m_axis || coefficient(w.index, *t->m_axis) == Dim(0)) continue;
    const auto at = static_cast<size_t>(std::find(t->k_axes.begin(), t->k_axes.end(), w.tap.value_or(~0u)) -
                                        t->k_axes.begin());
    const bool last = !w.tap || at + 2 >= t->k_axes.size();
    const bool alone = !w.tap || at + 1 == t->k_axes.size() ||
                       std::none_of(t->windows.begin(), t->windows.end(),
                                    [&](const Window& other) { return other.tap == t->k_axes.back(); });
    if (last && alone) t->row_window = i;
  }
}

bool mentions(const Index& at, uint32_t axis) {
  return std::any_of(at.begin(), at.end(),
                     [&](const AffineIndex& a) { return !(coefficient(a, axis) == Dim(0)); });
}

// The axis of a tile's rows: the last one, along which the result lies closest; but where windows run, one
// that is too short to fill a tile gives way to the longest.
std::optional<uint32_t> rows_axis(const ContractTerms& t, bool windows) {
  constexpr int64_t least_rows = 5;
  std::optional<uint32_t> last, longest;
  auto length = [&](uint32_t a) { return t.extents[a].is_constant() ? t.extents[a].constant() : INT64_MAX; };
  for (uint32_t a = 0; a < t.extents.size(); ++a) {
    if (t.classes[a] != m_class) continue;
    last = a;
    if (!longest || length(a) >= length(*longest)) longest = a;
  }
  return windows && last && length(*last) < least_rows ? longest : last;
}

// The windows of a product's left factor, from its iteration: their divided indices are axes of their own
// from here on.
void take_windows(const ir::Iteration& it, const Shape& left, Index* at, ContractTerms* t) {
  const ir::Access& access = it.operands[0];
  for (const uint32_t d : access.guarded) {
    Window w{access.index[d], left[d], 1, 0, {}};
    for (const ir::Access::Divided& divided : access.divided)
      if (divided.dimension == d) w.by = divided.by;
    if (w.by != 1) {
      w.quotient = static_cast<uint32_t>(t->extents.size());
      t->extents.push_back(Dim(1));
      t->classes.push_back(quotient_class + static_cast<int>(t->windows.size()));
      (*at)[d] = affine_axis(w.quotient);
    }
    t->windows.push_back(std::move(w));
  }
}

// A divided window along the rows meets other taps at each of `by` phases: rows of one phase go together. The
// row o is by * o' + phase; the quotient's axis is what o' = 0 has.
void split_phases(ContractTerms* t, uint32_t rows, Index* at) {
  for (Window& w : t->windows) {
    const Dim stride = coefficient(w.index, rows);
    if (w.by == 1 || stride == Dim(0)) continue;
    const auto phase = static_cast<uint32_t>(t->extents.size());
    t->phase_axis = phase;
    t->all_rows = t->extents[rows];
    t->extents[rows] = Dim::ceil_div(t->all_rows, Dim(w.by));
    t->extents.push_back(Dim(w.by));
    t->classes.push_back(m_class);
    for (AffineIndex& a : *at)
      if (affine_is_axis(a, w.quotient)) a.parts.push_back({rows, stride});
    w.index.parts.push_back({phase, stride});
    for (AffineIndex::Part& p : w.index.parts)
      if (p.axis == rows) p.coefficient = stride * Dim(w.by);
    return;
  }
}

ContractTerms compose_contract(const Graph& graph, const Fusion& fusion, int32_t number) {
  const Group& group = group_of(fusion, number);
  ContractTerms t{TermGraph(graph, fusion, number)};
  for (NodeId id : group.nodes)
    if (is_tiled(graph, graph.node(id))) t.dot = &graph.node(id);
  TENON_CHECK(t.dot != nullptr);
  const ValueId result = t.dot->results[0];
  t.dtype = graph.type(result).dtype;
  t.block = order_of(*t.dot).block;
  const ir::Iteration it = squeezed(graph, *t.dot);
  Index left = it.operands[0].index, right = it.operands[1].index;
  for (uint32_t a = 0; a < it.axes.size(); ++a) {
    // Classes by which operands an axis belongs to.
    const bool in_a = mentions(left, a), in_b = mentions(right, a);
    const bool reduced = it.axes[a].role == ir::Axis::Role::reduced;
    t.extents.push_back(it.axes[a].extent);
    t.classes.push_back(reduced ? k_class : in_a && in_b ? batch_class : in_a ? m_class : n_class);
  }
  const std::optional<uint32_t> rows = rows_axis(t, !it.operands[0].guarded.empty());
  const auto axes = static_cast<uint32_t>(t.extents.size());
  take_windows(it, graph.type(t.dot->operands[0]).shape, &left, &t);
  if (rows) split_phases(&t, *rows, &left);
  t.terms.set_held(result);
  t.a = t.terms.element(t.dot->operands[0], left);
  t.b = t.terms.element(t.dot->operands[1], right);
  // What the rows of a phase are in the result.
  Index kept;
  for (uint32_t a = 0; a < axes; ++a)
    if (t.classes[a] != k_class) {
      kept.push_back(affine_axis(a));
      if (t.phase_axis && a == *rows)
        kept.back() = {Dim(0), {{a, t.extents[*t.phase_axis]}, {*t.phase_axis, Dim(1)}}};
    }
  auto place = [&](const Shape& shape) {
    Index at;
    for (const AffineIndex& a : identity_index(shape, group.all_axes()))
      at.push_back(affine_substitute(a, kept));
    return at;
  };
  for (ValueId v : group.outputs) {
    const Index at = place(graph.type(v).shape);
    t.outputs.push_back(t.terms.element(v, at));
    t.addresses.push_back(affine_linear(at, graph.type(v).shape));
  }
  const Shape& shape = graph.type(result).shape;
  t.result_address = affine_linear(place(shape), shape);
  std::vector<AffineIndex*> more, guards;
  for (AffineIndex& a : t.addresses) more.push_back(&a);
  more.push_back(&t.result_address);
  for (Window& w : t.windows) guards.push_back(&w.index);
  const std::vector<uint32_t> renamed = collapse_axes(&t.terms, more, &t.extents, &t.classes, guards);
  if (t.phase_axis) t.phase_axis = renamed[*t.phase_axis];
  order_contract(&t, rows, renamed);
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

bool ContractTerms::rows_share() const {
  return !outer.empty() &&
         std::all_of(outer.begin(), outer.end(), [&](uint32_t a) { return classes[a] == m_class; });
}

bool ContractTerms::row_by_row() const {
  for (size_t i = 0; i < windows.size(); ++i)
    if (m_axis && !(coefficient(windows[i].index, *m_axis) == Dim(0)) && row_window != i) return true;
  return false;
}

Dim ContractTerms::outer_extent() const {
  if (!rows_share()) return extents[outer[0]];
  Dim n(1);
  for (const uint32_t a : outer) n = n * extents[a];
  return n;
}

Dim ContractTerms::k_extent() const {
  Dim k(1);
  for (uint32_t a : k_axes) k = k * extents[a];
  return k;
}

}  // namespace tenon::lower
