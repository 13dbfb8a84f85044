#include "runtime/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>

namespace tenon::runtime {
namespace {

constexpr uint32_t gate_open = 1u << 31;
constexpr uint32_t max_workers = 1024;
constexpr int spins_before_sleep = 4000;  // some 50 microseconds

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

// Waits until the word is zero: spins first, as a run is expected to end soon, then sleeps in the kernel.
void wait_for_zero(const std::atomic<uint32_t>& word) {
  for (int i = 0; i < spins_before_sleep; ++i) {
    if (word.load(std::memory_order_acquire) == 0) return;
    // On a machine that is busy with other work, the thread waited for may need this very processor.
    if (i % 256 == 255) {
      std::this_thread::yield();
    } else {
      relax();
    }
  }
  while (uint32_t v = word.load(std::memory_order_acquire)) word.wait(v, std::memory_order_acquire);
}

}  // namespace

// Protocol. A run is published in the job fields, then the gate is opened and `epoch` advances, which wakes
// the sleepers. A worker enters by adding one to the open gate and leaves by taking it off again; the caller
// closes the gate and waits for the count to fall to zero before the job fields change again. `number` keeps
// a worker from entering one run twice.
struct Pool::Shared {
  std::mutex use;                      // held by the caller for the length of a run
  std::atomic<std::thread::id> owner;  // of `use`, to recognize nested calls
  std::vector<std::thread> threads;
  std::atomic<uint32_t> workers{1};
  // Of each worker; compiled code adds to it as well, so no std::atomic.
  std::unique_ptr<uint64_t[]> chunks;

  alignas(64) std::atomic<uint32_t> epoch{0};
  alignas(64) std::atomic<uint32_t> gate{0};
  alignas(64) std::atomic<uint64_t> next{0};
  std::atomic<uint32_t> bodies_left{0};
  std::atomic<bool> stop{false};
  uint64_t number = 0;
  uint32_t n = 0;
  TaskFunction task = nullptr;
  BodyFunction body = nullptr;
  void* arg = nullptr;

  void count(uint32_t worker, uint64_t n) {
    std::atomic_ref<uint64_t>(chunks[worker]).fetch_add(n, std::memory_order_relaxed);
  }

  void take_chunks(uint32_t worker) {
    uint64_t done = 0;
    for (uint64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < n; ++done)
      task(arg, static_cast<uint32_t>(i), worker);
    count(worker, done);
  }

  void serve(uint32_t worker) {
    uint64_t last = 0;
    uint32_t seen = 0;
    while (true) {
      epoch.wait(seen, std::memory_order_acquire);
      seen = epoch.load(std::memory_order_acquire);
      if (stop.load(std::memory_order_acquire)) return;
      uint32_t v = gate.load(std::memory_order_acquire);
      while ((v & gate_open) && !gate.compare_exchange_weak(v, v + 1, std::memory_order_acq_rel)) {
      }
      if (!(v & gate_open)) continue;
      if (last != number) {
        last = number;
        if (body != nullptr) {
          body(arg, worker);
          if (bodies_left.fetch_sub(1, std::memory_order_acq_rel) == 1) bodies_left.notify_all();
        } else {
          take_chunks(worker);
        }
      }
      if (gate.fetch_sub(1, std::memory_order_acq_rel) == 1) gate.notify_all();
    }
  }

  void open() {
    ++number;
    gate.store(gate_open, std::memory_order_release);
    epoch.fetch_add(1, std::memory_order_release);
  }
  void close() {
    gate.fetch_and(~gate_open, std::memory_order_acq_rel);
    wait_for_zero(gate);
  }

  bool inside() const {
    const std::thread::id self = std::this_thread::get_id();
    if (owner.load(std::memory_order_relaxed) == self) return true;
    for (const std::thread& t : threads)
      if (t.get_id() == self) return true;
    return false;
  }

