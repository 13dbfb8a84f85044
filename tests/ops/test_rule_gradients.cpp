// Derivative rules against differences: each rule's own graph, without the engine that chains them.
#include <cmath>
#include <limits>

#include "ops/draw.h"
#include "ops/run.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;
using ir::OpDef;

namespace {

struct Sample {
  const OpDef* op;
  Draw::Drawn drawn;
  std::vector<Array> operands;

  ir::ValueId emit(ir::Builder& b, const std::vector<ir::ValueId>& args) const {
    return b.emit_all(*op, args, drawn.attrs)[0];
  }
  Array forward(const std::vector<Array>& in) const {
    return std::move(run_ok(in, [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
                       return std::vector<ir::ValueId>{emit(b, args)};
                     }).returned[0]);
  }
};

double inner(const Array& a, const Array& b) {
  double s = 0;
  for (size_t i = 0; i < static_cast<size_t>(a.count()); ++i) s += a.as<double>()[i] * b.as<double>()[i];
  return s;
}

// Cotangents of all f64 operands, from the rule.
std::vector<Array> rule(const Sample& s, const Array& g) {
  std::vector<Array> in = s.operands;
  in.push_back(g);
  std::vector<Array> out = run_ok(in, [&](ir::Builder& b, std::vector<ir::ValueId> args) {
                             const ir::ValueId cotangent = args.back();
                             args.pop_back();
                             const ir::ValueId y = s.emit(b, args);
                             const ir::Graph before = b.graph();
                             ir::VjpContext c{b, *before.producer(y), args, {y}, {cotangent}, {}, {}};
                             for (const Array& a : s.operands) c.wanted.push_back(a.dtype() == DType::f64);
                             c.out.resize(args.size());
                             s.op->vjp(c);
                             std::vector<ir::ValueId> wanted;
                             for (size_t i = 0; i < args.size(); ++i) {
                               if (c.wanted[i]) wanted.push_back(c.out[i]);
                             }
                             return wanted;
                           }).returned;
  return out;
}

void check_rule(const OpDef& op, uint64_t seed, size_t* compared) {
  Draw draw(seed);
  draw.symbolic = false;
  Sample s{&op, draw.sample(op, DType::f64), {}};
  for (size_t i = 0; i < s.drawn.operands.size(); ++i) {
    s.operands.push_back(random_array(s.drawn.operands[i], draw, domain_of(op, i)));
  }
  const Array y = s.forward(s.operands);
  if (y.dtype() != DType::f64) return;
  const Array g = random_array(type_of(y), draw, {});
  const std::vector<Array> cotangents = rule(s, g);
  size_t at = 0;
  for (size_t i = 0; i < s.operands.size(); ++i) {
    if (s.operands[i].dtype() != DType::f64) continue;
    const Array& cotangent = cotangents[at++];
    REQUIRE(cotangent.shape() == s.operands[i].shape());
    for (int tries = 0; tries < 3 && cotangent.count() > 0; ++tries) {
      const size_t e = static_cast<size_t>(draw.range(0, cotangent.count() - 1));
      std::vector<Array> up = s.operands, down = s.operands;
      const double h = 1e-5;
      up[i].as<double>()[e] += h;
      down[i].as<double>()[e] -= h;
      const double numeric = (inner(s.forward(up), g) - inner(s.forward(down), g)) / (2 * h);
      const double given = cotangent.as<double>()[e];
      if (!std::isfinite(numeric) || !std::isfinite(given)) continue;
      INFO(op.name << " seed " << seed << " operand " << i << " element " << e);
      CHECK(given == Approx(numeric).epsilon(1e-6).margin(1e-6 * (1 + std::fabs(inner(y, g)))));
      ++*compared;
    }
  }
}

}  // namespace

TEST_CASE("derivative rules agree with differences", "[ops]") {
  for (const OpDef* op : ir::op_table().all()) {
    if (op->vjp == nullptr || op->control() != nullptr || op->name == "cast") continue;
    if (op->name == "stop_gradient") continue;
    size_t compared = 0;
    for (uint64_t seed = 0; seed < 40; ++seed) check_rule(*op, seed, &compared);
    INFO(op->name);
    CHECK(compared >= 20);
  }
}

TEST_CASE("the gradient of a product with zeros in it", "[ops]") {
  const OpDef& op = *ir::op_table().find("reduce_prod");
  const auto gradient = [&](Array x) {
    return rule({&op, {{type_of(x)}, ir::Attrs(op.attrs.size())}, {x}}, f64({}, {1}))[0];
  };
  CHECK(gradient(f64({3}, {2, 3, 4})) == f64({3}, {12, 8, 6}));
  CHECK(gradient(f64({3}, {2, 0, 4})) == f64({3}, {0, 8, 0}));
  CHECK(gradient(f64({3}, {0, 0, 4})) == f64({3}, {0, 0, 0}));
}

TEST_CASE("the gradient of an extreme is divided among equals", "[ops]") {
  const OpDef& op = *ir::op_table().find("reduce_max");
  const Array x = f64({4}, {2, 7, 7, 1});
  CHECK(rule({&op, {{type_of(x)}, ir::Attrs(op.attrs.size())}, {x}}, f64({}, {3}))[0] ==
        f64({4}, {0, 1.5, 1.5, 0}));
}

TEST_CASE("the gradient of a clamp goes to the operand that is taken, by halves where two are", "[ops]") {
  constexpr double inf = std::numeric_limits<double>::infinity(),
                   qnan = std::numeric_limits<double>::quiet_NaN();
  struct Row {
    double x, low, high, of_x, of_low, of_high;
  };
  constexpr Row rows[] = {
      {0, -1, 2, 8, 0, 0},     {-3, -1, 2, 0, 8, 0},   {5, -1, 2, 0, 0, 8},   {-1, -1, 2, 4, 4, 0},
      {2, -1, 2, 4, 0, 4},     {-3, 2, 2, 0, 4, 4},    {2, 2, 2, 2, 2, 4},    {5, 2, 2, 0, 0, 8},
      {0, 3, 2, 0, 0, 8},      {5, 3, 2, 0, 0, 8},     {inf, -1, 2, 0, 0, 8}, {-inf, -1, 2, 0, 8, 0},
      {inf, -1, inf, 4, 0, 4}, {qnan, -1, 2, 0, 0, 0}, {0, qnan, 2, 0, 0, 0}, {0, -1, qnan, 0, 0, 0},
  };
  const OpDef& op = *ir::op_table().find("clamp");
  for (const Row& row : rows) {
    const std::vector<Array> in{f64({1}, {row.x}), f64({1}, {row.low}), f64({1}, {row.high})};
    const Sample s{&op, {{type_of(in[0]), type_of(in[1]), type_of(in[2])}, ir::Attrs(op.attrs.size())}, in};
    const std::vector<Array> out = rule(s, f64({1}, {8}));
    INFO("clamp(" << row.x << ", " << row.low << ", " << row.high << ")");
    CHECK(out[0] == f64({1}, {row.of_x}));
    CHECK(out[1] == f64({1}, {row.of_low}));
    CHECK(out[2] == f64({1}, {row.of_high}));
  }
}
