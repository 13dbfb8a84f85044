// A convolutional autoencoder learns a code of 16 numbers for a digit; a linear probe tells what the code
// knows.
//
//   autoencoder [--data DIR] [--epochs N] [--width N] [--samples N] [--save FILE]
//
// DIR holds MNIST as IDX files. The labels are no part of the code: the probe is a linear classifier that is
// trained by a step of its own, and moves nothing but its own parameters. It is measured on the codes of the
// network before its training as well. Hinton and Salakhutdinov, "Reducing the dimensionality of data with
// neural networks", 2006; probes: Alain and Bengio, "Understanding intermediate layers using linear
// classifier probes", 2016. `width` is the number of channels of the first convolution.
#include "../common/pictures.hpp"

namespace tn = tenon;

namespace {

constexpr int64_t side = 28, quarter = 7, code_size = 16, digits = 10;

// The accuracy of a probe that is trained on the codes of this state's encoder.
double probe(const tn::Program& program, const tn::State& state, const tn::Data& train,
             const tn::Data& test) {
  tn::Session session(program, state.copy());
  session.fit(train, {.batch = 64, .epochs = 10, .step = "probe"});
  return session.evaluate(test, {.batch = 256, .step = "probe"})["accuracy"];
}

void run(const example::Settings& s) {
  tn::Model m("autoencoder");
  const tn::Dim batch = m.dim("batch", 1, 256);
  const tn::Value image = m.input<uint8_t>("image", {batch, side, side}),
                  label = m.input<int32_t>("label", {batch});
  const tn::Value x = tn::cast<float>(tn::reshape(image, {batch, side, side, 1})) * (1.0 / 255);

  const auto narrower = [](const tn::Value& in, int64_t filters, const char* name) {
    return tn::relu(tn::conv2d(in, filters, {3, 3}, {.name = name, .stride = {2, 2}, .padding = "same"}));
  };
  const tn::Value h = narrower(narrower(x, s.width, "conv1"), 2 * s.width, "conv2");
  const tn::Value code = tn::dense(tn::flatten(h), code_size, {.name = "code"});

  const auto wider = [](const tn::Value& in, int64_t filters, const char* name) {
    return tn::conv_transpose2d(in, filters, {3, 3}, {.name = name, .stride = {2, 2}, .padding = "same"});
  };
  const tn::Value g = tn::relu(tn::dense(code, quarter * quarter * 2 * s.width, {.name = "spread"}));
  const tn::Value pixels = tn::reshape(g, {batch, quarter, quarter, 2 * s.width});
  const tn::Value logits = wider(tn::relu(wider(pixels, s.width, "raise1")), 1, "raise2");
  const tn::Value drawn = tn::sigmoid(logits);
  m.function("encode", {{"code", code}});
  m.function("reconstruct", {{"image", tn::reshape(drawn, {batch, side, side})}});
  m.metric("error", tn::mse(drawn, x));
  m.step("train", tn::binary_cross_entropy(logits, x), tn::adam({.lr = m.hyper("lr", 2e-3)}),
         {.over = {"conv*", "code.*", "spread.*", "raise*"}});

  const tn::Value z = tn::dense(tn::stop_gradient(code), digits, {.name = "probe"});
  m.metric("accuracy", tn::accuracy(z, label));
  m.step("probe", tn::cross_entropy(z, label), tn::adam({.lr = 0.01}), {.over = {"probe.*"}});

  const tn::TrainTest data =
      s.data.empty() ? tn::make_digits({.samples = s.samples, .seed = 1}) : tn::load_data(s.data);
  const tn::Data& test = data.test ? *data.test : data.train;
  const tn::Program program = tn::compile(m);
  const tn::State state = program.init(7);
  const double untrained = probe(program, state, data.train, test);
  tn::Session session(program, state);
  session.fit(data.train, {.batch = 64,
                           .epochs = static_cast<uint32_t>(s.epochs),
                           .step = "train",
                           .validate = &test,
                           .progress = true});
  std::printf("squared error of a pixel: %.4f\n",
              session.evaluate(test, {.batch = 256, .step = "train"})["error"]);
  std::printf("accuracy of a linear probe of the code: %.4f, before training %.4f\n",
              probe(program, state, data.train, test), untrained);
  if (s.save.empty()) return;
  state.save(s.save);
  std::printf("wrote %s\n", s.save.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  return example::main_of(argc, argv, {.data = {}, .save = {}, .epochs = 8, .width = 8, .samples = 2000},
                          run);
}
