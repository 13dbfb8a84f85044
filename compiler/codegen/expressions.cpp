// Expressions: sharing, placement, and the three shapes of values.
#include "codegen/emitter.h"

namespace tenon::codegen {
using kernel::Expr;
using kernel::ExprId;
using kernel::Op;

bool FunctionEmitter::fresh(ExprId e) const {
  const Memo& memo = memo_[e.index];
  if (memo.stamp == 0 || !holds(memo.value)) return false;
  if (a_.loads[e.index] && memory_stamp_ > memo.stamp) return false;
  for (uint32_t v : a_.reads[e.index])
    if (variables_[v].stamp > memo.stamp) return false;
  return true;
}

// Operands before users on an explicit stack: depth of expressions is the user's.
Value FunctionEmitter::evaluate(ExprId root) {
  if (fresh(root)) return memo_[root.index].value;
  std::vector<ExprId> stack{root};
  while (!stack.empty()) {
    const ExprId e = stack.back();
    if (fresh(e)) {
      stack.pop_back();
      continue;
    }
    const Expr& x = f_.expr(e);
    bool ready = true;
    if (x.op != Op::variable) {
      for (ExprId arg : x.args) {
        if (fresh(arg)) continue;
        stack.push_back(arg);
        ready = false;
      }
    }
    if (!ready) continue;
    Value v = compute(e);
    memo_[e.index] = {std::move(v), ++clock_};
    stack.pop_back();
  }
  return memo_[root.index].value;
}

Value FunctionEmitter::compute(ExprId e) {
  const Expr& x = f_.expr(e);
  switch (x.op) {
    case Op::constant: {
      llvm::Type* type = m_.register_type(x.dtype);
      llvm::Constant* c;
      if (type->isFloatTy()) {
        c = llvm::ConstantFP::get(
            m_.context, llvm::APFloat(llvm::APFloat::IEEEsingle(), llvm::APInt(32, x.bits & 0xffffffffu)));
      } else if (type->isDoubleTy()) {
        c = llvm::ConstantFP::get(m_.context,
                                  llvm::APFloat(llvm::APFloat::IEEEdouble(), llvm::APInt(64, x.bits)));
      } else {
        const unsigned width = type->getIntegerBitWidth();
        c = llvm::ConstantInt::get(type, width == 64 ? x.bits : x.bits & ((uint64_t{1} << width) - 1));
      }
      Value v;
      v.parts.push_back(c);
      return at(0, std::move(v));
    }
    case Op::variable: {
      const Variable& v = variables_[x.var.index];
      TENON_CHECK(v.bound, "variable " + f_.var(x.var).name + " of " + f_.name + " is not bound");
      return current(x.var, element_index(f_.var(x.var), v, x.args));
    }
    case Op::load:
      return load(x, evaluate(x.args[0]));
    case Op::address: {
      Value offset = to_scalar(evaluate(x.args[0]), "an address");
      const uint32_t target = std::max(offset.depth, floor_depth());
      Value v;
      v.parts.push_back(place(target, [&] {
        llvm::Value* base = pointer(x.var);
        return builder_.CreateGEP(builder_.getInt8Ty(), base, offset.scalar());
      }));
      return at(target, std::move(v));
    }
    default: {
      llvm::SmallVector<Value, 3> args;
      for (ExprId arg : x.args) args.push_back(memo_[arg.index].value);
      return compute_pure(x, std::span<const Value>(args.data(), args.size()));
    }
  }
}

Value FunctionEmitter::compute_pure(const Expr& x, std::span<const Value> args) {
  uint32_t target = floor_depth();
  bool uniform = true, constant = true;
  for (const Value& a : args) {
    target = std::max(target, a.depth);
    uniform = uniform && a.uniform();
    constant = constant && a.uniform() && llvm::isa<llvm::Constant>(a.scalar());
  }
  if (constant) target = 0;
  const DType operand = f_.expr(x.args[x.op == Op::select ? 1 : 0]).dtype;
  if (!uniform)
    if (std::optional<Value> v = compute_affine(x, args, target)) return *v;
  Value v;
  if (uniform) {
    llvm::SmallVector<llvm::Value*, 3> scalars;
    for (const Value& a : args) scalars.push_back(a.scalar());
    // Constant operands fold; where they do not (fma), the code stands in the current scope.
    if (constant) {
      llvm::Value* r = arithmetic(x.op, operand, x.dtype, scalars);
      v.parts.push_back(r);
      return llvm::isa<llvm::Constant>(r) ? at(0, std::move(v)) : at(depth(), std::move(v));
    }
    v.parts.push_back(place(target, [&] { return arithmetic(x.op, operand, x.dtype, scalars); }));
    return at(target, std::move(v));
  }
  TENON_CHECK(lanes_.has_value());
  v.shape = Value::Shape::vector;
  for (int p = 0; p < lanes_->parts; ++p) {
    llvm::SmallVector<llvm::Value*, 3> vectors;
    for (const Value& a : args) vectors.push_back(part(a, p));
    v.parts.push_back(place(target, [&] { return arithmetic(x.op, operand, x.dtype, vectors); }));
  }
  return at(target, std::move(v));
}

// Sums, differences and constant multiples of affine integers stay affine: integer arithmetic wraps, so the
// base and the stride can be computed apart.
std::optional<Value> FunctionEmitter::compute_affine(const Expr& x, std::span<const Value> args,
                                                     uint32_t target) {
  if (!is_int(x.dtype)) return std::nullopt;
  for (const Value& a : args)
    if (a.shape == Value::Shape::vector) return std::nullopt;
  auto result = [&](llvm::Value* base, int64_t stride) {
    Value v;
    v.shape = stride == 0 ? Value::Shape::uniform : Value::Shape::affine;
    v.parts.push_back(base);
    v.stride = stride;
    return at(target, std::move(v));
  };
  auto scalar_op = [&] {
    llvm::SmallVector<llvm::Value*, 2> scalars;
    for (const Value& a : args) scalars.push_back(a.scalar());
    const DType operand = f_.expr(x.args[0]).dtype;
    return place(target, [&] { return arithmetic(x.op, operand, x.dtype, scalars); });
  };
  auto stride = [&](size_t i) { return args[i].uniform() ? int64_t{0} : args[i].stride; };
  auto wrap = [](int64_t a, int64_t b, char op) {
    const uint64_t x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
    return static_cast<int64_t>(op == '+' ? x + y : op == '-' ? x - y : x * y);
  };
  switch (x.op) {
    case Op::add:
      return result(scalar_op(), wrap(stride(0), stride(1), '+'));
    case Op::sub:
      return result(scalar_op(), wrap(stride(0), stride(1), '-'));
    case Op::neg:
      return result(scalar_op(), wrap(0, stride(0), '-'));
    case Op::mul: {
      for (size_t i = 0; i < 2; ++i) {
        const auto* c = args[i].uniform() ? llvm::dyn_cast<llvm::ConstantInt>(args[i].scalar()) : nullptr;
        if (c != nullptr) return result(scalar_op(), wrap(stride(1 - i), c->getSExtValue(), '*'));
      }
      return std::nullopt;
    }
    case Op::cast: {
      const DType from = f_.expr(x.args[0]).dtype;
      if (is_int(from) && dtype_bytes(from) >= dtype_bytes(x.dtype)) return result(scalar_op(), stride(0));
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

int64_t FunctionEmitter::static_index(ExprId e) {
  const Value v = evaluate(e);
  if (const auto* c = v.uniform() ? llvm::dyn_cast<llvm::ConstantInt>(v.scalar()) : nullptr)
    return c->getSExtValue();
  m_.refuse(f_, "an expression that must be static is not");
  return 0;
}

size_t FunctionEmitter::element_index(const kernel::Var& var, const Variable& v,
                                      std::span<const ExprId> subscripts) {
  size_t flat = 0;
  for (size_t i = 0; i < subscripts.size(); ++i) {
    const int64_t at = static_index(subscripts[i]);
    if (i >= v.extents.size() || at < 0 || at >= v.extents[i]) {
      m_.refuse(f_, "subscript " + std::to_string(at) + " of " + var.name + " is outside its extents");
      return 0;
    }
    flat = flat * static_cast<size_t>(v.extents[i]) + static_cast<size_t>(at);
  }
  if (flat >= std::max<size_t>(v.elements.size(), v.record != nullptr)) {
    m_.refuse(f_, "subscripts of " + var.name + " do not fit its extents");
    return 0;
  }
  return flat;
}

Value FunctionEmitter::current(kernel::VarId var, size_t element) {
  if (variables_[var.index].record == nullptr) return variables_[var.index].elements[element];
  const uint32_t target = floor_depth();
  Value v;
  v.parts.push_back(place(target, [&] { return read_slot(var); }));
  return at(target, std::move(v));
}

llvm::Value* FunctionEmitter::splat(llvm::Value* scalar, uint32_t depth, uint32_t scope, int64_t stride,
                                    int part) {
  const int n = lanes_->part_lanes;
  const auto key = std::make_tuple(scalar, stride, stride == 0 ? 0 : part, n);
  const auto found = splats_.find(key);
  if (found != splats_.end() && holds(found->second)) return found->second.parts[0];
  Value v;
  v.depth = depth;
  v.scope = scope;
  llvm::Value* vector = place(depth, [&]() -> llvm::Value* {
    const llvm::ElementCount count = llvm::ElementCount::getFixed(static_cast<unsigned>(n));
    llvm::Value* s = llvm::isa<llvm::Constant>(scalar)
                         ? llvm::ConstantVector::getSplat(count, llvm::cast<llvm::Constant>(scalar))
                         : builder_.CreateVectorSplat(static_cast<unsigned>(n), scalar);
    if (stride == 0) return s;
    std::vector<llvm::Constant*> steps;
    for (int l = 0; l < n; ++l) {
      const uint64_t lane = static_cast<uint64_t>(part) * static_cast<uint64_t>(n) + static_cast<uint64_t>(l);
      const llvm::APInt step(64, static_cast<uint64_t>(stride) * lane);
      steps.push_back(
          llvm::ConstantInt::get(m_.context, step.zextOrTrunc(scalar->getType()->getIntegerBitWidth())));
    }
    return builder_.CreateAdd(s, llvm::ConstantVector::get(steps));
  });
  v.parts.push_back(vector);
  splats_[key] = v;
  return vector;
}

llvm::Value* FunctionEmitter::part(const Value& v, int p) {
  if (v.shape == Value::Shape::vector) return v.parts[static_cast<size_t>(p)];
  return splat(v.scalar(), v.depth, v.scope, v.uniform() ? 0 : v.stride, p);
}

Value FunctionEmitter::to_vector(const Value& v) {
  if (v.shape == Value::Shape::vector) return v;
  Value r;
  r.shape = Value::Shape::vector;
  for (int p = 0; p < lanes_->parts; ++p) r.parts.push_back(part(v, p));
  return at(v.depth, std::move(r));
}

Value FunctionEmitter::to_scalar(const Value& v, const char* what) {
  if (v.uniform()) return v;
  m_.refuse(f_, std::string(what) + " differs between lanes");
  Value r;
  llvm::Type* type = v.parts[0]->getType()->getScalarType();
  r.parts.push_back(llvm::Constant::getNullValue(type));
  return at(0, std::move(r));
}

llvm::Value* FunctionEmitter::scalar(ExprId e) { return to_scalar(evaluate(e), "a value").scalar(); }

}  // namespace tenon::codegen
