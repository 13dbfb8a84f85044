// tenon show: a model at any stage, as text or as a drawing, and a summary of it.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "driver/command/model.h"
#include "ir/counts.h"
#include "ir/print.h"
#include "lower/schedule_text.h"
#include "object/object.h"
#include "support/text.h"

namespace tenon::command {
namespace {

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// --- drawing
// -------------------------------------------------------------------------------------------------

class Dot {
 public:
  std::string draw(const ir::Module& module) {
    out_ = "digraph " + quote(module.name) + " {\n  rankdir=TB; node [shape=box, fontname=monospace];\n";
    for (const ir::Function& f : module.functions) {
      const std::string prefix = "f" + std::to_string(count_++);
      out_ += "  subgraph cluster_" + prefix + " {\n    label=" + quote("func " + f.name) + ";\n";
      graph(f.graph, prefix);
      for (size_t i = 0; i < f.graph.results.size(); ++i) {
        const bool returned = i < f.returns;
        std::string name = returned ? (i < f.result_names.size() ? f.result_names[i] : "")
                                    : "set " + f.writes[i - f.returns].global;
        if (name.empty()) name = "result " + std::to_string(i);
        const std::string id = prefix + "_r" + std::to_string(i);
        out_ += "    " + id + " [shape=ellipse, label=" + quote(name) + "];\n";
        out_ += "    " + source(f.graph, f.graph.results[i], prefix) + " -> " + id + ";\n";
      }
      out_ += "  }\n";
    }
    return out_ + "}\n";
  }

 private:
  static std::string source(const ir::Graph& g, ir::ValueId v, const std::string& prefix) {
    const ir::Value& value = g.value(v);
    return value.node.valid() ? prefix + "_n" + std::to_string(value.node.index)
                              : prefix + "_a" + std::to_string(value.result);
  }
  // Nesting of regions is bounded (max_region_depth).
  void graph(const ir::Graph& g, const std::string& prefix) {
    const std::vector<std::string> names = ir::value_names(g);
    for (const ir::ValueId a : g.args)
      out_ += "    " + prefix + "_a" + std::to_string(g.value(a).result) +
              " [shape=ellipse, label=" + quote(names[a.index] + " : " + g.type(a).text()) + "];\n";
    for (size_t i = 0; i < g.node_count(); ++i) {
      const ir::Node& n = g.node(ir::NodeId(i));
      const std::string id = prefix + "_n" + std::to_string(i);
      std::string label;
      for (const ir::ValueId r : n.results) label += (label.empty() ? "" : ", ") + names[r.index];
      label += " = " + std::string(n.op->name);
      if (!n.results.empty()) label += " : " + g.type(n.results[0]).text();
      out_ += "    " + id + " [label=" + quote(label) + "];\n";
      for (const ir::ValueId v : n.operands) out_ += "    " + source(g, v, prefix) + " -> " + id + ";\n";
      for (size_t r = 0; r < n.regions.size(); ++r) {
        const std::string inner = id + "_" + std::to_string(r);
        out_ +=
            "    subgraph cluster_" + inner + " {\n    label=" +
            quote(std::string(n.op->name) + (n.regions.size() > 1 ? (r == 0 ? " then" : " else") : " body")) +
            ";\n";
        graph(*n.regions[r], inner);
        out_ += "    }\n";
        for (const ir::ValueId v : n.regions[r]->results)
          out_ += "    " + source(*n.regions[r], v, inner) + " -> " + id + " [style=dashed];\n";
      }
    }
  }

  std::string out_;
  size_t count_ = 0;
};

// --- summary
// -------------------------------------------------------------------------------------------------

// Which kernel computes a value of the source, by name: values keep their names through the passes.
std::map<std::string, std::string> kernel_of(const lower::ScheduledModule& scheduled,
                                             const std::string& function) {
  std::map<std::string, std::string> out;
  for (const lower::ScheduledFunction& f : scheduled.functions) {
    if (f.function->name != function) continue;
    const ir::Graph& graph = *f.graph->graph;
    const lower::Fusion& fusion = f.graph->fusion;
    for (size_t i = 0; i < graph.node_count(); ++i) {
      const int32_t group = fusion.group_of[i];
      for (const ir::ValueId r : graph.node(ir::NodeId(i)).results) {
        const std::string& name = graph.value(r).name;
        if (name.empty()) continue;
        out[name] = group < 0
                        ? "index only"
                        : std::to_string(group) + " " +
                              std::string(lower::kind_name(fusion.groups[static_cast<size_t>(group)].kind));
      }
    }
  }
  return out;
}

class Show : public Verb {
 public:
  std::string_view name() const override { return "show"; }
  std::string_view about() const override { return "a model at any stage, as text or drawing; a summary"; }
  std::string_view examples() const override {
    return "  tenon show mlp.tenon --summary\n  tenon show mlp.tenon --stage optimized\n"
           "  tenon show mlp.tenon --stage kernel --fn logits -o logits.tenon\n"
           "  tenon show mlp.tenon --stage asm --fn logits --cpu x86-64-v3\n"
           "  tenon show mlp.tenon --dot | dot -Tsvg > mlp.svg\n";
  }
  void declare(Options& options) override {
    model_.declare(options);
    options.text("--stage", &stage_, "graph (as left out), optimized, scheduled, kernel, llvm or asm");
    options.texts("--fn", &functions_,
                  "functions to show; all where left out (below graph, a step brings its loop along)", true);
    options.flag("--summary", &summary_, "layers, shapes, parameters, operations, kernels");
    options.flag("--dot", &dot_, "a drawing in the language of Graphviz (graph and optimized)");
    options.text("-o,--output", &output_,
                 "the file to write, large constants beside it; stdout, all in full, where left out");
  }

