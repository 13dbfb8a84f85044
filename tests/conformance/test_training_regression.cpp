// Linear regression by the three ways there are - C++, text, C from the object - to the same bits, as close
// to the least squares that a closed form gives as the noise of the steps allows.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <tenon/tenon.hpp>
#include <vector>

#include "catch.h"
#include "conformance/object_programs.h"

namespace tn = tenon;
namespace tt = tenon::test;

namespace {

// Mean squared residual at the minimum, by the normal equations in a wider type (with pivots).
double least_squares(std::span<const float> x, std::span<const float> y, size_t features) {
  const size_t rows = y.size(), n = features + 1;
  auto column = [&](size_t row, size_t k) -> long double {
    return k < features ? static_cast<long double>(x[row * features + k]) : 1.0L;
  };
  std::vector<std::vector<long double>> a(n, std::vector<long double>(n + 1, 0.0L));
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < n; ++i) {
      for (size_t k = 0; k < n; ++k) a[i][k] += column(r, i) * column(r, k);
      a[i][n] += column(r, i) * static_cast<long double>(y[r]);
    }
  }
  for (size_t i = 0; i < n; ++i) {
    size_t pivot = i;
    for (size_t r = i; r < n; ++r)
      if (std::fabs(a[r][i]) > std::fabs(a[pivot][i])) pivot = r;
    std::swap(a[i], a[pivot]);
    for (size_t r = 0; r < n; ++r) {
      if (r == i) continue;
      const long double f = a[r][i] / a[i][i];
      for (size_t k = i; k <= n; ++k) a[r][k] -= f * a[i][k];
    }
  }
  long double sum = 0;
  for (size_t r = 0; r < rows; ++r) {
    long double p = 0;
    for (size_t i = 0; i < n; ++i) p += column(r, i) * a[i][n] / a[i][i];
    sum += (p - static_cast<long double>(y[r])) * (p - static_cast<long double>(y[r]));
  }
  return static_cast<double>(sum / static_cast<long double>(rows));
}

double mean_squares(std::span<const float> x, std::span<const float> y, std::span<const float> w, double b) {
  double sum = 0;
  for (size_t r = 0; r < y.size(); ++r) {
    double p = b;
    for (size_t k = 0; k < w.size(); ++k)
      p += static_cast<double>(x[r * w.size() + k]) * static_cast<double>(w[k]);
    sum += (p - static_cast<double>(y[r])) * (p - static_cast<double>(y[r]));
  }
  return sum / static_cast<double>(y.size());
}

std::string linear_text(int features) {
  const std::string k = std::to_string(features);
  return "tenon 1\nmodule linear\ndim batch = 1..4096\nhyper lr = 0.01 : f32\nparam fc.w : f32[" + k +
         ",1] = glorot_uniform\nparam fc.b : f32[1] = zeros\n"
         "func predict(x: f32[batch," +
         k +
         "]) -> p: f32[batch,1] {\n  p = dense x, fc.w, fc.b\n  return p\n}\n"
         "func loss(x: f32[batch," +
         k +
         "], y: f32[batch,1]) -> loss: f32[] {\n"
         "  p = call predict(x)\n  l = mse p, y\n  return l\n}\n"
         "derive train = step loss {with = sgd {lr = lr}}\n";
}

const char* const training_program = R"(
int main(int argc, char **argv) {
  const uint32_t rows = (uint32_t)atoi(argv[1]), features = (uint32_t)atoi(argv[2]);
  linear_train_epochs_args a;
  char *state = guarded(LINEAR_STATE_BYTES), *arena;
  size_t bytes;
  memset(&a, 0, sizeof a);
  a.x = (float *)slurp("x.bin", rows * features * sizeof(float));
  a.y = (float *)slurp("y.bin", rows * sizeof(float));
  a.rows = rows;
  a.batch = (uint32_t)atoi(argv[3]);
  a.epochs = 1000;
  a.lr = 0.01f;
  a.loss = (float *)malloc(1000 * ((rows + a.batch - 1) / a.batch) * sizeof(float));
  if (linear_init(state, LINEAR_STATE_BYTES, 7) != LINEAR_OK) return 2;
  bytes = linear_train_epochs_arena_bytes(a.batch, rows, a.epochs, 1);
  arena = guarded(bytes);
  if (linear_train_epochs(state, &a, arena, bytes THREADS) != LINEAR_OK) return 3;
  printf("%lu %016llx\n", (unsigned long)a.done, (unsigned long long)fnv(state, LINEAR_STATE_BYTES));
  return 0;
}
)";

void write_floats(const tt::Folder& folder, const std::string& name, std::span<const float> values) {
  folder.write(name, std::string(reinterpret_cast<const char*>(values.data()), values.size_bytes()));
}

