// C API: ahead-of-time objects.
#include "driver/c_api.h"
#include "object/aot/export.h"
#include "runtime/file.h"
#include "target/target.h"

using namespace tenon::driver;
using namespace tenon::driver::c_api;

namespace {

// The last part of a path as a C identifier: "out/my-net" gives my_net.
std::string prefix_of(std::string_view path) {
  if (const size_t slash = path.rfind('/'); slash != std::string_view::npos) path.remove_prefix(slash + 1);
  std::string out;
  for (const char c : path) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    if (digit && out.empty()) out += '_';
    out += letter || digit ? c : '_';
  }
  return out.empty() ? "tenon" : out;
}

Status write(const std::string& path, std::string_view bytes) {
  return tenon::runtime::write_file_atomic(path, bytes);
}

}  // namespace

extern "C" tenon_status tenon_export_object(const tenon_module* module, const tenon_options* options,
                                            const char* path, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(module);
    TENON_NEED(path);
    std::map<std::string, Array> values;
    TENON_ASSIGN(CompileOptions o, complete(options, &values));
    o.step_loops = true;
    o.own_state = true;
    TENON_ASSIGN(const tenon::kernel::Module kernels, to_kernels(*module->unit, o));
    const tenon::target::Target* target = tenon::target::find_target(kernels.target);
    if (target == nullptr)
      return tenon::support::error(Code::target_unsupported, "no target is named " + kernels.target);
    tenon::object::ExportOptions export_options;
    export_options.prefix = options != nullptr && options->prefix_set ? o.prefix : prefix_of(path);
    const std::string base = path;
    export_options.file = base.substr(base.rfind('/') + 1);
    export_options.entries = entries_of(kernels, o);
    export_options.threads = o.threads;
    TENON_ASSIGN(const tenon::object::Exported out,
                 tenon::object::export_object(kernels, *target, export_options));
    TENON_TRY(write(base + ".o", {reinterpret_cast<const char*>(out.elf.data()), out.elf.size()}));
    TENON_TRY(write(base + ".h", out.header));
    return write(base + "_example.c", out.example);
  });
}
