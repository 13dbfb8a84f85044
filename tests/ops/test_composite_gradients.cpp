// Composites without a rule of their own are differentiated through their bodies: against differences.
#include <cmath>

#include "ops/run.h"
#include "transforms/transforms.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;

namespace {

// Rank-0 loss: the result weighted by g.
ir::ValueId loss(ir::Builder& b, ir::ValueId y, ir::ValueId g) {
  return b.emit("reduce_sum", {b.emit("mul", {y, g})});
}

size_t check(const ir::OpDef& op, uint64_t seed) {
  Draw draw(seed);
  draw.symbolic = false;
  const Draw::Drawn drawn = draw.sample(op, DType::f64);
  std::vector<Array> in;
  for (size_t i = 0; i < drawn.operands.size(); ++i) {
    in.push_back(random_array(drawn.operands[i], draw, domain_of(op, i)));
  }
  const auto forward = [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
    std::vector<ir::ValueId> operands(args.begin(),
                                      args.begin() + static_cast<ptrdiff_t>(drawn.operands.size()));
    return b.emit_all(op, operands, drawn.attrs)[0];
  };
  const Array y = std::move(run_ok(in, [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
                              return std::vector<ir::ValueId>{forward(b, args)};
                            }).returned[0]);
  if (y.dtype() != DType::f64) return 0;
  in.push_back(random_array(type_of(y), draw, {}));
  const auto value = [&](const std::vector<Array>& at) {
    return run_ok(at,
                  [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
                    return std::vector<ir::ValueId>{loss(b, forward(b, args), args.back())};
                  })
        .returned[0]
        .as<double>()[0];
  };
  const std::vector<Array> gradients = run_ok(in, [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
                                         const ir::ValueId l = loss(b, forward(b, args), args.back());
                                         std::vector<ir::ValueId> wrt;
                                         for (size_t i = 0; i < drawn.operands.size(); ++i) {
                                           if (in[i].dtype() == DType::f64) wrt.push_back(args[i]);
                                         }
                                         auto out = transforms::grad(b.graph(), *b.module(), l, wrt);
                                         INFO((out ? std::string() : out.errors().text()));
                                         REQUIRE(out);
                                         return std::move(*out);
                                       }).returned;
  size_t compared = 0, at = 0;
  for (size_t i = 0; i < drawn.operands.size(); ++i) {
    if (in[i].dtype() != DType::f64) continue;
    const Array& gradient = gradients[at++];
    for (int tries = 0; tries < 2 && gradient.count() > 0; ++tries) {
      const size_t e = static_cast<size_t>(draw.range(0, gradient.count() - 1));
      std::vector<Array> up = in, down = in;
      const double h = 1e-5;
      up[i].as<double>()[e] += h;
      down[i].as<double>()[e] -= h;
      const double numeric = (value(up) - value(down)) / (2 * h);
      if (!std::isfinite(numeric)) continue;  // the mean of nothing
      INFO(op.name << " seed " << seed << " operand " << i << " element " << e);
      CHECK(gradient.as<double>()[e] == Approx(numeric).epsilon(1e-6).margin(1e-5));
      ++compared;
    }
  }
  return compared;
}

}  // namespace

TEST_CASE("composites are differentiated through their bodies", "[ops]") {
  for (const ir::OpDef* op : ir::op_table().all()) {
    if (op->composite() == nullptr || op->vjp != nullptr || op->zero_gradient) continue;
    size_t compared = 0;
    for (uint64_t seed = 0; seed < 25; ++seed) compared += check(*op, seed);
    INFO(op->name);
    CHECK(compared >= 20);
  }
}

TEST_CASE("dropout drops and scales while training, and hands its value through otherwise", "[ops]") {
  ir::Module module;
  ir::Function& f = module.functions.emplace_back();
  f.name = "f";
  const ir::ValueId x = f.graph.add_arg({DType::f32, {1000}}, ir::ArgKind::input, "x");
  ir::Builder b(f.graph, &module);
  f.graph.results = {b.emit("dropout", {x}, {{"rate", 0.2}})};
  f.returns = 1;
  f.result_names.resize(1);
  ir::Module inference = module;
  REQUIRE(transforms::resolve_mode(inference, inference.functions[0], ir::Mode::inference));
  REQUIRE(transforms::resolve_mode(module, module.functions[0], ir::Mode::training));
  evaluate::Inputs inputs;
  Array ones(DType::f32, {1000});
  for (float& v : ones.as<float>()) v = 2;
  inputs.arguments = {ones};
  auto same = evaluate::exact(inference, inference.functions[0], inputs);
  REQUIRE(same);
  CHECK(same->returned[0] == ones);
  const auto dropped = [&](int64_t seed, int64_t step) {
    inputs.globals["rng.seed"] = i64({}, {seed});
    inputs.globals["rng.step"] = i64({}, {step});
    auto out = evaluate::exact(module, module.functions[0], inputs);
    INFO((out ? std::string() : out.errors().text()));
    REQUIRE(out);
    return std::move(out->returned[0]);
  };
  const Array first = dropped(7, 0);
  size_t zeros = 0;
  bool scaled = true;
  for (float v : first.as<float>()) {
    zeros += v == 0;
    scaled = scaled && (v == 0 || v == 2.0f * static_cast<float>(1 / 0.8));
  }
  CHECK(scaled);
  CHECK(zeros > 150);
  CHECK(zeros < 250);
  CHECK(dropped(7, 0) == first);
  CHECK_FALSE(dropped(7, 1) == first);
  CHECK_FALSE(dropped(8, 0) == first);
}
