// The drawn digits of runtime/generate.h: stroke tables, a pen, and the ways in which hands differ.
#include <algorithm>
#include <cmath>
#include <span>

#include "runtime/generate.h"
#include "runtime/random.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::DType;
using support::error;
using support::Ok;
using support::Result;
using support::Status;

namespace {

constexpr int side = 28, pixels = side * side;
constexpr int64_t max_rows = 4'000'000;
constexpr int pieces = 6;  // straight pieces per curve

struct Point {
  double x, y;
};
// A quadratic curve from a to b, pulled towards c; a straight stroke has c in the middle. The box of a digit
// is -1..1 both ways, y down.
struct Curve {
  Point a, c, b;
};
constexpr Curve line(Point a, Point b) { return {a, {(a.x + b.x) / 2, (a.y + b.y) / 2}, b}; }

constexpr Curve zero[] = {{{0, -1}, {-.62, -1}, {-.62, -.1}},
                          {{-.62, -.1}, {-.62, 1}, {0, 1}},
                          {{0, 1}, {.62, 1}, {.62, .1}},
                          {{.62, .1}, {.62, -1}, {0, -1}}};
constexpr Curve one_plain[] = {line({.05, -1}, {0, 1})};
constexpr Curve one_flag[] = {line({-.35, -.6}, {.05, -1}), line({.05, -1}, {.05, 1})};
constexpr Curve one_foot[] = {line({-.35, -.6}, {.05, -1}), line({.05, -1}, {.05, 1}),
                              line({-.4, 1}, {.45, 1})};
constexpr Curve two[] = {{{-.58, -.55}, {-.4, -1}, {.08, -1}},
                         {{.08, -1}, {.6, -.95}, {.55, -.45}},
                         {{.55, -.45}, {.4, .1}, {-.6, 1}},
                         line({-.6, 1}, {.65, .95})};
constexpr Curve two_loop[] = {{{-.55, -.6}, {-.3, -1.05}, {.15, -1}},
                              {{.15, -1}, {.7, -.85}, {.4, -.2}},
                              {{.4, -.2}, {.1, .5}, {-.35, .85}},
                              {{-.35, .85}, {-.75, 1}, {-.45, .6}},
                              {{-.45, .6}, {-.1, .5}, {.65, .95}}};
constexpr Curve three[] = {{{-.5, -.75}, {-.1, -1.1}, {.3, -.88}},
                           {{.3, -.88}, {.75, -.4}, {-.1, -.08}},
                           {{-.1, -.08}, {.85, .05}, {.5, .6}},
                           {{.5, .6}, {.15, 1.2}, {-.55, .78}}};
constexpr Curve four_open[] = {line({-.4, -.95}, {-.55, .15}), line({-.55, .15}, {.65, .1}),
                               line({.35, -.9}, {.3, 1})};
constexpr Curve four_closed[] = {line({.3, -1}, {-.65, .3}), line({-.65, .3}, {.65, .3}),
                                 line({.3, -1}, {.3, 1})};
constexpr Curve five[] = {line({.55, -.95}, {-.4, -.95}),
                          line({-.4, -.95}, {-.5, -.1}),
                          {{-.5, -.1}, {.1, -.45}, {.5, .1}},
                          {{.5, .1}, {.75, .75}, {.1, .95}},
                          {{.1, .95}, {-.3, 1.05}, {-.6, .7}}};
constexpr Curve six[] = {{{.4, -1}, {-.35, -.7}, {-.52, .2}},
                         {{-.52, .2}, {-.6, .95}, {0, 1}},
                         {{0, 1}, {.6, .95}, {.5, .4}},
                         {{.5, .4}, {.35, -.1}, {-.1, .05}},
                         {{-.1, .05}, {-.4, .15}, {-.5, .45}}};
constexpr Curve seven[] = {line({-.6, -.9}, {.55, -.95}), {{.55, -.95}, {.2, -.1}, {-.1, 1}}};
constexpr Curve seven_bar[] = {
    line({-.6, -.9}, {.55, -.95}), {{.55, -.95}, {.2, -.1}, {-.1, 1}}, line({-.25, .05}, {.5, 0})};
constexpr Curve eight[] = {{{0, -.05}, {-.6, -.3}, {-.42, -.7}}, {{-.42, -.7}, {-.15, -1.12}, {.2, -.95}},
                           {{.2, -.95}, {.75, -.6}, {0, -.05}},  {{0, -.05}, {-.75, .4}, {-.45, .8}},
                           {{-.45, .8}, {0, 1.2}, {.42, .8}},    {{.42, .8}, {.7, .35}, {0, -.05}}};
constexpr Curve nine[] = {{{.5, -.55}, {.2, -1.15}, {-.25, -.9}},
                          {{-.25, -.9}, {-.75, -.5}, {-.35, -.15}},
                          {{-.35, -.15}, {.2, .1}, {.5, -.55}},
                          {{.5, -.55}, {.5, .2}, {.25, 1}}};
constexpr Curve nine_hook[] = {{{.48, -.55}, {.2, -1.15}, {-.25, -.9}},
                               {{-.25, -.9}, {-.75, -.5}, {-.35, -.15}},
                               {{-.35, -.15}, {.2, .1}, {.48, -.55}},
                               {{.48, -.55}, {.62, .7}, {.1, .95}},
                               {{.1, .95}, {-.25, 1.05}, {-.45, .75}}};

// The ways to write each digit; a digit with fewer ways repeats them.
std::span<const Curve> strokes(int digit, uint64_t way) {
  switch (digit) {
    case 0:
      return zero;
    case 1:
      if (way == 0) return one_plain;
      if (way == 1) return one_flag;
      return one_foot;
    case 2:
      return way == 0 ? std::span<const Curve>(two_loop) : two;
    case 3:
      return three;
    case 4:
      return way == 0 ? std::span<const Curve>(four_closed) : four_open;
    case 5:
      return five;
    case 6:
      return six;
    case 7:
      return way == 0 ? std::span<const Curve>(seven_bar) : seven;
    case 8:
      return eight;
    default:
      return way == 0 ? std::span<const Curve>(nine_hook) : nine;
  }
}

// How one hand places and bends what it writes; all maps are polynomials, so no library function decides a
// bit.
struct Hand {
  double sx, sy, slant, tilt, dx, dy, bend_x, bend_y, jitter;
  explicit Hand(Random& r) {
    sx = r.uniform(6.2, 9.2);
    sy = r.uniform(7.6, 9.6);
    slant = r.uniform(-0.32, 0.22);
    tilt = r.uniform(-0.14, 0.14);
    dx = 13.5 + r.uniform(-2.2, 2.2);
    dy = 13.5 + r.uniform(-2.0, 2.0);
    bend_x = r.uniform(-0.12, 0.12);
    bend_y = r.uniform(-0.10, 0.10);
    jitter = r.uniform(0.02, 0.07);
  }
  Point place(Point p) const {
    const double x = p.x + bend_x * (1 - p.y * p.y) - slant * p.y;
    const double y = p.y + bend_y * (1 - p.x * p.x) + tilt * p.x;
    return {dx + sx * x, dy + sy * y};
  }
};

// Darkens the pixels within the pen's reach of a straight piece; a pixel keeps its darkest touch.
void draw(float* image, Point a, Point b, double radius) {
  const double reach = radius + 0.7;
  const auto clip = [](double v) { return static_cast<int>(std::clamp(v, 0.0, side - 1.0)); };
  const int x0 = clip(std::floor(std::min(a.x, b.x) - reach)),
            x1 = clip(std::ceil(std::max(a.x, b.x) + reach));
  const int y0 = clip(std::floor(std::min(a.y, b.y) - reach)),
            y1 = clip(std::ceil(std::max(a.y, b.y) + reach));
  const double vx = b.x - a.x, vy = b.y - a.y, length = std::max(vx * vx + vy * vy, 1e-12);
  for (int y = y0; y <= y1; ++y)
    for (int x = x0; x <= x1; ++x) {
      const double px = x - a.x, py = y - a.y;
      const double t = std::clamp((px * vx + py * vy) / length, 0.0, 1.0);
      const double ex = px - t * vx, ey = py - t * vy;
      const double ink = std::clamp((reach - std::sqrt(ex * ex + ey * ey)) / 1.4, 0.0, 1.0);
      float& pixel = image[y * side + x];
      pixel = std::max(pixel, static_cast<float>(ink));
    }
}

void write_digit(int digit, Random& r, uint8_t* out) {
  const std::span<const Curve> curves = strokes(digit, r.below(4));
  const Hand hand(r);
  const double radius = r.uniform(0.75, 1.75), darkness = r.uniform(200, 255), speckle = r.uniform(0, 14);
  float image[pixels] = {};
  // Curves that meet go on meeting: a shared end is jittered once.
  const auto jitter = [&](Point p) {
    return Point{p.x + hand.jitter * r.uniform(-1.7, 1.7), p.y + hand.jitter * r.uniform(-1.7, 1.7)};
  };
  Point end{}, moved_end{};
  for (const Curve& curve : curves) {
    const bool joined = &curve != curves.data() && end.x == curve.a.x && end.y == curve.a.y;
    const Point a = joined ? moved_end : jitter(curve.a), c = jitter(curve.c), b = jitter(curve.b);
    end = curve.b;
    moved_end = b;
    Point from = hand.place(a);
    for (int i = 1; i <= pieces; ++i) {
      const double t = i / double(pieces), s = 1 - t;
      const Point to = hand.place(
          {s * s * a.x + 2 * s * t * c.x + t * t * b.x, s * s * a.y + 2 * s * t * c.y + t * t * b.y});
      draw(image, from, to, radius);
      from = to;
    }
  }
  for (int i = 0; i < pixels; ++i) {
    double v = darkness * static_cast<double>(image[i]);
    v += speckle * (r.uniform() - 0.5) * (image[i] > 0 ? 2.0 : 0.5);
    out[i] = static_cast<uint8_t>(std::clamp(v, 0.0, 255.0) + 0.5);
  }
}

Result<DataSet> draw_set(int64_t rows, uint64_t seed, Stream stream) {
  Array image(DType::u8, {rows, side, side}), label(DType::i32, {rows});
  for (int64_t row = 0; row < rows; ++row) {
    // Each row has numbers of its own: the first rows of a larger set are the rows of a smaller one.
    Random r = random_of(seed, stream, static_cast<uint32_t>(row));
    const int digit = static_cast<int>(r.below(10));
    label.as<int32_t>()[static_cast<size_t>(row)] = digit;
    write_digit(digit, r, image.as<uint8_t>().data() + static_cast<size_t>(row) * pixels);
  }
  DataSet out;
  TENON_TRY(out.add("image", std::move(image)));
  TENON_TRY(out.add("label", std::move(label)));
  return out;
}

}  // namespace

Result<TrainTest> make_digits(const DigitsOptions& options) {
  const int64_t test = options.test == -1 ? options.rows / 5 : options.test;
  if (options.rows < 1 || options.rows > max_rows)
    return error(Code::bad_option,
                 "rows is " + std::to_string(options.rows) + ", it can be 1.." + std::to_string(max_rows));
  if (test < 0 || test > max_rows)
    return error(Code::bad_option,
                 "test is " + std::to_string(test) + ", it can be 0.." + std::to_string(max_rows));
  TENON_ASSIGN(DataSet train, draw_set(options.rows, options.seed, Stream::data));
  TrainTest out{std::move(train), std::nullopt};
  if (test != 0) {
    TENON_ASSIGN(DataSet held, draw_set(test, options.seed, Stream::test_data));
    out.test = std::move(held);
  }
  return out;
}

}  // namespace tenon::runtime
