#include "kernel/static_walk.h"

#include <algorithm>

#include "kernel/scalar.h"
#include "kernel/text.h"

namespace tenon::kernel {
namespace {

class StaticWalk {
 public:
  StaticWalk(const Function& function, const Limits& limits) : f_(function), limits_(limits) {}

  Errors run() {
    values_.assign(f_.vars.size(), 0);
    extents_.resize(f_.vars.size());
    for (VarId v : f_.fixed) values_[v.index] = f_.var(v).value;
    has_arrays_.assign(f_.exprs.size(), false);
    for (size_t i = 0; i < f_.exprs.size(); ++i) {
      const Expr& e = f_.exprs[i];
      bool has = e.op == Op::variable && !e.args.empty();
      for (ExprId a : e.args) has = has || has_arrays_[a.index];
      has_arrays_[i] = has;
    }
    block(f_.body);
    return std::move(errors_);
  }

 private:
  void fail(Code code, std::string message, const Stmt& at, std::string help = {}) {
    stop_ = true;  // each further step would say it again
    Diagnostic d;
    d.code = code;
    d.message = std::string(f_.word()) + " " + f_.name + ": " + std::move(message);
    d.notes.push_back("in: " + statement_text(f_, at));
    d.help = std::move(help);
    errors_.add(std::move(d));
  }
  void count(const Stmt& at, int64_t n = 1) {
    if (n > limits_.expanded_statements || (total_ += n) > limits_.expanded_statements)
      fail(Code::compile_limit,
           "more than " + std::to_string(limits_.expanded_statements) + " statements after unrolling", at,
           "smaller tiles, or a for loop in place of an unroll");
  }
  int64_t value(const Stmt& at, ExprId e) {
    int64_t out = 0;
    if (!stop_ && !static_value(f_, e, values_, &out))
      fail(Code::compile_limit, "a static expression is too large", at);
    return out;
  }

  void block(const std::vector<Stmt>& body) {
    const int64_t outer = bytes_;
    for (const Stmt& s : body) {
      if (stop_) return;
      statement(s);
    }
    bytes_ = outer;
  }

  // Values that are alive here, at most, and may need a place on the stack.
  void hold(const Stmt& s, int64_t elements) {
    const auto size = static_cast<int64_t>(dtype_bytes(f_.var(s.var).dtype));
    bytes_ += elements * std::max<int64_t>(width_, 1) * size;
    if (bytes_ > limits_.register_bytes)
      fail(Code::compile_limit,
           "more than " + std::to_string(limits_.register_bytes) + " bytes of register variables at once", s,
           "fewer lanes, or smaller arrays of registers");
  }

  void statement(const Stmt& s) {
    count(s);
    for (ExprId e : {s.lo, s.hi, s.step, s.value, s.index})
      if (e.valid()) arrays(s, e);
    for (ExprId e : s.args) arrays(s, e);
    for (const Fold& fold : s.folds) arrays(s, fold.value);
    if (stop_) return;
    switch (s.kind) {
      case StmtKind::declare:
        declare(s);
        return;
      case StmtKind::assign:
        subscripts(s, s.var, s.args);
        return;
      case StmtKind::lanes:
        width(s);
        block(s.body);
        width_ = 0;
        return;
      case StmtKind::let:
        hold(s, 1);
        return;
      case StmtKind::exchange:
        exchange(s);
        return;
      case StmtKind::for_:
        break;
      case StmtKind::unroll: {
        const int64_t lo = value(s, s.lo), hi = value(s, s.hi);
        each(s, lo, hi);
        return;
      }
      case StmtKind::specialize: {
        const int64_t lo = value(s, s.lo), hi = value(s, s.hi);
        if (hi == INT64_MAX)
          count(s, hi);
        else
          each(s, lo, hi + 1);
        return;
      }
      default:
        break;
    }
    block(s.body);
    block(s.other);
  }

  void each(const Stmt& s, int64_t lo, int64_t hi) {
    if (stop_ || hi <= lo) return;
    const uint64_t times = static_cast<uint64_t>(hi) - static_cast<uint64_t>(lo);
    if (times > static_cast<uint64_t>(limits_.expanded_statements)) {
      count(s, INT64_MAX);
      return;
    }
    for (int64_t i = lo; i < hi && !stop_; ++i) {
      values_[s.var.index] = i;
      count(s);
      block(s.body);
    }
  }

  void width(const Stmt& s) {
    const int64_t w = value(s, s.step);
    width_ = w;
    if (stop_) return;
    const bool power = w > 0 && (w & (w - 1)) == 0;
    if (w > limits_.lane_width) {
      fail(Code::compile_limit,
           "lanes are " + std::to_string(w) + " wide, at most " + std::to_string(limits_.lane_width), s);
    } else if (w <= 0 || (!power && w % 4 != 0)) {
      fail(Code::graph_invalid,
           "lanes are " + std::to_string(w) + " wide, expected a multiple of 4 or a power of two", s);
    } else if (!power && !s.folds.empty()) {
      fail(Code::graph_invalid,
           "lanes are " + std::to_string(w) + " wide, expected a power of two: their body folds", s);
    }
  }

