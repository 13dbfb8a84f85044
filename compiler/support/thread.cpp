#include "support/thread.h"

#include <signal.h>

#include <cstdint>

namespace tenon::support {

bool Thread::start(size_t stack, void (*body)(void*), void* argument) noexcept {
  join();
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  body_ = body;
  argument_ = argument;
  // A thread begins with its maker's mask.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  running_ = pthread_attr_setstacksize(&attributes, stack) == 0 &&
             pthread_create(&thread_, &attributes, enter, this) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return running_;
}

void* Thread::enter(void* self) {
  const Thread& thread = *static_cast<Thread*>(self);
  thread.body_(thread.argument_);
  return nullptr;
}

void Thread::join() noexcept {
  if (running_) pthread_join(thread_, nullptr);
  running_ = false;
}

size_t stack_left() noexcept {
  struct Bounds {
    uintptr_t low = 0, high = 0;
    Bounds() noexcept {
      pthread_attr_t attributes;
      if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
      void* base = nullptr;
      size_t size = 0;
      if (pthread_attr_getstack(&attributes, &base, &size) == 0) {
        low = reinterpret_cast<uintptr_t>(base);
        high = low + size;
      }
      pthread_attr_destroy(&attributes);
    }
  };
  static thread_local const Bounds bounds;
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  return here > bounds.low && here <= bounds.high ? here - bounds.low : 0;
}

}  // namespace tenon::support
