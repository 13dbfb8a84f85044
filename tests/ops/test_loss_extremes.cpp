// Losses where their arguments are large, small or degenerate: no NaN and no infinity where the true value,
// or the true slope, has none.
#include <cmath>

#include "ops/slopes.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;

namespace {

const std::string none = "none", sum = "sum";

double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }
double sigmoid(double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }

// Of f32, relative; and a few of the smallest numbers.
bool near(double found, double expected, double units) {
  return std::fabs(found - expected) <= units * 0x1p-23 * std::fabs(expected) + 8e-45;
}
double at(const Array& a, size_t i = 0) { return double{a.as<float>()[i]}; }

constexpr float logits[] = {1e4f, -1e4f, 100, -100, 88.5f, -88.5f, 20, -20, 1, -1, 0};

}  // namespace

TEST_CASE("binary cross-entropy keeps both tails, of values and of slopes", "[ops]") {
  for (const float x : logits)
    for (const float y : {0.0f, 1.0f}) {
      const Slopes s = slopes("binary_cross_entropy", {Array::scalar(x), Array::scalar(y)});
      const double against = y == 1 ? -double{x} : double{x}, side = y == 1 ? -1 : 1;
      INFO(x << ", " << y << ": " << at(s.value) << ", " << at(s.first[0]));
      CHECK(s.finite());
      CHECK(near(at(s.value), softplus(against), 4));
      CHECK(near(at(s.first[0]), side * sigmoid(against), 4));
      CHECK(near(at(s.first[1]), -double{x}, 4));
      CHECK(slopes("binary_cross_entropy", {Array::scalar(x), Array::scalar(0.25f), Array::scalar(1e4f)})
                .finite());
    }
}

TEST_CASE("focal loss keeps both tails, with exponents below 1 too", "[ops]") {
  for (const double gamma : {0.0, 0.5, 1.0, 2.0, 5.0})
    for (const float x : logits)
      for (const float y : {0.0f, 1.0f}) {
        const Slopes s = slopes("focal_loss", {Array::scalar(x), Array::scalar(y)}, {{"gamma", gamma}});
        const double against = y == 1 ? -double{x} : double{x}, share = y == 1 ? 0.25 : 0.75;
        const double wrong = sigmoid(against), loss = softplus(against),
                     factor = share * std::pow(wrong, gamma);
        const double slope = factor * (gamma * (1 - wrong) * loss + wrong);
        INFO(gamma << ", " << x << ", " << y << ": " << at(s.value) << ", " << at(s.first[0]));
        CHECK(s.finite());
        // The exponent's rounding counts as often as the exponent is large.
        const double units = 8 + 4 * gamma * std::min(std::fabs(double{x}), 104.0);
        CHECK(near(at(s.value), factor * loss, units));
        CHECK(near(at(s.first[0]), y == 1 ? -slope : slope, units));
        CHECK(slopes("focal_loss", {Array::scalar(x), Array::scalar(0.5f)}, {{"gamma", gamma}}).finite());
      }
}

TEST_CASE("cross-entropies of logits far apart", "[ops]") {
  const Array x = f32({2, 3}, {1e4f, -1e4f, 0, -1e4f, -1e4f, -1e4f});
  const float third = std::log(3.0f);
  const Slopes hard = slopes("cross_entropy", {x, i32({2}, {1, 2})}, {{"reduce", none}});
  CHECK(hard.finite());
  CHECK(distance(hard.value, f32({2}, {2e4f, third})) < 1e-6);
  CHECK(distance(hard.first[0], f32({2, 3}, {1, -1, 0, 1.f / 3, 1.f / 3, -2.f / 3})) < 1e-6);
  const Slopes smooth =
      slopes("cross_entropy", {x, i32({2}, {0, 2})}, {{"reduce", none}, {"smoothing", 0.25}});
  CHECK(smooth.finite());
  CHECK(distance(smooth.value, f32({2}, {2500, third})) < 1e-3);
  CHECK(distance(smooth.first[0],
                 f32({2, 3}, {0.25f - 0.25f / 3, -0.25f / 3, -0.25f / 3, 0.25f, 0.25f, -0.5f})) < 1e-6);
  const Array targets = f32({2, 3}, {0, 1, 0, 0.5, 0.5, 0});
  const Slopes soft = slopes("soft_cross_entropy", {x, targets}, {{"reduce", none}});
  CHECK(soft.finite());
  CHECK(distance(soft.value, f32({2}, {2e4f, third})) < 1e-6);
  CHECK(distance(soft.first[0], f32({2, 3}, {1, -1, 0, 1.f / 3 - 0.5f, 1.f / 3 - 0.5f, 1.f / 3})) < 1e-6);
  const Slopes likely = slopes("nll", {x, i32({2}, {1, 0})}, {{"reduce", sum}});
  CHECK(likely.finite());
  CHECK(likely.value == f32({}, {2e4f}));
  const Slopes margin = slopes("multiclass_hinge", {x, i32({2}, {1, 0})}, {{"reduce", none}});
  CHECK(margin.finite());
  CHECK(margin.value == f32({2}, {30002, 2}));
}

