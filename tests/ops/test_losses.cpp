// Losses: values and gradients by hand, or by the formula as textbooks have it.
#include <cmath>

#include "ops/slopes.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;

namespace {

const std::string none = "none", sum = "sum";
constexpr double inf = std::numeric_limits<double>::infinity();

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double close(const Array& found, const Array& expected) { return distance(found, expected); }

}  // namespace

TEST_CASE("binary cross-entropy from logits", "[ops]") {
  const Array x = f64({2, 2}, {0, 2, -3, 1}), y = f64({2, 2}, {1, 0, 0.25, 0.5});
  Array plain(DType::f64, {2, 2}), weighted = plain, slope = plain;
  const double weight[] = {3, 0.5};
  for (size_t i = 0; i < 4; ++i) {
    const double p = sigmoid(x.as<double>()[i]), t = y.as<double>()[i];
    plain.as<double>()[i] = -t * std::log(p) - (1 - t) * std::log(1 - p);
    weighted.as<double>()[i] = -weight[i % 2] * t * std::log(p) - (1 - t) * std::log(1 - p);
    slope.as<double>()[i] = p - t;
  }
  CHECK(close(value("binary_cross_entropy", {x, y}, {{"reduce", none}}), plain) < 4e-15);
  CHECK(close(value("binary_cross_entropy", {x, y, f64({2}, {3, 0.5})}, {{"reduce", none}}), weighted) <
        4e-15);
  CHECK(close(value("binary_cross_entropy", {x, y, f64({}, {1})}, {{"reduce", none}}), plain) < 4e-15);
  const std::span<const double> l = plain.as<double>();
  CHECK(close(value("binary_cross_entropy", {x, y}), f64({}, {(l[0] + l[1] + l[2] + l[3]) / 4})) < 1e-15);
  CHECK(close(value("binary_cross_entropy", {x, y}, {{"reduce", sum}}),
              f64({}, {l[0] + l[1] + l[2] + l[3]})) < 1e-14);
  const Slopes s = slopes("binary_cross_entropy", {x, y}, {{"reduce", none}});
  CHECK(close(s.first[0], slope) < 1e-15);
  CHECK(close(s.first[1], f64({2, 2}, {0, -2, 3, -1})) < 1e-15);
  CHECK(close(s.second[0], f64({2, 2}, {0.25, sigmoid(2) * sigmoid(-2), sigmoid(3) * sigmoid(-3),
                                        sigmoid(1) * sigmoid(-1)})) < 1e-15);
}

TEST_CASE("focal loss from logits", "[ops]") {
  const double p = sigmoid(0.5), q = sigmoid(-0.5);
  const Array x = f64({2}, {0.5, 0.5}), y = f64({2}, {1, 0});
  const Array expected = f64({2}, {-0.25 * q * q * std::log(p), -0.75 * p * p * std::log(q)});
  CHECK(close(value("focal_loss", {x, y}, {{"reduce", none}}), expected) < 1e-15);
  CHECK(close(value("focal_loss", {x, y}, {{"reduce", none}, {"gamma", 0.5}, {"alpha", 1.0}}),
              f64({2}, {-std::sqrt(q) * std::log(p), 0})) < 1e-15);
  // d/dx of (1 - p)^2 log p = (1 - p)^2 (1 - p) - 2 (1 - p) (1 - p) p log p.
  CHECK(close(slopes("focal_loss", {x, y}, {{"reduce", sum}, {"alpha", 1.0}}).first[0],
              f64({2}, {-q * q * q + 2 * q * q * p * std::log(p), 0})) < 1e-15);
  // Without focus and with equal weights it is half of binary_cross_entropy.
  const Array z = f64({3}, {-1, 0.25, 4}), t = f64({3}, {0.5, 1, 0});
  CHECK(close(value("focal_loss", {z, t}, {{"gamma", 0.0}, {"alpha", 0.5}}),
              f64({}, {value("binary_cross_entropy", {z, t}).as<double>()[0] / 2})) < 1e-15);
}

