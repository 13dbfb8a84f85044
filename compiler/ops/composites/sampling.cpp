#include "ops/composites/sampling.h"

namespace tenon::ops {
namespace {

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// Of an element at distance t: below 1, and from there to 2.
double near_weight(double t) { return (1.25 * t - 2.25) * t * t + 1; }
double far_weight(double t) { return ((-0.75 * t + 3.75) * t - 6) * t + 3; }

}  // namespace

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

}  // namespace tenon::ops
