// Dumps: reading and printing programs at any stage.
#include "driver/compile/compile.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "kernel/print.h"
#include "lower/schedule_text.h"
#include "runtime/safetensors.h"
#include "support/text.h"
#include "transforms/transforms.h"

namespace tenon::driver {
namespace {

// The word after `stage` in the first lines, comments skipped; empty where there is none.
std::string_view stage_word(std::string_view text) {
  std::string_view words[4];
  size_t count = 0, at = 0;
  while (at < text.size() && count < 4) {
    const char c = text[at];
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      ++at;
    } else if (text.substr(at).starts_with("//")) {
      at = std::min(text.find('\n', at), text.size());
    } else {
      const size_t end = std::min(text.find_first_of(" \t\r\n", at), text.size());
      words[count++] = text.substr(at, end - at);
      at = end;
    }
  }
  return count == 4 && words[0] == "tenon" && words[2] == "stage" ? words[3] : std::string_view();
}

std::string folder_of(const std::string& file) {
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? std::string() : file.substr(0, slash + 1);
}

constexpr std::string_view tensor_name = "data";

}  // namespace

Result<Unit> read_unit(std::string_view text, const std::string& file) {
  const std::string folder = folder_of(file);
  auto side = [folder](const std::string& hash) -> Result<std::shared_ptr<const Array>> {
    // The hash comes from the text: nothing in it may lead out of the folder.
    for (const char c : hash)
      if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
        return error(Code::file_missing, "not the hash of a constant: " + quote(hash));
    const std::string path = folder + hash + ".safetensors";
    TENON_ASSIGN(runtime::Tensors tensors, runtime::read_safetensors(path));
    const auto found = tensors.arrays.find(std::string(tensor_name));
    if (found == tensors.arrays.end())
      return error(Code::file_corrupt, path + ": no tensor is named " + std::string(tensor_name));
    return std::make_shared<const Array>(std::move(found->second));
  };
  Unit unit;
  if (stage_word(text) == "kernel") {
    TENON_ASSIGN(kernel::Module module, kernel::parse(text, {.file = file, .side = side}));
    unit.stage = Stage::kernel;
    unit.code = std::move(module);
    return unit;
  }
  ir::ParseOptions options;
  options.file = file;
  options.side = side;
  if (stage_word(text) == "scheduled") {
    TENON_ASSIGN(lower::ScheduledModule module, lower::parse_scheduled(text, options));
    unit.stage = Stage::scheduled;
    unit.code = std::make_shared<const lower::ScheduledModule>(std::move(module));
    return unit;
  }
  options.derive = transforms::expand_derive;
  TENON_ASSIGN(ir::Module module, ir::parse(text, options));
  if (module.stage != "graph" && module.stage != "optimized") {
    static constexpr std::string_view stages[] = {"graph", "optimized", "scheduled", "kernel"};
    const std::string_view near = nearest(module.stage, stages);
    Diagnostic d;
    d.code = Code::bad_header;
    d.message = "no stage is named " + module.stage;
    d.file = file;
    d.line = 2;
    d.help = near.empty() ? "one of graph, optimized, scheduled, kernel"
                          : "did you mean " + std::string(near) + "?";
    return d;
  }
  unit.stage = module.stage == "optimized" ? Stage::optimized : Stage::graph;
  unit.code = std::move(module);
  return unit;
}

Result<std::string> print_unit(const Unit& unit, const std::string& side_directory) {
  Errors errors;
  auto side = [&](const std::string& hash, const Array& array) {
    runtime::TensorView view;
    view.name = std::string(tensor_name);
    view.dtype = array.dtype();
    view.shape = array.shape();
    view.bytes = {reinterpret_cast<const char*>(array.data()), array.bytes()};
    std::string path = side_directory;
    if (path.back() != '/') path += '/';
    if (Status s = runtime::write_safetensors(path + hash + ".safetensors", {view}); !s)
      errors.append(s.take_errors());
  };
  std::string out;
  if (const auto* kernels = std::get_if<kernel::Module>(&unit.code)) {
    kernel::PrintOptions options;
    if (!side_directory.empty()) options.side = side;
    out = kernel::print(*kernels, options);
  } else {
    ir::PrintOptions options;
    if (!side_directory.empty()) options.side = side;
    const Scheduled* scheduled = std::get_if<Scheduled>(&unit.code);
    out = scheduled != nullptr ? lower::print(**scheduled, options)
                               : ir::print(std::get<ir::Module>(unit.code), options);
  }
  if (!errors.empty()) return errors;
  return out;
}

}  // namespace tenon::driver
