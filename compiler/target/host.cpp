#include "target/host.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tenon::target {

#if defined(__x86_64__)
namespace {

// For the vector sets the compiler's helper also asks whether the operating system saves the registers.
// The rest has no register state of its own (f16c lives in AVX's), and clang's helper does not name it.
bool cpuid_bit(unsigned leaf, unsigned bit) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(leaf, &a, &b, &c, &d) != 0 && ((c >> bit) & 1) != 0;
}

}  // namespace

bool host_has_feature(std::string_view feature) {
  __builtin_cpu_init();
#define TENON_HAS(name) \
  if (feature == name) return __builtin_cpu_supports(name) != 0;
  TENON_HAS("cmov")
  TENON_HAS("mmx")
  TENON_HAS("sse")
  TENON_HAS("sse2")
  TENON_HAS("sse3")
  TENON_HAS("ssse3")
  TENON_HAS("sse4.1")
  TENON_HAS("sse4.2")
  TENON_HAS("popcnt")
  TENON_HAS("avx")
  TENON_HAS("avx2")
  TENON_HAS("fma")
  TENON_HAS("bmi")
  TENON_HAS("bmi2")
  TENON_HAS("avx512f")
  TENON_HAS("avx512bw")
  TENON_HAS("avx512cd")
  TENON_HAS("avx512dq")
  TENON_HAS("avx512vl")
#undef TENON_HAS
  if (feature == "f16c") return __builtin_cpu_supports("avx") != 0 && cpuid_bit(1, 29);
  if (feature == "cx16") return cpuid_bit(1, 13);
  if (feature == "movbe") return cpuid_bit(1, 22);
  if (feature == "xsave") return cpuid_bit(1, 27);  // present, and switched on by the operating system
  if (feature == "sahf") return cpuid_bit(0x80000001u, 0);
  if (feature == "lzcnt") return cpuid_bit(0x80000001u, 5);
  if (feature == "crc32") return __builtin_cpu_supports("sse4.2") != 0;
  if (feature == "evex512") return __builtin_cpu_supports("avx512f") != 0;
  return feature == "64bit" || feature == "x87" || feature == "cx8" || feature == "fxsr";  // every x86-64
}
#else
bool host_has_feature(std::string_view) { return false; }
#endif

}  // namespace tenon::target
