#include "runtime/parallel.h"

#include <sched.h>

#include <mutex>
#include <new>
#include <thread>

#include "support/process.h"
#include "support/thread.h"

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
  // One of the pool's threads, or a helper of a nested team.
  struct Worker {
    support::Thread thread;
    Shared* shared = nullptr;
    BodyFunction body = nullptr;
    void* arg = nullptr;
    uint32_t number = 0;
  };

  const uint64_t process = support::process_number();
  std::mutex use;                      // held by the caller for the length of a run
  std::atomic<std::thread::id> owner;  // of `use`, to recognize nested calls
  std::unique_ptr<Worker[]> threads;
  uint32_t started = 0;        // threads there are
  uint64_t* chunks = nullptr;  // of each worker; compiled code adds to it as well, so no std::atomic

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

  // Up to `workers - 1` threads; fewer where the system refuses them.
  Shared(uint32_t workers, uint64_t* counts) noexcept : chunks(counts) {
    threads.reset(new (std::nothrow) Worker[workers - 1]);
    if (threads == nullptr) return;
    for (; started + 1 < workers; ++started) {
      Worker& w = threads[started];
      w.shared = this;
      w.number = started + 1;
      auto serve = [](void* worker) {
        const Worker& self = *static_cast<Worker*>(worker);
        self.shared->serve(self.number);
      };
      if (!w.thread.start(support::worker_stack, serve, &w)) return;
    }
  }
  ~Shared() {
    {
      Use held(*this);
      stop.store(true, std::memory_order_release);
      epoch.fetch_add(1, std::memory_order_release);
      epoch.notify_all();
    }
    threads.reset();  // joins
  }

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
    if (owner.load(std::memory_order_relaxed) == std::this_thread::get_id()) return true;
    for (uint32_t i = 0; i < started; ++i)
      if (threads[i].thread.is_this()) return true;
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

Pool::Pool(uint32_t workers) {
  if (workers == 0) workers = processor_count();
  if (workers > max_workers) workers = max_workers;
  chunks_ = std::make_unique<uint64_t[]>(workers);
  auto shared = std::make_unique<Shared>(workers, chunks_.get());
  workers_ = shared->started + 1;
  shared_.store(shared.release(), std::memory_order_release);
}

Pool::~Pool() {
  // What a child has inherited lies as another process left it, locks and all.
  Shared* shared = shared_.load(std::memory_order_acquire);
  if (shared->process == support::process_number()) delete shared;
}

Pool::Shared* Pool::here() noexcept {
  Shared* shared = shared_.load(std::memory_order_acquire);
  if (shared->process == support::process_number()) [[likely]]
    return shared;
  // A child of fork has none of its parent's threads: it starts anew, and leaves the old ones' memory alone.
  Shared* made = new (std::nothrow) Shared(workers_, chunks_.get());
  if (made == nullptr) return nullptr;
  if (shared_.compare_exchange_strong(shared, made, std::memory_order_acq_rel)) return made;
  delete made;  // another thread of the child was first
  return shared;
}

Parallel Pool::parallel() {
  Parallel p = parallel_without_team();
  p.team = [](void* ctx, BodyFunction body, void* arg) { static_cast<Pool*>(ctx)->team(body, arg); };
  p.chunks = chunks_.get();
  return p;
}

Parallel Pool::parallel_without_team() {
  return {
      this, workers(),
      [](void* ctx, uint32_t n, TaskFunction task, void* arg) { static_cast<Pool*>(ctx)->run(n, task, arg); },
      nullptr, nullptr};
}

void Pool::run(uint32_t n, TaskFunction task, void* arg) {
  Shared* shared = n <= 1 || workers_ == 1 ? nullptr : here();
  if (shared == nullptr || shared->started == 0 || shared->inside()) {
    for (uint32_t i = 0; i < n; ++i) task(arg, i, 0);
    count(0, n);
    return;
  }
  Shared& s = *shared;
  Shared::Use use(s);
  s.n = n;
  s.task = task;
  s.body = nullptr;
  s.arg = arg;
  s.next.store(0, std::memory_order_relaxed);
  s.open();
  // No more sleepers are woken than there are chunks to take.
  if (n - 1 < s.started) {
    for (uint32_t i = 0; i < n - 1; ++i) s.epoch.notify_one();
  } else {
    s.epoch.notify_all();
  }
  s.take_chunks(0);
  s.close();
}

void Pool::team(BodyFunction body, void* arg) {
  Shared* shared = workers_ == 1 ? nullptr : here();
  if (shared == nullptr || shared->started == 0) {
    body(arg, 0);
    return;
  }
  Shared& s = *shared;
  if (s.inside()) {
    const std::unique_ptr<Shared::Worker[]> own(new (std::nothrow) Shared::Worker[workers_ - 1]);
    for (uint32_t w = 1; own != nullptr && w < workers_; ++w) {
      Shared::Worker& helper = own[w - 1];
      helper.body = body;
      helper.arg = arg;
      helper.number = w;
      auto help = [](void* worker) {
        const Shared::Worker& self = *static_cast<Shared::Worker*>(worker);
        self.body(self.arg, self.number);
      };
      if (!helper.thread.start(support::worker_stack, help, &helper)) break;
    }
    body(arg, 0);
    return;
  }
  Shared::Use use(s);
  s.task = nullptr;
  s.body = body;
  s.arg = arg;
  s.bodies_left.store(s.started, std::memory_order_relaxed);
  s.open();
  s.epoch.notify_all();
  body(arg, 0);
  wait_for_zero(s.bodies_left);
  s.close();
}

void Pool::count(uint32_t worker, uint64_t n) {
  std::atomic_ref<uint64_t>(chunks_[worker]).fetch_add(n, std::memory_order_relaxed);
}

std::vector<uint64_t> Pool::chunks() const {
  std::vector<uint64_t> out(workers_);
  for (size_t w = 0; w < out.size(); ++w)
    out[w] = std::atomic_ref<uint64_t>(chunks_[w]).load(std::memory_order_relaxed);
  return out;
}

void Pool::reset_chunks() {
  for (uint32_t w = 0; w < workers_; ++w)
    std::atomic_ref<uint64_t>(chunks_[w]).store(0, std::memory_order_relaxed);
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
