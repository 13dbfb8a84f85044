// Verifier. One walk over all graphs; every check collects, none stops the walk unless what follows would
// read a broken structure.
#include "ir/verify.h"
#include "ir/apply.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "ir/builder.h"
#include "ir/dim_bounds.h"
#include "ir/made_names.h"
#include "ir/op_def.h"
#include "support/text.h"

namespace tenon::ir {
namespace {

constexpr __int128 max_elements = static_cast<__int128>(1) << 62;

class Verifier {
 public:
  explicit Verifier(const Module& module) : module_(module) {
    for (size_t i = 0; i < module.functions.size(); ++i) functions_.emplace(module.functions[i].name, i);
    for (size_t i = 0; i < module.globals.size(); ++i) globals_.emplace(module.globals[i].name, i);
  }

  void module() {
    dims();
    globals();
    std::unordered_set<std::string> names;
    for (size_t i = 0; i < module_.functions.size(); ++i) {
      const Function& f = module_.functions[i];
      if (!names.insert(f.name).second)
        report(Code::duplicate_name, "function " + f.name + " is defined twice", f.location);
      if (f.name == "init" && f.origin.role != Role::init)
        report(Code::duplicate_name, "function init: the function that fills the state has this name",
               f.location, "name it otherwise");
      callable_ = i;
      function(f);
    }
    loop_names();
    for (const Derive& d : module_.derives)
      if (!names.insert(d.name).second || d.name == "init")
        report(Code::duplicate_name,
               "derive: " + d.name + (d.name == "init" ? " fills the state already" : " is defined twice"),
               d.location);
  }

  void graph(const Graph& g, const std::string& where, size_t depth) {
    where_ = where;
    if (!structure(g, depth)) return;
    for (size_t i = 0; i < g.value_count(); ++i) type(g.type(ValueId(i)), place_of(g, ValueId(i)));
    for (size_t i = 0; i < g.node_count(); ++i) node(g, g.node(NodeId(i)), depth);
  }

  Status take() {
    if (errors_.empty()) return Ok{};
    return std::move(errors_);
  }

 private:
  void report(Code code, std::string message, const Location& at, std::string help = {}) {
    Diagnostic d;
    d.code = code;
    d.message = std::move(message);
    d.help = std::move(help);
    if (at.known() && at.file < module_.files.size()) {
      d.file = module_.files[at.file];
      d.line = at.line;
      d.column = at.column;
    }
    errors_.add(std::move(d));
  }

  // The loop of a step is called by its name: nothing else may have it.
  void loop_names() {
    std::unordered_set<std::string> loops;
    auto add = [&](const std::string& step) {
      loops.insert(step + std::string(loop_ending));
      loops.insert(step + std::string(loop_ending) + std::string(order_ending));
    };
    for (const Function& f : module_.functions)
      if (f.mode == Mode::training && !f.writes.empty() && f.origin.role != Role::loop) add(f.name);
    for (const Derive& d : module_.derives)
      if (role_of(d.kind) == Role::step) add(d.name);
    auto check = [&](const std::string& name, bool loop, const Location& at) {
      if (!loop && loops.count(name) != 0)
        report(Code::duplicate_name, "function " + name + ": the training loop of a step has this name", at,
               "name it otherwise");
    };
    for (const Function& f : module_.functions) check(f.name, f.origin.role == Role::loop, f.location);
    for (const Derive& d : module_.derives) check(d.name, role_of(d.kind) == Role::loop, d.location);
  }

  static Location place_of(const Graph& g, ValueId v) {
    const Node* n = g.producer(v);
    return n == nullptr ? Location{} : n->location;
  }

  void dims() {
    for (const auto& [name, range] : module_.dims) {
      if (range.low < 0 || range.low > range.high)
        report(Code::dim_range,
               "dimension " + name + " has the range " + std::to_string(range.low) + ".." +
                   std::to_string(range.high),
               {});
      if (range.value == nullptr) continue;
      std::vector<std::string> used;
      range.value->collect_symbols(&used);
      for (const std::string& u : used) {
        const auto found = module_.dims.find(u);
        if (found == module_.dims.end() || found->second.value != nullptr)
          report(Code::graph_invalid,
                 "dimension " + name + " is computed from " + u + ", which callers do not give", {},
                 "compute it from dimensions that are declared by their ranges alone");
      }
    }
    std::unordered_set<std::string> named;
    for (const std::string& name : module_.dim_order)
      if (!named.insert(name).second || module_.dims.find(name) == module_.dims.end())
        report(Code::graph_invalid, "dimension " + name + " is listed twice or has no range", {});
    if (named.size() != module_.dims.size())
      report(Code::graph_invalid, "the order of dimensions does not list them all", {});
  }

