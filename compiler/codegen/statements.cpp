// Statements outside lanes: variables, loops, branches, calls, failures.
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/MDBuilder.h>

#include <algorithm>

#include <llvm/IR/InlineAsm.h>

#include "codegen/emitter.h"

namespace tenon::codegen {
using kernel::Stmt;
using kernel::StmtKind;
using llvm::BasicBlock;

namespace {

// Whether exit_if leaves the loop of this body.
bool exits(const std::vector<Stmt>& body) {
  for (const Stmt& s : body) {
    if (s.kind == StmtKind::exit_if) return true;
    if (s.kind != StmtKind::for_ && (exits(s.body) || exits(s.other))) return true;
  }
  return false;
}

// Makes the phis of a loop. Until the body is known, a phi's second value is an opaque one: folding would
// take a phi of one value for that value.
class LoopPhis {
 public:
  // `enter`: the branch into the loop, in whose header the builder stands.
  LoopPhis(llvm::IRBuilderBase& builder, llvm::Instruction* enter) : builder_(builder), enter_(enter) {}

  llvm::PHINode* add(llvm::Value* start) {
    llvm::PHINode* phi = builder_.CreatePHI(start->getType(), 2);
    phi->addIncoming(start, enter_->getParent());
    opaque_.push_back(
        new llvm::FreezeInst(llvm::PoisonValue::get(start->getType()), "", enter_->getIterator()));
    phi->addIncoming(opaque_.back(), enter_->getParent());
    return phi;
  }
  static void complete(llvm::PHINode* phi, llvm::Value* value, BasicBlock* latch) {
    phi->setIncomingValue(1, value);
    phi->setIncomingBlock(1, latch);
  }
  // All of them are complete.
  void erase_opaque() {
    for (llvm::Instruction* o : opaque_) o->eraseFromParent();
  }

