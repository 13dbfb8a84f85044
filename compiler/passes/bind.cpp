// bind: see passes.h. Not a row of the pipeline, since it takes values.
#include "ir/batch.h"
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
    } else if (at->second.value != nullptr) {
      errors.append(error(Code::dim_range,
                          "bind: " + name + " is computed, " + name + " = " + at->second.value->text()));
    } else if (value < at->second.low || value > at->second.high) {
      errors.append(error(Code::dim_range, "bind: " + name + " = " + std::to_string(value) + " is outside " +
                                               std::to_string(at->second.low) + ".." +
                                               std::to_string(at->second.high)));
    } else {
      values.emplace(name, ir::Dim(value));
    }
  }
  if (!errors.empty()) return errors;
  // What is computed from bound dimensions alone has a value as well.
  const std::map<std::string, ir::Dim, std::less<>> given = values;
  for (auto& [name, range] : module.dims) {
    if (range.value == nullptr) continue;
    const ir::Dim value = range.value->substitute(given);
    range.value = std::make_shared<const ir::Dim>(value);
    if (!value.is_constant()) continue;
    if (value.constant() < range.low || value.constant() > range.high)
      return error(Code::dim_range, "bind: " + name + " would be " + value.text() + ", declared " +
                                        std::to_string(range.low) + ".." + std::to_string(range.high));
    values.emplace(name, value);
  }
  for (ir::Function& f : module.functions) {
    // What hosts cut data along stays known when the extents are numbers.
    if (f.batch.dim.empty())
      if (std::optional<ir::Batch> batch = ir::find_batch(f).batch; batch && values.contains(batch->dim))
        f.batch = std::move(*batch);
    ir::substitute_dims(f.graph, values);
  }
  for (const auto& [name, value] : values) {
    module.dims.erase(name);
    std::erase(module.dim_order, name);
  }
  return Ok{};
}

}  // namespace tenon::passes
