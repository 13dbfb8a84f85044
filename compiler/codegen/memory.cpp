// Loads and stores. A uniform index is one scalar access, a unit stride one vector access, anything else a
// gather or scatter; lanes that are off touch no memory.
#include <llvm/Analysis/VectorUtils.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <bit>

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
  std::vector<int> taken_by;  // of each element loaded: the lane that takes it; their number: none does
};

// The elements of lanes, shuffled out of whole vectors: from the first to the last of them and none beyond.
std::vector<Piece> pieces_of(const std::vector<int64_t>& elements) {
  const auto lanes = static_cast<int64_t>(elements.size());
  const auto [low, high] = std::minmax_element(elements.begin(), elements.end());
  const int64_t first = *low, span = *high - *low + 1;
  std::vector<Piece> out;
  std::vector<bool> there(elements.size(), false);
  for (int64_t from = 0; from < span; from += lanes) {
    Piece piece{first + std::min(from, span - lanes), {}, {}};
    piece.taken_by.assign(elements.size(), static_cast<int>(lanes));
    for (size_t l = 0; l < elements.size(); ++l) {
      const int64_t element = elements[l] - piece.at;
      if (there[l] || element < 0 || element >= lanes) {
        piece.lanes.push_back(there[l] ? static_cast<int>(l) : -1);
      } else {
        piece.lanes.push_back(static_cast<int>(out.empty() ? element : element + lanes));
        piece.taken_by[static_cast<size_t>(element)] = static_cast<int>(l);
        there[l] = true;
      }
    }
    out.push_back(std::move(piece));
  }
  return out;
}

// Of the elements of a piece, those that lanes which are on take.
llvm::Value* piece_mask(llvm::IRBuilderBase& b, const Piece& piece, llvm::Value* mask) {
  return b.CreateShuffleVector(mask, llvm::Constant::getNullValue(mask->getType()), piece.taken_by);
}

// An index vector as one scalar and a constant for each lane.
struct Offsets {
  llvm::Value* base;  // nullptr: 0
  std::vector<int64_t> lanes;
};

std::optional<Offsets> known_offsets(llvm::IRBuilderBase& b, llvm::Value* index, int depth = 0) {
  constexpr int deepest = 8;
  const auto lanes =
      static_cast<size_t>(llvm::cast<llvm::FixedVectorType>(index->getType())->getNumElements());
  if (const auto* constant = llvm::dyn_cast<llvm::Constant>(index)) {
    Offsets out{nullptr, {}};
    for (unsigned l = 0; l < lanes; ++l) {
      const auto* c = llvm::dyn_cast_or_null<llvm::ConstantInt>(constant->getAggregateElement(l));
      if (c == nullptr) return std::nullopt;
      out.lanes.push_back(c->getSExtValue());
    }
    return out;
  }
  if (llvm::Value* scalar = llvm::getSplatValue(index))
    return Offsets{scalar, std::vector<int64_t>(lanes, 0)};
  const auto* op = llvm::dyn_cast<llvm::BinaryOperator>(index);
  if (op == nullptr || depth == deepest) return std::nullopt;
  if (op->getOpcode() == llvm::Instruction::Add) {
    auto x = known_offsets(b, op->getOperand(0), depth + 1);
    const auto y = x ? known_offsets(b, op->getOperand(1), depth + 1) : std::nullopt;
    if (!y) return std::nullopt;
    for (size_t l = 0; l < lanes; ++l) x->lanes[l] += y->lanes[l];
    x->base = x->base == nullptr || y->base == nullptr ? (x->base == nullptr ? y->base : x->base)
                                                       : b.CreateAdd(x->base, y->base);
    return x;
  }
  if (op->getOpcode() == llvm::Instruction::Mul) {
    const auto* times = llvm::dyn_cast_or_null<llvm::ConstantInt>(llvm::getSplatValue(op->getOperand(1)));
    constexpr int64_t most = 1 << 20;
    if (times == nullptr || std::abs(times->getSExtValue()) > most) return std::nullopt;
    auto x = known_offsets(b, op->getOperand(0), depth + 1);
    if (!x) return std::nullopt;
    for (int64_t& offset : x->lanes) {
      if (std::abs(offset) > most) return std::nullopt;
      offset *= times->getSExtValue();
    }
    if (x->base != nullptr)
      x->base = b.CreateMul(x->base, b.getInt64(static_cast<uint64_t>(times->getSExtValue())));
    return x;
  }
  return std::nullopt;
}

struct LaneRun {
  unsigned first, length;
};

// The lanes that a constant mask leaves on, as few runs of powers of two; none where it is no constant, or
// leaves many.
std::vector<LaneRun> lane_runs(const llvm::Value* mask) {
  constexpr size_t most = 3;
  const auto* constant = llvm::dyn_cast<llvm::Constant>(mask);
  if (constant == nullptr) return {};
  const unsigned lanes = llvm::cast<llvm::FixedVectorType>(mask->getType())->getNumElements();
  std::vector<LaneRun> out;
  for (unsigned l = 0; l < lanes;) {
    unsigned end = l;
    for (; end < lanes; ++end) {
      const auto* on = llvm::dyn_cast_or_null<llvm::ConstantInt>(constant->getAggregateElement(end));
      if (on == nullptr) return {};
      if (on->isZero()) break;
    }
    for (; l < end; l += out.back().length) out.push_back({l, std::bit_floor(end - l)});
    ++l;
  }
  return out.size() <= most ? out : std::vector<LaneRun>();
}

}  // namespace

