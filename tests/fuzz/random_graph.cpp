#include "fuzz/random_graph.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "ir/builder.h"
#include "ir/compact.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "transforms/transforms.h"

namespace tenon::test {
namespace {

using ir::ArgKind;
using ir::AttrKind;
using ir::Dim;
using ir::Graph;
using ir::OpDef;
using ir::Shape;
using ir::Type;
using ir::ValueId;
using runtime::Random;

constexpr DType all_dtypes[] = {DType::f32, DType::f64, DType::i32,  DType::i64,
                                DType::u8,  DType::u32, DType::bool_};
constexpr int64_t max_count = 6000;

bool is_default(const ir::Domain& d) { return d.low == -2 && d.high == 2; }

Array draw_array(DType dtype, std::vector<int64_t> shape, ir::Domain domain, Random& random, bool wild) {
  Array a(dtype, std::move(shape));
  with_dtype(dtype, [&]<class T>() {
    for (T& v : a.template as<T>()) {
      if constexpr (std::is_floating_point_v<T>) {
        v = static_cast<T>(random.uniform(domain.low, domain.high));
      } else if constexpr (std::is_same_v<T, bool>) {
        v = domain.low == domain.high ? domain.low != 0 && !(wild && random.below(4) == 0)
                                      : random.below(2) != 0;
      } else {
        int64_t low = static_cast<int64_t>(std::ceil(domain.low)), high = static_cast<int64_t>(domain.high);
        if (std::is_unsigned_v<T> && low < 0) low = 0;
        if (wild) low -= std::is_unsigned_v<T> ? 0 : 2, high += 3;
        v = static_cast<T>(low + static_cast<int64_t>(random.below(static_cast<uint64_t>(high - low + 1))));
      }
    }
  });
  return a;
}

// Whether a value may stand where elements of the domain are wanted.
bool lies_in(const Array& a, const ir::Domain& domain) {
  bool ok = true;
  with_dtype(a.dtype(), [&]<class T>() {
    for (T v : a.template as<T>()) {
      const double x = static_cast<double>(v);
      if (std::is_floating_point_v<T> && is_default(domain)) {
        ok = ok && std::fabs(x) <= 30;
      } else if (is_default(domain)) {
        ok = ok && std::fabs(x) <= 1e6;
      } else {
        ok = ok && x >= domain.low && x <= domain.high;
      }
    }
  });
  return ok;
}

class Generator {
 public:
  Generator(uint64_t seed, const GraphOptions& options) : random_(seed, 77), options_(options) {
    out_.seed = seed;
    ir::Module& m = out_.module;
    m.name = "random";
    if (options.symbolic) {
      m.dims["n"] = {1, 64};
      m.dims["m"] = {0, 20};
      m.dim_order = {"n", "m"};
      out_.dims = {{"n", range(1, 12)}, {"m", range(0, 6)}};
    }
    palette_ = {Dim(range(2, 7)), Dim(range(1, 36))};
    if (options.symbolic) {
      palette_.push_back(Dim::symbol("n"));
      if (chance(30)) palette_.push_back(Dim::symbol("m"));
      if (chance(20)) palette_.push_back(Dim::symbol("n") * 2 + 1);
    }
    if (chance(15)) palette_.push_back(0);
    if (chance(15)) palette_.push_back(range(60, 140));
  }

  RandomGraph run() {
    ir::Function& f = out_.module.functions.emplace_back();
    f.name = "f";
    Frame frame{&f.graph, {}, 0};
    if (options_.only != nullptr) {
      for (int tries = 0; tries < 40 && f.graph.node_count() == 0; ++tries)
        attempt(frame, *options_.only, options_.dtype, false);
    } else {
      globals(frame);
      active(frame);
      fill(frame, options_.nodes);
    }
    finish(frame, f);
    return std::move(out_);
  }

 private:
  struct Frame {
    Graph* graph;
    std::vector<Array> values;  // by ValueId
    int depth = 0;
    bool chain = false;
    std::vector<ValueId> pool() const {
      std::vector<ValueId> all;
      for (uint32_t i = 0; i < graph->value_count(); ++i) all.push_back(ValueId(i));
      return all;
    }
  };