  void globals() {
    std::unordered_set<std::string> named;
    for (const Global& g : module_.globals) {
      if (g.name.empty() || !named.insert(g.name).second)
        report(Code::duplicate_name, "global " + g.name + " is declared twice or has no name", g.location);
      type(g.type, g.location);
      if (g.kind != GlobalKind::hyper && !g.type.is_static())
        report(Code::dim_range, g.name + " is " + g.type.text() + ": parameters and state have fixed extents",
               g.location);
      if (g.kind == GlobalKind::hyper && !g.type.is_scalar())
        report(Code::rank_mismatch, "hyper-parameter " + g.name + " is " + g.type.text() + ", wants a scalar",
               g.location);
      if (g.frozen && g.kind != GlobalKind::param)
        report(Code::graph_invalid, g.name + " is frozen and no parameter", g.location);
    }
  }

  // Element type, rank, known dimensions, and a size that can be computed with.
  void type(const Type& t, const Location& at) {
    if (!dtype_computes(t.dtype) && reported_dtypes_.insert(static_cast<int>(t.dtype)).second)
      report(Code::dtype_unsupported,
             std::string(dtype_name(t.dtype)) + " is declared, but not computed with yet: " + t.text(), at,
             "use f32, f64, i32, i64, u8, u32 or bool");
    if (t.rank() > max_rank) report(Code::rank_mismatch, "type " + t.text() + " has too many dimensions", at);
    __int128 product = 1;
    for (const Dim& d : t.shape) {
      if (d.overflowed()) {
        report(Code::dim_range, "an extent is too large to compute with", at);
        return;
      }
      if (!d.is_constant()) {
        std::vector<std::string> names;
        d.collect_symbols(&names);
        for (const std::string& name : names)
          if (module_.dims.find(name) == module_.dims.end()) {
            report(Code::undefined_name, "dimension " + name + " of " + t.text() + " is not declared", at);
            return;
          }
      }
      DimRange range = d.range(module_.dims);
      if (range.high < 0) {
        report(Code::dim_range, "extent " + d.text() + " of " + t.text() + " is negative", at);
      } else if (range.low < 0 && !existing_.contains(d) && !always_at_least(d, module_.dims, 0)) {
        if (!reported_extents_.insert(where_ + d.text()).second) continue;
        report(Code::dim_range, "extent " + d.text() + " of " + t.text() + " may be negative", at,
               "declare ranges of its dimensions from which it follows that it is not");
      }
      product *= std::max<int64_t>(range.high, 1);
      if (product >= max_elements) {
        report(Code::dim_range, "type " + t.text() + " can have 2^62 elements or more", at,
               "narrow the ranges of its dimensions");
        return;
      }
    }
  }

  // Extents of what callers hand over are extents of arrays, whatever the ranges show; so are their products.
  void note_existing(const Graph& g) {
    existing_.clear();
    for (ValueId a : g.args) {
      if (!a.valid() || a.index >= g.value_count() || g.value(a).arg != ArgKind::input) continue;
      const Shape& shape = g.type(a).shape;
      for (size_t from = 0; from < shape.size() && shape.size() <= max_rank; ++from) {
        Dim run = 1;
        for (size_t i = from; i < shape.size(); ++i) {
          run = run * shape[i];
          if (!run.is_constant() && !run.overflowed()) existing_.insert(run);
        }
      }
    }
  }

