// Loads and stores. A uniform index is one scalar access, a unit stride one vector access, anything else a
// gather or scatter; lanes that are off touch no memory.
#include <llvm/IR/Intrinsics.h>

#include "codegen/emitter.h"

namespace tenon::codegen {
using kernel::Expr;
using kernel::Stmt;

llvm::Value* FunctionEmitter::pointer(kernel::VarId buffer) {
  const Variable& v = variables_[buffer.index];
  if (auto it = loop_pointers_.find(buffer); it != loop_pointers_.end() && !elsewhere_) return it->second;
  TENON_CHECK(v.bound, "buffer " + f_.var(buffer).name + " of " + f_.name + " is not bound");
  if (v.record != nullptr) return read_slot(buffer);
  return v.elements[0].scalar();
}

// Once a block: what is read lives no longer.
llvm::Value* FunctionEmitter::read_slot(kernel::VarId var) {
  Variable& v = variables_[var.index];
  llvm::BasicBlock* block = builder_.GetInsertBlock();
  if (!elsewhere_ && v.block == block) return v.read;
  const kernel::Var& declared = f_.var(var);
  llvm::Type* type =
      declared.kind == kernel::VarKind::buffer ? builder_.getPtrTy() : m_.register_type(declared.dtype);
  llvm::Value* at = builder_.CreateConstGEP1_64(builder_.getInt8Ty(), v.record, 8 * v.slot);
  llvm::LoadInst* read = builder_.CreateAlignedLoad(type, at, llvm::Align(8));
  read->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(m_.context, {}));
  if (!elsewhere_) {
    v.block = block;
    v.read = read;
  }
  return read;
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

namespace {

// The pointer of a load that could as well stand at the end of the block: nothing was written since.
llvm::Value* still_loaded(llvm::Value* value, llvm::BasicBlock* block) {
  auto* load = llvm::dyn_cast<llvm::LoadInst>(value);
  constexpr int longest = 256;
  if (load == nullptr || load->getParent() != block) return nullptr;
  int seen = 0;
  for (const llvm::Instruction* i = load->getNextNode(); i != nullptr; i = i->getNextNode())
    if (i->mayWriteToMemory() || ++seen > longest) return nullptr;
  return load->getPointerOperand();
}

}  // namespace

// The lanes of an index as scalars. They come from where the index was loaded, else from the stack: scalar
// loads cost less than taking a vector apart.
const std::vector<llvm::Value*>& FunctionEmitter::lane_scalars(llvm::Value* indices) {
  auto& [block, scalars] = lane_scalars_[indices];
  if (block == builder_.GetInsertBlock()) return scalars;
  block = builder_.GetInsertBlock();
  scalars.clear();
  llvm::Value* narrow = indices;
  llvm::CastInst* wide = llvm::dyn_cast<llvm::CastInst>(indices);
  if (wide != nullptr && llvm::isa<llvm::SExtInst, llvm::ZExtInst>(wide)) narrow = wide->getOperand(0);
  const auto lanes = static_cast<unsigned>(lanes_->part_lanes);
  llvm::Type* element = narrow->getType()->getScalarType();
  llvm::Value* from = still_loaded(narrow, block);
  if (from == nullptr) {
    const uint64_t bytes = lanes * (element->getScalarSizeInBits() / 8);
    from = alloca_bytes(bytes, 64);
    builder_.CreateAlignedStore(narrow, from, llvm::Align(64));
  }
  const llvm::Align align(element->getScalarSizeInBits() / 8);
  for (unsigned l = 0; l < lanes; ++l) {
    llvm::Value* at =
        builder_.CreateAlignedLoad(element, builder_.CreateConstGEP1_64(element, from, l), align);
    if (narrow != indices) at = builder_.CreateCast(wide->getOpcode(), at, builder_.getInt64Ty());
    scalars.push_back(at);
  }
  return scalars;
}

namespace {

// A vector loaded `at` elements from the first; what its shuffle with those loaded before leaves in each
// lane.
struct Piece {
  int64_t at;
  std::vector<int> lanes;
};

// Elements a few apart are shuffled out of whole vectors, from the first to the last of them and none beyond.
std::vector<Piece> pieces_apart(int64_t stride, int64_t lanes) {
  const int64_t apart = std::abs(stride), span = apart * (lanes - 1) + 1;
  std::vector<Piece> out;
  std::vector<bool> there(static_cast<size_t>(lanes), false);
  for (int64_t from = 0; from < span; from += lanes) {
    Piece piece{std::min(from, span - lanes), {}};
    for (int64_t l = 0; l < lanes; ++l) {
      const int64_t element = (stride < 0 ? lanes - 1 - l : l) * apart - piece.at;
      const auto lane = static_cast<size_t>(l);
      if (there[lane] || element < 0 || element >= lanes) {
        piece.lanes.push_back(there[lane] ? static_cast<int>(l) : -1);
      } else {
        piece.lanes.push_back(static_cast<int>(out.empty() ? element : element + lanes));
        there[lane] = true;
      }
    }
    out.push_back(std::move(piece));
  }
  return out;
}

}  // namespace

// Lane by lane into a vector, or in vectors where lanes are few elements apart. Processors gather no faster
// than they load scalars, and some far slower, so a gather is left to masked lanes.
llvm::Value* FunctionEmitter::load_lanes(const Expr& x, const Value& index, int p) {
  llvm::Type* type = m_.memory_type(x.dtype);
  const auto lanes = static_cast<unsigned>(lanes_->part_lanes);
  const llvm::Align align(dtype_bytes(x.dtype));
  llvm::Value* raw = llvm::PoisonValue::get(llvm::FixedVectorType::get(type, lanes));
  const bool affine = index.shape == Value::Shape::affine;
  constexpr int64_t few = 4;
  if (affine && std::abs(index.stride) <= few && lanes > 1) {
    // From vectors: the first element of all may be the last lane's.
    const auto count = static_cast<int64_t>(lanes);
    const int64_t start = index.stride * p * count + std::min<int64_t>(0, index.stride * (count - 1));
    auto* vector = llvm::FixedVectorType::get(type, lanes);
    llvm::Value* all = nullptr;
    for (const Piece& piece : pieces_apart(index.stride, count)) {
      llvm::Value* offset = builder_.getInt64(static_cast<uint64_t>(start + piece.at));
      llvm::Value* address = element_address(x.var, builder_.CreateAdd(index.scalar(), offset));
      llvm::Value* loaded = builder_.CreateAlignedLoad(vector, address, align);
      all = all == nullptr ? builder_.CreateShuffleVector(loaded, piece.lanes)
                           : builder_.CreateShuffleVector(all, loaded, piece.lanes);
    }
    return all;
  }
  const std::vector<llvm::Value*> scalars =
      affine ? std::vector<llvm::Value*>{} : lane_scalars(part(index, p));
  for (unsigned l = 0; l < lanes; ++l) {
    llvm::Value* at;
    if (affine) {
      const int64_t offset = index.stride * static_cast<int64_t>(static_cast<unsigned>(p) * lanes + l);
      at = builder_.CreateAdd(index.scalar(), builder_.getInt64(static_cast<uint64_t>(offset)));
    } else {
      at = scalars[l];
    }
    llvm::Value* value = builder_.CreateAlignedLoad(type, element_address(x.var, at), align);
    raw = builder_.CreateInsertElement(raw, value, static_cast<uint64_t>(l));
  }
  return raw;
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
    } else if (mask == nullptr) {
      raw = load_lanes(x, index, p);
    } else {
      llvm::Value* addresses = element_address(x.var, part(index, p));
      raw = builder_.CreateMaskedGather(vector, addresses, align, mask, llvm::Constant::getNullValue(vector));
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
