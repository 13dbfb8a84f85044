#include <map>

#include "lower/schedule_fields.h"
#include "lower/schedule_text.h"

namespace tenon::lower {

std::string_view kind_name(GroupKind kind) {
  switch (kind) {
    case GroupKind::pointwise:
      return "pointwise";
    case GroupKind::reduce:
      return "reduce";
    case GroupKind::contract:
      return "contract";
    case GroupKind::scan:
      return "scan";
    case GroupKind::scatter:
      return "scatter";
    case GroupKind::check:
      return "check";
    case GroupKind::permute:
      return "permute";
    case GroupKind::control:
      return "control";
  }
  return "";
}

std::string schedule_text(const Schedule& schedule) {
  std::string out;
  for (const ScheduleField& f : schedule_fields(schedule))
    out += (out.empty() ? "{" : ", ") + std::string(f.name) + " = " + f.text(schedule);
  return out.empty() ? out : out + "}";
}

namespace {

// Names are those that the text of the graph has: `named` is the graph that it reads back as.
void print_graph(const ScheduledGraph& g, const Graph& named, const std::string& indent, std::string* out) {
  const std::vector<std::string> names = ir::value_names(named);
  for (size_t n = 0; n < g.fusion.groups.size(); ++n) {
    const Group& group = g.fusion.groups[n];
    *out += indent + std::string(kind_name(group.kind)) + " ";
    for (size_t i = 0; i < group.nodes.size(); ++i)
      *out += (i == 0 ? "" : ", ") + ir::name_text(node_name(named, group.nodes[i], names));
    if (const std::string fields = schedule_text(g.schedules[n]); !fields.empty()) *out += " " + fields;
    const Node& node = named.node(group.nodes[0]);
    if (!g.regions[n].empty()) *out += " {";
    *out += "\n";
    for (size_t r = 0; r < g.regions[n].size(); ++r) {
      *out += indent + "  region {\n";
      print_graph(*g.regions[n][r], *node.regions[r], indent + "    ", out);
      *out += indent + "  }\n";
    }
    if (!g.regions[n].empty()) *out += indent + "}\n";
  }
}

}  // namespace

std::string node_name(const Graph& graph, NodeId id, const std::vector<std::string>& names) {
  const Node& node = graph.node(id);
  return node.results.empty() ? "#" + std::to_string(id.index) : names[node.results[0].index];
}

std::string print(const ScheduledModule& module, const ir::PrintOptions& options) {
  std::string out = ir::print(*module.module, options);
  std::map<std::string, std::shared_ptr<const Array>> arrays;
  ir::PrintOptions plain;
  plain.locations = plain.comments = false;
  plain.side = [&](const std::string& hash, const Array& array) {
    arrays[hash] = std::make_shared<const Array>(array);
  };
  ir::ParseOptions back;
  back.side = [&](const std::string& hash) -> Result<std::shared_ptr<const Array>> {
    return arrays.at(hash);
  };
  const auto named = ir::parse(ir::print(*module.module, plain), back);
  TENON_CHECK(bool(named), "a scheduled module's graphs do not read back");
  out += "\ntarget " + std::string(module.sizes->target().name) + "\n";
  for (size_t i = 0; i < module.functions.size(); ++i) {
    const ScheduledFunction& f = module.functions[i];
    out += "\nschedule " + ir::name_text(f.function->name) + " {\n";
    for (const SizeGuard& g : f.guards)
      out += "  guard " + ir::name_text(g.name) + " = " + g.value.text() + " in " +
             std::to_string(g.range.low) + ".." + std::to_string(g.range.high) + "\n";
    print_graph(*f.graph, named->functions[i].graph, "  ", &out);
    out += "}\n";
  }
  return out;
}

}  // namespace tenon::lower