  void function(const Function& f) {
    std::string where = "function " + f.name;
    where_ = where;
    const Graph& g = f.graph;
    note_existing(g);
    if (f.name.empty()) report(Code::graph_invalid, "a function has no name", f.location);
    if (g.results.size() != f.returns + f.writes.size()) {
      report(Code::graph_invalid,
             where + " has " + std::to_string(g.results.size()) + " results for " +
                 std::to_string(f.returns) + " returned and " + std::to_string(f.writes.size()) +
                 " written values",
             f.location);
      return;
    }
    if (f.result_names.size() > f.returns)
      report(Code::graph_invalid, where + " names more results than it returns", f.location);
    std::unordered_set<std::string_view> results;
    for (const std::string& name : f.result_names)
      if (!name.empty() && !results.insert(name).second)
        report(Code::duplicate_name, where + ": two results are named " + name, f.location,
               "give each a name of its own");
    std::unordered_set<std::string> seen;
    for (ValueId a : g.args) {
      if (!a.valid() || a.index >= g.value_count()) continue;  // structure() reports it
      const Value& v = g.value(a);
      if (v.arg == ArgKind::input) continue;
      if (v.arg != ArgKind::global) {
        report(Code::graph_invalid, where + " has an argument that only regions have", f.location);
        continue;
      }
      auto found = globals_.find(v.name);
      if (found == globals_.end()) {
        report(Code::undefined_name, where + " reads " + v.name + ", which is not declared", f.location);
      } else if (module_.globals[found->second].type != v.type) {
        report(Code::result_type,
               where + " reads " + v.name + " as " + v.type.text() + ", it is " +
                   module_.globals[found->second].type.text(),
               f.location);
      }
      if (!seen.insert(v.name).second)
        report(Code::duplicate_name, where + " reads " + v.name + " by two arguments", f.location);
    }
    graph(g, where, 0);
    if (f.origin.role != Role::loop) no_commits(g);
    seen.clear();
    for (size_t i = 0; i < f.writes.size(); ++i) {
      const std::string& name = f.writes[i].global;
      auto found = globals_.find(name);
      if (found == globals_.end() || module_.globals[found->second].kind == GlobalKind::hyper) {
        report(Code::state_write, where + " writes " + name + ", which is no parameter or state", f.location);
        continue;
      }
      if (!seen.insert(name).second)
        report(Code::state_write, where + " writes " + name + " twice", f.location);
      if (module_.globals[found->second].frozen && f.name != "init")
        report(Code::state_write, where + " writes " + name + ", which is frozen", f.location,
               "leave out frozen, and name what steps train: over = [...]");
      ValueId v = g.results[f.returns + i];
      if (v.valid() && v.index < g.value_count() && g.type(v) != module_.globals[found->second].type)
        report(Code::state_write,
               where + " writes " + g.type(v).text() + " to " + name + ", which is " +
                   module_.globals[found->second].type.text(),
               f.location);
    }
  }

  // Iterations commit what steps wrote: a loop that derive epochs makes. Elsewhere writes land at the exit.
  void no_commits(const Graph& g) {
    for (size_t i = 0; i < g.node_count(); ++i) {
      const Node& n = g.node(NodeId(i));
      if (n.op == nullptr || n.op->control() == nullptr) continue;
      if (n.op->control()->what == Control::loop && n.attrs.size() == n.op->attrs.size())
        if (const bool* commit = std::get_if<bool>(&n.attr("commit")); commit != nullptr && *commit)
          report(Code::bad_attribute, "a loop of " + where_ + " commits its iterations", n.location,
                 "derive such loops from a step: derive NAME = epochs STEP");
      for (const auto& region : n.regions)
        if (region != nullptr) no_commits(*region);
    }
  }

  bool broken(std::string what) {
    report(Code::graph_invalid, where_ + ": " + what, {});
    return false;
  }

