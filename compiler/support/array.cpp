#include "support/array.h"

namespace tenon::support {

bool checked_bytes(DType dtype, std::span<const int64_t> shape, int64_t* count, int64_t* bytes) {
  constexpr int64_t limit = int64_t{1} << 62;
  bool empty = false;
  for (int64_t extent : shape) {
    if (extent < 0) return false;
    if (extent == 0) empty = true;
  }
  int64_t n = 1;
  // A zero extent makes the product zero, yet the others must still be sane: 0 x 2^62 x 2^62 is refused.
  for (int64_t extent : shape) {
    if (extent == 0) continue;
    if (n > limit / extent) return false;
    n *= extent;
  }
  int64_t size = static_cast<int64_t>(dtype_bytes(dtype));
  if (n > limit / size) return false;
  if (count != nullptr) *count = empty ? 0 : n;
  if (bytes != nullptr) *bytes = empty ? 0 : n * size;
  return true;
}

Array::Array(DType dtype, std::vector<int64_t> shape) : dtype_(dtype), shape_(std::move(shape)) {
  int64_t bytes = 0;
  TENON_CHECK(checked_bytes(dtype_, shape_, &count_, &bytes), "array extents overflow");
  bytes_.resize(static_cast<size_t>(bytes));
}

bool operator==(const Array& a, const Array& b) {
  return a.dtype_ == b.dtype_ && a.shape_ == b.shape_ && a.bytes_ == b.bytes_;
}

}  // namespace tenon::support