// Lane by lane into a vector, or in vectors where lanes are few elements apart. Processors gather no faster
// than they load scalars, and some far slower, so a gather is left to masked lanes that lie further apart.
llvm::Value* FunctionEmitter::load_lanes(const Expr& x, const Value& index, int p, llvm::Value* mask) {
  llvm::Type* type = m_.memory_type(x.dtype);
  const auto lanes = static_cast<unsigned>(lanes_->part_lanes);
  const llvm::Align align(dtype_bytes(x.dtype));
  llvm::Value* raw = llvm::PoisonValue::get(llvm::FixedVectorType::get(type, lanes));
  const bool affine = index.shape == Value::Shape::affine;
  constexpr int64_t few = 4;
  auto from_vectors = [&](llvm::Value* base, const std::vector<int64_t>& elements) {
    auto* vector = llvm::FixedVectorType::get(type, lanes);
    llvm::Value* all = nullptr;
    for (const Piece& piece : pieces_of(elements)) {
      llvm::Value* offset = builder_.getInt64(static_cast<uint64_t>(piece.at));
      llvm::Value* address =
          element_address(x.var, base == nullptr ? offset : builder_.CreateAdd(base, offset));
      llvm::Value* loaded =
          mask == nullptr
              ? static_cast<llvm::Value*>(builder_.CreateAlignedLoad(vector, address, align))
              : builder_.CreateMaskedLoad(vector, address, align, piece_mask(builder_, piece, mask),
                                          llvm::Constant::getNullValue(vector));
      all = all == nullptr ? builder_.CreateShuffleVector(loaded, piece.lanes)
                           : builder_.CreateShuffleVector(all, loaded, piece.lanes);
    }
    return all;
  };
  // LLVM 19 takes a masked load apart that is wider than a register, and of a half that one lane takes makes
  // a load without a mask, which may lie outside of all memory.
  const bool whole = lanes * dtype_bytes(x.dtype) <= static_cast<size_t>(m_.target.vector_bytes);
  if (affine && std::abs(index.stride) <= few && lanes > 1 && (mask == nullptr || whole)) {
    std::vector<int64_t> elements;
    for (int64_t l = 0; l < static_cast<int64_t>(lanes); ++l)
      elements.push_back(index.stride * (p * static_cast<int64_t>(lanes) + l));
    return from_vectors(index.scalar(), elements);
  }
  if (mask != nullptr) {
    llvm::Value* addresses = element_address(x.var, part(index, p));
    return builder_.CreateMaskedGather(raw->getType(), addresses, align, mask,
                                       llvm::Constant::getNullValue(raw->getType()));
  }
  if (!affine && lanes > 1) {
    if (const auto known = known_offsets(builder_, part(index, p))) {
      const auto [low, high] = std::minmax_element(known->lanes.begin(), known->lanes.end());
      const int64_t span = *high - *low + 1;
      if (span >= lanes && span <= few * lanes) return from_vectors(known->base, known->lanes);
    }
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
    } else {
      raw = load_lanes(x, index, p, mask);
    }
    v.parts.push_back(from_memory(x.dtype, raw));
  }
  return at(depth(), std::move(v));
}

// A block of a thousand stores that may meet as many loads has a million pairs of them, which LLVM's
// scheduler links one by one. It never looks across a label: the one of an annotation is no code, and stays
// in a block.
void FunctionEmitter::cut_block() {
  constexpr int most_stores = 128;
  llvm::BasicBlock* block = builder_.GetInsertBlock();
  if (block != stored_block_) {
    stored_block_ = block;
    stores_ = 0;
  }
  if (++stores_ % most_stores != 0) return;
  llvm::Metadata* words[] = {llvm::MDString::get(m_.context, "cut")};
  builder_.CreateIntrinsic(llvm::Intrinsic::codeview_annotation, {},
                           {llvm::MetadataAsValue::get(m_.context, llvm::MDNode::get(m_.context, words))});
}

void FunctionEmitter::store(const Stmt& s) {
  cut_block();
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
      // Without masks for lanes, a store under one takes a processor tens of its steps: parts that are known
      // are stored each by itself.
      const std::vector<LaneRun> runs =
          mask == nullptr || m_.target.lane_masks ? std::vector<LaneRun>() : lane_runs(mask);
      for (const LaneRun& run : runs) {
        std::vector<int> of;
        for (unsigned l = 0; l < run.length; ++l) of.push_back(static_cast<int>(run.first + l));
        llvm::Value* some = run.length == 1 ? builder_.CreateExtractElement(vector, uint64_t{run.first})
                                            : builder_.CreateShuffleVector(vector, of);
        llvm::Value* to = element_address(s.var, builder_.CreateAdd(at, builder_.getInt64(run.first)));
        builder_.CreateAlignedStore(some, to, align);
      }
      if (!runs.empty()) continue;
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
