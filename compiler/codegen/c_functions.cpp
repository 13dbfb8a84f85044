// The C functions of entries.
#include "codegen/c_function.h"

namespace tenon::codegen {
using kernel::ParamRole;

namespace {

llvm::Type* c_type(ModuleEmitter& m, const kernel::EntryParam& p) {
  if (p.role == ParamRole::dim) return llvm::Type::getInt32Ty(m.context);
  if (p.role == ParamRole::hyper) return m.memory_type(p.dtype);
  return llvm::PointerType::getUnqual(m.context);
}

llvm::Value* round_up(llvm::IRBuilder<>& b, llvm::Value* bytes) {
  constexpr uint64_t align = runtime::block_alignment;
  return b.CreateAnd(b.CreateAdd(bytes, b.getInt64(align - 1)), ~(align - 1));
}

// Memory that a call writes.
struct Span {
  llvm::Value *start, *bytes;
};

// No output shares a byte with an input, another output or the state, and none of them with the arena, nor
// what is written with the struct of arguments.
void refuse_overlaps(CFunction& f, ModuleEmitter& m, const CEntry& e, llvm::Value* state, const Span& arena,
                     const std::vector<llvm::Value*>& values,
                     const std::map<std::string, llvm::Value*>& sizes) {
  llvm::IRBuilder<>& b = f.b();
  std::vector<llvm::Value*> bytes(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (!values[i]->getType()->isPointerTy()) continue;
    bytes[i] = f.bytes_of(*e.fields[i].param, sizes);
    if (e.entry->loops) bytes[i] = b.CreateSelect(b.CreateIsNull(values[i]), b.getInt64(0), bytes[i]);
  }
  const Span arguments{f.arg(1), b.getInt64(e.done + sizeof(int64_t))};
  auto apart = [&](llvm::Value* start, llvm::Value* size, const Span& other) {
    f.refuse_overlap(start, size, other.start, other.bytes);
  };
  apart(state, b.getInt64(c_state_bytes(m)), arena);
  if (e.entry->loops) {
    apart(state, b.getInt64(c_state_bytes(m)), arguments);
    apart(arguments.start, arguments.bytes, arena);
  }
  for (size_t i = 0; i < values.size(); ++i)
    if (bytes[i] != nullptr) apart(values[i], bytes[i], arena);
  for (size_t o = 0; o < values.size(); ++o) {
    if (e.fields[o].param->role != ParamRole::output) continue;
    if (e.entry->loops) apart(values[o], bytes[o], arguments);
    f.refuse_overlap(values[o], bytes[o], state, b.getInt64(c_state_bytes(m)));
    for (size_t i = 0; i < values.size(); ++i)
      if (bytes[i] != nullptr && (i < o || e.fields[i].param->role == ParamRole::input))
        f.refuse_overlap(values[o], bytes[o], values[i], bytes[i]);
  }
}

// Enough for either order.
llvm::Value* arena_of(CFunction& f, const CEntry& e, const std::vector<llvm::Value*>& dims) {
  llvm::Value* bytes = f.call_arena(*e.entry, dims);
  if (e.given == nullptr) return bytes;
  return f.b().CreateBinaryIntrinsic(llvm::Intrinsic::smax, bytes, f.call_arena(*e.given, dims));
}

// The call record of an entry, of which each parameter is a field by its role and name.
void fill_slots(CFunction& f, const CEntry& e, const kernel::Entry& entry, llvm::Value* state,
                llvm::Value* arena, const std::vector<llvm::Value*>& values, llvm::Value* slots) {
  llvm::IRBuilder<>& b = f.b();
  uint64_t slot = 0;
  for (const kernel::EntryParam& p : entry.params) {
    if (p.role == ParamRole::constants) continue;
    llvm::Value* v = p.role == ParamRole::state ? state : arena;
    for (size_t i = 0; i < values.size(); ++i)
      if (e.fields[i].param->role == p.role && e.fields[i].param->name == p.name) v = values[i];
    if (v->getType()->isFloatTy()) v = b.CreateBitCast(v, b.getInt32Ty());
    if (v->getType()->isIntegerTy() && v->getType()->getIntegerBitWidth() < 64)
      v = b.CreateZExt(v, b.getInt64Ty());
    f.store(v, slots, 8 * slot++);
  }
}

}  // namespace

void emit_entry_function(ModuleEmitter& m, const CEntry& e) {
  llvm::Type *ptr = llvm::PointerType::getUnqual(m.context), *size = llvm::Type::getInt64Ty(m.context);
  std::vector<llvm::Type*> params{ptr};
  if (e.entry->loops) {
    params.push_back(ptr);
  } else {
    for (const CField& field : e.fields) params.push_back(c_type(m, *field.param));
  }
  params.push_back(ptr);
  params.push_back(size);
  if (e.parallel) params.push_back(ptr);
  CFunction f(m, m.options.prefix + "_" + e.name, llvm::Type::getInt32Ty(m.context), params);
  llvm::IRBuilder<>& b = f.b();
  const unsigned arena_at = static_cast<unsigned>(params.size()) - (e.parallel ? 3 : 2);
  llvm::Value *state = f.arg(0), *arena = f.arg(arena_at), *bytes = f.arg(arena_at + 1);
  llvm::Value* parallel = e.parallel ? f.arg(arena_at + 2) : llvm::ConstantPointerNull::get(b.getPtrTy());
  f.not_null(state);
  if (e.parallel) {
    // Threads that are lent need a way to them. Without any struct, one of zeros stands in.
    using runtime::Parallel;
    llvm::Value* none = b.CreateAlloca(b.getInt8Ty(), b.getInt64(sizeof(Parallel)));
    b.CreateMemSet(none, b.getInt8(0), sizeof(Parallel), llvm::MaybeAlign());
    llvm::Value* lent = b.CreateSelect(b.CreateIsNull(parallel), none, parallel);
    llvm::Value* several =
        b.CreateICmpUGT(f.load(b.getInt32Ty(), lent, offsetof(Parallel, workers)), b.getInt32(1));
    llvm::Value* run = f.load(ptr, lent, offsetof(Parallel, run));
    llvm::Value* team = f.load(ptr, lent, offsetof(Parallel, team));
    f.refuse_if(b.CreateAnd(several, b.CreateAnd(b.CreateIsNull(run), b.CreateIsNull(team))), CStatus::null);
  }
  std::vector<llvm::Value*> values;
  if (e.entry->loops) f.not_null(f.arg(1));
  for (unsigned i = 0; i < e.fields.size(); ++i)
    values.push_back(e.entry->loops ? f.load(c_type(m, *e.fields[i].param), f.arg(1), e.fields[i].offset)
                                    : f.arg(i + 1));
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i]->getType()->isPointerTy() && !e.fields[i].optional) f.not_null(values[i]);
  f.aligned(state, runtime::block_alignment);
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i]->getType()->isPointerTy()) f.aligned(values[i], dtype_bytes(e.fields[i].param->dtype));
  std::vector<llvm::Value*> dims;
  std::map<std::string, llvm::Value*> sizes;
  for (size_t i = 0; i < values.size(); ++i) {
    const CField& field = e.fields[i];
    if (field.param->role != ParamRole::dim) continue;
    llvm::Value* wide = b.CreateZExt(values[i], b.getInt64Ty());
    llvm::Value* outside = b.CreateOr(b.CreateICmpSLT(wide, b.getInt64(static_cast<uint64_t>(field.low))),
                                      b.CreateICmpSGT(wide, b.getInt64(static_cast<uint64_t>(field.high))));
    f.refuse_if(outside, CStatus::range);
    dims.push_back(wide);
    sizes[field.param->name] = wide;
  }
  const std::vector<llvm::Value*> given = values;
  llvm::Value* needed = arena_of(f, e, dims);
  // What is not wanted goes to the arena, behind what is needed there.
  for (size_t i = 0; i < values.size(); ++i) {
    if (!e.fields[i].optional || e.fields[i].param->role != ParamRole::output) continue;
    llvm::Value* missing = b.CreateIsNull(values[i]);
    llvm::Value* place = round_up(b, needed);
    values[i] = b.CreateSelect(missing, b.CreateGEP(b.getInt8Ty(), arena, place), values[i]);
    needed = b.CreateSelect(missing, b.CreateAdd(place, f.bytes_of(*e.fields[i].param, sizes)), needed);
  }
  llvm::Value* some = b.CreateICmpNE(needed, b.getInt64(0));
  f.refuse_if(b.CreateAnd(some, b.CreateIsNull(arena)), CStatus::null);
  llvm::Value* crooked =
      b.CreateAnd(b.CreatePtrToInt(arena, b.getInt64Ty()), b.getInt64(runtime::block_alignment - 1));
  f.refuse_if(b.CreateAnd(some, b.CreateICmpNE(crooked, b.getInt64(0))), CStatus::align);
  f.refuse_if(b.CreateICmpULT(bytes, needed), CStatus::space);
  f.own_state(state);
  refuse_overlaps(f, m, e, state, {arena, needed}, given, sizes);
  for (size_t i = 0, dim = 0; i < values.size(); ++i)
    if (e.fields[i].param->role == ParamRole::dim) values[i] = dims[dim++];
  const size_t most = std::max(e.entry->params.size(), e.given == nullptr ? 0 : e.given->params.size());
  llvm::Value* slots = b.CreateAlloca(b.getInt64Ty(), b.getInt64(most + 1));
  llvm::Value* status = b.CreateAlloca(b.getInt64Ty(), b.getInt64(3));
  auto call = [&](const kernel::Entry& entry) {
    fill_slots(f, e, entry, state, arena, values, slots);
    return f.call_entry(entry, slots, parallel, status);
  };
  llvm::Value* code = nullptr;
  if (e.given == nullptr) {
    code = call(*e.entry);
  } else {
    llvm::Function* fn = b.GetInsertBlock()->getParent();
    auto* own = llvm::BasicBlock::Create(m.context, "own_order", fn);
    auto* as_given = llvm::BasicBlock::Create(m.context, "given_order", fn);
    auto* done = llvm::BasicBlock::Create(m.context, "done", fn);
    size_t order = 0;
    while (e.fields[order].param != e.order) ++order;
    b.CreateCondBr(b.CreateIsNull(values[order]), own, as_given);
    b.SetInsertPoint(own);
    llvm::Value* first = call(*e.entry);
    own = b.GetInsertBlock();
    b.CreateBr(done);
    b.SetInsertPoint(as_given);
    llvm::Value* second = call(*e.given);
    as_given = b.GetInsertBlock();
    b.CreateBr(done);
    b.SetInsertPoint(done);
    llvm::PHINode* either = b.CreatePHI(b.getInt32Ty(), 2);
    either->addIncoming(first, own);
    either->addIncoming(second, as_given);
    code = either;
  }
  if (e.entry->loops) f.store(f.load(b.getInt64Ty(), status, 16), f.arg(1), e.done);
  f.return_status(code);

  // size_t <arena_bytes>(uint32_t dims..., uint32_t workers)
  std::vector<llvm::Type*> widths(dims.size() + 1, llvm::Type::getInt32Ty(m.context));
  CFunction g(m, e.arena_bytes, size, widths);
  std::vector<llvm::Value*> wide;
  llvm::Value* inside = g.b().getTrue();
  unsigned i = 0;
  for (const CField& field : e.fields) {
    if (field.param->role != ParamRole::dim) continue;
    llvm::Value* v = g.b().CreateZExt(g.arg(i++), g.b().getInt64Ty());
    inside =
        g.b().CreateAnd(inside, g.b().CreateICmpSGE(v, g.b().getInt64(static_cast<uint64_t>(field.low))));
    inside =
        g.b().CreateAnd(inside, g.b().CreateICmpSLE(v, g.b().getInt64(static_cast<uint64_t>(field.high))));
    wide.push_back(v);
  }
  llvm::Value* exact = arena_of(g, e, wide);
  g.b().CreateRet(g.b().CreateSelect(inside, exact, g.b().getInt64(0)));
}