  int64_t range(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_.below(static_cast<uint64_t>(high - low + 1)));
  }
  bool chance(int percent) { return range(0, 99) < percent; }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[static_cast<size_t>(range(0, static_cast<int64_t>(from.size()) - 1))];
  }
  Dim dim() {
    const int64_t k = range(0, 19);
    if (k == 0) return 0;
    if (k <= 2) return 1;
    if (k <= 5) return range(2, 9);
    return pick(palette_);
  }
  DType dtype() {
    const int64_t k = range(0, 19);
    if (k < 9) return DType::f32;
    if (k < 12) return DType::f64;
    return all_dtypes[static_cast<size_t>(range(0, 6))];
  }
  // A value of the pool, the last ones more often.
  ValueId recent(const Frame& f) {
    const int64_t n = static_cast<int64_t>(f.graph->value_count());
    if (f.chain && chance(70)) return ValueId(static_cast<uint32_t>(n - 1));
    return ValueId(
        static_cast<uint32_t>(chance(50) ? std::max<int64_t>(0, n - 1 - range(0, 3)) : range(0, n - 1)));
  }

  static bool hides(const OpDef& op) {
    return op.zero_gradient && op.elementwise() != nullptr && !op.operands.empty() &&
           ir::dtype_in(DType::f32, op.operands[0].dtypes);
  }

  void globals(Frame& f) {
    if (!chance(35)) return;
    for (int64_t i = 0, n = range(1, 2); i < n; ++i) {
      ir::Global g;
      g.kind = chance(50) ? ir::GlobalKind::state : ir::GlobalKind::param;
      if (chance(15)) g.kind = ir::GlobalKind::hyper;
      g.name = "g" + std::to_string(i);
      g.type.dtype = g.kind == ir::GlobalKind::hyper ? DType::f32 : chance(60) ? DType::f32 : dtype();
      if (g.kind != ir::GlobalKind::hyper)
        for (int64_t r = range(0, 3); r > 0; --r) {
          const Dim d = dim();
          g.type.shape.push_back(d.is_constant() ? d : Dim(range(1, 9)));
        }
      if (i == 1 && chance(60)) g.type = out_.module.globals[0].type, g.kind = out_.module.globals[0].kind;
      if (g.kind == ir::GlobalKind::hyper) g.init = {"constant", {0.5}};
      out_.module.globals.push_back(g);
      add_argument(f, g.type, {}, ArgKind::global, g.name);
    }
  }

  std::optional<ValueId> add_argument(Frame& f, const Type& type, ir::Domain domain, ArgKind kind,
                                      const std::string& name) {
    auto shape = ir::evaluate_shape(type.shape, out_.dims);
    if (!shape) return {};
    int64_t count = 0, bytes = 0;
    if (!checked_bytes(type.dtype, *shape, &count, &bytes) || count > max_count) return {};
    const ValueId v = f.graph->add_arg(type, kind, name);
    out_.domains[name] = domain;
    f.values.push_back(draw_array(type.dtype, *shape, domain, random_, false));
    return v;
  }
  // A value that no operation made: an input, or in a region a constant.
  std::optional<ValueId> leaf(Frame& f, const Type& type, ir::Domain domain) {
    if (f.depth == 0 && f.graph->args.size() < 12)
      return add_argument(f, type, domain, ArgKind::input, "x" + std::to_string(f.graph->args.size()));
    if (!type.is_static()) return {};
    auto shape = ir::evaluate_shape(type.shape, out_.dims);
    if (!shape || type.count().constant() > max_count) return {};
    ir::Builder b(*f.graph, &out_.module);
    auto array = std::make_shared<Array>(draw_array(type.dtype, *shape, domain, random_, false));
    const ValueId v = b.constant(array);
    f.values.resize(f.graph->value_count());
    f.values[v.index] = *array;
    return v;
  }

  // Most graphs begin with something that carries a gradient.
  void active(Frame& f) {
    if (!chance(85)) return;
    const std::span<const OpDef* const> all = ir::op_table().all();
    for (int tries = 0; tries < 400 && f.graph->node_count() < 2; ++tries) {
      const OpDef* op = all[static_cast<size_t>(range(0, static_cast<int64_t>(all.size()) - 1))];
      if (op->elementwise() == nullptr || op->vjp == nullptr || hides(*op)) continue;
      attempt(f, *op, chance(80) ? DType::f32 : DType::f64, f.graph->node_count() > 0);
    }
  }

