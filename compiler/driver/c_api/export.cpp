// C API: ahead-of-time objects.
#include "object/aot/export.h"
#include "c_interface/names.h"
#include "driver/c_api/c_api.h"
#include "runtime/file.h"
#include "target/target.h"

using namespace tenon::driver;
using namespace tenon::driver::c_api;

extern "C" tenon_status tenon_export_object(const tenon_module* module, const tenon_options* options,
                                            const char* path, tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
    TENON_NEED(module);
    TENON_NEED(path);
    const std::string base = path;
    for (const char* end : {".o", ".h", "_example.c"}) TENON_TRY(tenon::runtime::can_write(base + end));
    std::map<std::string, Array> values;
    TENON_ASSIGN(CompileOptions o, complete(options, &values));
    o.step_loops = true;
    o.own_state = true;
    TENON_ASSIGN(const tenon::kernel::Module kernels, to_kernels(*module->unit, o));
    const tenon::target::Target* target = tenon::target::find_target(kernels.target);
    if (target == nullptr)
      return tenon::support::error(Code::target_unsupported, "no target is named " + kernels.target);
    tenon::object::ExportOptions export_options;
    export_options.prefix =
        options != nullptr && options->prefix_set ? o.prefix : tenon::c_interface::c_prefix_of(path);
    export_options.file = base.substr(base.rfind('/') + 1);
    export_options.entries = entries_of(kernels, o);
    export_options.threads = o.threads;
    export_options.isolate = o.isolate;
    TENON_ASSIGN(const tenon::object::Exported out,
                 tenon::object::export_object(kernels, *target, export_options));
    const std::string_view elf(reinterpret_cast<const char*>(out.elf.data()), out.elf.size());
    return tenon::runtime::write_files_atomic(
        {{base + ".o", elf}, {base + ".h", out.header}, {base + "_example.c", out.example}});
  });
}
