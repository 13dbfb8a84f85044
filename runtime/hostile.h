// HostileHost: hosts that keep the contract of struct Parallel by its letter and nothing more. Tests run
// compiled code on them: whatever depends on the order of chunks, on the thread, or on chunks running at
// once, breaks.
//   reversed    last chunk first, all on the caller, a different worker number for each
//   one_thread  all on one thread that is not the caller
//   random      shuffled, dealt to several threads that dawdle; another order in each run
//   late_team   offers a team whose workers start one after the other, the caller as the last worker; runs
//   reversed
// Only late_team offers a team. The host must outlive the Parallel. For tests: threads are made for each run.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "runtime/abi.h"
#include "runtime/permutation.h"

namespace tenon::runtime {

class HostileHost {
 public:
  enum class Order { reversed, one_thread, random, late_team };
  HostileHost(Order order, uint32_t workers, uint64_t seed = 1)
      : order_(order), workers_(workers), seed_(seed) {}

  Parallel parallel() {
    return {this, workers_,
            [](void* ctx, uint32_t n, TaskFunction task, void* arg) {
              static_cast<HostileHost*>(ctx)->run(n, task, arg);
            },
            order_ == Order::late_team ? [](void* ctx, BodyFunction body,
                                            void* arg) { static_cast<HostileHost*>(ctx)->team(body, arg); }
                                       : static_cast<decltype(Parallel::team)>(nullptr),
            nullptr};
  }

 private:
  void run(uint32_t n, TaskFunction task, void* arg) {
    if (order_ == Order::one_thread) {
      std::thread other([&] {
        for (uint32_t i = 0; i < n; ++i) task(arg, i, workers_ - 1);
      });
      other.join();
    } else if (order_ == Order::random) {
      const std::vector<int64_t> order = permutation(n, Random(seed_, ++runs_));
      std::atomic<uint32_t> next{0};
      auto work = [&](uint32_t worker) {
        for (uint32_t i; (i = next.fetch_add(1)) < n;) {
          if ((order[i] & 3) == 0) std::this_thread::yield();
          task(arg, static_cast<uint32_t>(order[i]), worker);
        }
      };
      std::vector<std::thread> threads;
      for (uint32_t w = 0; w + 1 < workers_; ++w) threads.emplace_back(work, w);
      work(workers_ - 1);
      for (std::thread& t : threads) t.join();
    } else {
      for (uint32_t i = n; i-- > 0;) task(arg, i, i % workers_);
    }
  }

  void team(BodyFunction body, void* arg) {
    std::vector<std::thread> threads;
    for (uint32_t w = 0; w + 1 < workers_; ++w) {
      threads.emplace_back(body, arg, w);
      std::this_thread::yield();
    }
    body(arg, workers_ - 1);
    for (std::thread& t : threads) t.join();
  }

  Order order_;
  uint32_t workers_;
  uint64_t seed_;
  std::atomic<uint64_t> runs_{0};
};

}  // namespace tenon::runtime