  // Holds the pool for one run.
  struct Use {
    Shared& shared;
    explicit Use(Shared& s) : shared(s) {
      shared.use.lock();
      shared.owner.store(std::this_thread::get_id(), std::memory_order_relaxed);
    }
    ~Use() {
      shared.owner.store(std::thread::id(), std::memory_order_relaxed);
      shared.use.unlock();
    }
  };
};

Pool::Pool(uint32_t workers) : shared_(std::make_unique<Shared>()) {
  if (workers == 0) workers = processor_count();
  if (workers > max_workers) workers = max_workers;
  shared_->chunks = std::make_unique<uint64_t[]>(workers);
  shared_->threads.reserve(workers - 1);
  // The host's signal handlers are to run on the host's threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (uint32_t w = 1; w < workers; ++w) {
    try {
      shared_->threads.emplace_back([s = shared_.get(), w] { s->serve(w); });
    } catch (const std::system_error&) {
      break;  // fewer workers, as the header says
    }
    shared_->workers.store(w + 1);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Pool::~Pool() {
  {
    Shared::Use use(*shared_);
    shared_->stop.store(true, std::memory_order_release);
    shared_->epoch.fetch_add(1, std::memory_order_release);
    shared_->epoch.notify_all();
  }
  for (std::thread& t : shared_->threads) t.join();
}

uint32_t Pool::workers() const { return shared_->workers.load(std::memory_order_relaxed); }

Parallel Pool::parallel() {
  Parallel p = parallel_without_team();
  p.team = [](void* ctx, BodyFunction body, void* arg) { static_cast<Pool*>(ctx)->team(body, arg); };
  p.chunks = shared_->chunks.get();
  return p;
}

Parallel Pool::parallel_without_team() {
  return {
      this, workers(),
      [](void* ctx, uint32_t n, TaskFunction task, void* arg) { static_cast<Pool*>(ctx)->run(n, task, arg); },
      nullptr, nullptr};
}

void Pool::run(uint32_t n, TaskFunction task, void* arg) {
  Shared& s = *shared_;
  if (n <= 1 || workers() == 1 || s.inside()) {
    for (uint32_t i = 0; i < n; ++i) task(arg, i, 0);
    s.count(0, n);
    return;
  }
  Shared::Use use(s);
  s.n = n;
  s.task = task;
  s.body = nullptr;
  s.arg = arg;
  s.next.store(0, std::memory_order_relaxed);
  s.open();
  // No more sleepers are woken than there are chunks to take.
  if (n - 1 < workers() - 1) {
    for (uint32_t i = 0; i < n - 1; ++i) s.epoch.notify_one();
  } else {
    s.epoch.notify_all();
  }
  s.take_chunks(0);
  s.close();
}

void Pool::team(BodyFunction body, void* arg) {
  Shared& s = *shared_;
  const uint32_t count = workers();
  if (count == 1) {
    body(arg, 0);
    return;
  }
  if (s.inside()) {
    std::vector<std::thread> own;
    own.reserve(count - 1);
    for (uint32_t w = 1; w < count; ++w) {
      // A team is all workers or none, so a refused thread is asked for again until there is room.
      while (own.size() < w) {
        try {
          own.emplace_back([body, arg, w] { body(arg, w); });
        } catch (const std::system_error&) {
          std::this_thread::yield();
        }
      }
    }
    body(arg, 0);
    for (std::thread& t : own) t.join();
    return;
  }
  Shared::Use use(s);
  s.task = nullptr;
  s.body = body;
  s.arg = arg;
  s.bodies_left.store(count - 1, std::memory_order_relaxed);
  s.open();
  s.epoch.notify_all();
  body(arg, 0);
  wait_for_zero(s.bodies_left);
  s.close();
}

std::vector<uint64_t> Pool::chunks() const {
  std::vector<uint64_t> out(workers());
  for (size_t w = 0; w < out.size(); ++w)
    out[w] = std::atomic_ref<uint64_t>(shared_->chunks[w]).load(std::memory_order_relaxed);
  return out;
}

void Pool::reset_chunks() {
  for (uint32_t w = 0; w < workers(); ++w)
    std::atomic_ref<uint64_t>(shared_->chunks[w]).store(0, std::memory_order_relaxed);
}

uint32_t processor_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    const int count = CPU_COUNT(&set);
    if (count > 0) return static_cast<uint32_t>(count);
  }
  const unsigned count = std::thread::hardware_concurrency();
  return count == 0 ? 1 : count;
}

}  // namespace tenon::runtime
