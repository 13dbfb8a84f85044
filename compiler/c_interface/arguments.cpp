#include "c_interface/arguments.h"

#include "c_interface/spans.h"

namespace tenon::c_interface {
using kernel::ParamRole;

namespace {

// More arguments stand in a record: two dozen make some hundred pairs.
constexpr size_t few_arguments = 24;
// Of many, as many are alive at once: each stretch of code is a block of its own.
constexpr size_t block_arguments = 64;

}  // namespace

llvm::Type* c_type(ModuleEmitter& m, const kernel::EntryParam& p) {
  if (p.role == ParamRole::dim) return llvm::Type::getInt32Ty(m.context);
  if (p.role == ParamRole::hyper) return m.memory_type(p.dtype);
  return llvm::PointerType::getUnqual(m.context);
}

CArguments::CArguments(CFunction& f, ModuleEmitter& m, const CEntry& e)
    : f_(f), m_(m), e_(e), many_(e.fields.size() > few_arguments) {
  size_t pointers = 0;
  for (size_t i = 0; i < e.fields.size(); ++i) {
    pointers += is_pointer(i);
    if (e.fields[i].param->role != ParamRole::dim) continue;
    dims_.push_back(i);
    dim_fields_[e.fields[i].param->name] = i;
  }
  sizes_ = [this](const std::string& name) {
    const auto found = dim_fields_.find(name);
    return found == dim_fields_.end() ? nullptr : value(found->second);
  };
  if (!many_) return;
  llvm::IRBuilder<>& b = f.b();
  record_ = b.CreateAlloca(b.getInt64Ty(), b.getInt64(e.fields.size()));
  spans_ = b.CreateAlloca(b.getInt64Ty(), b.getInt64(span_words * (pointers + 3)));
  // Read where the function begins, or from the struct.
  for (size_t i = 0; !e.entry->loops && i < e.fields.size(); ++i) {
    replace(i, f.arg(static_cast<unsigned>(i) + 1));
    if ((i + 1) % block_arguments == 0) f.next_block();
  }
}

bool CArguments::is_pointer(size_t field) const {
  const ParamRole role = e_.fields[field].param->role;
  return role != ParamRole::dim && role != ParamRole::hyper;
}
bool CArguments::is_output(size_t field) const { return e_.fields[field].param->role == ParamRole::output; }
llvm::Type* CArguments::type(size_t field) const { return c_type(m_, *e_.fields[field].param); }

llvm::Value* CArguments::value(size_t field) {
  if (!many_) return values_[field];
  llvm::IRBuilder<>& b = f_.b();
  const bool dim = e_.fields[field].param->role == ParamRole::dim;
  return b.CreateAlignedLoad(dim ? b.getInt64Ty() : type(field), f_.at(record_, 8 * field), llvm::Align(8));
}

void CArguments::replace(size_t field, llvm::Value* value) {
  if (!many_) {
    values_[field] = value;
    return;
  }
  llvm::IRBuilder<>& b = f_.b();
  if (e_.fields[field].param->role == ParamRole::dim) value = b.CreateZExt(value, b.getInt64Ty());
  b.CreateAlignedStore(value, f_.at(record_, 8 * field), llvm::Align(8));
}

llvm::Value* CArguments::bytes(size_t field) { return f_.bytes_of(*e_.fields[field].param, sizes_); }

void CArguments::test_pointers(llvm::Value* state) {
  llvm::IRBuilder<>& b = f_.b();
  if (e_.entry->loops) f_.not_null(f_.arg(1));
  for (size_t i = 0; i < e_.fields.size(); ++i) {
    llvm::Value* given = e_.entry->loops ? f_.load(type(i), f_.arg(1), e_.fields[i].offset)
                         : many_         ? nullptr
                                         : f_.arg(static_cast<unsigned>(i) + 1);
    if (!many_) values_.push_back(given);
    if (!many_ || given == nullptr) continue;
    replace(i, given);
    if ((i + 1) % block_arguments == 0) f_.next_block();
  }
  given_ = values_;
  if (many_) {
    list_spans();
    llvm::Value* status = b.CreateCall(pointers_function(m_), {spans_, b.getInt64(listed_)});
    const auto is = [&](CStatus s) { return b.CreateICmpEQ(status, b.getInt32(static_cast<uint32_t>(s))); };
    f_.refuse_if(is(CStatus::null), CStatus::null);
    f_.aligned(state, runtime::block_alignment);
    return f_.refuse_if(is(CStatus::align), CStatus::align);
  }
  for (size_t i = 0; i < values_.size(); ++i)
    if (is_pointer(i) && !e_.fields[i].optional) f_.not_null(values_[i]);
  f_.aligned(state, runtime::block_alignment);
  for (size_t i = 0; i < values_.size(); ++i)
    if (is_pointer(i)) f_.aligned(values_[i], dtype_bytes(e_.fields[i].param->dtype));
}

void CArguments::test_ranges() {
  llvm::IRBuilder<>& b = f_.b();
  llvm::Value* outside = nullptr;
  for (size_t i = 0; i < dims_.size(); ++i) {
    const CField& field = e_.fields[dims_[i]];
    llvm::Value* wide = value(dims_[i]);
    if (!many_) wide = values_[dims_[i]] = b.CreateZExt(wide, b.getInt64Ty());
    llvm::Value* beyond = b.CreateOr(b.CreateICmpSLT(wide, b.getInt64(static_cast<uint64_t>(field.low))),
                                     b.CreateICmpSGT(wide, b.getInt64(static_cast<uint64_t>(field.high))));
    outside = outside == nullptr ? beyond : b.CreateOr(outside, beyond);
    if (many_ && (i + 1) % block_arguments != 0 && i + 1 != dims_.size()) continue;
    f_.refuse_if(outside, CStatus::range);
    outside = nullptr;
  }
}

Span CArguments::argument_struct() { return {f_.arg(1), f_.b().getInt64(e_.done + sizeof(int64_t))}; }

void CArguments::test_overlaps(llvm::Value* state, const Span& arena) {
  if (!many_) return compare_pairs(state, arena);
  llvm::IRBuilder<>& b = f_.b();
  list_span({state, b.getInt64(c_state_bytes(m_))}, span_written);
  if (e_.entry->loops) list_span(argument_struct(), span_written);
  list_span(arena, span_alone);
  f_.refuse_if(b.CreateCall(overlaps_function(m_), {spans_, b.getInt64(listed_)}), CStatus::overlap);
}

void CArguments::compare_pairs(llvm::Value* state, const Span& arena) {
  llvm::IRBuilder<>& b = f_.b();
  std::vector<llvm::Value*> sizes(given_.size());
  for (size_t i = 0; i < given_.size(); ++i) {
    if (!is_pointer(i)) continue;
    sizes[i] = bytes(i);
    if (e_.entry->loops) sizes[i] = b.CreateSelect(b.CreateIsNull(given_[i]), b.getInt64(0), sizes[i]);
  }
  const Span arguments = argument_struct();
  auto apart = [&](llvm::Value* start, llvm::Value* size, const Span& other) {
    f_.refuse_overlap(start, size, other.start, other.bytes);
  };
  apart(state, b.getInt64(c_state_bytes(m_)), arena);
  if (e_.entry->loops) {
    apart(state, b.getInt64(c_state_bytes(m_)), arguments);
    apart(arguments.start, arguments.bytes, arena);
  }
  for (size_t i = 0; i < given_.size(); ++i)
    if (sizes[i] != nullptr) apart(given_[i], sizes[i], arena);
  for (size_t o = 0; o < given_.size(); ++o) {
    if (!is_output(o)) continue;
    if (e_.entry->loops) apart(given_[o], sizes[o], arguments);
    f_.refuse_overlap(given_[o], sizes[o], state, b.getInt64(c_state_bytes(m_)));
    for (size_t i = 0; i < given_.size(); ++i)
      if (sizes[i] != nullptr && (i < o || e_.fields[i].param->role == ParamRole::input))
        f_.refuse_overlap(given_[o], sizes[o], given_[i], sizes[i]);
  }
}

// All pointers as they were given. Those that are null and may be have no bytes.
void CArguments::list_spans() {
  for (size_t i = 0; i < e_.fields.size(); ++i) {
    if (!is_pointer(i)) continue;
    const uint64_t aligned = dtype_bytes(e_.fields[i].param->dtype) - 1;
    list_span({value(i), bytes(i)}, (is_output(i) ? span_alone : span_read) | aligned << span_alignment |
                                        (e_.fields[i].optional ? span_optional : 0));
    if (listed_ % block_arguments == 0) f_.next_block();
  }
}

void CArguments::list_span(const Span& span, uint64_t kind) {
  llvm::IRBuilder<>& b = f_.b();
  const uint64_t row = 8 * span_words * listed_++;
  b.CreateAlignedStore(span.start, f_.at(spans_, row + 8 * span_start), llvm::Align(8));
  b.CreateAlignedStore(span.bytes, f_.at(spans_, row + 8 * span_bytes), llvm::Align(8));
  b.CreateAlignedStore(b.getInt64(kind), f_.at(spans_, row + 8 * span_kind), llvm::Align(8));
}

void CArguments::fill_slots(const kernel::Entry& entry, llvm::Value* state, llvm::Value* arena,
                            llvm::Value* slots) {
  llvm::IRBuilder<>& b = f_.b();
  std::map<std::pair<ParamRole, std::string>, size_t> fields;
  for (size_t i = 0; i < e_.fields.size(); ++i)
    fields[{e_.fields[i].param->role, e_.fields[i].param->name}] = i;
  uint64_t slot = 0;
  for (const kernel::EntryParam& p : entry.params) {
    if (p.role == ParamRole::constants) continue;
    const auto field = fields.find({p.role, p.name});
    llvm::Value* v = field != fields.end()        ? value(field->second)
                     : p.role == ParamRole::state ? state
                                                  : arena;
    if (v->getType()->isFloatTy()) v = b.CreateBitCast(v, b.getInt32Ty());
    if (v->getType()->isIntegerTy() && v->getType()->getIntegerBitWidth() < 64)
      v = b.CreateZExt(v, b.getInt64Ty());
    f_.store(v, slots, 8 * slot++);
    if (many_ && slot % block_arguments == 0) f_.next_block();
  }
}

}  // namespace tenon::c_interface
