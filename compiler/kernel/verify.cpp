#include "kernel/verify.h"

#include <algorithm>

#include "kernel/static_walk.h"
#include "kernel/syntax.h"
#include "kernel/text.h"
#include "kernel/typing.h"
#include "support/text.h"

namespace tenon::kernel {
namespace {

constexpr int deepest_blocks = 100;
constexpr size_t most_errors = 100;

std::string text(DType d) { return std::string(dtype_name(d)); }

class Verifier {
 public:
  Verifier(const Function& function, const Module& module, const Limits& limits)
      : f_(function), m_(module), limits_(limits) {}

  Errors run() {
    position_ = m_.functions.size();
    if (const Function* named = m_.functions.find(f_.name)) position_ = m_.functions.position(*named);
    variables();
    if (!errors_.empty()) return std::move(errors_);
    declaring_.assign(f_.vars.size(), nullptr);
    declarations(f_.body, 0);
    if (!errors_.empty()) return std::move(errors_);
    expressions();
    if (!errors_.empty()) return std::move(errors_);
    for (VarId v : f_.params) scope_[v.index] = Scope::uniform;
    for (VarId v : f_.scratch) scope_[v.index] = Scope::uniform;
    for (VarId v : f_.fixed) scope_[v.index] = Scope::uniform;
    block(f_.body);
    if (!errors_.empty()) return std::move(errors_);
    errors_.append(walk_static(f_, limits_));
    return std::move(errors_);
  }

 private:
  enum class Scope : uint8_t { closed, uniform, varying };
  struct Facts {
    bool varying = false;
  };

  void fail(Code code, std::string message, const Stmt* at = nullptr, std::string help = {}) {
    if (errors_.list.size() >= most_errors) return;
    Diagnostic d;
    d.code = code;
    d.message = std::string(f_.word()) + " " + f_.name + ": " + std::move(message);
    if (at != nullptr) d.notes.push_back("in: " + statement_text(f_, *at));
    d.help = std::move(help);
    errors_.add(std::move(d));
  }
  void invalid(std::string message, const Stmt* at = nullptr) {
    fail(Code::graph_invalid, std::move(message), at);
  }
  void mismatch(const Stmt& at, std::string_view what, DType found, DType expected) {
    fail(Code::dtype_mismatch, std::string(what) + " is " + text(found) + ", expected " + text(expected),
         &at);
  }

  void variables() {
    std::vector<std::string_view> names;
    scope_.assign(f_.vars.size(), Scope::closed);
    for (const Var& v : f_.vars) {
      const bool word = !v.name.empty() && is_name_start(v.name[0]) &&
                        std::all_of(v.name.begin(), v.name.end(), is_name_char) && !is_reserved(v.name);
      if (!word) invalid("variable name " + quote(v.name) + " does not read back from text");
      names.push_back(v.name);
      if (!dtype_computes(v.dtype))
        fail(Code::dtype_unsupported, v.name + ": " + text(v.dtype) + " is not computed with");
      if (v.kind != VarKind::local && !v.extents.empty())
        invalid(v.name + ": only a register variable has extents");
      if ((v.kind == VarKind::fixed || v.kind == VarKind::loop) && v.dtype != DType::i64)
        fail(Code::dtype_mismatch, v.name + " is " + text(v.dtype) + ", expected i64");
      if (v.align != 0 && (v.kind != VarKind::buffer || (v.align & (v.align - 1)) != 0))
        invalid(v.name + ": alignment " + std::to_string(v.align) +
                " is no power of two, or not of a buffer");
    }
    std::sort(names.begin(), names.end());
    for (size_t i = 1; i < names.size(); ++i)
      if (names[i] == names[i - 1])
        fail(Code::duplicate_name, "two variables are named " + std::string(names[i]));
    std::vector<int> listed(f_.vars.size(), 0);
    auto list = [&](const std::vector<VarId>& ids, auto allowed, const char* what) {
      for (VarId v : ids) {
        if (v.index >= f_.vars.size() || !allowed(f_.var(v).kind) || ++listed[v.index] > 1)
          invalid(std::string(what) + ": a variable is of another kind, or listed twice");
      }
    };
    list(f_.params, [](VarKind k) { return k == VarKind::buffer || k == VarKind::scalar; }, "parameters");
    list(f_.scratch, [](VarKind k) { return k == VarKind::buffer; }, "scratch");
    scratch();
    list(f_.fixed, [](VarKind k) { return k == VarKind::fixed; }, "static integers");
    for (size_t i = 0; i < f_.vars.size(); ++i) {
      const VarKind k = f_.vars[i].kind;
      if (listed[i] == 0 && (k == VarKind::buffer || k == VarKind::scalar || k == VarKind::fixed))
        invalid(f_.vars[i].name + " is neither a parameter nor a static integer of the function");
    }
  }