TEST_CASE("cross-entropy with soft targets and with smoothed labels", "[ops]") {
  const Array x = f64({2, 3}, {0, 1, 2, 5, 5, 5});
  const double z = std::log(1 + std::exp(1.0) + std::exp(2.0)), third = std::log(3.0);
  const Array soft = f64({2, 3}, {0.2, 0.3, 0.5, 1, 0, 0});
  CHECK(close(value("soft_cross_entropy", {x, soft}, {{"reduce", none}}), f64({2}, {z - 1.3, third})) <
        1e-15);
  CHECK(close(value("soft_cross_entropy", {x, soft}), f64({}, {(z - 1.3 + third) / 2})) < 1e-15);
  // Targets that add up to 2.
  CHECK(close(value("soft_cross_entropy", {x, f64({2, 3}, {1, 1, 0, 2, 0, 0})}, {{"reduce", none}}),
              f64({2}, {2 * z - 1, 2 * third})) < 1e-14);
  // softmax minus target.
  const double e0 = std::exp(-z), e1 = std::exp(1 - z), e2 = std::exp(2 - z);
  const Slopes s = slopes("soft_cross_entropy", {x, soft}, {{"reduce", sum}});
  CHECK(close(s.first[0], f64({2, 3}, {e0 - 0.2, e1 - 0.3, e2 - 0.5, -2. / 3, 1. / 3, 1. / 3})) < 1e-15);
  CHECK(close(s.first[1], f64({2, 3}, {z, z - 1, z - 2, third, third, third})) < 1e-14);

  // 0.3 of the target in equal parts: 0.1 to each class, and 0.7 more to the label.
  const Array labels = i32({2}, {1, 2});
  const double row = 0.7 * (z - 1) + 0.3 * (z - 1);
  CHECK(close(value("cross_entropy", {x, labels}, {{"reduce", none}, {"smoothing", 0.3}}),
              f64({2}, {row, third})) < 1e-15);
  CHECK(close(slopes("cross_entropy", {x, labels}, {{"reduce", sum}, {"smoothing", 0.3}}).first[0],
              f64({2, 3}, {e0 - 0.1, e1 - 0.8, e2 - 0.1, 1. / 3 - 0.1, 1. / 3 - 0.1, 1. / 3 - 0.8})) < 1e-15);
  const Array lopsided = f64({1, 3}, {0, 1, 4});
  const double w = std::log(1 + std::exp(1.0) + std::exp(4.0));
  CHECK(close(value("cross_entropy", {lopsided, i32({1}, {2})}, {{"smoothing", 0.3}}),
              f64({}, {0.8 * (w - 4) + 0.1 * (w - 1) + 0.1 * w})) < 1e-15);
  CHECK(close(value("cross_entropy", {x, labels}, {{"smoothing", 1.0}}), f64({}, {(z - 1 + third) / 2})) <
        1e-15);
}

TEST_CASE("negative log likelihood", "[ops]") {
  const Array log_p = f64({2, 3}, {-1, -2, -3, -inf, -5, -inf});
  const Slopes s = slopes("nll", {log_p, i64({2}, {0, 1})});
  CHECK(s.value == f64({}, {3}));
  CHECK(s.first[0] == f64({2, 3}, {-0.5, 0, 0, 0, -0.5, 0}));
  CHECK(value("nll", {log_p, i32({2}, {2, 1})}, {{"reduce", none}}) == f64({2}, {3, 5}));
  const evaluate::Outputs bad = run_op("nll", {log_p, i32({2}, {0, 3})});
  CHECK(bad.status == 311);
  CHECK(bad.detail == 1);
  CHECK(run_op("multiclass_hinge", {log_p, i32({2}, {-1, 0})}).status == 311);
}

TEST_CASE("Kullback-Leibler divergence", "[ops]") {
  const Array q = f64({2, 3}, {std::log(0.25), std::log(0.75), -inf, -1, -1, -1});
  const Array p = f64({2, 3}, {0.5, 0.5, 0, 0, 0, 1});
  const Slopes s = slopes("kl_divergence", {q, p}, {{"reduce", none}});
  CHECK(close(s.value, f64({2}, {0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3), 1})) < 1e-15);
  CHECK(s.first[0] == f64({2, 3}, {-0.5, -0.5, 0, 0, 0, -1}));
  CHECK(close(s.first[1], f64({2, 3}, {1 + std::log(2.0), 1 + std::log(2.0 / 3), 0, 0, 0, 2})) < 1e-15);
  CHECK(close(value("kl_divergence", {q, p}), f64({}, {(s.value.as<double>()[0] + 1) / 2})) < 1e-15);
}

