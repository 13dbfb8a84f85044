// Entries. A phase becomes a task over a frame of captured values. The caller's form of an entry runs phases
// inline or through `run`; the team's form is the entry's control flow on every worker at once: statements
// that write run on worker 0, chunks are taken from a counter, and barriers stand where one side's writes
// meet the other's reads.
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
// The team's frame: pointers first, then the barrier's words and the chunk counter on lines of their own.
constexpr uint64_t frame_slots = 0, frame_status = 8, frame_workers = 16, frame_arrived = 64,
                   frame_round = 128, frame_chunk = 192, frame_bytes = 256;

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

// void (frame, workers): returns when all workers have come; the last one resets the chunk counter.
llvm::Function* barrier_function(ModuleEmitter& m) {
  const std::string name = m.options.prefix + ".barrier";
  if (llvm::Function* f = m.llvm_module.getFunction(name)) return f;
  llvm::IRBuilder<> b(m.context);
  auto* type = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), b.getInt32Ty()}, false);
  llvm::Function* f = m.new_function(name, type, false);
  f->setLinkage(llvm::GlobalValue::InternalLinkage);
  f->addFnAttr(llvm::Attribute::NoInline);
  auto* entry = BasicBlock::Create(m.context, "entry", f);
  auto* last = BasicBlock::Create(m.context, "last", f);
  auto* wait = BasicBlock::Create(m.context, "wait", f);
  auto* spin = BasicBlock::Create(m.context, "spin", f);
  auto* out = BasicBlock::Create(m.context, "out", f);
  b.SetInsertPoint(entry);
  llvm::Value* arrived = byte_offset(b, f->getArg(0), frame_arrived);
  llvm::Value* round = byte_offset(b, f->getArg(0), frame_round);
  llvm::Value* chunk = byte_offset(b, f->getArg(0), frame_chunk);
  auto atomic_load = [&](llvm::Value* p) {
    llvm::LoadInst* load = b.CreateAlignedLoad(b.getInt32Ty(), p, llvm::Align(4));
    load->setAtomic(llvm::AtomicOrdering::Acquire);
    return load;
  };
  auto atomic_store = [&](llvm::Value* v, llvm::Value* p) {
    b.CreateAlignedStore(v, p, llvm::Align(4))->setAtomic(llvm::AtomicOrdering::Release);
  };
  llvm::Value* current = atomic_load(round);
  llvm::Value* before = b.CreateAtomicRMW(llvm::AtomicRMWInst::Add, arrived, b.getInt32(1), llvm::Align(4),
                                          llvm::AtomicOrdering::AcquireRelease);
  b.CreateCondBr(b.CreateICmpEQ(b.CreateAdd(before, b.getInt32(1)), f->getArg(1)), last, wait);
  b.SetInsertPoint(last);
  atomic_store(b.getInt32(0), arrived);
  atomic_store(b.getInt32(0), chunk);
  atomic_store(b.CreateAdd(current, b.getInt32(1)), round);
  b.CreateRetVoid();
  b.SetInsertPoint(wait);
  b.CreateCondBr(b.CreateICmpEQ(atomic_load(round), current), spin, out);
  b.SetInsertPoint(spin);
  b.CreateIntrinsic(llvm::Intrinsic::x86_sse2_pause, {}, {});
  b.CreateBr(wait);
  b.SetInsertPoint(out);
  b.CreateRetVoid();
  return f;
}

}  // namespace

void FunctionEmitter::barrier() {
  if (team == nullptr || (!team->pending_read && !team->pending_write)) return;
  builder_.CreateCall(barrier_function(m_), {team->frame, team->workers});
  team->pending_read = team->pending_write = false;
  memory_changed();
}

void FunctionEmitter::before_read() {
  if (team == nullptr) return;
  if (team->pending_write) barrier();
  team->pending_read = true;
}

void FunctionEmitter::before_write() {
  if (team != nullptr && team->pending_read) barrier();
}

