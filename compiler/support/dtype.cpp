#include "support/dtype.h"

namespace tenon::support {
namespace {

struct Row {
  std::string_view name;
  size_t bytes;
  bool computes;
};

constexpr Row rows[] = {
#define X(name, type, bytes, computes) {#name, bytes, computes},
    TENON_DTYPES(X)
#undef X
};
static_assert(sizeof(rows) / sizeof(rows[0]) == dtype_count);

}  // namespace

std::string_view dtype_name(DType dtype) {
  // bool is a C++ keyword, so the enumerator carries an underscore that the text form does not.
  return dtype == DType::bool_ ? std::string_view("bool") : rows[static_cast<size_t>(dtype)].name;
}

std::optional<DType> parse_dtype(std::string_view name) {
  for (size_t i = 0; i < dtype_count; ++i) {
    DType d = static_cast<DType>(i);
    if (dtype_name(d) == name) return d;
  }
  return std::nullopt;
}

size_t dtype_bytes(DType dtype) { return rows[static_cast<size_t>(dtype)].bytes; }
bool dtype_computes(DType dtype) { return rows[static_cast<size_t>(dtype)].computes; }

}  // namespace tenon::support
