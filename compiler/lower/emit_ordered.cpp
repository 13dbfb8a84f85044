// Iterations some of whose axes are gone through in order, which lower on their own: scans, whose results
// hold what has been combined so far, and scatters, whose results lie at chosen places.
#include "lower/emit.h"

namespace tenon::lower {

namespace {

const OrderedTerms& terms_of(const Scope& scope, int32_t number) {
  return std::get<OrderedTerms>(scope.composed[static_cast<size_t>(number)]);
}

// Loops over `axes`, the first from `begin` to `end`; the number of blocks that they open.
size_t open_loops(Frame& frame, const Shape& extents, const std::vector<uint32_t>& axes,
                  const std::string& name, ExprId begin, ExprId end, std::vector<ExprId>* at) {
  kernel::Builder& b = frame.b;
  for (size_t i = 0; i < axes.size(); ++i) {
    const bool first = i == 0 && begin.valid();
    (*at)[axes[i]] =
        b.begin_for(name, first ? begin : b.index(0), first ? end : frame.dim(extents[axes[i]]), b.index(1));
  }
  return axes.size();
}

}  // namespace

// For all points of the kept axes, side by side in lanes where the results are: what has been combined so far
// is in a register.
void emit_scan(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  kernel::Builder& b = frame.b;
  const OrderedTerms& o = terms_of(scope, number);
  TermEmitter emitter(frame, scope, o.terms);
  emitter.axes.assign(o.extents.size(), b.index(0));
  std::vector<uint32_t> loops = o.outer;
  ExprId lo = begin, hi = end;
  size_t open = 0;
  const bool side_by_side = !loops.empty() && coefficient(o.result, loops.back()) == Dim(1);
  if (side_by_side) loops.pop_back();
  open += open_loops(frame, o.extents, loops, "o", lo, hi, &emitter.axes);
  if (loops.empty() && !side_by_side) {
    b.begin_for("o", lo, hi, b.index(1));
    ++open;
  }
  if (side_by_side) {
    const uint32_t axis = o.outer.back();
    const bool first = loops.empty();
    const int64_t width = frame.lanes_width(o.extents[axis], 64);
    emitter.axes[axis] =
        b.begin_lanes("l", first ? lo : b.index(0), first ? hi : frame.dim(o.extents[axis]), b.index(width));
    ++open;
  }
  const ir::Combiner combiner = o.node->op->iteration()->combiner;
  const VarId so_far = b.declare("so_far", o.type.dtype, identity_of(b, combiner, o.type.dtype));
  open += open_loops(frame, o.extents, o.ordered, "s", {}, {}, &emitter.axes);
  const ExprId next = combined(b, combiner, o.type.dtype, b.use(so_far), emitter.emit(o.element));
  b.assign(so_far, next);
  frame.store(scope.places[o.node->results[0].index], o.type.dtype,
              affine_value(frame, o.result, emitter.axes), b.use(so_far));
  for (; open > 0; --open) b.end();
}

namespace {

const Place& place_of_base(const Scope& scope, const OrderedTerms& o) {
  return scope.places[storage_of(*scope.graph, o.node->operands[*o.it.base]).index];
}
bool in_place(const Scope& scope, const OrderedTerms& o) {
  return same_place(scope.places[o.node->results[0].index], place_of_base(scope, o));
}

// Element numbers of what is chosen along the dimensions of a scatter's result.
ExprId chosen_index(Frame& frame, const Scope& scope, const OrderedTerms& o, const ir::Access::Chosen& c,
                    const std::vector<ExprId>& at) {
  const ValueId indices = o.node->operands[c.operand];
  const ExprId index = frame.load(scope.places[indices.index], scope.graph->type(indices).dtype,
                                  affine_value(frame, o.operands[c.operand], at));
  return frame.b.let("index", frame.b.cast(index, DType::i64));
}

// All indices are tested before anything is written, by every chunk: the result may hold an old value.
void test_indices(Frame& frame, const Scope& scope, const OrderedTerms& o) {
  kernel::Builder& b = frame.b;
  std::vector<ExprId> at(o.extents.size(), b.index(0));
  std::vector<uint32_t> loops = o.ordered;
  size_t open = 0;
  if (!loops.empty()) {
    const uint32_t last = loops.back();
    loops.pop_back();
    open = open_loops(frame, o.extents, loops, "r", {}, {}, &at) + 1;
    at[last] = b.begin_lanes("r", b.index(0), frame.dim(o.extents[last]),
                             b.index(frame.lanes_width(o.extents[last], 16)));
  }
  for (const ir::Access::Chosen& c : o.it.result.chosen) {
    const ExprId index = chosen_index(frame, scope, o, c, at);
    const ExprId inside =
        b.let("inside", b.binary(kernel::Op::band, b.binary(kernel::Op::le, b.index(0), index),
                                 b.binary(kernel::Op::lt, index, frame.dim(o.type.shape[c.dimension]))));
    b.comment(place_comment(frame, *scope.graph, *o.node));
    b.fail(static_cast<uint16_t>(Code::index_range), b.unary(kernel::Op::bnot, inside), index);
  }
  for (; open > 0; --open) b.end();
  b.stop_on_failure();
}

}  // namespace

// The result is its base, in whose place it may be; then every element goes to its own, in the order of the
// axes that choose it. Chunks cut what the result's rows lie apart along, so that the order at a place is
// kept.
void emit_scatter(Frame& frame, const Scope& scope, int32_t number, ExprId begin, ExprId end) {
  kernel::Builder& b = frame.b;
  const OrderedTerms& o = terms_of(scope, number);
  const ir::Type& type = o.type;
  const Place &out = scope.places[o.node->results[0].index], &base_place = place_of_base(scope, o);
  const uint32_t element = o.it.elements[0];
  const ValueId updates = o.node->operands[element];
  std::vector<ExprId> at(o.extents.size(), b.index(0));
  if (scope.fusion.ranges->may_fail(*o.node)) {
    // Rows without elements are not read, and their indices not tested.
    Dim row(1);
    for (const uint32_t a : o.outer) row = row * o.extents[a];
    for (const uint32_t a : o.inner) row = row * o.extents[a];
    const bool filled = frame.low(row) > 0;
    if (!filled) b.begin_if(b.binary(kernel::Op::lt, b.index(0), frame.dim(row)));
    test_indices(frame, scope, o);
    if (!filled) b.end();
  }
  // Elements of the result behind each point of the outer axes.
  Dim size = type.count();
  size_t open = open_loops(frame, o.extents, o.outer, "o", begin, end, &at);
  if (o.outer.empty()) {
    b.begin_for("o", begin, end, b.index(1));
    ++open;
  } else {
    size = coefficient(o.result, o.outer.back());
  }
  AffineIndex outer{o.result.constant, {}}, inner{Dim(0), {}};
  for (const AffineIndex::Part& p : o.result.parts)
    (o.classes[p.axis] == outer_class ? outer : inner).parts.push_back(p);
  const ExprId base = b.let("base", affine_value(frame, outer, at));
  if (!in_place(scope, o)) {
    const ExprId i = b.begin_lanes("i", b.index(0), frame.dim(size), b.index(frame.lanes_width(size, 64)));
    frame.store(out, type.dtype, b.add(base, i),
                b.let("v", frame.load(base_place, type.dtype, b.add(base, i))));
    b.end();
  }
  open += open_loops(frame, o.extents, o.ordered, "r", {}, {}, &at);
  ExprId to = base;
  for (const ir::Access::Chosen& c : o.it.result.chosen) {
    Dim stride(1);
    for (size_t d = c.dimension + 1; d < type.rank(); ++d) stride = stride * type.shape[d];
    to = b.add(to, b.mul(chosen_index(frame, scope, o, c, at), frame.dim(stride)));
  }
  to = b.let("to", to);
  std::vector<uint32_t> loops = o.inner;
  if (!loops.empty()) {
    const uint32_t last = loops.back();
    loops.pop_back();
    open += open_loops(frame, o.extents, loops, "j", {}, {}, &at) + 1;
    at[last] = b.begin_lanes("j", b.index(0), frame.dim(o.extents[last]),
                             b.index(frame.lanes_width(o.extents[last], 64)));
  }
  const ExprId place = b.add(to, affine_value(frame, inner, at));
  ExprId value =
      frame.load(scope.places[updates.index], type.dtype, affine_value(frame, o.operands[element], at));
  const ir::IterationForm& form = *o.node->op->iteration();
  if (form.step == ir::Accumulate::combine)
    value = combined(b, form.combiner, type.dtype, frame.load(out, type.dtype, place), value);
  frame.store(out, type.dtype, place, b.let("sum", value));
  for (; open > 0; --open) b.end();
}

}  // namespace tenon::lower
