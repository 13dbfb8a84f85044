// The functions of one argument that are approximated: their bounds, and what they are measured against, the
// C library's in a wider type.
#pragma once

#include <cmath>

#include "ops/elementwise/probe.h"

namespace tenon::probe {

struct Function {
  const char* name;
  double bound32, bound64;
  double (*wide32)(double);
  long double (*wide64)(long double);
  double low, high;  // where moderate arguments lie
};

template <class W>
W wide_sigmoid(W x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}
#define TENON_FUNCTION(name, bound32, bound64, reference, low, high)       \
  Function {                                                               \
    #name, bound32, bound64, [](double x) -> double { return reference; }, \
        [](long double x) -> long double { return reference; }, low, high  \
  }
inline const Function functions[] = {
    TENON_FUNCTION(exp, 1, 1, std::exp(x), -110, 110),
    TENON_FUNCTION(log, 1, 1, std::log(x), 0, 3),
    TENON_FUNCTION(sqrt, 0.5, 0.5001, std::sqrt(x), 0, 10),
    TENON_FUNCTION(rsqrt, 1, 1, 1 / std::sqrt(x), 0, 10),
    TENON_FUNCTION(tanh, 2.5, 2, std::tanh(x), -12, 12),
    TENON_FUNCTION(sigmoid, 2, 2, wide_sigmoid(x), -110, 110),
    TENON_FUNCTION(sin, 1.5, 1.5, std::sin(x), -100, 100),
    TENON_FUNCTION(cos, 1.5, 1.5, std::cos(x), -100, 100),
    TENON_FUNCTION(erf, 1.5, 1.5, std::erf(x), -6.5, 6.5),
    TENON_FUNCTION(erfc, 4, 4, std::erfc(x), -6.5, 27),
    TENON_FUNCTION(exp2, 1, 1, std::exp2(x), -152, 152),
    TENON_FUNCTION(expm1, 1.5, 1.5, std::expm1(x), -40, 90),
    TENON_FUNCTION(log2, 1, 1, std::log2(x), 0, 3),
    TENON_FUNCTION(log1p, 1, 1, std::log1p(x), -1, 3),
    TENON_FUNCTION(tan, 1, 1, std::tan(x), -100, 100),
    TENON_FUNCTION(asin, 1, 1, std::asin(x), -1, 1),
    TENON_FUNCTION(acos, 1, 1, std::acos(x), -1, 1),
    TENON_FUNCTION(atan, 1, 1, std::atan(x), -10, 10),
    TENON_FUNCTION(sinh, 1, 1, std::sinh(x), -10, 10),
    TENON_FUNCTION(cosh, 1, 1, std::cosh(x), -10, 10),
    TENON_FUNCTION(asinh, 1, 1, std::asinh(x), -10, 10),
    TENON_FUNCTION(acosh, 1, 1, std::acosh(x), 1, 10),
    TENON_FUNCTION(atanh, 1, 1, std::atanh(x), -1, 1),
    TENON_FUNCTION(reciprocal, 0.5, 0.5001, 1 / x, -9, 9),
};
#undef TENON_FUNCTION

// The largest error seen, and where.
struct Worst {
  double error = 0;
  double at = 0;
  void see(double e, double x) {
    if (!(e <= error)) {
      error = e;
      at = x;
    }
  }
};

}  // namespace tenon::probe
