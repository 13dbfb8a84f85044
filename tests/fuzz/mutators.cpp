#include "fuzz/mutators.h"

#include <algorithm>
#include <cmath>

#include "ir/builder.h"
#include "ir/verify.h"

namespace tenon::test {
namespace {

using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;
using kernel::Expr;
using kernel::ExprId;
using kernel::Op;
using kernel::Stmt;
using kernel::StmtKind;
using kernel::VarKind;

// --- Graphs
// ----------------------------------------------------------------------------------------------------

void each_node(Graph& g, const std::function<void(Graph&, Node&)>& f) {
  for (uint32_t i = 0; i < g.node_count(); ++i) {
    Node& n = g.node(NodeId(i));
    f(g, n);
    for (const auto& r : n.regions) each_node(*r, f);
  }
}
std::function<void(ir::Module&)> on_nodes(std::function<void(Graph&, Node&)> f) {
  return [f = std::move(f)](ir::Module& m) { each_node(m.functions[0].graph, f); };
}

void swap_operands(Graph& g, Node& n) {
  if (n.op->elementwise() == nullptr || n.operands.size() != 2) return;
  if (g.type(n.operands[0]) == g.type(n.operands[1])) std::swap(n.operands[0], n.operands[1]);
}

// Another axis of the same extent; the first of them that is not reduced.
void other_axis(Graph& g, Node& n) {
  if (!ir::reduces(*n.op)) return;
  const ir::Shape& shape = g.type(n.operands[0]).shape;
  ir::Attr& attr = n.attrs[n.op->attr_index("axes")];
  auto* axes = std::get_if<std::vector<int64_t>>(&attr);
  if (axes == nullptr || axes->empty()) return;
  for (size_t k = 0; k < shape.size(); ++k) {
    const int64_t axis = static_cast<int64_t>(k);
    if (std::find(axes->begin(), axes->end(), axis) != axes->end()) continue;
    if (shape[k] == shape[static_cast<size_t>(axes->back())] && axes->size() == 1) {
      (*axes)[0] = axis;
      return;
    }
  }
}

// Slices of one element less begin one further.
void slice_offset(Graph& g, Node& n) {
  if (n.op->index_map() == nullptr || n.operands.size() != 1) return;
  for (size_t i = 0; i < n.op->attrs.size(); ++i) {
    if (n.op->attrs[i].name != "start") continue;
    auto* start = std::get_if<std::vector<ir::Dim>>(&n.attrs[i]);
    const size_t at = n.op->attr_index("limit");
    auto* limit = std::get_if<std::vector<ir::Dim>>(&n.attrs[at]);
    if (start == nullptr || limit == nullptr) return;
    const ir::Shape& shape = g.type(n.operands[0]).shape;
    for (size_t k = 0; k < start->size(); ++k) {
      const ir::Dim room = shape[k] - (*limit)[k];
      if (!room.is_constant() || room.constant() < 1) continue;
      (*start)[k] = (*start)[k] + 1;
      (*limit)[k] = (*limit)[k] + 1;
    }
  }
}

// An order of combination with other lanes: other bits of float sums.
void order_of_sum(Graph& g, Node& n) {
  if (!ir::reduces(*n.op) || !is_float(g.type(n.results[0]).dtype)) return;
  auto* lanes = std::get_if<int64_t>(&n.attrs[n.op->attr_index("lanes")]);
  if (lanes != nullptr && *lanes > 1) *lanes /= 2;
}

// A sum of cotangents keeps only one.
void lost_cotangent(Graph& g, Node& n) {
  if (n.op->elementwise() == nullptr || n.operands.size() != 2 || n.op->vjp == nullptr) return;
  if (n.op->name != "add" || n.operands[0] == n.operands[1]) return;
  (void)g;
  n.operands[1] = n.operands[0];
}
void sign_of_cotangent(ir::Module& m) {
  Graph& g = m.functions[0].graph;
  ir::Builder b(g, &m);
  for (ValueId& r : g.results)
    if (g.value(r).node.valid()) r = b.emit("neg", {r});
}
void scaled_cotangent(ir::Module& m) {
  Graph& g = m.functions[0].graph;
  ir::Builder b(g, &m);
  for (ValueId& r : g.results) r = b.emit("add", {r, r});
}

// --- Kernels
// -----------------------------------------------------------------------------------------------------

std::function<void(kernel::Module&)> on_kernels(std::function<void(kernel::Function&)> f) {
  return [f = std::move(f)](kernel::Module& m) {
    for (kernel::Function& function : m.functions)
      if (!function.entry && std::none_of(m.entries.begin(), m.entries.end(), [&](const kernel::Entry& e) {
            return e.arena_function == function.name;
          }))
        f(function);
  };
}
std::function<void(kernel::Module&)> on_exprs(std::function<void(kernel::Function&, Expr&)> f) {
  return on_kernels([f = std::move(f)](kernel::Function& function) {
    // By position: f may add expressions.
    for (size_t i = 0, n = function.exprs.size(); i < n; ++i) {
      Expr e = function.exprs[i];
      f(function, e);
      function.exprs[i] = std::move(e);
    }
  });
}
void each_stmt(std::vector<Stmt>& body, const std::function<void(std::vector<Stmt>&, size_t)>& f) {
  for (size_t i = 0; i < body.size(); ++i) {
    each_stmt(body[i].body, f);
    each_stmt(body[i].other, f);
    f(body, i);
  }
}
std::function<void(kernel::Module&)> on_stmts(std::function<void(kernel::Function&, Stmt&)> f) {
  return on_kernels([f = std::move(f)](kernel::Function& function) {
    each_stmt(function.body, [&](std::vector<Stmt>& body, size_t i) { f(function, body[i]); });
  });
}

ExprId append(kernel::Function& f, Expr e) {
  f.exprs.push_back(std::move(e));
  return ExprId(static_cast<uint32_t>(f.exprs.size() - 1));
}
ExprId index_constant(kernel::Function& f, int64_t value) {
  Expr e{Op::constant, DType::i64};
  e.bits = static_cast<uint64_t>(value);
  return append(f, std::move(e));
}
ExprId index_binary(kernel::Function& f, Op op, ExprId a, ExprId b) {
  Expr e{op, DType::i64};
  e.args = {a, b};
  return append(f, std::move(e));
}

// Expressions stand before their uses again, after some were appended.
void renumber(kernel::Function& f) {
  std::vector<Expr> sorted;
  std::vector<uint32_t> at(f.exprs.size(), ~0u);
  std::vector<uint32_t> stack;
  for (uint32_t root = 0; root < f.exprs.size(); ++root) {
    stack.push_back(root);
    while (!stack.empty()) {
      const uint32_t e = stack.back();
      bool ready = true;
      if (at[e] == ~0u)
        for (ExprId a : f.exprs[e].args)
          if (at[a.index] == ~0u) stack.push_back(a.index), ready = false;
      if (!ready) continue;
      stack.pop_back();
      if (at[e] != ~0u) continue;
      at[e] = static_cast<uint32_t>(sorted.size());
      Expr copy = f.exprs[e];
      for (ExprId& a : copy.args) a = ExprId(at[a.index]);
      sorted.push_back(std::move(copy));
    }
  }
  f.exprs = std::move(sorted);
  const auto move = [&](ExprId& e) {
    if (e.valid()) e = ExprId(at[e.index]);
  };
  for (kernel::Var& v : f.vars)
    for (ExprId& e : v.extents) move(e);
  each_stmt(f.body, [&](std::vector<Stmt>& body, size_t i) {
    Stmt& s = body[i];
    for (ExprId* e : {&s.lo, &s.hi, &s.step, &s.value, &s.index}) move(*e);
    for (ExprId& e : s.args) move(e);
    for (kernel::Fold& fold : s.folds) move(fold.value);
  });
}

bool real(const kernel::Function&, const Expr& e) { return is_float(e.dtype); }

Mutator on_kernel(std::string name, std::string layer, std::function<void(kernel::Module&)> f) {
  Mutator m{std::move(name), std::move(layer), {}};
  m.faults.kernel = [f = std::move(f)](kernel::Module& module) {
    f(module);
    for (kernel::Function& function : module.functions) renumber(function);
  };
  return m;
}
Mutator on_graph(std::string name, std::function<void(ir::Module&)> f) {
  Mutator m{std::move(name), "graph", {}};
  m.faults.graph = std::move(f);
  return m;
}
Mutator on_gradient(std::string name, std::function<void(ir::Module&)> f) {
  Mutator m{std::move(name), "gradient", {}};
  m.faults.gradient = std::move(f);
  return m;
}

// The last byte of the last element, by one: one unit in the last place of little-endian integers; of floats
// the lowest byte.
void one_ulp(Array& a) {
  if (a.count() == 0 || is_bool(a.dtype())) return;
  std::byte* last = a.data() + a.bytes() - dtype_bytes(a.dtype());
  *last = static_cast<std::byte>(std::to_integer<int>(*last) ^ 1);
}

std::vector<Mutator> make() {
  std::vector<Mutator> all;
  // What a pass may do to a graph.
  all.push_back(on_graph("swapped operands", on_nodes(swap_operands)));
  all.push_back(on_graph("another axis", on_nodes(other_axis)));
  all.push_back(on_graph("offset of a slice", on_nodes(slice_offset)));
  all.push_back(on_graph("order of a sum", on_nodes(order_of_sum)));
  // What a derivative rule may do.
  all.push_back(on_gradient("sign of a gradient", sign_of_cotangent));
  all.push_back(on_gradient("a lost path", on_nodes(lost_cotangent)));
  all.push_back(on_gradient("a path taken twice", scaled_cotangent));
  // Expressions of kernels.
  all.push_back(on_kernel("sign of a product", "expression", on_exprs([](kernel::Function& f, Expr& e) {
                            if (e.op == Op::sub && real(f, e)) std::swap(e.args[0], e.args[1]);
                          })));
  all.push_back(
      on_kernel("two roundings instead of one", "expression", on_exprs([](kernel::Function& f, Expr& e) {
                  if (e.op != Op::fma || !real(f, e)) return;
                  Expr product{Op::mul, e.dtype};
                  product.args = {e.args[0], e.args[1]};
                  const ExprId p = append(f, std::move(product));
                  e.op = Op::add;
                  e.args = {p, e.args[2]};
                })));
  all.push_back(on_kernel("swapped sides of a select", "expression", on_exprs([](kernel::Function&, Expr& e) {
                            if (e.op == Op::select && is_float(e.dtype)) std::swap(e.args[1], e.args[2]);
                          })));
  all.push_back(on_kernel("wrong cast", "expression", on_exprs([](kernel::Function& f, Expr& e) {
                            // Float to integer goes through the next even number.
                            if (e.op != Op::cast || !is_float(e.dtype) || is_float(f.expr(e.args[0]).dtype))
                              return;
                            if (f.expr(e.args[0]).dtype == DType::bool_) return;
                            Expr one{Op::constant, f.expr(e.args[0]).dtype};
                            one.bits = 1;
                            Expr sum{Op::add, f.expr(e.args[0]).dtype};
                            sum.args = {e.args[0], append(f, std::move(one))};
                            e.args = {append(f, std::move(sum))};
                          })));
  // The schedule.
  all.push_back(on_kernel("last lane", "schedule", on_stmts([](kernel::Function& f, Stmt& s) {
                            if (s.kind == StmtKind::lanes)
                              s.hi = index_binary(f, Op::sub, s.hi, index_constant(f, 1));
                          })));
  all.push_back(on_kernel("trip off by one", "schedule", on_stmts([](kernel::Function& f, Stmt& s) {
                            if (s.kind == StmtKind::for_)
                              s.hi = index_binary(f, Op::sub, s.hi, index_constant(f, 1));
                          })));
  all.push_back(on_kernel("mask dropped", "schedule", on_kernels([](kernel::Function& f) {
                            each_stmt(f.body, [](std::vector<Stmt>& body, size_t i) {
                              if (body[i].kind != StmtKind::if_ || body[i].body.empty()) return;
                              // The body runs for all.
                              std::vector<Stmt> inner = std::move(body[i].other);
                              body[i].other = inner;
                              std::swap(body[i].body, body[i].other);
                            });
                          })));
  all.push_back(on_kernel("identity of a fold", "schedule", on_stmts([](kernel::Function& f, Stmt& s) {
                            // A variable that folds begins at one.
                            if (s.kind != StmtKind::declare || !is_float(f.var(s.var).dtype) ||
                                !s.value.valid())
                              return;
                            const Expr& value = f.expr(s.value);
                            if (value.op != Op::constant) return;
                            Expr one{Op::constant, value.dtype};
                            one.bits = value.dtype == DType::f32 ? 0x3fc00000u : 0x3ff8000000000000ull;
                            s.value = append(f, std::move(one));
                          })));
  // Memory.
  all.push_back(on_kernel("offset of a load", "memory", on_exprs([](kernel::Function& f, Expr& e) {
                            if (e.op != Op::load || f.var(e.var).kind != VarKind::buffer) return;
                            // Toward the front, where there is one.
                            e.args[0] =
                                index_binary(f, Op::max, index_constant(f, 0),
                                             index_binary(f, Op::sub, e.args[0], index_constant(f, 1)));
                          })));
  all.push_back(on_kernel("stride of a store", "memory", on_stmts([](kernel::Function& f, Stmt& s) {
                            if (s.kind == StmtKind::store)
                              s.index = index_binary(f, Op::div, s.index, index_constant(f, 2));
                          })));
  all.push_back(on_kernel("dropped write", "memory", on_kernels([](kernel::Function& f) {
                            bool dropped = false;
                            each_stmt(f.body, [&](std::vector<Stmt>& body, size_t i) {
                              if (dropped || body[i].kind != StmtKind::store) return;
                              dropped = true;
                              body[i] = Stmt{StmtKind::prefetch,
                                             body[i].var,
                                             {},
                                             {},
                                             {},
                                             {},
                                             body[i].index,
                                             {},
                                             0,
                                             false,
                                             {},
                                             {},
                                             {},
                                             {},
                                             {}};
                            });
                          })));
  all.push_back(on_kernel("alias", "memory", [](kernel::Module& m) {
    // All that lies in the arena lies at its beginning.
    for (kernel::Function& f : m.functions) {
      if (!f.entry) continue;
      for (size_t i = 0, n = f.exprs.size(); i < n; ++i) {
        if (f.exprs[i].op != Op::address || f.var(f.exprs[i].var).name != "arena") continue;
        const ExprId zero = index_constant(f, 0);
        f.exprs[i].args[0] = zero;
      }
    }
  }));
  all.push_back(on_kernel("carry", "memory", [](kernel::Module& m) {
    // Entries' loops skip what they do last: the hand over of carries.
    for (kernel::Function& f : m.functions) {
      if (!f.entry) continue;
      each_stmt(f.body, [](std::vector<Stmt>& body, size_t i) {
        if (body[i].kind == StmtKind::for_ && body[i].body.size() > 1) body[i].body.pop_back();
      });
    }
  }));
  // Status.
  all.push_back(on_kernel("missing failure", "status", on_kernels([](kernel::Function& f) {
                            each_stmt(f.body, [&](std::vector<Stmt>& body, size_t i) {
                              if (body[i].kind != StmtKind::fail) return;
                              Expr no{Op::constant, DType::bool_};
                              body[i].value = append(f, std::move(no));
                            });
                          })));
  all.push_back(on_kernel("code of a failure", "status", on_stmts([](kernel::Function&, Stmt& s) {
                            const int index = code_number(Code::index_range);
                            const int other = code_number(Code::nonfinite);
                            if (s.kind == StmtKind::fail)
                              s.code = static_cast<uint16_t>(s.code == index ? other : index);
                          })));
  // Code generation: compiled code of other kernels than those that the evaluator runs.
  for (const char* name : {"two roundings instead of one", "last lane"}) {
    Mutator code{std::string(name) + " in compiled code", "code", {}};
    for (const Mutator& m : all)
      if (m.name == name) code.faults.code = m.faults.kernel;
    all.push_back(std::move(code));
  }
  // The judges.
  Mutator exact{"last element of the exact evaluator", "evaluator", {}};
  exact.faults.exact = [](evaluate::Outputs& out) {
    for (Array& a : out.returned) one_ulp(a);
  };
  all.push_back(std::move(exact));
  Mutator wide{"the wide evaluator's value", "evaluator", {}};
  wide.faults.wide = [](evaluate::WideOutputs& out) {
    for (evaluate::WideArray& a : out.returned)
      for (size_t e = 0; e < a.value.size(); ++e) a.value[e] += 3 * a.bound[e] + 1e-3 * std::fabs(a.value[e]);
  };
  all.push_back(std::move(wide));
  return all;
}

}  // namespace

const std::vector<Mutator>& mutators() {
  static const std::vector<Mutator> all = make();
  return all;
}

}  // namespace tenon::test
