// Procedures: the control flow that entries share. One takes its parameters like a kernel, and with them the
// call's status and what the host has lent to the entry, so that its phases run on the same team.
#include "codegen/phases.h"

namespace tenon::codegen {

void emit_procedure(ModuleEmitter& m, const kernel::Function& function) {
  llvm::Function* fn = m.declare_kernel(function);
  const Analysis analysis = analyse(function);
  Phases phases(m, function, analysis, function.name);
  FunctionEmitter e(m, function, analysis, fn);
  e.bind_parameters(fn);
  const unsigned behind = fn->arg_size();
  const Lent lent{fn->getArg(behind - 3), fn->getArg(behind - 2), fn->getArg(behind - 1)};
  e.status = fn->getArg(behind - 4);
  e.lent = &lent;
  e.leave = llvm::BasicBlock::Create(m.context, "leave", fn);
  e.on_parallel = [&](const kernel::Stmt& s, FunctionEmitter& inner) { phases.phase(s, inner, lent); };
  e.emit(function.body);
  e.builder().CreateBr(e.leave);
  e.builder().SetInsertPoint(e.leave);
  e.builder().CreateRetVoid();
  if (m.facts.phases.at(&function)) phases.emit_lends();
}

}  // namespace tenon::codegen
