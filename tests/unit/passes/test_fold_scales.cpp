// fold_scales: what becomes one product and one sum, what stays, and that results differ by no more than the
// roundings in other places allow.
#include <cmath>

#include "catch.h"
#include "evaluate/evaluate.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "ops/elementwise/probe.h"
#include "passes/passes.h"
#include "transforms/transforms.h"

using namespace tenon;
using namespace tenon::support;

namespace {

// Numbers that f32 holds, and the text of an array of them.
class Numbers {
 public:
  std::string array(const std::vector<int64_t>& shape, double low, double high) {
    if (shape.empty()) return text(low + (high - low) * draw_.unit());
    std::string out = "[";
    for (int64_t i = 0; i < shape[0]; ++i)
      out += (i == 0 ? "" : ", ") + array({shape.begin() + 1, shape.end()}, low, high);
    return out + "]";
  }

 private:
  static std::string text(double x) {
    char out[40];
    std::snprintf(out, sizeof out, "%.9g", static_cast<double>(static_cast<float>(x)));
    return std::string(out).find_first_of(".e") == std::string::npos ? std::string(out) + ".0" : out;
  }
  probe::Draw draw_{41};
};

struct Case {
  const char* name;
  std::string x, z;           // extents of the input and the result
  std::vector<int64_t> w, b;  // shapes of the weights and of what is added at once; no b: nothing
  std::string product;        // made of x and w, and b where it is there
  int64_t channels;
  int terms;  // products in a sum
};

std::string function(const Case& c, Numbers numbers) {
  const auto shape = [](const std::vector<int64_t>& extents) {
    std::string out;
    for (const int64_t e : extents) out += (out.empty() ? "" : ",") + std::to_string(e);
    return out;
  };
  const auto constant = [&](const char* name, const std::vector<int64_t>& extents, double low, double high) {
    return "  " + std::string(name) + " = const " + numbers.array(extents, low, high) + " : f32[" +
           shape(extents) + "]\n";
  };
  std::string out = "tenon 1\nmodule m\ndim n = 1..8\nfunc f(x: f32[" + c.x + "]) -> z: f32[" + c.z + "] {\n";
  out += constant("w", c.w, -1, 1);
  if (!c.b.empty()) out += constant("b", c.b, -1, 1);
  out += constant("scale", {c.channels}, 0.5, 2) + constant("offset", {c.channels}, -1, 1) +
         constant("mean", {c.channels}, -1, 1) + constant("variance", {c.channels}, 0.1, 2);
  return out + "  y = " + c.product +
         "\n  z, m, v = batch_norm y, scale, offset, mean, variance\n  return z\n}\n";
}

ir::Module parsed(const std::string& text) {
  Result<ir::Module> m = ir::parse(text);
  if (!m) FAIL(m.errors().text() << text);
  return std::move(*m);
}

pass::Counts run(ir::Module& m, bool folded) {
  pass::ManagerOptions<ir::Module> o;
  o.verify = [](const ir::Module& u) { return ir::verify(u); };
  auto records = pass::run_passes(m, passes::pipeline(folded), o);
  if (!records) FAIL(records.errors().text());
  pass::Counts counts;
  for (const pass::Record& r : *records)
    if (r.pass == "fold_scales")
      for (const auto& [name, n] : r.counts) counts[name] += n;
  return counts;
}

size_t count(const ir::Module& m, std::string_view op) {
  const ir::Graph& g = m.functions[0].graph;
  size_t out = 0;
  for (size_t i = 0; i < g.node_count(); ++i) out += g.node(ir::NodeId(i)).op->name == op;
  return out;
}

Array result(const ir::Module& m, const evaluate::Inputs& in) {
  auto out = evaluate::exact(m, m.functions[0], in);
  if (!out) FAIL(out.errors().text());
  REQUIRE(out->status == 0);
  return out->returned[0];
}

const Case cases[] = {
    {"a dense layer", "n,5", "n,3", {5, 3}, {3}, "dense x, w, b", 3, 5},
    {"a product alone", "n,5", "n,3", {5, 3}, {}, "dot x, w", 3, 5},
    {"a convolution", "n,6,7,3", "n,6,7,4", {3, 3, 3, 4}, {}, "conv2d x, w {padding = same}", 4, 27},
    {"a convolution with numbers added",
     "n,6,7,3",
     "n,2,5,4",
     {3, 3, 3, 4},
     {4},
     "conv2d x, w, b {stride = [2, 1]}",
     4,
     27},
    {"one dimension", "n,9,2", "n,6,3", {4, 2, 3}, {3}, "conv1d x, w, b", 3, 8},
    {"depthwise", "n,6,6,4", "n,6,6,4", {3, 3, 1, 4}, {}, "conv2d x, w {groups = 4, padding = same}", 4, 9},
    {"depthwise with numbers added",
     "n,6,6,4",
     "n,4,4,4",
     {3, 3, 1, 4},
     {4},
     "conv2d x, w, b {groups = 4}",
     4,
     9},
    {"groups", "n,5,5,6", "n,3,3,8", {3, 3, 3, 8}, {8}, "conv2d x, w, b {groups = 2}", 8, 27},
    {"transposed",
     "n,4,4,3",
     "n,8,8,5",
     {2, 2, 5, 3},
     {5},
     "conv_transpose2d x, w, b {stride = [2, 2]}",
     5,
     12},
};

}  // namespace

