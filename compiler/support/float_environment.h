// FloatEnvironment: for its lifetime, arithmetic of this thread rounds to nearest even, keeps denormals and
// traps nothing, whatever the host's thread had set; afterwards the host's settings are back. Every function
// of the C API stands in one; a call back into the host stands in the host's own (FloatEnvironment::Host).
#pragma once

#include <xmmintrin.h>

#include <cfenv>

namespace tenon::support {

class FloatEnvironment {
 public:
  FloatEnvironment() noexcept {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
    _mm_setcsr(0x1f80);  // all exceptions masked, nearest even, no flush to zero
  }
  ~FloatEnvironment() { std::fesetenv(&saved_); }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

  // Taken before the guard, put back for the length of a call into the host.
  class Host {
   public:
    Host() noexcept {
      std::fegetenv(&host_);
      std::fesetenv(&host_);  // reading masks the traps of the older unit
    }
    template <class F>
    auto lend(F&& call) const {
      struct Back {
        std::fenv_t own;
        ~Back() { std::fesetenv(&own); }
      } back;
      std::fegetenv(&back.own);
      std::fesetenv(&host_);
      return call();
    }

   private:
    std::fenv_t host_;
  };

 private:
  std::fenv_t saved_;
};

}  // namespace tenon::support
