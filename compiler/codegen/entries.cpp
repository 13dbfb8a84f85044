// Entries. A phase becomes a task over a frame of captured values. The caller runs the entry's control flow;
// a phase runs inline, through `run`, or, where the host offers a team, by all workers: one fork for the
// whole entry, in which worker 0 runs the control flow and the others take chunks of whatever phase is open.
// The end of a phase waits for its chunks, not for workers: one that the system has not scheduled holds
// nobody up until the entry returns.
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <algorithm>

#include "codegen/emitter.h"

namespace tenon::codegen {
using kernel::EntryParam;
using kernel::ParamRole;
using kernel::Stmt;
using llvm::BasicBlock;

namespace {

constexpr uint32_t round_nearest_no_flush = 0x1f80;
constexpr uint64_t most_chunks = uint64_t{1} << 23;  // of a phase that threads share
// The team's frame, words that several workers write on lines of their own.
//   claim: number of the phase (16 bits), its chunks n (24), the next chunk to take (24)
constexpr uint64_t frame_slots = 0, frame_status = 8, frame_parallel = 16, frame_task = 24, frame_args = 32,
                   frame_claim = 64, frame_done = 128, frame_finished = 192, frame_bytes = 256;
constexpr uint64_t parallel_chunks = 32;  // runtime/abi.h: Parallel::chunks
constexpr uint64_t claim_mask = 0xffffff, claim_n = 24, claim_phase = 48;

llvm::Value* byte_offset(llvm::IRBuilderBase& b, llvm::Value* base, uint64_t offset) {
  return b.CreateConstGEP1_64(b.getInt8Ty(), base, offset);
}

// The floating-point control word: set where it is not what generated code means, restored on leaving.
class ControlWord {
 public:
  ControlWord(llvm::IRBuilderBase& b, llvm::Value* slots) : b_(b), old_(slots) {
    llvm::LLVMContext& context = b.getContext();
    llvm::Function* fn = b.GetInsertBlock()->getParent();
    b.CreateIntrinsic(llvm::Intrinsic::x86_sse_stmxcsr, {}, {old_});
    llvm::Value* word = b.CreateAlignedLoad(b.getInt32Ty(), old_, llvm::Align(4));
    differs_ =
        b.CreateICmpNE(b.CreateAnd(word, ~uint64_t{0x3f} & 0xffffffff), b.getInt32(round_nearest_no_flush));
    auto* set = BasicBlock::Create(context, "set", fn);
    auto* go_on = BasicBlock::Create(context, "body", fn);
    b.CreateCondBr(differs_, set, go_on);
    b.SetInsertPoint(set);
    llvm::Value* fresh = byte_offset(b, slots, 4);
    b.CreateAlignedStore(b.getInt32(round_nearest_no_flush), fresh, llvm::Align(4));
    b.CreateIntrinsic(llvm::Intrinsic::x86_sse_ldmxcsr, {}, {fresh});
    b.CreateBr(go_on);
    b.SetInsertPoint(go_on);
  }
  void restore() {
    llvm::Function* fn = b_.GetInsertBlock()->getParent();
    auto* reset = BasicBlock::Create(b_.getContext(), "reset", fn);
    auto* go_on = BasicBlock::Create(b_.getContext(), "end", fn);
    b_.CreateCondBr(differs_, reset, go_on);
    b_.SetInsertPoint(reset);
    b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_ldmxcsr, {}, {old_});
    b_.CreateBr(go_on);
    b_.SetInsertPoint(go_on);
  }

 private:
  llvm::IRBuilderBase& b_;
  llvm::Value* old_;
  llvm::Value* differs_;
};

llvm::LoadInst* load_acquire(llvm::IRBuilderBase& b, llvm::Type* type, llvm::Value* p) {
  llvm::LoadInst* load = b.CreateAlignedLoad(type, p, llvm::Align(8));
  load->setAtomic(llvm::AtomicOrdering::Acquire);
  return load;
}
void store_release(llvm::IRBuilderBase& b, llvm::Value* v, llvm::Value* p) {
  b.CreateAlignedStore(v, p, llvm::Align(8))->setAtomic(llvm::AtomicOrdering::Release);
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
        b.CreateIntrinsic(llvm::Intrinsic::x86_sse2_pause, {}, {});
        b.CreateBr(wait);
        b.SetInsertPoint(out);
        add_taken(b, frame, b.getInt64(0), taken);
        b.CreateRetVoid();
      });
}

