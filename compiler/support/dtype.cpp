#include "support/dtype.h"

#include "support/check.h"

namespace tenon::support {

std::optional<DType> parse_dtype(std::string_view name) {
  for (size_t i = 0; i < dtype_count; ++i) {
    const DType d = static_cast<DType>(i);
    if (dtype_name(d) == name) return d;
  }
  return std::nullopt;
}

namespace detail {

void no_arithmetic(DType d) {
  check_failed(__FILE__, __LINE__, "the element type computes", std::string(dtype_name(d)));
}

}  // namespace detail

}  // namespace tenon::support
