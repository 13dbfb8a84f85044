#include "ir/equal.h"

#include <algorithm>

namespace tenon::ir {

bool equal_nodes(const Node& a, const Node& b) {
  if (a.op != b.op || a.operands.size() != b.operands.size() || a.regions.size() != b.regions.size() ||
      a.attrs.size() != b.attrs.size())
    return false;
  for (size_t i = 0; i < a.attrs.size(); ++i)
    if (!attr_equal(a.attrs[i], b.attrs[i])) return false;
  for (size_t i = 0; i < a.regions.size(); ++i)
    if (!equal_graphs(*a.regions[i], *b.regions[i])) return false;
  return true;
}

bool equal_graphs(const Graph& a, const Graph& b) {
  if (a.args.size() != b.args.size() || a.results.size() != b.results.size() ||
      a.node_count() != b.node_count())
    return false;
  std::vector<ValueId> map(a.value_count());  // a's values in b
  for (size_t i = 0; i < a.args.size(); ++i) {
    if (a.type(a.args[i]) != b.type(b.args[i]) || a.value(a.args[i]).arg != b.value(b.args[i]).arg)
      return false;
    map[a.args[i].index] = b.args[i];
  }
  auto equal = [&](ValueId x, ValueId y) { return map[x.index] == y; };
  for (size_t i = 0; i < a.node_count(); ++i) {
    const Node &m = a.node(NodeId(i)), &n = b.node(NodeId(i));
    if (m.results.size() != n.results.size() || !equal_nodes(m, n) ||
        !std::equal(m.operands.begin(), m.operands.end(), n.operands.begin(), equal))
      return false;
    for (size_t r = 0; r < m.results.size(); ++r) map[m.results[r].index] = n.results[r];
  }
  return std::equal(a.results.begin(), a.results.end(), b.results.begin(), equal);
}

}  // namespace tenon::ir