  void exchange(const Stmt& s) {
    const std::vector<int64_t>& extents = extents_[s.var.index];
    const int64_t registers = extents.empty() ? 0 : extents[0];
    if (registers > 0 && registers <= width_ && (width_ & (width_ - 1)) == 0) return count(s, registers);
    fail(Code::graph_invalid,
         f_.var(s.var).name + " has " + std::to_string(registers) + " registers and the lanes are " +
             std::to_string(width_) +
             " wide, expected as many registers at most, and lanes of a power of two",
         s);
  }

  void declare(const Stmt& s) {
    const Var& v = f_.var(s.var);
    if (v.extents.empty()) return hold(s, 1);
    std::vector<int64_t>& extents = extents_[s.var.index];
    extents.clear();
    int64_t elements = 1;
    for (ExprId e : v.extents) {
      const int64_t n = value(s, e);
      if (stop_) return;
      if (n < 1 || n > limits_.registers || (elements *= n) > limits_.registers) {
        fail(n < 1 ? Code::graph_invalid : Code::compile_limit,
             v.name + ": a register array has 1 to " + std::to_string(limits_.registers) +
                 " elements, extent " + std::to_string(n),
             s);
        return;
      }
      extents.push_back(n);
    }
    hold(s, elements);
  }

  void subscripts(const Stmt& s, VarId var, const std::vector<ExprId>& list) {
    const std::vector<int64_t>& extents = extents_[var.index];
    for (size_t i = 0; i < list.size() && i < extents.size() && !stop_; ++i) {
      const int64_t at = value(s, list[i]);
      if (stop_ || (at >= 0 && at < extents[i])) continue;
      fail(Code::index_range,
           "subscript " + std::to_string(at) + " of " + f_.var(var).name + " is outside 0 .. " +
               std::to_string(extents[i]),
           s);
    }
  }

  void arrays(const Stmt& s, ExprId root) {
    if (!has_arrays_[root.index]) return;
    seen_.resize(f_.exprs.size(), 0);
    ++epoch_;
    stack_.assign(1, root);
    while (!stack_.empty() && !stop_) {
      const ExprId id = stack_.back();
      stack_.pop_back();
      if (!has_arrays_[id.index] || seen_[id.index] == epoch_) continue;
      seen_[id.index] = epoch_;
      const Expr& e = f_.expr(id);
      if (e.op == Op::variable) {
        subscripts(s, e.var, e.args);
      } else {
        stack_.insert(stack_.end(), e.args.begin(), e.args.end());
      }
    }
  }

  const Function& f_;
  const Limits& limits_;
  Errors errors_;
  std::vector<int64_t> values_;                // by variable
  std::vector<std::vector<int64_t>> extents_;  // by variable, where it was last declared
  std::vector<bool> has_arrays_;
  std::vector<uint32_t> seen_;
  std::vector<ExprId> stack_;
  uint32_t epoch_ = 0;
  int64_t total_ = 0, width_ = 0;  // width_: 0 outside lanes
  int64_t bytes_ = 0;
  bool stop_ = false;
};

bool evaluate_static(const Function& f, ExprId id, const std::vector<int64_t>& values, int& budget, int depth,
                     int64_t* out) {
  if (--budget < 0 || depth > 200) return false;
  const Expr& e = f.expr(id);
  if (e.op == Op::constant) {
    *out = static_cast<int64_t>(e.bits);
    return true;
  }
  if (e.op == Op::variable) {
    *out = values[e.var.index];
    return true;
  }
  uint64_t args[3] = {};
  if (e.args.size() > 3) return false;
  for (size_t i = 0; i < e.args.size(); ++i) {
    int64_t x = 0;
    if (!evaluate_static(f, e.args[i], values, budget, depth + 1, &x)) return false;
    args[i] = static_cast<uint64_t>(x);
  }
  uint64_t result = 0;
  if (e.args.empty() || !apply(e.op, f.expr(e.args[0]).dtype, e.dtype, args, &result)) return false;
  *out = static_cast<int64_t>(result);
  return true;
}

}  // namespace

bool static_value(const Function& function, ExprId expr, const std::vector<int64_t>& values, int64_t* out) {
  int budget = 4096;
  return evaluate_static(function, expr, values, budget, 0, out);
}

Errors walk_static(const Function& function, const Limits& limits) {
  return StaticWalk(function, limits).run();
}

}  // namespace tenon::kernel
