#include "driver/command/probe.h"

#include <algorithm>
#include <chrono>

#include "runtime/parallel.h"
#include "target/host.h"

namespace tenon::command {
namespace {

// Twelve chains hide the latency of fma on every processor so far. Written as instructions: what is measured
// must not depend on what a compiler makes of it.
#define TENON_CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

typedef float Vector16 __attribute__((vector_size(64)));
typedef float Vector8 __attribute__((vector_size(32)));

__attribute__((target("avx512f"))) void rounds_512(int64_t rounds) {
  Vector16 a = {}, b = {};
#define X(n) Vector16 c##n = {};
  TENON_CHAINS(X)
#undef X
  for (int64_t i = 0; i < rounds; ++i) {
#define X(n) asm volatile("vfmadd231ps %1, %2, %0" : "+v"(c##n) : "v"(a), "v"(b));
    TENON_CHAINS(X)
#undef X
  }
}

__attribute__((target("avx2,fma"))) void rounds_256(int64_t rounds) {
  Vector8 a = {}, b = {};
#define X(n) Vector8 c##n = {};
  TENON_CHAINS(X)
#undef X
  for (int64_t i = 0; i < rounds; ++i) {
#define X(n) asm volatile("vfmadd231ps %1, %2, %0" : "+x"(c##n) : "x"(a), "x"(b));
    TENON_CHAINS(X)
#undef X
  }
}

void probe_body(void* arg, uint32_t) { run_fma_probe(*static_cast<int64_t*>(arg)); }

}  // namespace

double run_fma_probe(int64_t rounds) {
  static const bool wide = target::host_has_feature("avx512f");
  if (wide)
    rounds_512(rounds);
  else
    rounds_256(rounds);
  return static_cast<double>(rounds) * 12 * 2 * (wide ? 16 : 8);
}

double measure_fma_peak(uint32_t threads) {
  using Clock = std::chrono::steady_clock;
  int64_t rounds = 2000000;
  runtime::Pool pool(threads);
  run_fma_probe(rounds);
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const auto start = Clock::now();
    pool.team(probe_body, &rounds);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double done = static_cast<double>(rounds) * 12 * 2 * (target::host_has_feature("avx512f") ? 16 : 8);
    best = std::max(best, done * pool.workers() / seconds);
  }
  return best;
}

}  // namespace tenon::command
