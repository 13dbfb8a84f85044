// Values of operations that move elements about in space, by hand: pixel_shuffle, padding by elements, unfold
// and fold, adaptive pools, pools in ceil_mode.
#include "ops/run.h"
#include "ops/slopes.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;
using List = std::vector<int64_t>;
using ir::Dim;
using Dims = ir::Shape;

namespace {

const ir::NamedAttr first{"layout", std::string("channels_first")};

Array counted(std::vector<int64_t> shape) {
  Array a(DType::f32, std::move(shape));
  for (int64_t i = 0; i < a.count(); ++i) a.as<float>()[static_cast<size_t>(i)] = static_cast<float>(i);
  return a;
}
Array reshaped(const Array& x, const Dims& shape) { return value("reshape", {x}, {{"shape", shape}}); }
// A single row, batch and channels of 1.
Array row(std::initializer_list<float> x) { return f32({1, static_cast<int64_t>(x.size()), 1}, x); }

}  // namespace

TEST_CASE("pixel_shuffle makes blocks of channels, and pixel_unshuffle channels of blocks", "[ops]") {
  const Array x = counted({1, 1, 1, 8});
  const ir::NamedAttr two{"factor", int64_t{2}}, places{"order", std::string("dcr")};
  const Array by_channel = f32({1, 2, 2, 2}, {0, 4, 1, 5, 2, 6, 3, 7});
  CHECK(value("pixel_shuffle", {x}, {two}) == by_channel);
  CHECK(value("pixel_shuffle", {x}, {two, places}) == counted({1, 2, 2, 2}));
  CHECK(value("pixel_shuffle", {counted({1, 8, 1, 1})}, {two, first}) == counted({1, 2, 2, 2}));
  CHECK(value("pixel_unshuffle", {by_channel}, {two}) == x);
  // Along one dimension, and in three.
  CHECK(value("pixel_shuffle", {counted({1, 2, 3})}, {{"factor", int64_t{3}}}) == counted({1, 6, 1}));
  CHECK(value("pixel_shuffle", {counted({1, 1, 1, 1, 8})}, {two}) == counted({1, 2, 2, 2, 1}));
  for (const bool channels_first : {false, true})
    for (const char* order : {"crd", "dcr"}) {
      const Array wide = counted(channels_first ? List{2, 12, 2, 3} : List{2, 2, 3, 12});
      const ir::NamedAttr layout{"layout", std::string(channels_first ? "channels_first" : "channels_last")},
          by{"order", std::string(order)};
      CHECK(value("pixel_unshuffle", {value("pixel_shuffle", {wide}, {two, layout, by})},
                  {two, layout, by}) == wide);
    }
}

TEST_CASE("padding with elements of the value", "[ops]") {
  const Array x = f32({3}, {1, 2, 3});
  const std::initializer_list<ir::NamedAttr> two{{"low", Dims{2}}, {"high", Dims{2}}};
  CHECK(value("pad_edge", {x}, two) == f32({7}, {1, 1, 1, 2, 3, 3, 3}));
  CHECK(value("pad_reflect", {x}, two) == f32({7}, {3, 2, 1, 2, 3, 2, 1}));
  CHECK(value("pad_symmetric", {x}, two) == f32({7}, {2, 1, 1, 2, 3, 3, 2}));
  CHECK(value("pad_wrap", {x}, two) == f32({7}, {2, 3, 1, 2, 3, 1, 2}));
  // As much as there is, and more than there is of one that repeats.
  CHECK(value("pad_symmetric", {x}, {{"low", Dims{3}}}) == f32({6}, {3, 2, 1, 1, 2, 3}));
  CHECK(value("pad_wrap", {x}, {{"high", Dims{3}}}) == f32({6}, {1, 2, 3, 1, 2, 3}));
  CHECK(value("pad_edge", {f32({1}, {4})}, {{"low", Dims{5}}}) == f32({6}, {4, 4, 4, 4, 4, 4}));
  CHECK(value("pad_reflect", {x}) == x);
  // Corners come from both dimensions.
  const Array square = f32({2, 2}, {1, 2, 3, 4});
  CHECK(value("pad_reflect", {square}, {{"low", Dims{1, 1}}}) == f32({3, 3}, {4, 3, 4, 2, 1, 2, 4, 3, 4}));
  CHECK(value("pad_edge", {square}, {{"high", Dims{1, 1}}}) == f32({3, 3}, {1, 2, 2, 3, 4, 4, 3, 4, 4}));
  CHECK(value("pad_wrap", {i32({2}, {5, 6})}, {{"low", Dims{1}}}) == i32({3}, {6, 5, 6}));
}