  void fill(Frame& f, int nodes) {
    const size_t first = f.graph->node_count();
    f.chain = chance(50);
    for (int tries = 0; tries < nodes * 12 && f.graph->node_count() < first + static_cast<size_t>(nodes);
         ++tries) {
      const std::span<const OpDef* const> all = ir::op_table().all();
      const OpDef* op = all[static_cast<size_t>(range(0, static_cast<int64_t>(all.size()) - 1))];
      if (f.chain && chance(60) && op->elementwise() == nullptr) continue;
      // Where gradients are compared with differences, nothing may hide a dependence from them.
      if (out_.seed % 3 != 0 && hides(*op)) continue;
      if (op->control() != nullptr || (f.depth < 2 && options_.control && chance(3))) {
        if (options_.control && f.depth < 2 && chance(50)) region(f, *op);
        continue;
      }
      attempt(f, *op, dtype(), true);
    }
  }

  // --- One operation ---------------------------------------------------------------------------------------

  struct Drawn {
    std::vector<Type> operands;
    std::vector<std::optional<ValueId>> given;
    ir::Attrs attrs;
  };

  Drawn sample(const OpDef& op, DType wanted) {
    ir::SampleContext s;
    s.attrs.resize(op.attrs.size());
    s.dtype = wanted;
    s.state = this;
    s.draw = [](void* self, int64_t low, int64_t high) {
      return static_cast<Generator*>(self)->range(low, high);
    };
    s.draw_dim = [](void* self) { return static_cast<Generator*>(self)->dim(); };
    if (op.sample != nullptr) {
      op.sample(s);
    } else {
      Shape shape;
      for (int64_t n = range(0, 3); n > 0; --n) shape.push_back(dim());
      like(op, {wanted, shape}, &s.operands);
      s.attrs = attributes(op, Type{wanted, shape});
    }
    s.attrs.resize(op.attrs.size());
    Drawn d{std::move(s.operands), {}, std::move(s.attrs)};
    d.given.resize(d.operands.size());
    return d;
  }
  // Operands of one shape, of the main type where they can be.
  void like(const OpDef& op, const Type& main, std::vector<Type>* out) {
    for (const ir::OperandDef& o : op.operands) {
      if (o.optional && chance(50)) break;
      const int64_t copies = o.variadic ? range(1, 3) : 1;
      DType t = main.dtype;
      for (int tries = 0; !ir::dtype_in(t, o.dtypes) && tries < 100; ++tries) t = all_dtypes[range(0, 6)];
      for (int64_t k = 0; k < copies; ++k) out->push_back({t, main.shape});
    }
  }
  // By kind and name.
  ir::Attrs attributes(const OpDef& op, const Type& main) {
    ir::Attrs attrs(op.attrs.size());
    const int64_t rank = static_cast<int64_t>(main.rank());
    for (size_t i = 0; i < op.attrs.size(); ++i) {
      const ir::AttrDef& a = op.attrs[i];
      const bool required = a.preset.empty() && a.derive == nullptr;
      if (!required && chance(40)) continue;
      switch (a.kind) {
        case AttrKind::boolean:
          attrs[i] = chance(50);
          break;
        case AttrKind::integer:
          if (a.name == "axis" && rank > 0) {
            attrs[i] = range(0, rank - 1);
          } else if (required) {
            attrs[i] = range(0, 3);
          }
          break;
        case AttrKind::number:
          if (required) attrs[i] = static_cast<double>(range(1, 7)) / 8;
          break;
        case AttrKind::text: {
          std::vector<std::string> words;
          for (size_t at = 0; at < a.choices.size();) {
            const size_t end = std::min(a.choices.find('|', at), a.choices.size());
            words.emplace_back(a.choices.substr(at, end - at));
            at = end + 1;
          }
          if (!words.empty()) attrs[i] = pick(words);
          break;
        }
        case AttrKind::integers: {
          std::vector<int64_t> list;
          if (a.name == "axes") {
            for (int64_t k = 0; k < rank; ++k)
              if (chance(50)) list.push_back(k);
            attrs[i] = list;
          } else if (a.name == "perm" || required) {
            for (int64_t k = 0; k < rank; ++k) list.insert(list.begin() + range(0, k), k);
            attrs[i] = list;
          }
          break;
        }
        case AttrKind::dtype:
          attrs[i] = all_dtypes[range(0, 6)];
          break;
        case AttrKind::dim:
          if (required) attrs[i] = dim();
          break;
        case AttrKind::dims:
          if (required) attrs[i] = main.shape;
          break;
        case AttrKind::array:
          break;
      }
    }
    return attrs;
  }

