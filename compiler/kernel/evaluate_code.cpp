#include "kernel/evaluate_code.h"

#include <algorithm>
#include <unordered_map>

namespace tenon::kernel {
namespace {

class Preparation {
 public:
  Preparation(const Function& function, FunctionCode& code) : f_(function), code_(code) {
    code.function = &function;
    code.roots.resize(function.exprs.size());
    code.varying.assign(function.vars.size(), false);
  }

  // In order of execution: a variable's declaration comes before its uses.
  void block(const std::vector<Stmt>& body, bool in_lanes) {
    for (const Stmt& s : body) {
      for (ExprId e : {s.lo, s.hi, s.step, s.value, s.index}) root(e);
      for (ExprId e : s.args) root(e);
      if (s.kind == StmtKind::declare) {
        for (ExprId e : f_.var(s.var).extents) root(e);
        code_.varying[s.var.index] = in_lanes;
      } else if (s.kind == StmtKind::let) {
        code_.varying[s.var.index] = code_.roots[s.value.index]->back().varying;
      } else if (s.kind == StmtKind::lanes) {
        code_.varying[s.var.index] = true;
      }
      block(s.body, in_lanes || s.kind == StmtKind::lanes);
      block(s.other, in_lanes);
      for (const Fold& fold : s.folds) root(fold.value);
    }
  }

 private:
  void root(ExprId e) {
    if (!e.valid() || code_.roots[e.index] != nullptr) return;
    auto list = std::make_unique<std::vector<CodeNode>>();
    std::unordered_map<uint32_t, uint32_t> at;  // position of an expression in the list
    std::vector<std::pair<ExprId, size_t>> stack{{e, 0}};
    while (!stack.empty()) {
      auto& [id, next] = stack.back();
      if (at.contains(id.index)) {
        stack.pop_back();
        continue;
      }
      const Expr& x = f_.expr(id);
      if (next < x.args.size()) {
        stack.emplace_back(x.args[next++], 0);
        continue;
      }
      list->push_back(node(x, at, *list));
      at.emplace(id.index, static_cast<uint32_t>(list->size() - 1));
      stack.pop_back();
    }
    code_.longest = std::max(code_.longest, list->size());
    code_.roots[e.index] = std::move(list);
  }

  CodeNode node(const Expr& x, const std::unordered_map<uint32_t, uint32_t>& at,
                const std::vector<CodeNode>& list) {
    CodeNode n{.op = x.op, .dtype = x.dtype, .var = x.var, .bits = x.bits, .subscripts = {}};
    for (size_t i = 0; i < x.args.size(); ++i) {
      const uint32_t position = at.at(x.args[i].index);
      n.varying = n.varying || list[position].varying;
      if (x.op == Op::variable) {
        n.subscripts.push_back(position);
      } else {
        n.args[i] = position;
      }
    }
    switch (x.op) {
      case Op::constant:
        break;
      case Op::variable:
        n.varying = code_.varying[x.var.index];
        break;
      case Op::load:
        n.bytes = static_cast<uint8_t>(dtype_bytes(x.dtype));
        break;
      case Op::address:
        break;
      default:
        n.apply = find_apply(x.op, f_.expr(x.args[x.op == Op::select ? 1 : 0]).dtype, x.dtype);
    }
    return n;
  }

  const Function& f_;
  FunctionCode& code_;
};

}  // namespace

FunctionCode prepare(const Function& function) {
  FunctionCode code;
  Preparation(function, code).block(function.body, false);
  return code;
}

}  // namespace tenon::kernel