  Result<Exit> run(Context& c) override {
    static constexpr std::string_view stages[] = {"graph", "optimized", "scheduled", "kernel", "llvm", "asm"};
    if (std::find(std::begin(stages), std::end(stages), stage_) == std::end(stages)) {
      const std::string_view near = nearest(stage_, stages);
      return usage_error("no stage is named " + stage_, near.empty()
                                                            ? "graph, optimized, kernel, llvm or asm"
                                                            : "did you mean " + std::string(near) + "?");
    }
    TENON_ASSIGN(driver::CompileOptions options, model_.compile());
    TENON_TRY(check_options());
    options.functions = functions_;
    options.step_loops = true;
    options.own_state = true;
    TENON_ASSIGN(driver::Unit unit, model_.read());
    c.report()["stage"] = stage_;
    if (summary_) return summary(c, std::move(unit), options);
    if (stage_ == "graph" || stage_ == "optimized") {
      TENON_ASSIGN(ir::Module module, graph_of(std::move(unit), "show --stage " + stage_));
      if (stage_ == "optimized") {
        TENON_ASSIGN(module, driver::optimize(std::move(module), options));
      } else if (module.stage == "optimized") {
        return usage_error("the dump is of the stage optimized, which does not lead back to graph",
                           "--stage optimized shows it");
      } else if (!functions_.empty()) {
        TENON_ASSIGN(module, only_functions(module, functions_, options));
      }
      if (dot_) {
        TENON_TRY(c.emit(output_, Dot().draw(module)));
        return Exit::done;
      }
      unit.stage = stage_ == "graph" ? driver::Stage::graph : driver::Stage::optimized;
      unit.code = std::move(module);
      return emit(c, unit);
    }
    if (dot_) return usage_error("--dot draws graphs", "--stage graph or optimized");
    if (unit.stage == driver::Stage::kernel && !functions_.empty())
      return usage_error("--fn does nothing on a dump of kernels, whose functions share their code",
                         "leave it out, or make the dump of one function from its model");
    if (stage_ == "kernel" && unit.stage == driver::Stage::kernel) {
      TENON_TRY(driver::check_kernels(std::get<kernel::Module>(unit.code), options));
      return emit(c, unit);
    }
    if (unit.stage == driver::Stage::scheduled && !functions_.empty())
      return usage_error("--fn does nothing on a dump of schedules",
                         "leave it out, or make the dump of one function from its model");
    if (stage_ == "scheduled") {
      driver::Unit out;
      out.stage = driver::Stage::scheduled;
      TENON_ASSIGN(out.code, driver::to_scheduled(std::move(unit), options));
      return emit(c, out);
    }
    TENON_ASSIGN(kernel::Module kernels, driver::to_kernels(std::move(unit), options));
    if (stage_ == "kernel") {
      driver::Unit out;
      out.stage = driver::Stage::kernel;
      out.code = std::move(kernels);
      return emit(c, out);
    }
    const target::Target* target = target::find_target(kernels.target);
    if (target == nullptr) return error(Code::target_unsupported, "no target is named " + kernels.target);
    Result<std::string> text =
        stage_ == "llvm" ? object::llvm_text(kernels, *target) : object::assembly_text(kernels, *target);
    if (!text) return text.take_errors();
    TENON_TRY(c.emit(output_, std::move(*text)));
    return Exit::done;
  }

