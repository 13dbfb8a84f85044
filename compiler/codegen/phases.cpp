#include "codegen/phases.h"

#include <algorithm>

namespace tenon::codegen {
using kernel::Stmt;
using kernel::StmtKind;
using llvm::BasicBlock;

namespace {

constexpr uint64_t most_chunks = uint64_t{1} << 23;  // of a phase that threads share
constexpr uint64_t parallel_chunks = 32;             // runtime/abi.h: Parallel::chunks
constexpr uint64_t claim_mask = 0xffffff, claim_n = 24, claim_phase = 48;

llvm::LoadInst* load_acquire(llvm::IRBuilderBase& b, llvm::Type* type, llvm::Value* p) {
  llvm::LoadInst* load = b.CreateAlignedLoad(type, p, llvm::Align(8));
  load->setAtomic(llvm::AtomicOrdering::Acquire);
  return load;
}
llvm::Value* add_one(llvm::IRBuilderBase& b, llvm::Value* p) {
  return b.CreateAtomicRMW(llvm::AtomicRMWInst::Add, p, b.getInt64(1), llvm::Align(8),
                           llvm::AtomicOrdering::AcquireRelease);
}
llvm::Value* claimed_chunk(llvm::IRBuilderBase& b, llvm::Value* claim) {
  return b.CreateAnd(claim, claim_mask);
}
llvm::Value* claimed_count(llvm::IRBuilderBase& b, llvm::Value* claim) {
  return b.CreateAnd(b.CreateLShr(claim, claim_n), claim_mask);
}
void call_task(llvm::IRBuilderBase& b, llvm::Value* frame, llvm::Value* chunk) {
  // Read after the claim: they belong to the phase it named, which cannot end before this chunk does.
  auto* type = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), b.getInt64Ty()}, false);
  llvm::Value* task = b.CreateAlignedLoad(b.getPtrTy(), byte_offset(b, frame, frame_task), llvm::Align(8));
  llvm::Value* args = b.CreateAlignedLoad(b.getPtrTy(), byte_offset(b, frame, frame_args), llvm::Align(8));
  b.CreateCall(type, task, {args, chunk});
  add_one(b, byte_offset(b, frame, frame_done));
}

// Adds the chunks a worker took to the host's count of them, where it keeps one (Parallel::chunks). Once a
// phase or once an entry: taking a chunk costs nothing for it.
void add_taken(llvm::IRBuilderBase& b, llvm::Value* frame, llvm::Value* worker, llvm::Value* taken) {
  llvm::Function* fn = b.GetInsertBlock()->getParent();
  auto* count = BasicBlock::Create(b.getContext(), "count", fn);
  auto* counted = BasicBlock::Create(b.getContext(), "counted", fn);
  llvm::Value* parallel =
      b.CreateAlignedLoad(b.getPtrTy(), byte_offset(b, frame, frame_parallel), llvm::Align(8));
  llvm::Value* chunks =
      b.CreateAlignedLoad(b.getPtrTy(), byte_offset(b, parallel, parallel_chunks), llvm::Align(8));
  b.CreateCondBr(b.CreateICmpNE(chunks, llvm::ConstantPointerNull::get(b.getPtrTy())), count, counted);
  b.SetInsertPoint(count);
  b.CreateAtomicRMW(llvm::AtomicRMWInst::Add, b.CreateGEP(b.getInt64Ty(), chunks, worker), taken,
                    llvm::Align(8), llvm::AtomicOrdering::Monotonic);
  b.CreateBr(counted);
  b.SetInsertPoint(counted);
}

// A function of this module that all entries share, made on first use by `emit`.
template <class F>
llvm::Function* shared_function(ModuleEmitter& m, const std::string& name, std::vector<llvm::Type*> params,
                                F&& emit) {
  const std::string full = own_symbol(m.options.prefix, name);
  if (llvm::Function* f = m.llvm_module.getFunction(full)) return f;
  auto* type = llvm::FunctionType::get(llvm::Type::getVoidTy(m.context), params, false);
  llvm::Function* f = m.new_function(full, type, false);
  f->setLinkage(llvm::GlobalValue::InternalLinkage);
  f->addFnAttr(llvm::Attribute::NoInline);
  llvm::IRBuilder<> b(BasicBlock::Create(m.context, "entry", f));
  emit(f, b);
  return f;
}

