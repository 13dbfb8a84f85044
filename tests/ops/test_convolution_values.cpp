// Values of convolutions and of reductions over windows, by hand and against sums written out; shapes
// refused.
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

const ir::OpDef& op_of(std::string_view name) { return *ir::op_table().find(name); }
ir::Attrs attributes(const ir::OpDef& op, const std::vector<ir::NamedAttr>& named) {
  ir::Attrs out(op.attrs.size());
  for (const ir::NamedAttr& a : named) out[op.attr_index(a.name)] = a.value;
  return out;
}
Array with(std::string_view op, const std::vector<Array>& operands, const std::vector<ir::NamedAttr>& attrs) {
  evaluate::Outputs out = run_ok(operands, [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
    return b.emit_all(op_of(op), args, attributes(op_of(op), attrs));
  });
  return std::move(out.returned[0]);
}
std::string refused(std::string_view op, const std::vector<Array>& operands,
                    const std::vector<ir::NamedAttr>& attrs) {
  ir::Module module;
  ir::Function& f = module.functions.emplace_back();
  std::vector<ir::ValueId> args;
  for (size_t i = 0; i < operands.size(); ++i)
    args.push_back(f.graph.add_arg(type_of(operands[i]), ir::ArgKind::input, "a" + std::to_string(i)));
  auto out = ir::Builder(f.graph, &module).try_emit(op_of(op), args, attributes(op_of(op), attrs));
  return out ? "" : out.errors().text();
}
bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("convolution along one window", "[ops]") {
  const Array x = f32({5, 1}, {1, 2, 3, 4, 5}), w = f32({3, 1, 1}, {1, 10, 100});
  const auto along = [&](std::initializer_list<ir::NamedAttr> more) {
    std::vector<ir::NamedAttr> attrs{{"lhs_contract", List{1}},
                                     {"rhs_contract", List{1}},
                                     {"lhs_window", List{0}},
                                     {"rhs_window", List{0}}};
    attrs.insert(attrs.end(), more.begin(), more.end());
    return with("convolution", {x, w}, attrs);
  };
  CHECK(along({}) == f32({3, 1}, {321, 432, 543}));
  CHECK(along({{"low", Dims{1}}, {"extents", Dims{5}}}) == f32({5, 1}, {210, 321, 432, 543, 54}));
  CHECK(along({{"stride", List{2}}, {"low", Dims{1}}, {"extents", Dims{3}}}) == f32({3, 1}, {210, 432, 54}));
  CHECK(along({{"rhs_dilation", List{2}}}) == f32({1, 1}, {531}));
  // 1 0 2 0 3 0 4 0 5 under 1 10 100.
  CHECK(along({{"lhs_dilation", List{2}}}) == f32({7, 1}, {201, 20, 302, 30, 403, 40, 504}));
  CHECK(along({{"reversed", List{1}}}) == f32({3, 1}, {123, 234, 345}));
  CHECK(along({{"low", Dims{-1}}, {"extents", Dims{2}}}) == f32({2, 1}, {432, 543}));
  // Windows that meet nothing, and none at all.
  CHECK(along({{"low", Dims{7}}, {"extents", Dims{2}}}) == f32({2, 1}, {0, 0}));
  CHECK(along({{"extents", Dims{0}}}) == f32({0, 1}, {}));
}

TEST_CASE("what lies outside is left out, whatever the weights", "[ops]") {
  const Array x = f32({2, 1}, {1, 2}), w = f32({3, 1, 1}, {inf, 1, inf});
  const Array y = value("convolution", {x, w},
                        {{"lhs_contract", List{1}},
                         {"rhs_contract", List{1}},
                         {"lhs_window", List{0}},
                         {"rhs_window", List{0}},
                         {"low", Dims{2}},
                         {"extents", Dims{4}}});
  // 0: inf * 1; 1: 1 * 1 + inf * 2; 2: inf * 1 + 1 * 2; 3: inf * 2. No infinity times 0.
  CHECK(y == f32({4, 1}, {inf, inf, inf, inf}));
}