 private:
  // What would have no effect is said, not ignored.
  Status check_options() const {
    if (summary_ && (dot_ || !output_.empty() || stage_ != "graph"))
      return usage_error("--summary goes to stdout, and is of the model as it is",
                         "leave out --stage, --dot and --output");
    if (stage_ == "graph" && !model_.bind.empty())
      return usage_error(
          "--bind does nothing at the stage graph" + std::string(summary_ ? " or --summary" : ""),
          "--stage optimized shows the model with its sizes bound");
    if ((stage_ == "graph" || stage_ == "optimized") && model_.cpu != "native")
      return usage_error("--cpu does nothing before the stage scheduled", "--stage scheduled or kernel");
    return Ok{};
  }

  Result<Exit> emit(Context& c, const driver::Unit& unit) {
    const bool file = !output_.empty() && output_ != "-";
    TENON_ASSIGN(std::string text, driver::print_unit(unit, file ? folder_of(output_) : std::string()));
    TENON_TRY(c.emit(output_, std::move(text)));
    return Exit::done;
  }

  Result<Exit> summary(Context& c, driver::Unit unit, driver::CompileOptions options) {
    TENON_ASSIGN(ir::Module module, graph_of(std::move(unit), "show --summary"));
    options.epochs = false;
    TENON_ASSIGN(const ir::Module derived, driver::derive(module, options));
    TENON_ASSIGN(const driver::Scheduled scheduled,
                 driver::to_scheduled({module, driver::Stage::graph}, options));
    // The model as written where there is one; steps and gradients are counted as a whole.
    std::vector<std::vector<std::string>> totals{{"function", "inputs", "FLOPs", "writes"}};
    Json functions = Json::array();
    for (const ir::Function& f : module.functions) {
      if (derived.find_function(f.name) == nullptr) continue;
      const std::map<std::string, std::string> kernels = kernel_of(*scheduled, f.name);
      std::vector<std::vector<std::string>> rows{
          {"  value", "operation", "shape", "parameters", "FLOPs", "kernel"}};
      Json layers = Json::array();
      const std::vector<std::string> names = ir::value_names(f.graph);
      for (size_t i = 0; i < f.graph.node_count(); ++i) {
        const ir::Node& n = f.graph.node(ir::NodeId(i));
        if (n.results.empty()) continue;
        int64_t parameters = 0;
        for (const ir::ValueId v : n.operands) {
          const ir::Global* g = f.graph.value(v).arg == ir::ArgKind::global
                                    ? module.find_global(f.graph.value(v).name)
                                    : nullptr;
          if (g != nullptr && g->kind == ir::GlobalKind::param && g->type.count().is_constant())
            parameters += g->type.count().constant();
        }
        const ir::Dim flops = ir::node_flops(module, f.graph, n);
        const std::string& name = names[n.results[0].index];
        const std::string shape = f.graph.type(n.results[0]).text();
        const auto kernel = kernels.find(name);
        const std::string where = kernel == kernels.end() ? "" : kernel->second;
        rows.push_back({"  " + name, std::string(n.op->name), shape,
                        parameters == 0 ? "" : grouped(parameters), flops == ir::Dim(0) ? "" : flops.text(),
                        where});
        layers.push_back({{"value", name},
                          {"operation", n.op->name},
                          {"shape", shape},
                          {"parameters", parameters},
                          {"flops", flops.text()},
                          {"kernel", where}});
      }
      c.print(f.name + "\n" + table(rows) + "\n");
      functions.push_back({{"name", f.name}, {"layers", std::move(layers)}});
    }
    Json all = Json::array();
    for (const ir::Function& f : derived.functions) {
      if (f.name == "init") continue;
      std::string inputs;
      for (const ir::ValueId a : f.graph.args)
        if (f.graph.value(a).arg == ir::ArgKind::input)
          inputs += (inputs.empty() ? "" : ", ") + f.graph.value(a).name + " " + f.graph.type(a).text();
      const std::string flops = ir::graph_flops(derived, f.graph).text();
      totals.push_back({f.name, inputs, flops, f.writes.empty() ? "" : std::to_string(f.writes.size())});
      all.push_back({{"name", f.name}, {"inputs", inputs}, {"flops", flops}, {"writes", f.writes.size()}});
    }
    const int64_t parameters = ir::elements(module, ir::GlobalKind::param);
    const int64_t state = ir::elements(derived, ir::GlobalKind::state);
    c.print(table(totals));
    c.print("\n" + grouped(parameters) + " parameters, " + grouped(state) + " elements of other state\n");
    c.report()["functions"] = std::move(functions);
    c.report()["totals"] = std::move(all);
    c.report()["parameters"] = parameters;
    c.report()["state_elements"] = state;
    return Exit::done;
  }

  ModelOptions model_;
  std::string stage_ = "graph", output_;
  std::vector<std::string> functions_;
  bool summary_ = false, dot_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_show() { return std::make_unique<Show>(); }

}  // namespace tenon::command