  void attempt(Frame& f, const OpDef& op, DType wanted, bool reuse) {
    Drawn d;
    const bool fit = reuse && f.graph->value_count() > 0 && !op.operands.empty() &&
                     (op.sample == nullptr ? chance(85) : chance(45));
    if (fit) {
      const ValueId x = recent(f);
      const Type main = f.graph->type(x);
      if (!ir::dtype_in(main.dtype, op.operands[0].dtypes)) return;
      if (op.sample != nullptr) d = sample(op, main.dtype);
      if (op.sample != nullptr && (d.operands.empty() || d.operands[0].rank() != main.rank())) {
        return;
      }
      if (op.sample != nullptr && d.operands[0].shape != main.shape) {
        // Another shape than the sample's: only the first operand and attributes by name are kept.
        if (d.operands.size() != 1) return;
        d.attrs = attributes(op, main);
        d.operands[0] = main;
      } else if (op.sample == nullptr) {
        like(op, main, &d.operands);
        d.attrs = attributes(op, main);
      }
      d.given.assign(d.operands.size(), {});
      const ir::Domain domain = domain_of(op, 0);
      if (d.operands.empty() || (!lies_in(f.values[x.index], domain) && !chance(4))) return;
      d.given[0] = x;
    } else {
      d = sample(op, wanted);
    }
    const Graph saved = *f.graph;
    const std::map<std::string, ir::Domain> domains = out_.domains;
    if (emit(f, op, d, reuse)) return;
    *f.graph = saved;
    f.values.resize(saved.value_count());
    out_.domains = domains;
  }

  static ir::Domain domain_of(const OpDef& op, size_t i) {
    return op.domains.empty() ? ir::Domain{} : op.domains[std::min(i, op.domains.size() - 1)];
  }

  bool emit(Frame& f, const OpDef& op, const Drawn& d, bool reuse) {
    std::vector<ValueId> operands, used;
    for (const std::optional<ValueId>& v : d.given)
      if (v) used.push_back(*v);
    // One value twice: now and then. (Comparisons of a value with itself are undecided in the wide
    // evaluator.)
    const bool again = chance(10);
    for (size_t i = 0; i < d.operands.size(); ++i) {
      std::optional<ValueId> v = d.given[i];
      if (!v && reuse && chance(85)) {
        std::vector<ValueId> fitting;
        for (ValueId p : f.pool())
          if (f.graph->type(p) == d.operands[i] &&
              (std::find(used.begin(), used.end(), p) == used.end() || again) &&
              lies_in(f.values[p.index], domain_of(op, i)))
            fitting.push_back(p);
        if (!fitting.empty()) v = chance(50) ? fitting.back() : pick(fitting);
      }
      if (!v) v = leaf(f, d.operands[i], domain_of(op, i));
      if (!v) return false;
      operands.push_back(*v);
      used.push_back(*v);
    }
    ir::Builder b(*f.graph, &out_.module);
    auto results = b.try_emit(op, operands, d.attrs);
    if (!results) return false;
    return compute(f);
  }

  // Values of the nodes that have none yet; false where one fails or is too large.
  bool compute(Frame& f) {
    const size_t known = f.values.size();
    f.values.resize(f.graph->value_count());
    for (uint32_t n = 0; n < f.graph->node_count(); ++n) {
      const ir::Node& node = f.graph->node(ir::NodeId(n));
      if (node.results.empty() || node.results[0].index < known) continue;
      for (ValueId r : node.results) {
        auto shape = ir::evaluate_shape(f.graph->type(r).shape, out_.dims);
        int64_t count = 0, bytes = 0;
        if (!shape || !checked_bytes(f.graph->type(r).dtype, *shape, &count, &bytes) || count > max_count)
          return false;
      }
      std::vector<const Array*> in;
      for (ValueId v : node.operands) in.push_back(&f.values[v.index]);
      auto out = evaluate::exact_node(*f.graph, ir::NodeId(n), in, out_.dims);
      if (!out) return false;
      for (size_t k = 0; k < node.results.size(); ++k) f.values[node.results[k].index] = std::move((*out)[k]);
    }
    return true;
  }

  // --- Regions ---------------------------------------------------------------------------------------------

  static size_t attribute(const OpDef& op, std::string_view name) { return op.attr_index(name); }

