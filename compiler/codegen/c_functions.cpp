#include "codegen/c_functions.h"

#include <llvm/IR/Intrinsics.h>

#include "codegen/emitter.h"
#include "runtime/abi.h"

namespace tenon::codegen {
using kernel::ParamRole;
using llvm::BasicBlock;

namespace {

uint64_t state_bytes(const ModuleEmitter& m) {
  return std::max<uint64_t>(m.module.state_bytes, sizeof(runtime::StateHeader));
}

// One C function under construction: each check leaves with its status where it fails.
class CFunction {
 public:
  CFunction(ModuleEmitter& m, const std::string& name, llvm::Type* result, std::vector<llvm::Type*> params)
      : m_(m),
        b_(m.context),
        fn_(m.new_function(name, llvm::FunctionType::get(result, params, false), true)) {
    b_.SetInsertPoint(BasicBlock::Create(m.context, "entry", fn_));
  }
  llvm::IRBuilder<>& b() { return b_; }
  llvm::Value* arg(unsigned i) { return fn_->getArg(i); }

  void refuse_if(llvm::Value* bad, CStatus status) {
    auto* leave = BasicBlock::Create(m_.context, "refuse", fn_);
    auto* go_on = BasicBlock::Create(m_.context, "ok", fn_);
    b_.CreateCondBr(bad, leave, go_on);
    b_.SetInsertPoint(leave);
    b_.CreateRet(b_.getInt32(static_cast<uint32_t>(status)));
    b_.SetInsertPoint(go_on);
  }
  void not_null(llvm::Value* pointer) { refuse_if(b_.CreateIsNull(pointer), CStatus::null); }
  void aligned(llvm::Value* pointer, uint64_t bytes) {
    if (bytes <= 1) return;
    llvm::Value* low = b_.CreateAnd(b_.CreatePtrToInt(pointer, b_.getInt64Ty()), b_.getInt64(bytes - 1));
    refuse_if(b_.CreateICmpNE(low, b_.getInt64(0)), CStatus::align);
  }
  llvm::Value* at(llvm::Value* base, uint64_t offset) {
    return b_.CreateConstGEP1_64(b_.getInt8Ty(), base, offset);
  }
  llvm::Value* load(llvm::Type* type, llvm::Value* base, uint64_t offset) {
    return b_.CreateAlignedLoad(type, at(base, offset), llvm::Align(1));
  }
  void store(llvm::Value* v, llvm::Value* base, uint64_t offset) {
    b_.CreateAlignedStore(v, at(base, offset), llvm::Align(1));
  }

  // The header's words that tell a state of this program.
  void own_state(llvm::Value* state) {
    const uint64_t layout = kernel::layout_hash(m_.module);
    llvm::Value* good = b_.CreateICmpEQ(load(b_.getInt64Ty(), state, 0), b_.getInt64(runtime::state_magic));
    good = b_.CreateAnd(good, b_.CreateICmpEQ(load(b_.getInt64Ty(), state, 8), b_.getInt64(layout)));
    good = b_.CreateAnd(
        good, b_.CreateICmpEQ(load(b_.getInt64Ty(), state, 24), b_.getInt64(runtime::state_version)));
    refuse_if(b_.CreateNot(good), CStatus::state);
  }
  void write_header(llvm::Value* state) {
    store(b_.getInt64(runtime::state_magic), state, 0);
    store(b_.getInt64(kernel::layout_hash(m_.module)), state, 8);
    store(b_.getInt64(state_bytes(m_)), state, 16);
    store(b_.getInt64(runtime::state_version), state, 24);
  }

  // Error codes of the entry as values of <prefix>_status.
  void return_status(llvm::Value* code) {
    llvm::Value* result = b_.getInt32(static_cast<uint32_t>(CStatus::range));
    for (Code known : {Code::label_range, Code::nonfinite, Code::space, Code::alignment, Code::state_foreign,
                       Code::null_argument}) {
      const uint16_t number = static_cast<uint16_t>(known);
      result = b_.CreateSelect(b_.CreateICmpEQ(code, b_.getInt32(number)),
                               b_.getInt32(static_cast<uint32_t>(c_status(number))), result);
    }
    b_.CreateRet(b_.CreateSelect(b_.CreateICmpEQ(code, b_.getInt32(0)), b_.getInt32(0), result));
  }

