#include "codegen/analysis.h"

#include <algorithm>

namespace tenon::codegen {
using kernel::ExprId;
using kernel::Function;
using kernel::Op;
using kernel::Stmt;
using kernel::StmtKind;
using kernel::VarId;
using kernel::VarKind;

namespace {

// Calls f(expression) for every expression that a statement itself evaluates (not its bodies).
template <class F>
void each_expression(const Stmt& s, F&& f) {
  for (ExprId e : {s.lo, s.hi, s.step, s.value, s.index})
    if (e.valid()) f(e);
  for (ExprId e : s.args) f(e);
  for (const kernel::Fold& fold : s.folds) f(fold.value);
}

bool declares(StmtKind kind) {
  switch (kind) {
    case StmtKind::declare:
    case StmtKind::let:
    case StmtKind::for_:
    case StmtKind::lanes:
    case StmtKind::unroll:
    case StmtKind::specialize:
    case StmtKind::parallel:
      return true;
    default:
      return false;
  }
}

void sort_unique(std::vector<uint32_t>& v) {
  std::sort(v.begin(), v.end());
  v.erase(std::unique(v.begin(), v.end()), v.end());
}

class Variance {
 public:
  Variance(const Function& function, Analysis& analysis) : function_(function), analysis_(analysis) {}

  void run() {
    do {
      changed_ = false;
      visit(function_.body, false);
    } while (changed_);
  }

 private:
  bool varies(ExprId e) const {
    const std::vector<uint32_t>& reads = analysis_.reads[e.index];
    return std::any_of(reads.begin(), reads.end(), [&](uint32_t v) { return analysis_.varying[v]; });
  }
  void mark(VarId v) {
    if (analysis_.varying[v.index]) return;
    analysis_.varying[v.index] = true;
    changed_ = true;
  }
  void visit(const std::vector<Stmt>& body, bool predicated) {
    for (const Stmt& s : body) {
      switch (s.kind) {
        case StmtKind::lanes:
          mark(s.var);
          visit(s.body, false);
          break;
        case StmtKind::declare:
        case StmtKind::let:
          if (varies(s.value)) mark(s.var);
          break;
        case StmtKind::assign:
          if (predicated || varies(s.value)) mark(s.var);
          break;
        case StmtKind::exchange:
          mark(s.var);
          break;
        case StmtKind::if_: {
          const bool inner = predicated || varies(s.value);
          visit(s.body, inner);
          visit(s.other, inner);
          break;
        }
        default:
          visit(s.body, predicated);
          break;
      }
    }
  }

