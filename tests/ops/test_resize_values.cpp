// Values of resize, by hand; what does not go is refused.
#include <cmath>

#include "ops/run.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;
using List = std::vector<int64_t>;
using ir::Dim;
using Dims = ir::Shape;

namespace {

const float inf = std::numeric_limits<float>::infinity();

ir::NamedAttr method(const char* name) { return {"method", std::string(name)}; }
ir::NamedAttr coordinates(const char* name) { return {"coordinates", std::string(name)}; }

// Along one dimension.
Array line(std::initializer_list<float> x, ir::NamedAttr extent, const char* how, const char* where) {
  return value("resize", {f32({1, static_cast<int64_t>(x.size()), 1}, x)},
               {extent, method(how), coordinates(where)});
}
Array row(std::initializer_list<float> y) { return f32({1, static_cast<int64_t>(y.size()), 1}, y); }

}  // namespace

TEST_CASE("the nearest element, by a factor and by sizes", "[ops]") {
  const ir::NamedAttr twice{"scale", List{2}};
  for (const char* where : {"half_pixel", "asymmetric"})
    CHECK(line({1, 2, 3}, twice, "nearest", where) == row({1, 1, 2, 2, 3, 3}));
  const ir::NamedAttr two{"size", Dims{2}};
  // Half way between two elements stands the later one, asymmetric the one before.
  CHECK(line({1, 2, 3, 4}, two, "nearest", "half_pixel") == row({2, 4}));
  CHECK(line({1, 2, 3, 4}, two, "nearest", "asymmetric") == row({1, 3}));
  CHECK(line({1, 2, 3, 4}, two, "nearest", "align_corners") == row({1, 4}));
  // 5 of 3: places -0.2 0.4 1 1.6 2.2, and 0 0.5 1 1.5 2.
  CHECK(line({1, 2, 3}, {"size", Dims{5}}, "nearest", "half_pixel") == row({1, 1, 2, 3, 3}));
  CHECK(line({1, 2, 3}, {"size", Dims{5}}, "nearest", "align_corners") == row({1, 2, 2, 3, 3}));
  CHECK(line({1, 2, 3}, {"size", Dims{1}}, "nearest", "align_corners") == row({1}));
  // Of any element type: classes of pixels.
  const Array classes = Array::of<uint8_t>({1, 2, 1}, {7, 200});
  CHECK(value("resize", {classes}, {{"scale", List{3}}}) ==
        Array::of<uint8_t>({1, 6, 1}, {7, 7, 7, 200, 200, 200}));
}

TEST_CASE("linear between two elements, the ends beyond the ends", "[ops]") {
  CHECK(line({1, 2, 3}, {"scale", List{2}}, "linear", "half_pixel") ==
        row({1, 1.25f, 1.75f, 2.25f, 2.75f, 3}));
  CHECK(line({1, 2, 3}, {"scale", List{2}}, "linear", "asymmetric") == row({1, 1.5f, 2, 2.5f, 3, 3}));
  CHECK(line({1, 2, 3}, {"size", Dims{5}}, "linear", "align_corners") == row({1, 1.5f, 2, 2.5f, 3}));
  CHECK(line({1, 2, 3, 4}, {"size", Dims{2}}, "linear", "half_pixel") == row({1.5f, 3.5f}));
  CHECK(line({1, 2, 3, 4}, {"size", Dims{2}}, "linear", "asymmetric") == row({1, 3}));
  CHECK(line({1, 2, 3, 4, 5, 6}, {"size", Dims{2}}, "linear", "half_pixel") == row({2, 5}));
  // 4 of 3: places -1/8 5/8 11/8 17/8.
  CHECK(line({0, 8, 16}, {"size", Dims{4}}, "linear", "half_pixel") == row({0, 5, 11, 16}));
  CHECK(line({5}, {"scale", List{3}}, "linear", "half_pixel") == row({5, 5, 5}));
  // Rows, then columns.
  CHECK(value("resize", {f32({1, 2, 2, 1}, {0, 1, 2, 3})},
              {{"size", Dims{3, 3}}, method("linear"), coordinates("align_corners")}) ==
        f32({1, 3, 3, 1}, {0, 0.5f, 1, 1, 1.5f, 2, 2, 2.5f, 3}));
}

TEST_CASE("cubic of four elements", "[ops]") {
  // Of one element that is 1, at distances 1.75 1.25 0.75 0.25.
  const float a = -0.03515625f, b = -0.10546875f, c = 0.26171875f, d = 0.87890625f;
  CHECK(line({0, 0, 1, 0, 0}, {"scale", List{2}}, "cubic", "half_pixel") ==
        row({0, a, b, c, d, d, c, b, a, 0}));
  CHECK(line({0, 0, 1, 0, 0}, {"size", Dims{9}}, "cubic", "align_corners") ==
        row({0, -0.09375f, 0, 0.59375f, 1, 0.59375f, 0, -0.09375f, 0}));
  // Weights of a place add up to 1, at the ends too.
  CHECK(distance(line({3, 3, 3}, {"scale", List{3}}, "cubic", "half_pixel"),
                 row({3, 3, 3, 3, 3, 3, 3, 3, 3})) < 1e-6);
}

TEST_CASE("an element that a place lies on is taken whole, whatever stands beside it", "[ops]") {
  CHECK(line({1, inf, 3}, {"size", Dims{5}}, "linear", "align_corners") == row({1, inf, inf, inf, 3}));
  CHECK(line({1, inf, 3}, {"scale", List{3}}, "linear", "half_pixel") ==
        row({1, 1, inf, inf, inf, inf, inf, 3, 3}));
  CHECK(line({1, 2, 3, inf, 5}, {"size", Dims{9}}, "cubic", "align_corners").as<float>()[2] == 2);
}

TEST_CASE("resize along every spatial dimension, in both layouts", "[ops]") {
  Draw draw(3);
  for (const int64_t spatial : {1, 2, 3}) {
    ir::Type type{DType::f64, {2}};
    ir::Shape size;
    List perm{0, spatial + 1};
    for (int64_t i = 0; i < spatial; ++i) {
      type.shape.push_back(Dim(3 + i));
      size.push_back(Dim(i == 1 ? 8 : 5 - i));
      perm.push_back(i + 1);
    }
    type.shape.push_back(Dim(2));
    const Array x = random_array(type, draw, {});
    for (const char* how : {"nearest", "linear", "cubic"}) {
      INFO(spatial << " " << how);
      const Array last = value("resize", {x}, {{"size", size}, method(how)});
      const Array first = value("resize", {value("transpose", {x}, {{"perm", perm}})},
                                {{"size", size}, method(how), {"layout", std::string("channels_first")}});
      CHECK(value("transpose", {last}, {{"perm", perm}}) == first);
    }
  }
}