bool FunctionEmitter::on_worker_zero(const Stmt& s) {
  before_write();
  BasicBlock* zero = block("zero");
  BasicBlock* all = block("all");
  llvm::Instruction* fork =
      builder_.CreateCondBr(builder_.CreateICmpEQ(team->worker, builder_.getInt32(0)), zero, all);
  builder_.SetInsertPoint(zero);
  push_scope(true, fork);
  TeamContext* const saved = team;
  team = nullptr;
  statement(s);
  team = saved;
  pop_scope();
  builder_.CreateBr(all);
  builder_.SetInsertPoint(all);
  team->pending_write = true;
  memory_changed();
  return true;
}

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
        symbol(m.options.prefix + "_entry_" + e.name),
        types(m.context) {}

  bool bind_parameters(FunctionEmitter& e, llvm::Value* slots) {
    if (entry.params.size() != function.params.size()) {
      m.refuse(function, "entry " + entry.name + " and its function differ in the number of parameters");
      return false;
    }
    llvm::IRBuilderBase& b = e.builder();
    uint64_t slot = 0;
    for (size_t i = 0; i < function.params.size(); ++i) {
      const kernel::Var& var = function.var(function.params[i]);
      if (entry.params[i].role == ParamRole::constants) {
        e.bind(function.params[i], m.constants_block(false));
        continue;
      }
      llvm::Value* address = byte_offset(b, slots, 8 * slot++);
      llvm::Type* type = var.kind == kernel::VarKind::buffer ? b.getPtrTy() : m.register_type(var.dtype);
      e.bind(function.params[i], b.CreateAlignedLoad(type, address, llvm::Align(8)));
    }
    return true;
  }

  const Task& task_of(const Stmt& s) {
    const auto found = tasks.find(&s);
    if (found != tasks.end()) return found->second;
    Task t;
    for (uint32_t v : used_variables(function, analysis, s.body))
      if (v != s.var.index && function.vars[v].kind != kernel::VarKind::fixed) t.captured.push_back(v);
    const std::string name = m.options.prefix + ".task." + entry.name + "." + std::to_string(tasks.size());
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
        std::vector<llvm::Value*> values;
        for (size_t i = 0; i < elements(v); ++i)
          values.push_back(
              next(var.kind == kernel::VarKind::buffer ? b.getPtrTy() : m.register_type(var.dtype)));
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
    std::vector<llvm::Value*> values;
    for (uint32_t v : t.captured)
      for (llvm::Value* value : e.scalars_of(kernel::VarId(size_t{v}))) values.push_back(value);
    values.push_back(e.status);
    llvm::AllocaInst* frame = e.alloca_bytes(8 * values.size(), 8);
    for (size_t i = 0; i < values.size(); ++i)
      e.builder().CreateAlignedStore(values[i], byte_offset(e.builder(), frame, 8 * i), llvm::Align(8));
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

  void caller_phase(const Stmt& s, FunctionEmitter& e, llvm::Value* parallel, llvm::Value* many) {
    const Task& t = task_of(s);
    llvm::Value* n = chunk_count(e, s);
    llvm::Value* frame = fill_frame(e, t);
    llvm::IRBuilderBase& b = e.builder();
    llvm::Function* fn = b.GetInsertBlock()->getParent();
    auto* lent = BasicBlock::Create(m.context, "run", fn);
    auto* alone = BasicBlock::Create(m.context, "alone", fn);
    auto* done = BasicBlock::Create(m.context, "phase", fn);
    b.CreateCondBr(b.CreateAnd(many, b.CreateICmpUGT(n, b.getInt64(1))), lent, alone);
    b.SetInsertPoint(lent);
    auto* run_type = llvm::FunctionType::get(
        b.getVoidTy(), {b.getPtrTy(), b.getInt32Ty(), b.getPtrTy(), b.getPtrTy()}, false);
    llvm::Value* context = b.CreateAlignedLoad(b.getPtrTy(), parallel, llvm::Align(8));
    llvm::Value* run = b.CreateAlignedLoad(b.getPtrTy(), byte_offset(b, parallel, 16), llvm::Align(8));
    b.CreateCall(run_type, run, {context, b.CreateTrunc(n, b.getInt32Ty()), t.task, frame});
    b.CreateBr(done);
    b.SetInsertPoint(alone);
    e.plain_loop(n, [&](llvm::Value* i) { b.CreateCall(t.body, {frame, i}); });
    b.CreateBr(done);
    b.SetInsertPoint(done);
    e.memory_changed();
  }

  void team_phase(const Stmt& s, FunctionEmitter& e) {
    const Task& t = task_of(s);
    llvm::Value* n = chunk_count(e, s);
    llvm::Value* frame = fill_frame(e, t);
    e.barrier();
    llvm::IRBuilderBase& b = e.builder();
    llvm::Function* fn = b.GetInsertBlock()->getParent();
    auto* take = BasicBlock::Create(m.context, "take", fn);
    auto* chunk = BasicBlock::Create(m.context, "chunk", fn);
    auto* done = BasicBlock::Create(m.context, "phase", fn);
    b.CreateBr(take);
    b.SetInsertPoint(take);
    llvm::Value* mine =
        b.CreateAtomicRMW(llvm::AtomicRMWInst::Add, byte_offset(b, e.team->frame, frame_chunk), b.getInt32(1),
                          llvm::Align(4), llvm::AtomicOrdering::Monotonic);
    llvm::Value* index = b.CreateZExt(mine, b.getInt64Ty());
    b.CreateCondBr(b.CreateICmpULT(index, n), chunk, done);
    b.SetInsertPoint(chunk);
    b.CreateCall(t.body, {frame, index});
    b.CreateBr(take);
    b.SetInsertPoint(done);
    e.team->pending_write = true;
    e.barrier();
  }

  llvm::Function* team_body() {
    llvm::Function* fn = m.new_function(
        m.options.prefix + ".team." + entry.name,
        llvm::FunctionType::get(types.getVoidTy(), {types.getPtrTy(), types.getInt32Ty()}, false), false);
    fn->setLinkage(llvm::GlobalValue::InternalLinkage);
    FunctionEmitter e(m, function, analysis, fn);
    llvm::IRBuilderBase& b = e.builder();
    llvm::Value* frame = fn->getArg(0);
    llvm::Value* slots =
        b.CreateAlignedLoad(b.getPtrTy(), byte_offset(b, frame, frame_slots), llvm::Align(8));
    e.status = b.CreateAlignedLoad(b.getPtrTy(), byte_offset(b, frame, frame_status), llvm::Align(8));
    TeamContext team;
    team.frame = frame;
    team.worker = fn->getArg(1);
    team.workers = b.CreateAlignedLoad(b.getInt32Ty(), byte_offset(b, frame, frame_workers), llvm::Align(4));
    ControlWord word(b, e.alloca_bytes(8, 4));
    if (!bind_parameters(e, slots)) return fn;
    e.team = &team;
    e.leave = BasicBlock::Create(m.context, "leave", fn);
    e.on_parallel = [&](const Stmt& s, FunctionEmitter& inner) { team_phase(s, inner); };
    e.emit(function.body);
    b.CreateBr(e.leave);
    b.SetInsertPoint(e.leave);
    word.restore();
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
    auto* out = BasicBlock::Create(m.context, "out", fn);
    llvm::Value* many = nullptr;
    if (!bind_parameters(e, slots)) return;
    if (analysis.parallel) {
      many = b.CreateAnd(many_workers(b, parallel), worth_lending(e, function.body, b.getFalse()));
      auto* lent = BasicBlock::Create(m.context, "lent", fn);
      auto* team = BasicBlock::Create(m.context, "team", fn);
      auto* alone = BasicBlock::Create(m.context, "alone", fn);
      b.CreateCondBr(many, lent, alone);
      b.SetInsertPoint(lent);
      llvm::Value* body = b.CreateAlignedLoad(b.getPtrTy(), byte_offset(b, parallel, 24), llvm::Align(8));
      b.CreateCondBr(b.CreateICmpNE(body, llvm::ConstantPointerNull::get(b.getPtrTy())), team, alone);
      b.SetInsertPoint(team);
      llvm::AllocaInst* frame = e.alloca_bytes(frame_bytes, 64);
      b.CreateAlignedStore(slots, byte_offset(b, frame, frame_slots), llvm::Align(8));
      b.CreateAlignedStore(status, byte_offset(b, frame, frame_status), llvm::Align(8));
      b.CreateAlignedStore(b.CreateAlignedLoad(b.getInt32Ty(), byte_offset(b, parallel, 8), llvm::Align(4)),
                           byte_offset(b, frame, frame_workers), llvm::Align(4));
      for (uint64_t word : {frame_arrived, frame_round, frame_chunk})
        b.CreateAlignedStore(b.getInt32(0), byte_offset(b, frame, word), llvm::Align(4));
      auto* type = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy(), b.getPtrTy(), b.getPtrTy()}, false);
      llvm::Value* context = b.CreateAlignedLoad(b.getPtrTy(), parallel, llvm::Align(8));
      b.CreateCall(type, body, {context, team_body(), frame});
      b.CreateBr(out);
      b.SetInsertPoint(alone);
    }
    ControlWord word(b, e.alloca_bytes(8, 4));
    e.leave = BasicBlock::Create(m.context, "leave", fn);
    e.on_parallel = [&](const Stmt& s, FunctionEmitter& inner) { caller_phase(s, inner, parallel, many); };
    e.emit(function.body);
    b.CreateBr(e.leave);
    b.SetInsertPoint(e.leave);
    word.restore();
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
  llvm::Function* fn = m.new_function(m.options.prefix + "_arena_" + entry.name,
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
  llvm::Function* callee = m.declare_kernel(function);
  bool fits = callee->arg_size() == args.size();
  for (size_t i = 0; fits && i < args.size(); ++i)
    fits = callee->getArg(static_cast<unsigned>(i))->getType() == args[i]->getType();
  if (!fits || dim != entry.dims.size())
    return m.refuse(function, "is no arena function of entry " + entry.name);
  b.CreateCall(callee, args);
  b.CreateRet(b.CreateLoad(b.getInt64Ty(), result));
}

}  // namespace tenon::codegen
