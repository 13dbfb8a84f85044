#include "ir/inline_calls.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "ir/apply.h"
#include "ir/builder.h"
#include "ir/made_names.h"
#include "ir/op_def.h"
#include "ir/substitute.h"

namespace tenon::ir {
namespace {

using Names = std::vector<std::string>;
using Callees = std::map<std::string, Graph, std::less<>>;  // without calls

bool is_call(const Node& node) { return is_control(node, Control::call); }

// What is replaced: calls, and the applications that are asked for.
bool replaced(const Node& node, const InlineApplied& applied) {
  return is_call(node) || (is_apply(node) && applied && applied(node.get<std::string>("callee")));
}

// Names of functions that a graph calls, its regions included.
void collect_callees(const Graph& graph, const InlineApplied& applied, Names* names) {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (replaced(node, applied)) names->push_back(node.get<std::string>("callee"));
    for (const std::unique_ptr<Graph>& region : node.regions) collect_callees(*region, applied, names);
  }
}

Location first_call(const Graph& graph) {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (is_call(node)) return node.location;
    for (const std::unique_ptr<Graph>& region : node.regions)
      if (const Location inside = first_call(*region); inside.known()) return inside;
  }
  return {};
}

// Globals that inlining brings into a graph, its regions included; in order of first need.
void collect_globals(const Module& module, const Graph& graph, const Callees& callees,
                     const InlineApplied& applied, Names* names) {
  auto add = [&](const std::string& name) {
    if (std::find(names->begin(), names->end(), name) == names->end()) names->push_back(name);
  };
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (replaced(node, applied)) {
      const Graph& callee = callees.find(node.get<std::string>("callee"))->second;
      for (ValueId a : callee.args)
        if (callee.value(a).arg == ArgKind::global &&
            (is_call(node) || module.find_global(callee.value(a).name)->kind == GlobalKind::hyper))
          add(callee.value(a).name);
    }
    for (const std::unique_ptr<Graph>& region : node.regions)
      collect_globals(module, *region, callees, applied, names);
  }
}

// Whether a node draws random numbers by its name once modes are resolved (its regions included).
bool draws_by_name(const Node& node) {
  if (node.op->mode != nullptr) return true;
  for (const std::unique_ptr<Graph>& region : node.regions)
    for (size_t i = 0; i < region->node_count(); ++i)
      if (draws_by_name(region->node(NodeId(i)))) return true;
  return false;
}
bool draws_by_name(const Graph& graph) {
  for (size_t i = 0; i < graph.node_count(); ++i)
    if (draws_by_name(graph.node(NodeId(i)))) return true;
  return false;
}

class Inliner {
 public:
  Inliner(const Module& module, const Callees& callees, const InlineApplied& applied)
      : module_(module), callees_(callees), applied_(applied) {}