  llvm::Value* call_entry(const kernel::Entry& entry, llvm::Value* slots, llvm::Value* parallel,
                          llvm::Value* status) {
    const std::string name = m_.options.prefix + "_entry_" + entry.name;
    llvm::Function* f = m_.llvm_module.getFunction(name);
    auto* type =
        llvm::FunctionType::get(b_.getInt32Ty(), {b_.getPtrTy(), b_.getPtrTy(), b_.getPtrTy()}, false);
    if (f == nullptr) f = m_.new_function(name, type, true);
    return b_.CreateCall(f, {slots, parallel, status});
  }
  llvm::Value* call_arena(const kernel::Entry& entry, const std::vector<llvm::Value*>& dims) {
    if (m_.module.find(entry.arena_function) == nullptr) return b_.getInt64(0);
    const std::string name = m_.options.prefix + "_arena_" + entry.name;
    llvm::Function* f = m_.llvm_module.getFunction(name);
    if (f == nullptr)
      f = m_.new_function(name, llvm::FunctionType::get(b_.getInt64Ty(), {b_.getPtrTy()}, false), true);
    llvm::Value* array = b_.CreateAlloca(b_.getInt64Ty(), b_.getInt64(std::max<size_t>(dims.size(), 1)));
    for (size_t i = 0; i < dims.size(); ++i) store(dims[i], array, 8 * i);
    return b_.CreateCall(f, {array});
  }

 private:
  ModuleEmitter& m_;
  llvm::IRBuilder<> b_;
  llvm::Function* fn_;
};

llvm::Type* c_type(ModuleEmitter& m, const kernel::EntryParam& p) {
  if (p.role == ParamRole::dim) return llvm::Type::getInt32Ty(m.context);
  if (p.role == ParamRole::hyper) return m.memory_type(p.dtype);
  return llvm::PointerType::getUnqual(m.context);
}

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
  std::vector<llvm::Value*> values;
  if (e.entry->loops) f.not_null(f.arg(1));
  for (unsigned i = 0; i < e.fields.size(); ++i)
    values.push_back(e.entry->loops ? f.load(c_type(m, *e.fields[i].param), f.arg(1), e.fields[i].offset)
                                    : f.arg(i + 1));
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i]->getType()->isPointerTy()) f.not_null(values[i]);
  f.aligned(state, runtime::block_alignment);
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i]->getType()->isPointerTy()) f.aligned(values[i], dtype_bytes(e.fields[i].param->dtype));
  std::vector<llvm::Value*> dims;
  for (size_t i = 0; i < values.size(); ++i) {
    const CField& field = e.fields[i];
    if (field.param->role != ParamRole::dim) continue;
    llvm::Value* wide = b.CreateZExt(values[i], b.getInt64Ty());
    llvm::Value* outside = b.CreateOr(b.CreateICmpSLT(wide, b.getInt64(static_cast<uint64_t>(field.low))),
                                      b.CreateICmpSGT(wide, b.getInt64(static_cast<uint64_t>(field.high))));
    f.refuse_if(outside, CStatus::range);
    dims.push_back(wide);
  }
  llvm::Value* needed = f.call_arena(*e.entry, dims);
  llvm::Value* some = b.CreateICmpNE(needed, b.getInt64(0));
  f.refuse_if(b.CreateAnd(some, b.CreateIsNull(arena)), CStatus::null);
  llvm::Value* crooked =
      b.CreateAnd(b.CreatePtrToInt(arena, b.getInt64Ty()), b.getInt64(runtime::block_alignment - 1));
  f.refuse_if(b.CreateAnd(some, b.CreateICmpNE(crooked, b.getInt64(0))), CStatus::align);
  f.refuse_if(b.CreateICmpULT(bytes, needed), CStatus::space);
  f.own_state(state);
  uint32_t slots_count = 0;
  for (const kernel::EntryParam& p : e.entry->params) slots_count += p.role != ParamRole::constants;
  llvm::Value* slots = b.CreateAlloca(b.getInt64Ty(), b.getInt64(std::max(slots_count, 1u)));
  uint32_t slot = 0;
  for (const kernel::EntryParam& p : e.entry->params) {
    if (p.role == ParamRole::state) f.store(state, slots, 8 * slot);
    if (p.role == ParamRole::arena) f.store(arena, slots, 8 * slot);
    slot += p.role != ParamRole::constants;
  }
  size_t dim = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    llvm::Value* v = values[i];
    if (e.fields[i].param->role == ParamRole::dim) v = dims[dim++];
    if (v->getType()->isFloatTy()) v = b.CreateBitCast(v, b.getInt32Ty());
    if (v->getType()->isIntegerTy() && v->getType()->getIntegerBitWidth() < 64)
      v = b.CreateZExt(v, b.getInt64Ty());
    f.store(v, slots, 8 * e.fields[i].slot);
  }
  llvm::Value* status = b.CreateAlloca(b.getInt64Ty(), b.getInt64(3));
  llvm::Value* code = f.call_entry(*e.entry, slots, parallel, status);
  if (e.entry->loops) f.store(f.load(b.getInt64Ty(), status, 16), f.arg(1), e.done);
  f.return_status(code);

  // size_t <prefix>_<entry>_arena_bytes(uint32_t dims..., uint32_t workers)
  std::vector<llvm::Type*> sizes(dims.size() + 1, llvm::Type::getInt32Ty(m.context));
  CFunction g(m, m.options.prefix + "_" + e.name + "_arena_bytes", size, sizes);
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
  llvm::Value* exact = g.call_arena(*e.entry, wide);
  g.b().CreateRet(g.b().CreateSelect(inside, exact, g.b().getInt64(0)));
}

