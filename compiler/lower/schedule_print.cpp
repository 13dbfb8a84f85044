#include <algorithm>
#include <map>
#include <unordered_map>

#include "lower/plan.h"
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

// A function's groups as lines. Names are those that the text of the graph has: `named` is the graph that it
// reads back as.
class Section {
 public:
  // `plan`: null where values have no places yet.
  Section(const Plan* plan, std::string* out) : plan_(plan), out_(out) {
    if (plan == nullptr) return;
    for (size_t i = 0; i < plan->arena.size(); ++i) blocks_[plan->arena[i].root.index] = i;
  }

  void groups(const ScheduledGraph& g, const Graph& named, const Scope* scope, const std::string& indent) {
    const std::vector<std::string> names = ir::value_names(named);
    for (size_t n = 0; n < g.fusion.groups.size(); ++n) {
      const Group& group = g.fusion.groups[n];
      *out_ += indent + std::string(kind_name(group.kind)) + " ";
      for (size_t i = 0; i < group.nodes.size(); ++i)
        *out_ += (i == 0 ? "" : ", ") + ir::name_text(node_name(named, group.nodes[i], names));
      if (n < g.schedules.size())
        if (const std::string fields = schedule_text(g.schedules[n]); !fields.empty()) *out_ += " " + fields;
      if (!g.regions[n].empty()) *out_ += " {";
      if (scope != nullptr) *out_ += places(g, group, *scope, named, names);
      *out_ += "\n";
      const Node& node = named.node(group.nodes[0]);
      for (size_t r = 0; r < g.regions[n].size(); ++r) {
        const bool placed = scope != nullptr && r < scope->regions[n].size();
        *out_ += indent + "  region {\n";
        groups(*g.regions[n][r], *node.regions[r], placed ? scope->regions[n][r].get() : nullptr,
               indent + "    ");
        *out_ += indent + "  }\n";
      }
      if (!g.regions[n].empty()) *out_ += indent + "}\n";
    }
  }

  void blocks() {
    if (plan_ == nullptr) return;
    for (size_t i = 0; i < plan_->arena.size(); ++i) {
      const Plan::Block& block = plan_->arena[i];
      *out_ += "  // block " + std::to_string(i) + ": " +
               (block.application != nullptr ? "the arena of " + block.application->procedure->function->name
                                             : block.bytes.text() + " bytes") +
               "\n";
    }
  }

 private:
  // Where what a group makes lies, as a comment: it follows from the groups and their schedules.
  std::string places(const ScheduledGraph& g, const Group& group, const Scope& scope, const Graph& named,
                     const std::vector<std::string>& names) {
    std::string out;
    for (const NodeId id : group.nodes) {
      const Node& node = g.graph->node(id);
      for (size_t r = 0; r < node.results.size(); ++r) {
        const ValueId v = node.results[r];
        const bool kept = group.kind == GroupKind::control ||
                          std::find(group.outputs.begin(), group.outputs.end(), v) != group.outputs.end();
        const Place& place = scope.places[v.index];
        if (!kept || !place.root.valid()) continue;
        out += (out.empty() ? "  // " : ", ") + ir::name_text(names[named.node(id).results[r].index]) +
               " in " + text(place);
      }
    }
    return out;
  }
  std::string text(const Place& place) {
    const Root& root = plan_->roots[place.root.index];
    std::string out;
    switch (root.base) {
      case RootBase::state:
      case RootBase::global:
        out = "state " + ir::name_text(root.name);
        break;
      case RootBase::arena: {
        const auto block = blocks_.find(place.root.index);
        out = block == blocks_.end() ? "no memory" : "block " + std::to_string(block->second);
        break;
      }
      case RootBase::constants:
        out = "constants";
        break;
      case RootBase::input:
        out = "input " + std::to_string(root.slot);
        break;
      case RootBase::output:
        out = "output " + std::to_string(root.slot);
        break;
      case RootBase::hyper:
        out = "hyper " + ir::name_text(root.name);
        break;
    }
    if (!(place.offset == Dim(0))) out += " from " + place.offset.text();
    for (const Step& step : place.steps) out += ", " + step.stride.text() + " a trip";
    return out;
  }

  const Plan* plan_;
  std::string* out_;
  std::unordered_map<uint32_t, size_t> blocks_;  // by root
};

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
    const Plan* plan =
        module.places == nullptr || !options.comments ? nullptr : module.places->plans[i].get();
    Section section(plan, &out);
    if (f.graph != nullptr)
      section.groups(*f.graph, named->functions[i].graph, plan == nullptr ? nullptr : plan->scope.get(),
                     "  ");
    section.blocks();
    out += "}\n";
  }
  return out;
}

}  // namespace tenon::lower