  void region(Frame& f, const OpDef& op) {
    if (f.graph->value_count() == 0) return;
    if (op.control() == nullptr || op.control()->what == ir::Control::call) return;
    const Graph saved = *f.graph;
    const std::map<std::string, ir::Domain> domains = out_.domains;
    const bool ok = op.control()->what == ir::Control::loop ? loop(f, op) : cond(f, op);
    if (ok) return;
    *f.graph = saved;
    f.values.resize(saved.value_count());
    out_.domains = domains;
  }

  std::vector<ValueId> some(Frame& f, int64_t most) {
    std::vector<ValueId> out;
    for (int64_t n = range(0, most); n > 0; --n) out.push_back(recent(f));
    return out;
  }

  bool loop(Frame& f, const OpDef& op) {
    std::vector<ValueId> carries = some(f, 3), captures = some(f, 3), slices;
    Dim trip = chance(20) ? Dim(range(0, 1)) : chance(30) ? dim() : Dim(range(2, 6));
    std::vector<ValueId> rows;
    for (ValueId v : f.pool())
      if (f.graph->type(v).rank() > 0) rows.push_back(v);
    if (!rows.empty() && chance(70)) {
      trip = f.graph->type(pick(rows)).shape[0];
      for (ValueId v : rows)
        if (f.graph->type(v).shape[0] == trip && slices.size() < 3) slices.push_back(v);
    }
    auto count = trip.evaluate(out_.dims);
    if (!count || *count > 40) return false;
    auto body = std::make_unique<Graph>();
    Frame inner{body.get(), {}, f.depth + 1};
    std::vector<ValueId> operands;
    auto take = [&](ValueId v, ArgKind kind) {
      Type type = f.graph->type(v);
      Array value = f.values[v.index];
      if (kind == ArgKind::slice) {
        type.shape.erase(type.shape.begin());
        std::vector<int64_t> shape(value.shape().begin() + 1, value.shape().end());
        Array row(type.dtype, shape);
        if (value.count() > 0) std::memcpy(row.data(), value.data(), row.bytes());
        value = std::move(row);
      }
      const char* prefix = kind == ArgKind::carry ? "c" : kind == ArgKind::slice ? "r" : "k";
      body->add_arg(type, kind, prefix + std::to_string(body->args.size()));
      inner.values.push_back(std::move(value));
      operands.push_back(v);
    };
    for (ValueId v : carries) take(v, ArgKind::carry);
    for (ValueId v : slices) take(v, ArgKind::slice);
    for (ValueId v : captures) take(v, ArgKind::capture);
    if (body->args.empty() || chance(40)) {
      body->add_arg({DType::i64, {}}, ArgKind::index, "i");
      inner.values.push_back(Array::scalar<int64_t>(0));
    }
    fill(inner, static_cast<int>(range(2, 7)));
    for (ValueId c : carries) {
      std::vector<ValueId> fitting;
      for (ValueId v : inner.pool())
        if (body->type(v) == f.graph->type(c)) fitting.push_back(v);
      body->results.push_back(chance(75) ? fitting.back() : pick(fitting));
    }
    for (int64_t n = range(carries.empty() ? 1 : 0, 2); n > 0; --n) body->results.push_back(recent(inner));
    ir::Attrs attrs(op.attrs.size());
    attrs[attribute(op, "trip")] = trip;
    attrs[attribute(op, "reverse")] = chance(30);
    if (chance(25)) {
      std::vector<ValueId> flags;
      for (ValueId v : inner.pool())
        if (body->type(v) == Type{DType::bool_, {}}) flags.push_back(v);
      if (!flags.empty()) {
        body->results.push_back(pick(flags));
        attrs[attribute(op, "predicate")] = true;
      }
    }
    std::vector<std::unique_ptr<Graph>> regions;
    regions.push_back(std::move(body));
    ir::Builder b(*f.graph, &out_.module);
    return b.try_emit(op, operands, attrs, std::move(regions)) && compute(f);
  }

