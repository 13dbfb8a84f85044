// FloatEnvironment: for its lifetime, arithmetic rounds to nearest even and keeps denormals, whatever the
// host's thread had set; afterwards the host's settings are back.
#pragma once

#include <xmmintrin.h>

#include <cfenv>

namespace tenon::evaluate {

class FloatEnvironment {
 public:
  FloatEnvironment() {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
    _mm_setcsr(0x1f80);  // all exceptions masked, nearest even, no flush to zero
  }
  ~FloatEnvironment() { std::fesetenv(&saved_); }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  std::fenv_t saved_;
};

}  // namespace tenon::evaluate