  // Small enough for the stack of any thread.
  void scratch() {
    int64_t bytes = 0;
    for (VarId v : f_.scratch) {
      if (v.index >= f_.vars.size()) continue;
      const Var& x = f_.var(v);
      const auto size = static_cast<int64_t>(dtype_bytes(x.dtype));
      if (f_.runs_phases() || x.value < 1 || x.align != 0 || !x.read || !x.written)
        invalid(x.name + ": scratch has elements that are read and written, and no entry has it");
      bytes += std::clamp<int64_t>(x.value, 0, limits_.scratch_bytes + 1) * size;
      if (bytes <= limits_.scratch_bytes) continue;
      fail(Code::compile_limit, "more than " + std::to_string(limits_.scratch_bytes) + " bytes of scratch");
      break;
    }
  }

  // Which statement makes each variable: it must be one, of the right kind.
  void declarations(const std::vector<Stmt>& body, int depth) {
    if (depth > deepest_blocks) {
      fail(Code::compile_limit, "blocks nest deeper than " + std::to_string(deepest_blocks));
      return;
    }
    for (const Stmt& s : body) {
      VarKind kind;
      switch (s.kind) {
        case StmtKind::declare:
          kind = VarKind::local;
          break;
        case StmtKind::let:
          kind = VarKind::let;
          break;
        case StmtKind::for_:
        case StmtKind::lanes:
        case StmtKind::unroll:
        case StmtKind::specialize:
        case StmtKind::parallel:
          kind = VarKind::loop;
          break;
        case StmtKind::assign:
        case StmtKind::store:
        case StmtKind::prefetch:
        case StmtKind::exchange:
          if (s.var.index >= f_.vars.size()) invalid(std::string(stmt_name(s.kind)) + ": no such variable");
          continue;
        case StmtKind::if_:
          declarations(s.body, depth + 1);
          declarations(s.other, depth + 1);
          continue;
        default:
          continue;
      }
      if (s.var.index >= f_.vars.size() || f_.var(s.var).kind != kind) {
        invalid(std::string(stmt_name(s.kind)) + ": its variable is of another kind");
      } else if (declaring_[s.var.index] != nullptr) {
        fail(Code::duplicate_name, f_.var(s.var).name + " is declared twice");
      } else {
        declaring_[s.var.index] = &s;
      }
      declarations(s.body, depth + 1);
    }
  }

  bool is_static_loop(VarId v) const {
    const Stmt* s = declaring_[v.index];
    return s != nullptr && (s->kind == StmtKind::unroll || s->kind == StmtKind::specialize);
  }

  // Types, and which expressions are static: both follow from the operands, wherever the expression is used.
  void expressions() {
    static_.assign(f_.exprs.size(), false);
    for (size_t i = 0; i < f_.exprs.size(); ++i) {
      const Expr& e = f_.exprs[i];
      for (ExprId a : e.args) {
        if (a.index >= i) {
          invalid("expression " + std::to_string(i) + " has an operand that does not come before it");
          return;
        }
      }
      if (std::string wrong = expression(i, e); !wrong.empty())
        fail(Code::dtype_mismatch, std::move(wrong) + ", in " + expr_text(f_, ExprId(i)));
    }
  }

