// Generated values. Random bits come from a Philox of its own, in 64-bit arithmetic, after the recipe that
// ops/random.h states in prose.
#include "evaluate/wide_forms.h"

namespace tenon::evaluate {
namespace {

using ops::Wide;
namespace wide = ops::wide;

struct Generator4 {
  uint64_t key = 0, counter = 0;

  // Four words of the call number `call` (its low and high half).
  std::array<uint32_t, 4> words(uint32_t low, uint32_t high, int rounds = 10) const {
    uint64_t left = low | (uint64_t{high} << 32), right = counter, k = key;
    for (int round = 0; round < rounds; ++round) {
      const uint64_t p = 0xD2511F53ull * (left & 0xffffffff), q = 0xCD9E8D57ull * (right & 0xffffffff);
      const uint64_t l = (q & 0xffffffff) << 32 | ((q >> 32) ^ (left >> 32) ^ (k & 0xffffffff));
      right = (p & 0xffffffff) << 32 | ((p >> 32) ^ (right >> 32) ^ (k >> 32));
      left = l;
      const uint64_t k0 = (k & 0xffffffff) + 0x9E3779B9, k1 = (k >> 32) + 0xBB67AE85;
      k = (k0 & 0xffffffff) | (k1 << 32);
    }
    return {static_cast<uint32_t>(left), static_cast<uint32_t>(left >> 32), static_cast<uint32_t>(right),
            static_cast<uint32_t>(right >> 32)};
  }
  // The words of element e, of which it needs `count`: 64 / count neighbours share 16 calls.
  std::array<uint32_t, 4> element(uint64_t e, unsigned count) const {
    const uint32_t low = static_cast<uint32_t>(e), high = static_cast<uint32_t>(e >> 32);
    if (count == 4) return words(low, high);
    const uint32_t group = 64 / count;
    const std::array<uint32_t, 4> all = words(low / group * 16 + low % 16, high);
    const size_t first = low % group / 16 * count;
    std::array<uint32_t, 4> mine{};
    for (size_t i = 0; i < count; ++i) mine[i] = all[first + i];
    return mine;
  }
  // The word of element e of a permutation: 128 neighbours share 32 calls of 7 rounds.
  uint32_t draw(uint64_t e) const {
    const uint32_t low = static_cast<uint32_t>(e);
    return words(low / 128 * 32 + low % 32, static_cast<uint32_t>(e >> 32), 7)[low % 128 / 32];
  }
};

// seed, counters: exact integers, or nothing is known.
template <class W>
std::optional<Generator4> generator(const NodeContext& c, const WideOperands<W>& in) {
  for (const WideTensor<W>* t : in)
    if (!(*t)[0].exact()) return std::nullopt;
  const auto bits = [](const WideTensor<W>& t) {
    return static_cast<uint64_t>(static_cast<int64_t>(t[0].value));
  };
  Generator4 g;
  const auto mix = [](uint64_t z) {
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return z ^ z >> 31;
  };
  g.key =
      mix(bits(*in[0]) + mix(static_cast<uint64_t>(c.node.get<int64_t>("stream")) + 0x9E3779B97F4A7C15ull));
  for (size_t i = 1; i < in.size(); ++i) g.counter = g.counter * 0x9E3779B97F4A7C15ull + bits(*in[i]);
  return g;
}

// k of as many bits as a significand has: of one drawn word, or of two.
template <class W>
W fraction(DType d, uint32_t a, uint32_t b) {
  const int digits = dtype_row(d).digits;
  if (digits <= 32) return W(a >> (32 - digits));
  return W(a >> 5) * W(67108864) + W(b >> 6);
}
// A double attribute as the element type holds it.
template <class W>
Wide<W> rounded(double x, DType d) {
  return ops::round_to(Wide<W>{W(x), 0, d}, 0.5);
}

}  // namespace

template <class W>
Result<WideTensor<W>> wide_generate(const NodeContext& c, const WideOperands<W>& in) {
  const ir::Generator what = c.node.op->generate()->what;
  if (what == ir::Generator::constant)
    return WideTensor<W>::of(*c.node.get<std::shared_ptr<const Array>>("value"));
  TENON_ASSIGN(const std::vector<int64_t> shape, c.result_shape());
  const DType d = c.result().dtype;
  WideTensor<W> out(d, shape);
  if (what == ir::Generator::extent) {
    TENON_ASSIGN(const int64_t value, dim_value(c.node.get<ir::Dim>("dim"), c.dims));
    out[0] = wide::integer<W>(value, d);
    return out;
  }
  if (what == ir::Generator::iota) {
    const auto axis = static_cast<size_t>(c.node.get<int64_t>("axis"));
    const int64_t inner = row_major(shape)[axis];
    for (int64_t e = 0; e < out.count(); ++e) {
      const int64_t k = e / inner % shape[axis];
      out[e] = is_float(d) ? ops::round_to(Wide<W>{W(k), 0, d}, 0.5) : wide::integer<W>(k, d);
    }
    return out;
  }
  const std::optional<Generator4> g = generator(c, in);
  const auto number = [&](std::string_view name) { return c.node.get<double>(name); };
  const unsigned base = dtype_row(d).digits > 32 ? 2 : 1;  // words of a draw
  const W unit = W(half_unit(d));
  for (int64_t e = 0; e < out.count(); ++e) {
    if (!g) {
      out[e] = wide::undecided<W>(d);
      continue;
    }
    switch (what) {
      case ir::Generator::random_bernoulli: {
        const double limit = std::nearbyint(number("p") * 0x1p32);
        out[e] = wide::exactly(W(g->element(static_cast<uint64_t>(e), 1)[0] < limit), d);
        break;
      }
      case ir::Generator::random_uniform: {
        const auto w = g->element(static_cast<uint64_t>(e), base);
        const Wide<W> u{fraction<W>(d, w[0], w[1]) * unit, 0, d}, low = rounded<W>(number("low"), d);
        const Wide<W> high = rounded<W>(number("high"), d);
        const Wide<W> width = ops::round_to(wide::sub(high, low), 0.5);
        if (std::isfinite(width.value) && !width.undecided()) {
          out[e] = ops::round_to(wide::add(wide::mul(u, width), low), 0.5);
        } else {  // all in halves
          const Wide<W> h{W(0.5), 0, d}, from = wide::mul(low, h);
          const Wide<W> reach = ops::round_to(wide::sub(wide::mul(high, h), from), 0.5);
          out[e] = wide::mul(ops::round_to(wide::add(wide::mul(u, reach), from), 0.5), Wide<W>{W(2), 0, d});
        }
        break;
      }
      case ir::Generator::random_normal: {
        const auto w = g->element(static_cast<uint64_t>(e), 2 * base);
        const Wide<W> u{(fraction<W>(d, w[0], w[1]) + 1) * unit, 0, d};
        const Wide<W> v{fraction<W>(d, w[base], w[3]) * unit, 0, d};
        // Declared bounds of the functions used: log 1, sqrt and products 0.5, cos 1.5 units.
        const Wide<W> minus_two{-2, 0, d}, turn = rounded<W>(6.283185307179586, d);
        const Wide<W> radius =
            ops::round_to(wide::sqrt(wide::mul(ops::round_to(wide::log(u), 1), minus_two)), 0.5);
        const Wide<W> wave = ops::round_to(wide::cos(ops::round_to(wide::mul(v, turn), 0.5)), 1.5);
        const Wide<W> z = ops::round_to(wide::mul(radius, wave), 0.5);
        out[e] = ops::round_to(
            wide::add(wide::mul(z, rounded<W>(number("std"), d)), rounded<W>(number("mean"), d)), 0.5);
        break;
      }
      default: {
        // permutation: the inside-out shuffle of ops/permutation.cpp; exchanges come in order of e.
        const uint64_t word = g->draw(static_cast<uint64_t>(e));
        const auto j = static_cast<int64_t>(word * (static_cast<uint64_t>(e) + 1) >> 32);
        out[e] = out[j];
        out[j] = wide::integer<W>(e, d);
        break;
      }
    }
  }
  return out;
}

template Result<WideTensor<double>> wide_generate<double>(const NodeContext&, const WideOperands<double>&);
template Result<WideTensor<long double>> wide_generate<long double>(const NodeContext&,
                                                                    const WideOperands<long double>&);

}  // namespace tenon::evaluate
