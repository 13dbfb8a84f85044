// Values of normalizations, by hand.
#include <cmath>

#include "ops/run.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;

namespace {
const std::initializer_list<ir::NamedAttr> exact{{"epsilon", 0.0}};
}

TEST_CASE("layer_norm and rms_norm over the last dimension", "[ops]") {
  const Array x = f64({2, 4}, {1, 3, 5, 7, -2, 0, 0, 2});
  const double a = 1 / std::sqrt(5.0), b = 1 / std::sqrt(2.0);
  CHECK(distance(value("layer_norm", {x}, exact), f64({2, 4}, {-3 * a, -a, a, 3 * a, -2 * b, 0, 0, 2 * b})) <
        1e-15);
  const Array scale = f64({4}, {1, 2, 3, 4}), offset = f64({4}, {0, 0, 1, -1});
  CHECK(distance(value("layer_norm", {x, scale, offset}, exact),
                 f64({2, 4}, {-3 * a, -2 * a, 3 * a + 1, 12 * a - 1, -2 * b, 0, 1, 8 * b - 1})) < 1e-14);
  const double r = 1 / std::sqrt(21.0);
  CHECK(distance(value("rms_norm", {x}, exact), f64({2, 4}, {r, 3 * r, 5 * r, 7 * r, -2 * b, 0, 0, 2 * b})) <
        1e-15);
  // Rows without a deviation are zeros where something is added to it.
  CHECK(value("layer_norm", {f32({2}, {5, 5})}) == f32({2}, {0, 0}));
}

TEST_CASE("group_norm and instance_norm of each sample", "[ops]") {
  // Two positions of four channels: groups {0, 1} and {2, 3}.
  const Array x = f64({1, 2, 4}, {1, 3, 0, 0, 5, 7, 0, 4});
  const double a = 1 / std::sqrt(5.0), b = 1 / std::sqrt(3.0);
  CHECK(distance(value("group_norm", {x}, {{"groups", int64_t{2}}, {"epsilon", 0.0}}),
                 f64({1, 2, 4}, {-3 * a, -a, -b, -b, a, 3 * a, -b, 3 * b})) < 1e-15);
  // Three groups of two neighbours, and two of three.
  CHECK(value("group_norm", {f64({1, 1, 6}, {1, 3, 0, 4, 9, 7})},
              {{"groups", int64_t{3}}, {"epsilon", 0.0}}) == f64({1, 1, 6}, {-1, 1, -1, 1, 1, -1}));
  const double c = std::sqrt(1.5);
  CHECK(distance(value("group_norm", {f64({1, 1, 6}, {1, 2, 3, 8, 6, 4})},
                       {{"groups", int64_t{2}}, {"epsilon", 0.0}}),
                 f64({1, 1, 6}, {-c, 0, c, c, 0, -c})) < 1e-14);
  const Array y = f64({1, 2, 2}, {1, 4, 3, -4});
  CHECK(distance(value("instance_norm", {y}, exact), f64({1, 2, 2}, {-1, 1, 1, -1})) < 1e-15);
}

TEST_CASE("batch_norm by the running statistics, which stay", "[ops]") {
  const Array x = f64({2, 2}, {1, 2, 3, 4}), scale = f64({2}, {2, 1}), offset = f64({2}, {0, 10}),
              mean = f64({2}, {1, 2}), variance = f64({2}, {4, 0.25});
  const ir::OpDef& op = *ir::op_table().find("batch_norm");
  ir::Attrs attrs(op.attrs.size());
  attrs[op.attr_index("epsilon")] = 0.0;
  const evaluate::Outputs out = run_ok(
      {x, scale, offset, mean, variance},
      [&](ir::Builder& b, const std::vector<ir::ValueId>& args) { return b.emit_all(op, args, attrs); });
  REQUIRE(out.returned.size() == 3);
  CHECK(distance(out.returned[0], f64({2, 2}, {0, 10, 2, 14})) < 1e-14);
  CHECK(out.returned[1] == mean);
  CHECK(out.returned[2] == variance);
}

TEST_CASE("local_response_norm over neighbouring channels", "[ops]") {
  const Array x = f64({1, 3}, {1, 2, 3});
  const Array y =
      value("local_response_norm", {x}, {{"size", int64_t{3}}, {"alpha", 3.0}, {"beta", 1.0}, {"k", 1.0}});
  // Of squares 1 4 9: sums over neighbours 5 14 13.
  CHECK(distance(y, f64({1, 3}, {1 / 6.0, 2 / 15.0, 3 / 14.0})) < 1e-15);
}

TEST_CASE("normalizations along another axis are those of the transposed value", "[ops]") {
  Draw draw(11);
  const Array x = random_array({DType::f64, {2, 6, 3, 5}}, draw, {}),
              scale = random_array({DType::f64, {6}}, draw, {}),
              offset = random_array({DType::f64, {6}}, draw, {});
  using List = std::vector<int64_t>;
  const auto last = [](const Array& v) { return value("transpose", {v}, {{"perm", List{0, 2, 3, 1}}}); };
  const ir::NamedAttr one{"axis", int64_t{1}}, from_end{"axis", int64_t{-3}}, groups{"groups", int64_t{3}};
  const auto same = [&](const Array& first, const Array& wanted) {
    CHECK(distance(last(first), wanted) < 1e-14);
  };
  same(value("group_norm", {x, scale, offset}, {groups, one}),
       value("group_norm", {last(x), scale, offset}, {groups}));
  same(value("group_norm", {x, scale}, {groups, from_end}), value("group_norm", {last(x), scale}, {groups}));
  same(value("instance_norm", {x, scale, offset}, {one}), value("instance_norm", {last(x), scale, offset}));
  same(value("local_response_norm", {x}, {{"size", int64_t{3}}, {"alpha", 0.5}, one}),
       value("local_response_norm", {last(x)}, {{"size", int64_t{3}}, {"alpha", 0.5}}));
}
