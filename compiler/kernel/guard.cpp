#include "kernel/guard.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "ir/dim.h"
#include "kernel/guard_function.h"
#include "support/text.h"

namespace tenon::kernel {
namespace {

constexpr uint32_t block_align = 64;  // of state, arena and constants (object/abi.h)
constexpr int64_t state_header = 64;

class ModuleGuard {
 public:
  explicit ModuleGuard(Module module) : m_(std::move(module)) {}

  Result<Module> run() {
    interfaces();
    if (!errors_.empty()) return std::move(errors_);
    for (Function& f : m_.functions) {
      if (closed_.contains(f.name)) continue;
      if (f.entry)
        entry(f, *interfaces_.at(f.name));
      else
        kernel(f);
    }
    if (!errors_.empty()) return std::move(errors_);
    return std::move(m_);
  }

 private:
  void refuse(const std::string& where, std::string message, Code code = Code::graph_invalid) {
    errors_.append(error(code, where + std::move(message)));
  }

  void interfaces() {
    for (const Entry& e : m_.entries) {
      const std::string where = "interface " + quote(e.name) + ": ";
      if (!interfaces_.emplace(e.function, &e).second)
        refuse(where, quote(e.function) + " is the entry of another interface as well");
      if (const Function* a = m_.find(e.arena_function); a == nullptr)
        refuse(where, "no function tells the bytes of its arena");
      else if (closed_.insert(e.arena_function).second && !is_expression(*a))
        refuse("kernel " + a->name + ": ",
               "the bytes of an arena are one expression of sizes: lets, then one store to element 0");
    }
    // An entry that no interface names never runs.
    m_.functions.erase_if([&](const Function& f) { return f.entry && !interfaces_.contains(f.name); });
  }

  static bool is_expression(const Function& f) {
    if (f.body.empty() || f.body.back().kind != StmtKind::store) return false;
    const Expr& index = f.expr(f.body.back().index);
    return index.op == Op::constant && index.bits == 0 &&
           std::none_of(f.exprs.begin(), f.exprs.end(), [](const Expr& e) { return e.op == Op::load; }) &&
           std::all_of(f.body.begin(), f.body.end() - 1,
                       [](const Stmt& s) { return s.kind == StmtKind::let; });
  }

  // Kernels and procedures.
  void kernel(Function& f) {
    FunctionGuard guard(f, m_, closed_);
    const std::vector<VarId> params = f.params;
    for (VarId p : params)
      if (f.var(p).kind == VarKind::buffer) {
        const Var& v = f.var(p);
        const auto size = static_cast<int64_t>(dtype_bytes(v.dtype));
        const uint32_t align = std::max(v.align, static_cast<uint32_t>(size));
        const VarId elements = guard.builder().scalar(v.name + "_elements");
        Extent& x = guard.extent(p);
        x.elements = guard.builder().use(elements);
        x.align = align;
        // Those of a procedure are addresses to its kernels.
        if (f.procedure) x.bytes = guard.builder().mul(x.elements, guard.builder().index(size));
      }
    errors_.append(guard.run());
  }

