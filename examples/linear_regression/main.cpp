// Linear regression: fits a line to generated data, or a plane to the columns of a table.
//
//   linear_regression [--data FILE] [--export NAME]
//
// FILE is what `tenon train --data` takes: a .csv whose last column is the target, a folder, a generator.
// --export also writes NAME.o and NAME.h, which caller.c trains with, from C and without Tenon.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

namespace tn = tenon;

namespace {

// Columns of very different sizes make gradient descent slow: each is brought to mean 0 and deviation 1.
std::vector<float> standardized(std::span<const float> values, size_t columns) {
  const size_t rows = values.size() / columns;
  std::vector<float> out(values.size());
  for (size_t c = 0; c < columns; ++c) {
    double sum = 0, squares = 0;
    for (size_t r = 0; r < rows; ++r) sum += values[r * columns + c];
    const double mean = sum / static_cast<double>(rows);
    for (size_t r = 0; r < rows; ++r)
      squares += (values[r * columns + c] - mean) * (values[r * columns + c] - mean);
    const double deviation = std::sqrt(squares / static_cast<double>(rows));
    for (size_t r = 0; r < rows; ++r)
      out[r * columns + c] =
          static_cast<float>((values[r * columns + c] - mean) / (deviation > 0 ? deviation : 1));
  }
  return out;
}

tn::Data load(const std::string& source) {
  const tn::Data table = tn::load_data(source).train;
  std::vector<int64_t> shape = table.shape("x");
  const int64_t features = shape.size() < 2 ? 1 : shape[1];
  std::vector<float> x = standardized(table.column<float>("x"), static_cast<size_t>(features));
  std::vector<float> y = standardized(table.column<float>("y"), 1);
  return tn::make_data({{"x", tn::view(x, {table.rows(), features})}, {"y", tn::view(y, {table.rows(), 1})}});
}

void run(const std::string& source, const std::string& object) {
  const tn::Data data = source.empty()
                            ? tn::make_regression({.samples = 100, .features = 1, .noise = 0.1, .seed = 7})
                            : load(source);
  const int64_t features = data.shape("x")[1];

  tn::Model model("linear");
  const tn::Dim batch = model.dim("batch", 1, 4096);
  const tn::Value x = model.input<float>("x", {batch, features}), y = model.input<float>("y", {batch, 1});
  const tn::Value p = tn::dense(x, 1, {.name = "fc"});
  const tn::Value lr = model.hyper("lr", 0.01);
  model.function("predict", {{"p", p}});
  model.step("train", tn::mse(p, y), tn::sgd({.lr = lr}));

  const tn::Program program = tn::compile(model);
  const tn::State state = program.init(7);
  tn::Session session(program, state);
  std::printf("%lld rows, %lld feature%s\n", static_cast<long long>(data.rows()),
              static_cast<long long>(features), features == 1 ? "" : "s");
  std::printf("loss before %.5f\n", session.evaluate(data).loss);
  session.fit(data, {.batch = 32, .epochs = source.empty() ? 1000u : 100u});
  std::printf("loss after  %.5f\n", session.evaluate(data).loss);
  std::printf("y =");
  const tn::Array weights = state.get("fc.w"), bias = state.get("fc.b");
  for (size_t i = 0; i < weights.as<float>().size(); ++i)
    std::printf(" %+.4f x%zu", static_cast<double>(weights.as<float>()[i]), i);
  std::printf(" %+.4f\n", static_cast<double>(bias.as<float>()[0]));
  if (object.empty()) return;
  program.export_object(object, {.functions = {"train", "predict"}, .cpu = "x86-64-v3"});
  std::printf("wrote %s.o and %s.h\n", object.c_str(), object.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  std::string source, object;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--data") == 0) source = argv[i + 1];
    if (std::strcmp(argv[i], "--export") == 0) object = argv[i + 1];
  }
  if (argc % 2 == 0) {
    std::fprintf(stderr, "usage: linear_regression [--data FILE] [--export NAME]\n");
    return 2;
  }
  try {
    run(source, object);
  } catch (const tn::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
