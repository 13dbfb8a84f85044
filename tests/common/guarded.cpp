#include "common/guarded.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "support/check.h"

namespace tenon::test {

Guarded::Guarded(size_t bytes, int fill) : bytes_(bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t body = (bytes + page - 1) / page * page;
  mapped_ = body + 2 * page;
  base_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  TENON_CHECK(base_ != MAP_FAILED, "no memory");
  std::byte* start = static_cast<std::byte*>(base_);
  TENON_CHECK(mprotect(start, page, PROT_NONE) == 0 && mprotect(start + page + body, page, PROT_NONE) == 0,
              "no guard pages");
  data_ = start + page + body - bytes;
  if (bytes != 0) std::memset(data_, fill, bytes);
}

Guarded::Guarded(Guarded&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      mapped_(other.mapped_),
      bytes_(other.bytes_),
      data_(other.data_) {}

Guarded::~Guarded() {
  if (base_ != nullptr) munmap(base_, mapped_);
}

}  // namespace tenon::test
