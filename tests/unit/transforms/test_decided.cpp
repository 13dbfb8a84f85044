// The wide evaluator on what directives derive: its bounds must still decide, and be narrow enough to tell a
// wrong step from a right one.
#include "transforms/gradients.h"

using namespace tenon;
using namespace tenon::test;

namespace {

// Training by Adam through a loop of LSTM steps.
ir::Module lstm(const std::string& adam) {
  std::string text =
      "tenon 1\nmodule t\nparam wx : f32[4,32] = zeros\nparam wh : f32[8,32] = zeros\nparam b : f32[32] = "
      "zeros\n"
      "func f(xs: f32[5,3,4]) -> l: f32[] {\n  z = const 0 : f32[]\n  h0 = broadcast z {shape = [3,8]}\n"
      "  h, c = loop (h = h0, c = h0; x in xs; wx, wh, b) {\n    a = dot x, wx\n    d = dot h, wh\n"
      "    s = add a, d\n    t = add s, b\n";
  const char* gates[] = {"i", "f", "g", "o"};
  for (int k = 0; k < 4; ++k)
    text += std::string("    ") + gates[k] + "0 = slice t {start = [0," + std::to_string(8 * k) +
            "], limit = [3," + std::to_string(8 * k + 8) + "]}\n    " + gates[k] + " = " +
            (k == 2 ? "tanh " : "sigmoid ") + gates[k] + "0\n";
  text +=
      "    fc = mul f, c\n    ig = mul i, g\n    c2 = add fc, ig\n    tc = tanh c2\n    h2 = mul o, tc\n"
      "    yield h2, c2\n  }\n  q = mul h, h\n  l = reduce_sum q\n  return l\n}\n"
      "derive train = step f {with = adam {" +
      adam + "}}\n";
  ir::Module module = parsed(text);
  if (Status s = transforms::expand_derives(module); !s) FAIL(s.errors().text());
  return module;
}

evaluate::Inputs first_step(const ir::Module& module) {
  evaluate::Inputs in = random_inputs(module, *module.find_function("train"), {});
  // Slots as they are at the first step: zeros.
  for (const ir::Global& g : module.globals)
    if (g.kind == ir::GlobalKind::state) in.globals[g.name] = Array(g.type.dtype, in.globals[g.name].shape());
  return in;
}

}  // namespace

TEST_CASE("wide: training by Adam through a loop of LSTM steps is decided") {
  const ir::Module module = lstm("lr = 0.01");
  const ir::Function& step = *module.find_function("train");
  const evaluate::Inputs in = first_step(module);
  const evaluate::Outputs exact = run(module, step, in);
  Result<evaluate::WideOutputs> wide = evaluate::wide(module, step, in);
  REQUIRE(bool(wide));
  size_t undecided = 0, elements = 0;
  for (const auto& [name, value] : exact.written) {
    const evaluate::WideArray& w = wide->written.at(name);
    with_dtype(value.dtype(), [&]<class T>() {
      for (size_t i = 0; i < w.value.size(); ++i) {
        ++elements;
        undecided += std::isinf(w.bound[i]);
        INFO(name << "[" << i << "]");
        CHECK(std::fabs(static_cast<double>(value.as<T>()[i]) - w.value[i]) <= w.bound[i]);
      }
    });
  }
  CHECK(elements > 1000);
  CHECK(undecided == 0);
}

TEST_CASE("wide: a step whose rates are a hundredth off is outside the bounds") {
  const ir::Module right = lstm("lr = 0.01, beta1 = 0.9, beta2 = 0.999");
  const ir::Module wrong = lstm("lr = 0.0101, beta1 = 0.901, beta2 = 0.99901");
  const evaluate::Inputs in = first_step(right);
  const evaluate::Outputs off = run(wrong, *wrong.find_function("train"), in);
  Result<evaluate::WideOutputs> wide = evaluate::wide(right, *right.find_function("train"), in);
  REQUIRE(bool(wide));
  size_t judged = 0;
  for (const auto& [name, value] : off.written) {
    if (value.dtype() != DType::f32) continue;  // what counts steps is right
    const evaluate::WideArray& w = wide->written.at(name);
    size_t outside = 0;
    for (size_t i = 0; i < w.value.size(); ++i)
      outside += std::fabs(static_cast<double>(value.as<float>()[i]) - w.value[i]) > w.bound[i];
    // Adam divides by gradients: where one is next to 0, its bound is wide by right.
    INFO(name << ": " << outside << " of " << w.value.size());
    CHECK(outside > w.value.size() / 2);
    ++judged;
  }
  CHECK(judged == 9);  // three parameters, two slots each
}
