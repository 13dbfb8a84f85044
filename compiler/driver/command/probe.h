// A probe of the machine: fused multiply-adds a second, in the widest vectors, of which every product is a
// share.
#pragma once

#include <cstdint>

namespace tenon::command {

// Runs `rounds` rounds of independent chains; the floating-point operations done (two an fma).
double run_fma_probe(int64_t rounds);
// Operations a second on `threads` threads at once; the best of a few tries.
double measure_fma_peak(uint32_t threads);

}  // namespace tenon::command
