#include "kernel/print.h"

#include <algorithm>

#include "kernel/scalar.h"
#include "kernel/syntax.h"
#include "kernel/text.h"
#include "support/text.h"

namespace tenon::kernel {
namespace {

// Beyond this size a subexpression used twice gets a name in the text, beyond this height any does. It bounds
// the text (sharing nested n deep would print 2^n times) and the recursion of printer and parser; plain
// element numbers stay where they are used.
constexpr uint32_t shared_size = 8;
constexpr uint32_t tall = 100;

std::string hex(uint64_t bits) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  do out.insert(out.begin(), digits[bits & 15]);
  while ((bits >>= 4) != 0);
  return "0x" + out;
}

bool is_word(std::string_view text) {
  return !text.empty() && is_name_start(text[0]) && std::all_of(text.begin(), text.end(), is_name_char) &&
         !is_reserved(text);
}
std::string word_or_quoted(const std::string& text) { return is_word(text) ? text : quote(text); }

// A comment stays on its line.
std::string comment_text(const std::string& text) {
  std::string out(trim(text));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 32) c = ' ';
  return out;
}

class Printer {
 public:
  Printer(const Function& function, std::string& out, bool whole) : f_(function), out_(out) {
    if (whole) plan();
  }

  void function() {
    for (std::string_view line : split(f_.comment, '\n')) {
      const std::string text = comment_text(std::string(line));
      if (!text.empty()) out_ += "// " + text + "\n";
    }
    out_ += std::string(f_.word()) + " " + word_or_quoted(f_.name) + "(";
    for (size_t i = 0; i < f_.params.size(); ++i) {
      if (i != 0) out_ += ", ";
      parameter(f_.var(f_.params[i]));
    }
    out_ += ") ";
    for (size_t i = 0; i < f_.scratch.size(); ++i) {
      const Var& v = f_.var(f_.scratch[i]);
      out_ += (i == 0 ? "scratch " : ", ") + v.name + ": " + std::string(dtype_name(v.dtype)) + "[" +
              std::to_string(v.value) + "]";
    }
    if (!f_.scratch.empty()) out_ += " ";
    if (!f_.fixed.empty()) {
      out_ += "{";
      for (size_t i = 0; i < f_.fixed.size(); ++i) {
        const Var& v = f_.var(f_.fixed[i]);
        out_ += (i != 0 ? ", " : "") + v.name + " = " + std::to_string(v.value);
      }
      out_ += "} ";
    }
    out_ += "{\n";
    block(f_.body, 1);
    out_ += "}\n";
  }

  void head(const Stmt& s) {
    switch (s.kind) {
      case StmtKind::declare: {
        const Var& v = f_.var(s.var);
        out_ += "var " + v.name + ": " + std::string(dtype_name(v.dtype));
        subscripts(v.extents);
        out_ += " = ";
        expr(s.value, &v.dtype);
        break;
      }
      case StmtKind::let:
        out_ += "let " + name(s.var) + " = ";
        expr(s.value, nullptr);
        break;
      case StmtKind::assign:
        out_ += name(s.var);
        subscripts(s.args);
        out_ += " = ";
        expr(s.value, &f_.var(s.var).dtype);
        break;
      case StmtKind::store:
        out_ += name(s.var) + "[";
        index(s.index);
        out_ += "] = ";
        expr(s.value, &f_.var(s.var).dtype);
        break;
      case StmtKind::for_:
      case StmtKind::lanes:
      case StmtKind::unroll:
      case StmtKind::specialize:
      case StmtKind::parallel:
        loop(s);
        out_ += " {";
        break;
      case StmtKind::if_:
        out_ += "if ";
        expr(s.value, &bool_);
        out_ += " {";
        break;
      case StmtKind::fail:
        out_ += "fail T" + std::to_string(s.code) + " if ";
        expr(s.value, &bool_);
        out_ += ", ";
        index(s.index);
        break;
      case StmtKind::prefetch:
        out_ += (s.write ? "prefetch write " : "prefetch ") + name(s.var) + "[";
        index(s.index);
        out_ += "]";
        break;
      case StmtKind::exchange:
        out_ += "exchange " + name(s.var);
        break;
      case StmtKind::call:
        out_ += "call " + word_or_quoted(s.callee) + "(";
        for (size_t i = 0; i < s.args.size(); ++i) {
          if (i != 0) out_ += ", ";
          expr(s.args[i], nullptr);
        }
        out_ += ")";
        break;
      case StmtKind::stop_on_failure:
        out_ += "stop_on_failure";
        break;
      case StmtKind::exit_if:
        out_ += "exit_if ";
        expr(s.value, &bool_);
        break;
      case StmtKind::progress:
        out_ += "progress ";
        index(s.value);
        break;
    }
  }