void emit_init(ModuleEmitter& m, const CInterface& c) {
  llvm::Type *ptr = llvm::PointerType::getUnqual(m.context), *size = llvm::Type::getInt64Ty(m.context);
  const bool given = c.init_arena > init_stack;
  std::vector<llvm::Type*> params{ptr, size, size};
  if (given) params.insert(params.end(), {ptr, size});
  CFunction f(m, m.options.prefix + "_init", llvm::Type::getInt32Ty(m.context), params);
  llvm::IRBuilder<>& b = f.b();
  llvm::Value *state = f.arg(0), *arena = nullptr;
  f.not_null(state);
  if (given) f.not_null(f.arg(3));
  f.aligned(state, runtime::block_alignment);
  if (given) f.aligned(f.arg(3), runtime::block_alignment);
  f.refuse_if(b.CreateICmpULT(f.arg(1), b.getInt64(state_bytes(m))), CStatus::space);
  if (given) {
    f.refuse_if(b.CreateICmpULT(f.arg(4), b.getInt64(static_cast<uint64_t>(c.init_arena))), CStatus::space);
    arena = f.arg(3);
  } else {
    auto* block = b.CreateAlloca(
        llvm::ArrayType::get(b.getInt8Ty(), static_cast<uint64_t>(std::max<int64_t>(c.init_arena, 1))));
    block->setAlignment(llvm::Align(runtime::block_alignment));
    arena = block;
  }
  b.CreateMemSet(state, b.getInt8(0), state_bytes(m), llvm::MaybeAlign(runtime::block_alignment));
  f.write_header(state);
  if (c.init == nullptr) {
    b.CreateRet(b.getInt32(0));
    return;
  }
  llvm::Value* seed = b.CreateAlloca(b.getInt64Ty());
  f.store(f.arg(2), seed, 0);
  llvm::Value* slots = b.CreateAlloca(b.getInt64Ty(), b.getInt64(c.init->params.size()));
  uint64_t slot = 0;
  for (const kernel::EntryParam& p : c.init->params) {
    if (p.role == ParamRole::constants) continue;
    f.store(p.role == ParamRole::state   ? state
            : p.role == ParamRole::arena ? arena
                                         : seed,
            slots, 8 * slot++);
  }
  llvm::Value* status = b.CreateAlloca(b.getInt64Ty(), b.getInt64(3));
  f.return_status(f.call_entry(*c.init, slots, llvm::ConstantPointerNull::get(b.getPtrTy()), status));
}

