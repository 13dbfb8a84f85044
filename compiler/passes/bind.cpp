// bind: see passes.h. Not a row of the pipeline, since it takes values: `bind{n = 8}` is a step of one.
#include <algorithm>

#include "ir/apply.h"
#include "ir/batch.h"
#include "ir/substitute.h"
#include "passes/passes.h"
#include "support/text.h"

namespace tenon::passes {
namespace {

// A function that is applied at sizes which a bound dimension does not have: it gets an instance of its own
// for them (the last batch of an epoch, which is shorter than the bound one).
class Instances {
 public:
  Instances(ir::Module& module, const ir::AppliedSizes& values) : module_(module), values_(values) {}

  void run() {
    for (size_t i = 0; i < module_.functions.size(); ++i) visit(module_.functions[i].graph);
    if (made_.empty()) return;
    Named<ir::Function> all;
    for (ir::Function& f : module_.functions) {
      const std::string name = f.name;
      all.push_back(std::move(f));
      // Beside the function that it is an instance of: functions stand before those that apply them.
      for (Made& m : made_)
        if (m.of == name) all.push_back(std::move(m.function));
    }
    module_.functions = std::move(all);
  }

 private:
  struct Made {
    std::string of, sizes;
    ir::Function function;
  };

  void visit(ir::Graph& graph) {
    for (size_t i = 0; i < graph.node_count(); ++i) {
      ir::Node& node = graph.node(ir::NodeId(i));
      for (const auto& region : node.regions) visit(*region);
      if (!ir::is_apply(node)) continue;
      const ir::AppliedSizes sizes = ir::applied_sizes(module_, graph, node);
      const bool other = std::any_of(sizes.begin(), sizes.end(), [&](const auto& size) {
        const auto bound = values_.find(size.first);
        return bound != values_.end() && !(size.second.substitute(values_) == bound->second);
      });
      if (other) node.attrs[node.op->attr_index("callee")] = instance(node.get<std::string>("callee"), sizes);
    }
  }

  std::string instance(const std::string& name, const ir::AppliedSizes& sizes) {
    std::string text;
    for (const auto& [dim, size] : sizes) text += dim + "=" + size.text() + ",";
    for (const Made& m : made_)
      if (m.of == name && m.sizes == text) return m.function.name;
    ir::Function f = *module_.find_function(name);
    f.procedure = true;
    f.batch = {};
    auto taken = [&](const std::string& wanted) {
      return module_.find_function(wanted) != nullptr ||
             std::any_of(made_.begin(), made_.end(),
                         [&](const Made& m) { return m.function.name == wanted; });
    };
    for (int n = 2; taken(f.name); ++n) f.name = name + "." + std::to_string(n);
    ir::substitute_dims(f.graph, sizes);
    visit(f.graph);
    made_.push_back({name, std::move(text), std::move(f)});
    return made_.back().function.name;
  }

  ir::Module& module_;
  const ir::AppliedSizes& values_;
  std::vector<Made> made_;
};

void instantiate(ir::Module& module, const ir::AppliedSizes& values) { Instances(module, values).run(); }

}  // namespace

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
  instantiate(module, values);
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

namespace {

Result<bool> run(ir::Module& module, const pass::Options& options, pass::Counts& /*counts*/) {
  std::map<std::string, int64_t, std::less<>> dims;
  for (const auto& [name, text] : options) {
    const std::optional<int64_t> value = parse_int(text);
    if (!value) return error(Code::pass_unknown, "bind: " + name + " takes a number, found " + quote(text));
    dims.emplace(name, *value);
  }
  TENON_TRY(passes::bind(module, dims));
  return !dims.empty();
}

constexpr pass::OptionAbout any_dimension[] = {{"", "a named dimension, and the number it becomes"}};

}  // namespace

const Pass bind_dims{
    {"bind", "needs verified functions; named dimensions become numbers, which have to lie in their ranges",
     any_dimension},
    run};

}  // namespace tenon::passes