  bool cond(Frame& f, const OpDef& op) {
    std::vector<ValueId> flags;
    for (ValueId v : f.pool())
      if (f.graph->type(v) == Type{DType::bool_, {}}) flags.push_back(v);
    std::optional<ValueId> flag;
    if (!flags.empty()) flag = pick(flags);
    if (!flag) flag = leaf(f, {DType::bool_, {}}, {});
    if (!flag) return false;
    std::vector<ValueId> operands = some(f, 3);
    operands.push_back(recent(f));
    std::vector<std::unique_ptr<Graph>> regions;
    Frame frames[2];
    for (Frame& inner : frames) {
      regions.push_back(std::make_unique<Graph>());
      inner.graph = regions.back().get();
      inner.depth = f.depth + 1;
      for (ValueId v : operands) {
        inner.graph->add_arg(f.graph->type(v), ArgKind::capture,
                             "k" + std::to_string(inner.graph->args.size()));
        inner.values.push_back(f.values[v.index]);
      }
      fill(inner, static_cast<int>(range(1, 4)));
    }
    for (int64_t n = range(1, 3), tries = 0; n > 0 && tries < 20; ++tries) {
      const ValueId v = recent(frames[0]);
      std::vector<ValueId> fitting;
      for (ValueId w : frames[1].pool())
        if (frames[1].graph->type(w) == frames[0].graph->type(v)) fitting.push_back(w);
      if (fitting.empty()) continue;
      frames[0].graph->results.push_back(v);
      frames[1].graph->results.push_back(fitting.back());
      --n;
    }
    if (frames[0].graph->results.empty()) return false;
    operands.insert(operands.begin(), *flag);
    ir::Builder b(*f.graph, &out_.module);
    return b.try_emit(op, operands, ir::Attrs(op.attrs.size()), std::move(regions)) && compute(f);
  }

  // --- The function ----------------------------------------------------------------------------------------

  void finish(Frame& f, ir::Function& function) {
    Graph& g = function.graph;
    const std::vector<uint32_t> uses = ir::count_uses(g);
    for (uint32_t i = 0; i < g.value_count(); ++i) {
      const bool made = g.value(ValueId(i)).node.valid();
      if ((made && uses[i] == 0) || (options_.only == nullptr && chance(made ? 8 : 2)))
        g.results.push_back(ValueId(i));
    }
    if (options_.only == nullptr && g.results.size() > 7)
      g.results.erase(g.results.begin(), g.results.begin() + static_cast<ptrdiff_t>(g.results.size() - 7));
    if (g.results.empty() && g.value_count() > 0)
      g.results.push_back(ValueId(static_cast<uint32_t>(g.value_count() - 1)));
    function.returns = g.results.size();
    for (size_t i = 0; i < function.returns; ++i) function.result_names.push_back("y" + std::to_string(i));
    for (const ir::Global& global : out_.module.globals) {
      if (global.kind == ir::GlobalKind::hyper) continue;
      std::vector<ValueId> fitting;
      for (ValueId v : f.pool())
        if (g.type(v) == global.type) fitting.push_back(v);
      if (fitting.empty() || chance(20)) continue;
      function.writes.push_back({global.name});
      g.results.push_back(chance(60) ? fitting.back() : pick(fitting));
    }
    ir::compact(out_.module, g);
    count_operations(g, &out_.operations, &out_.dtypes);
    const Status inlined = transforms::inline_calls(out_.module, function);
    TENON_CHECK(static_cast<bool>(inlined), "inline_calls on a graph without calls");
    const Status resolved = transforms::resolve_mode(out_.module, function,
                                                     chance(50) ? ir::Mode::training : ir::Mode::inference);
    TENON_CHECK(static_cast<bool>(resolved), resolved ? std::string() : resolved.errors().text());
  }

  Random random_;
  GraphOptions options_;
  RandomGraph out_;
  std::vector<Dim> palette_;
};

}  // namespace

std::string RandomGraph::text() const { return "seed " + std::to_string(seed) + "\n" + ir::print(module); }

RandomGraph random_graph(uint64_t seed, const GraphOptions& options) {
  return Generator(seed, options).run();
}

evaluate::Inputs random_inputs(const RandomGraph& graph, const ir::Module& module,
                               const ir::DimBindings& dims, uint64_t seed, bool wild) {
  Random random(seed, 78);
  evaluate::Inputs inputs;
  inputs.dims = dims;
  auto domain = [&](const std::string& name) {
    const auto found = graph.domains.find(name);
    return found == graph.domains.end() ? ir::Domain{} : found->second;
  };
  const ir::Function& f = module.functions[0];
  for (ValueId a : f.graph.args) {
    const ir::Value& v = f.graph.value(a);
    if (v.arg != ArgKind::input) continue;
    const auto known = graph.values.find(v.name);
    std::vector<int64_t> shape = *ir::evaluate_shape(v.type.shape, dims);
    if (known != graph.values.end() && known->second.shape() == shape) {
      inputs.arguments.push_back(known->second);
      continue;
    }
    inputs.arguments.push_back(draw_array(v.type.dtype, shape, domain(v.name), random, wild));
  }
  for (const ir::Global& g : module.globals)
    inputs.globals[g.name] =
        draw_array(g.type.dtype, *ir::evaluate_shape(g.type.shape, {}), domain(g.name), random, false);
  return inputs;
}

