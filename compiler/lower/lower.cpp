#include "lower/lower.h"

#include <unordered_map>

#include "ir/print.h"
#include "lower/entry.h"

namespace tenon::lower {
namespace {

void explain_graph(const std::string& function, const ScheduledGraph& s, std::vector<Explanation>* out) {
  const std::vector<std::string> names = ir::value_names(*s.graph);
  // An operation of a thousand operands stands on a thousand edges: each text is made once, and cut.
  constexpr size_t longest = 400;
  std::unordered_map<uint32_t, std::string> texts;
  const auto text = [&](NodeId node) -> const std::string& {
    const auto [at, fresh] = texts.try_emplace(node.index);
    if (fresh) {
      at->second = ir::node_text(*s.graph, node, names);
      if (at->second.size() > longest) {
        size_t end = longest;
        while (end > 0 && (at->second[end] & 0xc0) == 0x80) --end;  // not within a character
        at->second.replace(end, std::string::npos, " …");
      }
    }
    return at->second;
  };
  for (const EdgeNote& n : s.fusion.notes)
    out->push_back({function, text(n.producer), text(n.consumer), n.reason, n.fused});
  for (const auto& regions : s.regions)
    for (const auto& region : regions) explain_graph(function, *region, out);
}

// `kernel`: what runs as one, and calls nothing.
bool is_primitive(const ir::Graph& graph, bool kernel) {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const ir::Node& node = graph.node(ir::NodeId(i));
    if (node.op->composite() != nullptr || ir::is_control(node, ir::Control::call)) return false;
    if (kernel && ir::is_apply(node)) return false;
    const bool inside = kernel || ir::is_control(node, ir::Control::cond) ||
                        (ir::is_control(node, ir::Control::loop) && node.get<bool>("predicate"));
    for (const auto& region : node.regions)
      if (!is_primitive(*region, inside)) return false;
  }
  return true;
}

}  // namespace

bool is_primitive(const ir::Graph& graph) { return is_primitive(graph, false); }

std::vector<Explanation> explain(const ScheduledModule& module) {
  std::vector<Explanation> out;
  for (const ScheduledFunction& f : module.functions) explain_graph(f.function->name, *f.graph, &out);
  return out;
}

Result<ScheduledModule> schedule_module(ir::Module module, const Options& options) {
  TENON_ASSIGN(ScheduledModule out, begin(std::move(module), options));
  TENON_ASSIGN(const std::vector<pass::Record> records, pass::run_passes(out, pipeline(), {}));
  TENON_CHECK(!records.empty());
  return out;
}

kernel::Module emit_module(const ScheduledModule& scheduled, const Options& options) {
  const ir::Module& module = *scheduled.module;
  TENON_CHECK(scheduled.progress == Progress::scheduled, "kernels are made of what has no schedule");
  std::shared_ptr<const Places> places = scheduled.places;
  if (places == nullptr || scheduled.options.state_like != options.state_like ||
      scheduled.options.plan.in_place != options.plan.in_place)
    places = std::make_shared<const Places>(place_module(scheduled, options));
  kernel::Module out;
  out.name = module.name;
  out.target = std::string(scheduled.sizes->target().name);
  const Layout& layout = places->layout;
  Kernels kernels;
  for (size_t i = 0; i < scheduled.functions.size(); ++i) {
    const ScheduledFunction& f = scheduled.functions[i];
    auto emitter = [&] {
      return EntryEmitter(scheduled, f, *places->plans[i], layout, options, &out, &kernels);
    };
    if (!places->procedures[i]) {
      emitter().run();
      continue;
    }
    emitter().run_procedure();
    if (!f.function->procedure) emitter().run_caller();
  }
  out.state = layout.state;
  out.state_bytes = layout.state_bytes;
  out.constants = layout.constants;
  out.constant_bytes = layout.constant_bytes;
  return out;
}

}  // namespace tenon::lower