TEST_CASE("normalization by known statistics becomes weights and one sum") {
  for (const Case& c : cases) {
    INFO(c.name);
    const std::string text = function(c, Numbers());
    ir::Module plain = parsed(text);
    REQUIRE(transforms::resolve_mode(plain, plain.functions[0], ir::Mode::inference));
    ir::Module folded = plain;
    run(plain, false);
    const pass::Counts fired = run(folded, true);
    INFO(ir::print(folded));
    CHECK(fired.contains("scale into constant factor"));
    CHECK(count(folded, "mul") == 0);
    CHECK(count(folded, "add") == 1);
    CHECK(count(plain, "mul") == 1);
    // Again it finds nothing to do.
    ir::Module again = folded;
    CHECK(run(again, true).empty());

    evaluate::Inputs in;
    in.dims = {{"n", 3}};
    const ir::Graph& g = plain.functions[0].graph;
    probe::Draw draw(7);
    Array x(DType::f32, *ir::evaluate_shape(g.type(g.args[0]).shape, in.dims));
    for (float& e : x.as<float>()) e = static_cast<float>(2 * draw.unit() - 1);
    in.arguments.push_back(std::move(x));
    const Array a = result(plain, in), b = result(folded, in);
    // Elements of x, w and b are at most 1, the factor 2 / sqrt(0.1), the offset 1 and mean times factor.
    // Each way rounds a sum of `terms` products, b, a factor and an offset; and the weights once more.
    const double factor = 2 / std::sqrt(0.1), most = (c.terms + 1) * factor + 1 + factor;
    const double bound = (2 * (c.terms + 5) + 1) * 0x1p-24 * most;
    size_t differ = 0;
    for (size_t i = 0; i < a.as<float>().size(); ++i) {
      CHECK(std::fabs(double{a.as<float>()[i]} - double{b.as<float>()[i]}) <= bound);
      differ += a.as<float>()[i] != b.as<float>()[i];
    }
    CHECK(differ > 0);  // it is no pass that keeps bits
  }
}