// lead(frame, task, args, n): worker 0 opens a phase of n chunks, takes part, and waits until all are done.
llvm::Function* lead_function(ModuleEmitter& m) {
  llvm::IRBuilder<> t(m.context);
  return shared_function(
      m, "lead", {t.getPtrTy(), t.getPtrTy(), t.getPtrTy(), t.getInt64Ty()}, [&](llvm::Function* f, auto& b) {
        llvm::Value *frame = f->getArg(0), *n = f->getArg(3);
        llvm::Value* claim = byte_offset(b, frame, frame_claim);
        llvm::Value* done = byte_offset(b, frame, frame_done);
        auto* take = BasicBlock::Create(m.context, "take", f);
        auto* run = BasicBlock::Create(m.context, "run", f);
        auto* wait = BasicBlock::Create(m.context, "wait", f);
        auto* spin = BasicBlock::Create(m.context, "spin", f);
        auto* out = BasicBlock::Create(m.context, "out", f);
        b.CreateAlignedStore(f->getArg(1), byte_offset(b, frame, frame_task), llvm::Align(8));
        b.CreateAlignedStore(f->getArg(2), byte_offset(b, frame, frame_args), llvm::Align(8));
        store_release(b, b.getInt64(0), done);
        llvm::Value* old = load_acquire(b, b.getInt64Ty(), claim);
        llvm::Value* phase = b.CreateAdd(b.CreateLShr(old, claim_phase), b.getInt64(1));
        store_release(b, b.CreateOr(b.CreateShl(phase, claim_phase), b.CreateShl(n, claim_n)), claim);
        BasicBlock* start = b.GetInsertBlock();
        b.CreateBr(take);
        b.SetInsertPoint(take);
        llvm::PHINode* taken = b.CreatePHI(b.getInt64Ty(), 2);
        taken->addIncoming(b.getInt64(0), start);
        llvm::Value* chunk = claimed_chunk(b, add_one(b, claim));
        b.CreateCondBr(b.CreateICmpULT(chunk, n), run, wait);
        b.SetInsertPoint(run);
        call_task(b, frame, chunk);
        taken->addIncoming(b.CreateAdd(taken, b.getInt64(1)), run);
        b.CreateBr(take);
        b.SetInsertPoint(wait);
        b.CreateCondBr(b.CreateICmpEQ(load_acquire(b, b.getInt64Ty(), done), n), out, spin);
        b.SetInsertPoint(spin);
        call_family(b, m.target.family->pause);
        b.CreateBr(wait);
        b.SetInsertPoint(out);
        add_taken(b, frame, b.getInt64(0), taken);
        b.CreateRetVoid();
      });
}

}  // namespace

llvm::Function* help_function(ModuleEmitter& m) {
  llvm::IRBuilder<> t(m.context);
  return shared_function(m, "help", {t.getPtrTy(), t.getInt32Ty()}, [&](llvm::Function* f, auto& b) {
    llvm::Value* frame = f->getArg(0);
    llvm::Value* claim = byte_offset(b, frame, frame_claim);
    auto* look = BasicBlock::Create(m.context, "look", f);
    auto* take = BasicBlock::Create(m.context, "take", f);
    auto* run = BasicBlock::Create(m.context, "run", f);
    auto* idle = BasicBlock::Create(m.context, "idle", f);
    auto* spin = BasicBlock::Create(m.context, "spin", f);
    auto* out = BasicBlock::Create(m.context, "out", f);
    llvm::AllocaInst* words = b.CreateAlloca(b.getInt64Ty());
    ControlWord word(b, *m.target.family, words);
    BasicBlock* start = b.GetInsertBlock();
    b.CreateBr(look);
    b.SetInsertPoint(look);
    llvm::PHINode* taken = b.CreatePHI(b.getInt64Ty(), 4);
    taken->addIncoming(b.getInt64(0), start);
    taken->addIncoming(taken, take);
    taken->addIncoming(taken, spin);
    llvm::Value* seen = load_acquire(b, b.getInt64Ty(), claim);
    b.CreateCondBr(b.CreateICmpULT(claimed_chunk(b, seen), claimed_count(b, seen)), take, idle);
    b.SetInsertPoint(take);
    llvm::Value* mine = add_one(b, claim);
    llvm::Value* chunk = claimed_chunk(b, mine);
    b.CreateCondBr(b.CreateICmpULT(chunk, claimed_count(b, mine)), run, look);
    b.SetInsertPoint(run);
    call_task(b, frame, chunk);
    taken->addIncoming(b.CreateAdd(taken, b.getInt64(1)), run);
    b.CreateBr(look);
    b.SetInsertPoint(idle);
    llvm::Value* finished = load_acquire(b, b.getInt64Ty(), byte_offset(b, frame, frame_finished));
    b.CreateCondBr(b.CreateICmpNE(finished, b.getInt64(0)), out, spin);
    b.SetInsertPoint(spin);
    call_family(b, m.target.family->pause);
    b.CreateBr(look);
    b.SetInsertPoint(out);
    add_taken(b, frame, b.CreateZExt(f->getArg(1), b.getInt64Ty()), taken);
    word.restore();
    b.CreateRetVoid();
  });
}

