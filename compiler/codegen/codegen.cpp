#include "codegen/codegen.h"

#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/raw_ostream.h>

#include <algorithm>

#include "codegen/emitter.h"

namespace tenon::codegen {
using kernel::Function;
using llvm::BasicBlock;

void ModuleEmitter::refuse(const Function& function, const std::string& what) {
  if (errors.list.size() < 20) errors.append(error(Code::backend, function.name + ": " + what));
}

llvm::Type* ModuleEmitter::register_type(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return llvm::Type::getDoubleTy(context);
    case DType::f32:
      return llvm::Type::getFloatTy(context);
    case DType::f16:
      return llvm::Type::getHalfTy(context);
    case DType::bf16:
      return llvm::Type::getBFloatTy(context);
    case DType::bool_:
      return llvm::Type::getInt1Ty(context);
    case DType::i8:
    case DType::i16:
    case DType::i32:
    case DType::i64:
    case DType::u8:
    case DType::u16:
    case DType::u32:
    case DType::u64:
      break;
  }
  return llvm::Type::getIntNTy(context, static_cast<unsigned>(8 * dtype_bytes(dtype)));
}

llvm::Type* ModuleEmitter::parameter_type(const kernel::Var& var) {
  return var.kind == kernel::VarKind::buffer ? llvm::PointerType::getUnqual(context)
                                             : register_type(var.dtype);
}

llvm::Type* ModuleEmitter::memory_type(DType dtype) {
  return is_bool(dtype) ? llvm::Type::getInt8Ty(context) : register_type(dtype);
}

llvm::Function* ModuleEmitter::new_function(const std::string& name, llvm::FunctionType* type,
                                            bool exported) {
  llvm::Function* f = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, name, llvm_module);
  if (!exported) f->setVisibility(llvm::GlobalValue::HiddenVisibility);
  f->setDSOLocal(true);
  f->addFnAttr(llvm::Attribute::NoUnwind);
  f->addFnAttr("target-cpu", std::string(target.llvm_cpu));
  f->addFnAttr("target-features", std::string(target.features));
  const std::string width = std::to_string(target.vector_bytes * 8);
  f->addFnAttr("min-legal-vector-width", width);
  f->addFnAttr("prefer-vector-width", width);
  return f;
}

llvm::Function* ModuleEmitter::declare_kernel(const Function& function) {
  const std::string name = own_symbol(options.prefix, "kernel", function.name);
  if (llvm::Function* f = llvm_module.getFunction(name)) return f;
  std::vector<llvm::Type*> params;
  if (takes_record(function)) {
    params.push_back(llvm::PointerType::getUnqual(context));
  } else {
    for (kernel::VarId p : function.params) params.push_back(parameter_type(function.var(p)));
  }
  llvm::Type* pointer = llvm::PointerType::getUnqual(context);
  if (facts.status.at(&function)) params.push_back(pointer);
  if (function.procedure) params.insert(params.end(), {pointer, pointer, llvm::Type::getInt1Ty(context)});
  return new_function(name, llvm::FunctionType::get(llvm::Type::getVoidTy(context), params, false), false);
}

llvm::GlobalVariable* ModuleEmitter::constants_block(bool define) {
  const std::string name = own_symbol(options.prefix, "constants");
  llvm::GlobalVariable* g = llvm_module.getNamedGlobal(name);
  auto* type =
      llvm::ArrayType::get(llvm::Type::getInt8Ty(context), std::max<uint64_t>(module.constant_bytes, 1));
  if (g == nullptr) {
    g = new llvm::GlobalVariable(llvm_module, type, true, llvm::GlobalValue::ExternalLinkage, nullptr, name);
    g->setVisibility(llvm::GlobalValue::HiddenVisibility);
    g->setDSOLocal(true);
    g->setAlignment(llvm::Align(64));
  }
  if (define && !g->hasInitializer()) {
    std::string bytes(std::max<uint64_t>(module.constant_bytes, 1), '\0');
    for (const kernel::Constant& c : module.constants) {
      const size_t n = c.array ? c.array->bytes() : 0;
      if (c.offset > bytes.size() || n > bytes.size() - c.offset) {
        errors.append(error(Code::backend, "constant " + c.hash + " does not fit the constants block"));
        continue;
      }
      if (n != 0)
        std::copy_n(reinterpret_cast<const char*>(c.array->data()), n,
                    bytes.begin() + static_cast<ptrdiff_t>(c.offset));
    }
    g->setInitializer(llvm::ConstantDataArray::getString(context, bytes, false));
  }
  return g;
}

