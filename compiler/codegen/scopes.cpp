// Scopes, and the merging of variables where control flow joins.
#include "codegen/emitter.h"

namespace tenon::codegen {
using kernel::Stmt;

FunctionEmitter::FunctionEmitter(ModuleEmitter& m, const kernel::Function& f, const Analysis& a,
                                 llvm::Function* fn)
    : m_(m),
      f_(f),
      a_(a),
      fn_(fn),
      builder_(m.context, llvm::InstSimplifyFolder(m.llvm_module.getDataLayout())) {
  variables_.resize(f.vars.size());
  memo_.resize(f.exprs.size());
  builder_.SetInsertPoint(llvm::BasicBlock::Create(m.context, "entry", fn));
  push_scope(true, nullptr);
  for (size_t i = 0; i < f.vars.size(); ++i)
    if (f.vars[i].kind == kernel::VarKind::fixed)
      bind(kernel::VarId(i), llvm::ConstantInt::getSigned(m.register_type(f.vars[i].dtype), f.vars[i].value));
  uint32_t place = m.facts.first_place.at(&f);
  const std::function<void(const std::vector<Stmt>&)> number = [&](const std::vector<Stmt>& body) {
    for (const Stmt& s : body) {
      if (s.kind == kernel::StmtKind::fail) places_[&s] = place++;
      number(s.body);
      number(s.other);
    }
  };
  number(f.body);
}

void FunctionEmitter::push_scope(bool branch, llvm::Instruction* fork) {
  scopes_.push_back({next_scope_++, branch, fork});
}
void FunctionEmitter::pop_scope() { scopes_.pop_back(); }

Value FunctionEmitter::at(uint32_t depth, Value v) const {
  v.depth = depth;
  v.scope = scopes_[depth].id;
  return v;
}

Value FunctionEmitter::here(llvm::Value* scalar) const {
  Value v;
  v.parts.push_back(scalar);
  return at(depth(), std::move(v));
}

uint32_t FunctionEmitter::floor_depth() const {
  for (uint32_t d = depth(); d > 0; --d)
    if (scopes_[d].branch) return d;
  return 0;
}

void FunctionEmitter::bind(kernel::VarId var, llvm::Value* value) { bind_elements(var, {value}); }

void FunctionEmitter::bind_elements(kernel::VarId var, std::vector<llvm::Value*> values) {
  Variable& v = variables_[var.index];
  v.elements.clear();
  for (llvm::Value* value : values) v.elements.push_back(here(value));
  v.extents.clear();
  for (kernel::ExprId e : f_.var(var).extents) v.extents.push_back(static_index(e));
  v.stamp = ++clock_;
  v.bound = true;
}

std::vector<uint32_t> FunctionEmitter::live_assigned(const std::vector<Stmt>& body) const {
  std::vector<uint32_t> result;
  for (uint32_t v : assigned_variables(body))
    if (variables_[v].bound) result.push_back(v);
  return result;
}

std::vector<Value> FunctionEmitter::snapshot(const std::vector<uint32_t>& variables) {
  std::vector<Value> values;
  for (uint32_t v : variables)
    values.insert(values.end(), variables_[v].elements.begin(), variables_[v].elements.end());
  return values;
}

void FunctionEmitter::restore(const std::vector<uint32_t>& variables, const std::vector<Value>& values) {
  size_t i = 0;
  for (uint32_t v : variables) {
    for (Value& e : variables_[v].elements) e = values[i++];
    variables_[v].stamp = ++clock_;
  }
}

void FunctionEmitter::merge(Join& join) {
  std::vector<Value> merged;
  const size_t count = join.edges.front().second.size();
  for (size_t i = 0; i < count; ++i) {
    Value v = join.edges.front().second[i];
    for (size_t p = 0; p < v.parts.size(); ++p) {
      llvm::Value* first = v.parts[p];
      bool same = true;
      for (const auto& [from, values] : join.edges) same = same && values[i].parts[p] == first;
      if (same) continue;  // it stood before the branch: a value of one arm cannot come over the others
      llvm::PHINode* phi = builder_.CreatePHI(first->getType(), static_cast<unsigned>(join.edges.size()));
      for (const auto& [from, values] : join.edges) phi->addIncoming(values[i].parts[p], from);
      v.parts[p] = phi;
    }
    merged.push_back(at(depth(), std::move(v)));
  }
  restore(join.variables, merged);
}

llvm::BasicBlock* FunctionEmitter::block(const char* name) {
  return llvm::BasicBlock::Create(m_.context, name, fn_);
}

llvm::AllocaInst* FunctionEmitter::alloca_bytes(uint64_t bytes, uint64_t align) {
  llvm::BasicBlock& entry = fn_->getEntryBlock();
  llvm::IRBuilder<> b(&entry, entry.begin());
  llvm::AllocaInst* slot = b.CreateAlloca(llvm::ArrayType::get(b.getInt8Ty(), bytes));
  slot->setAlignment(llvm::Align(align));
  return slot;
}

}  // namespace tenon::codegen