const Phases::Task& Phases::task_of(const Stmt& s) {
  const auto found = tasks_.find(&s);
  if (found != tasks_.end()) return found->second;
  Task t;
  for (uint32_t v : used_variables(function_, analysis_, s.body))
    if (v != s.var.index && function_.vars[v].kind != kernel::VarKind::fixed) t.captured.push_back(v);
  const std::string name = own_symbol(m_.options.prefix, "task", name_ + "." + std::to_string(tasks_.size()));
  t.body = m_.new_function(
      name + ".body",
      llvm::FunctionType::get(types_.getVoidTy(), {types_.getPtrTy(), types_.getInt64Ty()}, false), false);
  t.task = m_.new_function(
      name,
      llvm::FunctionType::get(types_.getVoidTy(),
                              {types_.getPtrTy(), types_.getInt32Ty(), types_.getInt32Ty()}, false),
      false);
  t.body->setLinkage(llvm::GlobalValue::InternalLinkage);
  t.task->setLinkage(llvm::GlobalValue::InternalLinkage);
  {
    FunctionEmitter e(m_, function_, analysis_, t.body);
    llvm::IRBuilderBase& b = e.builder();
    uint64_t slot = 0;
    auto next = [&](llvm::Type* type) {
      return b.CreateAlignedLoad(type, byte_offset(b, t.body->getArg(0), 8 * slot++), llvm::Align(8));
    };
    for (uint32_t v : t.captured) {
      const kernel::Var& var = function_.vars[v];
      if (t.captured.size() > most_arguments && var.extents.empty()) {
        e.bind_slot(kernel::VarId(size_t{v}), t.body->getArg(0), slot++);
        continue;
      }
      std::vector<llvm::Value*> values;
      for (size_t i = 0; i < elements(v); ++i) values.push_back(next(m_.parameter_type(var)));
      e.bind_elements(kernel::VarId(size_t{v}), std::move(values));
    }
    e.status = next(b.getPtrTy());
    e.bind(s.var, t.body->getArg(1));
    e.emit(s.body);
    e.builder().CreateRetVoid();
  }
  {
    llvm::IRBuilder<> b(BasicBlock::Create(m_.context, "entry", t.task));
    llvm::AllocaInst* words = b.CreateAlloca(b.getInt64Ty());
    ControlWord word(b, *m_.target.family, words);
    b.CreateCall(t.body, {t.task->getArg(0), b.CreateZExt(t.task->getArg(1), b.getInt64Ty())});
    word.restore();
    b.CreateRetVoid();
  }
  return tasks_.emplace(&s, std::move(t)).first->second;
}

size_t Phases::elements(uint32_t v) const {
  size_t n = 1;
  for (kernel::ExprId e : function_.vars[v].extents) n *= static_cast<size_t>(function_.expr(e).bits);
  return n;
}

// Fills the frame of a phase in the current function.
llvm::Value* Phases::fill_frame(FunctionEmitter& e, const Task& t) {
  std::vector<FunctionEmitter::Passed> values;
  for (uint32_t v : t.captured) {
    if (function_.vars[v].extents.empty()) {
      values.push_back(e.passed(kernel::VarId(size_t{v})));
    } else {
      for (llvm::Value* value : e.scalars_of(kernel::VarId(size_t{v}))) values.push_back({.base = value});
    }
  }
  values.push_back({.base = e.status});
  llvm::AllocaInst* frame = e.alloca_bytes(8 * values.size(), 8);
  e.fill_record(frame, values);
  return frame;
}

static llvm::Value* chunk_count(FunctionEmitter& e, const Stmt& s) {
  llvm::Value* n = e.scalar(s.hi);
  return e.builder().CreateBinaryIntrinsic(llvm::Intrinsic::smax, n, e.builder().getInt64(0));
}

