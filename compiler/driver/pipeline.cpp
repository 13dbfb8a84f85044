#include "driver/pipeline.h"

#include <cctype>

#include "ir/print.h"
#include "ir/verify.h"
#include "passes/passes.h"
#include "runtime/file.h"

namespace tenon::driver {

Status run_pipeline(ir::Module& module, const CompileOptions& options, CompileReport* report) {
  std::vector<const passes::Pass*> passes = passes::pipeline();
  if (!options.passes.empty()) {
    TENON_ASSIGN(passes, pass::parse_pipeline<ir::Module>(options.passes, passes::all()));
  }
  // Names of passes that are switched off or stopped at are checked as well.
  std::vector<std::string> named = options.disabled;
  if (!options.stop_after.empty()) named.push_back(options.stop_after);
  for (const std::string& name : named) TENON_TRY(pass::parse_pipeline<ir::Module>(name, passes::all()));

  pass::ManagerOptions<ir::Module> manager;
  manager.disabled = options.disabled;
  manager.stop_after = options.stop_after;
  if (options.verify_each) {
    manager.verify = [](const ir::Module& m) { return ir::verify(m); };
    manager.hash = [](const ir::Module& m) { return ir::structural_hash(m).low(); };
  }
  if (options.after_pass) manager.after = options.after_pass;
  if (!options.reproducer_directory.empty()) {
    manager.on_failure = [&](const ir::Module& before, std::string_view pass) {
      std::string name;
      for (const char c : module.name) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
      const std::string path =
          options.reproducer_directory + "/" + name + ".before-" + std::string(pass) + ".tenon";
      // A reproducer that cannot be written must not hide the failure it is about.
      const Status written = runtime::write_file_atomic(path, ir::print(before));
      (void)written;
    };
  }
  TENON_ASSIGN(std::vector<pass::Record> records, pass::run_passes(module, passes, manager));
  if (report != nullptr)
    for (pass::Record& r : records) report->passes.push_back(std::move(r));
  return ir::verify(module);
}

}  // namespace tenon::driver