TEST_CASE("what is repeated gets a cotangent from each of its places", "[ops]") {
  const Array x = f64({3}, {1, 2, 3});
  const std::initializer_list<ir::NamedAttr> two{{"low", Dims{2}}, {"high", Dims{1}}};
  CHECK(slopes("pad_edge", {x}, two).first[0] == f64({3}, {3, 1, 2}));
  CHECK(slopes("pad_reflect", {x}, two).first[0] == f64({3}, {1, 3, 2}));
  CHECK(slopes("pad_symmetric", {x}, two).first[0] == f64({3}, {2, 2, 2}));
  CHECK(slopes("pad_wrap", {x}, two).first[0] == f64({3}, {2, 2, 2}));
}

TEST_CASE("unfold lays the elements of windows side by side, fold adds them up", "[ops]") {
  const Array x = row({1, 2, 3, 4});
  CHECK(value("unfold", {x}, {{"size", List{2}}}) == f32({1, 3, 2}, {1, 2, 2, 3, 3, 4}));
  CHECK(value("unfold", {x},
              {{"size", List{2}}, {"dilation", List{2}}, {"stride", List{2}}, {"low", Dims{1}}}) ==
        f32({1, 2, 2}, {0, 2, 2, 4}));
  // By tap and then by channel; channels first by channel and then by tap.
  CHECK(value("unfold", {f32({1, 2, 2}, {1, 10, 2, 20})}, {{"size", List{2}}}) ==
        f32({1, 1, 4}, {1, 10, 2, 20}));
  CHECK(value("unfold", {f32({1, 2, 2}, {1, 2, 10, 20})}, {{"size", List{2}}, first}) ==
        f32({1, 4, 1}, {1, 2, 10, 20}));
  CHECK(value("unfold", {counted({1, 2, 3, 1})}, {{"size", List{2, 2}}}) ==
        f32({1, 1, 2, 4}, {0, 1, 3, 4, 1, 2, 4, 5}));
  const Array ones = f32({1, 3, 2}, {1, 1, 1, 1, 1, 1});
  CHECK(value("fold", {ones}, {{"size", List{2}}, {"extents", Dims{4}}}) == row({1, 2, 2, 1}));
  // What fell on padding is dropped; what no window meets is 0.
  CHECK(value("fold", {f32({1, 2, 2}, {5, 6, 7, 8})},
              {{"size", List{2}}, {"stride", List{3}}, {"low", Dims{1}}, {"extents", Dims{4}}}) ==
        row({6, 0, 7, 8}));
  CHECK(slopes("unfold", {f64({1, 4, 1}, {1, 2, 3, 4})}, {{"size", List{2}}}).first[0] ==
        f64({1, 4, 1}, {1, 2, 2, 1}));
}

TEST_CASE("unfold times weights is a convolution", "[ops]") {
  Draw draw(5);
  const Array x = random_array({DType::f64, {2, 5, 6, 3}}, draw, {}),
              w = random_array({DType::f64, {3, 2, 3, 4}}, draw, {});
  const std::initializer_list<ir::NamedAttr> geometry{
      {"stride", List{2, 1}}, {"dilation", List{1, 2}}, {"low", Dims{2, 0}}, {"high", Dims{1, 1}}};
  const Array conv = value("conv2d", {x, w}, geometry);
  const Array rows = value("unfold", {x},
                           {{"size", List{3, 2}},
                            {"stride", List{2, 1}},
                            {"dilation", List{1, 2}},
                            {"low", Dims{2, 0}},
                            {"high", Dims{1, 1}}});
  CHECK(distance(value("dense", {rows, reshaped(w, {18, 4})}), conv) < 1e-14);
}