// help(frame, worker): takes chunks of open phases until the entry is finished.
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
    ControlWord word(b, words);
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
    b.CreateIntrinsic(llvm::Intrinsic::x86_sse2_pause, {}, {});
    b.CreateBr(look);
    b.SetInsertPoint(out);
    add_taken(b, frame, b.CreateZExt(f->getArg(1), b.getInt64Ty()), taken);
    word.restore();
    b.CreateRetVoid();
  });
}

}  // namespace

struct EntryEmitter {
  ModuleEmitter& m;
  const kernel::Entry& entry;
  const kernel::Function& function;
  Analysis analysis;
  std::string symbol;
  llvm::IRBuilder<> types;

  struct Task {
    llvm::Function *body, *task;
    std::vector<uint32_t> captured;
  };
  std::map<const Stmt*, Task> tasks;

  EntryEmitter(ModuleEmitter& module, const kernel::Entry& e, const kernel::Function& f)
      : m(module),
        entry(e),
        function(f),
        analysis(analyse(f)),
        symbol(entry_symbol(m.options.prefix, e.name)),
        types(m.context) {}

  bool bind_parameters(FunctionEmitter& e, llvm::Value* slots) {
    if (entry.params.size() != function.params.size()) {
      m.refuse(function, "entry " + entry.name + " and its function differ in the number of parameters");
      return false;
    }
    llvm::IRBuilderBase& b = e.builder();
    if (takes_record(function)) mark_record(llvm::cast<llvm::Argument>(slots), entry.params.size() - 1);
    uint64_t slot = 0;
    for (size_t i = 0; i < function.params.size(); ++i) {
      const kernel::Var& var = function.var(function.params[i]);
      if (entry.params[i].role == ParamRole::constants) {
        e.bind(function.params[i], m.constants_block(false));
        continue;
      }
      if (takes_record(function)) {
        e.bind_slot(function.params[i], slots, slot++);
        continue;
      }
      llvm::Value* address = byte_offset(b, slots, 8 * slot++);
      e.bind(function.params[i], b.CreateAlignedLoad(m.parameter_type(var), address, llvm::Align(8)));
    }
    return true;
  }

  const Task& task_of(const Stmt& s) {
    const auto found = tasks.find(&s);
    if (found != tasks.end()) return found->second;
    Task t;
    for (uint32_t v : used_variables(function, analysis, s.body))
      if (v != s.var.index && function.vars[v].kind != kernel::VarKind::fixed) t.captured.push_back(v);
    const std::string name =
        own_symbol(m.options.prefix, "task", entry.name + "." + std::to_string(tasks.size()));
    t.body = m.new_function(
        name + ".body",
        llvm::FunctionType::get(types.getVoidTy(), {types.getPtrTy(), types.getInt64Ty()}, false), false);
    t.task = m.new_function(
        name,
        llvm::FunctionType::get(types.getVoidTy(), {types.getPtrTy(), types.getInt32Ty(), types.getInt32Ty()},
                                false),
        false);
    t.body->setLinkage(llvm::GlobalValue::InternalLinkage);
    t.task->setLinkage(llvm::GlobalValue::InternalLinkage);
    {
      FunctionEmitter e(m, function, analysis, t.body);
      llvm::IRBuilderBase& b = e.builder();
      uint64_t slot = 0;
      auto next = [&](llvm::Type* type) {
        return b.CreateAlignedLoad(type, byte_offset(b, t.body->getArg(0), 8 * slot++), llvm::Align(8));
      };
      for (uint32_t v : t.captured) {
        const kernel::Var& var = function.vars[v];
        if (t.captured.size() > most_arguments && var.extents.empty()) {
          e.bind_slot(kernel::VarId(size_t{v}), t.body->getArg(0), slot++);
          continue;
        }
        std::vector<llvm::Value*> values;
        for (size_t i = 0; i < elements(v); ++i) values.push_back(next(m.parameter_type(var)));
        e.bind_elements(kernel::VarId(size_t{v}), std::move(values));
      }
      e.status = next(b.getPtrTy());
      e.bind(s.var, t.body->getArg(1));
      e.emit(s.body);
      e.builder().CreateRetVoid();
    }
    {
      llvm::IRBuilder<> b(BasicBlock::Create(m.context, "entry", t.task));
      llvm::AllocaInst* words = b.CreateAlloca(b.getInt64Ty());
      ControlWord word(b, words);
      b.CreateCall(t.body, {t.task->getArg(0), b.CreateZExt(t.task->getArg(1), b.getInt64Ty())});
      word.restore();
      b.CreateRetVoid();
    }
    return tasks.emplace(&s, std::move(t)).first->second;
  }

