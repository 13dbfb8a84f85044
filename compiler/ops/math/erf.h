// erf and erfc as scalar rules.
//
// erf: |x| < 1: x + x p(x^2). Beyond: 1 - e^g(|x|), where g is a polynomial for log(erfc(x)), fitted with the
// weight erfc(x), so that the error counts in units of erf. Minimax by Remez exchange in 50 digits.
//
// erfc keeps its relative accuracy down to denormal results: for a = |x|, (1 + 2a) e^(a^2) erfc(a) lies
// between 1 and 1.28 and is smooth in t = (a - k) / (a + k), where a polynomial stands for it (after Shepherd
// and Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < infinity", Mathematics of
// Computation 36, 1981). What a^2 loses by rounding goes into the exponential; its power of two comes last.
// Below 1/2: 1 - erf(x).
#pragma once

#include "ops/math/exp.h"

namespace tenon::ops {

template <class T>
struct ErfTable;
template <>
struct ErfTable<float> {
  static constexpr float p[] = {0x1.06eba8p-3f, -0x1.81274p-2f,   0x1.ce2d4ap-4f, -0x1.b7fdeep-6f,
                                0x1.54282p-8f,  -0x1.a4dc1cp-11f, 0x1.4baea8p-14f};  // error 2^-29.406
  static constexpr float g[] = {0x1.8a52a2p-13f, -0x1.212bfcp+0f, -0x1.4435eap-1f,
                                -0x1.bc0e84p-4f, 0x1.9ced1p-6f,   -0x1.1364eep-8f,
                                0x1.ce33a2p-12f, -0x1.6b07p-16f};  // error 2^-33.286
  static constexpr float saturates = 3.9375f;  // erfc is below half a unit in the last place of 1
};
template <>
struct ErfTable<double> {
  static constexpr double p[] = {0x1.06eba8214db69p-3,  -0x1.812746b0379e6p-2,  0x1.ce2f21a042b2p-4,
                                 -0x1.b82ce3128499cp-6, 0x1.565bcd0db02dp-8,    -0x1.c02db3d8ecf24p-11,
                                 0x1.f9a321a11909dp-14, -0x1.f4d1df39013cfp-17, 0x1.b9def19b13034p-20,
                                 -0x1.5f1d36b05a75p-23, 0x1.f7a411ab7b39dp-27,  -0x1.386abfd8add52p-30,
                                 0x1.0579a9c2a6889p-34};  // error 2^-56.305
  static constexpr double g[] = {-0x1.456d9e5facc85p-26, -0x1.20dd7242940bep+0, -0x1.45f319c598c39p-1,
                                 -0x1.a4f430bda1652p-4,  0x1.396e0d64710ap-6,   0x1.a1a7e05d5cfe2p-13,
                                 -0x1.b62eafc7a9a1cp-10, 0x1.20135ebeb5df6p-11, 0x1.917ee5e55365p-16,
                                 -0x1.d4dfff1a9d21dp-14, 0x1.115bca3b1aedcp-14, -0x1.99907dea295f4p-16,
                                 0x1.c96a6756584e8p-18,  -0x1.8c036a27f5a2p-20, 0x1.0b17811aa68e7p-22,
                                 -0x1.14b4db17f63e1p-25, 0x1.aa521707d4bfcp-29, -0x1.cc722cc22beacp-33,
                                 0x1.371b977477e7dp-37,  -0x1.8baf47f02a802p-43};  // error 2^-58.028
  static constexpr double saturates = 6;
};

template <Scalar S>
S erf(S x) {
  using T = typename S::type;
  using C = ErfTable<T>;
  const S a = abs(x);
  // One argument of p within its range, whatever x is: no overflow, and NaN stays.
  const S near = select(a > T(1), T(1), a);
  const S inner = fma(near, horner(near * near, C::p), near);
  const S far = clamp(a, T(1), C::saturates);
  const ExpParts<S> e = exp_parts(horner(far, C::g));
  const S tail = fma(e.r, fma(e.r, e.q, T(1)), T(1)) * power_of_two<S>(e.n);
  return copy_sign(select(a < T(1), inner, T(1) - tail), x);
}

template <class T>
struct ErfcTable;
template <>
struct ErfcTable<float> {
  static constexpr float k = 2, beyond = 11;  // erfc is 0 from there on
  static constexpr float q[] = {0x1.46e80ep+0f, -0x1.7bf5fcp-4f, -0x1.540818p-3f, 0x1.4ffaf2p-3f,
                                -0x1.bc0e9p-5f, -0x1.07833p-7f,  0x1.1b187ep-7f,  0x1.4afc82p-10f,
                                -0x1.4978p-10f, -0x1.704b8p-12f, 0x1.24c804p-15f};  // error 2^-25.853
};
template <>
struct ErfcTable<double> {
  static constexpr double k = 2.5, beyond = 28;
  static constexpr double q[] = {
      0x1.43cc6f6c9672cp+0,   -0x1.f52c5d7e22301p-4,  -0x1.959ac16f856dap-4,  0x1.42d379989b599p-3,
      -0x1.a5c0c8a4032afp-4,  0x1.0c6092a5a59acp-5,   0x1.e894894a4cc7fp-11,  -0x1.1f2f13280a393p-8,
      0x1.01e11e49c5e14p-11,  0x1.4b6a4aa52bad9p-11,  -0x1.731c4f8851d4ep-14, -0x1.dc25a46aa5da0p-14,
      0x1.a4a7fbadc0ca7p-18,  0x1.7cd52e8355febp-16,  0x1.5d244894e416ep-19,  -0x1.1b085dd0215d1p-18,
      -0x1.a50435feaae25p-20, 0x1.1b355340036c6p-21,  0x1.116aa33119e6dp-21,  0x1.053acf19757d7p-25,
      -0x1.be284bb9c70c9p-24, -0x1.370cfc64026c8p-25, 0x1.1638f7a9b5806p-27,  0x1.e482624b49c23p-28,
      0x1.33d25372ec5e0p-30};  // error 2^-55.693
};

template <Scalar S>
S erfc(S x) {
  using T = typename S::type;
  using C = ErfcTable<T>;
  const S magnitude = abs(x), a = select(magnitude > C::beyond, C::beyond, magnitude);
  const S t = (a - C::k) / (a + C::k), square = a * a;
  ExpParts<S> e = exp_parts(-square);
  e.r = e.r - fma(a, a, -square);
  e.q = horner(e.r, ExpTable<T>::q);
  const S power = fma(e.r, fma(e.r, e.q, T(1)), T(1));
  const S tail = scale_twice(horner(t, C::q) / fma(a, a.literal(T(2)), T(1)) * power, e.n);
  const S far = select(x < T(0), T(2) - tail, tail);
  // Near 0 the complement of erf is the better one.
  const S inner = select(a > T(1), T(1), a);
  const S near = T(1) - copy_sign(fma(inner, horner(inner * inner, ErfTable<T>::p), inner), x);
  return select(a < T(0.5), near, far);
}

}  // namespace tenon::ops
