#include "ir/apply.h"

#include <algorithm>

namespace tenon::ir {
namespace {

// Past the last where no global has the name: a text with errors, of which others tell.
size_t declared_at(const Module& module, std::string_view name) {
  const Global* global = module.find_global(name);
  return global != nullptr ? module.globals.position(*global) : module.globals.size();
}

template <class Visit>
void each_apply(Graph& graph, const Visit& visit) {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    Node& node = graph.node(NodeId(i));
    if (is_apply(node)) visit(node);
    for (const auto& region : node.regions) each_apply(*region, visit);
  }
}

}  // namespace

std::vector<AppliedArgument> applied_arguments(const Module& module, const Function& function) {
  std::vector<AppliedArgument> out;
  std::map<size_t, AppliedArgument> globals;  // by declaration
  for (const ValueId a : function.graph.args) {
    const Value& arg = function.graph.value(a);
    if (arg.arg == ArgKind::input) {
      out.push_back({arg.name, &arg.type, a, false});
      continue;
    }
    const size_t at = declared_at(module, arg.name);
    if (arg.arg != ArgKind::global || at == module.globals.size()) continue;
    if (module.globals[at].kind == GlobalKind::hyper) continue;
    globals[at] = {module.globals[at].name, &module.globals[at].type, a, true};
  }
  for (const Write& w : function.writes) {
    const size_t at = declared_at(module, w.global);
    if (at == module.globals.size()) continue;
    globals.try_emplace(at, AppliedArgument{module.globals[at].name, &module.globals[at].type, {}, true})
        .first->second.result = 0;
  }
  size_t result = function.returns;
  for (auto& [at, argument] : globals) {
    if (argument.result == 0) argument.result = result++;
    out.push_back(argument);
  }
  return out;
}

std::vector<size_t> applied_results(const Module& module, const Function& function) {
  std::vector<std::pair<size_t, size_t>> writes;
  for (size_t w = 0; w < function.writes.size(); ++w)
    writes.emplace_back(declared_at(module, function.writes[w].global), function.returns + w);
  std::sort(writes.begin(), writes.end());
  std::vector<size_t> out;
  for (size_t r = 0; r < function.returns; ++r) out.push_back(r);
  for (const auto& [at, result] : writes) out.push_back(result);
  return out;
}

Result<AppliedSizes> applied_sizes(const Function& function, std::span<const AppliedArgument> arguments,
                                   std::span<const Type> operands) {
  if (arguments.size() != operands.size()) {
    std::string wants;
    for (const AppliedArgument& a : arguments) wants += (wants.empty() ? "" : ", ") + std::string(a.name);
    return error(Code::operand_count,
                 function.name + " takes " + std::to_string(arguments.size()) + " values, has " +
                     std::to_string(operands.size()),
                 "its inputs, then the parameters and states that it reads or writes: " + wants);
  }
  AppliedSizes sizes;
  auto misfit = [&](Code code, size_t i) {
    return error(code, std::string(arguments[i].name) + " of " + function.name + " is " +
                           arguments[i].type->text() + ", given " + operands[i].text());
  };
  for (size_t i = 0; i < operands.size(); ++i) {
    const Type& wanted = *arguments[i].type;
    if (wanted.dtype != operands[i].dtype) return misfit(Code::dtype_mismatch, i);
    if (wanted.rank() != operands[i].rank()) return misfit(Code::rank_mismatch, i);
    for (size_t d = 0; d < wanted.rank(); ++d)
      if (const auto name = wanted.shape[d].as_symbol()) sizes.try_emplace(*name, operands[i].shape[d]);
  }
  for (size_t i = 0; i < operands.size(); ++i)
    for (size_t d = 0; d < operands[i].rank(); ++d)
      if (!(arguments[i].type->shape[d].substitute(sizes) == operands[i].shape[d]))
        return misfit(Code::shape_mismatch, i);
  std::erase_if(sizes, [](const auto& size) { return size.second == Dim::symbol(size.first); });
  return sizes;
}

AppliedSizes applied_sizes(const Module& module, const Graph& graph, const Node& node) {
  const Function* callee = module.find_function(node.get<std::string>("callee"));
  TENON_CHECK(callee != nullptr, "an applied function is not there");
  std::vector<Type> operands;
  for (const ValueId v : node.operands) operands.push_back(graph.type(v));
  Result<AppliedSizes> sizes = applied_sizes(*callee, applied_arguments(module, *callee), operands);
  TENON_CHECK(static_cast<bool>(sizes), sizes.errors().text());
  return std::move(*sizes);
}

void collect_applied(const Graph& graph, std::set<std::string>* names) {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (is_apply(node)) names->insert(node.get<std::string>("callee"));
    for (const auto& region : node.regions) collect_applied(*region, names);
  }
}

std::set<std::string> applied_by(const Module& module, std::span<const std::string> functions) {
  std::set<std::string> out;
  std::vector<std::string> work(functions.begin(), functions.end());
  while (!work.empty()) {
    const Function* f = module.find_function(work.back());
    work.pop_back();
    if (f == nullptr) continue;
    std::set<std::string> names;
    collect_applied(f->graph, &names);
    for (const std::string& name : names)
      if (out.insert(name).second) work.push_back(name);
  }
  return out;
}

void drop_operands(Module& module, std::string_view function, const std::vector<bool>& keep) {
  for (Function& f : module.functions) {
    each_apply(f.graph, [&](Node& node) {
      if (node.get<std::string>("callee") != function) return;
      std::vector<ValueId> left;
      for (size_t i = 0; i < node.operands.size(); ++i)
        if (keep[i]) left.push_back(node.operands[i]);
      node.operands = std::move(left);
    });
  }
}

}  // namespace tenon::ir
