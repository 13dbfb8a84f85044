#include "target/x86_64.h"

#define TENON_X86_64_V3                                                                               \
  "+64bit,+avx,+avx2,+bmi,+bmi2,+cmov,+crc32,+cx16,+cx8,+f16c,+fma,+fxsr,+lzcnt,+mmx,+movbe,+popcnt," \
  "+sahf,+sse,+sse2,+sse3,+sse4.1,+sse4.2,+ssse3,+x87,+xsave"

namespace tenon::target {

// 16 registers hold 6 x 2 accumulators, 2 vectors of B and the broadcast of A.
constexpr Target x86_64_v3 = {
    .name = "x86-64-v3",
    .llvm_cpu = "x86-64-v3",
    .features = TENON_X86_64_V3,
    .vector_bytes = 32,
    .registers = 16,
    .lane_masks = false,
    .tile_rows = 6,
    .tile_vectors = 2,
    .l1_bytes = 32 << 10,
    .l2_bytes = 1 << 20,
};

// 32 registers hold 8 x 3 accumulators, 3 vectors of B and the broadcast of A. LLVM's tuning of this CPU
// prefers 256-bit vectors; half of the multipliers would lie idle.
constexpr Target x86_64_v4 = {
    .name = "x86-64-v4",
    .llvm_cpu = "x86-64-v4",
    .features = TENON_X86_64_V3 ",+avx512bw,+avx512cd,+avx512dq,+avx512f,+avx512vl,+evex512,-prefer-256-bit",
    .vector_bytes = 64,
    .registers = 32,
    .lane_masks = true,
    .runs_halves = true,  // Zen 4
    .tile_rows = 8,
    .tile_vectors = 3,
    .l1_bytes = 32 << 10,
    .l2_bytes = 1 << 20,
};

}  // namespace tenon::target