  // Ids, links between values and nodes, order of definitions, names. False: nothing else can be looked at.
  bool structure(const Graph& g, size_t depth) {
    if (depth > max_region_depth) return broken("regions nest too deep");
    std::vector<uint32_t> argument(g.value_count(), 0);
    for (size_t i = 0; i < g.args.size(); ++i) {
      ValueId a = g.args[i];
      if (!a.valid() || a.index >= g.value_count()) return broken("an argument does not exist");
      const Value& v = g.value(a);
      if (v.arg == ArgKind::none || v.node.valid() || v.result != i || argument[a.index]++ != 0)
        return broken("argument " + v.name + " is not linked to its position");
    }
    std::unordered_set<std::string_view> names;
    for (size_t i = 0; i < g.value_count(); ++i) {
      const Value& v = g.value(ValueId(i));
      if (v.arg == ArgKind::none) {
        if (!v.node.valid() || v.node.index >= g.node_count()) return broken("a value has no producer");
        const Node& n = g.node(v.node);
        if (v.result >= n.results.size() || n.results[v.result] != ValueId(i))
          return broken("value " + v.name + " is not linked to its producer");
      } else if (argument[i] == 0) {
        return broken("argument " + v.name + " is not listed");
      }
      if (!v.name.empty() && !names.insert(v.name).second)
        report(Code::duplicate_name, where_ + ": two values are named " + v.name, place_of(g, ValueId(i)));
    }
    for (size_t i = 0; i < g.node_count(); ++i) {
      const Node& n = g.node(NodeId(i));
      if (n.op == nullptr) return broken("a node has no operation");
      if (n.attrs.size() != n.op->attrs.size()) return broken(std::string(n.op->name) + " lacks attributes");
      for (ValueId v : n.operands) {
        if (!v.valid() || v.index >= g.value_count())
          return broken(std::string(n.op->name) + " uses a value that does not exist");
        if (NodeId by = g.value(v).node; by.valid() && by.index >= i)
          return broken(std::string(n.op->name) + " uses " + g.value(v).name + " before it is defined");
      }
      for (size_t r = 0; r < n.results.size(); ++r) {
        ValueId v = n.results[r];
        if (!v.valid() || v.index >= g.value_count() || g.value(v).node != NodeId(i) ||
            g.value(v).result != r)
          return broken("a result of " + std::string(n.op->name) + " is not linked to it");
      }
      for (const std::unique_ptr<Graph>& r : n.regions)
        if (r == nullptr) return broken(std::string(n.op->name) + " has an empty region");
    }
    for (ValueId v : g.results)
      if (!v.valid() || v.index >= g.value_count()) return broken("a result does not exist");
    return true;
  }

  void node(const Graph& g, const Node& n, size_t depth) {
    std::string name(n.op->name);
    bool good = true;
    if (n.op->control() != nullptr) good = control(g, n);
    std::string where = where_;
    for (const std::unique_ptr<Graph>& r : n.regions) graph(*r, where + ", region of " + name, depth + 1);
    where_ = where;
    if (!good) return;
    InferContext context;
    Attrs attrs = n.attrs;
    context.op = n.op;
    context.attrs = &attrs;
    context.module = &module_;
    for (ValueId v : n.operands) context.operands.push_back(g.type(v));
    for (const std::unique_ptr<Graph>& r : n.regions) context.regions.push_back(r.get());
    if (Status s = infer_types(context); !s) {
      for (const Diagnostic& d : s.errors().list) report(d.code, d.message, n.location, d.help);
      return;
    }
    for (size_t i = 0; i < attrs.size(); ++i)
      if (!attr_equal(attrs[i], n.attrs[i]))
        report(Code::bad_attribute,
               name + ": attribute " + std::string(n.op->attrs[i].name) + " is not filled in", n.location);
    if (context.results.size() != n.results.size()) {
      report(Code::result_type,
             name + " has " + std::to_string(n.results.size()) + " results, inferred " +
                 std::to_string(context.results.size()),
             n.location);
      return;
    }
    for (size_t i = 0; i < n.results.size(); ++i)
      if (g.type(n.results[i]) != context.results[i])
        report(
            Code::result_type,
            name + ": result is " + g.type(n.results[i]).text() + ", inferred " + context.results[i].text(),
            n.location);
  }

  bool control(const Graph& g, const Node& n) {
    switch (n.op->control()->what) {
      case Control::call:
        return call(n);
      case Control::apply:
        return call(n) && sizes(g, n);
      case Control::loop:
        return n.regions.size() == 1 ? region(g, n, *n.regions[0], 0) : misfit(n, "one region");
      case Control::cond:
        if (n.regions.size() != 2 || n.operands.empty()) return misfit(n, "a predicate and two regions");
        return region(g, n, *n.regions[0], 1) && region(g, n, *n.regions[1], 1);
    }
    return true;
  }

  bool misfit(const Node& n, std::string wants) {
    report(Code::graph_invalid, where_ + ": " + std::string(n.op->name) + " wants " + wants, n.location);
    return false;
  }

