// The drawn shapes of runtime/generate.h: ten figures, given by which points lie inside, on a shaded ground.
#include <algorithm>
#include <cmath>

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

constexpr int64_t figures = 10, most_rows = 1'000'000, most_bytes = int64_t{8} << 30;

bool even(double stripe) { return std::fmod(std::floor(stripe), 2) == 0; }

// Whether a figure, whose box is -1..1 both ways, y down, holds the point. Only sums and products decide.
bool inside(int64_t figure, double x, double y) {
  const double across = std::fabs(x), down = std::fabs(y), r = x * x + y * y;
  const double box = std::max(across, down);
  switch (figure) {
    case 0:  // disc
      return r <= 1;
    case 1:  // square
      return box <= .85;
    case 2:  // triangle
      return y <= .8 && across <= .6 * (y + .95);
    case 3:  // cross
      return box <= 1 && std::min(across, down) <= .33;
    case 4:  // ring
      return r <= 1 && r >= .36;
    case 5:  // bars that lie
      return box <= 1 && even(2.5 * (y + 1));
    case 6:  // bars that stand
      return box <= 1 && even(2.5 * (x + 1));
    case 7:  // squares of a board
      return box <= 1 && even(2 * (x + 1)) == even(2 * (y + 1));
    case 8:  // crescent
      return r <= 1 && (x - .5) * (x - .5) + y * y >= .56;
    default:  // corner
      return box <= .9 && (x <= -.25 || y >= .25);
  }
}

struct Colour {
  double channel[3];
  Colour(Random& r, double low, double high) {
    for (double& c : channel) c = r.uniform(low, high);
  }
};

// One picture while it is drawn: colours as numbers, and which figure a pixel belongs to.
class Picture {
 public:
  Picture(int64_t size, Random& r) : size_(size), random_(r) {
    colour_.resize(static_cast<size_t>(size * size * 3));
    figure_.resize(static_cast<size_t>(size * size));
    const Colour ground(r, 0, 110);
    const double slope_x = r.uniform(-30, 30), slope_y = r.uniform(-30, 30), n = static_cast<double>(size);
    for (int64_t y = 0; y < size; ++y)
      for (int64_t x = 0; x < size; ++x)
        for (int c = 0; c < 3; ++c)
          at(x, y, c) = ground.channel[c] + slope_x * (static_cast<double>(x) / n - .5) +
                        slope_y * (static_cast<double>(y) / n - .5);
  }

  // Places, turns and fills a figure. A pixel is covered by the share of its nine points that lie inside.
  void draw(int64_t figure, bool alone) {
    Random& r = random_;
    const double n = static_cast<double>(size_),
                 radius = n * (alone ? r.uniform(.25, .4) : r.uniform(.16, .3));
    const double reach = alone ? .12 : .3;
    const double cx = n * (.5 + r.uniform(-reach, reach)), cy = n * (.5 + r.uniform(-reach, reach));
    // The sine and cosine of an angle up to 17 degrees, by its half's tangent.
    const double t = r.uniform(-.15, .15), cosine = (1 - t * t) / (1 + t * t), sine = 2 * t / (1 + t * t);
    const Colour fill(r, 140, 255);
    for (int64_t y = 0; y < size_; ++y)
      for (int64_t x = 0; x < size_; ++x) {
        int hits = 0;
        for (int point = 0; point < 9; ++point) {
          const double px = (static_cast<double>(x) + (point % 3 + .5) / 3 - cx) / radius,
                       py = (static_cast<double>(y) + (point / 3 + .5) / 3 - cy) / radius;
          hits += inside(figure, cosine * px + sine * py, cosine * py - sine * px) ? 1 : 0;
        }
        if (hits == 0) continue;
        const double share = hits / 9.0;
        for (int c = 0; c < 3; ++c) at(x, y, c) += share * (fill.channel[c] - at(x, y, c));
        if (hits >= 5) figure_[static_cast<size_t>(y * size_ + x)] = static_cast<uint8_t>(figure + 1);
      }
  }

  void write(uint8_t* image, uint8_t* mask) {
    for (const double c : colour_)
      *image++ = static_cast<uint8_t>(std::clamp(c + random_.uniform(-12, 12), 0.0, 255.0) + .5);
    std::copy(figure_.begin(), figure_.end(), mask);
  }

 private:
  double& at(int64_t x, int64_t y, int c) { return colour_[static_cast<size_t>((y * size_ + x) * 3 + c)]; }
  int64_t size_;
  Random& random_;
  std::vector<double> colour_;
  std::vector<uint8_t> figure_;
};

Result<DataSet> draw_set(int64_t rows, const ShapesOptions& o, Stream stream) {
  Array image(DType::u8, {rows, o.size, o.size, 3}), label(DType::i32, {rows}),
      mask(DType::u8, {rows, o.size, o.size});
  const size_t pixels = static_cast<size_t>(o.size * o.size);
  for (int64_t row = 0; row < rows; ++row) {
    // Each row has numbers of its own: the first rows of a larger set are the rows of a smaller one.
    Random r = random_of(o.seed, stream, static_cast<uint32_t>(row));
    const auto at = static_cast<size_t>(row);
    const auto draw_class = [&] { return static_cast<int64_t>(r.below(static_cast<uint64_t>(o.classes))); };
    const int64_t last = draw_class();
    label.as<int32_t>()[at] = static_cast<int32_t>(last);
    Picture picture(o.size, r);
    for (uint64_t behind = r.below(static_cast<uint64_t>(o.objects)); behind > 0; --behind)
      picture.draw(draw_class(), false);
    picture.draw(last, o.objects == 1);
    picture.write(image.as<uint8_t>().data() + at * pixels * 3, mask.as<uint8_t>().data() + at * pixels);
  }
  DataSet out;
  TENON_TRY(out.add("image", std::move(image)));
  TENON_TRY(out.add("label", std::move(label)));
  TENON_TRY(out.add("mask", std::move(mask)));
  return out;
}

Status check(std::string_view what, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return Ok{};
  return error(Code::bad_option, std::string(what) + " is " + std::to_string(value) + ", it can be " +
                                     std::to_string(least) + ".." + std::to_string(most));
}

}  // namespace

Result<TrainTest> make_shapes(const ShapesOptions& options) {
  const int64_t test = options.test == -1 ? options.rows / 5 : options.test;
  TENON_TRY(check("rows", options.rows, 1, most_rows));
  TENON_TRY(check("test", test, 0, most_rows));
  TENON_TRY(check("size", options.size, 8, 1024));
  TENON_TRY(check("classes", options.classes, 1, figures));
  TENON_TRY(check("objects", options.objects, 1, 16));
  if ((options.rows + test) * options.size * options.size * 4 > most_bytes)
    return error(Code::bad_option, std::to_string(options.rows + test) + " pictures of " +
                                       std::to_string(options.size) + " x " + std::to_string(options.size) +
                                       " pixels pass 8 GiB");
  TENON_ASSIGN(DataSet train, draw_set(options.rows, options, Stream::data));
  TrainTest out{std::move(train), std::nullopt};
  if (test != 0) {
    TENON_ASSIGN(DataSet held, draw_set(test, options, Stream::test_data));
    out.test = std::move(held);
  }
  return out;
}

}  // namespace tenon::runtime
