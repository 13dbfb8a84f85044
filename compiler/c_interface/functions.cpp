// The C functions of entries.
#include "c_interface/arguments.h"

namespace tenon::c_interface {
using kernel::ParamRole;

namespace {

llvm::Value* round_up(llvm::IRBuilder<>& b, llvm::Value* bytes) {
  constexpr uint64_t align = runtime::block_alignment;
  return b.CreateAnd(b.CreateAdd(bytes, b.getInt64(align - 1)), ~(align - 1));
}

// Enough for either order.
llvm::Value* arena_of(CFunction& f, const CEntry& e, size_t dims,
                      const std::function<llvm::Value*(size_t)>& dim) {
  llvm::Value* bytes = f.call_arena(*e.entry, dims, dim);
  if (e.given == nullptr) return bytes;
  return f.b().CreateBinaryIntrinsic(llvm::Intrinsic::smax, bytes, f.call_arena(*e.given, dims, dim));
}

// Threads that are lent need a way to them. Without any struct, one of zeros stands in.
void test_parallel(CFunction& f, llvm::Value* parallel) {
  using runtime::Parallel;
  llvm::IRBuilder<>& b = f.b();
  llvm::Value* none = b.CreateAlloca(b.getInt8Ty(), b.getInt64(sizeof(Parallel)));
  b.CreateMemSet(none, b.getInt8(0), sizeof(Parallel), llvm::MaybeAlign());
  llvm::Value* lent = b.CreateSelect(b.CreateIsNull(parallel), none, parallel);
  llvm::Value* several =
      b.CreateICmpUGT(f.load(b.getInt32Ty(), lent, offsetof(Parallel, workers)), b.getInt32(1));
  llvm::Value* run = f.load(b.getPtrTy(), lent, offsetof(Parallel, run));
  llvm::Value* team = f.load(b.getPtrTy(), lent, offsetof(Parallel, team));
  f.refuse_if(b.CreateAnd(several, b.CreateAnd(b.CreateIsNull(run), b.CreateIsNull(team))), CStatus::null);
}

// Tests the arena against what is needed, which it returns. What is not wanted goes to the arena, behind what
// is needed there.
llvm::Value* test_arena(CFunction& f, const CEntry& e, CArguments& arguments, llvm::Value* arena,
                        llvm::Value* bytes) {
  llvm::IRBuilder<>& b = f.b();
  llvm::Value* needed =
      arena_of(f, e, arguments.dims().size(), [&](size_t i) { return arguments.value(arguments.dims()[i]); });
  for (size_t i = 0; i < e.fields.size(); ++i) {
    if (!e.fields[i].optional || e.fields[i].param->role != ParamRole::output) continue;
    llvm::Value* given = arguments.value(i);
    llvm::Value* missing = b.CreateIsNull(given);
    llvm::Value* place = round_up(b, needed);
    arguments.replace(i, b.CreateSelect(missing, b.CreateGEP(b.getInt8Ty(), arena, place), given));
    needed = b.CreateSelect(missing, b.CreateAdd(place, arguments.bytes(i)), needed);
  }
  llvm::Value* some = b.CreateICmpNE(needed, b.getInt64(0));
  f.refuse_if(b.CreateAnd(some, b.CreateIsNull(arena)), CStatus::null);
  llvm::Value* crooked =
      b.CreateAnd(b.CreatePtrToInt(arena, b.getInt64Ty()), b.getInt64(runtime::block_alignment - 1));
  f.refuse_if(b.CreateAnd(some, b.CreateICmpNE(crooked, b.getInt64(0))), CStatus::align);
  f.refuse_if(b.CreateICmpULT(bytes, needed), CStatus::space);
  return needed;
}

// The entry's call, in the order of rows that the caller gave or in its own; the failure's code.
llvm::Value* call_either(ModuleEmitter& m, CFunction& f, const CEntry& e, CArguments& arguments,
                         const std::function<llvm::Value*(const kernel::Entry&)>& call) {
  if (e.given == nullptr) return call(*e.entry);
  llvm::IRBuilder<>& b = f.b();
  llvm::Function* fn = b.GetInsertBlock()->getParent();
  auto* own = llvm::BasicBlock::Create(m.context, "own_order", fn);
  auto* as_given = llvm::BasicBlock::Create(m.context, "given_order", fn);
  auto* done = llvm::BasicBlock::Create(m.context, "done", fn);
  size_t order = 0;
  while (e.fields[order].param != e.order) ++order;
  b.CreateCondBr(b.CreateIsNull(arguments.value(order)), own, as_given);
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
  return either;
}

// size_t <arena_bytes>(uint32_t dims..., uint32_t workers)
void emit_arena_bytes(ModuleEmitter& m, const CEntry& e, const CArguments& arguments) {
  std::vector<llvm::Type*> widths(arguments.dims().size() + 1, llvm::Type::getInt32Ty(m.context));
  CFunction g(m, e.arena_bytes, llvm::Type::getInt64Ty(m.context), widths);
  std::vector<llvm::Value*> wide;
  llvm::Value* inside = g.b().getTrue();
  unsigned i = 0;
  for (const size_t at : arguments.dims()) {
    const CField& field = e.fields[at];
    llvm::Value* v = g.b().CreateZExt(g.arg(i++), g.b().getInt64Ty());
    inside =
        g.b().CreateAnd(inside, g.b().CreateICmpSGE(v, g.b().getInt64(static_cast<uint64_t>(field.low))));
    inside =
        g.b().CreateAnd(inside, g.b().CreateICmpSLE(v, g.b().getInt64(static_cast<uint64_t>(field.high))));
    wide.push_back(v);
  }
  llvm::Value* exact = arena_of(g, e, wide.size(), [&](size_t d) { return wide[d]; });
  g.b().CreateRet(g.b().CreateSelect(inside, exact, g.b().getInt64(0)));
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
  CArguments arguments(f, m, e);
  if (e.parallel) test_parallel(f, parallel);
  arguments.test_pointers(state);
  arguments.test_ranges();
  llvm::Value* needed = test_arena(f, e, arguments, arena, bytes);
  f.own_state(state);
  arguments.test_overlaps(state, {arena, needed});
  const size_t most = std::max(e.entry->params.size(), e.given == nullptr ? 0 : e.given->params.size());
  llvm::Value* slots = b.CreateAlloca(b.getInt64Ty(), b.getInt64(most + 1));
  llvm::Value* status = b.CreateAlloca(b.getInt64Ty(), b.getInt64(3));
  llvm::Value* code = call_either(m, f, e, arguments, [&](const kernel::Entry& entry) {
    arguments.fill_slots(entry, state, arena, slots);
    return f.call_entry(entry, slots, parallel, status);
  });
  if (e.entry->loops) f.store(f.load(b.getInt64Ty(), status, 16), f.arg(1), e.done);
  f.return_status(code);
  emit_arena_bytes(m, e, arguments);
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

void emit_functions(ModuleEmitter& m, bool callers) {
  Result<CInterface> c = interface_of(m.module, m.options.prefix);
  if (!c) return m.errors.append(c.take_errors());
  emit_init(m, *c);
  emit_check(m);
  emit_tensors(m);
  for (const CEntry& e : c->entries) emit_entry_function(m, e);
  if (callers)
    for (const CEntry& e : c->entries) emit_caller(m, e);
}

}  // namespace tenon::c_interface
