// Entries: what hosts call. An entry sets the floating-point control word, reads the call record, and runs
// its control flow: alone, or as worker 0 of a team.
#include <algorithm>

#include "codegen/phases.h"

namespace tenon::codegen {
using kernel::EntryParam;
using kernel::ParamRole;
using kernel::Stmt;
using llvm::BasicBlock;

struct EntryEmitter {
  ModuleEmitter& m;
  const kernel::Entry& entry;
  const kernel::Function& function;
  Analysis analysis;
  std::string symbol;
  llvm::IRBuilder<> types;

  Phases phases;

  EntryEmitter(ModuleEmitter& module, const kernel::Entry& e, const kernel::Function& f)
      : m(module),
        entry(e),
        function(f),
        analysis(analyse(f)),
        symbol(entry_symbol(m.options.prefix, e.name)),
        types(m.context),
        phases(m, f, analysis, e.name) {}

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

  // Whether a host lends threads: parallel != null && parallel->workers > 1.
  llvm::Value* many_workers(llvm::IRBuilderBase& b, llvm::Value* parallel) {
    llvm::Value* given = b.CreateICmpNE(parallel, llvm::ConstantPointerNull::get(b.getPtrTy()));
    llvm::Value* safe = b.CreateSelect(given, byte_offset(b, parallel, 8), m.dummy());
    return b.CreateICmpUGT(b.CreateAlignedLoad(b.getInt32Ty(), safe, llvm::Align(4)), b.getInt32(1));
  }

  // control(slots, parallel, status, team, many): the entry's control flow.
  llvm::Function* control_function() {
    llvm::Type* p = types.getPtrTy();
    llvm::Function* fn = m.new_function(
        own_symbol(m.options.prefix, "control", entry.name),
        llvm::FunctionType::get(types.getVoidTy(), {p, p, p, p, types.getInt1Ty()}, false), false);
    fn->setLinkage(llvm::GlobalValue::InternalLinkage);
    FunctionEmitter e(m, function, analysis, fn);
    const Lent lent{fn->getArg(1), fn->getArg(3), fn->getArg(4)};
    e.status = fn->getArg(2);
    e.lent = &lent;
    body(e, fn->getArg(0), [&](const Stmt& s, FunctionEmitter& inner) { phases.phase(s, inner, lent); });
    e.builder().CreateRetVoid();
    return fn;
  }

  // The statements between setting and restoring the control word.
  void body(FunctionEmitter& e, llvm::Value* slots,
            std::function<void(const Stmt&, FunctionEmitter&)> on_parallel) {
    llvm::IRBuilderBase& b = e.builder();
    ControlWord word(b, *m.target.family, e.alloca_bytes(8, 4));
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
    if (!m.facts.phases.at(&function)) {
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
    llvm::Value* many = b.CreateAnd(many_workers(b, parallel), phases.worth_lending(e));
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