void emit_check(ModuleEmitter& m) {
  llvm::Type *ptr = llvm::PointerType::getUnqual(m.context), *size = llvm::Type::getInt64Ty(m.context);
  CFunction f(m, m.options.prefix + "_check", llvm::Type::getInt32Ty(m.context), {ptr, size});
  f.not_null(f.arg(0));
  f.aligned(f.arg(0), runtime::block_alignment);
  f.refuse_if(f.b().CreateICmpULT(f.arg(1), f.b().getInt64(state_bytes(m))), CStatus::space);
  f.own_state(f.arg(0));
  f.b().CreateRet(f.b().getInt32(0));
}

// struct { const char *name, *dtype; uint32_t rank, shape[8]; size_t offset, bytes; }
void emit_tensors(ModuleEmitter& m) {
  llvm::IRBuilder<> t(m.context);
  auto text = [&](std::string_view s) -> llvm::Constant* {
    llvm::Constant* data = llvm::ConstantDataArray::getString(m.context, llvm::StringRef(s.data(), s.size()));
    auto* g = new llvm::GlobalVariable(m.llvm_module, data->getType(), true,
                                       llvm::GlobalValue::PrivateLinkage, data, "text");
    return g;
  };
  auto* shape_type = llvm::ArrayType::get(t.getInt32Ty(), 8);
  auto* row_type = llvm::StructType::get(
      m.context, {t.getPtrTy(), t.getPtrTy(), t.getInt32Ty(), shape_type, t.getInt64Ty(), t.getInt64Ty()});
  std::vector<llvm::Constant*> rows;
  for (const kernel::StateSlot& s : m.module.state) {
    std::vector<llvm::Constant*> shape;
    for (size_t i = 0; i < 8; ++i)
      shape.push_back(t.getInt32(i < s.shape.size() ? static_cast<uint32_t>(s.shape[i]) : 0));
    rows.push_back(llvm::ConstantStruct::get(
        row_type, {text(s.name), text(dtype_name(s.dtype)), t.getInt32(static_cast<uint32_t>(s.shape.size())),
                   llvm::ConstantArray::get(shape_type, shape), t.getInt64(s.offset), t.getInt64(s.bytes)}));
  }
  CFunction f(m, m.options.prefix + "_tensors", t.getPtrTy(), {t.getPtrTy()});
  auto* table_type = llvm::ArrayType::get(row_type, rows.size());
  llvm::Constant* table = llvm::ConstantPointerNull::get(t.getPtrTy());
  if (!rows.empty())
    table = new llvm::GlobalVariable(m.llvm_module, table_type, true, llvm::GlobalValue::PrivateLinkage,
                                     llvm::ConstantArray::get(table_type, rows), "tensors");
  llvm::IRBuilder<>& b = f.b();
  llvm::Function* fn = b.GetInsertBlock()->getParent();
  auto* write = BasicBlock::Create(m.context, "count", fn);
  auto* out = BasicBlock::Create(m.context, "out", fn);
  b.CreateCondBr(b.CreateIsNull(f.arg(0)), out, write);
  b.SetInsertPoint(write);
  f.store(b.getInt64(rows.size()), f.arg(0), 0);
  b.CreateBr(out);
  b.SetInsertPoint(out);
  b.CreateRet(table);
}

}  // namespace

void emit_c_functions(ModuleEmitter& m) {
  Result<CInterface> c = c_interface(m.module);
  if (!c) return m.errors.append(c.take_errors());
  emit_init(m, *c);
  emit_check(m);
  emit_tensors(m);
  for (const CEntry& e : c->entries) emit_entry_function(m, e);
}

}  // namespace tenon::codegen