  // The graph without calls. `globals`: value of each global in `out`, whose arguments are in `map` already.
  void fill(const Graph& from, Graph* out, std::vector<ValueId>* map,
            std::map<std::string, ValueId> globals) {
    Builder b(*out, &module_);
    std::unordered_map<std::string, std::vector<ValueId>> done;
    // Names are the caller's first: callees' values make way.
    const MadeNames args(*out);
    for (size_t v = 0; v < from.value_count(); ++v)
      if (from.value(ValueId(v)).node.valid()) b.reserve_name(from.value(ValueId(v)).name);
    for (size_t i = 0; i < from.node_count(); ++i) {
      const Node& node = from.node(NodeId(i));
      std::vector<ValueId> results;
      auto release = [&] {
        // An argument that came in, a global that a callee reads, has its name for good.
        for (ValueId r : node.results)
          if (!args.has(from.value(r).name)) b.release_name(from.value(r).name);
      };
      const bool called = is_call(node), applies = !called && replaced(node, applied_);
      if (!called) release();
      if (applies) {
        const size_t first = out->value_count();
        results = apply(from, node, *map, globals, b);
        for (size_t r = 0; r < node.results.size(); ++r)
          if (results[r].index >= first) b.set_name(results[r], from.value(node.results[r]).name);
      } else if (called) {
        std::string key = node.get<std::string>("callee");
        for (ValueId v : node.operands) key += ' ' + std::to_string((*map)[v.index].index);
        const Graph& callee = callees_.find(node.get<std::string>("callee"))->second;
        const bool draws = draws_by_name(callee);
        const std::string site = draws ? site_name(from, node) : std::string();
        if (draws) key += '@' + site;  // equal calls are one, but for what they draw
        auto [at, fresh] = done.try_emplace(key);
        const size_t first = out->value_count();
        if (fresh) at->second = call(callee, node, *map, globals, site, b);
        results = at->second;
        release();
        for (size_t r = 0; r < node.results.size(); ++r) {
          if (results[r].index >= first || b.graph().value(results[r]).name.empty())
            b.set_name(results[r], from.value(node.results[r]).name);
        }
      } else if (node.regions.empty() || node.op->control() == nullptr) {
        results = b.copy(from, node, *map);
      } else {
        results = control(from, node, *map, globals, b);
      }
      for (size_t r = 0; r < results.size(); ++r) (*map)[node.results[r].index] = results[r];
    }
    for (ValueId v : from.results) out->results.push_back((*map)[v.index]);
  }

 private:
  // What a call is called in the names of what is drawn inside: its first result.
  std::string site_name(const Graph& from, const Node& node) {
    if (!node.results.empty() && !from.value(node.results[0]).name.empty())
      return from.value(node.results[0]).name;
    return node.get<std::string>("callee") + "#" +
           std::to_string(unnamed_[node.get<std::string>("callee")]++);
  }

  std::vector<ValueId> apply(const Graph& from, const Node& node, const std::vector<ValueId>& map,
                             const std::map<std::string, ValueId>& globals, Builder& b) {
    const Function& function = *module_.find_function(node.get<std::string>("callee"));
    const Graph* callee = &callees_.find(function.name)->second;
    Graph resized;
    if (const AppliedSizes sizes = applied_sizes(module_, from, node); !sizes.empty()) {
      resized = *callee;
      substitute_dims(resized, sizes);
      callee = &resized;
    }
    std::map<std::string_view, ValueId> given;  // by name: without its calls a graph may have more arguments
    const std::vector<AppliedArgument> arguments = applied_arguments(module_, function);
    for (size_t i = 0; i < arguments.size(); ++i) given[arguments[i].name] = map[node.operands[i].index];
    std::vector<ValueId> inner(callee->value_count());
    for (ValueId a : callee->args) {
      const std::string& name = callee->value(a).name;
      const auto operand = given.find(name);
      inner[a.index] = operand != given.end() ? operand->second : globals.at(name);
    }
    const std::vector<ValueId> results = b.inline_graph(*callee, inner);
    std::vector<ValueId> out;
    for (const size_t r : applied_results(module_, function)) out.push_back(results[r]);
    return out;
  }

  // `site`: where it is not empty, what draws by its name in the callee gets the name "site/name", so that
  // every call draws on its own, whichever call stands first.
  std::vector<ValueId> call(const Graph& callee, const Node& node, const std::vector<ValueId>& map,
                            const std::map<std::string, ValueId>& globals, const std::string& site,
                            Builder& b) {
    std::vector<ValueId> inner(callee.value_count());
    size_t input = 0;
    for (ValueId a : callee.args) {
      inner[a.index] = callee.value(a).arg == ArgKind::global ? globals.at(callee.value(a).name)
                                                              : map[node.operands[input++].index];
    }
    const std::vector<ValueId> results = b.inline_graph(callee, inner);
    std::vector<ValueId> out;
    const Function& function = *module_.find_function(node.get<std::string>("callee"));
    for (const size_t r : applied_results(module_, function)) out.push_back(results[r]);
    if (site.empty()) return out;
    size_t unnamed = 0;
    for (size_t i = 0; i < callee.node_count(); ++i) {
      const Node& inside = callee.node(NodeId(i));
      if (!draws_by_name(inside) || inside.results.empty()) continue;
      std::string name = callee.value(inside.results[0]).name;
      if (name.empty()) name = std::string(inside.op->name) + "#" + std::to_string(unnamed++);
      b.set_name(inner[inside.results[0].index], site + "/" + name);
    }
    return out;
  }