  void expr(ExprId id, const DType* want, int parent = 0) {
    if (id.index >= f_.exprs.size()) {
      out_ += "?";
      return;
    }
    id = canonical(id);
    if (id.index < number_.size() && number_[id.index] > 0) {
      out_ += "$" + std::to_string(number_[id.index]);
      return;
    }
    // A diagnostic prints without a plan: it stops where the text grows long.
    if (out_.size() > limit_ || depth_ > 3 * tall) {
      out_ += "...";
      return;
    }
    ++depth_;
    expression(f_.expr(id), want, parent);
    --depth_;
  }
  void limit(size_t characters) { limit_ = characters; }

 private:
  static constexpr DType bool_ = DType::bool_, i64_ = DType::i64;

  ExprId canonical(ExprId id) const {
    return id.index < canonical_.size() ? ExprId(canonical_[id.index]) : id;
  }

  // Which subexpressions get names: depends on the structure alone, never on the numbering of expressions, so
  // that a parsed text prints as it was.
  void plan() {
    canonical_ = equal_expressions(f_);
    uses_.assign(f_.exprs.size(), 0);
    number_.assign(f_.exprs.size(), 0);
    std::vector<ExprId> stack;
    visit_statements([&](ExprId root) { stack.push_back(root); });
    while (!stack.empty()) {
      const ExprId e = canonical(stack.back());
      stack.pop_back();
      if (e.index >= f_.exprs.size() || uses_[e.index]++ != 0) continue;
      for (ExprId a : f_.expr(e).args) stack.push_back(a);
    }
    std::vector<uint32_t> size(f_.exprs.size(), 1), height(f_.exprs.size(), 1);
    for (size_t i = 0; i < f_.exprs.size(); ++i) {
      if (uses_[i] == 0) continue;
      for (ExprId a : f_.exprs[i].args) {
        if (a.index >= i) continue;  // malformed: the verifier says so
        const uint32_t c = canonical(a).index;
        size[i] = std::min<uint32_t>(size[i] + size[c], 1u << 20);
        height[i] = std::max(height[i], height[c] + 1);
      }
      if ((uses_[i] > 1 && size[i] > shared_size) || height[i] > tall) {
        number_[i] = -1;  // wanted, no number yet
        size[i] = height[i] = 1;
      }
    }
  }

  template <class F>
  void visit_statements(F visit) {
    std::vector<const Stmt*> stack;
    auto push = [&](const std::vector<Stmt>& body) {
      for (const Stmt& s : body) stack.push_back(&s);
    };
    push(f_.body);
    while (!stack.empty()) {
      const Stmt& s = *stack.back();
      stack.pop_back();
      roots(s, visit);
      for (const Fold& fold : s.folds) visit(fold.value);
      push(s.body);
      push(s.other);
    }
  }
  template <class F>
  void roots(const Stmt& s, F visit) {
    for (ExprId e : {s.lo, s.hi, s.step, s.value, s.index})
      if (e.valid()) visit(e);
    for (ExprId e : s.args) visit(e);
    if (s.kind == StmtKind::declare && s.var.valid())
      for (ExprId e : f_.var(s.var).extents) visit(e);
  }

  // The `define` lines that an expression needs before it can print, innermost first.
  void define_for(ExprId root, int indent) {
    std::vector<std::pair<ExprId, size_t>> stack{{canonical(root), 0}};
    std::vector<bool>& seen = seen_;
    seen.resize(f_.exprs.size());
    std::vector<uint32_t> touched;
    while (!stack.empty()) {
      const ExprId e = stack.back().first;
      if (e.index >= f_.exprs.size() || number_[e.index] > 0 || (stack.back().second == 0 && seen[e.index])) {
        stack.pop_back();
        continue;
      }
      if (stack.back().second == 0) {
        seen[e.index] = true;
        touched.push_back(e.index);
      }
      const Expr& x = f_.expr(e);
      if (stack.back().second < x.args.size()) {
        stack.emplace_back(canonical(x.args[stack.back().second++]), 0);
        continue;
      }
      stack.pop_back();
      if (number_[e.index] == 0) continue;
      number_[e.index] = 0;  // prints in full on its own line
      out_ += std::string(2 * static_cast<size_t>(indent), ' ') + "define $" + std::to_string(defined_ + 1) +
              " = ";
      expr(e, nullptr);
      out_ += "\n";
      number_[e.index] = static_cast<int32_t>(++defined_);
    }
    for (uint32_t i : touched) seen[i] = false;
  }

