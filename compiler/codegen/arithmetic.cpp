// Arithmetic on scalars and vectors alike: guarded where LLVM's operation has undefined cases, and inline on
// every target (nothing here may become a library call).
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/PatternMatch.h>

#include "codegen/emitter.h"

namespace tenon::codegen {
using kernel::FoldOp;
using kernel::Op;
using llvm::Intrinsic::ID;

namespace {

llvm::Constant* number(llvm::Value* like, uint64_t value) {
  return llvm::ConstantInt::get(like->getType(), value);
}
unsigned width_of(llvm::Value* v) { return v->getType()->getScalarType()->getIntegerBitWidth(); }

llvm::ConstantInt* constant_of(llvm::Value* v) {
  if (auto* c = llvm::dyn_cast<llvm::ConstantInt>(v)) return c;
  if (auto* c = llvm::dyn_cast<llvm::Constant>(v); c != nullptr && c->getType()->isVectorTy())
    return llvm::dyn_cast_or_null<llvm::ConstantInt>(c->getSplatValue());
  return nullptr;
}

// The type itself or, where `like` is a vector, one of as many lanes.
llvm::Type* type_like(llvm::Type* type, llvm::Value* like) {
  if (auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(like->getType()))
    return llvm::FixedVectorType::get(type, vector->getNumElements());
  return type;
}

// The upper half of a product, by way of one of twice the width.
llvm::Value* multiply_high(llvm::IRBuilderBase& b, bool sign, llvm::Value* x, llvm::Value* y) {
  llvm::Type* type = x->getType();
  const unsigned width = width_of(x);
  llvm::Type* wide = type->getExtendedType();
  llvm::Value* wide_x = sign ? b.CreateSExt(x, wide) : b.CreateZExt(x, wide);
  llvm::Value* wide_y = sign ? b.CreateSExt(y, wide) : b.CreateZExt(y, wide);
  llvm::Value* product = b.CreateMul(wide_x, wide_y);
  return b.CreateTrunc(b.CreateLShr(product, llvm::ConstantInt::get(wide, width)), type);
}

// With a NaN only ne holds.
llvm::Value* compare(llvm::IRBuilderBase& b, Op op, DType dtype, llvm::Value* x, llvm::Value* y) {
  const bool flt = is_float(dtype), sign = is_signed_int(dtype);
  switch (op) {
    case Op::eq:
      return flt ? b.CreateFCmpOEQ(x, y) : b.CreateICmpEQ(x, y);
    case Op::ne:
      return flt ? b.CreateFCmpUNE(x, y) : b.CreateICmpNE(x, y);
    case Op::lt:
      if (flt) return b.CreateFCmpOLT(x, y);
      return sign ? b.CreateICmpSLT(x, y) : b.CreateICmpULT(x, y);
    default:  // le
      if (flt) return b.CreateFCmpOLE(x, y);
      return sign ? b.CreateICmpSLE(x, y) : b.CreateICmpULE(x, y);
  }
}

// `type`: that of the result. A bool is a byte in memory and a bit in a register.
llvm::Value* bitcast(llvm::IRBuilderBase& b, DType from, DType to, llvm::Type* type, llvm::Value* x) {
  if (is_bool(from) && !is_bool(to)) return b.CreateZExt(x, type);
  if (is_bool(to) && !is_bool(from)) return b.CreateICmpNE(x, llvm::Constant::getNullValue(x->getType()));
  return b.CreateBitCast(x, type);
}

}  // namespace

llvm::Value* FunctionEmitter::divide(bool remainder, bool is_signed, llvm::Value* a, llvm::Value* b) {
  auto raw = [&](llvm::Value* divisor) {
    if (remainder) return is_signed ? builder_.CreateSRem(a, divisor) : builder_.CreateURem(a, divisor);
    return is_signed ? builder_.CreateSDiv(a, divisor) : builder_.CreateUDiv(a, divisor);
  };
  llvm::Value* zero = number(a, 0);
  if (const llvm::ConstantInt* c = constant_of(b)) {
    if (c->isZero()) return remainder ? a : zero;
    if (is_signed && c->isMinusOne()) return remainder ? zero : builder_.CreateSub(zero, a);
    return raw(b);
  }
  llvm::Value* by_zero = builder_.CreateICmpEQ(b, zero);
  llvm::Value* unsafe = by_zero;
  llvm::Value* by_minus_one = nullptr;
  if (is_signed) {
    by_minus_one = builder_.CreateICmpEQ(b, llvm::Constant::getAllOnesValue(b->getType()));
    unsafe = builder_.CreateOr(by_zero, by_minus_one);
  }
  llvm::Value* result = raw(builder_.CreateSelect(unsafe, number(a, 1), b));
  if (remainder) return builder_.CreateSelect(by_zero, a, result);
  if (is_signed) result = builder_.CreateSelect(by_minus_one, builder_.CreateSub(zero, a), result);
  return builder_.CreateSelect(by_zero, zero, result);
}

llvm::Value* FunctionEmitter::shift(Op op, llvm::Value* a, llvm::Value* b) {
  const unsigned width = width_of(a);
  if (op == Op::ashr) {
    llvm::Value* amount = builder_.CreateBinaryIntrinsic(llvm::Intrinsic::umin, b, number(b, width - 1));
    if (const llvm::ConstantInt* c = constant_of(b))
      amount = number(b, std::min<uint64_t>(c->getZExtValue(), width - 1));
    return builder_.CreateAShr(a, amount);
  }
  auto raw = [&](llvm::Value* amount) {
    return op == Op::shl ? builder_.CreateShl(a, amount) : builder_.CreateLShr(a, amount);
  };
  if (const llvm::ConstantInt* c = constant_of(b)) return c->getZExtValue() < width ? raw(b) : number(a, 0);
  llvm::Value* inside = builder_.CreateICmpULT(b, number(b, width));
  // The amount is made safe before the shift: a shift by too much is poison, and folding may meet it.
  return builder_.CreateSelect(inside, raw(builder_.CreateSelect(inside, b, number(b, 0))), number(a, 0));
}

llvm::Value* FunctionEmitter::convert(DType from, DType to, llvm::Value* a) {
  if (from == to) return a;
  llvm::Type* type = type_like(m_.register_type(to), a);
  llvm::Constant* zero = llvm::Constant::getNullValue(a->getType());
  if (is_bool(to)) return is_float(from) ? builder_.CreateFCmpUNE(a, zero) : builder_.CreateICmpNE(a, zero);
  if (is_float(from)) {
    if (is_float(to)) return builder_.CreateFPCast(a, type);
    const ID id = is_signed_int(to) ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat;
    return builder_.CreateIntrinsic(id, {type, a->getType()}, {a});
  }
  if (is_float(to))
    return is_signed_int(from) ? builder_.CreateSIToFP(a, type) : builder_.CreateUIToFP(a, type);
  return is_signed_int(from) ? builder_.CreateSExtOrTrunc(a, type) : builder_.CreateZExtOrTrunc(a, type);
}

bool FunctionEmitter::is_at_most(llvm::Value* x, llvm::Value* limit) const {
  using namespace llvm::PatternMatch;
  const auto* most = llvm::dyn_cast<llvm::ConstantInt>(limit);
  // x is i or i + step. The parts of a match that fails are bound all the same.
  llvm::Value* base = nullptr;
  const llvm::APInt* behind = nullptr;
  int64_t step = 0, last = 0;
  if (match(x, m_Add(m_Value(base), m_APInt(behind)))) {
    step = behind->getSExtValue();
    x = base;
  }
  const auto found = highest_.find(x);
  // A negative step might wrap below the lowest i.
  if (most == nullptr || found == highest_.end() || step < 0) return false;
  return !__builtin_add_overflow(found->second, step, &last) && last <= most->getSExtValue();
}

llvm::Value* FunctionEmitter::arithmetic(Op op, DType operand, DType result, llvm::ArrayRef<llvm::Value*> a) {
  const bool flt = is_float(operand), sign = is_signed_int(operand);
  auto intrinsic = [&](ID id) { return builder_.CreateUnaryIntrinsic(id, a[0]); };
  switch (op) {
    case Op::add:
      return flt ? builder_.CreateFAdd(a[0], a[1]) : builder_.CreateAdd(a[0], a[1]);
    case Op::sub:
      return flt ? builder_.CreateFSub(a[0], a[1]) : builder_.CreateSub(a[0], a[1]);
    case Op::mul:
      return flt ? builder_.CreateFMul(a[0], a[1]) : builder_.CreateMul(a[0], a[1]);
    case Op::div:
      return flt ? builder_.CreateFDiv(a[0], a[1]) : divide(false, sign, a[0], a[1]);
    case Op::rem:
      if (flt) break;
      return divide(true, sign, a[0], a[1]);
    case Op::neg:
      return flt ? builder_.CreateFNeg(a[0]) : builder_.CreateSub(number(a[0], 0), a[0]);
    case Op::fma:
      if (!flt) return builder_.CreateAdd(builder_.CreateMul(a[0], a[1]), a[2]);
      return builder_.CreateIntrinsic(llvm::Intrinsic::fma, {a[0]->getType()}, {a[0], a[1], a[2]});
    case Op::sqrt:
      return intrinsic(llvm::Intrinsic::sqrt);
    case Op::floor:
      return flt ? intrinsic(llvm::Intrinsic::floor) : a[0];
    case Op::ceil:
      return flt ? intrinsic(llvm::Intrinsic::ceil) : a[0];
    case Op::trunc:
      return flt ? intrinsic(llvm::Intrinsic::trunc) : a[0];
    case Op::round_even:
      return flt ? intrinsic(llvm::Intrinsic::roundeven) : a[0];
    case Op::abs:
      if (flt) return intrinsic(llvm::Intrinsic::fabs);
      return sign ? builder_.CreateBinaryIntrinsic(llvm::Intrinsic::abs, a[0], builder_.getFalse()) : a[0];
    case Op::min:
      if (!flt && sign && is_at_most(a[0], a[1])) return a[0];
      return flt ? combine(FoldOp::min, operand, a[0], a[1])
                 : builder_.CreateBinaryIntrinsic(sign ? llvm::Intrinsic::smin : llvm::Intrinsic::umin, a[0],
                                                  a[1]);
    case Op::max:
      return flt ? combine(FoldOp::max, operand, a[0], a[1])
                 : builder_.CreateBinaryIntrinsic(sign ? llvm::Intrinsic::smax : llvm::Intrinsic::umax, a[0],
                                                  a[1]);
    case Op::band:
      return builder_.CreateAnd(a[0], a[1]);
    case Op::bor:
      return builder_.CreateOr(a[0], a[1]);
    case Op::bxor:
      return builder_.CreateXor(a[0], a[1]);
    case Op::bnot:
      return builder_.CreateNot(a[0]);
    case Op::shl:
    case Op::lshr:
    case Op::ashr:
      return shift(op, a[0], a[1]);
    case Op::mulhi:
      return multiply_high(builder_, sign, a[0], a[1]);
    case Op::eq:
    case Op::ne:
    case Op::lt:
    case Op::le:
      return compare(builder_, op, operand, a[0], a[1]);
    case Op::select:
      return builder_.CreateSelect(a[0], a[1], a[2]);
    case Op::cast:
      return convert(operand, result, a[0]);
    case Op::bitcast:
      return bitcast(builder_, operand, result, type_like(m_.register_type(result), a[0]), a[0]);
    default:
      break;
  }
  m_.refuse(f_, "an operation has no code for " + std::string(dtype_name(operand)));
  return llvm::Constant::getNullValue(type_like(m_.register_type(result), a[0]));
}

llvm::Value* FunctionEmitter::combine(FoldOp op, DType dtype, llvm::Value* a, llvm::Value* b) {
  const bool flt = is_float(dtype), sign = is_signed_int(dtype);
  switch (op) {
    case FoldOp::add:
      return flt ? builder_.CreateFAdd(a, b) : builder_.CreateAdd(a, b);
    case FoldOp::mul:
      return flt ? builder_.CreateFMul(a, b) : builder_.CreateMul(a, b);
    case FoldOp::band:
      return builder_.CreateAnd(a, b);
    case FoldOp::bor:
      return builder_.CreateOr(a, b);
    case FoldOp::min:
    case FoldOp::max: {
      const bool min = op == FoldOp::min;
      if (!flt) {
        if (is_bool(dtype)) return min ? builder_.CreateAnd(a, b) : builder_.CreateOr(a, b);
        const ID id = min ? (sign ? llvm::Intrinsic::smin : llvm::Intrinsic::umin)
                          : (sign ? llvm::Intrinsic::smax : llvm::Intrinsic::umax);
        return builder_.CreateBinaryIntrinsic(id, a, b);
      }
      // b where it is better or not a number, unless a is not a number already.
      llvm::Value* better = min ? builder_.CreateFCmpOLT(b, a) : builder_.CreateFCmpOLT(a, b);
      llvm::Value* b_nan = builder_.CreateFCmpUNO(b, b);
      llvm::Value* picked = builder_.CreateSelect(builder_.CreateOr(better, b_nan), b, a);
      // Equal operands differ in the sign of zero only: of two zeros, +0 is the larger.
      llvm::Type* bits =
          a->getType()->getWithNewType(builder_.getIntNTy(a->getType()->getScalarSizeInBits()));
      llvm::Value *ia = builder_.CreateBitCast(a, bits), *ib = builder_.CreateBitCast(b, bits);
      llvm::Value* zero =
          builder_.CreateBitCast(min ? builder_.CreateOr(ia, ib) : builder_.CreateAnd(ia, ib), a->getType());
      picked = builder_.CreateSelect(builder_.CreateFCmpOEQ(a, b), zero, picked);
      return builder_.CreateSelect(builder_.CreateFCmpUNO(a, a), a, picked);
    }
  }
  return a;
}

}  // namespace tenon::codegen