  std::string expression(size_t i, const Expr& e) {
    if (e.op > Op::bitcast) return "no such operation";
    for (ExprId a : e.args)
      if (f_.expr(a).op == Op::address) return "an address is passed to a call and nothing else";
    const bool names_variable = e.op == Op::variable || e.op == Op::load || e.op == Op::address;
    if (names_variable && e.var.index >= f_.vars.size()) return "no such variable";
    const bool one_index = e.args.size() == 1 && f_.expr(e.args[0]).dtype == DType::i64;
    switch (e.op) {
      case Op::constant: {
        const size_t bytes = dtype_bytes(e.dtype);
        if (!dtype_computes(e.dtype)) return text(e.dtype) + " is not computed with";
        if ((bytes < 8 && e.bits >> (8 * bytes) != 0) || (is_bool(e.dtype) && e.bits > 1) || !e.args.empty())
          return "a constant has bits beyond its type";
        static_[i] = e.dtype == DType::i64 || is_bool(e.dtype);
        return {};
      }
      case Op::variable: {
        const Var& v = f_.var(e.var);
        if (v.kind == VarKind::buffer) return v.name + " is a buffer: it is loaded from";
        if (v.dtype != e.dtype) return v.name + " is " + text(v.dtype) + ", read as " + text(e.dtype);
        if (v.extents.size() != e.args.size())
          return v.name + " has " + std::to_string(v.extents.size()) + " extents, read with " +
                 std::to_string(e.args.size()) + " subscripts";
        for (ExprId a : e.args)
          if (!static_[a.index]) return "a subscript of " + v.name + " is not static";
        static_[i] = v.kind == VarKind::fixed || (v.kind == VarKind::loop && is_static_loop(e.var));
        return {};
      }
      case Op::load: {
        const Var& v = f_.var(e.var);
        if (v.kind != VarKind::buffer) return v.name + " is no buffer";
        if (v.dtype != e.dtype) return v.name + " is " + text(v.dtype) + ", loaded as " + text(e.dtype);
        if (!one_index) return "a load takes one i64 index";
        if (!v.read) return v.name + " is not declared as read";
        return {};
      }
      case Op::address:
        if (!f_.runs_phases()) return "addresses stand in entries and procedures only";
        if (f_.var(e.var).kind != VarKind::buffer) return f_.var(e.var).name + " is no buffer";
        if (!one_index) return "an address takes one i64 offset in bytes";
        return {};
      default:
        break;
    }
    DType types[4] = {};
    for (size_t a = 0; a < e.args.size() && a < 4; ++a) types[a] = f_.expr(e.args[a]).dtype;
    std::string wrong = operand_error(e.op, e.dtype, types, e.args.size());
    if (wrong.empty())
      static_[i] = (e.dtype == DType::i64 || is_bool(e.dtype)) &&
                   std::all_of(e.args.begin(), e.args.end(), [&](ExprId a) { return static_[a.index]; });
    return wrong;
  }

  // The expression used here: of this type, its variables in scope.
  Facts use(const Stmt& at, ExprId root, std::string_view what, const DType* want) {
    Facts facts;
    if (root.index >= f_.exprs.size()) {
      invalid(std::string(what) + " is missing", &at);
      return facts;
    }
    if (want != nullptr && f_.expr(root).dtype != *want) mismatch(at, what, f_.expr(root).dtype, *want);
    if (f_.expr(root).op == Op::address && at.kind != StmtKind::call)
      invalid("an address is passed to a call and nothing else", &at);
    seen_.resize(f_.exprs.size(), 0);
    ++epoch_;
    std::vector<ExprId> stack{root};
    while (!stack.empty()) {
      const ExprId id = stack.back();
      stack.pop_back();
      if (seen_[id.index] == epoch_) continue;
      seen_[id.index] = epoch_;
      const Expr& e = f_.expr(id);
      if (e.var.valid()) {
        const Scope scope = scope_[e.var.index];
        if (scope == Scope::closed)
          fail(Code::undefined_name, f_.var(e.var).name + " is used outside the block that declares it", &at);
        facts.varying = facts.varying || scope == Scope::varying;
      }
      stack.insert(stack.end(), e.args.begin(), e.args.end());
    }
    return facts;
  }
  Facts index(const Stmt& at, ExprId e, std::string_view what) { return use(at, e, what, &i64_); }
  void uniform(const Stmt& at, ExprId e, std::string_view what) {
    if (index(at, e, what).varying) invalid(std::string(what) + " differs between lanes", &at);
  }
  void fixed_index(const Stmt& at, ExprId e, std::string_view what) {
    index(at, e, what);
    if (e.index < static_.size() && !static_[e.index]) invalid(std::string(what) + " is not static", &at);
  }