TEST_CASE("conv2d in both layouts, with groups", "[ops]") {
  // [1, 3, 3, 2]: channel 0 counts up, channel 1 is its negative.
  Array x(DType::f32, {1, 3, 3, 2});
  for (int i = 0; i < 9; ++i) x.as<float>()[2 * i] = float(i), x.as<float>()[2 * i + 1] = -float(i);
  const Array w = f32({2, 2, 2, 1}, {1, 0, 1, 0, 1, 0, 1, 1}), b = f32({1}, {0.5f});
  // Of 0 1 3 4: 8; the last tap takes the second channel as well.
  CHECK(value("conv2d", {x, w, b}) == f32({1, 2, 2, 1}, {8.5f - 4, 12.5f - 5, 20.5f - 7, 24.5f - 8}));
  CHECK(value("conv2d", {x, w}, {{"stride", List{2, 2}}}) == f32({1, 1, 1, 1}, {4}));
  CHECK(value("conv2d", {x, w}, {{"padding", std::string("same")}}).shape() == List{1, 3, 3, 1});
  // Depthwise: a weight for each channel and tap.
  const Array d = f32({1, 1, 1, 2}, {2, 3});
  const Array y = value("conv2d", {x, d}, {{"groups", int64_t{2}}});
  CHECK(y.as<float>()[2] == 2);
  CHECK(y.as<float>()[3] == -3);
  // Channels first: [1, 2, 3, 3], weights [out, in, taps].
  Array first(DType::f32, {1, 2, 3, 3});
  for (int i = 0; i < 9; ++i) first.as<float>()[i] = float(i), first.as<float>()[9 + i] = -float(i);
  const Array wf = f32({1, 2, 2, 2}, {1, 1, 1, 1, 0, 0, 0, 1});
  CHECK(value("conv2d", {first, wf, b}, {{"layout", std::string("channels_first")}}) ==
        f32({1, 1, 2, 2}, {4.5f, 7.5f, 13.5f, 16.5f}));
}

TEST_CASE("a transposed convolution undoes the strides of one", "[ops]") {
  const Array x = f32({1, 2, 1}, {1, 2}), w = f32({3, 1, 1}, {1, 10, 100});
  // Each element spreads 1 10 100, two apart.
  CHECK(value("conv_transpose1d", {x, w}, {{"stride", List{2}}}) == f32({1, 5, 1}, {1, 10, 102, 20, 200}));
  CHECK(value("conv_transpose1d", {x, w}, {{"stride", List{2}}, {"padding", std::string("same")}}) ==
        f32({1, 4, 1}, {1, 10, 102, 20}));
  CHECK(value("conv_transpose1d", {x, w}, {{"low", Dims{1}}, {"high", Dims{1}}}) ==
        f32({1, 2, 1}, {12, 120}));
  // Strides longer than the taps leave zeros behind each, as the convolution that it undoes reads the first.
  CHECK(value("conv_transpose1d", {x, f32({1, 1, 1}, {1})},
              {{"stride", List{2}}, {"padding", std::string("same")}}) == f32({1, 4, 1}, {1, 0, 2, 0}));
}

TEST_CASE("reductions over windows", "[ops]") {
  const Array x = f32({5}, {1, -2, 3, 4, -5});
  const auto over = [&](std::string_view op, std::initializer_list<ir::NamedAttr> more) {
    std::vector<ir::NamedAttr> attrs{{"axes", List{0}}, {"size", List{3}}};
    attrs.insert(attrs.end(), more.begin(), more.end());
    return with(op, {x}, attrs);
  };
  CHECK(over("window_sum", {{"stride", List{1}}}) == f32({3}, {2, 5, 2}));
  CHECK(over("window_sum", {}) == f32({1}, {2}));
  CHECK(over("window_max", {{"stride", List{2}}, {"low", Dims{1}}, {"extents", Dims{3}}}) ==
        f32({3}, {1, 4, 4}));
  CHECK(over("window_min", {{"dilation", List{2}}}) == f32({1}, {-5}));
  CHECK(over("window_prod", {{"stride", List{1}}, {"low", Dims{1}}, {"extents", Dims{5}}}) ==
        f32({5}, {-2, -6, -24, -60, -20}));
}

TEST_CASE("padding takes no share of the gradient of an extreme", "[ops]") {
  // Every element is -inf, as what is outside reads: windows of two, three and two elements.
  const Array x = f32({3}, {-inf, -inf, -inf});
  const evaluate::Outputs out = run_ok({x}, [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
    const ir::OpDef& op = op_of("window_max");
    const ir::Attrs attrs = attributes(
        op,
        {{"axes", List{0}}, {"size", List{3}}, {"stride", List{1}}, {"low", Dims{1}}, {"extents", Dims{3}}});
    const std::vector<ir::ValueId> y = b.emit_all(op, args, attrs);
    const ir::ValueId g = b.emit("mul", {b.constant_like(y[0], 1), b.constant_like(y[0], 1)});
    // The rule makes nodes, which may move those that are there.
    ir::Graph aside;
    const ir::ValueId a = aside.add_arg(type_of(x), ir::ArgKind::input, "x");
    const ir::ValueId z = ir::Builder(aside).emit_all(op, {a}, attrs)[0];
    ir::VjpContext c{b, *aside.producer(z), args, y, {g}, {true}, {ir::ValueId()}};
    op.vjp(c);
    return c.out;
  });
  CHECK(distance(out.returned[0], f32({3}, {1 / 2.f + 1 / 3.f, 1 + 1 / 3.f, 1 / 2.f + 1 / 3.f})) < 1e-6);
}

