// Values of composites, by hand.
#include <cmath>

#include "ops/run.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;
using List = std::vector<int64_t>;

TEST_CASE("activations", "[ops]") {
  const Array x = f32({4}, {-1, 0, 2, -0.0f});
  CHECK(value("relu", {x}) == f32({4}, {0, 0, 2, 0}));
  CHECK(std::isnan(value("relu", {f32({1}, {std::nanf("")})}).as<float>()[0]));
  // x * Phi(x), Phi(1) = 0.841344746068543
  CHECK(distance(value("gelu", {f64({3}, {1, 0, -1})}),
                 f64({3}, {0.841344746068543, 0, -0.158655253931457})) < 1e-14);
  CHECK(distance(value("gelu", {f64({1}, {1})}, {{"approximate", std::string("tanh")}}),
                 f64({1}, {0.841191990608276})) < 1e-13);
}

TEST_CASE("gelu keeps the relative accuracy of its left tail", "[ops]") {
  // x Phi(x), in 40 digits. The argument of erfc is rounded, which e^-x^2/2 grows by x^2.
  const double points[][2] = {{-1, -0.15865525393145705},     {-3, -0.0040496940948902836},
                              {-5.5, -1.0444259356238246e-7}, {-8, -4.9767684594174273e-15},
                              {-12, -2.1317785344932148e-32}, {0.5, 0.34573123063700655},
                              {3, 2.9959503059051097}};
  for (const auto& [x, expected] : points) {
    INFO(x);
    const double single = double{value("gelu", {f32({1}, {static_cast<float>(x)})}).as<float>()[0]};
    const double full = value("gelu", {f64({1}, {x})}).as<double>()[0];
    CHECK(std::fabs(single / expected - 1) < (8 + x * x) * 0x1p-23);
    CHECK(std::fabs(full / expected - 1) < (8 + x * x) * 0x1p-52);
  }
}

TEST_CASE("softmax and its logarithm", "[ops]") {
  const double e = std::exp(1.0), s = 1 + e + e * e;
  const Array x = f64({3}, {0, 1, 2}), far = f64({3}, {1000, 1001, 1002});
  CHECK(distance(value("softmax", {x}), f64({3}, {1 / s, e / s, e * e / s})) < 1e-15);
  CHECK(distance(value("softmax", {far}), value("softmax", {x})) < 1e-15);
  CHECK(distance(value("log_softmax", {x}), f64({3}, {-std::log(s), 1 - std::log(s), 2 - std::log(s)})) <
        1e-15);
  const Array m = f64({2, 2}, {0, 5, 0, 5});
  CHECK(distance(value("softmax", {m}, {{"axis", int64_t{0}}}), f64({2, 2}, {0.5, 0.5, 0.5, 0.5})) < 1e-15);
}

TEST_CASE("layers", "[ops]") {
  const Array x = f32({2, 2}, {1, 2, 3, 4}), w = f32({2, 3}, {1, 0, 1, 0, 1, 1}), b = f32({3}, {10, 20, 30});
  CHECK(value("dense", {x, w}) == f32({2, 3}, {1, 2, 3, 3, 4, 7}));
  CHECK(value("dense", {x, w, b}) == f32({2, 3}, {11, 22, 33, 13, 24, 37}));
  const Array h = f64({1, 1}, {0.5}), in = f64({1, 2}, {1, 2}), wx = f64({2, 1}, {0.1, 0.2}),
              u = f64({1, 1}, {-1});
  CHECK(distance(value("rnn_cell", {in, h, wx, u, f64({1}, {0.25})}), f64({1, 1}, {std::tanh(0.25)})) <
        1e-15);
  CHECK(distance(value("rnn_cell", {in, h, wx, u}), f64({1, 1}, {0})) < 1e-15);
  CHECK(value("flatten", {f32({2, 1, 2}, {1, 2, 3, 4})}) == f32({2, 2}, {1, 2, 3, 4}));
  CHECK(value("dropout", {x}, {{"rate", 0.5}}) == x);
}

TEST_CASE("losses", "[ops]") {
  const Array logits = f64({2, 3}, {0, 1, 2, 5, 5, 5});
  const double row0 = std::log(1 + std::exp(1.0) + std::exp(2.0)) - 1, row1 = std::log(3.0);
  const std::string sum = "sum", none = "none";
  CHECK(distance(value("cross_entropy", {logits, i32({2}, {1, 2})}), f64({}, {(row0 + row1) / 2})) < 1e-15);
  CHECK(distance(value("cross_entropy", {logits, i64({2}, {1, 2})}, {{"reduce", sum}}),
                 f64({}, {row0 + row1})) < 1e-15);
  CHECK(distance(value("cross_entropy", {logits, i32({2}, {1, 0})}, {{"reduce", none}}),
                 f64({2}, {row0, row1})) < 1e-15);
  const evaluate::Outputs bad = run_op("cross_entropy", {logits, i32({2}, {1, 3})});
  CHECK(bad.status == 311);
  CHECK(bad.detail == 1);
  CHECK(run_op("cross_entropy", {logits, i32({2}, {-1, 0})}).status == 311);
  const Array p = f32({2, 1}, {1, 4}), y = f32({2, 1}, {3, 3});
  CHECK(value("mse", {p, y}) == f32({}, {2.5f}));
  CHECK(value("mse", {p, y}, {{"reduce", sum}}) == f32({}, {5}));
  CHECK(value("mse", {p, y}, {{"reduce", none}}) == f32({2, 1}, {4, 1}));
  CHECK(value("l1", {p, f32({}, {-7})}) == f32({}, {12}));
  CHECK(value("l2", {p, f32({}, {-7})}) == f32({}, {66}));
}

TEST_CASE("means and metrics", "[ops]") {
  const Array x = f32({2, 2}, {1, 2, 3, 6});
  CHECK(value("mean", {x}) == f32({}, {3}));
  CHECK(value("mean", {x}, {{"axes", List{0}}}) == f32({2}, {2, 4}));
  const Array labels = i32({2}, {1, 0});
  CHECK(value("count_correct", {x, labels}) == i64({}, {1}));
  CHECK(value("accuracy", {x, labels}) == f32({}, {0.5f}));
}
