#include "ir/made_names.h"

namespace tenon::ir {

MadeNames::MadeNames(const Module& module) {
  for (const Global& g : module.globals) add(g.name);
  for (const Function& f : module.functions) add(f.graph);
}

void MadeNames::add(const Graph& graph) {
  for (size_t i = 0; i < graph.value_count(); ++i)
    if (const std::string& name = graph.value(ValueId(i)).name; !name.empty()) taken_.insert(name);
}

std::string MadeNames::claim(std::string_view wanted) {
  std::string name(wanted);
  for (int n = 1; !taken_.insert(name).second; ++n) name = std::string(wanted) + "." + std::to_string(n);
  return name;
}

std::vector<std::string> result_names(const Function& function) {
  std::vector<std::string> names = function.result_names;
  names.resize(function.returns);
  MadeNames made;
  for (const std::string& name : names) made.add(name);
  for (size_t i = 0; i < names.size(); ++i) {
    if (!names[i].empty()) continue;
    const std::string& own = function.graph.value(function.graph.results[i]).name;
    names[i] = own.empty() || made.has(own) ? made.claim("out" + std::to_string(i)) : made.claim(own);
  }
  return names;
}

}  // namespace tenon::ir
