#include <limits>

#include "lower/emit.h"
#include "ops/combiner.h"

namespace tenon::lower {

ExprId apply_scalar(kernel::Builder& b, const ir::ElementwiseForm& form, DType from, DType to,
                    const std::vector<ExprId>& args) {
  ir::ElementwiseForm::PerType functions =
      form.by_types != nullptr ? form.by_types(from, to) : form.types[static_cast<size_t>(from)];
  TENON_CHECK(functions.kernel != nullptr, "no kernel form for this element type");
  return functions.kernel(b, args.data());
}

ExprId combined(kernel::Builder& b, ir::Combiner c, DType dtype, ExprId x, ExprId y) {
  const std::string_view op = ops::combining_operation(c);
  const ir::OpDef* def = ir::op_table().find(op);
  TENON_CHECK(def != nullptr && def->elementwise() != nullptr, std::string(op));
  return apply_scalar(b, *def->elementwise(), dtype, dtype, {x, y});
}

// Reads come before their readers, on a stack of our own: chains of terms are as long as a kernel is large.
ExprId TermEmitter::emit(TermId root) {
  std::vector<std::pair<TermId, bool>> stack{{root, false}};
  std::vector<TermId> reads;
  while (!stack.empty()) {
    const auto [id, ready] = stack.back();
    if (emitted(id).valid()) {
      stack.pop_back();
      continue;
    }
    if (ready) {
      stack.pop_back();
      emit_one(id);
      continue;
    }
    stack.back().second = true;
    reads.clear();
    for_each_read(terms_.term(id), [&](TermId read) { reads.push_back(read); });
    for (size_t i = reads.size(); i-- > 0;) stack.push_back({reads[i], false});
  }
  return emitted(root);
}

ExprId TermEmitter::emitted(TermId id) const {
  const Term& term = terms_.term(id);
  if (term.kind == TermKind::held) {
    const auto held = held_.find(term.value.index);
    TENON_CHECK(held != held_.end(), "a reduction's result is used before it is there");
    return held->second;
  }
  const auto it = memo_.find(id.index);
  return it == memo_.end() ? ExprId() : it->second;
}

// A term all of whose reads are emitted.
void TermEmitter::emit_one(TermId id) {
  const Term& term = terms_.term(id);
  kernel::Builder& b = frame_.b;
  ExprId e;
  switch (term.kind) {
    case TermKind::literal:
      e = emit_literal(term);
      break;
    case TermKind::load:
      e = emit_load(term);
      break;
    case TermKind::held:
      return;
    case TermKind::scalar:
      e = emit_scalar(term);
      break;
    case TermKind::choose:
      e = emit_choose(term);
      break;
    case TermKind::position:
      e = b.cast(affine_value(frame_, term.address, axes), term.dtype);
      break;
    case TermKind::extent:
      e = b.cast(frame_.dim(term.address.constant), term.dtype);
      break;
    case TermKind::outside:
      e = identity_of(b, term.node->op->iteration()->combiner, term.dtype);
      break;
    case TermKind::folded:
      e = emit_folded(term);
      break;
    case TermKind::quotient:
      e = b.binary(kernel::Op::div, affine_value(frame_, term.address, axes), frame_.dim(term.stride));
      break;
    case TermKind::random: {
      std::vector<ExprId> args;
      for (TermId a : term.args) args.push_back(emitted(a));
      e = random_element(frame_, *term.node, affine_value(frame_, term.address, axes), args);
      break;
    }
  }
  // Every value is bound where it is made: a later store must not move its loads.
  if (term.kind != TermKind::literal && term.kind != TermKind::outside) e = b.let("v", e);
  remember(id.index, e);
}

// From the identity, as the order says: -0 becomes +0 in sums and products' sums.
ExprId TermEmitter::emit_folded(const Term& term) {
  kernel::Builder& b = frame_.b;
  const ExprId zero = b.constant(term.dtype, 0);
  ExprId x = emitted(term.args[0]);
  if (ir::multiplies(*term.node->op)) {
    ExprId e = zero;
    for (size_t i = 0; i < term.args.size(); i += 2) {
      const ExprId y = emitted(term.args[i + 1]);
      x = emitted(term.args[i]);
      e = is_float(term.dtype) ? b.fma(x, y, e) : i == 0 ? b.mul(x, y) : b.add(e, b.mul(x, y));
    }
    // The tree adds +0 from lanes that have no element.
    if (is_float(term.dtype) && multiplies_in_lanes(*term.node)) e = b.add(e, zero);
    return e;
  }
  if (term.node->op->iteration()->combiner == ir::Combiner::sum && is_float(term.dtype))
    return b.add(x, zero);
  return x;
}

void TermEmitter::remember(uint32_t key, ExprId e) {
  memo_[key] = e;
  remembered_.push_back(key);
}

void TermEmitter::forget_since(size_t mark) {
  while (remembered_.size() > mark) {
    memo_.erase(remembered_.back());
    remembered_.pop_back();
  }
}

ExprId TermEmitter::emit_literal(const Term& term) {
  const auto& array = term.node->get<std::shared_ptr<const Array>>("value");
  uint64_t bits = 0;
  std::memcpy(&bits, array->data(), array->bytes());
  return frame_.b.constant(term.dtype, bits);
}

ExprId TermEmitter::emit_scalar(const Term& term) {
  std::vector<ExprId> args;
  for (TermId a : term.args) args.push_back(emitted(a));
  const ir::ElementwiseForm& form = *term.node->op->elementwise();
  return apply_scalar(frame_.b, form, frame_.b.dtype(args[form.key < args.size() ? form.key : 0]), term.dtype,
                      args);
}

ExprId TermEmitter::emit_load(const Term& term) {
  kernel::Builder& b = frame_.b;
  const Place& place = scope_.places[term.value.index];
  ExprId address = affine_value(frame_, term.address, axes);
  for (const auto& [offset, stride] : term.offsets)
    address = b.add(address, b.mul(emitted(offset), frame_.dim(stride)));
  ExprId all_inside;  // of indices into what may have no element
  for (const TermChosen& chosen : term.chosen) {
    const ExprId index =
        term.checked ? emit_checked(term, chosen, &all_inside) : b.cast(emitted(chosen.index), DType::i64);
    address = b.add(address, b.mul(index, frame_.dim(chosen.stride)));
  }
  if (!all_inside.valid()) return frame_.load(place, term.dtype, address);
  VarId out = b.declare("gathered", term.dtype, b.constant(term.dtype, 0));
  b.begin_if(all_inside);
  b.assign(out, frame_.load(place, term.dtype, address));
  b.end();
  return b.use(out);
}

// An index that is tested: a failure where it is outside. Where there are elements it is safe to read at;
// otherwise `all_inside` says when.
ExprId TermEmitter::emit_checked(const Term& term, const TermChosen& chosen, ExprId* all_inside) {
  kernel::Builder& b = frame_.b;
  // Rows taken from several values by one index are checked once.
  const uint32_t key = checked_key | chosen.index.index;
  const bool positive = frame_.low(chosen.bound) > 0;
  if (auto it = memo_.find(key); it != memo_.end() && positive && checked_[key] == chosen.bound.text())
    return it->second;
  ExprId given = emitted(chosen.index);
  ExprId index = b.let("index", b.cast(given, DType::i64));
  ExprId bound = frame_.dim(chosen.bound);
  ExprId inside = b.let("inside", b.binary(kernel::Op::band, b.binary(kernel::Op::le, b.index(0), index),
                                           b.binary(kernel::Op::lt, index, bound)));
  const ExprId outside = b.unary(kernel::Op::bnot, inside);
  b.comment(place_comment(frame_, terms_.graph(), *term.node));
  b.fail(static_cast<uint16_t>(Code::index_range), outside, index);
  if (!positive) {
    *all_inside = all_inside->valid() ? b.binary(kernel::Op::band, *all_inside, inside) : inside;
    return index;
  }
  ExprId safe;
  if (dtype_bytes(b.dtype(given)) == 4 && frame_.high(chosen.bound) <= INT32_MAX) {
    // Chosen at 32 bits: processors gather twice as many elements at once by 32-bit indices.
    ExprId narrow = b.dtype(given) == DType::u32 ? b.bitcast(given, DType::i32) : given;
    safe = b.cast(b.select(inside, narrow, b.constant(DType::i32, 0)), DType::i64);
  } else {
    safe = b.select(inside, index, b.index(0));
  }
  safe = b.let("safe", safe);
  remember(key, safe);
  checked_[key] = chosen.bound.text();
  return safe;
}

// First piece whose guards hold; loads of the others do not happen.
ExprId TermEmitter::emit_choose(const Term& term) {
  kernel::Builder& b = frame_.b;
  VarId out = b.declare("chosen", term.dtype, b.constant(term.dtype, 0));
  size_t open = 0;
  const size_t outside = remembered_.size();
  for (const TermPiece& piece : term.pieces) {
    forget_since(outside);
    ExprId holds;
    for (const TermGuard& g : piece.guards) {
      ExprId i = affine_value(frame_, g.index, axes);
      ExprId low = frame_.dim(g.low);
      ExprId ok = b.binary(kernel::Op::band, b.binary(kernel::Op::le, low, i),
                           b.binary(kernel::Op::lt, i, frame_.dim(g.high)));
      if (!(g.stride == Dim(1)))
        ok = b.binary(kernel::Op::band, ok,
                      b.binary(kernel::Op::eq, b.binary(kernel::Op::rem, b.sub(i, low), frame_.dim(g.stride)),
                               b.index(0)));
      holds = holds.valid() ? b.binary(kernel::Op::band, holds, ok) : ok;
    }
    // At constant indices, as in an unrolled group, one piece is known to hold.
    if (const std::optional<bool> known = holds.valid() ? b.as_bool(holds) : std::nullopt) {
      if (!*known) continue;
      holds = ExprId();
    }
    if (holds.valid()) {
      b.begin_if(b.let("holds", holds));
      ++open;
      b.assign(out, emit(piece.term));
      b.begin_else();
    } else {
      b.assign(out, emit(piece.term));
      break;
    }
  }
  for (size_t i = 0; i < open; ++i) b.end();
  forget_since(outside);
  return b.use(out);
}

void each_point(const Shape& extents, const std::function<void(const std::vector<int64_t>&)>& f) {
  std::vector<int64_t> at(extents.size(), 0);
  for (const Dim& d : extents)
    if (d.constant() == 0) return;
  while (true) {
    f(at);
    size_t d = extents.size();
    while (d > 0 && ++at[d - 1] == extents[d - 1].constant()) at[--d] = 0;
    if (d == 0) return;
  }
}

kernel::FoldOp fold_of(ir::Combiner c) {
  switch (c) {
    case ir::Combiner::sum:
      return kernel::FoldOp::add;
    case ir::Combiner::prod:
      return kernel::FoldOp::mul;
    case ir::Combiner::max:
      return kernel::FoldOp::max;
    case ir::Combiner::min:
      return kernel::FoldOp::min;
    case ir::Combiner::any:
      return kernel::FoldOp::bor;
    case ir::Combiner::all:
      return kernel::FoldOp::band;
  }
  return kernel::FoldOp::add;
}

ExprId identity_of(kernel::Builder& b, ir::Combiner c, DType dtype) {
  return with_dtype(dtype, [&]<class T>() {
    using Limits = std::numeric_limits<T>;
    T value{};
    if (c == ir::Combiner::prod || c == ir::Combiner::all) value = T(1);
    if (c == ir::Combiner::max) value = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    if (c == ir::Combiner::min) value = Limits::has_infinity ? Limits::infinity() : Limits::max();
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return b.constant(dtype, bits);
  });
}

}  // namespace tenon::lower