TEST_CASE("pools", "[ops]") {
  Array x(DType::f32, {1, 4, 4, 1});
  for (int i = 0; i < 16; ++i) x.as<float>()[i] = float(i);
  const List two{2, 2}, three{3, 3};
  CHECK(value("max_pool2d", {x}, {{"size", two}}) == f32({1, 2, 2, 1}, {5, 7, 13, 15}));
  CHECK(value("avg_pool2d", {x}, {{"size", two}}) == f32({1, 2, 2, 1}, {2.5f, 4.5f, 10.5f, 12.5f}));
  CHECK(value("max_pool2d", {x}, {{"size", three}, {"stride", List{1, 1}}}) ==
        f32({1, 2, 2, 1}, {10, 11, 14, 15}));
  // Corners have four elements, and nine places.
  const std::initializer_list<ir::NamedAttr> same{
      {"size", three}, {"stride", List{3, 3}}, {"low", Dims{1, 1}}, {"high", Dims{1, 1}}};
  CHECK(value("avg_pool2d", {x}, same) == f32({1, 2, 2, 1}, {2.5f, 4.5f, 10.5f, 12.5f}));
  CHECK(value("global_avg_pool", {x}) == f32({1, 1}, {7.5f}));
  CHECK(value("global_max_pool", {x}) == f32({1, 1}, {15}));
}

TEST_CASE("geometries that cannot be are refused with both shapes and the mend", "[ops]") {
  const Array x(DType::f32, {1, 8, 8, 3}), w(DType::f32, {3, 3, 3, 4});
  CHECK(refused("conv2d", {x, w}, {}).empty());
  CHECK(has(refused("conv2d", {x, w}, {{"stride", List{0, 1}}}), "stride is 0, wants 1 to 1048576"));
  CHECK(has(refused("conv2d", {x, w}, {{"stride", List{1}}}), "stride has 1 numbers, wants 2"));
  const std::string large = refused("conv2d", {x, Array(DType::f32, {9, 3, 3, 4})}, {});
  CHECK(has(large, "a window of 9 (dilation 1) may not fit into 8 elements of spatial dimension 0"));
  CHECK(has(large, "pad more"));
  CHECK(has(refused("conv2d", {x, w}, {{"low", Dims{int64_t{1} << 40, 0}}}), "wants -2^31 to 2^31"));
  const std::string channels = refused("conv2d", {x, Array(DType::f32, {3, 3, 2, 4})}, {});
  CHECK(has(channels, "x has 3 channels, w is for 2"));
  CHECK(has(channels, "f32[1,8,8,3]"));
  CHECK(has(channels, "f32[3,3,2,4]"));
  CHECK(has(refused("conv2d", {x, Array(DType::f32, {3, 3, 1, 4})}, {{"groups", int64_t{3}}}),
            "3 groups do not divide the 4 output channels"));
  CHECK(has(refused("conv2d", {Array(DType::f32, {8, 8, 3}), w}, {}), "wants 4: batch, 2 spatial ones"));
  CHECK(has(refused("max_pool2d", {x}, {{"size", List{9, 2}}}), "a window of 9"));
  CHECK(has(refused("max_pool2d", {x}, {{"size", List{99, 99}}}), "more than 1024 elements"));
  CHECK(has(refused("conv_transpose2d", {x, Array(DType::f32, {3, 3, 4, 3})}, {{"low", Dims{11, 0}}}),
            "pad less: padding cuts the results of a transposed layer"));
  CHECK(has(refused("window_sum", {x}, {{"axes", List{1}}, {"size", List{9}}}), "a window of 9 may not fit"));
  CHECK(has(
      refused("window_sum", {x}, {{"axes", List{1}}, {"size", List{1 << 20}}, {"dilation", List{1 << 20}}}),
      "reaches past 2^31 places"));
  CHECK(has(refused("convolution", {x, w},
                    {{"lhs_contract", List{3}}, {"rhs_contract", List{2}}, {"lhs_window", List{1, 1}}}),
            "is named twice"));
}
