// Threads of our own: stacks of a size we set, whatever the host's threads and limits are; signals blocked,
// so that the host's handlers run on the host's threads; and a refusal of the system as an answer, not an
// exception.
//
// on_stack runs deep work (parsing, deriving, compiling) with the stack it needs: on the caller's where
// that has enough left, else on a thread made for the call. Results and exceptions come back to the caller.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <type_traits>

#include "support/float_environment.h"

namespace tenon::support {

inline constexpr size_t worker_stack = size_t{1} << 20;      // of threads that run kernels
inline constexpr size_t deep_stack = size_t{64} << 20;       // of threads that compile
inline constexpr size_t least_deep_stack = size_t{8} << 20;  // where memory is short
inline constexpr size_t roomy_stack = size_t{256} << 10;     // for work of no great depth

class Thread {
 public:
  Thread() = default;
  ~Thread() { join(); }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  // Calls body(argument) on a new thread. False: the system gives no thread, or no memory for its stack. The
  // Thread stays where it is until it is joined.
  bool start(size_t stack, void (*body)(void*), void* argument) noexcept;
  // The same for a callable, which must outlive the thread and throw nothing.
  template <class F>
  bool start(size_t stack, F& body) noexcept {
    return start(stack, [](void* f) { (*static_cast<F*>(f))(); }, &body);
  }
  bool running() const { return running_; }
  bool is_this() const { return running_ && pthread_equal(thread_, pthread_self()); }
  void join() noexcept;

 private:
  static void* enter(void* self);
  void (*body_)(void*) = nullptr;
  void* argument_ = nullptr;
  pthread_t thread_{};
  bool running_ = false;
};

// Bytes left on the calling thread's stack; 0 where that is not known, as on a stack the host has made
// itself.
size_t stack_left() noexcept;

// f() with at least `needed` bytes of stack. std::bad_alloc where the system has neither the thread nor the
// caller a stack that usual depths fit in.
template <class F>
auto on_stack(size_t needed, F&& f) -> std::invoke_result_t<F&> {
  if (stack_left() >= needed) return f();
  std::optional<std::invoke_result_t<F&>> result;
  std::exception_ptr thrown;
  auto body = [&]() noexcept {
    const FloatEnvironment environment;
    try {
      result.emplace(f());
    } catch (...) {
      thrown = std::current_exception();
    }
  };
  {
    Thread thread;
    if (!thread.start(deep_stack, body) && !thread.start(least_deep_stack, body)) {
      if (stack_left() < worker_stack) throw std::bad_alloc();
      return f();
    }
  }
  if (thrown) std::rethrow_exception(thrown);
  return std::move(*result);
}

}  // namespace tenon::support
