// A recurrent network reads a picture row by row: 28 steps of a loop, whose length is a symbolic dimension.
//
//   row_rnn [--data DIR] [--epochs N]
//
// DIR holds MNIST as IDX files; without it digits are drawn. One program serves sequences of every length up
// to 28: at the end the network learns, for one more epoch, to decide by the upper 20 rows alone.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <tenon/tenon.hpp>
#include <utility>
#include <vector>

namespace tn = tenon;

namespace {

constexpr int64_t width = 28, hidden = 128;

// The upper `rows` rows of each picture.
tn::Data upper(const tn::Data& data, int64_t rows) {
  const std::span<const uint8_t> image = data.column<uint8_t>("image");
  const std::span<const int32_t> label = data.column<int32_t>("label");
  const size_t part = static_cast<size_t>(rows * width);
  std::vector<uint8_t> cut(static_cast<size_t>(data.rows()) * part);
  for (size_t i = 0; i < static_cast<size_t>(data.rows()); ++i)
    std::memcpy(cut.data() + i * part, image.data() + i * width * width, part);
  std::vector<int32_t> labels(label.begin(), label.end());
  return tn::make_data(
      {{"image", tn::view(cut, {data.rows(), rows, width})}, {"label", tn::view(labels, {data.rows()})}});
}

void run(const std::string& folder, uint32_t epochs) {
  const tn::TrainTest data =
      folder.empty() ? tn::make_digits({.samples = 5000, .seed = 1}) : tn::load_data(folder);
  // Rows that are not trained on: those the data holds out, else a fifth of it.
  const auto [train, test] =
      data.test ? std::pair(data.train, *data.test) : data.train.split(0.8, /*seed*/ 7);

  tn::Model m("rnn");
  const tn::Dim batch = m.dim("batch", 1, 256), steps = m.dim("steps", 1, 28);
  const tn::Value image = m.input<uint8_t>("image", {batch, steps, width}),
                  label = m.input<int32_t>("label", {batch});
  const tn::Value w = m.param("cell.w", {width, hidden}, {.init = "glorot_uniform"});
  const tn::Value u = m.param("cell.u", {hidden, hidden}, {.init = "glorot_uniform"});
  const tn::Value b = m.param("cell.b", {hidden});
  const tn::Value x = tn::cast<float>(image) * (1.0 / 255);
  const tn::Value rows = tn::transpose(x, {.perm = {1, 0, 2}});
  const tn::Value first = tn::full(m, 0.0f, {batch, hidden});
  const tn::LoopResult read = tn::loop({first}, {rows}, [&](const tn::Iteration& i) -> tn::Yield {
    return {.next = {tn::rnn_cell(i.slice[0], i.carry[0], w, u, b)}};
  });
  const tn::Value z = tn::dense(read.last[0], 10, {.name = "out"});
  m.function("predict", {{"probs", tn::softmax(z)}});
  m.metric("accuracy", tn::accuracy(z, label));
  m.step("train", tn::cross_entropy(z, label), tn::adam({.lr = 1e-3}));

  const tn::Program program = tn::compile(m);
  const tn::State state = program.init(7);
  tn::Session session(program, state);
  session.fit(train, {.batch = 64, .epochs = epochs, .validate = &test, .progress = true});
  std::printf("test accuracy by all rows: %.4f\n", session.evaluate(test)["accuracy"]);
  session.fit(upper(train, 20), {.batch = 64, .epochs = 1});
  std::printf("test accuracy by the upper 20 rows, after an epoch on those: %.4f\n",
              session.evaluate(upper(test, 20))["accuracy"]);
}

}  // namespace

int main(int argc, char** argv) {
  std::string folder;
  uint32_t epochs = 5;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--data") == 0) folder = argv[i + 1];
    if (std::strcmp(argv[i], "--epochs") == 0) epochs = static_cast<uint32_t>(std::atoi(argv[i + 1]));
  }
  if (argc % 2 == 0 || epochs < 1) {
    std::fprintf(stderr, "usage: row_rnn [--data DIR] [--epochs N]\n");
    return 2;
  }
  try {
    run(folder, epochs);
  } catch (const tn::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