llvm::Constant* ModuleEmitter::dummy() {
  const std::string name = own_symbol(options.prefix, "zeros");
  if (llvm::GlobalVariable* g = llvm_module.getNamedGlobal(name)) return g;
  auto* type = llvm::ArrayType::get(llvm::Type::getInt64Ty(context), 1);
  auto* g = new llvm::GlobalVariable(llvm_module, type, true, llvm::GlobalValue::InternalLinkage,
                                     llvm::Constant::getNullValue(type), name);
  g->setAlignment(llvm::Align(8));
  return g;
}

// The failure with the least (place, detail) stays, whatever the order of chunks. The code's word is the
// lock: its high bit is set while someone writes. No one waits for another's chunk, only for a few
// instructions.
llvm::Function* ModuleEmitter::record_failure() {
  const std::string name = own_symbol(options.prefix, "record_failure");
  if (llvm::Function* f = llvm_module.getFunction(name)) return f;
  llvm::IRBuilder<> b(context);
  llvm::Function* f =
      new_function(name,
                   llvm::FunctionType::get(
                       b.getVoidTy(), {b.getPtrTy(), b.getInt32Ty(), b.getInt32Ty(), b.getInt64Ty()}, false),
                   false);
  f->setLinkage(llvm::GlobalValue::InternalLinkage);
  f->addFnAttr(llvm::Attribute::NoInline);
  f->addFnAttr(llvm::Attribute::Cold);
  llvm::Value *status = f->getArg(0), *code = f->getArg(1), *place = f->getArg(2), *detail = f->getArg(3);
  auto* entry = BasicBlock::Create(context, "entry", f);
  auto* lock = BasicBlock::Create(context, "lock", f);
  auto* locked = BasicBlock::Create(context, "locked", f);
  auto* write = BasicBlock::Create(context, "write", f);
  auto* unlock = BasicBlock::Create(context, "unlock", f);
  llvm::Constant* busy = b.getInt32(0x80000000u);
  b.SetInsertPoint(entry);
  b.CreateBr(lock);
  b.SetInsertPoint(lock);
  llvm::Value* old = b.CreateAtomicRMW(llvm::AtomicRMWInst::Or, status, busy, llvm::Align(4),
                                       llvm::AtomicOrdering::AcquireRelease);
  b.CreateCondBr(b.CreateICmpSLT(old, b.getInt32(0)), lock, locked);
  b.SetInsertPoint(locked);
  llvm::Value* place_at = b.CreateConstGEP1_64(b.getInt8Ty(), status, 4);
  llvm::Value* detail_at = b.CreateConstGEP1_64(b.getInt8Ty(), status, 8);
  llvm::Value* old_place = b.CreateAlignedLoad(b.getInt32Ty(), place_at, llvm::Align(4));
  llvm::Value* old_detail = b.CreateAlignedLoad(b.getInt64Ty(), detail_at, llvm::Align(8));
  llvm::Value* less =
      b.CreateOr(b.CreateICmpULT(place, old_place),
                 b.CreateAnd(b.CreateICmpEQ(place, old_place), b.CreateICmpSLT(detail, old_detail)));
  b.CreateCondBr(b.CreateOr(less, b.CreateICmpEQ(old, b.getInt32(0))), write, unlock);
  b.SetInsertPoint(write);
  b.CreateAlignedStore(place, place_at, llvm::Align(4));
  b.CreateAlignedStore(detail, detail_at, llvm::Align(8));
  b.CreateBr(unlock);
  b.SetInsertPoint(unlock);
  llvm::PHINode* final_code = b.CreatePHI(b.getInt32Ty(), 2);
  final_code->addIncoming(old, locked);
  final_code->addIncoming(code, write);
  b.CreateAlignedStore(final_code, status, llvm::Align(4))->setAtomic(llvm::AtomicOrdering::Release);
  b.CreateRetVoid();
  return f;
}

