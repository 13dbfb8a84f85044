#include "driver/command/gradient.h"

#include "driver/command/model.h"
#include "ir/verify.h"

namespace tenon::command {

Status add_gradient(ir::Module& module, const std::string& function, const std::string& name,
                    const std::vector<std::string>& wrt, const std::string& mode) {
  TENON_ASSIGN(const ir::Function* source, function_of(module, function));
  ir::Derive derive;
  derive.name = name;
  derive.kind = "grad";
  derive.source = source->name;
  derive.location = source->location;
  if (!wrt.empty()) {
    ir::Option option;
    option.name = "wrt";
    option.list = wrt;
    option.is_list = true;
    derive.options.push_back(std::move(option));
  }
  if (!mode.empty()) {
    ir::Option option;
    option.name = "mode";
    option.word = mode;
    derive.options.push_back(std::move(option));
  }
  module.derives.push_back(std::move(derive));
  return Ok{};
}

namespace {

bool is_narrow(DType d) { return is_float(d) && d != DType::f64; }

}  // namespace

Array widened(const Array& a) {
  if (!is_narrow(a.dtype())) return a;
  Array out(DType::f64, a.shape());
  with_float(a.dtype(), [&]<class T>() { std::ranges::copy(a.as<T>(), out.as<double>().begin()); });
  return out;
}

namespace {

void widen(ir::Type& type) {
  if (is_narrow(type.dtype)) type.dtype = DType::f64;
}

void widen(ir::Graph& graph) {
  for (size_t v = 0; v < graph.value_count(); ++v) widen(graph.value(ir::ValueId(v)).type);
  for (size_t n = 0; n < graph.node_count(); ++n) {
    ir::Node& node = graph.node(ir::NodeId(n));
    for (ir::Attr& attr : node.attrs) {
      if (DType* dtype = std::get_if<DType>(&attr); dtype != nullptr && is_narrow(*dtype))
        *dtype = DType::f64;
      const auto* array = std::get_if<std::shared_ptr<const Array>>(&attr);
      if (array == nullptr || *array == nullptr || !is_narrow((*array)->dtype())) continue;
      attr = std::make_shared<const Array>(widened(**array));
    }
    // Nesting of regions is bounded (max_region_depth).
    for (auto& region : node.regions) widen(*region);
  }
}

}  // namespace

Result<ir::Module> widened(ir::Module module) {
  for (ir::Global& g : module.globals) widen(g.type);
  for (ir::Function& f : module.functions) widen(f.graph);
  TENON_TRY(ir::verify(module));
  return module;
}

}  // namespace tenon::command