  void block(const std::vector<Stmt>& body, int indent) {
    const std::string margin(2 * static_cast<size_t>(indent), ' ');
    for (const Stmt& s : body) {
      roots(s, [&](ExprId e) { define_for(e, indent); });
      out_ += margin;
      head(s);
      if (const std::string text = comment_text(s.comment); !text.empty()) out_ += "  // " + text;
      out_ += "\n";
      switch (s.kind) {
        case StmtKind::for_:
        case StmtKind::lanes:
        case StmtKind::unroll:
        case StmtKind::specialize:
        case StmtKind::parallel:
        case StmtKind::if_:
          break;
        default:
          continue;
      }
      block(s.body, indent + 1);
      for (const Fold& fold : s.folds) {
        define_for(fold.value, indent + 1);
        out_ += margin + "  fold " + name(fold.target) + " = " + std::string(fold_name(fold.op)) + "(";
        expr(fold.value, fold.target.index < f_.vars.size() ? &f_.var(fold.target).dtype : nullptr);
        out_ += ")\n";
      }
      if (!s.other.empty()) {
        out_ += margin + "} else {\n";
        block(s.other, indent + 1);
      }
      out_ += margin + "}\n";
    }
  }

  void parameter(const Var& v) {
    out_ += v.name + ": " + std::string(dtype_name(v.dtype));
    if (v.kind != VarKind::buffer) return;
    out_ += "*";
    if (!v.read || !v.written) out_ += v.read ? " read" : v.written ? " write" : " untouched";
    if (v.align != 0) out_ += " align " + std::to_string(v.align);
  }
  std::string name(VarId v) const { return v.index < f_.vars.size() ? f_.var(v).name : "?"; }
  void index(ExprId e) { expr(e, &i64_); }
  void range(const char* keyword, VarId var, ExprId lo, ExprId hi) {
    out_ += keyword + name(var) + " in ";
    index(lo);
    out_ += " .. ";
    index(hi);
  }
  // The head of a loop up to its brace.
  void loop(const Stmt& s) {
    switch (s.kind) {
      case StmtKind::for_:
        range("for ", s.var, s.lo, s.hi);
        if (!s.step.valid() || f_.expr(s.step).op != Op::constant || f_.expr(s.step).bits != 1) {
          out_ += " step ";
          index(s.step);
        }
        break;
      case StmtKind::lanes:
        range("lanes ", s.var, s.lo, s.hi);
        out_ += " width ";
        index(s.step);
        break;
      case StmtKind::unroll:
        range("unroll ", s.var, s.lo, s.hi);
        break;
      case StmtKind::specialize:
        range("specialize ", s.var, s.lo, s.hi);
        out_ += " = ";
        index(s.value);
        break;
      case StmtKind::parallel:
        out_ += "parallel " + name(s.var) + " in 0 .. ";
        index(s.hi);
        break;
      default:
        break;
    }
  }
  void subscripts(const std::vector<ExprId>& list) {
    if (list.empty()) return;
    out_ += "[";
    for (size_t i = 0; i < list.size(); ++i) {
      if (i != 0) out_ += ", ";
      index(list[i]);
    }
    out_ += "]";
  }
  bool is_constant(ExprId e) const { return e.index < f_.exprs.size() && f_.expr(e).op == Op::constant; }

  // Operands of one type: literals among them print bare where another operand tells the type.
  void operands(const std::vector<ExprId>& args, size_t from) {
    const DType* known = nullptr;
    for (size_t i = from; i < args.size(); ++i)
      if (!is_constant(args[i]) && args[i].index < f_.exprs.size()) known = &f_.expr(args[i]).dtype;
    for (size_t i = from; i < args.size(); ++i) {
      if (i != from) out_ += ", ";
      expr(args[i], known);
      if (known == nullptr && args[i].index < f_.exprs.size()) known = &f_.expr(args[i]).dtype;
    }
  }

  // Few readers know the order of bit operations, shifts and sums among each other: those get parentheses.
  bool mixes(Op outer, ExprId inner) const {
    auto unclear = [](Op op) {
      return op_precedence(op) <= op_precedence(Op::add) && op_precedence(op) != op_precedence(Op::eq);
    };
    if (inner.index >= f_.exprs.size()) return false;
    const Op op = f_.expr(inner).op;
    return op != outer && unclear(outer) && unclear(op) && op_precedence(outer) != op_precedence(Op::add);
  }

