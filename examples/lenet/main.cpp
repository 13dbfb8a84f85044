// LeNet-5 reads handwritten digits: drawn ones, or MNIST.
//
//   lenet [--data DIR] [--epochs N] [--save FILE]
//
// DIR holds MNIST as IDX files. The network is that of LeCun, Bottou, Bengio and Haffner, "Gradient-based
// learning applied to document recognition", 1998, with rectifiers and largest elements in place of its
// saturating units and means.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <tenon/tenon.hpp>

namespace tn = tenon;

namespace {

tn::Value layer(const tn::Value& x, int64_t filters, const char* padding, const char* name) {
  const tn::Value y =
      tn::conv2d(x, filters, {5, 5}, {.name = name, .init = "glorot_uniform", .padding = padding});
  return tn::max_pool2d(tn::relu(y), {2, 2});
}

void run(const std::string& folder, uint32_t epochs, const std::string& file) {
  const tn::TrainTest data =
      folder.empty() ? tn::make_digits({.samples = 5000, .seed = 1}) : tn::load_data(folder);

  tn::Model m("lenet");
  const tn::Dim batch = m.dim("batch", 1, 256);
  const tn::Value image = m.input<uint8_t>("image", {batch, 28, 28}),
                  label = m.input<int32_t>("label", {batch});
  const tn::Value x = tn::cast<float>(tn::reshape(image, {batch, 28, 28, 1})) * (1.0 / 255);
  const tn::Value h = layer(layer(x, 6, "same", "conv1"), 16, "valid", "conv2");
  const tn::Value a = tn::relu(tn::dense(tn::flatten(h), 120, {.name = "fc1"})),
                  b = tn::relu(tn::dense(a, 84, {.name = "fc2"}));
  const tn::Value z = tn::dense(b, 10, {.name = "fc3"});
  const tn::Value lr = m.hyper("lr", 1e-3);
  m.function("predict", {{"probs", tn::softmax(z)}});
  m.metric("accuracy", tn::accuracy(z, label));
  m.step("train", tn::cross_entropy(z, label), tn::adam({.lr = lr}));

  const tn::Program program = tn::compile(m);
  const tn::State state = program.init(7);
  tn::Session session(program, state);
  const tn::Data& test = data.test ? *data.test : data.train;
  session.fit(data.train, {.batch = 64, .epochs = epochs, .validate = &test, .progress = true});
  const tn::Report report = session.evaluate(test, {.batch = 256});
  std::printf("%lld test rows: loss %.4f, accuracy %.4f\n", static_cast<long long>(test.rows()), report.loss,
              report["accuracy"]);
  if (file.empty()) return;
  state.save(file);
  std::printf("wrote %s\n", file.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  std::string folder, file;
  uint32_t epochs = 5;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--data") == 0) folder = argv[i + 1];
    if (std::strcmp(argv[i], "--epochs") == 0) epochs = static_cast<uint32_t>(std::atoi(argv[i + 1]));
    if (std::strcmp(argv[i], "--save") == 0) file = argv[i + 1];
  }
  if (argc % 2 == 0 || epochs < 1) {
    std::fprintf(stderr, "usage: lenet [--data DIR] [--epochs N] [--save FILE]\n");
    return 2;
  }
  try {
    run(folder, epochs, file);
    return 0;
  } catch (const tn::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
