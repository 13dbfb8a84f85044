// Pointwise groups: one flat loop where all accesses run on evenly, else a nest whose last axis is in lanes.
#include <algorithm>

#include "lower/cost.h"
#include "lower/emit.h"
#include "lower/hoist.h"
#include "lower/registers.h"

namespace tenon::lower {
namespace {

struct Pointwise {
  TermGraph terms;
  std::vector<TermId> values;
  std::vector<AffineIndex> addresses;
  Shape extents;
  const Group& group;

  Pointwise(const Scope& scope, int32_t number)
      : terms(*scope.graph, scope.fusion, number), group(scope.fusion.groups[static_cast<size_t>(number)]) {
    for (ValueId v : group.outputs) {
      const Shape& shape = scope.graph->type(v).shape;
      Index at = identity_index(shape, group.all_axes());
      values.push_back(terms.element(v, at));
      addresses.push_back(affine_linear(at, shape));
    }
    extents = group.domain;
    std::vector<int> classes(extents.size(), 0);
    std::vector<AffineIndex*> more;
    for (AffineIndex& a : addresses) more.push_back(&a);
    collapse_axes(&terms, more, &extents, &classes);
  }

  // All outputs at the element that the emitter's axes name: every value is made before the first store.
  void store(Frame& frame, const Scope& scope, TermEmitter& emitter) const {
    std::vector<ExprId> made;
    for (TermId t : values) made.push_back(emitter.emit(t));
    for (size_t i = 0; i < made.size(); ++i) {
      ValueId v = group.outputs[i];
      frame.store(scope.places[v.index], scope.graph->type(v).dtype,
                  affine_value(frame, addresses[i], emitter.axes), made[i]);
    }
  }
};

}  // namespace

void emit_pointwise(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  kernel::Builder& b = frame.b;
  Pointwise p(scope, number);
  TermEmitter emitter(frame, scope, p.terms);
  size_t n = p.extents.size();
  // Little work is done on many lanes at once; much of it, which stands in the code once for each vector, on
  // few.
  constexpr size_t few_terms = 12;
  constexpr uint64_t few_instructions = 256;
  Costs costs(*scope.graph);
  uint64_t cost = 0;
  for (NodeId id : p.group.nodes) cost += costs.node(scope.graph->node(id));
  for (size_t a = 0; a < n; ++a) {
    hoist(emitter, p.terms, p.values, [a](uint32_t axis) { return axis < a; });
    ExprId lo = a == 0 ? begin : b.index(0);
    ExprId hi = a == 0 ? end : frame.dim(p.extents[a]);
    bool last = a + 1 == n;
    const int64_t most = p.terms.size() <= few_terms && cost <= few_instructions ? 64 : 16;
    emitter.axes.push_back(last ? b.begin_lanes("i", lo, hi, b.index(lanes_width(frame, p.extents[a], most)))
                                : b.begin_for("i", lo, hi, b.index(1)));
  }
  p.store(frame, scope, emitter);
  for (size_t a = 0; a < n; ++a) b.end();
}

void emit_scalar_pointwise(Frame& frame, const Scope& scope, int32_t number) {
  Pointwise p(scope, number);
  TermEmitter emitter(frame, scope, p.terms);
  each_point(p.extents, [&](const std::vector<int64_t>& at) {
    emitter.forget();
    emitter.axes.clear();
    for (int64_t i : at) emitter.axes.push_back(frame.b.index(i));
    p.store(frame, scope, emitter);
  });
}

Work pointwise_work(const Frame& frame, const Scope& scope, int32_t number) {
  Pointwise p(scope, number);
  Work work;
  double all = 1;
  for (const Dim& d : p.extents) all *= static_cast<double>(std::max<int64_t>(1, frame.usual(d)));
  if (p.extents.empty()) {
    work.serial = true;
  } else {
    work.extent = p.extents[0];
    // Neighbouring chunks do not share a cache line.
    if (p.extents.size() == 1) work.granule = 64;
  }
  work.cost = all * static_cast<double>(p.terms.size()) / 8 /
              static_cast<double>(std::max<int64_t>(1, frame.usual(work.extent)));
  return work;
}

void emit_copy(Frame& frame, const Copy& copy, ExprId begin, ExprId end) {
  kernel::Builder& b = frame.b;
  DType dtype = copy.type.dtype;
  if (copy.type.shape.empty()) {
    frame.store(copy.to, dtype, b.index(0), frame.load(copy.from, dtype, b.index(0)));
    return;
  }
  if (frame.keeps(copy.from.root) || frame.keeps(copy.to.root)) {
    for (int64_t i = 0; i < copy.type.count().constant(); ++i)
      frame.store(copy.to, dtype, b.index(i), b.let("v", frame.load(copy.from, dtype, b.index(i))));
    return;
  }
  ExprId i = b.begin_lanes("i", begin, end, b.index(lanes_width(frame, copy.type.count(), 64)));
  frame.store(copy.to, dtype, i, b.let("v", frame.load(copy.from, dtype, i)));
  b.end();
}

}  // namespace tenon::lower
