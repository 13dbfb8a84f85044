// tenon check: reads a model or dump, verifies it and carries out its derive directives.
#include <nlohmann/json.hpp>

#include <algorithm>

#include "driver/command/model.h"
#include "ir/counts.h"
#include "kernel/verify.h"

namespace tenon::command {
namespace {

std::string plural(size_t n, const std::string& word) {
  return grouped(static_cast<int64_t>(n)) + " " + word + (n == 1 ? "" : "s");
}

Json signature(const ir::Function& f) {
  Json out;
  out["name"] = f.name;
  if (f.origin.role != ir::Role::written) out["origin"] = f.origin.text();
  out["inputs"] = Json::array();
  for (const ir::ValueId a : f.graph.args)
    if (f.graph.value(a).arg == ir::ArgKind::input)
      out["inputs"].push_back({{"name", f.graph.value(a).name}, {"type", f.graph.type(a).text()}});
  out["outputs"] = Json::array();
  for (size_t i = 0; i < f.returns; ++i)
    out["outputs"].push_back({{"name", i < f.result_names.size() ? f.result_names[i] : std::string()},
                              {"type", f.graph.type(f.graph.results[i]).text()}});
  out["writes"] = Json::array();
  for (const ir::Write& w : f.writes) out["writes"].push_back(w.global);
  return out;
}

// The preset of a hyper-parameter, in its own type.
Json json_of(const std::vector<Number>& preset, DType dtype) {
  if (preset.empty()) return 0;
  return with_dtype(dtype, [&]<class T>() { return Json(preset[0].as<T>()); });
}

class Check : public Verb {
 public:
  std::string_view name() const override { return "check"; }
  std::string_view about() const override { return "verify a model; all its errors at once"; }
  std::string_view examples() const override {
    return "  tenon check mlp.tenon\n  tenon new mlp | tenon check -\n  tenon check mlp.tenon --json\n";
  }
  void declare(Options& options) override { model_.declare(options, false); }

  Result<Exit> run(Context& c) override {
    TENON_ASSIGN(driver::Unit unit, model_.read());
    Json& r = c.report();
    if (const auto* kernels = std::get_if<kernel::Module>(&unit.code)) {
      TENON_TRY(driver::to_kernels(unit, {}));
      r["stage"] = "kernel";
      r["module"] = kernels->name;
      r["target"] = kernels->target;
      r["functions"] = kernels->functions.size();
      r["entries"] = Json::array();
      for (const kernel::Entry& e : kernels->entries) r["entries"].push_back(e.name);
      c.print("ok: " + plural(kernels->functions.size(), "function") + " of kernels for " + kernels->target +
              ", " + grouped(static_cast<int64_t>(kernels->entries.size())) +
              (kernels->entries.size() == 1 ? " entry\n" : " entries\n"));
      return Exit::done;
    }
    if (const driver::Scheduled* scheduled = std::get_if<driver::Scheduled>(&unit.code)) {
      TENON_TRY(driver::to_kernels(unit, {}));
      const size_t functions = (*scheduled)->functions.size();
      const std::string target((*scheduled)->sizes->target().name);
      r["stage"] = "scheduled";
      r["module"] = (*scheduled)->module->name;
      r["target"] = target;
      r["functions"] = functions;
      c.print("ok: schedules of " + plural(functions, "function") + " for " + target + "\n");
      return Exit::done;
    }
    ir::Module& module = std::get<ir::Module>(unit.code);
    const size_t declared = module.functions.size();
    driver::CompileOptions options;
    options.epochs = false;
    // Functions that are written out are verified as they stand: their calls are not put in, which would make
    // them as large as all that they call together.
    if (module.stage != "optimized") {
      options.functions = {"init"};
      for (const ir::Derive& d : module.derives) options.functions.push_back(d.name);
      for (const ir::Function& f : module.functions)
        if (f.mode != ir::Mode::unresolved) options.functions.push_back(f.name);
    }
    TENON_ASSIGN(ir::Module derived, driver::derive(module, options));
    Named<ir::Function> all;
    for (const ir::Function& f : module.functions) {
      const ir::Function* made = derived.find_function(f.name);
      all.push_back(made == nullptr ? f : *made);
    }
    for (const ir::Function& f : derived.functions)
      if (module.find_function(f.name) == nullptr) all.push_back(f);
    derived.functions = std::move(all);
    size_t functions = 0, steps = 0;
    for (const ir::Function& f : derived.functions) {
      if (f.name == "init") continue;
      // What writes no parameter, as running statistics are none, is no step.
      const bool trains = std::any_of(f.writes.begin(), f.writes.end(), [&](const ir::Write& w) {
        const ir::Global* g = derived.find_global(w.global);
        return g != nullptr && g->kind == ir::GlobalKind::param;
      });
      ++(trains ? steps : functions);
    }
    const int64_t parameters = ir::elements(module, ir::GlobalKind::param);
    r["stage"] = module.stage;
    r["module"] = module.name;
    r["declared_functions"] = declared;
    r["parameters"] = parameters;
    r["state_elements"] = ir::elements(derived, ir::GlobalKind::state);
    r["functions"] = Json::array();
    for (const ir::Function& f : derived.functions) r["functions"].push_back(signature(f));
    r["dims"] = Json::object();
    for (const auto& [dim, range] : derived.dims) r["dims"][dim] = {range.low, range.high};
    r["hypers"] = Json::object();
    for (const ir::Global& g : derived.globals)
      if (g.kind == ir::GlobalKind::hyper) r["hypers"][g.name] = json_of(g.init.args, g.type.dtype);
    c.print("ok: " + plural(functions, "function") + ", " + plural(steps, "step") + ", " +
            grouped(parameters) + (parameters == 1 ? " parameter\n" : " parameters\n"));
    return Exit::done;
  }

 private:
  ModelOptions model_;
};

}  // namespace

std::unique_ptr<Verb> make_check() { return std::make_unique<Check>(); }

}  // namespace tenon::command
