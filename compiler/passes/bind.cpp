// bind: see passes.h. Not a row of the pipeline, since it takes values.
#include "ir/substitute.h"
#include "passes/passes.h"
#include "support/text.h"

namespace tenon::passes {

Status bind(ir::Module& module, const std::map<std::string, int64_t, std::less<>>& dims) {
  Errors errors;
  std::map<std::string, ir::Dim, std::less<>> values;
  for (const auto& [name, value] : dims) {
    const auto at = module.dims.find(name);
    if (at == module.dims.end()) {
      std::vector<std::string_view> names;
      for (const std::string& n : module.dim_order) names.push_back(n);
      const std::string_view near = nearest(name, names);
      errors.append(error(Code::undefined_name, "bind: no dimension is named " + name,
                          near.empty() ? "" : "did you mean " + std::string(near) + "?"));
    } else if (value < at->second.low || value > at->second.high) {
      errors.append(error(Code::dim_range, "bind: " + name + " = " + std::to_string(value) + " is outside " +
                                               std::to_string(at->second.low) + ".." +
                                               std::to_string(at->second.high)));
    } else {
      values.emplace(name, ir::Dim(value));
    }
  }
  if (!errors.empty()) return errors;
  for (ir::Function& f : module.functions) ir::substitute_dims(f.graph, values);
  for (const auto& [name, value] : values) {
    module.dims.erase(name);
    std::erase(module.dim_order, name);
  }
  return Ok{};
}

}  // namespace tenon::passes
