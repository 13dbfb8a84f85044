// Values of structural operations, by hand.
#include "ops/run.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;
using ir::Shape;
using List = std::vector<int64_t>;

TEST_CASE("generators", "[ops]") {
  CHECK(value("iota", {}, {{"shape", Shape{2, 3}}, {"axis", int64_t{1}}, {"dtype", DType::f32}}) ==
        f32({2, 3}, {0, 1, 2, 0, 1, 2}));
  CHECK(value("iota", {}, {{"shape", Shape{2, 3}}}) == i64({2, 3}, {0, 0, 0, 1, 1, 1}));
  CHECK(value("extent", {}, {{"dim", ir::Dim(42)}}) == i64({}, {42}));
  const auto constant = std::make_shared<const Array>(i32({2}, {7, -8}));
  CHECK(value("const", {}, {{"value", constant}}) == i32({2}, {7, -8}));
}

TEST_CASE("broadcast repeats along new and unit dimensions", "[ops]") {
  const Array row = f32({3}, {1, 2, 3}), column = f32({2, 1}, {1, 2});
  CHECK(value("broadcast", {row}, {{"shape", Shape{2, 3}}}) == f32({2, 3}, {1, 2, 3, 1, 2, 3}));
  CHECK(value("broadcast", {row}, {{"shape", Shape{3, 2}}, {"axes", List{0}}}) ==
        f32({3, 2}, {1, 1, 2, 2, 3, 3}));
  CHECK(value("broadcast", {column}, {{"shape", Shape{2, 3}}}) == f32({2, 3}, {1, 1, 1, 2, 2, 2}));
  CHECK(value("broadcast", {row}, {{"shape", Shape{0, 3}}}).count() == 0);
}

TEST_CASE("reshape, transpose, reverse", "[ops]") {
  const Array x = i32({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(value("reshape", {x}, {{"shape", Shape{3, 2}}}) == i32({3, 2}, {1, 2, 3, 4, 5, 6}));
  CHECK(value("transpose", {x}) == i32({3, 2}, {1, 4, 2, 5, 3, 6}));
  const Array cube = i32({2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(value("transpose", {cube}, {{"perm", List{1, 2, 0}}}) == i32({2, 2, 2}, {0, 4, 1, 5, 2, 6, 3, 7}));
  CHECK(value("reverse", {x}, {{"axes", List{1}}}) == i32({2, 3}, {3, 2, 1, 6, 5, 4}));
  CHECK(value("reverse", {x}) == i32({2, 3}, {6, 5, 4, 3, 2, 1}));
}

TEST_CASE("slice, pad, concat", "[ops]") {
  const Array x = i32({2, 5}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(value("slice", {x}, {{"start", Shape{0, 1}}, {"stride", Shape{1, 2}}}) == i32({2, 2}, {1, 3, 6, 8}));
  CHECK(value("slice", {x}, {{"start", Shape{1, 0}}, {"limit", Shape{2, 3}}}) == i32({1, 3}, {5, 6, 7}));
  const Array v = f32({3}, {1, 2, 3}), fill = f32({}, {9});
  CHECK(value("pad", {v, fill}, {{"low", Shape{1}}, {"high", Shape{2}}, {"interior", Shape{2}}}) ==
        f32({10}, {9, 1, 9, 9, 2, 9, 9, 3, 9, 9}));
  CHECK(value("pad", {v, fill}, {{"high", Shape{1}}}) == f32({4}, {1, 2, 3, 9}));
  const Array m = i32({1, 2}, {1, 2}), zero = i32({}, {0});
  CHECK(value("pad", {m, zero}, {{"low", Shape{1, 0}}, {"high", Shape{0, 1}}, {"interior", Shape{0, 1}}}) ==
        i32({2, 4}, {0, 0, 0, 0, 1, 0, 2, 0}));
  CHECK(value("concat", {i32({1, 2}, {1, 2}), i32({2, 2}, {3, 4, 5, 6})}) == i32({3, 2}, {1, 2, 3, 4, 5, 6}));
  CHECK(value("concat", {i32({2, 1}, {1, 2}), i32({2, 0}, {}), i32({2, 2}, {3, 4, 5, 6})},
              {{"axis", int64_t{1}}}) == i32({2, 3}, {1, 3, 4, 2, 5, 6}));
}

TEST_CASE("take and scatter_add", "[ops]") {
  const Array x = f32({3, 2}, {1, 2, 3, 4, 5, 6});
  CHECK(value("take", {x, i32({4}, {2, 0, 0, 1})}) == f32({4, 2}, {5, 6, 1, 2, 1, 2, 3, 4}));
  CHECK(value("take", {x, i64({2, 1}, {1, 0})}, {{"axis", int64_t{1}}}) ==
        f32({3, 2, 1}, {2, 1, 4, 3, 6, 5}));
  CHECK(value("take", {x, i32({}, {1})}) == f32({2}, {3, 4}));
  CHECK(value("scatter_add", {x, i32({3}, {2, 0, 2}), f32({3, 2}, {10, 20, 30, 40, 50, 60})}) ==
        f32({3, 2}, {31, 42, 3, 4, 65, 86}));
  CHECK(run_op("take", {x, i32({2}, {0, 3})}).status == 605);
  CHECK(run_op("take", {x, i32({1}, {-1})}).status == 605);
  CHECK(run_op("scatter_add", {x, i64({1}, {3}), f32({1, 2}, {1, 1})}).status == 605);
}

TEST_CASE("checks pass values on, or fail with their code and the first position", "[ops]") {
  const Array x = f32({3}, {1, 2, 3});
  CHECK(value("check", {x, bools({2}, {true, true})}, {{"code", int64_t{311}}}) == x);
  const evaluate::Outputs failed =
      run_op("check", {x, bools({3}, {true, false, false})}, {{"code", int64_t{311}}});
  CHECK(failed.status == 311);
  CHECK(failed.detail == 1);
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(value("check_finite", {x}) == x);
  CHECK(run_op("check_finite", {f32({2}, {0, inf})}).status == 606);
  CHECK(run_op("check_finite", {f32({2}, {-inf, 0})}).status == 606);
  CHECK(run_op("check_finite", {f32({1}, {inf - inf})}).status == 606);
  CHECK(value("check_range", {i32({2}, {0, 4})}, {{"high", ir::Dim(5)}}) == i32({2}, {0, 4}));
  CHECK(run_op("check_range", {i32({2}, {0, 5})}, {{"high", ir::Dim(5)}}).status == 605);
  CHECK(run_op("check_range", {i32({2}, {-1, 4})}, {{"high", ir::Dim(5)}}).detail == 0);
}
