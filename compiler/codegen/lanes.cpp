// Lanes loops: full blocks without masks in a loop, then at most one partial block under a mask; folds by
// halving.
#include <llvm/Analysis/ValueTracking.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/PatternMatch.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <optional>

#include "codegen/emitter.h"

namespace tenon::codegen {
using kernel::FoldOp;
using kernel::Stmt;
using llvm::BasicBlock;

namespace {

// Folds by halving, several at once: a step takes the low and the high halves of two vectors into one vector
// each and combines those, so that it serves two folds. Every fold keeps its own tree. Parts of a vector are
// halved first.
std::vector<llvm::Value*> fold_together(
    llvm::IRBuilderBase& b, const std::function<llvm::Value*(llvm::Value*, llvm::Value*)>& combine,
    std::vector<std::vector<llvm::Value*>> folds) {
  std::vector<llvm::Value*> all;
  for (std::vector<llvm::Value*>& parts : folds) {
    for (; parts.size() > 1; parts.resize(parts.size() / 2))
      for (size_t p = 0, half = parts.size() / 2; p < half; ++p)
        parts[p] = combine(parts[p], parts[p + half]);
    all.push_back(parts[0]);
  }
  unsigned width = llvm::cast<llvm::FixedVectorType>(all[0]->getType())->getNumElements();
  // Vectors of `width` lanes, in which every fold has `length` neighbours left, in the order of the folds.
  for (unsigned length = width; length > 1; length /= 2) {
    const bool pairs = all.size() > 1;
    if (!pairs && width == 2) break;  // the last step is one of scalars
    if (all.size() % 2 != 0 && pairs) all.push_back(llvm::PoisonValue::get(all[0]->getType()));
    std::vector<int> low, high;
    for (unsigned at = 0; at < (pairs ? 2 * width : width); at += length)
      for (unsigned i = 0; i < length / 2; ++i) {
        low.push_back(static_cast<int>(at + i));
        high.push_back(static_cast<int>(at + length / 2 + i));
      }
    std::vector<llvm::Value*> next;
    for (size_t v = 0; v < all.size(); v += pairs ? 2 : 1) {
      llvm::Value* other = pairs ? all[v + 1] : llvm::PoisonValue::get(all[v]->getType());
      next.push_back(
          combine(b.CreateShuffleVector(all[v], other, low), b.CreateShuffleVector(all[v], other, high)));
    }
    all = std::move(next);
    if (!pairs) width /= 2;
  }
  auto element = [&](size_t i) {
    return b.CreateExtractElement(all[i / width], static_cast<uint64_t>(i % width));
  };
  if (folds.size() == 1 && width == 2) return {combine(element(0), element(1))};
  std::vector<llvm::Value*> out;
  for (size_t i = 0; i < folds.size(); ++i) out.push_back(element(i));
  return out;
}

// How many indices lo..hi has, where that is known: both are, or hi lies so many behind lo.
std::optional<uint64_t> known_count(llvm::Value* lo, llvm::Value* hi) {
  using namespace llvm::PatternMatch;
  const auto *l = llvm::dyn_cast<llvm::ConstantInt>(lo), *h = llvm::dyn_cast<llvm::ConstantInt>(hi);
  if (l != nullptr && h != nullptr)
    return l->getSExtValue() < h->getSExtValue() ? h->getZExtValue() - l->getZExtValue() : 0;
  const llvm::APInt* n = nullptr;
  if (match(hi, m_Add(m_Specific(lo), m_APInt(n))))
    return static_cast<uint64_t>(std::max<int64_t>(0, n->getSExtValue()));
  return std::nullopt;
}

}  // namespace

void FunctionEmitter::emit_lanes(const Stmt& s) {
  if (lanes_) return m_.refuse(f_, "a lanes loop stands in another");
  const int64_t width = static_index(s.step);
  if (width < 1 || width > 4096) return m_.refuse(f_, "the width of a lanes loop is out of range");
  if (!s.folds.empty() && (width & (width - 1)) != 0)
    return m_.refuse(f_, "a fold needs a width that is a power of two");
  const Value lo = to_scalar(evaluate(s.lo), "a loop bound");
  const Value hi = to_scalar(evaluate(s.hi), "a loop bound");
  const int w = static_cast<int>(width);
  const bool one_by_one = !m_.target.lane_masks && w > 1 && accesses_bytes(f_, s.body);
  auto tail = [&](llvm::Value* base, llvm::Value* count) {
    if (one_by_one) {
      lanes_tail_one_by_one(s, base, count, w);
    } else {
      lanes_block(s, base, w, count);
    }
  };

  const Value step = at(0, [&] {
    Value v;
    v.parts.push_back(builder_.getInt64(static_cast<uint64_t>(width)));
    return v;
  }());
  const std::vector<uint32_t> assigned = live_assigned({s});
  if (const std::optional<uint64_t> n = known_count(lo.scalar(), hi.scalar())) {
    const uint64_t block = static_cast<uint64_t>(width), full = *n / block, rest = *n % block;
    if (*n == 0) return;
    Value end = lo;
    end.parts[0] = builder_.CreateAdd(lo.scalar(), builder_.getInt64(full * block));
    if (full == 1) {
      lanes_block(s, lo.scalar(), w, nullptr);
    } else if (full > 1) {
      counted_loop(lo, end, step, assigned, true, true,
                   [&](llvm::Value* i) { lanes_block(s, i, w, nullptr); });
    }
    if (rest != 0) tail(end.scalar(), builder_.getInt64(rest));
    return;
  }

  // end = lo + width * ((hi - lo) / width); nothing runs where hi <= lo.
  const uint32_t target = std::max({lo.depth, hi.depth, floor_depth()});
  auto [end, rest] = place(target, [&] {
    llvm::Value* n = builder_.CreateSub(hi.scalar(), lo.scalar());
    n = builder_.CreateSelect(builder_.CreateICmpSLT(lo.scalar(), hi.scalar()), n, builder_.getInt64(0));
    llvm::Value* rest = (width & (width - 1)) == 0
                            ? builder_.CreateAnd(n, builder_.getInt64(static_cast<uint64_t>(width - 1)))
                            : builder_.CreateURem(n, builder_.getInt64(static_cast<uint64_t>(width)));
    return std::pair(builder_.CreateAdd(lo.scalar(), builder_.CreateSub(n, rest)), rest);
  });
  Value end_value;
  end_value.parts.push_back(end);
  end_value = at(target, std::move(end_value));
  counted_loop(lo, end_value, step, assigned, false, true,
               [&](llvm::Value* i) { lanes_block(s, i, w, nullptr); });
  if (width == 1) return;
  if (const auto* c = llvm::dyn_cast<llvm::ConstantInt>(rest); c != nullptr && c->isZero()) return;
  const llvm::KnownBits known = llvm::computeKnownBits(rest, m_.llvm_module.getDataLayout());
  if (known.isZero()) return;

  const std::vector<Value> before = snapshot(assigned);
  BasicBlock* partial = block("tail");
  BasicBlock* exit = block("done");
  BasicBlock* from = builder_.GetInsertBlock();
  llvm::Instruction* fork =
      builder_.CreateCondBr(builder_.CreateICmpNE(rest, builder_.getInt64(0)), partial, exit);
  builder_.SetInsertPoint(partial);
  push_scope(true, fork);
  tail(end, rest);
  Join join{assigned, {{builder_.GetInsertBlock(), snapshot(assigned)}, {from, before}}};
  builder_.CreateBr(exit);
  pop_scope();
  builder_.SetInsertPoint(exit);
  merge(join);
}

// One block from `base`; with `count`, only so many of its lanes are on.
void FunctionEmitter::lanes_block(const Stmt& s, llvm::Value* base, int width, llvm::Value* count) {
  Lanes lanes;
  lanes.width = width;
  // Whole registers of some type: a power of two, where there is one that divides the width.
  lanes.part_lanes = std::min(width, m_.part_lanes());
  while (width % lanes.part_lanes != 0)
    lanes.part_lanes = static_cast<int>(std::bit_floor(lanes.part_lanes - 1u));
  lanes.parts = width / lanes.part_lanes;
  lanes_ = lanes;
  if (count != nullptr) {
    llvm::Value* n = builder_.CreateTrunc(count, builder_.getInt32Ty());
    llvm::Value* limit = builder_.CreateVectorSplat(static_cast<unsigned>(lanes.part_lanes), n);
    for (int p = 0; p < lanes.parts; ++p) {
      std::vector<llvm::Constant*> index;
      for (int i = 0; i < lanes.part_lanes; ++i)
        index.push_back(builder_.getInt32(static_cast<uint32_t>(p * lanes.part_lanes + i)));
      llvm::Value* mask = builder_.CreateICmpULT(llvm::ConstantVector::get(index), limit);
      // A constant mask would be moved to its register wherever it is used, in inner loops each time.
      if (m_.target.lane_masks && llvm::isa<llvm::Constant>(mask)) mask = builder_.CreateFreeze(mask);
      lanes_->mask.push_back(mask);
    }
  }
  Value lane = here(base);
  lane.shape = width == 1 ? Value::Shape::uniform : Value::Shape::affine;
  lane.stride = width == 1 ? 0 : 1;
  bind_loop(s.var, std::move(lane));
  emit(s.body);
  for (size_t k = 0; k < s.folds.size();) {
    // Neighbours of one kind share the steps of their trees, but for those that read what one before changes.
    const FoldOp op = s.folds[k].op;
    const DType dtype = f_.expr(s.folds[k].value).dtype;
    auto joins = [&](size_t i) {
      if (s.folds[i].op != op || f_.expr(s.folds[i].value).dtype != dtype) return false;
      const std::vector<uint32_t>& reads = a_.reads[s.folds[i].value.index];
      for (size_t before = k; before < i; ++before)
        if (std::binary_search(reads.begin(), reads.end(), s.folds[before].target.index)) return false;
      return true;
    };
    size_t end = k;
    std::vector<std::vector<llvm::Value*>> values;
    for (; end < s.folds.size() && joins(end); ++end) {
      const Value value = evaluate(s.folds[end].value);
      std::vector<llvm::Value*>& parts = values.emplace_back();
      for (int p = 0; p < lanes.parts; ++p) {
        llvm::Value* x = part(value, p);
        if (count != nullptr) {
          llvm::Constant* identity = llvm::ConstantVector::getSplat(
              llvm::ElementCount::getFixed(static_cast<unsigned>(lanes.part_lanes)),
              fold_identity(op, dtype));
          x = builder_.CreateSelect(lanes_->mask[static_cast<size_t>(p)], x, identity);
        }
        parts.push_back(x);
      }
    }
    const std::vector<llvm::Value*> folded = fold_together(
        builder_, [&](llvm::Value* x, llvm::Value* y) { return combine(op, dtype, x, y); },
        std::move(values));
    for (; k < end; ++k) {
      const kernel::VarId to = s.folds[k].target;
      llvm::Value* old = variables_[to.index].elements[0].scalar();
      llvm::Value* sum = combine(op, dtype, old, folded[folded.size() - (end - k)]);
      assign_element(variables_[to.index], 0, here(sum));
    }
  }
  lanes_.reset();
  memory_changed();
}

// The partial block without masks, where the target has none for bytes: each lane runs as a block of width
// one. The lanes' values of a fold gather in memory and are then combined as those of any block.
void FunctionEmitter::lanes_tail_one_by_one(const Stmt& s, llvm::Value* base, llvm::Value* count, int width) {
  std::vector<llvm::AllocaInst*> slots;
  for (const kernel::Fold& fold : s.folds) {
    const DType dtype = f_.expr(fold.value).dtype;
    llvm::AllocaInst* slot = alloca_bytes(static_cast<uint64_t>(width) * dtype_bytes(dtype), 64);
    auto* type = llvm::FixedVectorType::get(m_.memory_type(dtype), static_cast<unsigned>(width));
    llvm::Value* identity = to_memory(dtype, fold_identity(fold.op, dtype));
    builder_.CreateAlignedStore(
        llvm::ConstantVector::getSplat(type->getElementCount(), llvm::cast<llvm::Constant>(identity)), slot,
        llvm::Align(64));
    slots.push_back(slot);
  }
  plain_loop(count, [&](llvm::Value* i) {
    Lanes lanes;
    lanes.width = lanes.part_lanes = lanes.parts = 1;
    lanes_ = lanes;
    llvm::Value* at_lane = builder_.CreateAdd(base, i);
    bind_loop(s.var, here(at_lane));
    emit(s.body);
    for (size_t k = 0; k < slots.size(); ++k) {
      const kernel::Fold& fold = s.folds[k];
      const DType dtype = f_.expr(fold.value).dtype;
      llvm::Value* x = part(evaluate(fold.value), 0);
      x = builder_.CreateExtractElement(x, uint64_t{0});
      builder_.CreateStore(to_memory(dtype, x), builder_.CreateGEP(m_.memory_type(dtype), slots[k], i));
    }
    lanes_.reset();
    memory_changed();
  });
  for (size_t k = 0; k < slots.size(); ++k) {
    const kernel::Fold& fold = s.folds[k];
    const DType dtype = f_.expr(fold.value).dtype;
    auto* type = llvm::FixedVectorType::get(m_.memory_type(dtype), static_cast<unsigned>(width));
    llvm::Value* all = from_memory(dtype, builder_.CreateAlignedLoad(type, slots[k], llvm::Align(64)));
    Variable& target = variables_[fold.target.index];
    llvm::Value* old = target.elements[0].scalar();
    assign_element(target, 0, here(combine(fold.op, dtype, old, fold_tree(fold.op, dtype, {all}))));
  }
}

llvm::Value* FunctionEmitter::fold_tree(FoldOp op, DType dtype, std::vector<llvm::Value*> parts) {
  return fold_together(builder_, [&](llvm::Value* x, llvm::Value* y) { return combine(op, dtype, x, y); },
                       {std::move(parts)})[0];
}

llvm::Constant* FunctionEmitter::fold_identity(FoldOp op, DType dtype) {
  llvm::Type* type = m_.register_type(dtype);
  const bool flt = is_float(dtype), sign = is_signed_int(dtype);
  const unsigned bits = flt ? 0 : type->getIntegerBitWidth();
  switch (op) {
    case FoldOp::add:
      return flt ? llvm::ConstantFP::getNegativeZero(type) : llvm::ConstantInt::get(type, 0);
    case FoldOp::mul:
      return flt ? llvm::ConstantFP::get(type, 1.0) : llvm::ConstantInt::get(type, 1);
    case FoldOp::band:
      return llvm::Constant::getAllOnesValue(type);
    case FoldOp::bor:
      return llvm::Constant::getNullValue(type);
    case FoldOp::min:
      if (flt) return llvm::ConstantFP::getInfinity(type);
      return llvm::ConstantInt::get(
          type, sign ? llvm::APInt::getSignedMaxValue(bits) : llvm::APInt::getMaxValue(bits));
    case FoldOp::max:
      if (flt) return llvm::ConstantFP::getInfinity(type, true);
      return llvm::ConstantInt::get(
          type, sign ? llvm::APInt::getSignedMinValue(bits) : llvm::APInt::getMinValue(bits));
  }
  return llvm::Constant::getNullValue(type);
}

}  // namespace tenon::codegen
