// Augmentation: each sample of the batch is changed by draws of its own while training, by the same ones for
// the same seed and step; in inference nothing is drawn.
#include <algorithm>
#include <set>

#include "ops/run.h"
#include "transforms/transforms.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;
using List = std::vector<int64_t>;
using ir::Dim;
using Dims = ir::Shape;
using Attributes = std::vector<ir::NamedAttr>;

namespace {

struct Augmented {
  Array value, gradient;
};

// The operation applied to x; where there are weights, the sum of the result times them, and its gradient.
Augmented augmented(std::string_view name, const Array& x, const Attributes& named, ir::Mode mode,
                    int64_t seed, int64_t step, const Array* weights) {
  const ir::OpDef& op = *ir::op_table().find(name);
  ir::Attrs attrs(op.attrs.size());
  for (const ir::NamedAttr& a : named) attrs[op.attr_index(a.name)] = a.value;
  ir::Module module;
  ir::Function f;
  f.name = std::string("f");
  evaluate::Inputs inputs;
  inputs.arguments = {x};
  ir::Builder b(f.graph, &module);
  const ir::ValueId a = f.graph.add_arg(type_of(x), ir::ArgKind::input, "x");
  const ir::ValueId y = b.emit_all(op, {a}, attrs)[0];
  b.set_name(y, "y");
  f.graph.results = {y};
  if (weights != nullptr) {
    const ir::ValueId c = f.graph.add_arg(type_of(*weights), ir::ArgKind::input, "c");
    inputs.arguments.push_back(*weights);
    f.graph.results = {b.emit("reduce_sum", {b.emit("mul", {y, c})})};
  }
  REQUIRE(transforms::resolve_mode(module, f, mode));
  if (weights != nullptr) {
    auto made = transforms::grad(f.graph, module, f.graph.results[0], {f.graph.args[0]});
    REQUIRE(made);
    f.graph.results.push_back((*made)[0]);
  }
  f.returns = f.graph.results.size();
  f.result_names.resize(f.returns);
  inputs.globals["rng.seed"] = i64({}, {seed});
  inputs.globals["rng.step"] = i64({}, {step});
  auto out = evaluate::exact(module, f, inputs);
  INFO((out ? std::string() : out.errors().text()));
  REQUIRE(out);
  REQUIRE(out->status == 0);
  return {out->returned[0], weights != nullptr ? out->returned[1] : Array()};
}

Array training(std::string_view op, const Array& x, const Attributes& attrs, int64_t seed = 7,
               int64_t step = 0) {
  return augmented(op, x, attrs, ir::Mode::training, seed, step, nullptr).value;
}
Array inference(std::string_view op, const Array& x, const Attributes& attrs) {
  return augmented(op, x, attrs, ir::Mode::inference, 7, 0, nullptr).value;
}

// Images of numbers that tell their place: 1, 2, ... in every sample.
Array images(int64_t batch, List extents) {
  int64_t each = 1;
  for (const int64_t e : extents) each *= e;
  extents.insert(extents.begin(), batch);
  Array x(DType::f32, extents);
  for (int64_t i = 0; i < x.count(); ++i)
    x.as<float>()[static_cast<size_t>(i)] = static_cast<float>(i % each + 1);
  return x;
}
std::vector<float> sample_of(const Array& y, int64_t i) {
  const int64_t each = y.count() / y.shape()[0];
  const float* at = y.as<float>().data() + i * each;
  return {at, at + each};
}
std::vector<std::vector<float>> samples(const Array& y) {
  std::vector<std::vector<float>> out;
  for (int64_t i = 0; i < y.shape()[0]; ++i) out.push_back(sample_of(y, i));
  return out;
}
std::set<std::vector<float>> kinds(const Array& y) {
  const auto all = samples(y);
  return {all.begin(), all.end()};
}

struct Case {
  const char* op;
  Attributes attrs;
};
const Case cases[] = {
    {"random_flip", {}},
    {"random_crop", {{"padding", List{2, 1}}}},
    {"random_crop", {{"size", Dims{2, 3}}}},
    {"random_crop", {{"size", Dims{5, 3}}, {"padding", List{1, 0}}, {"border", std::string("wrap")}}},
    {"random_shift", {{"most", List{1, 2}}, {"border", std::string("reflect")}}},
    {"random_shift", {{"most", List{2, 1}}, {"border", std::string("edge")}}},
    {"cutout", {{"size", List{2, 3}}}}};

}  // namespace

TEST_CASE("draws are those of seed and step, and of the sample alone", "[ops]") {
  const Array x = images(40, {4, 4, 2});
  for (const Case& k : cases) {
    INFO(k.op);
    const Array y = training(k.op, x, k.attrs);
    CHECK(training(k.op, x, k.attrs) == y);
    CHECK_FALSE(training(k.op, x, k.attrs, 8, 0) == y);
    CHECK_FALSE(training(k.op, x, k.attrs, 7, 1) == y);
    CHECK(kinds(y).size() > 1);
    // A shorter batch draws what the longer one does for its first samples.
    const Array few = training(k.op, images(5, {4, 4, 2}), k.attrs);
    for (int64_t i = 0; i < 5; ++i) CHECK(sample_of(few, i) == sample_of(y, i));
  }
}