namespace {

void emit_kernel(ModuleEmitter& m, const Function& function) {
  llvm::Function* fn = m.declare_kernel(function);
  const Analysis analysis = analyse(function);
  FunctionEmitter e(m, function, analysis, fn);
  e.bind_parameters(fn);
  for (kernel::VarId v : function.scratch) {
    const kernel::Var& x = function.var(v);
    const uint64_t bytes = static_cast<uint64_t>(x.value) * dtype_bytes(x.dtype);
    llvm::AllocaInst* memory = e.alloca_bytes(bytes, 64);
    // A dump that was edited may read what nothing wrote.
    if (m.module.edited) e.builder().CreateMemSet(memory, e.builder().getInt8(0), bytes, llvm::Align(64));
    e.bind(v, memory);
  }
  if (m.facts.status.at(&function)) e.status = fn->getArg(fn->arg_size() - 1);
  e.leave = BasicBlock::Create(m.context, "leave", fn);
  e.emit(function.body);
  e.builder().CreateBr(e.leave);
  e.builder().SetInsertPoint(e.leave);
  e.builder().CreateRetVoid();
}

bool takes_constants(const kernel::Module& module) {
  for (const kernel::Entry& e : module.entries)
    for (const kernel::EntryParam& p : e.params)
      if (p.role == kernel::ParamRole::constants) return true;
  return false;
}

}  // namespace

Result<std::unique_ptr<llvm::Module>> generate(const kernel::Module& module,
                                               std::span<const Function* const> functions, bool constants,
                                               const target::Target& target, llvm::LLVMContext& context,
                                               const Options& options) {
  for (const Function& f : module.functions)
    for (const kernel::Var& v : f.vars)
      if (v.dtype == DType::f16 || v.dtype == DType::bf16)
        return error(Code::dtype_unsupported,
                     f.name + ": " + std::string(dtype_name(v.dtype)) + " is not computed with");
  auto result = std::make_unique<llvm::Module>(module.name.empty() ? "tenon" : module.name, context);
  result->setTargetTriple(std::string(target.family->triple));
  result->setDataLayout(std::string(target.family->data_layout));
  result->setPICLevel(llvm::PICLevel::BigPIC);
  const ModuleFacts facts = module_facts(module);
  ModuleEmitter m{module, target, options, facts, context, *result, {}};
  std::vector<const Function*> all;
  if (functions.empty()) {
    for (const Function& f : module.functions) all.push_back(&f);
    functions = all;
  }
  for (const Function* f : functions) {
    if (f->procedure) emit_procedure(m, *f);
    if (!f->runs_phases()) emit_kernel(m, *f);
    for (const kernel::Entry& entry : module.entries) {
      if (f->entry && entry.function == f->name) emit_entry(m, entry, *f);
      if (!f->entry && entry.arena_function == f->name) emit_arena(m, entry, *f);
    }
  }
  // Where all constants are empty, entries name the block all the same.
  if (constants && (module.constant_bytes != 0 || takes_constants(module))) m.constants_block(true);
  if (constants && options.beside) options.beside(m);
  if (!m.errors.empty()) return std::move(m.errors);
  std::string broken;
  llvm::raw_string_ostream out(broken);
  if (llvm::verifyModule(*result, &out)) return error(Code::backend, "generated code is invalid: " + broken);
  return result;
}

}  // namespace tenon::codegen
