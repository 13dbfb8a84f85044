// Phases. One becomes a task over a frame of captured values, which runs inline, through the host's `run`,
// or, where the host offers a team, by all workers: one fork for the whole entry, in which worker 0 runs the
// control flow and the others take chunks of whatever phase is open. The end of a phase waits for its chunks,
// not for workers: one that the system has not scheduled holds nobody up until the entry returns.
#pragma once

#include <llvm/IR/Intrinsics.h>

#include <map>
#include <string>

#include "codegen/emitter.h"

namespace tenon::codegen {

// The team's frame, words that several workers write on lines of their own.
//   claim: number of the phase (16 bits), its chunks n (24), the next chunk to take (24)
inline constexpr uint64_t frame_slots = 0, frame_status = 8, frame_parallel = 16, frame_task = 24,
                          frame_args = 32, frame_claim = 64, frame_done = 128, frame_finished = 192,
                          frame_bytes = 256;

inline llvm::Value* byte_offset(llvm::IRBuilderBase& b, llvm::Value* base, uint64_t offset) {
  return b.CreateConstGEP1_64(b.getInt8Ty(), base, offset);
}

// An intrinsic of the family, by its LLVM name.
inline llvm::CallInst* call_family(llvm::IRBuilderBase& b, std::string_view intrinsic,
                                   llvm::ArrayRef<llvm::Value*> args = {}) {
  return b.CreateIntrinsic(llvm::Function::lookupIntrinsicID(llvm::StringRef(intrinsic)), {}, args);
}

// The floating-point control word: set where it is not what generated code means, restored on leaving.
class ControlWord {
 public:
  ControlWord(llvm::IRBuilderBase& b, const target::Family& family, llvm::Value* slots)
      : b_(b), family_(family), old_(slots) {
    llvm::LLVMContext& context = b.getContext();
    llvm::Function* fn = b.GetInsertBlock()->getParent();
    call_family(b, family.store_float_control, {old_});
    llvm::Value* word = b.CreateAlignedLoad(b.getInt32Ty(), old_, llvm::Align(4));
    differs_ = b.CreateICmpNE(b.CreateAnd(word, ~family.float_flags), b.getInt32(family.float_control));
    auto* set = llvm::BasicBlock::Create(context, "set", fn);
    auto* go_on = llvm::BasicBlock::Create(context, "body", fn);
    b.CreateCondBr(differs_, set, go_on);
    b.SetInsertPoint(set);
    llvm::Value* fresh = byte_offset(b, slots, 4);
    b.CreateAlignedStore(b.getInt32(family.float_control), fresh, llvm::Align(4));
    call_family(b, family.load_float_control, {fresh});
    b.CreateBr(go_on);
    b.SetInsertPoint(go_on);
  }
  void restore() {
    llvm::Function* fn = b_.GetInsertBlock()->getParent();
    auto* reset = llvm::BasicBlock::Create(b_.getContext(), "reset", fn);
    auto* go_on = llvm::BasicBlock::Create(b_.getContext(), "end", fn);
    b_.CreateCondBr(differs_, reset, go_on);
    b_.SetInsertPoint(reset);
    call_family(b_, family_.load_float_control, {old_});
    b_.CreateBr(go_on);
    b_.SetInsertPoint(go_on);
  }

 private:
  llvm::IRBuilderBase& b_;
  const target::Family& family_;
  llvm::Value* old_;
  llvm::Value* differs_;
};

inline llvm::StoreInst* store_release(llvm::IRBuilderBase& b, llvm::Value* v, llvm::Value* p) {
  llvm::StoreInst* store = b.CreateAlignedStore(v, p, llvm::Align(8));
  store->setAtomic(llvm::AtomicOrdering::Release);
  return store;
}

// help(frame, worker): takes chunks of open phases until the entry is finished.
llvm::Function* help_function(ModuleEmitter& m);

// The phases of one entry or procedure.
class Phases {
 public:
  // `name`: of its tasks.
  Phases(ModuleEmitter& m, const kernel::Function& f, const Analysis& analysis, std::string name)
      : m_(m), function_(f), analysis_(analysis), name_(std::move(name)), types_(m.context) {}

  // One phase: by the team, through `run`, or inline.
  void phase(const kernel::Stmt& s, FunctionEmitter& e, const Lent& lent);
  // Whether any phase has more than one chunk: else threads would have nothing to do. i1, from parameters
  // alone.
  llvm::Value* worth_lending(FunctionEmitter& e);
  // The same as a function of the sizes, for those who call a procedure.
  void emit_lends();

 private:
  struct Task {
    llvm::Function *body, *task;
    std::vector<uint32_t> captured;
  };
  const Task& task_of(const kernel::Stmt& s);
  size_t elements(uint32_t v) const;
  llvm::Value* fill_frame(FunctionEmitter& e, const Task& t);
  bool of_parameters(kernel::ExprId e) const;
  llvm::Value* worth_lending(FunctionEmitter& e, const std::vector<kernel::Stmt>& body, llvm::Value* so_far);
  llvm::Value* call_lends(FunctionEmitter& e, const kernel::Stmt& call, const kernel::Function& callee);

  ModuleEmitter& m_;
  const kernel::Function& function_;
  const Analysis& analysis_;
  const std::string name_;
  llvm::IRBuilder<> types_;
  std::map<const kernel::Stmt*, Task> tasks_;
};

}  // namespace tenon::codegen