  std::vector<ValueId> control(const Graph& from, const Node& node, const std::vector<ValueId>& map,
                               const std::map<std::string, ValueId>& globals, Builder& b) {
    std::vector<ValueId> operands;
    for (ValueId v : node.operands) operands.push_back(map[v.index]);
    // All regions of a node take the same arguments.
    Names needed;
    for (const std::unique_ptr<Graph>& region : node.regions)
      collect_globals(module_, *region, callees_, applied_, &needed);
    const size_t own = operands.size(), first = node.op->control()->what == Control::cond ? 1 : 0;
    std::map<std::string, size_t> position;  // of the argument that carries a global into the regions
    for (const std::string& name : needed) {
      const ValueId value = globals.at(name);
      size_t at = operands.size();
      for (size_t i = first; i < own; ++i) {
        const Graph& region = *node.regions[0];
        if (operands[i] == value && region.value(region.args[i - first]).arg == ArgKind::capture) at = i;
      }
      if (at == operands.size()) operands.push_back(value);
      position[name] = at - first;
    }
    std::vector<std::unique_ptr<Graph>> regions;
    for (const std::unique_ptr<Graph>& region : node.regions) {
      auto to = std::make_unique<Graph>();
      std::vector<ValueId> inner(region->value_count());
      auto add_old = [&](bool index) {
        for (ValueId a : region->args) {
          const Value& arg = region->value(a);
          if ((arg.arg == ArgKind::index) == index) inner[a.index] = to->add_arg(arg.type, arg.arg, arg.name);
        }
      };
      const MadeNames taken(*region);
      add_old(false);
      for (size_t i = own; i < operands.size(); ++i) {
        std::string name = b.graph().value(operands[i]).name;
        if (taken.has(name)) name.clear();
        to->add_arg(b.type(operands[i]), ArgKind::capture, name);
      }
      add_old(true);
      std::map<std::string, ValueId> inside;
      for (const auto& [name, at] : position) inside[name] = to->args[at];
      fill(*region, to.get(), &inner, std::move(inside));
      regions.push_back(std::move(to));
    }
    std::vector<Type> types;
    for (ValueId r : node.results) types.push_back(from.type(r));
    const NodeId id = b.graph().add_node(node.op, std::move(operands), node.attrs, types, std::move(regions),
                                         node.location, node.scope);
    const std::vector<ValueId> results = b.graph().node(id).results;
    for (size_t r = 0; r < results.size(); ++r) b.set_name(results[r], from.value(node.results[r]).name);
    return results;
  }

  const Module& module_;
  const Callees& callees_;
  const InlineApplied& applied_;
  std::map<std::string, size_t> unnamed_;  // calls without a name, by callee
};

// Operations of a graph once its calls are put in. `sizes`: those of callees. Saturates past the limit.
constexpr uint64_t most_operations = 1 << 20;
uint64_t size_inlined(const Graph& graph, const std::map<std::string, uint64_t, std::less<>>& sizes,
                      const InlineApplied& applied) {
  uint64_t size = 0;
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    // Of a callee that is not there others tell.
    const auto callee = replaced(node, applied) ? sizes.find(node.get<std::string>("callee")) : sizes.end();
    size += callee == sizes.end() ? 1 : callee->second;
    for (const std::unique_ptr<Graph>& region : node.regions) size += size_inlined(*region, sizes, applied);
    if (size > most_operations) return most_operations + 1;
  }
  return size;
}

Errors too_large(const std::string& what) {
  return error(Code::compile_limit, what + " has more than 1,048,576 operations once its calls are put in",
               "calls that double at every level multiply: repeat the work in a loop instead");
}

