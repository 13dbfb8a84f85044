// Lanes loops: full blocks without masks in a loop, then at most one partial block under a mask; folds by
// halving.
#include <llvm/Analysis/ValueTracking.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "codegen/emitter.h"

namespace tenon::codegen {
using kernel::FoldOp;
using kernel::Stmt;
using llvm::BasicBlock;

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

  const auto* l = llvm::dyn_cast<llvm::ConstantInt>(lo.scalar());
  const auto* h = llvm::dyn_cast<llvm::ConstantInt>(hi.scalar());
  const Value step = at(0, [&] {
    Value v;
    v.parts.push_back(builder_.getInt64(static_cast<uint64_t>(width)));
    return v;
  }());
  const std::vector<uint32_t> assigned = live_assigned({s});
  if (l != nullptr && h != nullptr) {
    const int64_t a = l->getSExtValue(), b = h->getSExtValue();
    if (a >= b) return;
    const uint64_t n = static_cast<uint64_t>(b) - static_cast<uint64_t>(a);
    const uint64_t full = n / static_cast<uint64_t>(width), rest = n % static_cast<uint64_t>(width);
    const int64_t end = a + static_cast<int64_t>(full) * width;
    if (full == 1) {
      lanes_block(s, lo.scalar(), w, nullptr);
    } else if (full > 1) {
      Value end_value = lo;
      end_value.parts[0] = builder_.getInt64(static_cast<uint64_t>(end));
      counted_loop(lo, end_value, step, assigned, true, true,
                   [&](llvm::Value* i) { lanes_block(s, i, w, nullptr); });
    }
    if (rest != 0) tail(builder_.getInt64(static_cast<uint64_t>(end)), builder_.getInt64(rest));
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
      lanes_->mask.push_back(builder_.CreateICmpULT(llvm::ConstantVector::get(index), limit));
    }
  }
  Value lane = here(base);
  lane.shape = width == 1 ? Value::Shape::uniform : Value::Shape::affine;
  lane.stride = width == 1 ? 0 : 1;
  bind_loop(s.var, std::move(lane));
  emit(s.body);
  for (const kernel::Fold& fold : s.folds) {
    const Value value = evaluate(fold.value);
    const DType dtype = f_.expr(fold.value).dtype;
    std::vector<llvm::Value*> parts;
    for (int p = 0; p < lanes.parts; ++p) {
      llvm::Value* x = part(value, p);
      if (count != nullptr) {
        llvm::Constant* identity = llvm::ConstantVector::getSplat(
            llvm::ElementCount::getFixed(static_cast<unsigned>(lanes.part_lanes)),
            fold_identity(fold.op, dtype));
        x = builder_.CreateSelect(lanes_->mask[static_cast<size_t>(p)], x, identity);
      }
      parts.push_back(x);
    }
    llvm::Value* block_value = fold_tree(fold.op, dtype, std::move(parts));
    Variable& target = variables_[fold.target.index];
    llvm::Value* old = target.elements[0].scalar();
    assign_element(target, 0, here(combine(fold.op, dtype, old, block_value)));
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

// Parts are transposed one by one, each by halving: blocks of 2^n lanes off the diagonal change places.
void FunctionEmitter::emit_exchange(const Stmt& s) {
  Variable& v = variables_[s.var.index];
  const auto lanes = static_cast<size_t>(lanes_->part_lanes), parts = static_cast<size_t>(lanes_->parts);
  if (v.elements.size() != static_cast<size_t>(lanes_->width) || lanes_->predicates > 0)
    return m_.refuse(f_, "an exchange needs as many registers as there are lanes");
  std::vector<std::vector<llvm::Value*>> rows;
  for (const Value& e : v.elements) {
    rows.emplace_back();
    for (size_t p = 0; p < parts; ++p) {
      llvm::Value* x = part(e, static_cast<int>(p));
      if (!lanes_->mask.empty())
        x = builder_.CreateSelect(lanes_->mask[p], x, llvm::Constant::getNullValue(x->getType()));
      rows.back().push_back(x);
    }
  }
  for (size_t p = 0; p < parts; ++p)
    for (size_t q = 0; q < parts; ++q)
      for (size_t distance = lanes / 2; distance > 0; distance /= 2) {
        std::vector<int> low, high;
        for (size_t l = 0; l < lanes; ++l) {
          const bool off = (l & distance) != 0;
          low.push_back(static_cast<int>(off ? l + lanes - distance : l));
          high.push_back(static_cast<int>(off ? l + lanes : l + distance));
        }
        for (size_t i = 0; i < lanes; ++i) {
          if ((i & distance) != 0) continue;
          llvm::Value *&a = rows[p * lanes + i][q], *&b = rows[p * lanes + i + distance][q];
          llvm::Value *x = a, *y = b;
          a = builder_.CreateShuffleVector(x, y, low);
          b = builder_.CreateShuffleVector(x, y, high);
        }
      }
  for (size_t i = 0; i < rows.size(); ++i) {
    Value e;
    e.shape = Value::Shape::vector;
    for (size_t p = 0; p < parts; ++p) e.parts.push_back(rows[p * lanes + i % lanes][i / lanes]);
    assign_element(v, i, at(depth(), std::move(e)));
  }
}

llvm::Value* FunctionEmitter::fold_tree(FoldOp op, DType dtype, std::vector<llvm::Value*> parts) {
  while (parts.size() > 1) {
    const size_t half = parts.size() / 2;
    for (size_t p = 0; p < half; ++p) parts[p] = combine(op, dtype, parts[p], parts[p + half]);
    parts.resize(half);
  }
  llvm::Value* v = parts[0];
  unsigned n = llvm::cast<llvm::FixedVectorType>(v->getType())->getNumElements();
  for (; n > 2; n /= 2) {
    std::vector<int> low, high;
    for (unsigned i = 0; i < n / 2; ++i) {
      low.push_back(static_cast<int>(i));
      high.push_back(static_cast<int>(i + n / 2));
    }
    v = combine(op, dtype, builder_.CreateShuffleVector(v, low), builder_.CreateShuffleVector(v, high));
  }
  llvm::Value* first = builder_.CreateExtractElement(v, uint64_t{0});
  if (n == 1) return first;
  return combine(op, dtype, first, builder_.CreateExtractElement(v, uint64_t{1}));
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
