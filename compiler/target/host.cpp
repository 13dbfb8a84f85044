#include "target/host.h"

#include <array>
#include <map>

#include "target/x86_64.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tenon::target {

#if defined(__x86_64__)
namespace {

// What the operating system saves of the registers; asked only where xsave is switched on.
uint32_t saved_here() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

// xsave (bit 26 of ecx) is there, and switched on by the operating system (27).
bool switched_on() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && ((c >> 27) & 1) != 0;
}

// Each leaf is asked once: in a virtual machine the instruction leaves the guest.
bool has_bit(const CpuidBit& b) {
  static const std::map<uint32_t, std::array<unsigned, 4>> leaves = [] {
    std::map<uint32_t, std::array<unsigned, 4>> out;
    for (const CpuidBit& bit : cpuid_bits()) {
      const auto [at, fresh] = out.try_emplace(bit.leaf);
      std::array<unsigned, 4>& r = at->second;
      if (fresh && __get_cpuid_count(bit.leaf, 0, &r[0], &r[1], &r[2], &r[3]) == 0) r = {};
    }
    return out;
  }();
  return ((leaves.at(b.leaf)[b.reg] >> b.bit) & 1) != 0;
}

}  // namespace

bool host_has_feature(std::string_view feature) {
  if (always_there(feature)) return true;
  for (const CpuidBit& b : cpuid_bits()) {
    if (b.feature != feature) continue;
    const uint32_t saved = saved_registers(feature);
    return has_bit(b) && (saved == 0 || (switched_on() && (saved_here() & saved) == saved));
  }
  return false;
}
#else
bool host_has_feature(std::string_view) { return false; }
#endif

}  // namespace tenon::target
