// Random numbers: the exact recipe of every bit, as scalar rules on Num<T> and Lane<T> (see scalar.h).
//
// The generator is Philox4x32 with 10 rounds (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy
// as 1, 2, 3", SC 2011): a function from a 128-bit counter and a 64-bit key to four 32-bit words. Nothing is
// carried from one draw to the next, so bits depend on neither threads, order, nor fusion.
//
//   key      k = mix(seed + mix(stream + 0x9E3779B97F4A7C15)), as wrapping 64-bit numbers, where mix is the
//            finalizer of SplitMix64; words: low half, high half. For one stream the map from seeds to keys
//            is one to one, and so is that from streams for one seed; between streams nothing is left of the
//            distance of seeds, so neighbouring seeds and streams have keys of their own
//   counter  words 2 and 3: low and high half of t, where t folds the operation's counters (step, loop
//   indices)
//            from the left: t = t * 0x9E3779B97F4A7C15 + counter, starting from 0 and wrapping
//            words 0 and 1: from the row-major position e of the element and the number w of words it needs:
//              w = 1: word 0 = (lo >> 6) << 4 | (lo & 15), the element takes output word (lo >> 4) & 3
//              w = 2: word 0 = (lo >> 5) << 4 | (lo & 15), it takes words 2s and 2s+1 with s = (lo >> 4) & 1
//              w = 4: word 0 = lo, it takes all four
//            with lo, hi the halves of e, and word 1 = hi
//   So 16 neighbours read one output word of 16 calls, the next 16 the next word of the same calls: a loop
//   over groups of 16 * 4/w elements can use whole calls, and one that does not still computes the same bits.
//
//   permutation: w = 1 with groups of 32 in place of 16 (lo >> 7, lo & 31, (lo >> 5) & 3), and 7 rounds, the
//   least with which the generator passes every test of BigCrush (section 5.3 there): orders of rows are
//   drawn again and again, and small training loops wait for them.
//
//   f32 in [0,1): (word >> 8) * 2^-24                       w = 1
//   f64 in [0,1): ((a >> 5) * 2^26 + (b >> 6)) * 2^-53      w = 2, words a, b
//   uniform   fma(u, high - low, low), u as above; the difference is rounded to the type once. Where it
//   passes
//             the type's range: 2 fma(u, high/2 - low/2, low/2). As u < 1, no rounding passes high
//   bernoulli word < p * 2^32 (rounded to nearest even; all true from there on where that is 2^32)   w = 1
//   normal    mean + std * z by fma, z = sqrt(-2 log u) * cos(2 pi v) (Box and Muller 1958), where u in (0,1]
//   is
//             the word's fraction plus one unit, so that its logarithm is finite
//             f32: w = 2, u from the first word, v from the second; f64: w = 4, u from words 0, 1, v from 2,
//             3
#pragma once

#include <cmath>

#include "ops/math/log.h"
#include "ops/math/trig.h"
#include "ops/scalar.h"