void count_operations(const Graph& graph, std::map<std::string, int>* ops, std::map<DType, int>* dtypes) {
  for (uint32_t n = 0; n < graph.node_count(); ++n) {
    const ir::Node& node = graph.node(ir::NodeId(n));
    ++(*ops)[std::string(node.op->name)];
    std::vector<DType> seen;
    for (const std::vector<ValueId>* list : {&node.operands, &node.results})
      for (ValueId v : *list) seen.push_back(graph.type(v).dtype);
    std::sort(seen.begin(), seen.end());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    for (DType d : seen) ++(*dtypes)[d];
    for (const auto& r : node.regions) count_operations(*r, ops, dtypes);
  }
}

// --- Shrinking
// -----------------------------------------------------------------------------------------------

namespace {

// The graph without one node: its results become inputs with the values they had.
std::optional<RandomGraph> without(const RandomGraph& from, uint32_t removed) {
  RandomGraph out = from;
  ir::Function& f = out.function();
  const Graph& old = from.function().graph;
  Graph graph;
  ir::Builder b(graph, &out.module);
  std::vector<ValueId> map(old.value_count());
  for (ValueId a : old.args) map[a.index] = graph.add_arg(old.type(a), old.value(a).arg, old.value(a).name);
  for (ValueId r : old.node(ir::NodeId(removed)).results) {
    std::string name;
    for (int k = 0;; ++k) {
      name = "z" + std::to_string(k);
      if (std::none_of(graph.args.begin(), graph.args.end(),
                       [&](ValueId a) { return graph.value(a).name == name; }))
        break;
    }
    map[r.index] = graph.add_arg(old.type(r), ArgKind::input, name);
    out.domains[name] = is_float(old.type(r).dtype) ? ir::Domain{0.25, 1.75} : ir::Domain{0, 1};
  }
  for (uint32_t n = 0; n < old.node_count(); ++n) {
    if (n == removed) continue;
    const ir::Node& node = old.node(ir::NodeId(n));
    const std::vector<ValueId> results = b.copy(old, node, map);
    for (size_t k = 0; k < results.size(); ++k) map[node.results[k].index] = results[k];
  }
  for (ValueId r : old.results) graph.results.push_back(map[r.index]);
  f.graph = std::move(graph);
  ir::compact(out.module, f.graph);
  if (!ir::verify(out.module)) return {};
  return out;
}

std::optional<RandomGraph> without_result(const RandomGraph& from, size_t i) {
  RandomGraph out = from;
  ir::Function& f = out.function();
  if (f.graph.results.size() < 2) return {};
  f.graph.results.erase(f.graph.results.begin() + static_cast<ptrdiff_t>(i));
  if (i < f.returns) {
    f.result_names.erase(f.result_names.begin() + static_cast<ptrdiff_t>(i));
    --f.returns;
  } else {
    f.writes.erase(f.writes.begin() + static_cast<ptrdiff_t>(i - f.returns));
  }
  ir::compact(out.module, f.graph);
  if (!ir::verify(out.module)) return {};
  return out;
}

}  // namespace

RandomGraph shrink(RandomGraph graph, const std::function<bool(const RandomGraph&)>& fails, int budget) {
  for (bool changed = true; changed && budget > 0;) {
    changed = false;
    for (size_t i = graph.function().graph.results.size(); i-- > 0 && budget > 0;) {
      if (i >= graph.function().graph.results.size()) continue;
      std::optional<RandomGraph> smaller = without_result(graph, i);
      if (smaller && (--budget, fails(*smaller))) graph = std::move(*smaller), changed = true;
    }
    for (size_t n = graph.function().graph.node_count(); n-- > 0 && budget > 0;) {
      if (n >= graph.function().graph.node_count()) continue;
      std::optional<RandomGraph> smaller = without(graph, static_cast<uint32_t>(n));
      if (smaller && (--budget, fails(*smaller))) graph = std::move(*smaller), changed = true;
    }
  }
  return graph;
}

}  // namespace tenon::test
