// Printer: regions of loops and conds, bodies of composites.
#include "ir/builder.h"
#include "ir/print_detail.h"

namespace tenon::ir {

void Printer::regions(const Graph&, const Node& node, const std::vector<std::string>&, size_t indent) {
  std::string margin(indent, ' ');
  std::vector<std::string> arg_names;  // of the first region, by which all are spoken of
  for (size_t r = 0; r < node.regions.size(); ++r) {
    const Graph& body = *node.regions[r];
    std::vector<std::string> inner = value_names(body, r == 0 ? nullptr : &arg_names);
    if (r == 0)
      for (ValueId a : body.args) arg_names.push_back(inner[a.index]);
    if (r != 0) out_ += margin + "} else {\n";
    block(body, inner, indent + 2);
    out_ += margin + "  yield";
    for (size_t i = 0; i < body.results.size(); ++i)
      out_ += (i == 0 ? " " : ", ") + name_text(inner[body.results[i].index]);
    out_ += "\n";
  }
  out_ += margin + "}\n";
}

namespace {

void name_values(Graph& graph, const std::vector<std::string>* arg_names) {
  const std::vector<std::string> names = value_names(graph, arg_names);
  for (size_t i = 0; i < graph.value_count(); ++i) graph.value(ValueId(i)).name = names[i];
  for (size_t i = 0; i < graph.node_count(); ++i) {
    std::vector<std::string> first;  // of the node's first region
    for (const auto& region : graph.node(NodeId(i)).regions) {
      name_values(*region, first.empty() ? nullptr : &first);
      if (first.empty())
        for (ValueId a : region->args) first.push_back(region->value(a).name);
    }
  }
}

}  // namespace

void name_values(Graph& graph) { name_values(graph, nullptr); }

// "(s = s0; x in xs; W, u = outer; i)" of a loop, "p (W, x)" of a cond. The region's arguments tell the
// sections.
std::string Printer::sections(const Graph&, const Node& node, const std::vector<std::string>& names) {
  bool loop = node.op->control()->what == Control::loop;
  std::string parts[4];
  if (node.regions.empty()) return "()";
  const Graph& body = *node.regions[0];
  std::vector<std::string> inner = value_names(body);
  size_t operand = loop ? 0 : 1;
  for (ValueId a : body.args) {
    ArgKind kind = body.value(a).arg;
    size_t s = kind == ArgKind::carry ? 0 : kind == ArgKind::slice ? 1 : kind == ArgKind::index ? 3 : 2;
    std::string name = name_text(inner[a.index]), text = name;
    if (kind != ArgKind::index && operand < node.operands.size()) {
      std::string outer = name_text(names[node.operands[operand++].index]);
      if (kind == ArgKind::slice) {
        text += " in " + outer;
      } else if (kind == ArgKind::carry || outer != name) {
        text += " = " + outer;
      }
    }
    if (!parts[s].empty()) parts[s] += ", ";
    parts[s] += text;
  }
  if (!loop) return name_text(names[node.operands[0].index]) + " (" + parts[2] + ")";
  size_t last = 4;
  while (last > 0 && parts[last - 1].empty()) --last;
  std::string out = "(";
  for (size_t s = 0; s < last; ++s) {
    if (s != 0) out += "; ";
    out += parts[s];
  }
  return out + ")";
}

void Printer::body_comment(const Graph& graph, const Node& node, size_t indent) {
  Graph body;
  Builder b(body, module_);
  BodyContext context{b, node, {}};
  std::vector<std::string> names = value_names(graph);
  for (ValueId v : node.operands)
    context.operands.push_back(body.add_arg(graph.type(v), ArgKind::input, names[v.index]));
  body.results = node.op->composite()->body(context);
  std::vector<std::string> inner = value_names(body);
  for (size_t i = 0; i < body.node_count(); ++i)
    out_ += std::string(indent, ' ') + "//   " + node_text(body, NodeId(i), inner) + "\n";
}

}  // namespace tenon::ir