TEST_CASE("factors stay where others read the product, weights are no constants or channels are not theirs") {
  const std::string header = "tenon 1\nmodule m\ndim n = 1..8\nparam p : f32[3,2] = zeros\n";
  const char* const functions[] = {
      // The product is returned as well.
      "func f(x: f32[n,3]) -> y: f32[n,2], z: f32[n,2] {\n  w = const [[1.5, 2.0], [0.5, 3.0], [1.0, 0.25]] "
      ": f32[3,2]\n  k = const "
      "[3.0, 0.7] : f32[2]\n"
      "  y = dot x, w\n  s = broadcast k {shape = [n, 2]}\n  z = mul y, s\n  return y, z\n}\n",
      // A parameter.
      "func f(x: f32[n,3]) -> z: f32[n,2] {\n  k = const [3.0, 0.7] : f32[2]\n  y = dot x, p\n  s = "
      "broadcast k {shape = "
      "[n, 2]}\n"
      "  z = mul y, s\n  return z\n}\n",
      // Along the rows of what is not constant.
      "func f(x: f32[2,3]) -> z: f32[2,2] {\n  w = const [[1.5, 2.0], [0.5, 3.0], [1.0, 0.25]] : f32[3,2]\n  "
      "k = const "
      "[3.0, 0.7] : f32[2]\n"
      "  y = dot x, w\n  s = broadcast k {shape = [2, 2], axes = [0]}\n  z = mul y, s\n  return z\n}\n",
      // Not finite: 0 times infinity would be lost, or made.
      "func f(x: f32[n,3]) -> z: f32[n,2] {\n  w = const [[1.5, 2.0], [0.5, 3.0], [1.0, 0.25]] : f32[3,2]\n  "
      "k = const "
      "[inf, 0.7] : f32[2]\n"
      "  y = dot x, w\n  s = broadcast k {shape = [n, 2]}\n  z = mul y, s\n  return z\n}\n",
      // No sum of products.
      "func f(x: f32[n,2]) -> z: f32[n,2] {\n  k = const [3.0, 0.7] : f32[2]\n  s = broadcast k {shape = [n, "
      "2]}\n  a = add "
      "x, s\n  b = add a, s\n"
      "  z = mul b, s\n  return z\n}\n"};
  for (const char* f : functions) {
    ir::Module m = parsed(header + f);
    INFO(ir::print(m));
    CHECK(run(m, true).empty());
    CHECK(count(m, "mul") == 1);
  }
}

TEST_CASE("a factor of the left side, a scalar, and factors one behind the other") {
  const std::string text =
      "tenon 1\nmodule m\ndim n = 1..8\nfunc f(x: f32[3,n]) -> b: f32[1,n] {\n  w = const [[1.5, 2.0, 0.5]] "
      ": f32[1,3]\n"
      "  k = const 3.0 : f32[]\n  j = const [0.25] : f32[1]\n  y = dot w, x\n  s = broadcast k {shape = [1, "
      "n]}\n"
      "  t = broadcast j {shape = [1, n], axes = [0]}\n  a = mul y, s\n  b = mul a, t\n  return b\n}\n";
  ir::Module m = parsed(text);
  CHECK(run(m, true)["scale into constant factor"] == 2);
  CHECK(count(m, "mul") == 0);
  evaluate::Inputs in;
  in.dims = {{"n", 1}};
  Array x(DType::f32, {3, 1});
  for (size_t i = 0; i < 3; ++i) x.as<float>()[i] = static_cast<float>(i + 1);
  in.arguments.push_back(std::move(x));
  CHECK(result(m, in).as<float>()[0] == (1.5f + 4 + 1.5f) * 0.75f);
}

// Statistics, factors and a number spread out: constants of one size.
TEST_CASE("arithmetic of small constants is done, whether spread out or not") {
  const std::string text =
      "tenon 1\nmodule m\nfunc f(x: f32[3]) -> y: f32[3] {\n  v = const [1.0, 3.0, 8.0] : f32[3]\n  e = "
      "const 1.0 : "
      "f32[]\n"
      "  s = broadcast e {shape = [3]}\n  a = add v, s\n  r = rsqrt a\n  y = mul x, r\n  return y\n}\n";
  ir::Module m = parsed(text);
  run(m, false);
  CHECK(count(m, "add") == 0);
  CHECK(count(m, "rsqrt") == 0);
  CHECK(count(m, "broadcast") == 0);
}