  size_t elements(uint32_t v) const {
    size_t n = 1;
    for (kernel::ExprId e : function.vars[v].extents) n *= static_cast<size_t>(function.expr(e).bits);
    return n;
  }

  // Fills the frame of a phase in the current function.
  llvm::Value* fill_frame(FunctionEmitter& e, const Task& t) {
    std::vector<FunctionEmitter::Passed> values;
    for (uint32_t v : t.captured) {
      if (function.vars[v].extents.empty()) {
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

  llvm::Value* chunk_count(FunctionEmitter& e, const Stmt& s) {
    llvm::Value* n = e.scalar(s.hi);
    return e.builder().CreateBinaryIntrinsic(llvm::Intrinsic::smax, n, e.builder().getInt64(0));
  }

  // Whether a host lends threads: parallel != null && parallel->workers > 1.
  llvm::Value* many_workers(llvm::IRBuilderBase& b, llvm::Value* parallel) {
    llvm::Value* given = b.CreateICmpNE(parallel, llvm::ConstantPointerNull::get(b.getPtrTy()));
    llvm::Value* safe = b.CreateSelect(given, byte_offset(b, parallel, 8), m.dummy());
    return b.CreateICmpUGT(b.CreateAlignedLoad(b.getInt32Ty(), safe, llvm::Align(4)), b.getInt32(1));
  }

  // One phase: by the team, through `run`, or inline.
  void phase(const Stmt& s, FunctionEmitter& e, llvm::Value* parallel, llvm::Value* many, llvm::Value* team) {
    const Task& t = task_of(s);
    llvm::Value* n = chunk_count(e, s);
    llvm::Value* frame = fill_frame(e, t);
    llvm::IRBuilderBase& b = e.builder();
    llvm::Function* fn = b.GetInsertBlock()->getParent();
    auto* lent = BasicBlock::Create(m.context, "lent", fn);
    auto* lead = BasicBlock::Create(m.context, "lead", fn);
    auto* run = BasicBlock::Create(m.context, "run", fn);
    auto* alone = BasicBlock::Create(m.context, "alone", fn);
    auto* done = BasicBlock::Create(m.context, "phase", fn);
    llvm::Value* several =
        b.CreateAnd(b.CreateICmpUGT(n, b.getInt64(1)), b.CreateICmpULE(n, b.getInt64(most_chunks)));
    b.CreateCondBr(b.CreateAnd(many, several), lent, alone);
    b.SetInsertPoint(lent);
    b.CreateCondBr(b.CreateICmpNE(team, llvm::ConstantPointerNull::get(b.getPtrTy())), lead, run);
    b.SetInsertPoint(lead);
    b.CreateCall(lead_function(m), {team, t.body, frame, n});
    b.CreateBr(done);
    b.SetInsertPoint(run);
    auto* run_type = llvm::FunctionType::get(
        b.getVoidTy(), {b.getPtrTy(), b.getInt32Ty(), b.getPtrTy(), b.getPtrTy()}, false);
    llvm::Value* context = b.CreateAlignedLoad(b.getPtrTy(), parallel, llvm::Align(8));
    llvm::Value* callback = b.CreateAlignedLoad(b.getPtrTy(), byte_offset(b, parallel, 16), llvm::Align(8));
    b.CreateCall(run_type, callback, {context, b.CreateTrunc(n, b.getInt32Ty()), t.task, frame});
    b.CreateBr(done);
    b.SetInsertPoint(alone);
    e.plain_loop(n, [&](llvm::Value* i) { b.CreateCall(t.body, {frame, i}); });
    b.CreateBr(done);
    b.SetInsertPoint(done);
    e.memory_changed();
  }

  // control(slots, parallel, status, team, many): the entry's control flow.
  llvm::Function* control_function() {
    llvm::Type* p = types.getPtrTy();
    llvm::Function* fn = m.new_function(
        own_symbol(m.options.prefix, "control", entry.name),
        llvm::FunctionType::get(types.getVoidTy(), {p, p, p, p, types.getInt1Ty()}, false), false);
    fn->setLinkage(llvm::GlobalValue::InternalLinkage);
    FunctionEmitter e(m, function, analysis, fn);
    llvm::Value *parallel = fn->getArg(1), *team = fn->getArg(3), *many = fn->getArg(4);
    e.status = fn->getArg(2);
    body(e, fn->getArg(0), [&, parallel, team, many](const Stmt& s, FunctionEmitter& inner) {
      phase(s, inner, parallel, many, team);
    });
    e.builder().CreateRetVoid();
    return fn;
  }

  // The statements between setting and restoring the control word.
  void body(FunctionEmitter& e, llvm::Value* slots,
            std::function<void(const Stmt&, FunctionEmitter&)> on_parallel) {
    llvm::IRBuilderBase& b = e.builder();
    ControlWord word(b, e.alloca_bytes(8, 4));
    if (!bind_parameters(e, slots)) return;
    e.leave = BasicBlock::Create(m.context, "leave", b.GetInsertBlock()->getParent());
    e.on_parallel = std::move(on_parallel);
    e.emit(function.body);
    b.CreateBr(e.leave);
    b.SetInsertPoint(e.leave);
    word.restore();
  }

  // team(frame, worker): worker 0 runs the control flow, the others help.
  llvm::Function* team_function(llvm::Function* control) {
    llvm::Function* fn = m.new_function(
        own_symbol(m.options.prefix, "team", entry.name),
        llvm::FunctionType::get(types.getVoidTy(), {types.getPtrTy(), types.getInt32Ty()}, false), false);
    fn->setLinkage(llvm::GlobalValue::InternalLinkage);
    llvm::IRBuilder<> b(BasicBlock::Create(m.context, "entry", fn));
    auto* first = BasicBlock::Create(m.context, "first", fn);
    auto* other = BasicBlock::Create(m.context, "other", fn);
    llvm::Value* frame = fn->getArg(0);
    b.CreateCondBr(b.CreateICmpEQ(fn->getArg(1), b.getInt32(0)), first, other);
    b.SetInsertPoint(first);
    auto word = [&](uint64_t at) {
      return b.CreateAlignedLoad(b.getPtrTy(), byte_offset(b, frame, at), llvm::Align(8));
    };
    b.CreateCall(control, {word(frame_slots), word(frame_parallel), word(frame_status), frame, b.getTrue()});
    store_release(b, b.getInt64(1), byte_offset(b, frame, frame_finished));
    b.CreateRetVoid();
    b.SetInsertPoint(other);
    b.CreateCall(help_function(m), {frame, fn->getArg(1)});
    b.CreateRetVoid();
    return fn;
  }

  // Is a phase's number of chunks an expression of parameters alone, so that it can be known at the start?
  bool of_parameters(kernel::ExprId id) const {
    const kernel::Expr& x = function.expr(id);
    if (x.op == kernel::Op::load || x.op == kernel::Op::address) return false;
    if (x.op == kernel::Op::variable && function.var(x.var).kind != kernel::VarKind::scalar &&
        function.var(x.var).kind != kernel::VarKind::fixed)
      return false;
    for (kernel::ExprId a : x.args)
      if (!of_parameters(a)) return false;
    return true;
  }
  // Whether any phase has more than one chunk: else threads would have nothing to do.
  llvm::Value* worth_lending(FunctionEmitter& e, const std::vector<Stmt>& body, llvm::Value* so_far) {
    for (const Stmt& s : body) {
      if (s.kind == kernel::StmtKind::parallel) {
        if (!of_parameters(s.hi)) return e.builder().getTrue();
        llvm::Value* several = e.builder().CreateICmpSGT(e.scalar(s.hi), e.builder().getInt64(1));
        so_far = e.builder().CreateOr(so_far, several);
      }
      so_far = worth_lending(e, s.body, so_far);
      so_far = worth_lending(e, s.other, so_far);
    }
    return so_far;
  }

  void run() {
    llvm::Function* fn =
        m.new_function(symbol,
                       llvm::FunctionType::get(types.getInt32Ty(),
                                               {types.getPtrTy(), types.getPtrTy(), types.getPtrTy()}, false),
                       true);
    llvm::Value *slots = fn->getArg(0), *parallel = fn->getArg(1), *status = fn->getArg(2);
    FunctionEmitter e(m, function, analysis, fn);
    llvm::IRBuilderBase& b = e.builder();
    e.status = status;
    b.CreateAlignedStore(b.getInt64(0), status, llvm::Align(8));  // code and place
    b.CreateAlignedStore(b.getInt64(0), byte_offset(b, status, 8), llvm::Align(8));
    b.CreateAlignedStore(b.getInt64(0), byte_offset(b, status, 16), llvm::Align(8));
    if (!analysis.parallel) {
      body(e, slots, {});
      b.CreateRet(b.CreateAlignedLoad(b.getInt32Ty(), status, llvm::Align(4)));
      return;
    }
    if (!bind_parameters(e, slots)) return;
    auto* out = BasicBlock::Create(m.context, "out", fn);
    auto* lent = BasicBlock::Create(m.context, "lent", fn);
    auto* team = BasicBlock::Create(m.context, "team", fn);
    auto* direct = BasicBlock::Create(m.context, "direct", fn);
    llvm::Value* null = llvm::ConstantPointerNull::get(b.getPtrTy());
    llvm::Function* control = control_function();
    llvm::Value* many = b.CreateAnd(many_workers(b, parallel), worth_lending(e, function.body, b.getFalse()));
    BasicBlock* start = b.GetInsertBlock();
    b.CreateCondBr(many, lent, direct);
    b.SetInsertPoint(lent);
    llvm::Value* callback = b.CreateAlignedLoad(b.getPtrTy(), byte_offset(b, parallel, 24), llvm::Align(8));
    b.CreateCondBr(b.CreateICmpNE(callback, null), team, direct);
    b.SetInsertPoint(team);
    llvm::AllocaInst* frame = e.alloca_bytes(frame_bytes, 64);
    b.CreateAlignedStore(slots, byte_offset(b, frame, frame_slots), llvm::Align(8));
    b.CreateAlignedStore(status, byte_offset(b, frame, frame_status), llvm::Align(8));
    b.CreateAlignedStore(parallel, byte_offset(b, frame, frame_parallel), llvm::Align(8));
    for (uint64_t word : {frame_claim, frame_done, frame_finished})
      b.CreateAlignedStore(b.getInt64(0), byte_offset(b, frame, word), llvm::Align(8));
    auto* type = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), b.getPtrTy(), b.getPtrTy()}, false);
    llvm::Value* context = b.CreateAlignedLoad(b.getPtrTy(), parallel, llvm::Align(8));
    b.CreateCall(type, callback, {context, team_function(control), frame});
    b.CreateBr(out);
    b.SetInsertPoint(direct);
    llvm::PHINode* through_run = b.CreatePHI(b.getInt1Ty(), 2);
    through_run->addIncoming(b.getFalse(), start);
    through_run->addIncoming(b.getTrue(), lent);
    b.CreateCall(control, {slots, parallel, status, null, through_run});
    b.CreateBr(out);
    b.SetInsertPoint(out);
    b.CreateRet(b.CreateAlignedLoad(b.getInt32Ty(), status, llvm::Align(4)));
  }
};

