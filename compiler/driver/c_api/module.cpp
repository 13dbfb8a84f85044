// C API: modules, options, compiling.

#include "driver/c_api/c_api.h"
#include "runtime/file.h"
#include "runtime/safetensors.h"
#include "support/text.h"
#include "target/target.h"

using namespace tenon::driver;
using namespace tenon::driver::c_api;

namespace {

constexpr uint64_t max_source_bytes = uint64_t{1} << 30;

const CompileOptions& options_of(const tenon_options* options) {
  static const CompileOptions defaults;
  return options == nullptr ? defaults : options->options;
}

Status set_flag(bool* flag, std::string_view key, std::string_view value) {
  if (value != "true" && value != "false")
    return error(Code::bad_option, std::string(key) + " is true or false, not " + quote(value));
  *flag = value == "true";
  return Ok{};
}

std::vector<std::string> list_of(std::string_view value) {
  std::vector<std::string> out;
  for (std::string_view item : split(value, ','))
    if (item = trim(item); !item.empty()) out.emplace_back(item);
  return out;
}

Status set_bindings(tenon::ir::DimBindings* bind, std::string_view value) {
  for (const std::string& item : list_of(value)) {
    const size_t equal = item.find('=');
    const auto number = equal == std::string::npos ? std::nullopt : parse_int(trim(item.substr(equal + 1)));
    if (!number) return error(Code::bad_option, "bind wants dimension=size, not " + quote(item));
    (*bind)[std::string(trim(std::string_view(item).substr(0, equal)))] = *number;
  }
  return Ok{};
}

constexpr std::string_view keys[] = {"cpu",      "functions", "bind",   "bake",       "params",  "epochs",
                                     "passes",   "disable",   "prefix", "threads",    "isolate", "fuse",
                                     "in_place", "parallel",  "verify", "fold_scales"};

Status set_option(tenon_options& o, std::string_view key, std::string_view value) {
  CompileOptions& c = o.options;
  if (key == "cpu") {
    if (value != "native" && tenon::target::find_target(value) == nullptr) {
      std::string all = "native";
      for (const tenon::target::Target* t : tenon::target::all_targets()) all += ", " + std::string(t->name);
      return error(Code::target_unsupported, "no target is named " + quote(value), "one of: " + all);
    }
    c.cpu = value;
  } else if (key == "functions") {
    c.functions = list_of(value);
  } else if (key == "bind") {
    return set_bindings(&c.bind, value);
  } else if (key == "bake") {
    c.baked = list_of(value);
  } else if (key == "params") {
    o.params = value;
  } else if (key == "epochs") {
    return set_flag(&c.epochs, key, value);
  } else if (key == "passes") {
    c.passes = value;
  } else if (key == "disable") {
    c.disabled = list_of(value);
  } else if (key == "prefix") {
    c.prefix = value;
    o.prefix_set = true;
  } else if (key == "threads") {
    const auto n = parse_int(value);
    if (!n || *n < 0 || *n > 1024)
      return error(Code::bad_option, "threads is a number from 0 to 1024, not " + quote(value));
    c.threads = static_cast<int>(*n);
  } else if (key == "isolate") {
    return set_flag(&c.isolate, key, value);
  } else if (key == "fuse") {
    return set_flag(&c.fuse, key, value);
  } else if (key == "in_place") {
    return set_flag(&c.in_place, key, value);
  } else if (key == "parallel") {
    return set_flag(&c.parallel, key, value);
  } else if (key == "fold_scales") {
    return set_flag(&c.fold_scales, key, value);
  } else if (key == "verify") {
    return set_flag(&c.verify_each, key, value);
  } else {
    const std::string_view near = nearest(key, keys);
    return error(Code::bad_option, "no option is named " + quote(key),
                 near.empty() ? "" : "did you mean " + std::string(near) + "?");
  }
  return Ok{};
}

// The text of a stage. Each later stage is made from the one before.
Result<std::string> stage_text(const Unit& unit, std::string_view stage, const CompileOptions& options) {
  if (stage.empty()) return print_unit(unit);
  const bool kernels = std::holds_alternative<tenon::kernel::Module>(unit.code);
  const bool graph = std::holds_alternative<tenon::ir::Module>(unit.code);
  if (stage == "graph" || stage == "optimized") {
    if (!graph || (stage == "graph" && unit.stage != Stage::graph))
      return error(Code::bad_option, "the module is a later stage than " + std::string(stage));
    if (stage == "graph") return print_unit(unit);
    TENON_ASSIGN(tenon::ir::Module module, optimize(std::get<tenon::ir::Module>(unit.code), options));
    return print_unit({std::move(module), Stage::optimized});
  }
  if (stage == "scheduled") {
    TENON_ASSIGN(Scheduled scheduled, to_scheduled(unit, options));
    return print_unit({std::move(scheduled), Stage::scheduled});
  }
  if (stage != "kernel" && stage != "llvm" && stage != "asm") {
    static constexpr std::string_view stages[] = {"graph", "optimized", "scheduled", "kernel", "llvm", "asm"};
    const std::string_view near = nearest(stage, stages);
    return error(Code::bad_option, "no stage is named " + quote(stage),
                 near.empty() ? "one of graph, optimized, scheduled, kernel, llvm, asm"
                              : "did you mean " + std::string(near) + "?");
  }
  if (stage == "kernel" && kernels) {
    TENON_TRY(check_kernels(std::get<tenon::kernel::Module>(unit.code), options));
    return print_unit(unit);
  }
  TENON_ASSIGN(tenon::kernel::Module module, to_kernels(unit, options));
  if (stage == "kernel") return print_unit({std::move(module), Stage::kernel});
  const tenon::target::Target* target = tenon::target::find_target(module.target);
  if (target == nullptr) return error(Code::target_unsupported, "no target is named " + module.target);
  tenon::object::Options o;
  o.prefix = options.prefix;
  o.c_functions = options.c_functions;
  o.threads = options.threads;
  return stage == "llvm" ? tenon::object::llvm_text(module, *target, o)
                         : tenon::object::assembly_text(module, *target, o);
}

Result<std::string> explain(const Unit& unit, const CompileOptions& options, std::string_view function) {
  CompileReport report;
  TENON_TRY(to_kernels(unit, options, &report));
  std::string out;
  for (const tenon::lower::Explanation& e : report.edges) {
    if (!function.empty() && e.function != function) continue;
    out += e.function + ": " + e.producer + " -> " + e.consumer + ": " + (e.fused ? "fused" : "refused");
    if (!e.reason.empty()) out += ": " + e.reason;
    out += "\n";
  }
  return out;
}

std::string slot_type(const tenon::kernel::StateSlot& slot) {
  std::string out(dtype_name(slot.dtype));
  out += "[";
  for (size_t i = 0; i < slot.shape.size(); ++i) out += (i != 0 ? "," : "") + std::to_string(slot.shape[i]);
  return out + "]";
}

}  // namespace

