#include <algorithm>

#include "ir/builder.h"
#include "ir/canonical.h"
#include "lower/inside.h"
#include "lower/lower.h"
#include "ops/contraction.h"

namespace tenon::lower {
namespace {

using Axes = std::vector<int64_t>;

// Contractions with fewer rows than this read a transposed right factor as often as a copy of it would.
constexpr int64_t least_rows = 8;

bool wants_copy(const ir::Graph& graph, const ir::Node& node) {
  if (!ops::pairs_dimensions(*node.op) || chain_length(graph, node) != 0) return false;
  if (packs_right(graph, node)) return false;  // packing reads it in any order
  if (graph.type(node.operands[1]).shape.empty()) return false;
  // In lanes the products of a result run along memory, in blocks its neighbours do.
  if (multiplies_in_lanes(node)) {
    if (runs_along(graph, node, 1) || !runs_along(graph, node, 0)) return false;
  } else if (right_is_even(graph, node)) {
    return false;
  }
  Dim rows(1);
  const Shape& lhs = graph.type(node.operands[0]).shape;
  for (const int64_t d : ops::factor_axes(node, 0, lhs.size()).free)
    rows = rows * lhs[static_cast<size_t>(d)];
  return !rows.is_constant() || rows.constant() >= least_rows;
}

// Reads rows that were chosen by an index?
bool takes_rows(const ir::Graph& graph, ValueId v) {
  for (const ir::Node* node = graph.producer(v); node != nullptr; node = graph.producer(node->operands[0])) {
    if (ir::gathers(*node->op)) return true;
    if (node->op->index_map() == nullptr || node->operands.empty()) return false;
  }
  return false;
}

// A contraction of many chosen rows with few results (the gradient of a small layer) becomes one contraction
// a result: each is a sum over the rows, and sums over the same rows share one pass and what it reads.
bool unstacks(const ir::Graph& graph, const ir::Node& node) {
  constexpr int64_t most = 8;
  if (!multiplies_in_lanes(node) || !ops::pairs_dimensions(*node.op)) return false;
  if (!ops::factor_axes(node, 0, graph.type(node.operands[0]).rank()).batch.empty()) return false;
  const Dim results = graph.type(node.results[0]).count();
  if (!results.is_constant() || results.constant() < 2 || results.constant() > most) return false;
  return takes_rows(graph, node.operands[0]) || takes_rows(graph, node.operands[1]);
}

// Values laid one behind the other in groups of a few, and groups of groups: an element of the result is
// then found by few comparisons. The groups get their places inside the result where it is in memory.
constexpr size_t most_parts = 16;
std::vector<ValueId> join_in_parts(ir::Builder& b, const ir::Node& node, std::vector<ValueId> parts) {
  while (parts.size() > most_parts) {
    std::vector<ValueId> joined;
    for (size_t i = 0; i < parts.size(); i += most_parts) {
      const std::vector<ValueId> few(
          parts.begin() + static_cast<std::ptrdiff_t>(i),
          parts.begin() + static_cast<std::ptrdiff_t>(std::min(i + most_parts, parts.size())));
      joined.push_back(few.size() == 1 ? few[0] : b.emit_all(*node.op, few, node.attrs)[0]);
    }
    parts = std::move(joined);
  }
  return parts;
}

class Unstacker {
 public:
  Unstacker(ir::Builder& b, const ir::Graph& graph, const ir::Node& node, std::vector<ValueId> operands)
      : b_(b), node_(node), operands_(std::move(operands)) {
    for (size_t k = 0; k < 2; ++k) {
      shapes_[k] = graph.type(node.operands[k]).shape;
      for (const int64_t d : ops::factor_axes(node, k, shapes_[k].size()).free) free_.push_back({k, d});
    }
    at_.assign(free_.size(), 0);
  }
  // The result, its dimensions from `dimension` on joined from their elements.
  ValueId part(size_t dimension) {
    if (dimension == free_.size()) return element();
    std::vector<ops::V> parts;
    for (int64_t i = 0; i < extent(dimension).constant(); ++i) {
      at_[dimension] = i;
      parts.push_back({&b_, part(dimension + 1)});
    }
    if (parts.size() == 1) return parts[0].id;
    return ops::concat(parts, static_cast<int64_t>(dimension)).id;
  }

