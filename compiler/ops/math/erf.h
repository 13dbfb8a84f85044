// erf as a scalar rule: |x| < 1: x + x p(x^2). Beyond: 1 - e^g(|x|), where g is a polynomial for
// log(erfc(x)), fitted with the weight erfc(x), so that the error counts in units of erf. Minimax by Remez
// exchange in 50 digits.
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

}  // namespace tenon::ops
