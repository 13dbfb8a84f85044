// The probe of bench.h for Python, on one thread or on several at once.
#include <thread>

#include "bench.h"

extern "C" double bench_probe() { return bench::probe(); }

/// The slowest of `threads` probes that run at once, by wall time: what a thread of a team gets.
extern "C" double bench_team_probe(int threads) {
  std::vector<double> rates(static_cast<size_t>(threads));
  std::vector<std::thread> team;
  auto run = [&](size_t i) {
    const double wall = bench::wall_seconds(), cpu = bench::cpu_seconds();
    const double rate = bench::probe();
    const double share = (bench::cpu_seconds() - cpu) / (bench::wall_seconds() - wall);
    rates[i] = rate * std::min(1.0, share);
  };
  for (size_t i = 1; i < rates.size(); ++i) team.emplace_back(run, i);
  run(0);
  for (std::thread& t : team) t.join();
  return *std::min_element(rates.begin(), rates.end());
}