  void infix(const Expr& e, int parent) {
    const int mine = op_precedence(e.op);
    const bool compares = mine == op_precedence(Op::eq);
    if (mine < parent) out_ += "(";
    const ExprId a = e.args[0], b = e.args[1];
    const bool a_literal = is_constant(a), b_literal = is_constant(b);
    expr(a, a_literal && !b_literal && b.index < f_.exprs.size() ? &f_.expr(b).dtype : nullptr,
         mixes(e.op, a) ? 9
         : compares     ? mine + 1
                        : mine);
    const std::string_view symbol = op_infix(e.op);
    out_ += mine == op_precedence(Op::mul) ? std::string(symbol) : " " + std::string(symbol) + " ";
    expr(b, a.index < f_.exprs.size() ? &f_.expr(a).dtype : nullptr, mixes(e.op, b) ? 9 : mine + 1);
    if (mine < parent) out_ += ")";
  }

  void expression(const Expr& e, const DType* want, int parent) {
    switch (e.op) {
      case Op::constant:
        out_ += literal_text(e.dtype, e.bits, want != nullptr ? *want == e.dtype : e.dtype == DType::i64);
        return;
      case Op::variable:
        out_ += name(e.var);
        subscripts(e.args);
        return;
      case Op::load:
        out_ += name(e.var);
        subscripts(e.args);
        return;
      case Op::address:
        out_ += "address<" + std::string(dtype_name(e.dtype)) + ">(" + name(e.var) + ", ";
        if (!e.args.empty()) index(e.args[0]);
        out_ += ")";
        return;
      case Op::cast:
      case Op::bitcast:
        out_ += std::string(op_name(e.op)) + "<" + std::string(dtype_name(e.dtype)) + ">(";
        operands(e.args, 0);
        out_ += ")";
        return;
      case Op::neg:
      case Op::bnot:
        if (e.args.size() == 1 && !is_constant(e.args[0])) {
          const int mine = op_precedence(e.op);
          if (mine < parent) out_ += "(";
          out_ += e.op == Op::neg ? "-" : "~";
          expr(e.args[0], nullptr, mine);
          if (mine < parent) out_ += ")";
          return;
        }
        break;
      default:
        if (!op_infix(e.op).empty() && e.args.size() == 2) {
          infix(e, parent);
          return;
        }
    }
    out_ += std::string(op_name(e.op)) + "(";
    if (e.op == Op::select && e.args.size() == 3) {
      expr(e.args[0], &bool_);
      out_ += ", ";
      operands(e.args, 1);
    } else {
      operands(e.args, 0);
    }
    out_ += ")";
  }

  const Function& f_;
  std::string& out_;
  std::vector<uint32_t> canonical_;  // of equal expressions, the first
  std::vector<uint32_t> uses_;
  std::vector<int32_t> number_;  // of `define`: 0 prints in place, -1 is to be defined, n is $n
  std::vector<bool> seen_;
  uint32_t defined_ = 0;
  uint32_t depth_ = 0;
  size_t limit_ = ~size_t{0};
};

std::string cut(std::string text, size_t limit) {
  if (text.size() <= limit + 3) return text;
  text.resize(limit);
  return text + "...";
}

}  // namespace

std::string literal_text(DType dtype, uint64_t bits, bool bare) {
  std::string text;
  if (is_bool(dtype)) return bits != 0 ? "true" : "false";
  if (!dtype_computes(dtype)) {
    text = hex(bits);
    bare = false;
  } else if (is_float(dtype)) {
    text = with_float(dtype, [&]<class T>() {
      const T value = from_bits<T>(bits);
      bare = bare && (value == value || bits == quiet_nan_bits(dtype));
      return value == value || bits == quiet_nan_bits(dtype) ? format_float(value) : hex(bits);
    });
  } else if (is_signed_int(dtype)) {
    const int shift = 64 - 8 * static_cast<int>(dtype_bytes(dtype));
    text = std::to_string(static_cast<int64_t>(bits << shift) >> shift);
  } else {
    // Unsigned words are masks and multipliers more often than counts.
    text = bits > 0xffff ? hex(bits) : std::to_string(bits);
  }
  return bare ? text : std::string(dtype_name(dtype)) + "(" + text + ")";
}

std::string expr_text(const Function& function, ExprId expr, size_t limit) {
  std::string out;
  Printer p(function, out, false);
  p.limit(limit);
  p.expr(expr, nullptr);
  return cut(std::move(out), limit);
}

std::string statement_text(const Function& function, const Stmt& stmt, size_t limit) {
  std::string out;
  Printer p(function, out, false);
  p.limit(limit);
  p.head(stmt);
  if (out.ends_with(" {")) out.resize(out.size() - 2);
  return cut(std::move(out), limit);
}

std::string print(const Function& function) {
  std::string out;
  Printer(function, out, true).function();
  return out;
}

}  // namespace tenon::kernel