  void entry(Function& f, const Entry& e) {
    const std::string where = "interface " + quote(e.name) + ": ";
    FunctionGuard guard(f, m_, closed_);
    Builder& b = guard.builder();
    ir::DimRanges ranges;
    std::map<std::string, ExprId, std::less<>> sizes;
    std::vector<ExprId> ordered;
    for (const DimSlot& d : e.dims) ranges[d.name] = {d.low, d.high};
    for (size_t i = 0; i < e.params.size(); ++i) {
      if (e.params[i].role != ParamRole::dim) continue;
      ordered.push_back(b.use(f.params[i]));
      sizes.emplace(e.params[i].name, ordered.back());
    }
    const std::vector<VarId> params = f.params;
    for (size_t i = 0; i < params.size(); ++i) {
      const EntryParam& p = e.params[i];
      const VarId v = params[i];
      if (f.var(v).kind != VarKind::buffer) continue;
      const DType dtype = f.var(v).dtype;
      const auto size = static_cast<int64_t>(dtype_bytes(dtype));
      ExprId bytes;
      Extent x;
      x.align = block_align;
      switch (p.role) {
        case ParamRole::state:
          bytes = b.index(static_cast<int64_t>(m_.state_bytes));
          x.first_byte = state_header;
          break;
        case ParamRole::constants:
          bytes = b.index(static_cast<int64_t>(m_.constant_bytes));
          break;
        case ParamRole::arena:
          bytes = arena_bytes(*m_.find(e.arena_function), b, ordered);
          break;
        default: {
          ExprId elements = b.index(1);
          for (const std::string& text : p.shape) {
            Result<ir::Dim> extent = ir::parse_dim(text, &ranges);
            if (!extent) {
              refuse(where, quote(p.name) + ": " + extent.errors().list.front().message,
                     extent.errors().code());
              return;
            }
            elements = b.mul(elements, b.binary(Op::max, dim(*extent, sizes, b), b.index(0)));
          }
          bytes = b.mul(elements, b.index(size));
          x.align = static_cast<uint32_t>(size);
        }
      }
      if (f.var(v).align > x.align)
        refuse(where,
               quote(p.name) + " is aligned to " + std::to_string(x.align) + " bytes, " + f.name +
                   " expects " + std::to_string(f.var(v).align),
               Code::alignment);
      x.bytes = guard.let(f.var(v).name + "_bytes", b.binary(Op::max, bytes, b.index(0)));
      x.elements = guard.let(f.var(v).name + "_elements", b.binary(Op::div, x.bytes, b.index(size)));
      guard.extent(v) = x;
    }
    errors_.append(guard.run());
    for (size_t i = 0; i < params.size(); ++i) {
      if (f.var(params[i]).kind != VarKind::buffer || !guard.extent(params[i]).written) continue;
      const ParamRole role = e.params[i].role;
      if (role == ParamRole::input || role == ParamRole::constants ||
          (role == ParamRole::state && !e.writes_state))
        refuse(where, quote(e.params[i].name) + " is written by " + f.name + ", which " +
                          (role == ParamRole::state ? "the interface does not say" : "is not allowed"));
    }
  }

  // The expression that the function stores, over the sizes given.
  static ExprId arena_bytes(const Function& f, Builder& b, const std::vector<ExprId>& sizes) {
    std::vector<ExprId> vars(f.vars.size()), exprs(f.exprs.size());
    size_t next = 0;
    for (VarId p : f.params)
      if (f.var(p).kind == VarKind::scalar) vars[p.index] = sizes[next++];
    for (VarId v : f.fixed) vars[v.index] = b.index(f.var(v).value);
    for (const Stmt& s : f.body) {
      // Everything before it that is known by now; operands come first.
      for (size_t i = 0; i <= s.value.index; ++i) {
        Expr x = f.exprs[i];
        if (exprs[i].valid()) continue;
        if (x.op == Op::variable) {
          exprs[i] = x.args.empty() ? vars[x.var.index] : ExprId{};
          continue;
        }
        bool known = x.op != Op::address;
        for (ExprId& a : x.args) {
          known = known && exprs[a.index].valid();
          a = exprs[a.index];
        }
        if (known) exprs[i] = b.intern(std::move(x));
      }
      if (s.kind == StmtKind::let) vars[s.var.index] = exprs[s.value.index];
    }
    return exprs[f.body.back().value.index];
  }

  static ExprId dim(const ir::Dim& d, const std::map<std::string, ExprId, std::less<>>& sizes, Builder& b) {
    ExprId sum = b.index(d.offset());
    if (d.is_constant()) return sum;
    for (const ir::Dim::Term& term : d.terms()) {
      ExprId product = b.index(term.coefficient);
      for (const ir::Dim::Atom& factor : term.factors) {
        const ExprId x = !factor.name.empty() ? sizes.at(factor.name)
                                              : floor_div(dim(factor.quotient->first, sizes, b),
                                                          dim(factor.quotient->second, sizes, b), b);
        product = b.mul(product, x);
      }
      sum = b.add(sum, product);
    }
    return sum;
  }
  // Division truncates; a remainder of the other sign takes one more.
  static ExprId floor_div(ExprId x, ExprId y, Builder& b) {
    const ExprId quotient = b.binary(Op::div, x, y), zero = b.index(0);
    const ExprId rest = b.sub(x, b.mul(quotient, y));
    const ExprId down = b.binary(Op::band, b.binary(Op::ne, rest, zero),
                                 b.binary(Op::ne, b.binary(Op::lt, rest, zero), b.binary(Op::lt, y, zero)));
    return b.select(down, b.sub(quotient, b.index(1)), quotient);
  }

  Module m_;
  Errors errors_;
  std::unordered_map<std::string_view, const Entry*> interfaces_;  // by their entry
  std::unordered_set<std::string_view> closed_;                    // arena functions
};

}  // namespace

Result<Module> guard(Module module) { return ModuleGuard(std::move(module)).run(); }

}  // namespace tenon::kernel
