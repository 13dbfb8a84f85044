#include "kernel/print.h"

namespace tenon::kernel {
namespace {

// Variables and expressions are numbered as they are met, so that neither names nor the order in which a
// builder made them, nor expressions that nothing uses, change the hash.
class Structure {
 public:
  explicit Structure(const Function& function)
      : f_(function), vars_(function.vars.size(), 0), exprs_(function.exprs.size(), 0) {}

  Hasher hash() {
    h_.add(uint64_t{f_.entry} | uint64_t{f_.procedure} << 1);
    h_.add(uint64_t{f_.params.size()});
    for (VarId v : f_.params) variable(v);
    if (!f_.scratch.empty()) h_.add(uint64_t{f_.scratch.size()});
    for (VarId v : f_.scratch) variable(v);
    h_.add(uint64_t{f_.fixed.size()});
    for (VarId v : f_.fixed) variable(v);
    block(f_.body);
    return h_;
  }

 private:
  void variable(VarId v) {
    if (v.index >= vars_.size()) {
      h_.add(v.index);
      return;
    }
    if (vars_[v.index] != 0) {
      h_.add(uint64_t{vars_[v.index]});
      return;
    }
    vars_[v.index] = ++var_count_;
    const Var& x = f_.var(v);
    h_.add(uint64_t{1} << 63 | uint64_t{static_cast<uint8_t>(x.kind)} << 16 |
           uint64_t{static_cast<uint8_t>(x.dtype)} << 8 | uint64_t{x.read} << 1 | uint64_t{x.written});
    h_.add(static_cast<uint64_t>(x.value)).add(x.align).add(uint64_t{x.extents.size()});
    for (ExprId e : x.extents) expression(e);
  }

  void expression(ExprId root) {
    if (root.index >= exprs_.size()) {
      h_.add(~uint64_t{0});
      return;
    }
    std::vector<std::pair<uint32_t, size_t>> stack{{root.index, 0}};
    while (!stack.empty()) {
      auto& [at, next] = stack.back();
      const Expr& e = f_.exprs[at];
      if (exprs_[at] == 0 && next < e.args.size()) {
        const uint32_t child = e.args[next++].index;
        if (child < at) stack.emplace_back(child, 0);
        continue;
      }
      if (exprs_[at] == 0) {
        exprs_[at] = ++expr_count_;
        h_.add(uint64_t{2} << 62 | uint64_t{static_cast<uint8_t>(e.op)} << 8 | static_cast<uint8_t>(e.dtype));
        h_.add(e.bits).add(uint64_t{e.args.size()});
        for (ExprId a : e.args) h_.add(a.index < at ? uint64_t{exprs_[a.index]} : ~uint64_t{0});
        if (e.var.valid()) variable_of(e.var);
      }
      stack.pop_back();
    }
    h_.add(uint64_t{exprs_[root.index]});
  }
  // Extents of a variable are expressions of their own: hashing them inside another's visit must not nest
  // without end, so a variable that is met before its declaration counts by its number only.
  void variable_of(VarId v) {
    if (v.index < vars_.size() && vars_[v.index] == 0) vars_[v.index] = ++var_count_;
    h_.add(v.index < vars_.size() ? uint64_t{vars_[v.index]} : ~uint64_t{0});
  }

  void block(const std::vector<Stmt>& body) {
    h_.add(uint64_t{body.size()});
    for (const Stmt& s : body) {
      h_.add(uint64_t{static_cast<uint8_t>(s.kind)} << 32 | uint64_t{s.code} << 8 | uint64_t{s.write});
      if (s.var.valid()) variable(s.var);
      for (ExprId e : {s.lo, s.hi, s.step, s.value, s.index}) expression(e);
      h_.add(uint64_t{s.args.size()});
      for (ExprId e : s.args) expression(e);
      if (!s.callee.empty()) h_.add(s.callee);
      block(s.body);
      block(s.other);
      h_.add(uint64_t{s.folds.size()});
      for (const Fold& fold : s.folds) {
        h_.add(uint64_t{static_cast<uint8_t>(fold.op)});
        variable(fold.target);
        expression(fold.value);
      }
    }
  }

  const Function& f_;
  std::vector<uint32_t> vars_, exprs_;
  uint32_t var_count_ = 0, expr_count_ = 0;
  Hasher h_;
};

}  // namespace

Hasher structural_hash(const Function& function) { return Structure(function).hash(); }

}  // namespace tenon::kernel
