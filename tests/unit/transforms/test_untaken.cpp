// What a choice does not take has no part in a gradient, whatever its arithmetic gives; and gradients of
// products are right where elements are zero, infinite or NaN. First and second order.
#include <limits>

#include "transforms/gradients.h"

using namespace tenon;
using namespace tenon::test;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double qnan = std::numeric_limits<double>::quiet_NaN();

// The gradient of func f of the text by its only input, `order` times (of the sum of elements).
std::vector<double> gradient(const std::string& text, const std::vector<double>& x, int order = 1) {
  ir::Module m = parsed("tenon 1\nmodule t\n" + text);
  ir::Function f = *m.find_function("f");
  for (int i = 0; i < order; ++i) {
    f = gradient_of(m, f, {f.graph.args[0]});
    if (i + 1 == order) break;
    ir::Builder b(f.graph, &m);
    f.graph.results = {b.emit("reduce_sum", {f.graph.results[0]})};
  }
  evaluate::Inputs in;
  in.arguments = {Array(DType::f64, {static_cast<int64_t>(x.size())})};
  std::copy(x.begin(), x.end(), in.arguments[0].as<double>().begin());
  m.functions.push_back(f);
  m.functions.back().name = "g";
  verified(m);
  const evaluate::Outputs out = run(m, f, in);
  REQUIRE(out.status == 0);
  const std::span<const double> r = out.returned.at(0).as<double>();
  return {r.begin(), r.end()};
}

void same(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    INFO("element " << i << ": " << found[i] << ", expected " << expected[i]);
    if (std::isnan(expected[i]))
      CHECK(std::isnan(found[i]));
    else if (std::isinf(expected[i]))
      CHECK(found[i] == expected[i]);
    else
      CHECK(std::fabs(found[i] - expected[i]) <= 1e-14 * std::fabs(expected[i]));
  }
}

std::string choice(const std::string& statements) {
  return "func f(x: f64[3]) -> l: f64[] {\n" + statements + "  l = reduce_sum y\n  return l\n}\n";
}

}  // namespace

TEST_CASE("the untaken side of a choice gives an exact zero, where its slope is infinite too") {
  const std::vector<double> below{-1, 0, 800};
  // 800: e^800 is infinite.
  same(gradient(choice("  c = lt x, 0.0\n  e = exp x\n  n = sub e, 1.0\n  y = select c, n, x\n"), below),
       {std::exp(-1), 1, 1});
  same(gradient(choice("  c = lt x, 0.0\n  e = exp x\n  n = sub e, 1.0\n  y = select c, n, x\n"), below, 2),
       {std::exp(-1), 0, 0});
  // Logarithm, root, quotient and power outside of where they are taken; the other side of the select.
  same(gradient(choice("  c = le x, 0.0\n  e = log x\n  y = select c, x, e\n"), {-1, 0, 2}), {1, 1, 0.5});
  same(
      gradient(choice("  c = gt x, 0.0\n  e = sqrt x\n  d = mul e, 3.0\n  y = select c, d, x\n"), {-1, 0, 4}),
      {1, 1, 0.75});
  same(gradient(choice("  c = ne x, 0.0\n  s = sin x\n  q = div s, x\n  y = select c, q, 1.0\n"), {0, 2, 0}),
       {0, (2 * std::cos(2) - std::sin(2)) / 4, 0});
  same(gradient(choice("  c = gt x, 0.0\n  p = pow x, -0.5\n  y = select c, p, x\n"), {0, 4, -1}),
       {1, -0.0625, 1});
  // Nested choices, and a value that both sides use.
  same(gradient(choice("  a = gt x, 0.0\n  b = lt x, 700.0\n  g = log x\n  e = exp x\n  p = mul g, e\n"
                       "  q = select b, p, x\n  y = select a, q, x\n"),
                {-1, 1, 800}),
       {1, std::exp(1), 1});
}

TEST_CASE("max, min, relu and reduce_max choose as select does") {
  same(gradient(choice("  e = log x\n  y = max e, -5.0\n"), {0, 1, 2}), {0, 1, 0.5});
  same(gradient(choice("  e = exp x\n  y = min e, 7.0\n"), {800, 0, 1}), {0, 1, std::exp(1)});
  same(gradient(choice("  e = exp x\n  n = sub 1.0, e\n  y = relu n\n"), {800, -1, -inf}),
       {0, -std::exp(-1), 0});
  same(gradient(choice("  e = log x\n  m = reduce_max e\n  y = broadcast m {shape = [1]}\n"), {0, 4, 2}),
       {0, 0.25, 0});
}

TEST_CASE("a choice does not silence what is taken") {
  same(gradient(choice("  c = gt x, -1.0\n  e = log x\n  y = select c, e, x\n"), {0, 1, -2}), {inf, 1, 1});
  same(gradient(choice("  c = gt x, -1.0\n  e = sqrt x\n  d = mul e, 0.0\n  y = select c, d, x\n"),
                {0, 1, -2}),
       {qnan, 0, 1});
}

TEST_CASE("gradients of a product are products of the others, at zeros, infinities and NaN") {
  const std::string text = "func f(x: f64[3]) -> l: f64[] {\n  l = reduce_prod x\n  return l\n}\n";
  same(gradient(text, {0, 2, 3}), {6, 0, 0});
  same(gradient(text, {0, 0, 3}), {0, 0, 0});
  same(gradient(text, {1e-200, 1e-200, 2}), {2e-200, 2e-200, 0});
  same(gradient(text, {inf, 2, 3}), {6, inf, inf});
  same(gradient(text, {qnan, 2, 3}), {6, qnan, qnan});
  same(gradient(text, {1e200, 1e200, 1e-300}), {1e-100, 1e-100, inf});
  // Rows of the Hessian, summed: row i is the sum of products without i and j.
  same(gradient(text, {0, 2, 3}, 2), {5, 3, 2});
  same(gradient(text, {0, 0, 5}, 2), {5, 5, 0});
  same(gradient(text, {0, 0, 5}, 3), {2, 2, 2});
  // Several axes, one kept; extents of the call.
  ir::Module m = parsed(
      "tenon 1\nmodule t\ndim n = 0..9\nfunc f(x: f64[2,n,3]) -> l: f64[] {\n"
      "  p = reduce_prod x {axes = [0, 2]}\n  l = reduce_sum p\n  return l\n}\n");
  const ir::Function& f = *m.find_function("f");
  for (int64_t n : {1, 4}) check_gradient(m, f, random_inputs(m, f, {{"n", n}}));
  const ir::Function g = gradient_of(m, f, {f.graph.args[0]});
  CHECK(run(m, g, random_inputs(m, f, {{"n", 0}})).returned[0].count() == 0);
}