  void block(const std::vector<Stmt>& body, std::vector<VarId>* keep = nullptr) {
    std::vector<VarId> declared;
    for (const Stmt& s : body) statement(s, declared);
    if (keep != nullptr) {
      *keep = std::move(declared);
      return;
    }
    for (VarId v : declared) scope_[v.index] = Scope::closed;
  }
  void inner(const Stmt& s, Scope variable) {
    scope_[s.var.index] = variable;
    block(s.body);
    scope_[s.var.index] = Scope::closed;
  }

  // Whether a statement of its kind may stand here at all.
  void stands(const Stmt& s) {
    if (in_parallel_ && s.kind != StmtKind::let && s.kind != StmtKind::call)
      invalid("a parallel body holds calls and lets only", &s);
    if (s.kind == StmtKind::parallel && !f_.runs_phases())
      invalid("parallel stands in entries and procedures only", &s);
    switch (s.kind) {
      case StmtKind::parallel:
      case StmtKind::progress:
      case StmtKind::call:
      case StmtKind::lanes:
        if (in_lanes_) invalid(std::string(stmt_name(s.kind)) + " does not stand inside lanes", &s);
        break;
      default:
        break;
    }
    if (!s.folds.empty() && s.kind != StmtKind::lanes) invalid("a fold stands at the end of lanes only", &s);
  }

  void declare(const Stmt& s, std::vector<VarId>& declared) {
    const Var& v = f_.var(s.var);
    for (ExprId e : v.extents) fixed_index(s, e, "an extent");
    use(s, s.value, "the value", &v.dtype);
    scope_[s.var.index] = in_lanes_ ? Scope::varying : Scope::uniform;
    declared.push_back(s.var);
    if (in_lanes_) lane_locals_.push_back(s.var);
  }

  void store(const Stmt& s) {
    const Var& v = f_.var(s.var);
    if (v.kind != VarKind::buffer)
      invalid(v.name + " is no buffer", &s);
    else if (!v.written)
      invalid(v.name + " is not declared as written", &s);
    index(s, s.index, "the index");
    use(s, s.value, "the value", &v.dtype);
  }

  void loop(const Stmt& s) {
    uniform(s, s.lo, "the lower bound");
    uniform(s, s.hi, "the upper bound");
    uniform(s, s.step, "the step");
    if (s.step.index < f_.exprs.size() && f_.expr(s.step).op == Op::constant &&
        static_cast<int64_t>(f_.expr(s.step).bits) <= 0)
      invalid("the step is not above 0", &s);
    exits_.push_back(true);
    inner(s, Scope::uniform);
    exits_.pop_back();
  }