// What stands under the function's symbol is called, as a linked program would.
static void emit_caller(ModuleEmitter& m, const CEntry& e) {
  llvm::Type *ptr = llvm::PointerType::getUnqual(m.context), *size = llvm::Type::getInt64Ty(m.context);
  CFunction f(m, caller_symbol(m.options.prefix, e.entry->name), llvm::Type::getInt32Ty(m.context),
              {ptr, ptr, ptr, size, ptr, ptr});
  llvm::IRBuilder<>& b = f.b();
  std::vector<llvm::Value*> arguments{f.arg(0)};
  llvm::AllocaInst* record = nullptr;
  if (e.entry->loops) {
    record = b.CreateAlloca(llvm::ArrayType::get(b.getInt8Ty(), e.done + 8));
    record->setAlignment(llvm::Align(8));
    arguments.push_back(record);
  }
  for (size_t i = 0; i < e.fields.size(); ++i) {
    llvm::Value* v = f.load(c_type(m, *e.fields[i].param), f.arg(1), 8 * i);
    if (record != nullptr) {
      f.store(v, record, e.fields[i].offset);
    } else {
      arguments.push_back(v);
    }
  }
  arguments.insert(arguments.end(), {f.arg(2), f.arg(3)});
  if (e.parallel) arguments.push_back(f.arg(4));
  std::vector<llvm::Type*> types;
  for (llvm::Value* v : arguments) types.push_back(v->getType());
  llvm::Function* callee = m.llvm_module.getFunction(m.options.prefix + "_" + e.name);
  llvm::Value* status =
      b.CreateCall(llvm::FunctionType::get(b.getInt32Ty(), types, false), callee, arguments);
  if (record != nullptr) f.store(f.load(b.getInt64Ty(), record, e.done), f.arg(5), 0);
  b.CreateRet(status);
}

void emit_c_functions(ModuleEmitter& m) {
  Result<CInterface> c = c_interface(m.module, m.options.prefix);
  if (!c) return m.errors.append(c.take_errors());
  emit_init(m, *c);
  emit_check(m);
  emit_tensors(m);
  for (const CEntry& e : c->entries) emit_entry_function(m, e);
  if (m.options.callers)
    for (const CEntry& e : c->entries) emit_caller(m, e);
}

}  // namespace tenon::codegen
