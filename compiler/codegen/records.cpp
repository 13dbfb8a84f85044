// Records of 8 bytes a slot: how what is passed to kernels of many parameters, and to the tasks of phases, is
// written and read.
#include <map>

#include "codegen/emitter.h"

namespace tenon::codegen {
using kernel::Expr;

void FunctionEmitter::bind_slot(kernel::VarId var, llvm::Value* record, uint64_t slot) {
  Variable& v = variables_[var.index];
  v.record = record;
  v.slot = slot;
  v.stamp = ++clock_;
  v.bound = true;
}

void FunctionEmitter::bind_parameters(llvm::Function* fn) {
  unsigned i = 0;
  for (kernel::VarId p : f_.params) {
    if (takes_record(f_)) {
      bind_slot(p, fn->getArg(0), i++);
      continue;
    }
    llvm::Argument* arg = fn->getArg(i++);
    arg->setName(f_.var(p).name);
    bind(p, arg);
  }
  if (takes_record(f_)) mark_record(fn->getArg(0), f_.params.size());
}

// Once a block: what is read lives no longer.
llvm::Value* FunctionEmitter::read_slot(kernel::VarId var) {
  Variable& v = variables_[var.index];
  llvm::BasicBlock* block = builder_.GetInsertBlock();
  if (!elsewhere_ && v.block == block) return v.read;
  const kernel::Var& declared = f_.var(var);
  llvm::Type* type =
      declared.kind == kernel::VarKind::buffer ? builder_.getPtrTy() : m_.register_type(declared.dtype);
  llvm::Value* at = builder_.CreateConstGEP1_64(builder_.getInt8Ty(), v.record, 8 * v.slot);
  llvm::LoadInst* read = builder_.CreateAlignedLoad(type, at, llvm::Align(8));
  read->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(m_.context, {}));
  if (!elsewhere_) {
    v.block = block;
    v.read = read;
  }
  return read;
}

std::vector<llvm::Value*> FunctionEmitter::scalars_of(kernel::VarId var) {
  if (variables_[var.index].record != nullptr) return {read_slot(var)};
  std::vector<llvm::Value*> values;
  for (const Value& v : variables_[var.index].elements)
    values.push_back(to_scalar(v, "a captured variable").scalar());
  return values;
}

FunctionEmitter::Passed FunctionEmitter::passed(kernel::VarId var) {
  const Variable& v = variables_[var.index];
  if (v.record != nullptr) return {.base = v.record, .in_record = true, .slot = v.slot};
  return {.base = scalars_of(var).front()};
}

FunctionEmitter::Passed FunctionEmitter::passed(kernel::ExprId e) {
  const Expr& x = f_.expr(e);
  const bool in_record = (x.op == kernel::Op::variable || x.op == kernel::Op::address) &&
                         variables_[x.var.index].record != nullptr;
  if (x.op == kernel::Op::variable && in_record) return passed(x.var);
  if (x.op == kernel::Op::address) {
    if (const auto* offset = llvm::dyn_cast<llvm::ConstantInt>(scalar(x.args[0]))) {
      Passed p = in_record ? passed(x.var) : Passed{.base = pointer(x.var)};
      p.offset = offset->getZExtValue();
      return p;
    }
  }
  return {.base = scalar(e)};
}

void FunctionEmitter::fill_record(llvm::Value* record, std::span<const Passed> values) {
  constexpr size_t fewest_of_loop = 16;
  auto at = [&](llvm::Value* from, llvm::Value* slot) {
    return builder_.CreateGEP(builder_.getInt64Ty(), from, slot);
  };
  // A slot is copied whole, whatever it holds.
  auto read = [&](const Passed& p, llvm::Value* slot) -> llvm::Value* {
    if (!p.in_record) return p.base;
    return builder_.CreateAlignedLoad(builder_.getPtrTy(), at(p.base, slot), llvm::Align(8));
  };
  auto write = [&](llvm::Value* value, llvm::Value* slot) {
    builder_.CreateAlignedStore(value, at(record, slot), llvm::Align(8));
  };
  // By the record or the pointer that they come from, in the order of their first.
  std::vector<std::vector<uint64_t>> groups;
  std::map<llvm::Value*, size_t> group_of;
  for (uint64_t i = 0; i < values.size(); ++i) {
    const auto [it, fresh] = group_of.try_emplace(values[i].base, groups.size());
    if (fresh) groups.emplace_back();
    groups[it->second].push_back(i);
  }
  for (const std::vector<uint64_t>& group : groups) {
    const Passed& first = values[group.front()];
    if (group.size() < fewest_of_loop || !first.base->getType()->isPointerTy()) {
      for (uint64_t i : group) {
        llvm::Value* value = read(values[i], builder_.getInt64(values[i].slot));
        if (values[i].offset != 0)
          value = builder_.CreateConstGEP1_64(builder_.getInt8Ty(), value, values[i].offset);
        write(value, builder_.getInt64(i));
      }
      continue;
    }
    std::vector<uint64_t> rows;  // from which slot, what is added, to which slot
    for (uint64_t i : group) rows.insert(rows.end(), {values[i].slot, values[i].offset, i});
    llvm::Constant* content = llvm::ConstantDataArray::get(m_.context, rows);
    auto* table = new llvm::GlobalVariable(m_.llvm_module, content->getType(), true,
                                           llvm::GlobalValue::PrivateLinkage, content, "passed");
    plain_loop(builder_.getInt64(group.size()), [&](llvm::Value* i) {
      llvm::Value* row = builder_.CreateMul(i, builder_.getInt64(3));
      auto column = [&](uint64_t c) {
        return builder_.CreateAlignedLoad(
            builder_.getInt64Ty(), at(table, builder_.CreateAdd(row, builder_.getInt64(c))), llvm::Align(8));
      };
      llvm::Value* value = read(first, column(0));
      write(builder_.CreateGEP(builder_.getInt8Ty(), value, column(1)), column(2));
    });
  }
}

}  // namespace tenon::codegen
