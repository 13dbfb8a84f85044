// Bytes from one place to another. What is empty may lie nowhere, and memcpy takes no null pointer even then.
#pragma once

#include <cstddef>
#include <cstring>

namespace tenon::support {

inline void copy_bytes(void* to, const void* from, size_t bytes) {
  if (bytes != 0) std::memcpy(to, from, bytes);
}

}  // namespace tenon::support
