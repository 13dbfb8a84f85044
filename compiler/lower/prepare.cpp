#include <algorithm>

#include "ir/builder.h"
#include "lower/lower.h"

namespace tenon::lower {
namespace {

using Axes = std::vector<int64_t>;

// Contractions with fewer rows than this read a transposed right factor as often as a copy of it would.
constexpr int64_t least_rows = 8;

bool wants_copy(const ir::Graph& graph, const ir::Node& node, const ir::Module& module) {
  if (node.op->contract == nullptr || node.get<std::string>("order") == "lanes") return false;
  if (chain_length(graph, node) != 0) return false;
  if (packs_right(graph, node)) return false;  // packing reads it in any order
  const Shape& shape = graph.type(node.operands[1]).shape;
  const Axes& contract = node.get<Axes>("rhs_contract");
  if (shape.empty()) return false;
  // The last dimension other than 1 must be a free one.
  int64_t last = static_cast<int64_t>(shape.size()) - 1;
  while (last > 0 && is_one(shape[static_cast<size_t>(last)])) --last;
  if (std::find(contract.begin(), contract.end(), last) == contract.end()) return false;
  Dim rows(1);
  const Shape& lhs = graph.type(node.operands[0]).shape;
  const Axes &batch = node.get<Axes>("lhs_batch"), &inner = node.get<Axes>("lhs_contract");
  for (size_t d = 0; d < lhs.size(); ++d) {
    auto axis = static_cast<int64_t>(d);
    if (std::find(batch.begin(), batch.end(), axis) == batch.end() &&
        std::find(inner.begin(), inner.end(), axis) == inner.end())
      rows = rows * lhs[d];
  }
  return rows.range(module.dims).high >= least_rows;
}

}  // namespace

ir::Graph prepare_contractions(const ir::Graph& graph, const ir::Module& module) {
  ir::Graph out;
  ir::Builder b(out, &module);
  std::vector<ValueId> map(graph.value_count());
  for (ValueId a : graph.args) {
    const ir::Value& v = graph.value(a);
    map[a.index] = out.add_arg(v.type, v.arg, v.name);
  }
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const ir::Node& node = graph.node(NodeId(i));
    std::vector<ValueId> operands;
    for (ValueId v : node.operands) operands.push_back(map[v.index]);
    ir::Attrs attrs = node.attrs;
    if (wants_copy(graph, node, module)) {
      // Batch, contracted, then free dimensions.
      const Axes &batch = node.get<Axes>("rhs_batch"), &contract = node.get<Axes>("rhs_contract");
      Axes perm = batch;
      perm.insert(perm.end(), contract.begin(), contract.end());
      auto rank = static_cast<int64_t>(graph.type(node.operands[1]).rank());
      for (int64_t d = 0; d < rank; ++d)
        if (std::find(perm.begin(), perm.end(), d) == perm.end()) perm.push_back(d);
      operands[1] = b.emit("transpose", {operands[1]}, {{"perm", perm}});
      Axes new_batch, new_contract;
      for (size_t d = 0; d < batch.size(); ++d) new_batch.push_back(static_cast<int64_t>(d));
      for (size_t d = 0; d < contract.size(); ++d)
        new_contract.push_back(static_cast<int64_t>(batch.size() + d));
      attrs[node.op->attr_index("rhs_batch")] = new_batch;
      attrs[node.op->attr_index("rhs_contract")] = new_contract;
    }
    std::vector<std::unique_ptr<ir::Graph>> regions;
    for (const auto& region : node.regions)
      regions.push_back(std::make_unique<ir::Graph>(prepare_contractions(*region, module)));
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

}  // namespace tenon::lower