  void statement(const Stmt& s, std::vector<VarId>& declared) {
    stands(s);
    switch (s.kind) {
      case StmtKind::declare:
        declare(s, declared);
        break;
      case StmtKind::let: {
        const Facts facts = use(s, s.value, "the value", &f_.var(s.var).dtype);
        scope_[s.var.index] = facts.varying ? Scope::varying : Scope::uniform;
        declared.push_back(s.var);
        break;
      }
      case StmtKind::assign:
        assign(s);
        break;
      case StmtKind::store:
        store(s);
        break;
      case StmtKind::for_:
        loop(s);
        break;
      case StmtKind::lanes:
        exits_.push_back(false);
        lanes(s);
        exits_.pop_back();
        break;
      case StmtKind::unroll:
        fixed_index(s, s.lo, "the lower bound");
        fixed_index(s, s.hi, "the upper bound");
        inner(s, Scope::uniform);
        break;
      case StmtKind::specialize:
        fixed_index(s, s.lo, "the lower bound");
        fixed_index(s, s.hi, "the upper bound");
        uniform(s, s.value, "the value to specialize on");
        inner(s, Scope::uniform);
        break;
      case StmtKind::if_:
        branch(s);
        break;
      case StmtKind::exit_if:
        if (use(s, s.value, "the condition", &bool_).varying)
          invalid("the condition differs between lanes", &s);
        if (exits_.empty() || !exits_.back())
          invalid("exit_if stands in a for loop, with no lanes and no lane-varying if between", &s);
        break;
      case StmtKind::fail:
        if (code_meaning(static_cast<Code>(s.code)) == "unknown")
          invalid("T" + std::to_string(s.code) + " is no error code", &s);
        use(s, s.value, "the condition", &bool_);
        index(s, s.index, "the detail");
        break;
      case StmtKind::prefetch:
        if (f_.var(s.var).kind != VarKind::buffer) invalid(f_.var(s.var).name + " is no buffer", &s);
        index(s, s.index, "the index");
        break;
      case StmtKind::exchange:
        exchange(s);
        break;
      case StmtKind::call:
        call(s);
        break;
      case StmtKind::parallel:
        uniform(s, s.hi, "the number of chunks");
        in_parallel_ = true;
        inner(s, Scope::uniform);
        in_parallel_ = false;
        break;
      case StmtKind::stop_on_failure:
        break;
      case StmtKind::progress:
        index(s, s.value, "the number of steps");
        break;
    }
  }

  void branch(const Stmt& s) {
    const bool varying = use(s, s.value, "the condition", &bool_).varying;
    // Lanes do not leave a loop one by one.
    exits_.push_back(!varying && !exits_.empty() && exits_.back());
    varying_ifs_ += varying ? 1 : 0;
    block(s.body);
    block(s.other);
    varying_ifs_ -= varying ? 1 : 0;
    exits_.pop_back();
  }

  void exchange(const Stmt& s) {
    const Var& v = f_.var(s.var);
    if (v.kind != VarKind::local || v.extents.size() != 1) {
      invalid(v.name + " is no array of registers with one extent: it is not exchanged", &s);
    } else if (scope_[s.var.index] == Scope::closed) {
      fail(Code::undefined_name, v.name + " is exchanged outside the block that declares it", &s);
    } else if (!in_lanes_ ||
               std::find(lane_locals_.begin(), lane_locals_.end(), s.var) == lane_locals_.end()) {
      invalid(v.name + " is not declared in the lanes that exchange it", &s);
    } else if (varying_ifs_ > 0) {
      invalid("lanes exchange together: not under a condition that differs between them", &s);
    }
  }

  void assign(const Stmt& s) {
    const Var& v = f_.var(s.var);
    if (v.kind != VarKind::local) {
      invalid(v.name + " is no register variable: it is not assigned", &s);
      return;
    }
    if (scope_[s.var.index] == Scope::closed) {
      fail(Code::undefined_name, v.name + " is assigned outside the block that declares it", &s);
    } else if (in_lanes_ &&
               std::find(lane_locals_.begin(), lane_locals_.end(), s.var) == lane_locals_.end()) {
      fail(Code::graph_invalid, v.name + " is declared outside the lanes and assigned inside", &s,
           "fold it at the end of the body: fold " + v.name + " = add(...)");
    }
    if (s.args.size() != v.extents.size())
      invalid(v.name + " has " + std::to_string(v.extents.size()) + " extents, assigned with " +
                  std::to_string(s.args.size()) + " subscripts",
              &s);
    for (ExprId e : s.args) fixed_index(s, e, "a subscript");
    use(s, s.value, "the value", &v.dtype);
  }

