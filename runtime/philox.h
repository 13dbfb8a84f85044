// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw ("Parallel random numbers: as
// easy as 1, 2, 3", 2011): 128 bits of counter and 64 bits of key give 128 random bits. A pure function, so
// any element of any stream can be computed alone, on any thread, at compile time too.
#pragma once

#include <array>
#include <cstdint>

namespace tenon::runtime {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

inline constexpr uint32_t philox_multiplier[2] = {0xD2511F53u, 0xCD9E8D57u};
// The key grows by these each round: the golden ratio and the square root of three, less one.
inline constexpr uint32_t philox_weyl[2] = {0x9E3779B9u, 0xBB67AE85u};
inline constexpr int philox_rounds = 10;

constexpr PhiloxCounter philox4x32(PhiloxCounter c, PhiloxKey k) {
  for (int round = 0; round < philox_rounds; ++round) {
    const uint64_t a = uint64_t{philox_multiplier[0]} * c[0];
    const uint64_t b = uint64_t{philox_multiplier[1]} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(a)};
    k[0] += philox_weyl[0];
    k[1] += philox_weyl[1];
  }
  return c;
}

}  // namespace tenon::runtime
