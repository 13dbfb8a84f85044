#include "ir/graph.h"

#include "ir/op_def.h"

namespace tenon::ir {

const Attr& Node::attr(std::string_view name) const { return attrs[op->attr_index(name)]; }

Graph::Graph(const Graph& other) { *this = other; }

Graph& Graph::operator=(const Graph& other) {
  if (this == &other) return *this;
  args = other.args;
  results = other.results;
  values_ = other.values_;
  nodes_.clear();
  nodes_.reserve(other.nodes_.size());
  for (const Node& n : other.nodes_) {
    Node& copy = nodes_.emplace_back();
    copy.op = n.op;
    copy.operands = n.operands;
    copy.results = n.results;
    copy.attrs = n.attrs;
    copy.location = n.location;
    copy.scope = n.scope;
    for (const std::unique_ptr<Graph>& region : n.regions)
      copy.regions.push_back(std::make_unique<Graph>(*region));
  }
  return *this;
}

ValueId Graph::add_arg(Type type, ArgKind kind, std::string name) {
  TENON_CHECK(kind != ArgKind::none);
  ValueId id(values_.size());
  Value& v = values_.emplace_back();
  v.type = std::move(type);
  v.result = static_cast<uint32_t>(args.size());
  v.arg = kind;
  v.name = std::move(name);
  args.push_back(id);
  return id;
}

NodeId Graph::add_node(const OpDef* op, std::vector<ValueId> operands, Attrs attrs,
                       const std::vector<Type>& results, std::vector<std::unique_ptr<Graph>> regions,
                       Location location, std::string scope) {
  TENON_CHECK(op != nullptr && attrs.size() == op->attrs.size());
  for (ValueId v : operands)
    TENON_CHECK(v.valid() && v.index < values_.size(),
                std::string(op->name) + " uses a value that does not exist");
  NodeId id(nodes_.size());
  Node& n = nodes_.emplace_back();
  n.op = op;
  n.operands = std::move(operands);
  n.attrs = std::move(attrs);
  n.regions = std::move(regions);
  n.location = location;
  n.scope = std::move(scope);
  n.results.reserve(results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    n.results.push_back(ValueId(values_.size()));
    Value& v = values_.emplace_back();
    v.type = results[i];
    v.node = id;
    v.result = static_cast<uint32_t>(i);
  }
  return id;
}

ValueId Graph::add_result(NodeId node, Type type, std::string name) {
  ValueId id(values_.size());
  Value& v = values_.emplace_back();
  v.type = std::move(type);
  v.node = node;
  v.result = static_cast<uint32_t>(nodes_[node.index].results.size());
  v.name = std::move(name);
  nodes_[node.index].results.push_back(id);
  return id;
}

std::vector<uint32_t> count_uses(const Graph& graph) {
  std::vector<uint32_t> uses(graph.value_count());
  for (size_t i = 0; i < graph.node_count(); ++i)
    for (ValueId v : graph.node(NodeId(i)).operands) ++uses[v.index];
  for (ValueId v : graph.results) ++uses[v.index];
  return uses;
}

uint32_t Module::file_index(std::string_view file) {
  for (size_t i = 0; i < files.size(); ++i)
    if (files[i] == file) return static_cast<uint32_t>(i);
  files.emplace_back(file);
  return static_cast<uint32_t>(files.size() - 1);
}

}  // namespace tenon::ir
