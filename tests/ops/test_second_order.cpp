// Gradients of gradients: rules are graphs of operations that have rules.
#include <cmath>

#include "ops/run.h"
#include "transforms/transforms.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;

namespace {

ir::ValueId dot_all(ir::Builder& b, ir::ValueId x, ir::ValueId y) {
  return b.emit("reduce_sum", {b.emit("mul", {x, y})});
}

// Inputs: the operands, a cotangent g of the result, a direction v per f64 operand.
struct Problem {
  const ir::OpDef& op;
  Draw::Drawn drawn;
  std::vector<Array> inputs;
  std::vector<size_t> floats;  // operands that are f64

  // <gradient of <y, g>, v>, a rank-0 value.
  ir::ValueId slope(ir::Builder& b, const std::vector<ir::ValueId>& args) const {
    const auto operands =
        std::vector<ir::ValueId>(args.begin(), args.begin() + static_cast<ptrdiff_t>(drawn.operands.size()));
    const ir::ValueId y = b.emit_all(op, operands, drawn.attrs)[0];
    const std::vector<ir::ValueId> g = gradient(b, dot_all(b, y, args[drawn.operands.size()]), args);
    ir::ValueId total;
    for (size_t k = 0; k < floats.size(); ++k) {
      const ir::ValueId term = dot_all(b, g[k], args[drawn.operands.size() + 1 + k]);
      total = total.valid() ? b.emit("add", {total, term}) : term;
    }
    return total;
  }
  std::vector<ir::ValueId> gradient(ir::Builder& b, ir::ValueId of,
                                    const std::vector<ir::ValueId>& args) const {
    std::vector<ir::ValueId> wrt;
    for (size_t i : floats) wrt.push_back(args[i]);
    auto out = transforms::grad(b.graph(), *b.module(), of, wrt);
    INFO((out ? std::string() : out.errors().text()));
    REQUIRE(out);
    return std::move(*out);
  }
};

size_t check(const ir::OpDef& op, uint64_t seed) {
  Draw draw(seed);
  draw.symbolic = false;
  Problem p{op, draw.sample(op, DType::f64), {}, {}};
  for (size_t i = 0; i < p.drawn.operands.size(); ++i) {
    p.inputs.push_back(random_array(p.drawn.operands[i], draw, domain_of(op, i)));
    if (p.drawn.operands[i].dtype == DType::f64) p.floats.push_back(i);
  }
  const Array y = std::move(run_ok(p.inputs, [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
                              return b.emit_all(op, args, p.drawn.attrs);
                            }).returned[0]);
  if (y.dtype() != DType::f64 || p.floats.empty()) return 0;
  p.inputs.push_back(random_array(type_of(y), draw, {}));
  for (size_t i : p.floats) p.inputs.push_back(random_array(p.drawn.operands[i], draw, {}));
  const auto slope_at = [&](const std::vector<Array>& in) {
    return run_ok(in,
                  [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
                    return std::vector<ir::ValueId>{p.slope(b, args)};
                  })
        .returned[0]
        .as<double>()[0];
  };
  const std::vector<Array> second =
      run_ok(p.inputs, [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
        return p.gradient(b, p.slope(b, args), args);
      }).returned;
  size_t compared = 0;
  for (size_t k = 0; k < p.floats.size(); ++k) {
    if (second[k].count() == 0) continue;
    const size_t e = static_cast<size_t>(draw.range(0, second[k].count() - 1));
    std::vector<Array> up = p.inputs, down = p.inputs;
    const double h = 1e-5;
    up[p.floats[k]].as<double>()[e] += h;
    down[p.floats[k]].as<double>()[e] -= h;
    const double numeric = (slope_at(up) - slope_at(down)) / (2 * h), given = second[k].as<double>()[e];
    if (!std::isfinite(numeric) || !std::isfinite(given)) continue;
    INFO(op.name << " seed " << seed << " operand " << p.floats[k] << " element " << e);
    CHECK(given == Approx(numeric).epsilon(1e-5).margin(1e-4 * (1 + std::fabs(slope_at(p.inputs)))));
    ++compared;
  }
  return compared;
}

}  // namespace

TEST_CASE("second derivatives agree with differences of first ones", "[ops]") {
  for (const ir::OpDef* op : ir::op_table().all()) {
    if (op->control() != nullptr || op->zero_gradient || op->name == "cast") continue;
    if (op->vjp == nullptr && op->composite() == nullptr) continue;
    size_t compared = 0;
    for (uint64_t seed = 0; seed < 12; ++seed) compared += check(*op, seed);
    INFO(op->name);
    if (op->name != "stop_gradient") CHECK(compared >= 5);
  }
}