std::string hex(uint64_t hash) {
  char text[32];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

void fit_three_ways(int rows, int features, uint32_t batch, uint64_t steps) {
  const tn::Data data = tn::make_regression({.samples = rows, .features = features, .noise = 0.1, .seed = 7});
  const std::span<const float> x = data.column<float>("x"), y = data.column<float>("y");
  const double bound = 1.02 * least_squares(x, y, static_cast<size_t>(features));

  // C++
  tn::Model model("linear");
  const tn::Dim n = model.dim("n", 1, 4096);
  const tn::Value in = model.input<float>("x", {n, features}), out = model.input<float>("y", {n, 1});
  const tn::Value p = tn::dense(in, 1, {.name = "fc"});
  model.function("predict", {{"p", p}});
  model.step("train", tn::mse(p, out), tn::sgd({.lr = model.hyper("lr", 0.01)}));
  const tn::Program program = tn::compile(model);
  const tn::State state = program.init(7);
  tn::Session session(program, state, {.threads = 1});
  uint64_t done = 0;
  for (const tn::Report& r : session.fit(data, {.batch = batch, .epochs = 1000})) done += r.steps;
  CHECK(done == steps);
  const tn::Array w = state.get("fc.w");
  const double loss = mean_squares(x, y, w.as<float>(), state.get("fc.b").number());
  INFO("loss " << loss << ", bound " << bound);
  CHECK(loss > 0);
  CHECK(loss <= bound);
  CHECK(std::fabs(session.evaluate(data).loss - loss) <= 1e-4 * loss);
  // What is asked of it can be missed: a tenth of the epochs at a tenth of the rate.
  const tn::State hasty = program.init(7);
  tn::Session short_session(program, hasty);
  short_session.hyper("lr") = 0.001;
  short_session.fit(data, {.batch = batch, .epochs = 100});
  CHECK(short_session.evaluate(data).loss > bound);

  // Text, by the command.
  const tt::Folder folder;
  folder.write("linear.tenon", linear_text(features));
  const std::string source = "regression:rows=" + std::to_string(rows) +
                             ",features=" + std::to_string(features) + ",noise=0.1,seed=7";
  const tt::Ran trained = folder.tenon("train linear.tenon --quiet --seed 7 --epochs 1000 --batch " +
                                       std::to_string(batch) + " --data " + source + " -o w.safetensors");
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  const tn::Program from_text = tn::compile(tn::parse(linear_text(features)));
  const tn::State loaded = from_text.init(0);
  CHECK(loaded.hash() != state.hash());
  loaded.load(folder.path("w.safetensors"));
  CHECK(loaded.hash() == state.hash());

  // C, from the object alone.
  for (const char* cpu : {"native", "x86-64-v3"}) {
    INFO(cpu);
    REQUIRE(folder.tenon(std::string("compile linear.tenon --fn train.epochs --cpu ") + cpu + " -o linear")
                .status == 0);
    write_floats(folder, "x.bin", x);
    write_floats(folder, "y.bin", y);
    // The loop takes threads only where it has use for them.
    const std::string header = folder.read("linear.h");
    const size_t at = header.find("linear_train_epochs(void");
    REQUIRE(at != std::string::npos);
    const bool threads =
        header.substr(at, header.find(");", at) - at).find("linear_parallel") != std::string::npos;
    const tt::Ran linked = tt::link_program(
        folder, "linear",
        (threads ? "#define THREADS , NULL\n" : "#define THREADS\n") + std::string(training_program));
    INFO(linked.err);
    REQUIRE(linked.status == 0);
    const tt::Ran ran = folder.shell("./linear_main " + std::to_string(rows) + " " +
                                     std::to_string(features) + " " + std::to_string(batch));
    CHECK(ran.status == 0);
    CHECK(ran.out == std::to_string(steps) + " " + hex(state.hash()) + "\n");
  }

  // The loops over epochs, permutation and steps are native: they stand in the kernels.
  const tt::Ran dump = folder.tenon("show linear.tenon --stage kernel --fn train.epochs");
  INFO(dump.out);
  REQUIRE(dump.out.find("entry \"entry_train.epochs\"") != std::string::npos);
  const size_t epochs = dump.out.find("in 0 .. epochs {");
  REQUIRE(epochs != std::string::npos);
  const size_t permutation = dump.out.find("// permutation -> order", epochs);
  REQUIRE(permutation != std::string::npos);
  const size_t exchanges = dump.out.find("in 0 .. rows {", permutation);
  REQUIRE(exchanges != std::string::npos);
  CHECK(dump.out.find("in 0 .. rows_div_batch {", exchanges) != std::string::npos);
}

}  // namespace

TEST_CASE("linear regression: 100 rows, 4,000 steps, from C++, text and C") {
  fit_three_ways(100, 1, 32, 4000);
}

TEST_CASE("linear regression: 103 rows of 3 features, 15,000 steps, from C++, text and C") {
  fit_three_ways(103, 3, 7, 15000);
}
