// What the benchmarks share: timing in one run beside peers, under a probe.
//
// A machine's speed flips while a benchmark runs: a neighbour on the core's other thread halves it. So each
// sample stands between two runs of a probe, a loop of independent multiply-adds in registers, and counts
// only where both reach 0.95 of the probe's peak: what one in ten of all its runs reaches. (The best of all
// would not do: a clock that once ticked oddly would shut out every sample.) Contenders take turns, sample by
// sample; time is the thread's processor time; a figure is the median of at least nine samples that count.
// Where too few do, the table says so: such a figure carries a `?`.
#pragma once

#include <immintrin.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace bench {

inline double clock_seconds(clockid_t id) {
  timespec t;
  clock_gettime(id, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}
inline double cpu_seconds() { return clock_seconds(CLOCK_THREAD_CPUTIME_ID); }
inline double wall_seconds() { return clock_seconds(CLOCK_MONOTONIC); }

/// 8 x 48 floats: what the largest tile of a matrix product keeps in registers. GFLOP/s of this thread.
inline double probe() {
  constexpr int steps = 20000;
#if defined(__AVX512F__)
  using Vector = __m512;
  constexpr int lanes = 16, chains = 24;
  const Vector x = _mm512_set1_ps(0.5f);
  auto fma = [](Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); };
#else
  using Vector = __m256;
  constexpr int lanes = 8, chains = 12;
  const Vector x = _mm256_set1_ps(0.5f);
  auto fma = [](Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); };
#endif
  // Unrolled by templates: an array indexed by a loop that stays a loop would live in memory.
  return [&]<size_t... I>(std::index_sequence<I...>) {
    Vector acc[chains] = {((void)I, x)...};
    const double start = cpu_seconds();
    for (int s = 0; s < steps; ++s) {
      ((acc[I] = fma(x, x, acc[I])), ...);
      (([&] { __asm__ volatile("" : "+v"(acc[I])); }()), ...);
    }
    return 2e-9 * lanes * chains * steps / (cpu_seconds() - start);
  }(std::make_index_sequence<chains>{});
}

struct Contender {
  std::string name;
  std::function<void()> run;
  double flop = 0;  // of one run; 0: no rate
};

struct Figure {
  std::string name;
  double seconds = 0;   // of one run, median
  double fraction = 0;  // of the probe
  int kept = 0, taken = 0;
  bool sure() const { return kept >= 9; }
};

inline double median(std::vector<double> v) {
  if (v.empty()) return 0;
  std::sort(v.begin(), v.end());
  const size_t n = v.size();
  return n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/// All runs of the probe in this process, in order of size.
inline std::vector<double>& probes() {
  static std::vector<double> all;
  return all;
}
inline double peak() {
  const std::vector<double>& all = probes();
  return all.empty() ? 0 : all[(all.size() - 1) * 9 / 10];
}
inline double noted(double rate) {
  std::vector<double>& all = probes();
  all.insert(std::upper_bound(all.begin(), all.end(), rate), rate);
  return rate;
}

struct Settings {
  int wanted = 9;        // samples that count
  double sample = 2e-3;  // seconds of one
  double limit = 6;      // wall seconds for all contenders of a row
  bool wall = false;     // wall time: where the work is spread over threads
};

/// All contenders in turns.
inline std::vector<Figure> measure(const std::vector<Contender>& contenders, const Settings& s = {}) {
  struct Sample {
    double seconds, probe;
  };
  const size_t n = contenders.size();
  std::vector<int> repeats(n, 1);
  std::vector<std::vector<Sample>> samples(n);
  auto now = [&] { return s.wall ? wall_seconds() : cpu_seconds(); };
  for (size_t i = 0; i < n; ++i) {
    contenders[i].run();
    double least = 1e9;
    for (int t = 0; t < 2; ++t) {
      const double start = now();
      contenders[i].run();
      least = std::min(least, now() - start);
    }
    repeats[i] = std::max(1, static_cast<int>(s.sample / std::max(least, 1e-9)));
  }
  for (int t = 0; t < 20; ++t) noted(probe());
  const double begin = wall_seconds();
  for (int round = 0;; ++round) {
    bool done = true;
    for (size_t i = 0; i < n; ++i) {
      const double before = noted(probe());
      contenders[i].run();  // caches and predictors belong to it again
      const double start = now();
      for (int r = 0; r < repeats[i]; ++r) contenders[i].run();
      const double seconds = (now() - start) / repeats[i];
      const double after = noted(probe());
      samples[i].push_back({seconds, std::min(before, after)});
      const auto kept = std::count_if(samples[i].begin(), samples[i].end(),
                                      [](const Sample& p) { return p.probe >= 0.95 * peak(); });
      done = done && kept >= s.wanted;
    }
    if (done || wall_seconds() - begin > s.limit) break;
  }
  std::vector<Figure> out;
  for (size_t i = 0; i < n; ++i) {
    Figure f;
    f.name = contenders[i].name;
    f.taken = static_cast<int>(samples[i].size());
    std::vector<double> kept;
    for (const Sample& p : samples[i])
      if (p.probe >= 0.95 * peak()) kept.push_back(p.seconds);
    f.kept = static_cast<int>(kept.size());
    if (kept.empty())  // the best there is, marked by sure()
      for (const Sample& p : samples[i]) kept.push_back(p.seconds);
    f.seconds = median(kept);
    if (contenders[i].flop > 0) f.fraction = contenders[i].flop / f.seconds * 1e-9 / peak();
    out.push_back(f);
  }
  return out;
}

inline const char* mark(const Figure& f) { return f.sure() ? "" : "?"; }

/// Numbers in [-1, 1) that anybody can draw again.
inline void fill(std::vector<float>& v, uint64_t seed) {
  for (size_t i = 0; i < v.size(); ++i) {
    uint64_t z = seed * 0x9E3779B97F4A7C15ull + i * 0xBF58476D1CE4E5B9ull + 1;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    v[i] = static_cast<float>(static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1.0);
  }
}

/// Largest difference over the largest magnitude.
inline double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0, scale = 1e-30;
  for (size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, static_cast<double>(std::fabs(a[i] - b[i])));
    scale = std::max(scale, static_cast<double>(std::fabs(b[i])));
  }
  return most / scale;
}

inline void check(const char* what, double found, double allowed) {
  if (found <= allowed) return;
  std::fprintf(stderr, "%s: results differ by %.3g, allowed is %.3g\n", what, found, allowed);
  std::exit(1);
}

}  // namespace bench
