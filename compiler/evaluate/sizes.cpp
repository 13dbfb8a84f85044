#include "evaluate/sizes.h"

#include <algorithm>

namespace tenon::evaluate {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  ir::Shape dims(shape.begin(), shape.end());
  return ir::shape_text(dims);
}

// The one name that `dim` needs and `dims` lacks, with its value for this extent, where dim is c*n + k.
void solve(const ir::Dim& dim, int64_t extent, ir::DimBindings* dims) {
  if (dim.is_constant() || dim.overflowed() || dim.terms().size() != 1) return;
  const ir::Dim::Term& term = dim.terms().front();
  if (term.factors.size() != 1 || term.factors[0].name.empty() || dims->count(term.factors[0].name)) return;
  const int64_t rest = extent - dim.offset();
  if (rest % term.coefficient == 0) (*dims)[term.factors[0].name] = rest / term.coefficient;
}

Status check_shape(const std::string& what, const ir::Type& type, const Array& value,
                   const ir::DimBindings& dims) {
  if (value.dtype() != type.dtype)
    return error(Code::data_shape, what + " has elements of type " + std::string(dtype_name(value.dtype())) +
                                       ", expected " + type.text());
  TENON_ASSIGN(const std::vector<int64_t> shape, ir::evaluate_shape(type.shape, dims));
  if (shape != value.shape())
    return error(Code::data_shape, what + " has shape " + shape_text(value.shape()) + ", expected " +
                                       shape_text(shape) + " for " + type.text());
  return Ok{};
}

}  // namespace

Result<ir::DimBindings> bind_sizes(const ir::Module& module, const ir::Function& function,
                                   const Inputs& inputs) {
  ir::DimBindings dims = inputs.dims;
  std::vector<ir::ValueId> args;
  for (ir::ValueId a : function.graph.args)
    if (function.graph.value(a).arg == ir::ArgKind::input) args.push_back(a);
  if (args.size() != inputs.arguments.size())
    return error(Code::data_shape, function.name + " takes " + std::to_string(args.size()) +
                                       " arguments, given " + std::to_string(inputs.arguments.size()));
  // Each round may tell a name that another extent waits for.
  for (size_t known = dims.size() + 1; known != dims.size();) {
    known = dims.size();
    for (size_t i = 0; i < args.size(); ++i) {
      const ir::Shape& shape = function.graph.type(args[i]).shape;
      for (size_t d = 0; d < std::min(shape.size(), inputs.arguments[i].rank()); ++d)
        solve(shape[d], inputs.arguments[i].shape()[d], &dims);
    }
  }
  TENON_TRY(ir::bind_computed(module.dims, &dims));
  for (const auto& [name, value] : dims) {
    auto range = module.dims.find(name);
    if (range == module.dims.end()) continue;
    if (value < range->second.low || value > range->second.high)
      return error(Code::size_range, name + " is " + std::to_string(value) + ", declared " +
                                         std::to_string(range->second.low) + ".." +
                                         std::to_string(range->second.high));
  }
  Errors errors;
  for (size_t i = 0; i < args.size(); ++i) {
    const ir::Value& arg = function.graph.value(args[i]);
    Status fits =
        check_shape("argument " + arg.name + " of " + function.name, arg.type, inputs.arguments[i], dims);
    if (!fits) errors.append(fits.take_errors());
  }
  if (!errors.empty()) return errors;
  return dims;
}

Result<Array> entry_value(const ir::Module& module, const std::string& name, const ir::Type& type,
                          const Inputs& inputs, const ir::DimBindings& dims) {
  if (auto given = inputs.globals.find(name); given != inputs.globals.end()) {
    TENON_TRY(check_shape(name, type, given->second, dims));
    return given->second;
  }
  const ir::Global* global = module.find_global(name);
  if (global == nullptr || global->kind != ir::GlobalKind::hyper || global->init.args.empty())
    return error(Code::data_shape, "no value is given for " + name + " : " + type.text());
  Array value(type.dtype, {});
  with_dtype(type.dtype, [&]<class T>() { value.as<T>()[0] = global->init.args[0].as<T>(); });
  return value;
}

Result<int64_t> dim_value(const ir::Dim& dim, const ir::DimBindings& dims) {
  if (dim.is_constant()) return dim.constant();
  // Extents are never negative; a shifted one tells the difference.
  constexpr int64_t shift = int64_t{1} << 52;
  TENON_ASSIGN(const int64_t shifted, (dim + shift).evaluate(dims));
  return shifted - shift;
}

std::vector<int64_t> row_major(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * shape[d];
  return strides;
}

int64_t element_count(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

}  // namespace tenon::evaluate
