// Hashing. Hasher gives the 128-bit structural hash that keys kernels and names symbols; fnv1a is the plain
// published function (Fowler, Noll, Vo) used for state hashes that C programs compute as well.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tenon::support {

inline uint64_t fnv1a(const void* data, size_t bytes, uint64_t seed = 0xcbf29ce484222325ull) {
  const unsigned char* p = static_cast<const unsigned char*>(data);
  uint64_t h = seed;
  for (size_t i = 0; i < bytes; ++i) h = (h ^ p[i]) * 0x100000001b3ull;
  return h;
}
inline uint64_t fnv1a(std::string_view text) { return fnv1a(text.data(), text.size()); }

// Two independent multiply-xorshift lanes; not cryptographic. The same on every machine and run.
class Hasher {
 public:
  Hasher& add(uint64_t word) {
    a_ = mix(a_ ^ word, 0x9e3779b97f4a7c15ull);
    b_ = mix(b_ + word, 0xd6e8feb86659fd93ull);
    return *this;
  }
  Hasher& add(std::string_view text) {
    add(uint64_t{text.size()} + 0x7465787400000000ull);  // no text equals a sequence of small words
    size_t i = 0;
    for (; i + 8 <= text.size(); i += 8) {
      uint64_t w;
      std::memcpy(&w, text.data() + i, 8);
      add(w);
    }
    uint64_t tail = 0;
    if (i < text.size()) std::memcpy(&tail, text.data() + i, text.size() - i);
    return add(tail);
  }
  uint64_t low() const { return a_; }
  uint64_t high() const { return b_; }
  std::string hex() const;  // 32 digits

 private:
  static uint64_t mix(uint64_t x, uint64_t m) {
    x *= m;
    x ^= x >> 32;
    x *= m;
    return x ^ (x >> 29);
  }
  uint64_t a_ = 0x243f6a8885a308d3ull, b_ = 0x13198a2e03707344ull;
};

}  // namespace tenon::support
