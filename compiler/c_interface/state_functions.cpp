// The C functions that a state is made, checked and described by.
#include "c_interface/function.h"

namespace tenon::c_interface {
using kernel::ParamRole;

void emit_init(ModuleEmitter& m, const CInterface& c) {
  llvm::Type *ptr = llvm::PointerType::getUnqual(m.context), *size = llvm::Type::getInt64Ty(m.context);
  const bool given = c.init_arena > init_stack;
  std::vector<llvm::Type*> params{ptr, size, size};
  if (given) params.insert(params.end(), {ptr, size});
  CFunction f(m, m.options.prefix + "_init", llvm::Type::getInt32Ty(m.context), params);
  llvm::IRBuilder<>& b = f.b();
  llvm::Value *state = f.arg(0), *arena = nullptr;
  f.own_cpu();
  f.not_null(state);
  if (given) f.not_null(f.arg(3));
  f.aligned(state, runtime::block_alignment);
  if (given) f.aligned(f.arg(3), runtime::block_alignment);
  f.refuse_if(b.CreateICmpULT(f.arg(1), b.getInt64(c_state_bytes(m))), CStatus::space);
  if (given) {
    f.refuse_if(b.CreateICmpULT(f.arg(4), b.getInt64(static_cast<uint64_t>(c.init_arena))), CStatus::space);
    arena = f.arg(3);
    f.refuse_overlap(state, b.getInt64(c_state_bytes(m)), arena,
                     b.getInt64(static_cast<uint64_t>(c.init_arena)));
  } else {
    auto* block = b.CreateAlloca(
        llvm::ArrayType::get(b.getInt8Ty(), static_cast<uint64_t>(std::max<int64_t>(c.init_arena, 1))));
    block->setAlignment(llvm::Align(runtime::block_alignment));
    arena = block;
  }
  b.CreateMemSet(state, b.getInt8(0), c_state_bytes(m), llvm::MaybeAlign(runtime::block_alignment));
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
  f.own_cpu();
  f.not_null(f.arg(0));
  f.aligned(f.arg(0), runtime::block_alignment);
  f.refuse_if(f.b().CreateICmpULT(f.arg(1), f.b().getInt64(c_state_bytes(m))), CStatus::space);
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
  auto* write = llvm::BasicBlock::Create(m.context, "count", fn);
  auto* out = llvm::BasicBlock::Create(m.context, "out", fn);
  b.CreateCondBr(b.CreateIsNull(f.arg(0)), out, write);
  b.SetInsertPoint(write);
  f.store(b.getInt64(rows.size()), f.arg(0), 0);
  b.CreateBr(out);
  b.SetInsertPoint(out);
  b.CreateRet(table);
}

}  // namespace tenon::c_interface
