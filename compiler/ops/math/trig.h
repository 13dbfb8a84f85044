// sin and cos as scalar rules, exact to the stated bound for all arguments.
//
// Reduction after Payne and Hanek, in integers, one path for all magnitudes: |x| = m 2^e with an integer m.
// Of the bits of 2/pi only a window matters: those above it contribute multiples of 4 quadrants to m 2^e
// 2/pi, those below it less than the result's precision. The window starts at a bit that the exponent tells;
// it is picked from a table of 32-bit words by selects over the bits of the word number (there are no loads
// in a rule), then shifted. The top two bits of the product are the quadrant, the others a fraction, signed
// after rounding to the nearest quadrant. f32 keeps 62 fraction bits, f64 126, against at most 31 and 62 lost
// where x is next to a multiple of pi/2. |x| <= pi/4 needs no reduction. Polynomials: sin r = r + r^3 p(r^2),
// cos r = 1 - r^2/2 + r^4 q(r^2), minimax by Remez exchange in 50 digits.
#pragma once

#include <array>

#include "ops/math/format.h"

namespace tenon::ops {

template <class T>
struct TrigTable;
template <>
struct TrigTable<float> {
  static constexpr float quarter = 0x1.921fb6p-1f;
  static constexpr float p[] = {-0x1.555546p-3f, 0x1.11077ap-7f, -0x1.9954a6p-13f};  // error 2^-28.005
  static constexpr float q[] = {0x1.55554ap-5f, -0x1.6c0c1ap-10f, 0x1.99e0ecp-16f};  // error 2^-33.133
  // 2/pi behind 26 zero bits; the window of an argument with exponent field E starts at bit E - 126.
  static constexpr uint32_t words[] = {0x00000028u, 0xbe60db93u, 0x91054a7fu, 0x09d5f47du,
                                       0x4d377036u, 0xd8a5664fu, 0x10e4107fu, 0x9458eaf7u};
};
template <>
struct TrigTable<double> {
  static constexpr double quarter = 0x1.921fb54442d18p-1;
  static constexpr double p[] = {-0x1.5555555555549p-3,  0x1.111111110f8adp-7,
                                 -0x1.a01a019c176efp-13, 0x1.71de357c7582bp-19,
                                 -0x1.ae5e69afdbfbbp-26, 0x1.5d93ec1219213p-33};  // error 2^-57.929
  static constexpr double q[] = {0x1.555555555554cp-5,  -0x1.6c16c16c15246p-10,
                                 0x1.a01a019cc5b34p-16, -0x1.27e4f81897d1ep-22,
                                 0x1.1ee9f5f85cb9ep-29, -0x1.8fb3d5a0e43b3p-37};  // error 2^-63.973
  // 2/pi behind 55 zero bits; the window of an argument with exponent field E starts at bit E - 1022.
  static constexpr uint32_t words[] = {
      0x00000000u, 0x00000145u, 0xf306dc9cu, 0x882a53f8u, 0x4eafa3eau, 0x69bb81b6u, 0xc52b3278u, 0x872083fcu,
      0xa2c757bdu, 0x778ac36eu, 0x48dc7484u, 0x9ba5c00cu, 0x925dd413u, 0xa32439fcu, 0x3bd63962u, 0x534e7dd1u,
      0x046bea5du, 0x768909d3u, 0x38e04d68u, 0xbefc8273u, 0x23ac7306u, 0xa673e939u, 0x08bf177bu, 0xf250763fu,
      0xf12fffbcu, 0x0b301fdeu, 0x5e2316b4u, 0x14da3edau, 0x6cfd9e4fu, 0x96136e9eu, 0x8c7ecd3cu, 0xbfd45aeau,
      0x4f758fd7u, 0xcbe2f67au, 0x0e73ef14u, 0xa525d4d7u, 0xf6bf623fu, 0x1aba10acu, 0x06608df8u};
};
inline constexpr double half_pi_hi = 0x1.921fb54442d18p+0, half_pi_lo = 0x1.1a62633145c07p-54;

// words[k .. k + Count) for a k that is not a constant, by halving: after the stage of bit b the first
// entries hold words[(k with the bits below b cleared) ..].
template <size_t Count, Scalar K, size_t N>
std::array<K, Count> pick_words(K k, const uint32_t (&words)[N], uint32_t most) {
  std::array<K, N> w;
  for (size_t i = 0; i < N; ++i) w[i] = k.literal(words[i]);
  for (uint32_t bit = std::bit_floor(most); bit != 0; bit >>= 1) {
    const auto taken = (k & bit) != 0u;
    // Later stages and the window reach no further than bit - 1 + Count. `most` is a power of two: where its
    // bit is set all others are clear, so that entries beyond the table are never the ones picked.
    for (size_t i = 0; i < bit - 1 + Count && i + bit < N; ++i) w[i] = select(taken, w[i + bit], w[i]);
  }
  std::array<K, Count> picked;
  for (size_t i = 0; i < Count; ++i) picked[i] = w[i];
  return picked;
}
// Shifts a string of words left by 0..31 bits; the last word is lost.
template <Scalar K, size_t N>
void shift_words(std::array<K, N>& w, K shift) {
  for (size_t i = 0; i + 1 < N; ++i) w[i] = (w[i] << shift) | ((w[i + 1] >> 1u) >> (shift ^ 31u));
}

// x = quadrant * pi/2 + r, |r + low| <= pi/4, of |x|: the sign is not applied.
template <Scalar S>
struct Reduced {
  S r, low;
  typename S::template as<uint32_t> quadrant;
};

template <Scalar S>
Reduced<S> reduce_quadrant(S x) {
  using T = typename S::type;
  using U = typename S::template as<uint32_t>;
  using D = typename S::template as<double>;
  using C = TrigTable<T>;
  const S a = abs(x);
  const auto direct = a <= C::quarter;
  if constexpr (std::is_same_v<T, float>) {
    const U bits = bitcast<uint32_t>(a);
    const U m = (bits & 0x7fffffu) | 0x800000u;
    const U exponent = bits >> 23u;
    const U start = select(direct, 0u, exponent - 126u);
    auto w = pick_words<4>(start >> 5u, C::words, 4);
    shift_words(w, start & 31u);
    const U low = m * w[1];
    const U middle = low + mulhi(m, w[2]);
    const U high = m * w[0] + mulhi(m, w[1]) + cast<uint32_t>(middle < low);
    const U quadrant = (high + 0x20000000u) >> 30u;
    const D top = cast<double>(bitcast<int32_t>(high - (quadrant << 30u))) * 0x1p-30;
    const D fraction = fma(cast<double>(middle), 0x1p-62, top);
    const D exact = fraction * half_pi_hi;
    const S r = cast<float>(exact), r_low = cast<float>(exact - cast<double>(r));
    return {select(direct, a, r), select(direct, 0.0f, r_low), select(direct, 0u, quadrant)};
  } else {
    using L = typename S::template as<int64_t>;
    const L bits = bitcast<int64_t>(a);
    const U m0 = cast<uint32_t>(bits), m1 = (cast<uint32_t>(bits >> 32) & 0xfffffu) | 0x100000u;
    const U start = select(direct, 0u, cast<uint32_t>(bits >> 52) - 1022u);
    auto w = pick_words<7>(start >> 5u, C::words, 32);
    shift_words(w, start & 31u);
    // The upper four words of m * window; what is left out below counts less than four units of the last.
    U product[4] = {m0, m0, m0, m0};
    L carry = bits.literal(int64_t{0});
    for (size_t i = 4; i-- > 0;) {
      const L sum = carry + cast<int64_t>(m0 * w[i]) + cast<int64_t>(mulhi(m0, w[i + 1])) +
                    cast<int64_t>(m1 * w[i + 1]) + cast<int64_t>(mulhi(m1, w[i + 2]));
      product[i] = cast<uint32_t>(sum);
      carry = sum >> 32;
    }
    const U quadrant = (product[0] + 0x20000000u) >> 30u;
    const D top = cast<double>(bitcast<int32_t>(product[0] - (quadrant << 30u))) * 0x1p-30;
    const D next = cast<double>(product[1]) * 0x1p-62;
    const D sum = top + next, rest = next - (sum - top);
    const D tail = rest + fma(cast<double>(product[2]), 0x1p-94, cast<double>(product[3]) * 0x1p-126);
    const D high = sum + tail, low = tail - (high - sum);
    const D r = high * half_pi_hi;
    const D r_low = fma(high, half_pi_hi, -r) + fma(high, half_pi_lo, low * half_pi_hi);
    return {select(direct, a, r), select(direct, 0.0, r_low), select(direct, 0u, quadrant)};
  }
}

template <Scalar S>
S sin_near(const Reduced<S>& x, S z) {
  using T = typename S::type;
  const S cubic = x.r * z * horner(z, TrigTable<T>::p);
  return x.r + fma(x.low, fma(z, T(-0.5), T(1)), cubic);
}
template <Scalar S>
S cos_near(const Reduced<S>& x, S z) {
  using T = typename S::type;
  const S half = z * T(0.5), w = T(1) - half, quartic = z * z * horner(z, TrigTable<T>::q);
  const S lost = (T(1) - w) - half;
  return w + (lost + fma(-x.r, x.low, quartic));
}
// sin(|x| + shift pi/2); NaN for infinities and NaN.
template <Scalar S>
S sin_shifted(S x, uint32_t shift, IntOf<S> sign) {
  using T = typename S::type;
  using Int = typename Format<S>::Int;
  const Reduced<S> r = reduce_quadrant(x);
  const S z = r.r * r.r;
  const auto quadrant = r.quadrant + shift;
  const S value = select((quadrant & 1u) == 0u, sin_near(r, z), cos_near(r, z));
  const IntOf<S> flip = select((quadrant & 2u) == 0u, Int(0), sign_bit(x.literal(T(-0.0))));
  return select(abs(x) < std::numeric_limits<T>::infinity(), flip_sign(value, flip ^ sign), x - x);
}
template <Scalar S>
S sin(S x) {
  return sin_shifted(x, 0, sign_bit(x));
}
template <Scalar S>
S cos(S x) {
  return sin_shifted(x, 1, x.literal(typename Format<S>::Int(0)));
}

}  // namespace tenon::ops
