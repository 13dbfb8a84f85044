// The x86-64 families as data rows. Features are complete: nothing is taken from what an LLVM CPU name
// implies, so that one name and one list always mean the same code.
#pragma once

#include "target/target.h"

namespace tenon::target {

extern const Family x86_64;
extern const Target x86_64_v3;  // AVX2, FMA: Haswell, Zen and later
extern const Target x86_64_v4;  // AVX-512 F, BW, CD, DQ, VL: Skylake server, Zen 4 and later

// Where the instruction cpuid tells a feature: the register (eax, ebx, ecx, edx: 0 to 3) and its bit.
struct CpuidBit {
  std::string_view feature;
  uint32_t leaf;
  unsigned reg, bit;
};
std::span<const CpuidBit> cpuid_bits();
// Register sets that the operating system must save for a feature: bits of XCR0; 0: none.
uint32_t saved_registers(std::string_view feature);
// Of every processor of the family, without a bit.
bool always_there(std::string_view feature);

}  // namespace tenon::target
