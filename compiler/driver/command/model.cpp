#include "driver/command/model.h"

#include <algorithm>
#include <set>

#include "ir/apply.h"
#include "ir/op_def.h"
#include "support/text.h"

namespace tenon::command {

void ModelOptions::declare(Options& options, bool compiles) {
  options.positional("model", &path, "a .tenon file or a dump of any stage; - for stdin");
  if (!compiles) return;
  options.texts("--bind", &bind, "dim=N: makes a dimension a constant");
  options.text("--cpu", &cpu, "native, x86-64-v3, x86-64-v4");
  options.flag("--isolate", &isolate,
               "code generation in a process of its own: running out of memory is an error");
}

Result<driver::Unit> ModelOptions::read() const {
  TENON_ASSIGN(const std::string text, read_text(path));
  return driver::read_unit(text, shown_name(path));
}

Result<std::vector<std::pair<std::string, std::string>>> pairs(const std::vector<std::string>& texts,
                                                               const std::string& option) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string& text : texts) {
    const size_t equal = text.find('=');
    if (equal == std::string::npos || equal == 0)
      return usage_error(option + " " + quote(text) + " is not name=value");
    out.emplace_back(text.substr(0, equal), text.substr(equal + 1));
  }
  return out;
}

Result<std::vector<std::pair<std::string, Number>>> numbers(const std::vector<std::string>& texts,
                                                            const std::string& option) {
  TENON_ASSIGN(const auto words, pairs(texts, option));
  std::vector<std::pair<std::string, Number>> out;
  for (const auto& [name, word] : words) {
    const std::optional<Number> number = Number::parse(word);
    if (!number) return usage_error(option + " " + name + "=" + word + ": not a number", "such as 2e-3");
    for (const auto& other : out)
      if (other.first == name) return usage_error(option + " " + name + " is given twice");
    out.emplace_back(name, *number);
  }
  return out;
}

Result<ir::DimBindings> whole_numbers(const std::vector<std::string>& texts, const std::string& option) {
  TENON_ASSIGN(const auto words, pairs(texts, option));
  ir::DimBindings out;
  for (const auto& [name, word] : words) {
    const std::optional<int64_t> number = parse_int(word);
    if (!number) return usage_error(option + " " + name + "=" + word + ": not a whole number");
    if (!out.emplace(name, *number).second) return usage_error(option + " " + name + " is given twice");
  }
  return out;
}

Result<driver::CompileOptions> ModelOptions::compile() const {
  driver::CompileOptions options;
  options.cpu = cpu;
  options.isolate = isolate;
  TENON_ASSIGN(options.bind, whole_numbers(bind, "--bind"));
  return options;
}

Result<ir::Module> graph_of(driver::Unit unit, const std::string& verb) {
  if (auto* module = std::get_if<ir::Module>(&unit.code)) return std::move(*module);
  return usage_error(verb + " works on graphs, this is a dump of a later stage",
                     "give the model, or its dump of the stage graph or optimized");
}

Result<const ir::Function*> function_of(const ir::Module& module, const std::string& name) {
  if (const ir::Function* f = module.find_function(name)) return f;
  std::vector<std::string_view> names;
  std::string all;
  for (const ir::Function& f : module.functions) {
    names.push_back(f.name);
    all += (all.empty() ? "" : ", ") + f.name;
  }
  const std::string_view near = nearest(name, names);
  return error(Code::undefined_name, "no function is named " + name,
               near.empty() ? "functions: " + all : "did you mean " + std::string(near) + "?");
}

namespace {

void collect_callees(const ir::Graph& graph, std::set<std::string>* names) {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const ir::Node& node = graph.node(ir::NodeId(i));
    if (ir::is_control(node, ir::Control::call) || ir::is_apply(node))
      names->insert(node.get<std::string>("callee"));
    for (const auto& region : node.regions) collect_callees(*region, names);
  }
}

}  // namespace

Result<ir::Module> only_functions(const ir::Module& module, const std::vector<std::string>& functions,
                                  driver::CompileOptions options) {
  std::vector<std::string> derived;
  for (const std::string& name : functions)
    if (module.find_function(name) == nullptr) derived.push_back(name);
  ir::Module out = module;
  if (!derived.empty()) {
    options.functions = derived;
    options.step_loops = false;
    options.own_state = false;  // the source functions stay, and with them their state
    TENON_ASSIGN(out, driver::derive(module, options));
    // Those of the source stand as they are written, before what was derived from them.
    Named<ir::Function> all = module.functions;
    for (ir::Function& f : out.functions)
      if (module.find_function(f.name) == nullptr) all.push_back(std::move(f));
    out.functions = std::move(all);
  }
  // A function stands below those it calls.
  std::set<std::string> kept(functions.begin(), functions.end());
  for (size_t i = out.functions.size(); i-- > 0;)
    if (kept.count(out.functions[i].name) != 0) collect_callees(out.functions[i].graph, &kept);
  out.functions.erase_if([&](const ir::Function& f) { return kept.count(f.name) == 0; });
  out.derives.clear();
  return out;
}

Status check_partial(bool partial, const std::string& params) {
  if (partial && params.empty()) return usage_error("--partial does nothing without --params");
  return Ok{};
}

Result<std::shared_ptr<driver::State>> make_state(const std::shared_ptr<const driver::Program>& program,
                                                  uint64_t seed, const std::string& params, bool partial,
                                                  Context& context) {
  if (params.empty()) return program->init(seed);
  // Where only parameters are stored, the rest of the state comes from init.
  std::shared_ptr<driver::State> state;
  if (program->find("init") != nullptr) {
    TENON_ASSIGN(state, program->init(seed));
  } else {
    state = std::make_shared<driver::State>(program);
  }
  std::vector<std::string> missing;
  TENON_TRY(state->load(params, partial, &missing));
  for (const std::string& name : missing) context.note(params + ": " + name + " was not loaded");
  return state;
}

}  // namespace tenon::command