void emit_entry(ModuleEmitter& m, const kernel::Entry& entry, const kernel::Function& function) {
  EntryEmitter(m, entry, function).run();
}

void emit_arena(ModuleEmitter& m, const kernel::Entry& entry, const kernel::Function& function) {
  llvm::IRBuilder<> b(m.context);
  llvm::Function* fn = m.new_function(arena_symbol(m.options.prefix, entry.name),
                                      llvm::FunctionType::get(b.getInt64Ty(), {b.getPtrTy()}, false), true);
  b.SetInsertPoint(BasicBlock::Create(m.context, "entry", fn));
  llvm::AllocaInst* result = b.CreateAlloca(b.getInt64Ty());
  b.CreateStore(b.getInt64(0), result);
  std::vector<llvm::Value*> args;
  uint64_t dim = 0;
  for (kernel::VarId p : function.params) {
    if (function.var(p).kind == kernel::VarKind::buffer) {
      args.push_back(result);
    } else {
      args.push_back(
          b.CreateAlignedLoad(b.getInt64Ty(), byte_offset(b, fn->getArg(0), 8 * dim++), llvm::Align(8)));
    }
  }
  bool fits = dim == entry.dims.size() && !m.facts.status.at(&function);
  for (size_t i = 0; fits && i < args.size(); ++i)
    fits = m.parameter_type(function.var(function.params[i])) == args[i]->getType();
  if (!fits) return m.refuse(function, "is no arena function of entry " + entry.name);
  if (takes_record(function)) {
    llvm::Value* record = b.CreateAlloca(b.getInt64Ty(), b.getInt64(args.size()));
    for (size_t i = 0; i < args.size(); ++i)
      b.CreateAlignedStore(args[i], byte_offset(b, record, 8 * i), llvm::Align(8));
    args = {record};
  }
  b.CreateCall(m.declare_kernel(function), args);
  b.CreateRet(b.CreateLoad(b.getInt64Ty(), result));
}

}  // namespace tenon::codegen
