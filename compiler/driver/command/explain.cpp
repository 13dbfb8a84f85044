// tenon explain: for every edge between operations, whether they became one kernel, and why not.
#include <nlohmann/json.hpp>

#include "driver/command/model.h"

namespace tenon::command {
namespace {

class Explain : public Verb {
 public:
  std::string_view name() const override { return "explain"; }
  std::string_view about() const override { return "per edge: fused, or refused and why"; }
  std::string_view examples() const override {
    return "  tenon explain mlp.tenon train\n  tenon explain mlp.tenon logits --refused\n"
           "  tenon explain mlp.tenon train --cpu x86-64-v3 --json\n";
  }
  void declare(Options& options) override {
    model_.declare(options);
    options.positional("function", &function_, "a function or step; all where left out", false);
    options.flag("--refused", &refused_, "only edges that were not fused");
  }

  Result<Exit> run(Context& c) override {
    TENON_ASSIGN(driver::CompileOptions options, model_.compile());
    TENON_ASSIGN(driver::Unit unit, model_.read());
    TENON_ASSIGN(ir::Module module, graph_of(std::move(unit), "explain"));
    if (!function_.empty()) options.functions = {function_};
    options.epochs = !function_.empty();
    driver::Unit graph;
    graph.stage = module.stage == "optimized" ? driver::Stage::optimized : driver::Stage::graph;
    graph.code = std::move(module);
    driver::CompileReport report;
    TENON_ASSIGN(const kernel::Module kernels, driver::to_kernels(std::move(graph), options, &report));
    Json edges = Json::array();
    size_t fused = 0, refused = 0;
    std::string last;
    for (const lower::Explanation& e : report.edges) {
      // init comes along with every program; it is not what was asked about.
      if (!function_.empty() && e.function != function_) continue;
      ++(e.fused ? fused : refused);
      if (e.fused && refused_) continue;
      edges.push_back({{"function", e.function},
                       {"producer", e.producer},
                       {"consumer", e.consumer},
                       {"fused", e.fused},
                       {"reason", e.reason}});
      if (e.function != last) {
        c.print((last.empty() ? "" : "\n") + e.function + "\n");
        last = e.function;
      }
      c.print("  " + e.producer + " -> " + e.consumer + ": " + (e.fused ? "fused" : "refused") +
              (e.reason.empty() ? "" : ": " + e.reason) + "\n");
    }
    c.print((last.empty() ? "" : "\n") + std::to_string(fused) + " edges fused, " + std::to_string(refused) +
            " refused\n");
    c.report()["fused"] = fused;
    c.report()["refused"] = refused;
    c.report()["edges"] = std::move(edges);
    return Exit::done;
  }

 private:
  ModelOptions model_;
  std::string function_;
  bool refused_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_explain() { return std::make_unique<Explain>(); }

}  // namespace tenon::command