namespace tenon::ops {

// Four words.
template <class U>
struct Words {
  U w[4];
};

template <int rounds = 10, class U>
Words<U> philox(U c0, U c1, U c2, U c3, U k0, U k1) {
  const U m0 = c0.template literal<uint32_t>(0xD2511F53u), m1 = c0.template literal<uint32_t>(0xCD9E8D57u);
  for (int round = 0; round < rounds; ++round) {
    if (round > 0) {
      k0 = k0 + 0x9E3779B9u;
      k1 = k1 + 0xBB67AE85u;
    }
    const U h0 = mulhi(m0, c0), l0 = m0 * c0, h1 = mulhi(m1, c2), l1 = m1 * c2;
    c0 = h1 ^ c1 ^ k0;
    c1 = l1;
    c2 = h0 ^ c3 ^ k1;
    c3 = l0;
  }
  return {{c0, c1, c2, c3}};
}

// What is the same for all elements of one operation: computed once, outside the loop over elements.
template <class U>
struct Stream {
  U k0, k1, c2, c3;
};

// The finalizer of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA
// 2014; constants of Stafford's variant 13): a one-to-one map of 64-bit numbers without visible structure.
template <class I>
I mix_bits(I x) {
  const auto shifted = [](I v, int64_t n) { return (v >> n) & ((int64_t{1} << (64 - n)) - 1); };
  x = (x ^ shifted(x, 30)) * static_cast<int64_t>(0xBF58476D1CE4E5B9ull);
  x = (x ^ shifted(x, 27)) * static_cast<int64_t>(0x94D049BB133111EBull);
  return x ^ shifted(x, 31);
}
inline constexpr int64_t golden_gamma = static_cast<int64_t>(0x9E3779B97F4A7C15ull);

// The attribute `stream`, as keys are made of it.
inline int64_t mixed_stream(int64_t stream) { return mix_bits(Num<int64_t>{stream} + golden_gamma).v; }

// I: i64 scalars; seed and counters are the operands, `stream` is mixed.
template <class I>
auto random_stream(I seed, const I* counters, size_t count, I stream) {
  using U = typename I::template as<uint32_t>;
  const auto low = [](I x) { return cast<uint32_t>(x & int64_t{0xFFFFFFFF}); };
  const auto high = [](I x) { return cast<uint32_t>((x >> int64_t{32}) & int64_t{0xFFFFFFFF}); };
  const I key = mix_bits(seed + stream);
  I t = seed.template literal<int64_t>(0);
  for (size_t i = 0; i < count; ++i) {
    t = i == 0 ? counters[0] : t * golden_gamma + counters[i];
  }
  return Stream<U>{low(key), high(key), low(t), high(t)};
}

// The halves of an element's position. Where positions are known to stay below 2^32, hi may be a literal 0.
template <class U>
struct Position {
  U lo, hi;
};
template <class I>
auto random_position(I element) {
  using U = typename I::template as<uint32_t>;
  return Position<U>{cast<uint32_t>(element & int64_t{0xFFFFFFFF}),
                     cast<uint32_t>((element >> int64_t{32}) & int64_t{0xFFFFFFFF})};
}

// The element's words; entries from `count` on are meaningless.
template <int count, class U>
Words<U> random_words(const Stream<U>& s, const Position<U>& at) {
  static_assert(count == 1 || count == 2 || count == 4);
  if constexpr (count == 4) {
    return philox(at.lo, at.hi, s.c2, s.c3, s.k0, s.k1);
  } else {
    constexpr uint32_t shift = count == 1 ? 6 : 5;
    const U call = ((at.lo >> shift) << uint32_t{4}) | (at.lo & uint32_t{15});
    const Words<U> all = philox(call, at.hi, s.c2, s.c3, s.k0, s.k1);
    const auto odd = (at.lo & uint32_t{16}) != uint32_t{0};
    if constexpr (count == 2) {
      return {{select(odd, all.w[2], all.w[0]), select(odd, all.w[3], all.w[1]), all.w[2], all.w[3]}};
    } else {
      const auto upper = (at.lo & uint32_t{32}) != uint32_t{0};
      const U w = select(upper, select(odd, all.w[3], all.w[2]), select(odd, all.w[1], all.w[0]));
      return {{w, w, w, w}};
    }
  }
}

// The call that serves a position of a permutation, and its words; word `w` is that of positions at 32 w.
inline constexpr uint32_t permutation_group = 32;
template <class U>
Words<U> permutation_words(const Stream<U>& s, U call, U hi) {
  return philox<7>(call, hi, s.c2, s.c3, s.k0, s.k1);
}
template <class U>
U permutation_word(const Stream<U>& s, const Position<U>& at) {
  const U call = ((at.lo >> uint32_t{7}) << uint32_t{5}) | (at.lo & uint32_t{31});
  const Words<U> all = permutation_words(s, call, at.hi);
  const auto odd = (at.lo & uint32_t{32}) != uint32_t{0}, upper = (at.lo & uint32_t{64}) != uint32_t{0};
  return select(upper, select(odd, all.w[3], all.w[2]), select(odd, all.w[1], all.w[0]));
}

// A fraction in [0,1) of T's precision from words a (and, for f64, b), as a count of units: 24 or 53 bits.
template <class T, class U>
auto random_units(U a, U b) {
  if constexpr (std::is_same_v<T, float>) {
    return cast<float>(cast<int32_t>(a >> uint32_t{8}));
  } else {
    return fma(cast<double>(cast<int32_t>(a >> uint32_t{5})), 67108864.0,
               cast<double>(cast<int32_t>(b >> uint32_t{6})));
  }
}
template <class T>
inline constexpr T random_unit = std::is_same_v<T, float> ? T(0x1p-24) : T(0x1p-53);

template <class T, class U>
auto random_uniform(const Stream<U>& s, const Position<U>& at, double low, double high) {
  const Words<U> words = random_words<std::is_same_v<T, float> ? 1 : 2>(s, at);
  const auto u = random_units<T>(words.w[0], words.w[1]) * random_unit<T>;
  const T from = static_cast<T>(low), to = static_cast<T>(high), width = to - from;
  if (width <= std::numeric_limits<T>::max()) return fma(u, width, from);
  const auto half = fma(u, to / 2 - from / 2, from / 2);
  return half + half;
}

template <class U>
auto random_bernoulli(const Stream<U>& s, const Position<U>& at, double p) {
  const U word = random_words<1>(s, at).w[0];
  const double scaled = p * 0x1p32;
  // nearest even by hand: the host's rounding mode must not matter
  double threshold = std::floor(scaled);
  const double rest = scaled - threshold;
  if (rest > 0.5 || (rest == 0.5 && std::fmod(threshold, 2) != 0)) threshold += 1;
  if (threshold >= 0x1p32) return word <= uint32_t{0xFFFFFFFF};
  return word < static_cast<uint32_t>(threshold < 0 ? 0 : threshold);
}

template <class T, class U>
auto random_normal(const Stream<U>& s, const Position<U>& at, double mean, double std) {
  constexpr bool narrow = std::is_same_v<T, float>;
  const Words<U> words = random_words<narrow ? 2 : 4>(s, at);
  const auto u = (random_units<T>(words.w[0], words.w[1]) + T(1)) * random_unit<T>;
  const auto v = narrow ? random_units<T>(words.w[1], words.w[1]) : random_units<T>(words.w[2], words.w[3]);
  const auto radius = sqrt(log(u) * T(-2)), angle = v * random_unit<T> * static_cast<T>(6.283185307179586);
  const T scale = static_cast<T>(std), center = static_cast<T>(mean);
  return fma(radius * cos(angle), scale, center);
}

}  // namespace tenon::ops
