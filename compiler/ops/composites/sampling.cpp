#include "ops/composites/sampling.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace tenon::ops {
namespace {

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// Of an element at distance t: below 1, and from there to 2.
double near_weight(double t) { return (1.25 * t - 2.25) * t * t + 1; }
double far_weight(double t) { return ((-0.75 * t + 3.75) * t - 6) * t + 3; }

// Where a result lies in x: element number parts / of.
struct Place {
  int64_t parts, of;
};
Place place_of(Coordinates c, int64_t i, int64_t in, int64_t out) {
  switch (c) {
    case Coordinates::half_pixel:
      return {(2 * i + 1) * in - out, 2 * out};
    case Coordinates::align_corners:
      return out == 1 ? Place{0, 1} : Place{i * (in - 1), out - 1};
    case Coordinates::asymmetric:
      return {i * in, out};
  }
  return {0, 1};
}

std::vector<Tap> taps_at(const Sampling& s, const Place& p) {
  if (s.method == Method::nearest) {
    const bool down = s.coordinates == Coordinates::asymmetric;
    return {{down ? floor_div(p.parts, p.of) : floor_div(2 * p.parts + p.of, 2 * p.of), 1}};
  }
  const int64_t first = floor_div(p.parts, p.of), rest = p.parts - first * p.of;
  const double t = static_cast<double>(rest) / static_cast<double>(p.of);
  const bool cubic = s.method == Method::cubic;
  // On an element all taps are that element: an infinity beside it is not multiplied by 0.
  if (rest == 0) return std::vector<Tap>(cubic ? 4 : 2, Tap{first, cubic ? 0.25 : 0.5});
  if (!cubic) return {{first, 1 - t}, {first + 1, t}};
  return {{first - 1, far_weight(t + 1)},
          {first, near_weight(t)},
          {first + 1, near_weight(1 - t)},
          {first + 2, far_weight(2 - t)}};
}

// The whole number s with big = s * small.
std::optional<int64_t> factor_of(const Dim& big, const Dim& small) {
  int64_t a = 0, b = 0;
  if (big.is_constant() && small.is_constant()) {
    a = big.constant(), b = small.constant();
  } else if (!big.terms().empty() && !small.terms().empty()) {
    a = big.terms()[0].coefficient, b = small.terms()[0].coefficient;
  }
  if (b == 0 || a == std::numeric_limits<int64_t>::min() || a % b != 0 || a / b < 1 || small * (a / b) != big)
    return std::nullopt;
  return a / b;
}

}  // namespace

Plan plan_of(const Sampling& s, const Dim& in, const Dim& out) {
  if (in == out) return {Way::same};
  if (s.coordinates != Coordinates::align_corners) {
    if (const auto up = factor_of(out, in); up && *up <= most_results) return {Way::phases, *up};
    if (const auto down = factor_of(in, out); down && s.method != Method::cubic) return {Way::strided, *down};
  }
  const bool known = in.is_constant() && out.is_constant();
  return {known && out.constant() <= most_results && in.constant() <= most_results ? Way::table : Way::none};
}

std::vector<std::vector<Run>> phases_of(const Sampling& s, int64_t factor) {
  std::vector<std::vector<Run>> out;
  for (int64_t r = 0; r < factor; ++r) {
    const std::vector<Tap> taps = taps_at(s, place_of(s.coordinates, r, 1, factor));
    out.resize(taps.size());
    for (size_t t = 0; t < taps.size(); ++t) {
      if (out[t].empty() || out[t].back().at != taps[t].at) out[t].push_back({taps[t].at, {}});
      out[t].back().weights.push_back(taps[t].weight);
    }
  }
  return out;
}

std::vector<Tap> stride_taps(const Sampling& s, int64_t factor) {
  return taps_at(s, place_of(s.coordinates, 0, factor, 1));
}

Table table_of(const Sampling& s, int64_t in, int64_t out) {
  Table table;
  for (int64_t i = 0; i < out; ++i) {
    std::vector<Tap> taps = taps_at(s, place_of(s.coordinates, i, in, out));
    for (Tap& tap : taps) tap.at = std::clamp<int64_t>(tap.at, 0, in - 1);
    const bool one = taps.front().at == taps.back().at;
    table.rows.resize(taps.size());
    table.weights.resize(taps.size());
    for (size_t t = 0; t < taps.size(); ++t) {
      table.rows[t].push_back(taps[t].at);
      table.weights[t].push_back(one ? 1 / static_cast<double>(taps.size()) : taps[t].weight);
    }
  }
  return table;
}

}  // namespace tenon::ops