TEST_CASE("augmentation is linear in the image, and so is its gradient", "[ops]") {
  Draw draw(9);
  const Array x = random_array({DType::f64, {6, 4, 4, 2}}, draw, {});
  for (const Case& k : cases) {
    INFO(k.op);
    const Array y = training(k.op, x, k.attrs);
    const Array c = random_array(type_of(y), draw, {});
    const Augmented a = augmented(k.op, x, k.attrs, ir::Mode::training, 7, 0, &c);
    double weighted = 0, by_gradient = 0;
    for (int64_t i = 0; i < y.count(); ++i)
      weighted += y.as<double>()[static_cast<size_t>(i)] * c.as<double>()[static_cast<size_t>(i)];
    for (int64_t i = 0; i < x.count(); ++i)
      by_gradient += x.as<double>()[static_cast<size_t>(i)] * a.gradient.as<double>()[static_cast<size_t>(i)];
    CHECK(a.value.as<double>()[0] == Approx(weighted).epsilon(1e-12));
    CHECK(by_gradient == Approx(weighted).epsilon(1e-12));
  }
}

TEST_CASE("random_flip turns about half of the samples around", "[ops]") {
  const Array x = images(200, {2, 3, 1});
  const std::vector<float> turned{3, 2, 1, 6, 5, 4}, same{1, 2, 3, 4, 5, 6};
  const auto all = samples(training("random_flip", x, {}));
  const auto count = [&](const std::vector<float>& kind) { return std::count(all.begin(), all.end(), kind); };
  CHECK(count(turned) + count(same) == 200);
  CHECK(count(turned) > 70);
  CHECK(count(turned) < 130);
  CHECK(kinds(training("random_flip", x, {{"p", 1.0}})) == std::set{turned});
  CHECK(training("random_flip", x, {{"p", 0.0}}) == x);
  CHECK(inference("random_flip", x, {}) == x);
  // Rows instead of columns.
  CHECK(kinds(training("random_flip", x, {{"p", 1.0}, {"axis", int64_t{1}}})) ==
        std::set<std::vector<float>>{{4, 5, 6, 1, 2, 3}});
}

TEST_CASE("random_crop takes every window, and in inference the one in the middle", "[ops]") {
  const Array x = images(300, {4, 1});
  using Kinds = std::set<std::vector<float>>;
  CHECK(kinds(training("random_crop", x, {{"size", Dims{2}}})) == Kinds{{1, 2}, {2, 3}, {3, 4}});
  CHECK(kinds(training("random_crop", x, {{"padding", List{1}}})) ==
        Kinds{{0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 0}});
  CHECK(kinds(inference("random_crop", x, {{"size", Dims{2}}})) == Kinds{{2, 3}});
  CHECK(inference("random_crop", x, {{"padding", List{1}}}) == x);
  CHECK(kinds(inference("random_crop", x, {{"size", Dims{5}}, {"padding", List{1}}})) ==
        Kinds{{0, 1, 2, 3, 4}});
  CHECK(kinds(inference("random_crop", x,
                        {{"size", Dims{6}}, {"padding", List{1}}, {"border", std::string("edge")}})) ==
        Kinds{{1, 1, 2, 3, 4, 4}});
  // Both dimensions at once; channels stay together.
  const auto windows = kinds(training("random_crop", images(300, {2, 2, 2}), {{"size", Dims{1, 1}}}));
  CHECK(windows == Kinds{{1, 2}, {3, 4}, {5, 6}, {7, 8}});
  CHECK(kinds(training("random_crop", images(300, {2, 2, 2}),
                       {{"size", Dims{1, 1}}, {"layout", std::string("channels_first")}})) ==
        Kinds{{1, 5}, {2, 6}, {3, 7}, {4, 8}});
  // No choice, no draw.
  CHECK(training("random_crop", x, {}) == x);
}

TEST_CASE("random_shift moves by whole elements, and the border moves in", "[ops]") {
  const Array x = images(300, {3, 1});
  using Kinds = std::set<std::vector<float>>;
  const auto shifted = [&](const char* border) {
    return kinds(training("random_shift", x, {{"most", List{2}}, {"border", std::string(border)}}));
  };
  CHECK(shifted("zeros") == Kinds{{0, 0, 1}, {0, 1, 2}, {1, 2, 3}, {2, 3, 0}, {3, 0, 0}});
  CHECK(shifted("edge") == Kinds{{1, 1, 1}, {1, 1, 2}, {1, 2, 3}, {2, 3, 3}, {3, 3, 3}});
  CHECK(shifted("reflect") == Kinds{{3, 2, 1}, {2, 1, 2}, {1, 2, 3}, {2, 3, 2}, {3, 2, 1}});
  CHECK(shifted("wrap") == Kinds{{2, 3, 1}, {3, 1, 2}, {1, 2, 3}});
  CHECK(inference("random_shift", x, {{"most", List{2}}}) == x);
}

TEST_CASE("cutout fills a box about every element, cut off at the sides", "[ops]") {
  const Array x = images(300, {3, 1});
  using Kinds = std::set<std::vector<float>>;
  CHECK(kinds(training("cutout", x, {{"size", List{1}}})) == Kinds{{0, 2, 3}, {1, 0, 3}, {1, 2, 0}});
  CHECK(kinds(training("cutout", x, {{"size", List{3}}, {"value", 9.0}})) ==
        Kinds{{9, 9, 3}, {9, 9, 9}, {1, 9, 9}});
  CHECK(kinds(training("cutout", x, {{"size", List{2}}})) == Kinds{{0, 2, 3}, {0, 0, 3}, {1, 0, 0}});
  CHECK(training("cutout", x, {{"size", List{0}}}) == x);
  CHECK(inference("cutout", x, {{"size", List{2}}}) == x);
  // A box has its rows and columns; all channels of an element go.
  for (const std::vector<float>& y :
       samples(training("cutout", images(50, {3, 3, 2}), {{"size", List{1, 2}}}))) {
    const auto filled = std::count(y.begin(), y.end(), 0.0f);
    CHECK((filled == 2 || filled == 4));
    for (size_t i = 0; i < y.size(); i += 2) CHECK((y[i] == 0) == (y[i + 1] == 0));
  }
}
