#include "runtime/parallel.h"

#include <sys/resource.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "catch.h"
#include "runtime/hostile.h"

using namespace tenon::runtime;

namespace {

struct Tally {
  explicit Tally(uint32_t n, uint32_t w) : hits(n), workers(w), at_work(w) {}
  std::vector<std::atomic<uint32_t>> hits;
  uint32_t workers;
  std::vector<std::atomic<uint32_t>> at_work;
  std::atomic<bool> bad_worker{false};
};

void count(void* arg, uint32_t chunk, uint32_t worker) {
  Tally& t = *static_cast<Tally*>(arg);
  if (worker >= t.workers || t.at_work[worker].fetch_add(1) != 0) t.bad_worker = true;
  t.hits[chunk].fetch_add(1);
  if (worker < t.workers) t.at_work[worker].fetch_sub(1);
}

void check_run(const Parallel& p, uint32_t n) {
  Tally t(n, p.workers);
  p.run(p.ctx, n, count, &t);
  uint32_t wrong = 0;
  for (auto& h : t.hits) wrong += h.load() != 1;
  CAPTURE(n, p.workers);
  REQUIRE(wrong == 0);
  REQUIRE_FALSE(t.bad_worker.load());
}

// A body that only ends when all workers are in it: phases with a barrier between.
struct Phases {
  uint32_t workers;
  std::atomic<uint32_t> arrived{0};
  std::atomic<uint32_t> bodies{0};
};
void phases(void* arg, uint32_t) {
  Phases& p = *static_cast<Phases*>(arg);
  for (uint32_t phase = 1; phase <= 20; ++phase) {
    p.arrived.fetch_add(1);
    while (p.arrived.load() < phase * p.workers) std::this_thread::yield();
  }
  p.bodies.fetch_add(1);
}
void check_team(const Parallel& p) {
  Phases s{p.workers, {}, {}};
  p.team(p.ctx, phases, &s);
  REQUIRE(s.bodies.load() == p.workers);
}

double cpu_seconds() {
  rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_utime.tv_sec + u.ru_stime.tv_sec + 1e-6 * (u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

}  // namespace

TEST_CASE("a pool runs every chunk once, for any number of workers and chunks") {
  for (uint32_t workers : {1u, 2u, 3u, 7u}) {
    Pool pool(workers);
    REQUIRE(pool.workers() == workers);
    const Parallel p = pool.parallel();
    CHECK(p.workers == workers);
    for (int round = 0; round < 50; ++round)
      for (uint32_t n : {0u, 1u, 2u, 3u, 8u, 64u, 1000u}) check_run(p, n);
    for (int round = 0; round < 20; ++round) {
      check_team(p);
      check_run(p, 5);
    }
  }
}

TEST_CASE("hostile hosts keep the contract") {
  for (auto order : {HostileHost::Order::reversed, HostileHost::Order::one_thread, HostileHost::Order::random,
                     HostileHost::Order::late_team}) {
    HostileHost host(order, 3);
    const Parallel p = host.parallel();
    for (uint32_t n : {0u, 1u, 2u, 40u}) check_run(p, n);
    if (order == HostileHost::Order::late_team) {
      check_team(p);
    } else {
      CHECK(p.team == nullptr);
    }
  }
}

TEST_CASE("a hostile host really reverses and really shuffles") {
  std::vector<uint32_t> seen;
  auto record = [](void* arg, uint32_t chunk, uint32_t) {
    static_cast<std::vector<uint32_t>*>(arg)->push_back(chunk);
  };
  HostileHost reversed(HostileHost::Order::reversed, 2), random(HostileHost::Order::random, 1);
  Parallel p = reversed.parallel();
  p.run(p.ctx, 4, record, &seen);
  CHECK(seen == std::vector<uint32_t>{3, 2, 1, 0});
  std::vector<uint32_t> first, second;
  p = random.parallel();
  p.run(p.ctx, 30, record, &first);
  p.run(p.ctx, 30, record, &second);
  CHECK(first != second);
}

TEST_CASE("several threads share one pool") {
  Pool pool(3);
  const Parallel p = pool.parallel();
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int round = 0; round < 100; ++round) {
        Tally tally(16, p.workers);
        p.run(p.ctx, 16, count, &tally);
        for (auto& h : tally.hits) failures += h.load() != 1;
        failures += tally.bad_worker.load();
        Phases s{p.workers, {}, {}};
        p.team(p.ctx, phases, &s);
        failures += s.bodies.load() != p.workers;
      }
    });
  for (auto& t : threads) t.join();
  CHECK(failures.load() == 0);
}

TEST_CASE("a nested call does not wait for itself") {
  Pool pool(3);
  struct Nest {
    Parallel p;
    std::atomic<uint32_t> inner{0}, teams{0};
  } nest{pool.parallel(), {}, {}};
  auto outer = [](void* arg, uint32_t, uint32_t) {
    Nest& n = *static_cast<Nest*>(arg);
    n.p.run(n.p.ctx, 5, [](void* a, uint32_t, uint32_t) { static_cast<Nest*>(a)->inner.fetch_add(1); }, arg);
    Phases s{n.p.workers, {}, {}};
    n.p.team(n.p.ctx, phases, &s);
    n.teams.fetch_add(s.bodies.load() == n.p.workers);
  };
  nest.p.run(nest.p.ctx, 8, outer, &nest);
  CHECK(nest.inner.load() == 40);
  CHECK(nest.teams.load() == 8);
}

TEST_CASE("the counters tell who ran how many chunks") {
  Pool pool(2);
  std::array<std::atomic<uint64_t>, 2> ran{};
  // Each worker stays in its first chunk until the other one has one too: how soon that is, is the system's.
  auto counted = [](void* arg, uint32_t, uint32_t worker) {
    auto& counts = *static_cast<std::array<std::atomic<uint64_t>, 2>*>(arg);
    counts[worker].fetch_add(1);
    while (counts[1 - worker].load() == 0) std::this_thread::yield();
  };
  pool.run(400, counted, &ran);
  std::vector<uint64_t> chunks = pool.chunks();
  REQUIRE(chunks.size() == 2);
  CHECK(chunks[0] + chunks[1] == 400);
  CHECK(chunks[0] == ran[0].load());
  CHECK(chunks[1] == ran[1].load());
  pool.reset_chunks();
  CHECK(pool.chunks() == std::vector<uint64_t>{0, 0});
}

TEST_CASE("a pool at rest uses no processor time") {
  Pool pool(4);
  check_run(pool.parallel(), 100);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(cpu_seconds() - before < 0.05);
}

TEST_CASE("pools come and go") {
  for (int i = 0; i < 100; ++i) {
    Pool pool(1 + static_cast<uint32_t>(i % 4));
    if (i % 3 == 0) check_run(pool.parallel(), 4);
  }
  CHECK(processor_count() >= 1);
}