TEST_CASE("huber and smooth_l1 bend where the error passes their bound", "[ops]") {
  const Array p = f64({5}, {-3, 1, 2, 0, 5}), y = f64({5}, {0, 0, 0, 0, 1});
  const Slopes h = slopes("huber", {p, y}, {{"reduce", none}, {"delta", 2.0}});
  CHECK(h.value == f64({5}, {4, 0.5, 2, 0, 6}));
  CHECK(h.first[0] == f64({5}, {-2, 1, 2, 0, 2}));
  CHECK(h.first[1] == f64({5}, {2, -1, -2, -0.0, -2}));
  CHECK(h.second[0] == f64({5}, {0, 1, 0, 1, 0}));
  const Slopes l = slopes("smooth_l1", {p, y}, {{"reduce", none}, {"beta", 2.0}});
  CHECK(l.value == f64({5}, {2, 0.25, 1, 0, 3}));
  CHECK(l.first[0] == f64({5}, {-1, 0.5, 1, 0, 1}));
  CHECK(l.first[1] == f64({5}, {1, -0.5, -1, -0.0, -1}));
  CHECK(l.second[0] == f64({5}, {0, 0.5, 0, 0.5, 0}));
  CHECK(value("huber", {p, y}) == f64({}, {(2.5 + 0.5 + 1.5 + 0 + 3.5) / 5}));
  CHECK(value("smooth_l1", {p, y}, {{"reduce", sum}}) == f64({}, {8}));
}

TEST_CASE("hinge losses of two and of several classes", "[ops]") {
  const Array x = f64({4}, {0.5, 2, -1, 3}), t = f64({4}, {1, 1, -1, -1});
  const Slopes h = slopes("hinge", {x, t}, {{"reduce", none}});
  CHECK(h.value == f64({4}, {0.5, 0, 0, 4}));
  CHECK(h.first[0] == f64({4}, {-1, 0, 0, 1}));
  const Slopes q = slopes("squared_hinge", {x, t}, {{"reduce", none}});
  CHECK(q.value == f64({4}, {0.25, 0, 0, 16}));
  CHECK(q.first[0] == f64({4}, {-1, 0, 0, 8}));
  CHECK(q.second[0] == f64({4}, {2, 0, 0, 2}));
  CHECK(value("hinge", {x, t}) == f64({}, {4.5 / 4}));
  CHECK(value("squared_hinge", {x, t}, {{"reduce", sum}}) == f64({}, {16.25}));

  const Array scores = f64({2, 3}, {1, 3, 2.5, 0, 0, 0}), labels = i32({2}, {1, 0});
  const Slopes m = slopes("multiclass_hinge", {scores, labels}, {{"reduce", none}});
  CHECK(m.value == f64({2}, {0.5, 2}));
  CHECK(m.first[0] == f64({2, 3}, {0, -1, 1, -2, 1, 1}));
  CHECK(value("multiclass_hinge", {scores, labels}, {{"reduce", sum}, {"margin", 2.0}}) ==
        f64({}, {1.5 + 4}));
}

TEST_CASE("cosine similarity and the loss made of it", "[ops]") {
  const Array x = f64({3, 2}, {3, 4, 1, 0, 1, 2}), y = f64({3, 2}, {4, 3, 0, 7, -3, -6});
  const Array expected = f64({3}, {0.96, 0, -1});
  CHECK(close(value("cosine_similarity", {x, y}), expected) < 1e-15);
  const Array x0 = f64({2, 1}, {3, 4}), y0 = f64({2, 1}, {4, 3});
  const Slopes s = slopes("cosine_similarity", {x0, y0}, {{"axis", int64_t{0}}});
  CHECK(close(s.value, f64({1}, {0.96})) < 1e-15);
  // (y / |y| - cos x / |x|) / |x|
  CHECK(close(s.first[0], f64({2, 1}, {0.0448, -0.0336})) < 1e-15);
  CHECK(close(s.first[1], f64({2, 1}, {-0.0336, 0.0448})) < 1e-15);
  const Array t = f64({3}, {1, -1, -1}), f = f64({3}, {-1, 1, 1});
  CHECK(close(value("cosine_embedding_loss", {x, y, t}, {{"reduce", none}}), f64({3}, {0.04, 0, 0})) < 1e-15);
  CHECK(close(value("cosine_embedding_loss", {x, y, f}, {{"reduce", none}, {"margin", 0.5}}),
              f64({3}, {0.46, 1, 2})) < 1e-15);
  CHECK(close(value("cosine_embedding_loss", {x, y, f}), f64({}, {(0.96 + 1 + 2) / 3})) < 1e-15);
}
