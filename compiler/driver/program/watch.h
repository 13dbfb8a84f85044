// A thread that looks at a long native call while it runs.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>

#include "support/thread.h"

namespace tenon::driver {

// Calls `look` from a thread of its own, soon and then ten times a second, until the end of the scope. Where
// the system has no thread for it, nobody looks.
class Watch {
 public:
  explicit Watch(std::function<void()> look) : look_(std::move(look)) {
    thread_.start(support::worker_stack, [](void* self) { static_cast<Watch*>(self)->run(); }, this);
  }
  ~Watch() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  void run() {
    try {
      look_until_done();
    } catch (...) {  // no memory to look with
    }
  }
  void look_until_done() {
    std::unique_lock lock(mutex_);
    for (auto pause = std::chrono::milliseconds(20); !wake_.wait_for(lock, pause, [&] { return done_; });
         pause = std::chrono::milliseconds(100))
      look_();
  }

  std::function<void()> look_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
  support::Thread thread_;
};

}  // namespace tenon::driver
