// The x86-64 families as data rows. Features are complete: nothing is taken from what an LLVM CPU name
// implies, so that one name and one list always mean the same code.
#pragma once

#include "target/target.h"

namespace tenon::target {

extern const Target x86_64_v3;  // AVX2, FMA: Haswell, Zen and later
extern const Target x86_64_v4;  // AVX-512 F, BW, CD, DQ, VL: Skylake server, Zen 4 and later

}  // namespace tenon::target