TEST_CASE("divergence from a prediction that excludes what the target has", "[ops]") {
  const Array q = f32({3, 2}, {-1e4f, 0, -1e4f, -1e4f, 0, -1e4f}), p = f32({3, 2}, {1, 0, 0, 1, 1e-38f, 1});
  const Slopes s = slopes("kl_divergence", {q, p}, {{"reduce", none}});
  CHECK(s.value == f32({3}, {1e4f, 1e4f, 1e4f}));
  CHECK(s.first[0] == f32({3, 2}, {-1, 0, 0, -1, -1e-38f, -1}));
  for (size_t i = 0; i < 6; ++i) CHECK(std::isfinite(at(s.first[1], i)));
  CHECK(at(s.first[1], 1) == 0);
}

TEST_CASE("errors from 0 to the largest", "[ops]") {
  const Array p = f32({6}, {1e30f, -1e30f, 1e4f, 0, 1e-30f, 2}), y = f32({6}, {0, 0, -1e4f, 0, 0, 2});
  const Slopes h = slopes("huber", {p, y}, {{"reduce", none}});
  CHECK(h.finite());
  CHECK(h.value == f32({6}, {1e30f, 1e30f, 19999.5f, 0, 0, 0}));
  CHECK(h.first[0] == f32({6}, {1, -1, 1, 0, 1e-30f, 0}));
  CHECK(h.second[0] == f32({6}, {0, 0, 0, 1, 1, 1}));
  const Slopes l = slopes("smooth_l1", {p, y}, {{"reduce", none}, {"beta", 1e-30}});
  CHECK(l.finite());
  CHECK(l.value == f32({6}, {1e30f, 1e30f, 2e4f, 0, 5e-31f, 0}));
  CHECK(l.first[0] == f32({6}, {1, -1, 1, 0, 1, 0}));
  for (const char* op : {"hinge", "squared_hinge"})
    for (const float x : logits)
      for (const float t : {-1.0f, 1.0f}) {
        INFO(op << " " << x << ", " << t);
        const Slopes s = slopes(op, {Array::scalar(x), Array::scalar(t)});
        CHECK(s.finite());
        const double r = std::max(0.0, 1 - double{t} * double{x});
        CHECK(near(at(s.value), op[0] == 'h' ? r : r * r, 2));
      }
}

TEST_CASE("cosines of vectors at any scale, and of zeros", "[ops]") {
  for (const float scale : {1e37f, 1e30f, 1.0f, 1e-4f, 1e-7f})
    for (const float other : {1e37f, 1.0f, 1e-7f}) {
      INFO(scale << ", " << other);
      const Slopes s =
          slopes("cosine_similarity", {f32({2}, {3 * scale, 4 * scale}), f32({2}, {4 * other, 3 * other})});
      CHECK(near(at(s.value), 0.96, 4));
      CHECK(std::fabs(at(s.first[0], 0) / (0.0448 / double{scale}) - 1) < 1e-4);
      CHECK(std::fabs(at(s.first[0], 1) / (-0.0336 / double{scale}) - 1) < 1e-4);
      for (const Array& a : s.first) CHECK(Slopes::is_finite(a));
    }
  // Below eps a vector counts as eps long: the cosine falls with it, and the slope is y / |y| / eps.
  const Slopes small = slopes("cosine_similarity", {f32({2}, {3e-12f, 4e-12f}), f32({2}, {4, 3})});
  CHECK(near(at(small.value), 0.96 * 5e-12 / 1e-8, 8));
  CHECK(std::fabs(at(small.first[0], 0) / 0.8e8 - 1) < 1e-5);
  const Array zero = f32({2}, {0, 0});
  const Slopes none_at_all = slopes("cosine_similarity", {zero, zero});
  CHECK(none_at_all.value == f32({}, {0}));
  CHECK(none_at_all.first[0] == zero);
  CHECK(Slopes::is_finite(none_at_all.second[0]));
  const Slopes one = slopes("cosine_similarity", {zero, f32({2}, {4, 3})});
  CHECK(one.value == f32({}, {0}));
  CHECK(one.first[1] == zero);
  CHECK(std::fabs(at(one.first[0], 1) / 0.6e8 - 1) < 1e-5);
  for (const float t : {1.0f, -1.0f}) {
    const Slopes l = slopes("cosine_embedding_loss", {zero, f32({2}, {4, 3}), Array::scalar(t)});
    CHECK(l.value == f32({}, {t == 1 ? 1.0f : 0.0f}));
    for (const Array& a : l.first) CHECK(Slopes::is_finite(a));
  }
}
