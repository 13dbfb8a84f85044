#include "ir/substitute.h"

namespace tenon::ir {

void substitute_dims(Graph& graph, const std::map<std::string, Dim, std::less<>>& values) {
  for (size_t i = 0; i < graph.value_count(); ++i) {
    for (Dim& d : graph.value(ValueId(i)).type.shape) d = d.substitute(values);
  }
  for (size_t i = 0; i < graph.node_count(); ++i) {
    Node& node = graph.node(NodeId(i));
    for (Attr& attr : node.attrs) {
      if (auto* dim = std::get_if<Dim>(&attr)) *dim = dim->substitute(values);
      if (auto* dims = std::get_if<std::vector<Dim>>(&attr))
        for (Dim& d : *dims) d = d.substitute(values);
    }
    for (std::unique_ptr<Graph>& region : node.regions) substitute_dims(*region, values);
  }
}

}  // namespace tenon::ir