  bool call(const Node& n) {
    const auto* callee = std::get_if<std::string>(&n.attr("callee"));
    auto found = callee == nullptr ? functions_.end() : functions_.find(*callee);
    if (found == functions_.end()) {
      report(Code::undefined_name, where_ + ": no function is named " + (callee == nullptr ? "" : *callee),
             n.location);
      return false;
    }
    // Functions call only what stands before them, so there is no recursion.
    if (found->second >= callable_) {
      report(Code::graph_invalid, where_ + ": " + *callee + " is called before it is defined", n.location,
             "functions call only functions above them");
      return false;
    }
    return true;
  }

  // What is shown of a function holds for its dimensions' ranges: it is applied within them.
  bool sizes(const Graph& g, const Node& n) {
    const Function& callee = module_.functions[functions_.find(n.get<std::string>("callee"))->second];
    std::vector<Type> operands;
    for (const ValueId v : n.operands) operands.push_back(g.type(v));
    const Result<AppliedSizes> sizes = applied_sizes(callee, applied_arguments(module_, callee), operands);
    if (!sizes) return true;  // infer reports it
    // There computed dimensions are written out, and tested where sizes are bound.
    if (module_.stage == "scheduled") return true;
    bool good = true;
    for (const auto& [name, size] : *sizes) {
      const auto declared = module_.dims.find(name);
      const DimRange given = size.range(module_.dims);
      if (declared == module_.dims.end() ||
          (given.low >= declared->second.low && given.high <= declared->second.high))
        continue;
      good = false;
      report(Code::dim_range,
             where_ + ": " + callee.name + " is applied at " + name + " = " + size.text() + ", which is " +
                 std::to_string(given.low) + ".." + std::to_string(given.high) + "; " + name + " is " +
                 std::to_string(declared->second.low) + ".." + std::to_string(declared->second.high),
             n.location, "declare a dimension with a range within that of " + name);
    }
    return good;
  }

  // Arguments of a region against the operands from `first` on.
  bool region(const Graph& g, const Node& n, const Graph& body, size_t first) {
    std::string name(n.op->name);
    bool loop = first == 0;
    size_t operand = first;
    ArgKind last = ArgKind::carry;
    for (ValueId a : body.args) {
      if (!a.valid() || a.index >= body.value_count()) return misfit(n, "arguments that exist");
      const Value& v = body.value(a);
      bool kind = loop ? v.arg == ArgKind::carry || v.arg == ArgKind::slice || v.arg == ArgKind::capture ||
                             v.arg == ArgKind::index
                       : v.arg == ArgKind::capture;
      if (!kind || v.arg < last || (v.arg == ArgKind::index && last == ArgKind::index))
        return misfit(n, "arguments in the order carries, slices, captures, index");
      last = v.arg;
      if (v.arg == ArgKind::index) {
        if (v.type != Type{DType::i64, {}}) return misfit(n, "an index of type i64[]");
        continue;
      }
      if (operand == n.operands.size()) return misfit(n, "an operand for each argument of its region");
      Type outer = g.type(n.operands[operand++]);
      if (v.arg == ArgKind::slice) {
        if (outer.is_scalar()) return misfit(n, "sliced operands with a leading dimension");
        outer.shape.erase(outer.shape.begin());
      }
      if (v.type != outer) {
        report(Code::capture_invalid,
               where_ + ": " + name + ": " + (v.name.empty() ? "an argument" : v.name) + " is " +
                   v.type.text() + " inside and " + outer.text() + " outside",
               n.location);
        return false;
      }
    }
    if (operand != n.operands.size()) return misfit(n, "an argument of its region for each operand");
    return true;
  }

  const Module& module_;
  std::unordered_map<std::string, size_t> functions_, globals_;
  size_t callable_ = ~size_t{0};  // functions before this one may be called
  std::unordered_set<int> reported_dtypes_;
  std::unordered_set<std::string> reported_extents_;  // by function and text
  std::set<Dim> existing_;                            // see note_existing
  std::string where_ = "graph";
  Errors errors_;
};

}  // namespace

Status verify(const Module& module) {
  Verifier v(module);
  v.module();
  return v.take();
}

Status verify(const Graph& graph, const Module& module) {
  Verifier v(module);
  v.graph(graph, "graph", 0);
  return v.take();
}

}  // namespace tenon::ir
