// Geometries that cannot be: the error has its code, its place, the shapes and the mend, from a text, from
// the command and from C++.
#include <tenon/tenon.hpp>

#include "catch.h"
#include "conformance/command_runner.h"

namespace tn = tenon;

namespace tenon::test {
namespace {

struct Mistake {
  const char *types, *statement, *code;
  std::vector<const char*> telling;  // parts of the message and the mend, beside the types
};

const char* const image = "x: f32[2,8,8,6]";
const char* const image_and_weights = "x: f32[2,8,8,6], w: f32[3,3,6,4]";
const char* const image_and_inner = "x: f32[2,8,8,6], w: f32[3,3,4,6]";
const char* const row = "x: f32[2,8,6]";

const std::vector<Mistake> mistakes = {
    // --- Convolutions ---
    {image_and_weights,
     "conv2d x, w {stride = [0, 1]}",
     "T108",
     {"stride is 0, wants 1 to", "in that range"}},
    {image_and_weights,
     "conv2d x, w {stride = [1]}",
     "T108",
     {"stride has 1 numbers, wants 2", "for each spatial"}},
    {image_and_weights, "conv2d x, w {dilation = [1, -1]}", "T108", {"dilation is -1", "in that range"}},
    {"x: f32[2,8,8,6], w: f32[9,3,6,4]",
     "conv2d x, w",
     "T107",
     {"a window of 9", "into 8 elements", "pad more"}},
    {image_and_weights, "conv2d x, w {dilation = [4, 1]}", "T107", {"dilation 4", "smaller window"}},
    {image_and_weights,
     "conv2d x, w {low = [-4, 0], high = [-4, 0]}",
     "T107",
     {"padding -4 and -4", "pad more"}},
    {image_and_weights,
     "conv2d x, w {low = [9223372036854775807, 0]}",
     "T108",
     {"low is 9223372036854775807, wants -2^31 to 2^31", "pad less"}},
    {"x: f32[2,9223372036854775807,1,1], w: f32[1,1,1,1]", "conv2d x, w {low = [1, 0]}", "T112", {"too"}},
    {"x: f32[2,8,8,6], w: f32[3,3,5,4]",
     "conv2d x, w",
     "T107",
     {"x has 6 channels, w is for 5", "channels of x are the last dimension"}},
    {"x: f32[2,8,8,6], w: f32[3,3,2,4]",
     "conv2d x, w {groups = 3}",
     "T107",
     {"3 groups do not divide the 4 output channels", "divides both"}},
    {image_and_weights, "conv2d x, w {groups = 0}", "T108", {"groups is 0", "divides the channels"}},
    {"x: f32[2,8,6], w: f32[3,3,6,4]", "conv2d x, w", "T106", {"has 3 dimensions, wants 4", "batch of 1"}},
    {"x: f32[2,8,8,6], w: f32[3,6,4]",
     "conv2d x, w",
     "T106",
     {"w: f32[3,6,4] has 3 dimensions", "weights are [taps"}},
    {"x: f32[2,8,8,6], w: f32[3,3,6,4], b: f32[5]",
     "conv2d x, w, b",
     "T107",
     {"b has 5 entries, the result has 4 channels", "one entry for each channel"}},
    {image_and_weights,
     "conv2d x, w {padding = same, low = [0, 0]}",
     "T108",
     {"padding = same puts 1 and 1", "leave `low` and `high` out"}},
    {image_and_weights, "conv2d x, w {padding = same, high = [2, 2]}", "T108", {"low and high are 1 and 2"}},
    {"x: f32[2,n,8,6], w: f32[3,3,6,4]",
     "conv2d x, w {padding = same, stride = [2, 2]}",
     "T108",
     {"not the same for all sizes", "padding = valid"}},
    {"x: f32[2,n,8,6], w: f32[3,3,6,4]", "conv2d x, w", "T107", {"a window of 3", "range that starts"}},
    {"x: f32[2,8,6], w: f32[9,6,4]", "conv1d x, w", "T107", {"a window of 9", "into 8 elements", "pad more"}},
    {"x: f32[2,6,8], w: f32[4,5,3]",
     "conv1d x, w {layout = channels_first}",
     "T107",
     {"x has 6 channels, w is for 5", "channels of x are the second dimension"}},
    {"x: f32[2,8,8,8,6], w: f32[3,3,3,6,4]", "conv3d x, w {stride = [1, 1, 0]}", "T108", {"stride is 0"}},
    {"x: f32[2,8,8,8,6], w: f32[3,3,9,6,4]", "conv3d x, w", "T107", {"spatial dimension 2", "pad more"}},
    // --- Transposed ones ---
    {image_and_inner, "conv_transpose2d x, w {stride = [0, 1]}", "T108", {"stride is 0", "in that range"}},
    {image_and_inner,
     "conv_transpose2d x, w {low = [10, 0]}",
     "T107",
     {"3 taps may give no result", "pad less"}},
    {image_and_inner,
     "conv_transpose2d x, w {padding = same, low = [0, 1]}",
     "T108",
     {"padding = same puts 1 and 1", "leave `low` and `high` out"}},
    {"x: f32[2,8,8,6], w: f32[3,3,4,5]", "conv_transpose2d x, w", "T107", {"x has 6 channels, w is for 5"}},
    {image_and_inner,
     "conv_transpose2d x, w {groups = 4}",
     "T107",
     {"4 groups do not divide the 6 input channels"}},
    // --- The primitive ---
    {image_and_weights,
     "convolution x, w {lhs_contract = [3], rhs_contract = [2], lhs_window = [1, 2], rhs_window = [0, 1], "
     "stride "
     "= [0, 1]}",
     "T108",
     {"stride is 0, wants 1 to", "in that range"}},
    {"x: f32[2,8,8,5], w: f32[3,3,6,4]",
     "convolution x, w {lhs_contract = [3], rhs_contract = [2], lhs_window = [1, 2], rhs_window = [0, 1]}",
     "T107",
     {"dimension 3 of lhs", "is 5, dimension 2 of rhs", "pair dimensions of equal"}},
    {"x: f32[2,8,8,6], w: f32[9,3,6,4]",
     "convolution x, w {lhs_contract = [3], rhs_contract = [2], lhs_window = [1, 2], rhs_window = [0, 1]}",
     "T107",
     {"the window of 9 may not fit", "pad more"}},
    // --- Pools and windows ---
    {image, "max_pool2d x {size = [0, 2]}", "T108", {"size is 0, wants 1 to", "in that range"}},
    {image, "max_pool2d x {size = [2, 2], stride = [0, 2]}", "T108", {"stride is 0", "in that range"}},
    {image, "max_pool2d x {size = [9, 2]}", "T107", {"a window of 9", "pad more"}},
    {image, "max_pool2d x {size = [99, 99]}", "T108", {"more than 1024 elements", "smaller windows"}},
    {image, "avg_pool2d x {size = [3]}", "T108", {"size has 1 numbers, wants 2", "for each spatial"}},
    {image, "avg_pool2d x {size = [3, 3], padding = same, high = [3, 3]}", "T108", {"padding = same puts"}},
    {row,
     "avg_pool1d x {size = [2], ceil_mode = true, high = [n]}",
     "T108",
     {"high is n, ceil_mode wants a number"}},
    {row, "max_pool2d x {size = [2, 2]}", "T106", {"wants 4: batch, 2 spatial ones"}},
    {row,
     "window_sum x {axes = [1], size = [9]}",
     "T107",
     {"a window of 9 may not fit along axis 1", "pad more"}},
    {row, "window_max x {axes = [1], size = [2], stride = [0]}", "T108", {"stride is 0", "in that range"}},
    {row,
     "window_sum x {axes = [1], size = [2, 2]}",
     "T108",
     {"size has 2, wants one", "for each of `axes`"}},
    {row,
     "window_sum x {axes = [1], size = [1048576], dilation = [1048576]}",
     "T108",
     {"reaches past 2^31 places", "smaller window"}},
    {row,
     "window_sum x {axes = [1], size = [2], low = [9223372036854775807], extents = [3]}",
     "T108",
     {"wants -2^33 to 2^33", "pad less"}},
    {row, "adaptive_avg_pool x {size = [0]}", "T108", {"size is 0, wants 1 to", "in that range"}},
    {row, "adaptive_max_pool x {size = [2, 2]}", "T108", {"size has 2 numbers, wants 1", "for each spatial"}},
    {"x: f32[2,k,6]",
     "adaptive_avg_pool x {size = [2]}",
     "T107",
     {"may be none of the k elements", "starts at 1"}},
    // --- Resizing ---
    {image, "resize x", "T108", {"neither size nor scale is given", "whole factors"}},
    {image, "resize x {scale = [0, 2]}", "T108", {"scale is 0, wants 1 to", "in that range"}},
    {image, "resize x {size = [8]}", "T108", {"size has 1 numbers, wants 2", "for each spatial"}},
    {image, "resize x {size = [0, 4]}", "T108", {"size is 0, wants at least 1", "starts at 1"}},
    {image, "resize x {size = [9, 16], scale = [2, 2]}", "T108", {"size is 9, scale = 2 makes 16", "one of"}},
    {"x: f32[2,n,6]", "resize x {size = [7]}", "T108", {"n elements do not become 7", "whole factors"}},
    {"x: f32[2,n,6]", "resize x {scale = [2], coordinates = align_corners}", "T108", {"align_corners"}},
    {"x: i32[2,8,6]",
     "resize x {scale = [2], method = linear}",
     "T105",
     {"wants a float type", "method = nearest"}},
    {"x: f32[8,6]", "resize x {scale = [2]}", "T106", {"wants 3 to 5: batch", "batch of 1"}},
    // --- Elements at other places ---
    {image, "pixel_shuffle x {factor = 2}", "T107", {"the 6 channels are no multiple of 4", "such as 4"}},
    {image, "pixel_shuffle x {factor = 0}", "T108", {"factor is 0, wants 1 to 1024", "in that range"}},
    {image,
     "pixel_unshuffle x {factor = 3}",
     "T107",
     {"the 8 elements of spatial dimension 0 are no multiple of 3"}},
    {row,
     "pad_reflect x {low = [0, 8, 0]}",
     "T108",
     {"low is 8 in dimension 1", "7 can be repeated", "pad less"}},
    {row, "pad_wrap x {high = [0, 9, 0]}", "T108", {"high is 9 in dimension 1", "pad less"}},
    {row, "pad_edge x {low = [0, -1, 0]}", "T108", {"low is -1 in dimension 1, wants at least 0", "slice"}},
    {row, "pad_symmetric x {low = [1, 1]}", "T108", {"low has 2 entries, wants 3", "for each dimension"}},
    {"x: f32[k]", "pad_edge x {low = [1]}", "T107", {"may have no element to repeat", "starts at 1"}},
    {row, "unfold x {size = [9]}", "T107", {"a window of 9", "pad more"}},
    {row, "unfold x {size = [2], stride = [0]}", "T108", {"stride is 0", "in that range"}},
    {row, "unfold x {size = [2], padding = same, low = [1]}", "T108", {"padding = same puts 0 and 1"}},
    {row,
     "fold x {size = [2], extents = [8]}",
     "T107",
     {"has 8 windows", "there are 7", "those of the unfold"}},
    {"x: f32[2,7,5]",
     "fold x {size = [2], extents = [8]}",
     "T107",
     {"5 channels, no multiple of the 2", "each tap"}},
    // --- Normalization and augmentation ---
    {image, "group_norm x {groups = 4}", "T108", {"4 groups do not divide the 6 channels", "along `axis`"}},
    {image, "group_norm x {groups = 2, axis = 0}", "T108", {"axis 0 of x", "is the batch", "-1, or 1"}},
    {image, "instance_norm x {axis = 4}", "T108", {"axis 4 is outside", "axes are 0..3"}},
    {image, "random_crop x {size = [9, 9]}", "T107", {"size is 9, of 8 elements", "pad more"}},
    {image, "random_crop x {padding = [8, 0], border = reflect}", "T108", {"more than border = reflect has"}},
    {image, "random_shift x {most = [1]}", "T108", {"most has 1 numbers, wants 2", "for each spatial"}},
    {image, "random_flip x {axis = 0}", "T108", {"axis 0 of x", "is the batch", "name the width"}},
    {image, "cutout x {size = [-1, 2]}", "T108", {"size is -1, wants 0 to", "in that range"}},
};

// A function for each, four lines long.
std::string text_of(const std::vector<Mistake>& of) {
  std::string text = "tenon 1\nmodule m\ndim n = 1..64\ndim k = 0..64\n";
  for (size_t i = 0; i < of.size(); ++i) {
    const std::string types = of[i].types;
    const std::string x = types.substr(3, types.find(']') - 2);
    text += "func f" + std::to_string(i) + "(" + types + ") -> " + x + " {\n  y = " + of[i].statement +
            "\n  return x\n}\n";
  }
  return text;
}

// The part of the errors that begins with the one in this line.
std::string in_line(const std::string& errors, size_t line) {
  const std::string place = "m.tenon:" + std::to_string(line) + ":";
  for (size_t at = 0; at < errors.size();) {
    const size_t end = std::min(errors.find("\nerror[", at + 1), errors.size());
    const std::string one = errors.substr(at, end - at);
    if (one.find(place) != std::string::npos) return one;
    at = end == errors.size() ? end : end + 1;
  }
  return {};
}

template <class F>
std::string thrown(F&& f) {
  try {
    f();
  } catch (const tn::Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("geometries that cannot be are told by the command, each at its place") {
  const Folder folder;
  folder.write("m.tenon", text_of(mistakes));
  const Ran ran = folder.tenon("check m.tenon");
  CHECK(ran.status == 3);
  CHECK(ran.signal == 0);
  for (size_t i = 0; i < mistakes.size(); ++i) {
    const Mistake& m = mistakes[i];
    INFO(m.types << "  " << m.statement);
    const std::string error = in_line(ran.err, 6 + 4 * i);
    INFO(error);
    const std::string op = std::string(m.statement).substr(0, std::string_view(m.statement).find(' '));
    CHECK(error.starts_with("error[" + std::string(m.code) + "]: " + op + ": "));
    CHECK(error.find("\nhelp: ") != std::string::npos);
    for (const char* part : m.telling) {
      INFO("wanted: " << part);
      CHECK(error.find(part) != std::string::npos);
    }
    // The types of all operands.
    const std::string types = m.types;
    for (size_t at = types.find(": "); at != std::string::npos; at = types.find(": ", at + 1))
      CHECK(error.find(types.substr(at + 2, types.find(']', at) - at - 1)) != std::string::npos);
  }
}

TEST_CASE("geometries that cannot be are told at the line of C++ that asks for them") {
  tn::Model m("wrong");
  const tn::Value x = m.input<float>("x", {2, 8, 8, 6});
  const tn::Value w = m.param("w", {3, 3, 6, 4}), turned = m.param("turned", {3, 3, 4, 6});
  const auto told = [&](const std::string& text, int line, std::initializer_list<const char*> parts) {
    INFO(text);
    CHECK(text.find("test_geometry_mistakes.cpp:" + std::to_string(line)) != std::string::npos);
    CHECK(text.find("f32[2,8,8,6]") != std::string::npos);
    CHECK(text.find("help: ") != std::string::npos);
    for (const char* part : parts) {
      INFO("wanted: " << part);
      CHECK(text.find(part) != std::string::npos);
    }
  };
  // One a line: the line is part of what is told.
  // clang-format off
  told(thrown([&] { tn::conv2d(x, w, {}, {.stride = {0, 1}}); }), __LINE__, {"T108", "conv2d: stride is 0", "f32[3,3,6,4]"});
  told(thrown([&] { tn::conv2d(x, turned); }), __LINE__, {"T107", "x has 6 channels, w is for 4", "f32[3,3,4,6]"});
  told(thrown([&] { tn::conv2d(x, w, {}, {.dilation = {4, 4}}); }), __LINE__, {"T107", "may not fit", "f32[3,3,6,4]"});
  told(thrown([&] { tn::conv2d(x, w, {}, {.padding = "same", .low = {0, 0}}); }), __LINE__, {"T108", "padding = same puts"});
  told(thrown([&] { tn::conv2d(x, w, {}, {.low = {INT64_MAX, 0}}); }), __LINE__, {"T108", "wants -2^31 to 2^31", "pad less"});
  told(thrown([&] { tn::conv_transpose2d(x, turned, {}, {.groups = 4}); }), __LINE__, {"T107", "4 groups do not divide", "f32[3,3,4,6]"});
  told(thrown([&] { tn::max_pool2d(x, {9, 2}); }), __LINE__, {"T107", "a window of 9"});
  told(thrown([&] { tn::window_sum(x, {1}, {9}); }), __LINE__, {"T107", "may not fit along axis 1"});
  told(thrown([&] { tn::adaptive_avg_pool(x, {0, 2}); }), __LINE__, {"T108", "size is 0"});
  told(thrown([&] { tn::resize(x); }), __LINE__, {"T108", "neither size nor scale"});
  told(thrown([&] { tn::pixel_shuffle(x, 4); }), __LINE__, {"T107", "no multiple of 16"});
  told(thrown([&] { tn::pad_reflect(x, {.low = {0, 8, 0, 0}}); }), __LINE__, {"T108", "7 can be repeated"});
  told(thrown([&] { tn::unfold(x, {9, 9}); }), __LINE__, {"T107", "a window of 9"});
  told(thrown([&] { tn::fold(x, {9, 8}, {3, 3}); }), __LINE__, {"T107", "has 8 windows"});
  told(thrown([&] { tn::random_crop(x, {.size = {9, 9}}); }), __LINE__, {"T107", "size is 9"});
  told(thrown([&] { tn::group_norm(x, {}, {}, 4); }), __LINE__, {"T108", "4 groups do not divide"});
  // clang-format on
  // The model is as it was.
  m.function("f", {{"y", tn::resize(tn::conv2d(x, w), {.scale = {2, 2}, .method = "linear"})}});
  CHECK(m.finish().print().find("f32[2,12,12,4]") != std::string::npos);
}

}  // namespace tenon::test
