// fold_scales: factors and numbers for each channel behind a sum of products go into its constant factor and
// into one number to add. It is what normalization by running statistics comes to where parameters are
// constants (Jacob et al., "Quantization and training of neural networks for efficient
// integer-arithmetic-only inference", 2018, section 3.2): a convolution and one addition. Products are
// rounded in another place, so bits change, by the rounding of each weight: it runs where it is asked for.
#include <algorithm>
#include <cmath>

#include "ir/compact.h"
#include "ops/expr.h"
#include "passes/fold_scales.h"
#include "passes/rebuild.h"
#include "rewrite/engine.h"
#include "support/bytes.h"

namespace tenon::passes {
namespace {

using ir::Graph;
using ir::Node;
using ir::ValueId;
using ops::Axes;
using Out = std::optional<ValueId>;
using Rules = rewrite::RuleSet<ir::Builder, ScaleMatch, ValueId>;

// A constant spread over the other dimensions: `axes` are those that its own run along.
struct Channels {
  const Array* values;
  Axes axes;
};

bool is_finite(const Array& a) {
  return with_float(a.dtype(), [&]<class T>() {
    return std::all_of(a.as<T>().begin(), a.as<T>().end(), [](T x) { return std::isfinite(x); });
  });
}

std::optional<Channels> channels_of(const Graph& g, ValueId v) {
  const Node* n = g.producer(v);
  if (n == nullptr || n->op->name != "broadcast") return std::nullopt;
  const Array* values = constant_array(g, n->operands[0]);
  if (values == nullptr || !is_float(values->dtype()) || !is_finite(*values)) return std::nullopt;
  return Channels{values, n->get<Axes>("axes")};
}

template <class F>
Array map(const Array& a, const F& f) {
  Array out(a.dtype(), a.shape());
  with_float(a.dtype(), [&]<class T>() {
    for (size_t i = 0; i < out.as<T>().size(); ++i) out.as<T>()[i] = f(a.as<T>()[i], i);
  });
  return out;
}

// Both run along the same axes, or one of them is a scalar.
template <class F>
std::optional<Array> both(const Channels& a, const Channels& b, const F& f) {
  const bool scalar = b.axes.empty();
  if (!scalar && a.axes.empty()) return both(b, a, f);
  if (!scalar && a.axes != b.axes) return std::nullopt;
  return map(*a.values, [&]<class T>(T x, size_t i) { return f(x, b.values->as<T>()[scalar ? 0 : i]); });
}

ValueId spread(ir::Builder& b, Array values, const ir::Shape& shape, const Axes& axes) {
  return ops::broadcast_to({&b, b.constant(std::make_shared<const Array>(std::move(values)))}, shape, axes)
      .id;
}

// A sum of products with a constant factor, also where its last dimension was put together from two.
const Node* weighted(const Graph& g, ValueId v) {
  const Node* n = g.producer(v);
  if (n != nullptr && n->op->name == "reshape") n = g.producer(n->operands[0]);
  if (n == nullptr || !ir::multiplies(*n->op)) return nullptr;
  const auto constant = [&](ValueId factor) { return constant_array(g, factor) != nullptr; };
  return std::any_of(n->operands.begin(), n->operands.end(), constant) ? n : nullptr;
}

// The dimension of an operand along which just this axis of the iteration runs; none: there is none, or it
// runs along others as well.
std::optional<size_t> dimension_along(const ir::Access& access, uint32_t axis) {
  std::optional<size_t> out;
  for (size_t d = 0; d < access.index.size(); ++d)
    for (const ir::AffineIndex::Part& part : access.index[d].parts) {
      if (part.axis != axis) continue;
      if (out || access.index[d].parts.size() != 1 || part.coefficient != ir::Dim(1) ||
          access.index[d].constant != ir::Dim(0))
        return std::nullopt;
      out = d;
    }
  return out;
}

// w with each element times the channel that it stands in; `dims`: the dimensions of w that the channels' own
// are.
Array scaled(const Array& w, const Channels& k, const std::vector<size_t>& dims) {
  const std::vector<int64_t>& shape = w.shape();
  std::vector<int64_t> step(shape.size());  // in the channels' array, of one in each dimension of w
  int64_t along = 1;
  for (size_t i = dims.size(); i-- > 0; along *= k.values->shape()[i]) step[dims[i]] = along;
  return map(w, [&]<class T>(T x, size_t i) {
    auto rest = static_cast<int64_t>(i);
    int64_t channel = 0;
    for (size_t d = shape.size(); d-- > 0; rest /= shape[d]) channel += rest % shape[d] * step[d];
    return x * k.values->as<T>()[static_cast<size_t>(channel)];
  });
}

Out scale_into_factor(ir::Builder& b, const ScaleMatch& m) {
  const std::optional<Channels> k = channels_of(b.graph(), m.operands[1]);
  const Node* product = m.only(b, 0);
  if (!k || product == nullptr || !ir::multiplies(*product->op)) return std::nullopt;
  const std::vector<ir::Type> types{b.type(product->operands[0]), b.type(product->operands[1])};
  const ir::Iteration it = product->op->iteration()->describe(*product, types, m.type);
  for (const size_t side : {1, 0}) {
    const Array* w = constant_array(b.graph(), product->operands[side]);
    if (w == nullptr) continue;
    std::vector<size_t> dims;
    for (const int64_t axis : k->axes) {
      const std::vector<ir::AffineIndex::Part>& parts = it.result.index[static_cast<size_t>(axis)].parts;
      const auto d = parts.size() == 1 ? dimension_along(it.operands[side], parts[0].axis) : std::nullopt;
      if (d) dims.push_back(*d);
    }
    if (dims.size() != k->axes.size()) continue;
    const ir::OpDef& op = *product->op;
    const ir::Attrs attrs = product->attrs;
    std::vector<ValueId> operands = product->operands;
    operands[side] = b.constant(std::make_shared<const Array>(scaled(*w, *k, dims)));
    return b.emit_all(op, std::move(operands), attrs)[0];
  }
  return std::nullopt;
}

// Where the last dimension was put together from two, as channels of groups are; the others stay.
Out scale_before_reshape(ir::Builder& b, const ScaleMatch& m) {
  const std::optional<Channels> k = channels_of(b.graph(), m.operands[1]);
  const Node* merge = m.only(b, 0);
  if (!k || merge == nullptr || merge->op->name != "reshape" || m.uses_behind(0) != 1) return std::nullopt;
  const ValueId x = merge->operands[0];
  const ir::Shape from = b.type(x).shape, to = m.type.shape;
  if (weighted(b.graph(), x) == nullptr || from.size() != to.size() + 1 ||
      !std::equal(to.begin(), to.end() - 1, from.begin()))
    return std::nullopt;
  const auto last = static_cast<int64_t>(to.size()) - 1;
  const ir::Dim &outer = from[from.size() - 2], &inner = from.back();
  if (k->axes != Axes{last} || !outer.is_constant() || !inner.is_constant()) return std::nullopt;
  Array values(k->values->dtype(), {outer.constant(), inner.constant()});
  copy_bytes(values.data(), k->values->data(), values.bytes());
  const ValueId factors = spread(b, std::move(values), from, {last, last + 1});
  return ops::reshape({&b, b.emit("mul", {x, factors})}, to).id;
}

// y + c or y - c, as y and c.
std::optional<std::pair<ValueId, Channels>> sum_of(ir::Builder& b, const Node* n, Array* negated) {
  if (n == nullptr || (n->op->name != "add" && n->op->name != "sub")) return std::nullopt;
  std::optional<Channels> c = channels_of(b.graph(), n->operands[1]);
  if (!c || weighted(b.graph(), n->operands[0]) == nullptr) return std::nullopt;
  if (n->op->name == "sub") {
    *negated = map(*c->values, []<class T>(T x, size_t) { return -x; });
    c->values = negated;
  }
  return std::pair(n->operands[0], *c);
}

Out scale_before_sum(ir::Builder& b, const ScaleMatch& m) {
  Array negated;
  const auto sum = sum_of(b, m.only(b, 0), &negated);
  const std::optional<Channels> k = channels_of(b.graph(), m.operands[1]);
  if (!sum || !k || m.uses_behind(0) != 1) return std::nullopt;
  const auto& [y, c] = *sum;
  const Axes axes = c.axes.empty() ? k->axes : c.axes;
  std::optional<Array> offset = both(c, *k, []<class T>(T x, T factor) { return x * factor; });
  if (!offset) return std::nullopt;
  const ValueId product = b.emit("mul", {y, m.operands[1]});
  return b.emit("add", {product, spread(b, std::move(*offset), m.type.shape, axes)});
}

Out one_sum(ir::Builder& b, const ScaleMatch& m) {
  Array negated, second;
  const auto sum = sum_of(b, m.only(b, 0), &negated);
  std::optional<Channels> more = channels_of(b.graph(), m.operands[1]);
  if (!sum || !more) return std::nullopt;
  if (m.node.op->name == "sub") {
    second = map(*more->values, []<class T>(T x, size_t) { return -x; });
    more->values = &second;
  }
  const auto& [y, c] = *sum;
  const Axes axes = c.axes.empty() ? more->axes : c.axes;
  std::optional<Array> offset = both(c, *more, []<class T>(T x, T z) { return x + z; });
  if (!offset) return std::nullopt;
  return b.emit("add", {y, spread(b, std::move(*offset), m.type.shape, axes)});
}

constexpr std::string_view finite = "one user each; finite constants; rounds in another place";
constexpr ScaleRule rules_[] = {
    {"scale into constant factor", "mul", "(x . w) * k -> x . (w * k)", finite, scale_into_factor},
    {"scale before reshape", "mul", "reshape(x . w) * k -> reshape((x . w) * k)", finite,
     scale_before_reshape},
    {"scale before sum", "mul", "(x . w + c) * k -> (x . w) * k + c * k", finite, scale_before_sum},
    {"sums into one", "add", "(x . w + c) + d -> x . w + (c + d)", finite, one_sum},
    {"differences into one", "sub", "(x . w + c) - d -> x . w + (c - d)", finite, one_sum},
};

bool apply(const ir::Module& module, Graph& graph, const Rules& rules, pass::Counts& counts) {
  bool changed = false;
  std::map<const Graph*, std::vector<uint32_t>> uses;
  Graph next = rebuild(module, graph, [&](Candidate& c) -> std::optional<std::vector<ValueId>> {
    if (c.node.results.size() != 1) return std::nullopt;
    auto [at, first] = uses.try_emplace(&c.from);
    if (first) at->second = ir::count_uses(c.from);
    const ScaleMatch match{c.node, c.operands, c.from.type(c.node.results[0]), c.from, at->second};
    const Out out = rules.apply(c.node.op->name, c.b, match, &counts);
    if (!out) return std::nullopt;
    TENON_CHECK(c.b.type(*out) == match.type, std::string(c.node.op->name) + ": a rule changed the type");
    changed = true;
    return std::vector<ValueId>{*out};
  });
  if (!changed) return false;
  // What was replaced reads what it read no longer.
  graph = std::move(next);
  ir::compact(module, graph, true);
  return true;
}

Result<bool> run(ir::Module& module, const pass::Options& /*options*/, pass::Counts& counts) {
  static const Rules rules{scale_rules()};
  return over_functions(module, [&](Graph& graph) -> Result<bool> {
    const rewrite::FixedPoint out =
        rewrite::run_to_fixed_point([&] { return apply(module, graph, rules, counts); });
    TENON_CHECK(out.settled, "rules of fold_scales undo each other");
    return out.changed;
  });
}

}  // namespace

const Node* ScaleMatch::only(const ir::Builder& b, size_t operand) const {
  if (uses[node.operands[operand].index] != 1) return nullptr;
  return const_cast<ir::Builder&>(b).graph().producer(operands[operand]);
}
uint32_t ScaleMatch::uses_behind(size_t operand) const {
  const Node* n = from.producer(node.operands[operand]);
  return n == nullptr || n->operands.empty() ? 0 : uses[n->operands[0].index];
}

std::span<const ScaleRule> scale_rules() { return rules_; }

const Pass fold_scales{{"fold_scales",
                        "needs canonicalize; factors for each channel behind sums of products go into their "
                        "constant factors. It "
                        "keeps no bits: results differ by the rounding of a weight"},
                       run};

}  // namespace tenon::passes
