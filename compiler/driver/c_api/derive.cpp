// C API: modules made from modules: taps and gradients, without editing the source.
#include <algorithm>

#include "driver/c_api/c_api.h"
#include "support/text.h"

using namespace tenon::driver;
using namespace tenon::driver::c_api;
namespace ir = tenon::ir;

namespace {

Result<ir::Module> graph_of(const tenon_module& module) {
  if (const auto* graph = std::get_if<ir::Module>(&module.unit->code)) return *graph;
  return error(Code::bad_option, "the module is a dump of a later stage, a graph is wanted");
}

tenon_module* module_of(ir::Module graph, Stage stage) {
  auto unit = std::make_shared<Unit>();
  unit->code = std::move(graph);
  unit->stage = stage;
  return new tenon_module{std::move(unit)};
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> names) {
  const std::string_view near = nearest(word, names);
  return near.empty() ? std::string() : "did you mean " + std::string(near) + "?";
}

// Makes a named value one more result, under its name or the first free one made from it.
Status tap(ir::Function& f, std::string_view name) {
  std::vector<std::string_view> names;
  ir::ValueId found;
  for (size_t i = 0; i < f.graph.value_count(); ++i) {
    const ir::Value& v = f.graph.value(ir::ValueId(i));
    if (v.name.empty()) continue;
    names.push_back(v.name);
    if (v.name == name) found = ir::ValueId(i);
  }
  if (!found.valid())
    return error(Code::undefined_name, f.name + " has no value named " + quote(name),
                 did_you_mean(name, names));
  f.result_names.resize(f.returns);
  f.graph.results.insert(f.graph.results.begin() + static_cast<ptrdiff_t>(f.returns), found);
  std::string label(name);
  while (std::find(f.result_names.begin(), f.result_names.end(), label) != f.result_names.end())
    label += "_tap";
  f.result_names.push_back(std::move(label));
  ++f.returns;
  return Ok{};
}

}  // namespace

extern "C" {

tenon_status tenon_module_tap(const tenon_module* module, const char* function, const char* const* names,
                              uint32_t count, tenon_module** tapped, tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
    TENON_NEED(module);
    TENON_NEED(function);
    TENON_NEED(tapped);
    if (count != 0) TENON_NEED(names);
    TENON_ASSIGN(ir::Module graph, graph_of(*module));
    CompileOptions options;
    options.functions = {function};
    TENON_ASSIGN(ir::Module derived, derive(std::move(graph), options));
    ir::Function* f = derived.find_function(function);
    TENON_CHECK(f != nullptr);
    for (uint32_t i = 0; i < count; ++i) {
      TENON_NEED(names[i]);
      TENON_TRY(tap(*f, names[i]));
    }
    *tapped = module_of(std::move(derived), module->unit->stage);
    return Ok{};
  });
}

tenon_status tenon_module_grad(const tenon_module* module, const char* function, const char* name,
                               const char* const* wrt, uint32_t count, tenon_module** derived,
                               tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
    TENON_NEED(module);
    TENON_NEED(function);
    TENON_NEED(name);
    TENON_NEED(derived);
    if (count != 0) TENON_NEED(wrt);
    TENON_ASSIGN(ir::Module graph, graph_of(*module));
    const ir::Function* source = graph.find_function(function);
    std::vector<std::string_view> names;
    for (const ir::Function& f : graph.functions) names.push_back(f.name);
    if (source == nullptr)
      return tenon::support::error(Code::undefined_name, "no function is named " + quote(function),
                                   did_you_mean(function, names));
    ir::Derive directive;
    directive.name = name;
    directive.kind = "grad";
    directive.source = source->name;
    directive.location = source->location;
    if (count != 0) {
      ir::Option option;
      option.name = "wrt";
      option.is_list = true;
      for (uint32_t i = 0; i < count; ++i) {
        TENON_NEED(wrt[i]);
        option.list.emplace_back(wrt[i]);
      }
      directive.options.push_back(std::move(option));
    }
    graph.derives.push_back(std::move(directive));
    TENON_TRY(derive(graph, {}));  // what cannot be derived is told here
    *derived = module_of(std::move(graph), module->unit->stage);
    return Ok{};
  });
}

}  // extern "C"