  void lanes(const Stmt& s) {
    uniform(s, s.lo, "the lower bound");
    uniform(s, s.hi, "the upper bound");
    fixed_index(s, s.step, "the width");
    const bool outer = in_lanes_;  // already reported; kept so that the outer body goes on
    in_lanes_ = true;
    std::vector<VarId> declared;
    scope_[s.var.index] = Scope::varying;
    block(s.body, &declared);
    for (const Fold& fold : s.folds) {
      if (fold.target.index >= f_.vars.size() || f_.var(fold.target).kind != VarKind::local ||
          !f_.var(fold.target).extents.empty()) {
        invalid("a fold's target is no single register variable", &s);
        continue;
      }
      const Var& v = f_.var(fold.target);
      if (scope_[fold.target.index] == Scope::closed)
        fail(Code::undefined_name, v.name + " is folded outside the block that declares it", &s);
      else if (scope_[fold.target.index] == Scope::varying)
        invalid(v.name + " is declared inside the lanes: a fold's target stands outside", &s);
      use(s, fold.value, "the folded value", &v.dtype);
      const bool bits = fold.op == FoldOp::band || fold.op == FoldOp::bor;
      if (bits ? is_float(v.dtype) : is_bool(v.dtype))
        fail(Code::dtype_mismatch,
             "fold " + std::string(fold_name(fold.op)) + " does not take " + text(v.dtype), &s);
    }
    for (VarId v : declared) scope_[v.index] = Scope::closed;
    scope_[s.var.index] = Scope::closed;
    in_lanes_ = outer;
    if (!outer) lane_locals_.clear();
  }

  void call(const Stmt& s) {
    const Function* callee = m_.functions.find(s.callee);
    if (callee != nullptr && m_.functions.position(*callee) >= position_) callee = nullptr;
    for (ExprId a : s.args) use(s, a, "an argument", nullptr);
    if (callee == nullptr) {
      fail(Code::undefined_name, "no function " + s.callee + " stands before this one", &s);
      return;
    }
    if (callee->entry) invalid(s.callee + " is an entry: it is not called", &s);
    if (callee->procedure && (in_parallel_ || !f_.runs_phases()))
      invalid(s.callee + " is a procedure: entries and procedures call it, outside of phases", &s);
    if (callee->params.size() != s.args.size()) {
      fail(Code::operand_count,
           s.callee + " takes " + std::to_string(callee->params.size()) + " arguments, has " +
               std::to_string(s.args.size()),
           &s);
      return;
    }
    for (size_t i = 0; i < s.args.size(); ++i) {
      if (callee->params[i].index >= callee->vars.size() || s.args[i].index >= f_.exprs.size()) continue;
      const Var& p = callee->var(callee->params[i]);
      const Expr& e = f_.expr(s.args[i]);
      if ((p.kind == VarKind::buffer) != (e.op == Op::address)) {
        fail(Code::dtype_mismatch,
             s.callee + ": " + p.name + (p.kind == VarKind::buffer ? " takes an address" : " takes a value"),
             &s);
        continue;
      }
      if (p.dtype != e.dtype) mismatch(s, s.callee + ": " + p.name, e.dtype, p.dtype);
      if (p.kind != VarKind::buffer) continue;
      const Var& base = f_.var(e.var);
      if ((p.written && !base.written) || (p.read && !base.read))
        invalid(s.callee + ": " + p.name + " is " + (p.written && !base.written ? "written" : "read") +
                    ", which " + base.name + " does not allow",
                &s);
    }
  }

  static constexpr DType i64_ = DType::i64, bool_ = DType::bool_;
  const Function& f_;
  const Module& m_;
  const Limits& limits_;
  Errors errors_;
  size_t position_ = 0;                 // in the module: calls go to functions before it
  std::vector<const Stmt*> declaring_;  // by variable
  std::vector<bool> static_;            // by expression
  std::vector<Scope> scope_;            // by variable, at the statement being checked
  std::vector<VarId> lane_locals_;      // declared in the lanes being checked
  std::vector<uint32_t> seen_;
  uint32_t epoch_ = 0;
  std::vector<bool> exits_;  // of the blocks around: an exit_if may stand here
  int varying_ifs_ = 0;
  bool in_lanes_ = false, in_parallel_ = false;
};

}  // namespace

Status verify(const Function& function, const Module& module, const Limits& limits) {
  Errors errors = Verifier(function, module, limits).run();
  if (errors.empty()) return Ok{};
  return errors;
}

}  // namespace tenon::kernel
