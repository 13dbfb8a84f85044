// Verifier of kernel IR, and the limits that keep code generation small (T502): lanes, unrolled statements,
// register arrays and constants are bounded before LLVM sees them.
#pragma once

#include "kernel/kernel.h"

namespace tenon::kernel {

struct Limits {
  int64_t lane_width = 128;             // W of one lanes loop
  int64_t expanded_statements = 65536;  // after unroll and specialize, per function
  int64_t registers = 256;              // elements of one register array
  int64_t scratch_bytes = 8192;         // of a function
  int64_t register_bytes = 1 << 20;     // of all variables and lets in scope at one place: they may spill
};
Status verify(const Function& function, const Module& module, const Limits& limits = {});
Status verify(const Module& module, const Limits& limits = {});

}  // namespace tenon::kernel