  const Function& function_;
  Analysis& analysis_;
  bool changed_ = false;
};

void collect_assigned(const std::vector<Stmt>& body, std::vector<uint32_t>& assigned,
                      std::vector<uint32_t>& declared) {
  for (const Stmt& s : body) {
    if (declares(s.kind)) declared.push_back(s.var.index);
    if (s.kind == StmtKind::assign || s.kind == StmtKind::exchange) assigned.push_back(s.var.index);
    for (const kernel::Fold& fold : s.folds) assigned.push_back(fold.target.index);
    collect_assigned(s.body, assigned, declared);
    collect_assigned(s.other, assigned, declared);
  }
}

void collect_used(const Function& function, const Analysis& analysis, const std::vector<Stmt>& body,
                  std::vector<uint32_t>& used, std::vector<uint32_t>& declared) {
  for (const Stmt& s : body) {
    if (declares(s.kind)) {
      declared.push_back(s.var.index);
    } else if (s.var.valid()) {
      used.push_back(s.var.index);
    }
    each_expression(s, [&](ExprId e) {
      const std::vector<uint32_t>& reads = analysis.reads[e.index];
      used.insert(used.end(), reads.begin(), reads.end());
    });
    for (const kernel::Fold& fold : s.folds) used.push_back(fold.target.index);
    collect_used(function, analysis, s.body, used, declared);
    collect_used(function, analysis, s.other, used, declared);
  }
}

std::vector<uint32_t> without(std::vector<uint32_t> a, std::vector<uint32_t> b) {
  sort_unique(a);
  sort_unique(b);
  std::vector<uint32_t> result;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(result));
  return result;
}

uint32_t count_fails(const std::vector<Stmt>& body) {
  uint32_t n = 0;
  for (const Stmt& s : body) n += (s.kind == StmtKind::fail) + count_fails(s.body) + count_fails(s.other);
  return n;
}

// Statements that need the call's status: failing, leaving on failure, counting steps.
bool uses_status(const std::vector<Stmt>& body) {
  for (const Stmt& s : body) {
    if (s.kind == StmtKind::fail || s.kind == StmtKind::stop_on_failure || s.kind == StmtKind::progress)
      return true;
    if (uses_status(s.body) || uses_status(s.other)) return true;
  }
  return false;
}

bool calls_status(const std::vector<Stmt>& body, const ModuleFacts& facts) {
  for (const Stmt& s : body) {
    if (s.kind == StmtKind::call) {
      const auto f = facts.functions.find(s.callee);
      if (f != facts.functions.end() && facts.status.at(f->second)) return true;
    }
    if (calls_status(s.body, facts) || calls_status(s.other, facts)) return true;
  }
  return false;
}

// Callees stand before their callers.
bool runs_phases(const std::vector<Stmt>& body, const ModuleFacts& facts) {
  for (const Stmt& s : body) {
    if (s.kind == StmtKind::parallel) return true;
    if (s.kind == StmtKind::call) {
      const auto f = facts.functions.find(s.callee);
      const auto known = f == facts.functions.end() ? facts.phases.end() : facts.phases.find(f->second);
      if (known != facts.phases.end() && known->second) return true;
    }
    if (runs_phases(s.body, facts) || runs_phases(s.other, facts)) return true;
  }
  return false;
}

// Byte-wide loads inside an expression, however deep; shared parts are looked at once.
bool loads_bytes(const Function& function, ExprId root, std::vector<bool>& seen) {
  std::vector<ExprId> work{root};
  while (!work.empty()) {
    const ExprId e = work.back();
    work.pop_back();
    if (seen[e.index]) continue;
    seen[e.index] = true;
    const kernel::Expr& x = function.expr(e);
    if (x.op == Op::load && dtype_bytes(function.var(x.var).dtype) == 1) return true;
    work.insert(work.end(), x.args.begin(), x.args.end());
  }
  return false;
}

bool accesses_bytes(const Function& function, const std::vector<Stmt>& body, std::vector<bool>& seen) {
  for (const Stmt& s : body) {
    if (s.kind == StmtKind::store && dtype_bytes(function.var(s.var).dtype) == 1) return true;
    bool found = false;
    each_expression(s, [&](ExprId e) { found = found || loads_bytes(function, e, seen); });
    if (found || accesses_bytes(function, s.body, seen) || accesses_bytes(function, s.other, seen))
      return true;
  }
  return false;
}

}  // namespace

Analysis analyse(const Function& function) {
  Analysis a;
  a.reads.resize(function.exprs.size());
  a.loads.resize(function.exprs.size());
  a.varying.resize(function.vars.size());
  for (size_t i = 0; i < function.exprs.size(); ++i) {
    const kernel::Expr& x = function.exprs[i];
    std::vector<uint32_t>& reads = a.reads[i];
    if (x.var.valid() && function.var(x.var).kind != VarKind::fixed) reads.push_back(x.var.index);
    bool loads = x.op == Op::load;
    for (ExprId arg : x.args) {
      TENON_CHECK(arg.index < i, "expressions of a kernel stand after their operands");
      reads.insert(reads.end(), a.reads[arg.index].begin(), a.reads[arg.index].end());
      loads = loads || a.loads[arg.index];
    }
    a.loads[i] = loads;
    sort_unique(reads);
  }
  Variance(function, a).run();
  return a;
}

std::vector<uint32_t> assigned_variables(const std::vector<Stmt>& body) {
  std::vector<uint32_t> assigned, declared;
  collect_assigned(body, assigned, declared);
  return without(std::move(assigned), std::move(declared));
}

std::vector<uint32_t> used_variables(const Function& function, const Analysis& analysis,
                                     const std::vector<Stmt>& body) {
  std::vector<uint32_t> used, declared;
  collect_used(function, analysis, body, used, declared);
  return without(std::move(used), std::move(declared));
}

bool accesses_bytes(const Function& function, const std::vector<Stmt>& body) {
  std::vector<bool> seen(function.exprs.size());
  return accesses_bytes(function, body, seen);
}

ModuleFacts module_facts(const kernel::Module& module) {
  ModuleFacts facts;
  uint32_t place = 0;
  for (const Function& f : module.functions) {
    facts.functions.emplace(f.name, &f);
    facts.first_place[&f] = place;
    facts.status[&f] = f.procedure || uses_status(f.body);
    facts.phases[&f] = runs_phases(f.body, facts);
    place += count_fails(f.body);
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (const Function& f : module.functions) {
      bool& status = facts.status[&f];
      if (status || !calls_status(f.body, facts)) continue;
      status = changed = true;
    }
  }
  return facts;
}

}  // namespace tenon::codegen