 private:
  const Dim& extent(size_t dimension) const {
    const auto& [k, d] = free_[dimension];
    return shapes_[k][static_cast<size_t>(d)];
  }
  ValueId element() {
    std::vector<ValueId> factors;
    for (size_t k = 0; k < 2; ++k) {
      std::vector<Dim> start(shapes_[k].size(), Dim(0)), limit(shapes_[k]);
      for (size_t f = 0; f < free_.size(); ++f) {
        if (free_[f].first != k) continue;
        start[static_cast<size_t>(free_[f].second)] = Dim(at_[f]);
        limit[static_cast<size_t>(free_[f].second)] = Dim(at_[f] + 1);
      }
      factors.push_back(ops::slice({&b_, operands_[k]}, start, limit, Shape(start.size(), Dim(1))).id);
    }
    return b_.emit_all(*node_.op, factors, node_.attrs)[0];
  }

  ir::Builder& b_;
  const ir::Node& node_;
  std::vector<ValueId> operands_;
  Shape shapes_[2];
  std::vector<std::pair<size_t, int64_t>> free_;  // dimensions of the result: operand and its dimension
  std::vector<int64_t> at_;
};

// How a right factor is laid out anew: batch dimensions, then of the contracted and the free ones last what
// is to run along memory.
struct Turned {
  Axes perm, batch, contract;
};
Turned turned(const ir::Graph& graph, const ir::Node& node) {
  const auto [batch, contract, free] = ops::factor_axes(node, 1, graph.type(node.operands[1]).rank());
  const bool lanes = multiplies_in_lanes(node);
  Turned out{batch, {}, {}};
  const size_t first = batch.size() + (lanes ? free.size() : 0);
  for (const Axes& part : {lanes ? free : contract, lanes ? contract : free})
    out.perm.insert(out.perm.end(), part.begin(), part.end());
  for (size_t d = 0; d < batch.size(); ++d) out.batch.push_back(static_cast<int64_t>(d));
  for (size_t d = 0; d < contract.size(); ++d) out.contract.push_back(static_cast<int64_t>(first + d));
  return out;
}

// A copy that a loop's body wants of what it captures: it is made once, before the loop, and captured.
struct CapturedCopy {
  size_t arg;  // of the body
  Axes perm;
  bool operator==(const CapturedCopy&) const = default;
};
std::vector<CapturedCopy> captured_copies(const ir::Graph& body) {
  std::vector<size_t> arg_of(body.value_count(), body.args.size());
  for (size_t i = 0; i < body.args.size(); ++i)
    if (body.value(body.args[i]).arg == ir::ArgKind::capture) arg_of[body.args[i].index] = i;
  std::vector<CapturedCopy> out;
  auto want = [&](ValueId v, const Axes& perm) {
    const CapturedCopy copy{arg_of[v.index], perm};
    if (copy.arg != body.args.size() && std::find(out.begin(), out.end(), copy) == out.end())
      out.push_back(copy);
  };
  for (size_t i = 0; i < body.node_count(); ++i) {
    const ir::Node& node = body.node(ir::NodeId(i));
    if (wants_copy(body, node) && !unstacks(body, node)) want(node.operands[1], turned(body, node).perm);
    if (!ir::is_control(node, ir::Control::loop)) continue;
    for (const CapturedCopy& inner : captured_copies(*node.regions[0]))
      want(node.operands[inner.arg], inner.perm);
  }
  return out;
}

ir::Graph prepared(const ir::Graph& graph, const ir::Module& module,
                   const std::vector<CapturedCopy>& captured, size_t operands_of_loop);

}  // namespace

ir::Graph prepare_contractions(const ir::Graph& graph, const ir::Module& module) {
  return prepared(graph, module, {}, 0);
}

namespace {

// `captured`: copies of its captures that a body is given behind the `operands_of_loop` it has.
ir::Graph prepared(const ir::Graph& graph, const ir::Module& module,
                   const std::vector<CapturedCopy>& captured, size_t operands_of_loop) {
  ir::Graph out;
  ir::Builder b(out, &module);
  std::vector<ValueId> map(graph.value_count());
  std::vector<ValueId> copies(captured.size());
  auto add_copies = [&] {
    for (size_t c = 0; c < captured.size(); ++c) {
      const ir::Value& whole = graph.value(graph.args[captured[c].arg]);
      ir::Type type = whole.type;
      for (size_t d = 0; d < type.shape.size(); ++d)
        type.shape[d] = whole.type.shape[static_cast<size_t>(captured[c].perm[d])];
      copies[c] = out.add_arg(type, ir::ArgKind::capture, whole.name);
    }
  };
  for (size_t i = 0; i < graph.args.size(); ++i) {
    if (i == operands_of_loop) add_copies();  // in front of what is no operand
    const ir::Value& v = graph.value(graph.args[i]);
    map[graph.args[i].index] = out.add_arg(v.type, v.arg, v.name);
  }
  if (graph.args.size() == operands_of_loop) add_copies();
  // The factor `v` as `perm` turns it: the copy that was captured, or one that is made here.
  auto turn = [&](ValueId v, const Axes& perm) {
    for (size_t c = 0; c < captured.size(); ++c)
      if (graph.args[captured[c].arg] == v && captured[c].perm == perm) return copies[c];
    return ops::transpose({&b, map[v.index]}, perm).id;
  };
  for (const NodeId id : ir::canonical_order(graph)) {
    const ir::Node& node = graph.node(id);
    std::vector<ValueId> operands;
    for (ValueId v : node.operands) operands.push_back(map[v.index]);
    if (operands.size() > most_parts && joins_operands(graph, node))
      operands = join_in_parts(b, node, operands);
    if (unstacks(graph, node)) {
      const ValueId v = Unstacker(b, graph, node, operands).part(0);
      out.value(v).name = graph.value(node.results[0]).name;
      map[node.results[0].index] = v;
      continue;
    }
    ir::Attrs attrs = node.attrs;
    if (wants_copy(graph, node)) {
      Turned right = turned(graph, node);
      operands[1] = turn(node.operands[1], right.perm);
      attrs = ops::with_right_axes(node, std::move(right.batch), std::move(right.contract));
    }
    std::vector<std::unique_ptr<ir::Graph>> regions;
    const bool loop = ir::is_control(node, ir::Control::loop);
    for (const auto& region : node.regions) {
      std::vector<CapturedCopy> inner;
      if (loop) inner = captured_copies(*region);
      const size_t given = operands.size();
      for (const CapturedCopy& c : inner) operands.push_back(turn(node.operands[c.arg], c.perm));
      regions.push_back(std::make_unique<ir::Graph>(prepared(*region, module, inner, given)));
    }
    std::vector<ir::Type> types;
    for (ValueId v : node.results) types.push_back(graph.type(v));
    NodeId copy = out.add_node(node.op, std::move(operands), std::move(attrs), types, std::move(regions),
                               node.location, node.scope);
    for (size_t r = 0; r < node.results.size(); ++r) {
      ValueId v = out.node(copy).results[r];
      out.value(v).name = graph.value(node.results[r]).name;
      map[node.results[r].index] = v;
    }
  }
  for (ValueId v : graph.results) out.results.push_back(map[v.index]);
  return out;
}

}  // namespace

}  // namespace tenon::lower
