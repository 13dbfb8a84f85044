#include "ir/type.h"

#include "support/array.h"

namespace tenon::ir {

Dim Type::count() const {
  Dim n = 1;
  for (const Dim& d : shape) n = n * d;
  return n;
}

bool Type::is_static() const {
  for (const Dim& d : shape)
    if (!d.is_constant()) return false;
  return true;
}

std::string Type::text() const { return std::string(dtype_name(dtype)) + shape_text(shape); }

std::string shape_text(const Shape& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) out += ",";
    out += shape[i].text();
  }
  return out + "]";
}

Result<std::vector<int64_t>> evaluate_shape(const Shape& shape, const DimBindings& bindings) {
  std::vector<int64_t> out;
  out.reserve(shape.size());
  for (const Dim& d : shape) {
    TENON_ASSIGN(int64_t v, d.evaluate(bindings));
    out.push_back(v);
  }
  if (!checked_bytes(DType::f64, out, nullptr, nullptr))
    return error(Code::dim_range, "shape " + shape_text(shape) + " has too many elements under these sizes");
  return out;
}

}  // namespace tenon::ir