 private:
  llvm::IRBuilderBase& builder_;
  llvm::Instruction* enter_;
  std::vector<llvm::Instruction*> opaque_;
};

// A phi that carries only its own start is that start. `phis`: of all parts of variables, in order; `before`:
// the variables' values before the loop; `leaving`: on its edges to the exit, first that of the latch.
void drop_idle_phis(std::span<llvm::PHINode* const> phis, const std::vector<Value>& before,
                    std::span<std::vector<Value>* const> leaving) {
  std::vector<Value>& after = *leaving.front();
  size_t n = 0;
  for (size_t k = 0; k < after.size(); ++k) {
    for (size_t p = 0; p < after[k].parts.size(); ++p) {
      llvm::PHINode* phi = phis[n++];
      if (phi->getIncomingValue(1) != phi) continue;
      phi->replaceAllUsesWith(before[k].parts[p]);
      after[k].parts[p] = before[k].parts[p];
      for (std::vector<Value>* values : leaving)
        for (Value& v : *values)
          for (llvm::Value*& q : v.parts)
            if (q == phi) q = before[k].parts[p];
      phi->eraseFromParent();
    }
  }
}

}  // namespace

void FunctionEmitter::emit(const std::vector<Stmt>& body) {
  for (const Stmt& s : body) statement(s);
}

void FunctionEmitter::statement(const Stmt& s) {
  switch (s.kind) {
    case StmtKind::declare:
      return declare(s);
    case StmtKind::let: {
      Variable& v = variables_[s.var.index];
      v.elements = {evaluate(s.value)};
      v.extents.clear();
      v.stamp = ++clock_;
      v.bound = true;
      return;
    }
    case StmtKind::assign:
      return assign(s);
    case StmtKind::for_:
      return emit_for(s);
    case StmtKind::lanes:
      return emit_lanes(s);
    case StmtKind::unroll:
      return emit_unroll(s);
    case StmtKind::specialize:
      return emit_specialize(s);
    case StmtKind::if_:
      return emit_if(s);
    case StmtKind::parallel:
      if (on_parallel) return on_parallel(s, *this);
      return m_.refuse(f_, "a parallel statement stands outside an entry");
    case StmtKind::stop_on_failure:
      return emit_stop();
    case StmtKind::exit_if:
      return emit_exit(s);
    case StmtKind::store:
      return store(s);
    case StmtKind::fail:
      return emit_fail(s);
    case StmtKind::exchange:
      return emit_exchange(s);
    case StmtKind::call:
      return emit_call(s);
    case StmtKind::progress:
      return emit_progress(s);
    default: {
      const Value index = evaluate(s.index);
      llvm::Value* address =
          element_address(s.var, index.shape == Value::Shape::vector
                                     ? builder_.CreateExtractElement(index.parts[0], uint64_t{0})
                                     : index.scalar());
      builder_.CreateIntrinsic(
          llvm::Intrinsic::prefetch, {address->getType()},
          {address, builder_.getInt32(s.write), builder_.getInt32(3), builder_.getInt32(1)});
    }
  }
}

void FunctionEmitter::declare(const Stmt& s) {
  Variable& v = variables_[s.var.index];
  Value initial = evaluate(s.value);
  // In lanes, a variable that may differ between them is held as a vector from the start.
  if (lanes_ && a_.varying[s.var.index]) {
    initial = to_vector(initial);
  } else {
    initial = to_scalar(initial, "the initial value of a uniform variable");
  }
  size_t count = 1;
  v.extents.clear();
  for (kernel::ExprId e : f_.var(s.var).extents) {
    v.extents.push_back(static_index(e));
    count *= static_cast<size_t>(std::max<int64_t>(v.extents.back(), 0));
  }
  if (count > 4096) return m_.refuse(f_, "array " + f_.var(s.var).name + " has too many registers");
  v.elements.assign(count, initial);
  v.stamp = ++clock_;
  v.predicates = lanes_ ? lanes_->predicates : 0;
  v.bound = true;
}

void FunctionEmitter::assign_element(Variable& v, size_t element, Value value) {
  v.elements[element] = std::move(value);
  v.stamp = ++clock_;
}

void FunctionEmitter::assign(const Stmt& s) {
  Variable& v = variables_[s.var.index];
  TENON_CHECK(v.bound);
  const size_t element = element_index(f_.var(s.var), v, s.args);
  Value value = evaluate(s.value);
  if (!lanes_ || !a_.varying[s.var.index])
    return assign_element(v, element, to_scalar(value, "a value assigned to a uniform variable"));
  value = to_vector(value);
  if (lanes_->predicates > v.predicates) {
    const Value old = v.elements[element];
    Value selected = at(depth(), value);
    for (size_t p = 0; p < selected.parts.size(); ++p)
      selected.parts[p] =
          builder_.CreateSelect(lanes_->mask[p], value.parts[p], part(old, static_cast<int>(p)));
    value = std::move(selected);
  }
  assign_element(v, element, std::move(value));
}

void FunctionEmitter::bind_loop(kernel::VarId var, Value value) {
  Variable& v = variables_[var.index];
  v.elements = {std::move(value)};
  v.extents.clear();
  v.stamp = ++clock_;
  v.bound = true;
}

void FunctionEmitter::counted_loop(const Value& lo, const Value& hi, const Value& step,
                                   const std::vector<uint32_t>& assigned, bool nonempty, bool no_wrap,
                                   const std::function<void(llvm::Value*)>& body, Loop* left_early) {
  const std::vector<Value> before = snapshot(assigned);
  BasicBlock* preheader = block("pre");
  BasicBlock* header = block("loop");
  BasicBlock* exit = block("done");
  BasicBlock* from = builder_.GetInsertBlock();
  llvm::Instruction* fork =
      nonempty ? builder_.CreateBr(preheader)
               : builder_.CreateCondBr(builder_.CreateICmpSLT(lo.scalar(), hi.scalar()), preheader, exit);
  builder_.SetInsertPoint(preheader);
  llvm::Instruction* enter = builder_.CreateBr(header);
  builder_.SetInsertPoint(header);
  push_scope(false, fork);
  LoopPhis loop_phis(builder_, enter);
  llvm::PHINode* i = loop_phis.add(lo.scalar());
  std::vector<llvm::PHINode*> phis;
  std::vector<Value> inside;
  for (const Value& old : before) {
    Value v = at(depth(), old);
    for (llvm::Value*& p : v.parts) {
      phis.push_back(loop_phis.add(p));
      p = phis.back();
    }
    inside.push_back(std::move(v));
  }
  restore(assigned, inside);
  if (left_early != nullptr) {
    left_early->exit = exit;
    left_early->assigned = &assigned;
  }
  body(i);
  BasicBlock* latch = builder_.GetInsertBlock();
  llvm::Value* next = builder_.CreateAdd(i, step.scalar(), "", false, no_wrap);
  loop_phis.complete(i, next, latch);
  std::vector<Value> after = snapshot(assigned);
  size_t n = 0;
  for (const Value& v : after)
    for (llvm::Value* p : v.parts) loop_phis.complete(phis[n++], p, latch);
  loop_phis.erase_opaque();
  builder_.CreateCondBr(builder_.CreateICmpSLT(next, hi.scalar()), header, exit);
  std::vector<std::vector<Value>*> leaving{&after};
  if (left_early != nullptr)
    for (auto& [block, values] : left_early->edges) leaving.push_back(&values);
  drop_idle_phis(phis, before, leaving);
  pop_scope();
  builder_.SetInsertPoint(exit);
  Join join{assigned, {{latch, std::move(after)}}};
  if (!nonempty) join.edges.push_back({from, before});
  if (left_early != nullptr)
    for (auto& edge : left_early->edges) join.edges.push_back(std::move(edge));
  merge(join);
}

void FunctionEmitter::emit_exit(const Stmt& s) {
  const Value condition = to_scalar(evaluate(s.value), "the condition of an exit");
  if (loop_ == nullptr || (lanes_ && lanes_->predicates > loop_->predicates))
    return m_.refuse(f_, "an exit stands outside a loop, or under a condition of lanes");
  loop_->edges.push_back({builder_.GetInsertBlock(), snapshot(*loop_->assigned)});
  BasicBlock* go_on = block("on");
  builder_.CreateCondBr(condition.scalar(), loop_->exit, go_on);
  builder_.SetInsertPoint(go_on);
}

void FunctionEmitter::emit_for(const Stmt& s) {
  const Value lo = to_scalar(evaluate(s.lo), "a loop bound");
  const Value hi = to_scalar(evaluate(s.hi), "a loop bound");
  const Value step = to_scalar(evaluate(s.step), "a loop step");
  const auto* l = llvm::dyn_cast<llvm::ConstantInt>(lo.scalar());
  const auto* h = llvm::dyn_cast<llvm::ConstantInt>(hi.scalar());
  const auto* st = llvm::dyn_cast<llvm::ConstantInt>(step.scalar());
  const bool bounded = l != nullptr && h != nullptr;
  if (bounded && l->getSExtValue() >= h->getSExtValue()) return;
  if (bounded && st != nullptr &&
      llvm::APInt(64, h->getZExtValue() - l->getZExtValue()).ule(st->getZExtValue()) && !exits(s.body)) {
    // One iteration.
    bind_loop(s.var, lo);
    emit(s.body);
    return;
  }
  // i < hi and step 1: i + 1 does not wrap. Where everything is known, see whether the last sum does.
  bool no_wrap = st != nullptr && st->isOne();
  if (bounded && st != nullptr && !no_wrap) {
    bool overflows = false;
    (void)h->getValue().sadd_ov(st->getValue(), overflows);
    no_wrap = !overflows;
  }
  const auto outer_pointers = loop_pointers_;
  if (!lanes_) own_pointers(s.body);
  Loop* const outer = loop_;
  Loop loop;
  loop.predicates = lanes_ ? lanes_->predicates : 0;
  loop_ = &loop;
  counted_loop(
      lo, hi, step, live_assigned(s.body), bounded, no_wrap,
      [&](llvm::Value* i) {
        bind_loop(s.var, here(i));
        if (bounded && st != nullptr && st->getSExtValue() > 0) {
          const uint64_t width = st->getZExtValue(), first = l->getZExtValue();
          highest_[i] = static_cast<int64_t>(first + (h->getZExtValue() - 1 - first) / width * width);
        }
        emit(s.body);
      },
      &loop);
  loop_ = outer;
  loop_pointers_ = outer_pointers;
}

// In functions of many buffers most pointers live on the stack, and the register allocator reads them there
// again in the tightest of loops. In loops of scalars that hold no other loop, the pointers used are values
// of their own: moved before the loop by an instruction of its own, and short-lived enough for registers.
void FunctionEmitter::own_pointers(const std::vector<Stmt>& body) {
  constexpr size_t many_parameters = 10, most_pointers = 4;
  if (f_.params.size() < many_parameters) return;
  std::vector<kernel::VarId> buffers;
  for (const Stmt& s : body) {
    if (!s.body.empty() || !s.other.empty()) return;
    if (s.kind == StmtKind::store) buffers.push_back(s.var);
  }
  for (size_t i = 0; i < buffers.size() && loop_pointers_.size() < most_pointers; ++i) {
    if (loop_pointers_.count(buffers[i]) != 0) continue;
    llvm::Value* pointer = this->pointer(buffers[i]);
    auto* type = llvm::FunctionType::get(pointer->getType(), {pointer->getType()}, false);
    loop_pointers_[buffers[i]] =
        builder_.CreateCall(type, llvm::InlineAsm::get(type, "movq $1, $0", "=r,r", false), {pointer});
  }
}

void FunctionEmitter::plain_loop(llvm::Value* n, const std::function<void(llvm::Value*)>& body) {
  counted_loop(here(builder_.getInt64(0)), here(n), here(builder_.getInt64(1)), {}, false, true, body);
}

void FunctionEmitter::emit_unroll(const Stmt& s) {
  const int64_t lo = static_index(s.lo), hi = static_index(s.hi);
  for (int64_t i = lo; i < hi; ++i) {
    Value v;
    v.parts.push_back(builder_.getInt64(static_cast<uint64_t>(i)));
    bind_loop(s.var, at(0, std::move(v)));
    emit(s.body);
  }
}

void FunctionEmitter::emit_specialize(const Stmt& s) {
  const int64_t lo = static_index(s.lo), hi = static_index(s.hi);
  const Value value = to_scalar(evaluate(s.value), "the value of a specialize");
  auto bind_static = [&](int64_t i) {
    Value v;
    v.parts.push_back(builder_.getInt64(static_cast<uint64_t>(i)));
    bind_loop(s.var, at(0, std::move(v)));
  };
  if (const auto* c = llvm::dyn_cast<llvm::ConstantInt>(value.scalar())) {
    if (c->getSExtValue() < lo || c->getSExtValue() > hi) return;
    bind_static(c->getSExtValue());
    return emit(s.body);
  }
  if (hi < lo) return;
  const std::vector<uint32_t> assigned = live_assigned(s.body);
  const std::vector<Value> before = snapshot(assigned);
  BasicBlock* exit = block("done");
  llvm::SwitchInst* fork = builder_.CreateSwitch(value.scalar(), exit, static_cast<unsigned>(hi - lo + 1));
  Join join{assigned, {{builder_.GetInsertBlock(), before}}};
  for (int64_t i = lo; i <= hi; ++i) {
    BasicBlock* arm = block("case");
    fork->addCase(builder_.getInt64(static_cast<uint64_t>(i)), arm);
    builder_.SetInsertPoint(arm);
    push_scope(true, fork);
    restore(assigned, before);
    bind_static(i);
    emit(s.body);
    join.edges.push_back({builder_.GetInsertBlock(), snapshot(assigned)});
    builder_.CreateBr(exit);
    pop_scope();
  }
  builder_.SetInsertPoint(exit);
  merge(join);
}

void FunctionEmitter::emit_if(const Stmt& s) {
  const Value condition = evaluate(s.value);
  if (!condition.uniform()) {  // predication
    const Lanes outer = *lanes_;
    for (const std::vector<Stmt>* arm : {&s.body, &s.other}) {
      if (arm->empty()) continue;
      lanes_->mask.clear();
      for (int p = 0; p < outer.parts; ++p) {
        llvm::Value* on = condition.parts[static_cast<size_t>(p)];
        if (arm == &s.other) on = builder_.CreateNot(on);
        lanes_->mask.push_back(
            outer.mask.empty() ? on : builder_.CreateAnd(outer.mask[static_cast<size_t>(p)], on));
      }
      lanes_->predicates = outer.predicates + 1;
      emit(*arm);
      lanes_ = outer;
      memory_changed();  // what was loaded under the mask does not hold for all lanes
    }
    return;
  }
  if (const auto* c = llvm::dyn_cast<llvm::ConstantInt>(condition.scalar()))
    return emit(c->isOne() ? s.body : s.other);
  std::vector<uint32_t> assigned = live_assigned(s.body);
  for (uint32_t v : live_assigned(s.other)) assigned.push_back(v);
  std::sort(assigned.begin(), assigned.end());
  assigned.erase(std::unique(assigned.begin(), assigned.end()), assigned.end());
  const std::vector<Value> before = snapshot(assigned);
  BasicBlock* exit = block("done");
  BasicBlock* then = block("then");
  BasicBlock* otherwise = s.other.empty() ? exit : block("else");
  Join join{assigned, {}};
  if (s.other.empty()) join.edges.push_back({builder_.GetInsertBlock(), before});
  llvm::Instruction* fork = builder_.CreateCondBr(condition.scalar(), then, otherwise);
  for (const std::vector<Stmt>* arm : {&s.body, &s.other}) {
    if (arm == &s.other && arm->empty()) continue;
    builder_.SetInsertPoint(arm == &s.body ? then : otherwise);
    push_scope(true, fork);
    restore(assigned, before);
    emit(*arm);
    join.edges.push_back({builder_.GetInsertBlock(), snapshot(assigned)});
    builder_.CreateBr(exit);
    pop_scope();
  }
  builder_.SetInsertPoint(exit);
  merge(join);
}

void FunctionEmitter::emit_fail(const Stmt& s) {
  const Value condition = evaluate(s.value);
  const Value detail = evaluate(s.index);
  if (const auto* c = condition.uniform() ? llvm::dyn_cast<llvm::ConstantInt>(condition.scalar()) : nullptr)
    if (c->isZero()) return;
  llvm::Value* any;
  std::vector<llvm::Value*> failing;
  const bool by_lane = lanes_ && (!condition.uniform() || !detail.uniform() || !lanes_->mask.empty());
  if (by_lane) {
    llvm::Value* all = nullptr;
    for (int p = 0; p < lanes_->parts; ++p) {
      llvm::Value* on = part(condition, p);
      if (!lanes_->mask.empty()) on = builder_.CreateAnd(on, lanes_->mask[static_cast<size_t>(p)]);
      failing.push_back(on);
      all = all == nullptr ? on : builder_.CreateOr(all, on);
    }
    llvm::Type* bits = builder_.getIntNTy(static_cast<unsigned>(lanes_->part_lanes));
    any = builder_.CreateICmpNE(builder_.CreateBitCast(all, bits), llvm::ConstantInt::get(bits, 0));
  } else {
    any = condition.scalar();
  }
  std::vector<llvm::Value*> details;
  for (size_t p = 0; p < failing.size(); ++p) details.push_back(part(detail, static_cast<int>(p)));
  BasicBlock* failed = block("fail");
  BasicBlock* go_on = block("ok");
  builder_.CreateCondBr(any, failed, go_on, llvm::MDBuilder(m_.context).createBranchWeights(1, 1 << 20));
  builder_.SetInsertPoint(failed);
  llvm::Value* least = by_lane ? nullptr : detail.scalar();
  for (size_t p = 0; p < failing.size(); ++p) {
    llvm::Constant* far = llvm::ConstantInt::get(details[p]->getType(), static_cast<uint64_t>(INT64_MAX));
    llvm::Value* part_least =
        builder_.CreateIntMinReduce(builder_.CreateSelect(failing[p], details[p], far), true);
    least = least == nullptr ? part_least
                             : builder_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, least, part_least);
  }
  TENON_CHECK(status != nullptr);
  builder_.CreateCall(m_.record_failure(),
                      {status, builder_.getInt32(s.code), builder_.getInt32(places_.at(&s)), least});
  builder_.CreateBr(go_on);
  builder_.SetInsertPoint(go_on);
}