Graph without_calls(const Module& module, const Callees& callees, const Graph& from,
                    const InlineApplied& applied) {
  Graph out;
  std::vector<ValueId> map(from.value_count());
  std::map<std::string, ValueId> globals;
  for (ValueId a : from.args) {
    const Value& arg = from.value(a);
    map[a.index] = out.add_arg(arg.type, arg.arg, arg.name);
    if (arg.arg == ArgKind::global) globals[arg.name] = map[a.index];
  }
  Names needed;
  collect_globals(module, from, callees, applied, &needed);
  for (const std::string& name : needed) {
    if (globals.contains(name)) continue;
    globals[name] = out.add_arg(module.find_global(name)->type, ArgKind::global, name);
  }
  Inliner(module, callees, applied).fill(from, &out, &map, std::move(globals));
  return out;
}

}  // namespace

// An input keeps its name, and so does a global: both cannot stand in one function.
static Status none_hidden(const Module& module, const Callees& callees, const Graph& graph,
                          const InlineApplied& applied) {
  Names needed;
  collect_globals(module, graph, callees, applied, &needed);
  Errors errors;
  for (ValueId a : graph.args) {
    const Value& v = graph.value(a);
    if (v.arg != ArgKind::input || std::find(needed.begin(), needed.end(), v.name) == needed.end()) continue;
    Diagnostic d;
    d.code = Code::duplicate_name;
    d.message = "input " + v.name + " hides the global " + v.name + ", which a function called here reads";
    d.help = "name the input otherwise";
    const Location at = first_call(graph);
    if (at.known() && at.file < module.files.size()) {
      d.file = module.files[at.file];
      d.line = at.line;
      d.column = at.column;
    }
    errors.add(std::move(d));
  }
  if (!errors.empty()) return errors;
  return Ok{};
}

bool has_calls(const Graph& graph) {
  Names names;
  collect_callees(graph, {}, &names);
  return !names.empty();
}

Status check_inlined_sizes(const Module& module, const std::function<bool(const Function&)>& wanted) {
  std::map<std::string, uint64_t, std::less<>> sizes;
  for (const Function& f : module.functions) {
    const uint64_t size = sizes[f.name] = size_inlined(f.graph, sizes, {});
    if (size > most_operations && (!wanted || wanted(f))) return too_large("function " + f.name);
  }
  return Ok{};
}

Status inline_calls(const Module& module, Graph& graph, const InlineApplied& applied) {
  Names wanted;
  collect_callees(graph, applied, &wanted);
  if (wanted.empty()) return Ok{};
  // All functions reached, by their place in the module, so that each callee is ready before its callers.
  std::set<size_t> reached;
  while (!wanted.empty()) {
    std::string name = std::move(wanted.back());
    wanted.pop_back();
    const Function* callee = module.find_function(name);
    if (callee == nullptr) return error(Code::undefined_name, "call: no function is named " + name);
    if (reached.insert(module.functions.position(*callee)).second)
      collect_callees(callee->graph, applied, &wanted);
  }
  std::map<std::string, uint64_t, std::less<>> sizes;
  for (const size_t at : reached) {
    const Function& f = module.functions[at];
    Names inner;
    collect_callees(f.graph, applied, &inner);
    for (const std::string& name : inner) {
      if (!sizes.contains(name))
        return error(Code::undefined_name,
                     "call: " + name + " is not declared before " + f.name + ", which calls it");
    }
    const uint64_t size = sizes[f.name] = size_inlined(f.graph, sizes, applied);
    if (size > most_operations) return too_large("function " + f.name);
  }
  if (size_inlined(graph, sizes, applied) > most_operations) return too_large("a function");
  Callees callees;
  for (const size_t at : reached) {
    const Function& f = module.functions[at];
    TENON_TRY(none_hidden(module, callees, f.graph, applied));
    callees.emplace(f.name, without_calls(module, callees, f.graph, applied));
  }
  TENON_TRY(none_hidden(module, callees, graph, applied));
  graph = without_calls(module, callees, graph, applied);
  return Ok{};
}

}  // namespace tenon::ir
