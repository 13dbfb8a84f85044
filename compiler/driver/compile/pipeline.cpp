#include "driver/compile/pipeline.h"

#include <algorithm>
#include <cctype>

#include "ir/print.h"
#include "ir/verify.h"
#include "lower/schedule_text.h"
#include "passes/passes.h"
#include "runtime/file.h"

namespace tenon::driver {
namespace {

std::vector<const pass::About*> all_passes() {
  std::vector<const pass::About*> out(passes::all().begin(), passes::all().end());
  out.insert(out.end(), lower::all().begin(), lower::all().end());
  return out;
}

template <class Unit>
const pass::Pass<Unit>* find(const std::vector<const pass::Pass<Unit>*>& all, std::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto* p) { return p->name == name; });
  return found == all.end() ? nullptr : *found;
}

// Where a failing pass leaves what it was given. One that cannot be written must not hide the failure it is
// about.
void write_reproducer(const CompileOptions& options, const std::string& module, std::string_view pass,
                      const std::string& text) {
  std::string name;
  for (const char c : module) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  const Status written = runtime::write_file_atomic(
      options.reproducer_directory + "/" + name + ".before-" + std::string(pass) + ".tenon", text);
  (void)written;
}

template <class Unit>
Status run(Unit& unit, const std::vector<pass::Step<Unit>>& steps, pass::ManagerOptions<Unit> manager,
           const CompileOptions& options, CompileReport* report) {
  manager.disabled = options.disabled;
  manager.stop_after = options.stop_after;
  TENON_ASSIGN(std::vector<pass::Record> records, pass::run_passes(unit, steps, manager));
  if (report != nullptr)
    for (pass::Record& r : records) report->passes.push_back(std::move(r));
  return Ok{};
}

}  // namespace

Result<Pipeline> pipeline_of(const CompileOptions& options) {
  const std::vector<const pass::About*> known = all_passes();
  TENON_ASSIGN(std::vector<pass::StepText> steps, pass::parse_steps(options.passes, known));
  Pipeline out;
  for (pass::StepText& step : steps) {
    if (const lower::Pass* p = find(lower::all(), step.name)) {
      out.lowering.emplace_back(p, std::move(step.options));
      continue;
    }
    if (!out.lowering.empty())
      return error(Code::pass_unknown,
                   "pass " + step.name + " works on graphs, and stands behind " +
                       std::string(out.lowering.back().pass->name) + ", which lowers them",
                   "passes of graphs stand before prepare, fuse, schedule and place");
    out.graph.emplace_back(find(passes::all(), step.name), std::move(step.options));
  }
  out.lowers = !out.lowering.empty();
  if (steps.empty()) out.graph = passes::pipeline(options.fold_scales);
  if (out.lowering.empty()) out.lowering = lower::pipeline();
  // Names of passes that are switched off or stopped at are checked as well.
  std::vector<std::string> named = options.disabled;
  if (!options.stop_after.empty()) named.push_back(options.stop_after);
  for (const std::string& name : named) {
    TENON_ASSIGN(const std::vector<pass::StepText> one, pass::parse_steps(name, known));
    for (const pass::StepText& step : one)
      out.lowers = out.lowers || find(lower::all(), step.name) != nullptr;
  }
  return out;
}

Status run_pipeline(ir::Module& module, const CompileOptions& options, CompileReport* report) {
  TENON_ASSIGN(const Pipeline pipeline, pipeline_of(options));
  pass::ManagerOptions<ir::Module> manager;
  if (options.verify_each) {
    manager.verify = [](const ir::Module& m) { return ir::verify(m); };
    manager.hash = [](const ir::Module& m) { return ir::structural_hash(m).low(); };
  }
  if (options.after_pass)
    manager.after = [&](const ir::Module& m, const pass::Record& record) {
      options.after_pass([&] { return ir::print(m); }, record);
    };
  if (!options.reproducer_directory.empty())
    manager.on_failure = [&](const ir::Module& before, std::string_view pass) {
      write_reproducer(options, module.name, pass, ir::print(before));
    };
  TENON_TRY(run(module, pipeline.graph, std::move(manager), options, report));
  return ir::verify(module);
}

Status run_lowering(lower::ScheduledModule& module, const CompileOptions& options, CompileReport* report) {
  TENON_ASSIGN(const Pipeline pipeline, pipeline_of(options));
  pass::ManagerOptions<lower::ScheduledModule> manager;
  if (options.verify_each) {
    manager.verify = [](const lower::ScheduledModule& m) { return lower::verify(m); };
    manager.hash = [](const lower::ScheduledModule& m) { return Hasher().add(lower::print(m)).low(); };
  }
  if (options.after_pass)
    manager.after = [&](const lower::ScheduledModule& m, const pass::Record& record) {
      options.after_pass([&] { return lower::print(m); }, record);
    };
  std::string given;
  if (!options.reproducer_directory.empty()) {
    given = ir::print(*module.module);
    manager.on_failure = [&](const lower::ScheduledModule&, std::string_view pass) {
      write_reproducer(options, module.module->name, pass, given);
    };
  }
  return run(module, pipeline.lowering, std::move(manager), options, report);
}

}  // namespace tenon::driver
