// Pool: the threads Tenon lends to compiled code, behind the callbacks of runtime/abi.h (struct Parallel).
// The caller is worker 0; the others sleep between runs (no idle spinning) and spin, for a while, only inside
// one.
//
// run   chunks are taken dynamically, one at a time. One chunk, or one worker, runs on the caller at once.
// The
//       caller never waits for a thread that is still asleep: whoever comes late finds the run closed.
// team  all workers at once, each calls the body once; barriers between them are allowed. Where the system
//       refuses a nested team or a child's pool (below) its threads, fewer bodies run, the caller's always:
//       compiled code needs no other.
// Several threads may use one pool: the second waits until the first is done. A call from inside a running
// chunk or body of the same pool never waits for itself: a nested run goes serially on its caller with worker
// 0, a nested team gets threads of its own for that one call. The destructor waits for a run in progress and
// joins. Signals are blocked in the pool's threads.
// After `fork` the child may go on with a pool that no run was in: its threads start anew at the first run.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/abi.h"

namespace tenon::runtime {

class Pool {
 public:
  // 0: as many as the processors this process may use. Where the system refuses threads the pool has fewer
  // workers than asked for, at least the caller; workers() tells.
  explicit Pool(uint32_t workers = 0);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  uint32_t workers() const { return workers_; }
  // The callbacks; valid while the pool lives.
  Parallel parallel();
  // The same without a team, so that every phase goes through `run`.
  Parallel parallel_without_team();

  void run(uint32_t n, TaskFunction task, void* arg);
  void team(BodyFunction body, void* arg);

  // Chunks that each worker has run since the last reset, in runs and in the phases of teams.
  std::vector<uint64_t> chunks() const;
  void reset_chunks();

 private:
  struct Shared;
  // The threads of this process; null where there is no memory for them.
  Shared* here() noexcept;
  void count(uint32_t worker, uint64_t n);

  uint32_t workers_ = 1;
  std::unique_ptr<uint64_t[]> chunks_;  // of each worker
  std::atomic<Shared*> shared_{nullptr};
};

// Processors this process may run on (its affinity mask), at least 1.
uint32_t processor_count();

}  // namespace tenon::runtime
