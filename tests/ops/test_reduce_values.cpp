// Values of reductions and contractions, by hand, and their orders, told apart by rounding.
#include <cmath>

#include "ops/run.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;
using List = std::vector<int64_t>;

namespace {
const float inf = std::numeric_limits<float>::infinity(),
            not_a_number = std::numeric_limits<float>::quiet_NaN();
}

TEST_CASE("reductions over axes", "[ops]") {
  const Array x = f32({2, 3}, {1, -2, 3, 4, 5, -6});
  CHECK(value("reduce_sum", {x}) == f32({}, {5}));
  CHECK(value("reduce_sum", {x}, {{"axes", List{0}}}) == f32({3}, {5, 3, -3}));
  CHECK(value("reduce_prod", {x}, {{"axes", List{1}}}) == f32({2}, {-6, -120}));
  CHECK(value("reduce_max", {x}, {{"axes", List{1}}}) == f32({2}, {3, 5}));
  CHECK(value("reduce_min", {x}, {{"axes", List{0}}}) == f32({3}, {1, -2, -6}));
  CHECK(value("reduce_sum", {i32({2}, {2147483647, 1})}) == i32({}, {-2147483647 - 1}));
  const Array b = bools({2, 2}, {true, false, true, true});
  CHECK(value("reduce_any", {b}, {{"axes", List{1}}}) == bools({2}, {true, true}));
  CHECK(value("reduce_all", {b}, {{"axes", List{1}}}) == bools({2}, {false, true}));
}

TEST_CASE("reductions of nothing give the identity, and extremes propagate NaN", "[ops]") {
  const Array none = f32({0, 2}, {});
  CHECK(value("reduce_sum", {none}, {{"axes", List{0}}}) == f32({2}, {0, 0}));
  CHECK(value("reduce_prod", {none}, {{"axes", List{0}}}) == f32({2}, {1, 1}));
  CHECK(value("reduce_max", {none}, {{"axes", List{0}}}) == f32({2}, {-inf, -inf}));
  CHECK(value("reduce_min", {none}, {{"axes", List{0}}}) == f32({2}, {inf, inf}));
  CHECK(value("reduce_any", {bools({0}, {})}) == bools({}, {false}));
  CHECK(value("reduce_all", {bools({0}, {})}) == bools({}, {true}));
  CHECK(std::isnan(value("reduce_max", {f32({3}, {1, not_a_number, 2})}).as<float>()[0]));
  CHECK(std::isnan(value("reduce_min", {f32({3}, {1, not_a_number, 2})}).as<float>()[0]));
}

TEST_CASE("the order of a sum is that of its lanes and blocks", "[ops]") {
  const float big = 0x1p24f;  // big + 1 rounds to big
  const Array x = f32({4}, {big, 1, 1, -big});
  CHECK(value("reduce_sum", {x}, {{"lanes", int64_t{1}}, {"block", int64_t{4}}}) == f32({}, {0}));
  // lanes 2: (big + 1) + (1 - big) = big + (1 - big)
  CHECK(value("reduce_sum", {x}, {{"lanes", int64_t{2}}, {"block", int64_t{4}}}) == f32({}, {1}));
  // lanes 4, halved: (big + 1) + (1 - big)
  CHECK(value("reduce_sum", {x}, {{"lanes", int64_t{4}}, {"block", int64_t{4}}}) == f32({}, {1}));
  // blocks of 1: ((big + 1) + 1) - big
  CHECK(value("reduce_sum", {x}, {{"lanes", int64_t{1}}, {"block", int64_t{1}}}) == f32({}, {0}));
  // blocks of 2: (big + 1) + (1 - big)
  CHECK(value("reduce_sum", {x}, {{"lanes", int64_t{1}}, {"block", int64_t{2}}}) == f32({}, {1}));
}

TEST_CASE("positions of extremes", "[ops]") {
  const Array x = f32({2, 3}, {1, 3, 3, not_a_number, 5, not_a_number});
  CHECK(value("argmax", {x}) == i64({2}, {1, 0}));
  CHECK(value("argmin", {x}) == i64({2}, {0, 0}));
  CHECK(value("argmax", {i32({2, 2}, {1, 5, 1, 7})}, {{"axis", int64_t{0}}}) == i64({2}, {0, 1}));
  CHECK(value("argmax", {f32({2}, {-inf, -inf})}) == i64({}, {0}));
}

TEST_CASE("contractions", "[ops]") {
  const Array x = f32({2, 3}, {1, 2, 3, 4, 5, 6}), w = f32({3, 2}, {1, 0, 0, 1, 2, 2});
  CHECK(value("dot", {x, w}) == f32({2, 2}, {7, 8, 16, 17}));
  CHECK(value("dot", {f32({3}, {1, 2, 3}), f32({3}, {4, 5, 6})}) == f32({}, {32}));
  CHECK(value("dot_general", {x, x}, {{"lhs_contract", List{1}}, {"rhs_contract", List{1}}}) ==
        f32({2, 2}, {14, 32, 32, 77}));
  CHECK(value("dot_general", {x, x},
              {{"lhs_batch", List{0}},
               {"rhs_batch", List{0}},
               {"lhs_contract", List{1}},
               {"rhs_contract", List{1}}}) == f32({2}, {14, 77}));
  CHECK(value("dot_general", {f32({2}, {1, 2}), f32({2}, {3, 4})}) == f32({2, 2}, {3, 4, 6, 8}));
  // Batch in the middle, two contracting dimensions in different orders.
  const Array a = i32({2, 1, 2}, {1, 2, 3, 4}), b = i32({2, 2, 1}, {1, 2, 3, 4});
  CHECK(value("dot_general", {a, b},
              {{"lhs_batch", List{1}},
               {"rhs_batch", List{2}},
               {"lhs_contract", List{0, 2}},
               {"rhs_contract", List{1, 0}}}) == i32({1}, {1 * 1 + 2 * 3 + 3 * 2 + 4 * 4}));
  CHECK(value("dot", {f32({2, 0}, {}), f32({0, 2}, {})}) == f32({2, 2}, {0, 0, 0, 0}));
}

TEST_CASE("the order of a contraction is that of its blocks", "[ops]") {
  const float big = 0x1p24f;
  const Array x = f32({4}, {big, 1, 1, -big}), one = f32({4}, {1, 1, 1, 1});
  const auto blocks = [&](int64_t block) {
    return value("dot_general", {x, one},
                 {{"lhs_contract", List{0}},
                  {"rhs_contract", List{0}},
                  {"order", std::string("blocks")},
                  {"block", block}});
  };
  CHECK(blocks(4) == f32({}, {0}));
  CHECK(blocks(2) == f32({}, {1}));
  // The product is not rounded before it is added.
  const float e = 0x1p-12f;
  CHECK(value("dot_general", {f32({2}, {-1, 1 + e}), f32({2}, {1 + 2 * e, 1 + e})},
              {{"lhs_contract", List{0}},
               {"rhs_contract", List{0}},
               {"order", std::string("blocks")},
               {"block", int64_t{8}}}) == f32({}, {e * e}));
}