Result<CompileOptions> tenon::driver::c_api::complete(const tenon_options* options,
                                                      std::map<std::string, Array>* values) {
  CompileOptions out = options_of(options);
  if (options == nullptr) return out;
  if (!options->params.empty()) {
    TENON_ASSIGN(tenon::runtime::Tensors tensors, tenon::runtime::read_safetensors(options->params));
    *values = std::move(tensors.arrays);
    out.values = values;
  }
  if (options->state == nullptr) return out;
  for (const tenon::kernel::StateSlot& slot : options->state->program()->kernels().state) {
    bool wanted = false;
    for (const std::string& pattern : out.baked) wanted = wanted || glob_match(pattern, slot.name);
    if (!wanted) continue;
    TENON_ASSIGN(Array value, options->state->get(slot.name));
    values->insert_or_assign(slot.name, std::move(value));
  }
  out.values = values;
  return out;
}

extern "C" {

tenon_status tenon_module_parse(const char* text, size_t length, const char* file, tenon_module** module,
                                tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
    TENON_NEED(text);
    TENON_NEED(module);
    TENON_ASSIGN(Unit unit, read_unit({text, length}, file == nullptr ? "<text>" : file));
    *module = new tenon_module{std::make_shared<const Unit>(std::move(unit))};
    return Ok{};
  });
}

tenon_status tenon_module_read(const char* path, tenon_module** module, tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
    TENON_NEED(path);
    TENON_NEED(module);
    TENON_ASSIGN(const std::string text, tenon::runtime::read_file(path, max_source_bytes));
    TENON_ASSIGN(Unit unit, read_unit(text, path));
    *module = new tenon_module{std::make_shared<const Unit>(std::move(unit))};
    return Ok{};
  });
}

void tenon_module_free(tenon_module* module) { delete module; }

tenon_status tenon_module_print(const tenon_module* module, const char* stage, const tenon_options* options,
                                char** text, tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
    TENON_NEED(module);
    TENON_NEED(text);
    std::map<std::string, Array> values;
    TENON_ASSIGN(const CompileOptions o, complete(options, &values));
    TENON_ASSIGN(const std::string out, stage_text(*module->unit, stage == nullptr ? "" : stage, o));
    *text = give_text(out);
    return Ok{};
  });
}

tenon_status tenon_options_new(tenon_options** options, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(options);
    *options = new tenon_options;
    return Ok{};
  });
}
void tenon_options_free(tenon_options* options) { delete options; }

tenon_status tenon_options_set(tenon_options* options, const char* key, const char* value,
                               tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(options);
    TENON_NEED(key);
    TENON_NEED(value);
    return set_option(*options, key, value);
  });
}

tenon_status tenon_options_state(tenon_options* options, const tenon_state* state, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(options);
    options->state = state == nullptr ? nullptr : state->state;
    return Ok{};
  });
}

tenon_status tenon_compile(const tenon_module* module, const tenon_options* options, tenon_program** program,
                           tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
    TENON_NEED(module);
    TENON_NEED(program);
    std::map<std::string, Array> values;
    TENON_ASSIGN(const CompileOptions o, complete(options, &values));
    auto out = std::make_unique<tenon_program>();
    out->unit = module->unit;
    TENON_ASSIGN(out->program, Program::compile(*module->unit, o));
    for (const EntryInfo& e : out->program->entries()) {
      out->input_types.emplace_back();
      for (const tenon::ir::Type& t : e.inputs) out->input_types.back().push_back(t.text());
      out->output_types.emplace_back();
      for (const tenon::ir::Type& t : e.outputs) out->output_types.back().push_back(t.text());
    }
    for (const tenon::kernel::StateSlot& s : out->program->kernels().state)
      out->tensor_types.push_back(slot_type(s));
    *program = out.release();
    return Ok{};
  });
}

tenon_status tenon_explain(const tenon_module* module, const tenon_options* options, const char* function,
                           char** text, tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
    TENON_NEED(module);
    TENON_NEED(text);
    std::map<std::string, Array> values;
    TENON_ASSIGN(const CompileOptions o, complete(options, &values));
    TENON_ASSIGN(const std::string out, explain(*module->unit, o, function == nullptr ? "" : function));
    *text = give_text(out);
    return Ok{};
  });
}

}  // extern "C"
