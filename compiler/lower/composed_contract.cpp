// What a product in blocks computes: its axes by what they are to the tiles, and its windows.
#include <algorithm>

#include "lower/composed.h"

namespace tenon::lower {
namespace {

// Divides the axes into rows, columns, products and those outside of them. `tile_rows`: what tiles have as
// rows.
void order_contract(ContractTerms* t, std::optional<uint32_t> tile_rows,
                    const std::vector<uint32_t>& renamed) {
  std::vector<uint32_t> rows, columns;
  for (uint32_t a = 0; a < t->extents.size(); ++a) {
    if (t->classes[a] == batch_class) t->outer.push_back(a);
    // Phases are gone through outside of the rows.
    if (t->classes[a] == m_class && (!tile_rows || renamed[*tile_rows] != a))
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
  if (tile_rows) t->m_axis = renamed[*tile_rows];
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

}  // namespace

ContractTerms compose_contract(const Graph& graph, const Fusion& fusion, int32_t number) {
  const Group& group = fusion.groups[static_cast<size_t>(number)];
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

std::optional<KnownWindow> known_window(const ContractTerms& t) {
  const Window& w = t.windows[*t.row_window];
  const Dim taps = w.tap ? t.extents[*w.tap] : Dim(1), last = w.extent - 1;
  const Dim dilation = w.tap ? coefficient(w.index, *w.tap) : Dim(1), step = coefficient(w.index, *t.m_axis);
  if (w.by != 1 || w.index.parts.size() > (w.tap ? 2 : 1)) return std::nullopt;
  for (const Dim& d : {w.index.constant, step, taps, dilation, last})
    if (!d.is_constant()) return std::nullopt;
  return KnownWindow{w.index.constant.constant(), step.constant(), taps.constant(), dilation.constant(),
                     last.constant()};
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
