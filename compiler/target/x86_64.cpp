#include "target/x86_64.h"

#define TENON_X86_64_V3                                                                               \
  "+64bit,+avx,+avx2,+bmi,+bmi2,+cmov,+crc32,+cx16,+cx8,+f16c,+fma,+fxsr,+lzcnt,+mmx,+movbe,+popcnt," \
  "+sahf,+sse,+sse2,+sse3,+sse4.1,+sse4.2,+ssse3,+x87,+xsave"

namespace tenon::target {

constexpr Family x86_64 = {
    .name = "x86-64",
    .triple = "x86_64-unknown-linux-gnu",
    .data_layout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128",
    .store_float_control = "llvm.x86.sse.stmxcsr",
    .load_float_control = "llvm.x86.sse.ldmxcsr",
    .float_control = 0x1f80,
    .float_flags = 0x3f,
    .pause = "llvm.x86.sse2.pause",
};

namespace {

enum : unsigned { ebx = 1, ecx, edx };
constexpr uint32_t basic = 1, extended = 7, amd = 0x80000001;
constexpr CpuidBit bits[] = {
    {"x87", basic, edx, 0},          {"cx8", basic, edx, 8},          {"cmov", basic, edx, 15},
    {"mmx", basic, edx, 23},         {"fxsr", basic, edx, 24},        {"sse", basic, edx, 25},
    {"sse2", basic, edx, 26},        {"sse3", basic, ecx, 0},         {"ssse3", basic, ecx, 9},
    {"fma", basic, ecx, 12},         {"cx16", basic, ecx, 13},        {"sse4.1", basic, ecx, 19},
    {"sse4.2", basic, ecx, 20},      {"crc32", basic, ecx, 20},       {"movbe", basic, ecx, 22},
    {"popcnt", basic, ecx, 23},      {"xsave", basic, ecx, 27},       {"avx", basic, ecx, 28},
    {"f16c", basic, ecx, 29},        {"bmi", extended, ebx, 3},       {"avx2", extended, ebx, 5},
    {"bmi2", extended, ebx, 8},      {"avx512f", extended, ebx, 16},  {"evex512", extended, ebx, 16},
    {"avx512dq", extended, ebx, 17}, {"avx512cd", extended, ebx, 28}, {"avx512bw", extended, ebx, 30},
    {"avx512vl", extended, ebx, 31}, {"sahf", amd, ecx, 0},           {"lzcnt", amd, ecx, 5},
};

}  // namespace

std::span<const CpuidBit> cpuid_bits() { return bits; }

uint32_t saved_registers(std::string_view feature) {
  constexpr uint32_t avx = 0x06, avx512 = 0xe0;
  if (feature == "avx512f") return avx512;
  return feature == "avx" ? avx : 0;
}

bool always_there(std::string_view feature) { return feature == "64bit"; }

// 16 registers hold 6 x 2 accumulators, 2 vectors of B and the broadcast of A.
constexpr Target x86_64_v3 = {
    .name = "x86-64-v3",
    .llvm_cpu = "x86-64-v3",
    .features = TENON_X86_64_V3,
    .family = &x86_64,
    .vector_bytes = 32,
    .registers = 16,
    .lane_masks = false,
    .tile_rows = 6,
    .tile_vectors = 2,
    .copied_rows = 192,
    .l1_bytes = 32 << 10,
    .l2_bytes = 1 << 20,
};

// 32 registers hold 8 x 3 accumulators, 3 vectors of B and the broadcast of A. LLVM's tuning of this CPU
// prefers 256-bit vectors; half of the multipliers would lie idle.
constexpr Target x86_64_v4 = {
    .name = "x86-64-v4",
    .llvm_cpu = "x86-64-v4",
    .features = TENON_X86_64_V3 ",+avx512bw,+avx512cd,+avx512dq,+avx512f,+avx512vl,+evex512,-prefer-256-bit",
    .family = &x86_64,
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