void FunctionEmitter::emit_call(const Stmt& s) {
  const auto callee = m_.facts.functions.find(s.callee);
  if (callee == m_.facts.functions.end()) return m_.refuse(f_, "the callee " + s.callee + " does not exist");
  if (lanes_) return m_.refuse(f_, "a call stands in a lanes loop");
  const kernel::Function& g = *callee->second;
  if (s.args.size() != g.params.size())
    return m_.refuse(f_, "a call of " + s.callee + " has the wrong number of arguments");
  auto differs = [&](size_t i) {
    m_.refuse(f_, "argument " + std::to_string(i) + " of a call of " + s.callee + " has another type");
  };
  std::vector<llvm::Value*> args;
  if (takes_record(g)) {
    std::vector<Passed> values;
    for (size_t i = 0; i < s.args.size(); ++i) {
      const kernel::Expr& given = f_.expr(s.args[i]);
      const kernel::Var& taken = g.var(g.params[i]);
      const bool address = given.op == kernel::Op::address;
      if (address != (taken.kind == kernel::VarKind::buffer) || given.dtype != taken.dtype) return differs(i);
      values.push_back(passed(s.args[i]));
    }
    const uint64_t bytes = 8 * values.size();
    if (record_ == nullptr) record_ = alloca_bytes(bytes, 8);
    // Calls follow one another, so that one record serves them all.
    auto* largest = llvm::cast<llvm::ArrayType>(record_->getAllocatedType());
    if (largest->getNumElements() < bytes)
      record_->setAllocatedType(llvm::ArrayType::get(largest->getElementType(), bytes));
    fill_record(record_, values);
    args.push_back(record_);
  } else {
    for (size_t i = 0; i < s.args.size(); ++i) {
      args.push_back(scalar(s.args[i]));
      if (args.back()->getType() != m_.parameter_type(g.var(g.params[i]))) return differs(i);
    }
  }
  if (m_.facts.status.at(&g)) args.push_back(status);
  if (g.procedure) {
    llvm::Constant* none = llvm::ConstantPointerNull::get(builder_.getPtrTy());
    if (lent != nullptr)
      args.insert(args.end(), {lent->parallel, lent->team, lent->many});
    else
      args.insert(args.end(), {none, none, builder_.getFalse()});
  }
  builder_.CreateCall(m_.declare_kernel(g), args);
  memory_changed();
}

void FunctionEmitter::emit_stop() {
  if (leave == nullptr) return m_.refuse(f_, "stop_on_failure cannot stand here");
  BasicBlock* go_on = block("ok");
  llvm::Value* code = builder_.CreateAlignedLoad(builder_.getInt32Ty(), status, llvm::Align(4));
  builder_.CreateCondBr(builder_.CreateICmpEQ(code, builder_.getInt32(0)), go_on, leave);
  builder_.SetInsertPoint(go_on);
}

void FunctionEmitter::emit_progress(const Stmt& s) {
  llvm::Value* steps = scalar(s.value);
  llvm::Value* address = builder_.CreateConstGEP1_64(builder_.getInt8Ty(), status, 16);
  llvm::Value* so_far = builder_.CreateAlignedLoad(builder_.getInt64Ty(), address, llvm::Align(8));
  // Another thread may watch: the count is stored whole, and at every step.
  builder_.CreateAlignedStore(builder_.CreateAdd(so_far, steps), address, llvm::Align(8))
      ->setAtomic(llvm::AtomicOrdering::Monotonic);
}

}  // namespace tenon::codegen
