#include "kernel/guard_function.h"

#include <algorithm>

#include "kernel/guard_cost.h"
#include "kernel/text.h"

namespace tenon::kernel {
namespace {

constexpr int64_t most_chunks = int64_t{1} << 23;
// Of a call, whatever its buffers: seconds. And for each of their elements: a product of matrices does for
// each element as much as it has columns.
constexpr int64_t least_work = int64_t{1} << 32, element_work = int64_t{1} << 12;

}  // namespace

FunctionGuard::FunctionGuard(Function& function, const Module& module,
                             const std::unordered_set<std::string_view>& closed)
    : f_(function), m_(module), closed_(closed), b_(function), extents_(function.vars.size()) {
  loads_.assign(f_.exprs.size(), false);
  for (size_t i = 0; i < f_.exprs.size(); ++i) {
    const Expr& e = f_.exprs[i];
    loads_[i] = e.op == Op::load ||
                std::any_of(e.args.begin(), e.args.end(), [&](ExprId a) { return loads_[a.index]; });
  }
  for (VarId v : f_.scratch) extents_[v.index].elements = b_.index(f_.var(v).value);
  nest_ = b_.index(1);
}

Errors FunctionGuard::run() {
  const Block body = std::move(f_.body);
  Block rest = block(body);
  first_.insert(first_.end(), std::make_move_iterator(rest.begin()), std::make_move_iterator(rest.end()));
  f_.body = std::move(first_);
  return std::move(errors_);
}

FunctionGuard::Block FunctionGuard::block(const Block& body) {
  Block out;
  Block* const outer = out_;
  const Stmt* const outer_at = at_;
  out_ = &out;
  for (const Stmt& s : body) {
    at_ = &s;
    rewritten_.clear();
    statement(s);
  }
  out_ = outer;
  at_ = outer_at;
  return out;
}

Stmt& FunctionGuard::emit(StmtKind kind) {
  out_->emplace_back().kind = kind;
  return out_->back();
}

void FunctionGuard::refuse(const Stmt& at, std::string message) {
  Diagnostic d;
  d.code = Code::graph_invalid;
  d.message = std::string(f_.word()) + " " + f_.name + ": " + std::move(message);
  d.notes.push_back("in: " + statement_text(f_, at));
  errors_.add(std::move(d));
}

void FunctionGuard::fail(Code code, ExprId condition, ExprId detail) {
  std::string place = at_ == nullptr ? std::string() : statement_text(f_, *at_, 100);
  Stmt& s = emit(StmtKind::fail);
  s.code = static_cast<uint16_t>(code);
  s.value = condition;
  s.index = detail;
  s.comment = std::move(place);
}

ExprId FunctionGuard::let(std::string name, ExprId value) {
  const Expr& e = f_.expr(value);
  if (e.op == Op::constant || (e.op == Op::variable && f_.var(e.var).kind != VarKind::local)) return value;
  const VarId id = b_.variable(Var{.kind = VarKind::let, .dtype = e.dtype, .name = std::move(name)});
  Stmt& s = emit(StmtKind::let);
  s.var = id;
  s.value = value;
  return b_.use(id);
}

ExprId FunctionGuard::rewrite(ExprId root) {
  if (!root.valid() || !loads_[root.index]) return root;
  // Operands come before their uses, so that the list in order needs no recursion.
  std::vector<uint32_t> list, stack{root.index};
  std::unordered_set<uint32_t> seen;
  while (!stack.empty()) {
    const uint32_t id = stack.back();
    stack.pop_back();
    if (!loads_[id] || rewritten_.contains(id) || !seen.insert(id).second) continue;
    list.push_back(id);
    for (ExprId a : f_.exprs[id].args) stack.push_back(a.index);
  }
  std::sort(list.begin(), list.end());
  for (const uint32_t id : list) {
    Expr x = f_.exprs[id];
    for (ExprId& a : x.args)
      if (auto it = rewritten_.find(a.index); it != rewritten_.end()) a = it->second;
    rewritten_[id] = x.op == Op::load ? load(std::move(x)) : b_.intern(std::move(x));
  }
  return rewritten_.at(root.index);
}

ExprId FunctionGuard::inside(VarId buffer, ExprId at) {
  const ExprId elements = extents_[buffer.index].elements;
  const ExprId within =
      b_.binary(Op::band, b_.binary(Op::le, b_.index(0), at), b_.binary(Op::lt, at, elements));
  if (b_.as_bool(within) == true) return {};
  const ExprId condition = let("inside", within);
  fail(Code::index_range, b_.unary(Op::bnot, condition), at);
  return condition;
}

ExprId FunctionGuard::load(Expr x) {
  x.args[0] = let("at", x.args[0]);
  const ExprId condition = inside(x.var, x.args[0]);
  if (!condition.valid()) return b_.intern(std::move(x));
  Var v{.kind = VarKind::local, .dtype = x.dtype, .name = "loaded"};
  const VarId loaded = b_.variable(std::move(v));
  Stmt& declared = emit(StmtKind::declare);
  declared.var = loaded;
  declared.value = b_.constant(x.dtype, 0);
  Stmt& branch = emit(StmtKind::if_);
  branch.value = condition;
  Stmt& s = branch.body.emplace_back();
  s.kind = StmtKind::assign;
  s.var = loaded;
  s.value = b_.intern(std::move(x));
  return b_.use(loaded);
}

void FunctionGuard::store(Stmt s) {
  extents_[s.var.index].written = true;
  s.index = let("at", rewrite(s.index));
  s.value = rewrite(s.value);
  const ExprId condition = inside(s.var, s.index);
  if (!condition.valid()) {
    out_->push_back(std::move(s));
    return;
  }
  Stmt& branch = emit(StmtKind::if_);
  branch.value = condition;
  branch.body.push_back(std::move(s));
}

// Trips of so many elements each, at least 1 where there are any.
ExprId FunctionGuard::trips(ExprId lo, ExprId hi, ExprId per) {
  const ExprId one = b_.index(1);
  return b_.add(b_.binary(Op::div, b_.sub(b_.sub(hi, lo), one), per), one);
}

// The bound, or the lower one where there are more trips than that.
ExprId FunctionGuard::bounded(ExprId lo, ExprId hi, ExprId count, ExprId most) {
  const ExprId wrapped = b_.binary(Op::lt, b_.sub(hi, lo), b_.index(0));
  const ExprId many = b_.binary(Op::bor, wrapped, b_.binary(Op::lt, most, count));
  const ExprId over = b_.binary(Op::band, b_.binary(Op::lt, lo, hi), many);
  if (b_.as_bool(over) == false) return hi;
  const ExprId condition = let("endless", over);
  fail(Code::size_range, condition, hi);
  return b_.select(condition, lo, hi);
}

// What is left of the work when a loop is met, by its trips and those around it.
ExprId FunctionGuard::work() {
  if (work_.valid()) return work_;
  ExprId elements = b_.index(0);
  constexpr int64_t most = int64_t{1} << 40;
  for (VarId p : f_.params)
    if (f_.var(p).kind == VarKind::buffer)
      elements = b_.add(elements, b_.binary(Op::min, extents_[p.index].elements, b_.index(most)));
  return work_ = b_.add(b_.index(least_work), b_.mul(elements, b_.index(element_work)));
}

void FunctionGuard::loop(Stmt s) {
  s.lo = let("from", rewrite(s.lo));
  s.hi = let("to", rewrite(s.hi));
  const bool lanes = s.kind == StmtKind::lanes;
  if (!lanes) {
    s.step = let("step", rewrite(s.step));
    const ExprId stuck = b_.binary(Op::lt, s.step, b_.index(1));
    if (b_.as_bool(stuck) != false) {
      fail(Code::size_range, stuck, s.step);
      s.step = let("step", b_.binary(Op::max, s.step, b_.index(1)));
    }
  }
  const ExprId nest = nest_, one = b_.index(1);
  const int64_t outer_lanes = lane_width_;
  if (lanes) {
    const int64_t* width = b_.as_index(s.step);
    lane_width_ = width != nullptr ? *width : 64;
  }
  const ExprId count = let("trips", trips(s.lo, s.hi, s.step));
  const ExprId cost = b_.index(trip_cost(f_, s, lane_width_));
  s.hi = bounded(s.lo, s.hi, count, b_.binary(Op::div, b_.binary(Op::div, work(), cost), nest));
  nest_ = let("nest", b_.mul(nest, b_.binary(Op::max, count, one)));
  Block body = block(s.body);
  if (lanes) {
    Block* const around = out_;
    out_ = &body;
    rewritten_.clear();
    for (Fold& fold : s.folds) fold.value = rewrite(fold.value);
    out_ = around;
  }
  body.emplace(body.begin())->kind = StmtKind::stop_on_failure;
  nest_ = nest;
  lane_width_ = outer_lanes;
  s.body = std::move(body);
  out_->push_back(std::move(s));
}

// Its buffers' elements follow the arguments.
void FunctionGuard::call(Stmt s) {
  const Function& callee = *m_.find(s.callee);
  if (closed_.contains(callee.name))
    refuse(s, callee.name + " computes the bytes of an arena: it is not called");
  const size_t count = s.args.size();
  for (size_t i = 0; i < count; ++i) {
    s.args[i] = rewrite(s.args[i]);
    const Expr address = f_.expr(s.args[i]);
    if (address.op != Op::address) continue;
    const Var& p = callee.var(callee.params[i]);
    const auto size = static_cast<int64_t>(dtype_bytes(p.dtype));
    const int64_t align = std::max<int64_t>(p.align, size);
    Extent& base = extents_[address.var.index];
    base.written = base.written || p.written;
    const ExprId offset = let("offset", address.args[0]);
    ExprId sound = b_.binary(Op::band, b_.binary(Op::le, b_.index(base.first_byte), offset),
                             b_.binary(Op::le, offset, base.bytes));
    if (align > base.align)
      sound = b_.constant(DType::bool_, 0);
    else if (align > 1)
      sound = b_.binary(Op::band, sound,
                        b_.binary(Op::eq, b_.binary(Op::band, offset, b_.index(align - 1)), b_.index(0)));
    sound = let("sound", sound);
    const ExprId left = b_.binary(Op::div, b_.sub(base.bytes, offset), b_.index(size));
    s.args[i] = b_.address(address.var, b_.select(sound, offset, b_.index(0)), address.dtype);
    s.args.push_back(b_.select(sound, left, b_.index(0)));
  }
  out_->push_back(std::move(s));
}

void FunctionGuard::statement(Stmt s) {
  if (in_phase_) {
    const bool reads = (s.value.valid() && loads_[s.value.index]) ||
                       std::any_of(s.args.begin(), s.args.end(), [&](ExprId a) { return loads_[a.index]; });
    if (reads) return refuse(s, "a phase's own statements load nothing: its kernels do");
  }
  switch (s.kind) {
    case StmtKind::store:
      return store(std::move(s));
    case StmtKind::for_:
    case StmtKind::lanes:
      return loop(std::move(s));
    case StmtKind::call:
      return call(std::move(s));
    case StmtKind::parallel: {
      s.hi = let("chunks", rewrite(s.hi));
      s.hi = bounded(b_.index(0), s.hi, s.hi, b_.index(most_chunks));
      in_phase_ = true;
      s.body = block(s.body);
      in_phase_ = false;
      break;
    }
    case StmtKind::if_:
      s.value = rewrite(s.value);
      s.body = block(s.body);
      s.other = block(s.other);
      break;
    case StmtKind::unroll:
    case StmtKind::specialize:
      s.value = rewrite(s.value);
      s.body = block(s.body);
      break;
    default:
      s.value = rewrite(s.value);
      s.index = rewrite(s.index);
  }
  out_->push_back(std::move(s));
}

}  // namespace tenon::kernel
