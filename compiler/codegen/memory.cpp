// Loads and stores. A uniform index is one scalar access, a unit stride one vector access, anything else a
// gather or scatter; lanes that are off touch no memory.
#include <llvm/IR/Intrinsics.h>

#include "codegen/emitter.h"

namespace tenon::codegen {
using kernel::Expr;
using kernel::Stmt;

llvm::Value* FunctionEmitter::pointer(kernel::VarId buffer) {
  const Variable& v = variables_[buffer.index];
  TENON_CHECK(v.bound, "buffer " + f_.var(buffer).name + " of " + f_.name + " is not bound");
  return v.elements[0].scalar();
}

llvm::Value* FunctionEmitter::element_address(kernel::VarId buffer, llvm::Value* index) {
  return builder_.CreateGEP(m_.memory_type(f_.var(buffer).dtype), pointer(buffer), index);
}

llvm::Value* FunctionEmitter::from_memory(DType dtype, llvm::Value* raw) {
  if (!is_bool(dtype)) return raw;
  return builder_.CreateICmpNE(raw, llvm::Constant::getNullValue(raw->getType()));
}

llvm::Value* FunctionEmitter::to_memory(DType dtype, llvm::Value* value) {
  if (!is_bool(dtype)) return value;
  llvm::Type* type = builder_.getInt8Ty();
  if (auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType()))
    type = llvm::FixedVectorType::get(type, vector->getNumElements());
  return builder_.CreateZExt(value, type);
}

llvm::Value* FunctionEmitter::full_mask() const {
  return llvm::Constant::getAllOnesValue(llvm::FixedVectorType::get(
      llvm::Type::getInt1Ty(m_.context), static_cast<unsigned>(lanes_->part_lanes)));
}

llvm::Value* FunctionEmitter::any_lane() {
  llvm::Value* all = lanes_->mask[0];
  for (size_t p = 1; p < lanes_->mask.size(); ++p) all = builder_.CreateOr(all, lanes_->mask[p]);
  llvm::Type* bits = builder_.getIntNTy(static_cast<unsigned>(lanes_->part_lanes));
  return builder_.CreateICmpNE(builder_.CreateBitCast(all, bits), llvm::ConstantInt::get(bits, 0));
}

Value FunctionEmitter::load(const Expr& x, const Value& index) {
  llvm::Type* type = m_.memory_type(x.dtype);
  const llvm::Align align(dtype_bytes(x.dtype));
  if (index.uniform()) {
    llvm::Value* address = element_address(x.var, index.scalar());
    // In a partial block some lane is on; under a condition of the lanes perhaps none is.
    if (lanes_ && lanes_->predicates > 0) address = builder_.CreateSelect(any_lane(), address, m_.dummy());
    return here(from_memory(x.dtype, builder_.CreateAlignedLoad(type, address, align)));
  }
  Value v;
  v.shape = Value::Shape::vector;
  auto* vector = llvm::FixedVectorType::get(type, static_cast<unsigned>(lanes_->part_lanes));
  const bool contiguous = index.shape == Value::Shape::affine && index.stride == 1;
  for (int p = 0; p < lanes_->parts; ++p) {
    llvm::Value* mask = lanes_->mask.empty() ? nullptr : lanes_->mask[static_cast<size_t>(p)];
    llvm::Value* raw;
    if (contiguous) {
      llvm::Value* at = builder_.CreateAdd(index.scalar(),
                                           builder_.getInt64(static_cast<uint64_t>(p * lanes_->part_lanes)));
      llvm::Value* address = element_address(x.var, at);
      raw = mask == nullptr ? static_cast<llvm::Value*>(builder_.CreateAlignedLoad(vector, address, align))
                            : builder_.CreateMaskedLoad(vector, address, align, mask,
                                                        llvm::Constant::getNullValue(vector));
    } else {
      llvm::Value* addresses = element_address(x.var, part(index, p));
      raw = builder_.CreateMaskedGather(vector, addresses, align, mask == nullptr ? full_mask() : mask,
                                        llvm::Constant::getNullValue(vector));
    }
    v.parts.push_back(from_memory(x.dtype, raw));
  }
  return at(depth(), std::move(v));
}

void FunctionEmitter::store(const Stmt& s) {
  const Value index = evaluate(s.index);
  const Value value = evaluate(s.value);
  const DType dtype = f_.var(s.var).dtype;
  const llvm::Align align(dtype_bytes(dtype));
  memory_stamp_ = ++clock_;
  if (index.uniform() && (value.uniform() || (lanes_ && lanes_->mask.empty()))) {
    // One element: of several lanes the last one stays.
    llvm::Value* scalar = value.scalar();
    if (!value.uniform())
      scalar = builder_.CreateExtractElement(part(value, lanes_->parts - 1),
                                             static_cast<uint64_t>(lanes_->part_lanes - 1));
    if (!lanes_ || lanes_->predicates == 0) {
      builder_.CreateAlignedStore(to_memory(dtype, scalar), element_address(s.var, index.scalar()), align);
      return;
    }
  }
  for (int p = 0; p < lanes_->parts; ++p) {
    llvm::Value* mask = lanes_->mask.empty() ? nullptr : lanes_->mask[static_cast<size_t>(p)];
    llvm::Value* vector = to_memory(dtype, part(value, p));
    if (index.shape == Value::Shape::affine && index.stride == 1) {
      llvm::Value* at = builder_.CreateAdd(index.scalar(),
                                           builder_.getInt64(static_cast<uint64_t>(p * lanes_->part_lanes)));
      llvm::Value* address = element_address(s.var, at);
      if (mask == nullptr) {
        builder_.CreateAlignedStore(vector, address, align);
      } else {
        builder_.CreateMaskedStore(vector, address, align, mask);
      }
    } else {
      builder_.CreateMaskedScatter(vector, element_address(s.var, part(index, p)), align,
                                   mask == nullptr ? full_mask() : mask);
    }
  }
}

}  // namespace tenon::codegen
