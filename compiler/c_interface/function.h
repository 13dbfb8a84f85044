// One C function of the generated header under construction: each check leaves with its status where it
// fails. Private to the files that emit them.
#pragma once

#include <llvm/IR/Intrinsics.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "c_interface/interface.h"
#include "codegen/emitter.h"
#include "ir/dim.h"
#include "runtime/abi.h"

namespace tenon::c_interface {
using namespace codegen;

inline uint64_t c_state_bytes(const ModuleEmitter& m) {
  return std::max<uint64_t>(m.module.state_bytes, sizeof(runtime::StateHeader));
}

// bool (): whether the processor, and the operating system, have all the target needs. It runs anywhere.
llvm::Function* cpu_function(ModuleEmitter& m);

void emit_entry_function(ModuleEmitter& m, const CEntry& e);
void emit_init(ModuleEmitter& m, const CInterface& c);
void emit_check(ModuleEmitter& m);
void emit_tensors(ModuleEmitter& m);

class CFunction {
 public:
  CFunction(ModuleEmitter& m, const std::string& name, llvm::Type* result, std::vector<llvm::Type*> params)
      : m_(m),
        b_(m.context),
        fn_(m.new_function(name, llvm::FunctionType::get(result, params, false), true)) {
    b_.SetInsertPoint(llvm::BasicBlock::Create(m.context, "entry", fn_));
  }
  llvm::IRBuilder<>& b() { return b_; }
  llvm::Value* arg(unsigned i) { return fn_->getArg(i); }

  void refuse_if(llvm::Value* bad, CStatus status) {
    auto* leave = llvm::BasicBlock::Create(m_.context, "refuse", fn_);
    auto* go_on = llvm::BasicBlock::Create(m_.context, "ok", fn_);
    b_.CreateCondBr(bad, leave, go_on);
    b_.SetInsertPoint(leave);
    b_.CreateRet(b_.getInt32(static_cast<uint32_t>(status)));
    b_.SetInsertPoint(go_on);
  }
  void own_cpu() { refuse_if(b_.CreateNot(b_.CreateCall(cpu_function(m_))), CStatus::cpu); }
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

  // Two stretches of memory, neither of which is empty, with a byte in common.
  void refuse_overlap(llvm::Value* a, llvm::Value* a_bytes, llvm::Value* b, llvm::Value* b_bytes) {
    llvm::Type* word = b_.getInt64Ty();
    llvm::Value *from_a = b_.CreatePtrToInt(a, word), *from_b = b_.CreatePtrToInt(b, word);
    llvm::Value* bad = b_.CreateAnd(b_.CreateICmpULT(from_a, b_.CreateAdd(from_b, b_bytes)),
                                    b_.CreateICmpULT(from_b, b_.CreateAdd(from_a, a_bytes)));
    bad = b_.CreateAnd(bad, b_.CreateICmpNE(a_bytes, b_.getInt64(0)));
    refuse_if(b_.CreateAnd(bad, b_.CreateICmpNE(b_bytes, b_.getInt64(0))), CStatus::overlap);
  }

  // Code that follows stands in a block of its own, since scheduling is quadratic in a block. A plain branch
  // would be merged away: argument 0 was tested before, which LLVM does not see at this stage.
  void next_block() { not_null(arg(0)); }

  // The value of a dimension, i64, or null where none has the name.
  using Sizes = std::function<llvm::Value*(const std::string&)>;

  // A dimension expression over the values of dimensions; quotients round down.
  llvm::Value* extent(const ir::Dim& dim, const Sizes& values) {
    llvm::Value* sum = b_.getInt64(static_cast<uint64_t>(dim.offset()));
    for (const ir::Dim::Term& term : dim.terms()) {
      llvm::Value* product = b_.getInt64(static_cast<uint64_t>(term.coefficient));
      for (const ir::Dim::Atom& atom : term.factors) product = b_.CreateMul(product, factor(atom, values));
      sum = b_.CreateAdd(sum, product);
    }
    return sum;
  }
  // Bytes of a parameter's tensor.
  llvm::Value* bytes_of(const kernel::EntryParam& p, const Sizes& values) {
    llvm::Value* bytes = b_.getInt64(dtype_bytes(p.dtype));
    for (const std::string& text : p.shape) {
      Result<ir::Dim> dim = ir::parse_dim(text, nullptr);
      if (!dim) {
        m_.errors.append(dim.take_errors());
        continue;
      }
      bytes = b_.CreateMul(bytes, extent(*dim, values));
    }
    return bytes;
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
    store(b_.getInt64(c_state_bytes(m_)), state, 16);
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
    const std::string name = entry_symbol(m_.options.prefix, entry.name);
    llvm::Function* f = m_.llvm_module.getFunction(name);
    auto* type =
        llvm::FunctionType::get(b_.getInt32Ty(), {b_.getPtrTy(), b_.getPtrTy(), b_.getPtrTy()}, false);
    if (f == nullptr) f = m_.new_function(name, type, true);
    return b_.CreateCall(f, {slots, parallel, status});
  }
  // dim(i), i64: the dimensions in the entry's order.
  llvm::Value* call_arena(const kernel::Entry& entry, size_t dims,
                          const std::function<llvm::Value*(size_t)>& dim) {
    if (m_.module.find(entry.arena_function) == nullptr) return b_.getInt64(0);
    const std::string name = arena_symbol(m_.options.prefix, entry.name);
    llvm::Function* f = m_.llvm_module.getFunction(name);
    if (f == nullptr)
      f = m_.new_function(name, llvm::FunctionType::get(b_.getInt64Ty(), {b_.getPtrTy()}, false), true);
    llvm::Value* array = b_.CreateAlloca(b_.getInt64Ty(), b_.getInt64(std::max<size_t>(dims, 1)));
    for (size_t i = 0; i < dims; ++i) store(dim(i), array, 8 * i);
    return b_.CreateCall(f, {array});
  }

 private:
  llvm::Value* factor(const ir::Dim::Atom& atom, const Sizes& values) {
    if (atom.quotient == nullptr) {
      if (llvm::Value* found = values(atom.name)) return found;
      m_.errors.append(error(Code::backend, "no dimension of the entry is named " + atom.name));
      return b_.getInt64(1);
    }
    llvm::Value *zero = b_.getInt64(0), *one = b_.getInt64(1);
    llvm::Value* a = extent(atom.quotient->first, values);
    llvm::Value* d = extent(atom.quotient->second, values);
    d = b_.CreateSelect(b_.CreateICmpEQ(d, zero), one, d);
    llvm::Value *q = b_.CreateSDiv(a, d), *rest = b_.CreateSub(a, b_.CreateMul(q, d));
    llvm::Value* down =
        b_.CreateAnd(b_.CreateICmpNE(rest, zero), b_.CreateICmpSLT(b_.CreateXor(rest, d), zero));
    return b_.CreateSub(q, b_.CreateZExt(down, b_.getInt64Ty()));
  }

  ModuleEmitter& m_;
  llvm::IRBuilder<> b_;
  llvm::Function* fn_;
};

}  // namespace tenon::c_interface