TEST_CASE("adaptive pools have as many bins as are asked for", "[ops]") {
  const Array x = row({1, 2, 3, 4, 5});
  // 0..1, 1..3, 3..4.
  CHECK(value("adaptive_avg_pool", {x}, {{"size", List{3}}}) == row({1.5f, 3, 4.5f}));
  CHECK(value("adaptive_max_pool", {x}, {{"size", List{3}}}) == row({2, 4, 5}));
  CHECK(value("adaptive_avg_pool", {x}, {{"size", List{1}}}) == row({3}));
  CHECK(value("adaptive_avg_pool", {x}, {{"size", List{5}}}) == x);
  CHECK(value("adaptive_avg_pool", {row({1, 2})}, {{"size", List{3}}}) == row({1, 1.5f, 2}));
  CHECK(value("adaptive_avg_pool", {row({1, 2, 3, 4})}, {{"size", List{2}}}) == row({1.5f, 3.5f}));
  // Rows in pairs, columns 0..1 and 1..2.
  CHECK(value("adaptive_avg_pool", {counted({1, 4, 3, 1})}, {{"size", List{2, 2}}}) ==
        f32({1, 2, 2, 1}, {2, 3, 8, 9}));
  CHECK(value("adaptive_max_pool", {reshaped(counted({1, 4, 3, 1}), {1, 1, 4, 3})},
              {{"size", List{2, 2}}, first}) == f32({1, 1, 2, 2}, {4, 5, 10, 11}));
}

TEST_CASE("equal elements of a bin share its gradient", "[ops]") {
  // Bins 0..1 and 1..2: the middle element is in both, and equal to the first.
  const Slopes s = slopes("adaptive_max_pool", {f64({1, 3, 1}, {4, 4, 1})}, {{"size", List{2}}});
  CHECK(s.first[0] == f64({1, 3, 1}, {0.5, 1.5, 0}));
}

TEST_CASE("pools in ceil_mode have windows that end behind", "[ops]") {
  const Array x = row({1, 2, 3, 4, 5});
  const ir::NamedAttr two{"size", List{2}}, ceil{"ceil_mode", true}, counts{"count_padding", true};
  CHECK(value("max_pool1d", {x}, {two}) == row({2, 4}));
  CHECK(value("max_pool1d", {x}, {two, ceil}) == row({2, 4, 5}));
  CHECK(value("avg_pool1d", {x}, {two, ceil}) == row({1.5f, 3.5f, 5}));
  CHECK(value("avg_pool1d", {x}, {two, ceil, counts}) == row({1.5f, 3.5f, 5}));
  // Windows at -1, 1 and 3 over four elements with one of padding on both sides.
  const std::initializer_list<ir::NamedAttr> padded{
      {"size", List{3}}, {"stride", List{2}}, {"low", Dims{1}}, {"high", Dims{1}}, ceil};
  const std::initializer_list<ir::NamedAttr> padded_counts{
      {"size", List{3}}, {"stride", List{2}}, {"low", Dims{1}}, {"high", Dims{1}}, ceil, counts};
  CHECK(value("avg_pool1d", {row({1, 2, 3, 4})}, padded) == row({1.5f, 3, 4}));
  CHECK(value("avg_pool1d", {row({1, 2, 3, 4})}, padded_counts) == row({1, 3, 2}));
  // None begins behind the last element.
  CHECK(value("max_pool1d", {row({1, 2, 3})}, {two, {"low", Dims{1}}, {"high", Dims{1}}, ceil}) ==
        row({1, 3}));
  CHECK(value("max_pool2d", {counted({1, 3, 3, 1})}, {{"size", List{2, 2}}, ceil}) ==
        f32({1, 2, 2, 1}, {4, 5, 7, 8}));
}