void Phases::phase(const Stmt& s, FunctionEmitter& e, const Lent& lent) {
  const Task& t = task_of(s);
  llvm::Value* n = chunk_count(e, s);
  llvm::Value* frame = fill_frame(e, t);
  llvm::IRBuilderBase& b = e.builder();
  llvm::Function* fn = b.GetInsertBlock()->getParent();
  auto* given = BasicBlock::Create(m_.context, "lent", fn);
  auto* lead = BasicBlock::Create(m_.context, "lead", fn);
  auto* run = BasicBlock::Create(m_.context, "run", fn);
  auto* alone = BasicBlock::Create(m_.context, "alone", fn);
  auto* done = BasicBlock::Create(m_.context, "phase", fn);
  llvm::Value* several =
      b.CreateAnd(b.CreateICmpUGT(n, b.getInt64(1)), b.CreateICmpULE(n, b.getInt64(most_chunks)));
  b.CreateCondBr(b.CreateAnd(lent.many, several), given, alone);
  b.SetInsertPoint(given);
  b.CreateCondBr(b.CreateICmpNE(lent.team, llvm::ConstantPointerNull::get(b.getPtrTy())), lead, run);
  b.SetInsertPoint(lead);
  b.CreateCall(lead_function(m_), {lent.team, t.body, frame, n});
  b.CreateBr(done);
  b.SetInsertPoint(run);
  auto* run_type = llvm::FunctionType::get(b.getVoidTy(),
                                           {b.getPtrTy(), b.getInt32Ty(), b.getPtrTy(), b.getPtrTy()}, false);
  llvm::Value* context = b.CreateAlignedLoad(b.getPtrTy(), lent.parallel, llvm::Align(8));
  llvm::Value* callback =
      b.CreateAlignedLoad(b.getPtrTy(), byte_offset(b, lent.parallel, 16), llvm::Align(8));
  b.CreateCall(run_type, callback, {context, b.CreateTrunc(n, b.getInt32Ty()), t.task, frame});
  b.CreateBr(done);
  b.SetInsertPoint(alone);
  e.plain_loop(n, [&](llvm::Value* i) { b.CreateCall(t.body, {frame, i}); });
  b.CreateBr(done);
  b.SetInsertPoint(done);
  e.memory_changed();
}

// Is a phase's number of chunks an expression of parameters alone, so that it can be known at the start?
bool Phases::of_parameters(kernel::ExprId id) const {
  const kernel::Expr& x = function_.expr(id);
  if (x.op == kernel::Op::load || x.op == kernel::Op::address) return false;
  if (x.op == kernel::Op::variable && function_.var(x.var).kind != kernel::VarKind::scalar &&
      function_.var(x.var).kind != kernel::VarKind::fixed)
    return false;
  for (kernel::ExprId a : x.args)
    if (!of_parameters(a)) return false;
  return true;
}
llvm::Value* Phases::worth_lending(FunctionEmitter& e, const std::vector<Stmt>& body, llvm::Value* so_far) {
  for (const Stmt& s : body) {
    if (s.kind == StmtKind::parallel) {
      if (!of_parameters(s.hi)) return e.builder().getTrue();
      llvm::Value* several = e.builder().CreateICmpSGT(e.scalar(s.hi), e.builder().getInt64(1));
      so_far = e.builder().CreateOr(so_far, several);
    }
    if (s.kind == StmtKind::call) {
      const auto callee = m_.facts.functions.find(s.callee);
      if (callee != m_.facts.functions.end() && m_.facts.phases.at(callee->second)) {
        llvm::Value* several = call_lends(e, s, *callee->second);
        if (several == nullptr) return e.builder().getTrue();
        so_far = e.builder().CreateOr(so_far, several);
      }
    }
    so_far = worth_lending(e, s.body, so_far);
    so_far = worth_lending(e, s.other, so_far);
  }
  return so_far;
}

llvm::Value* Phases::worth_lending(FunctionEmitter& e) {
  return worth_lending(e, function_.body, e.builder().getFalse());
}

namespace {

// lends(sizes...): i1.
llvm::Function* declare_lends(ModuleEmitter& m, const kernel::Function& f) {
  const std::string name = own_symbol(m.options.prefix, "lends", f.name);
  if (llvm::Function* known = m.llvm_module.getFunction(name)) return known;
  llvm::IRBuilder<> b(m.context);
  std::vector<llvm::Type*> params;
  for (kernel::VarId p : f.params)
    if (f.var(p).kind == kernel::VarKind::scalar) params.push_back(m.parameter_type(f.var(p)));
  return m.new_function(name, llvm::FunctionType::get(b.getInt1Ty(), params, false), false);
}

}  // namespace

// Null where an argument is no expression of parameters.
llvm::Value* Phases::call_lends(FunctionEmitter& e, const Stmt& call, const kernel::Function& callee) {
  std::vector<llvm::Value*> args;
  for (size_t i = 0; i < callee.params.size() && i < call.args.size(); ++i) {
    if (callee.var(callee.params[i]).kind != kernel::VarKind::scalar) continue;
    if (!of_parameters(call.args[i])) return nullptr;
    args.push_back(e.scalar(call.args[i]));
  }
  return e.builder().CreateCall(declare_lends(m_, callee), args);
}

void Phases::emit_lends() {
  llvm::Function* fn = declare_lends(m_, function_);
  FunctionEmitter e(m_, function_, analysis_, fn);
  unsigned next = 0;
  for (kernel::VarId p : function_.params)
    if (function_.var(p).kind == kernel::VarKind::scalar) e.bind(p, fn->getArg(next++));
  e.builder().CreateRet(worth_lending(e));
}

}  // namespace tenon::codegen
