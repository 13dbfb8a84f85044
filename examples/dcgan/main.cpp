// Two networks of one module: a generator learns to draw digits that a discriminator takes for real ones.
//
//   dcgan [--data DIR] [--epochs N] [--width N] [--samples N] [--save FILE]
//
// Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional generative
// adversarial networks", 2016, at the size of MNIST. Each network has a step that trains it and holds the
// other still. DIR holds MNIST as IDX files. FILE receives a sheet of 64 drawn digits (.png or .jpg). `width`
// is the number of channels of both networks' widest layers.
#include <random>

#include "../common/pictures.hpp"

namespace tn = tenon;

namespace {

constexpr int64_t side = 28, quarter = 7, latent = 64;
constexpr const char* init = "normal(0, 0.02)";

tn::Value generator(const tn::Value& z, const tn::Dim& batch, int64_t width) {
  const tn::Value spread =
      tn::dense(z, quarter * quarter * width, {.name = "g.fc", .init = init, .bias = false});
  const auto wider = [](const tn::Value& x, int64_t filters, const char* name, bool bias) {
    return tn::conv_transpose2d(
        x, filters, {5, 5}, {.name = name, .init = init, .bias = bias, .stride = {2, 2}, .padding = "same"});
  };
  const tn::Value a = tn::batch_norm(tn::reshape(spread, {batch, quarter, quarter, width}),
                                     {.name = "g.norm1"}),
                  b = tn::batch_norm(wider(tn::relu(a), width / 2, "g.conv1", false), {.name = "g.norm2"});
  return tn::tanh(wider(tn::relu(b), 1, "g.conv2", true));
}

// One number for each picture: the more, the more it looks real. It judges real and drawn pictures with the
// same parameters, so these are made once and not by its layers.
class Discriminator {
 public:
  Discriminator(tn::Model& m, int64_t width)
      : w1_(m.param("d.conv1.w", {5, 5, 1, width / 2}, {.init = init})),
        b1_(m.param("d.conv1.b", {width / 2})),
        w2_(m.param("d.conv2.w", {5, 5, width / 2, width}, {.init = init})),
        scale_(m.param("d.norm.scale", {width}, {.init = "ones"})),
        offset_(m.param("d.norm.offset", {width})),
        mean_(m.state("d.norm.mean", {width})),
        variance_(m.state("d.norm.variance", {width}, "ones")),
        w3_(m.param("d.fc.w", {quarter * quarter * width, 1}, {.init = init})),
        b3_(m.param("d.fc.b", {1})) {}

  struct Judgement {
    tn::Value score, mean, variance;  // the statistics that it would leave
  };
  Judgement operator()(const tn::Value& image) const {
    const tn::Conv2dOptions half{.stride = {2, 2}, .padding = "same"};
    const tn::Value a = tn::leaky_relu(tn::conv2d(image, w1_, b1_, half), {.slope = 0.2});
    const auto [b, mean, variance] =
        tn::batch_norm(tn::conv2d(a, w2_, {}, half), scale_, offset_, mean_, variance_);
    return {tn::dense(tn::flatten(tn::leaky_relu(b, {.slope = 0.2})), w3_, b3_), mean, variance};
  }
  // Running statistics are those of real pictures.
  void keep(tn::Model& m, const Judgement& of_real) const {
    m.update(mean_, of_real.mean);
    m.update(variance_, of_real.variance);
  }

 private:
  tn::Value w1_, b1_, w2_, scale_, offset_, mean_, variance_, w3_, b3_;
};

tn::Value miss(tn::Model& m, const tn::Value& score, float target) {
  return tn::binary_cross_entropy(score, tn::full(m, target, score.shape()));
}

class Noise {
 public:
  tn::Tensor draw(int64_t rows) {
    numbers_.resize(static_cast<size_t>(rows * latent));
    for (float& x : numbers_) x = normal_(engine_);
    return tn::view(numbers_, {rows, latent});
  }

 private:
  std::mt19937 engine_{7};
  std::normal_distribution<float> normal_;
  std::vector<float> numbers_;
};

void run(const example::Settings& s) {
  tn::Model m("dcgan");
  const tn::Dim batch = m.dim("batch", 1, 256);
  const tn::Value image = m.input<uint8_t>("image", {batch, side, side}),
                  z = m.input<float>("z", {batch, latent});
  const tn::Value real = tn::cast<float>(tn::reshape(image, {batch, side, side, 1})) * (1.0 / 127.5) - 1.0,
                  drawn = generator(z, batch, s.width);
  const Discriminator discriminator(m, s.width);
  const auto of_real = discriminator(real), of_drawn = discriminator(drawn);
  discriminator.keep(m, of_real);
  const tn::Optimizer adam = tn::adam({.lr = m.hyper("lr", 5e-4), .beta1 = 0.5});
  m.step("discriminate", miss(m, of_real.score, 1) + miss(m, of_drawn.score, 0), adam, {.over = {"d.*"}});
  m.step("generate", miss(m, of_drawn.score, 1), adam, {.over = {"g.*"}});
  m.function("draw", {{"image", tn::reshape(0.5 * drawn + 0.5, {batch, side, side})}});

  const tn::TrainTest data =
      s.data.empty() ? tn::make_digits({.samples = s.samples, .seed = 1}) : tn::load_data(s.data);
  const tn::Program program = tn::compile(m, {.epochs = false});
  const tn::State state = program.init(7);
  tn::Session session(program, state);
  Noise noise;
  for (uint32_t epoch = 0; epoch < s.epochs; ++epoch) {
    double told = 0, fooled = 0;
    const tn::Batches batches = data.train.batches(64, {.shuffle = 7, .epoch = epoch});
    for (const tn::Batch& b : batches) {
      std::span<const uint8_t> bytes = b.data.column<uint8_t>("image");
      const tn::Tensor images = tn::view(bytes, {b.rows(), side, side});
      told += session.run("discriminate", {{"image", images}, {"z", noise.draw(b.rows())}}).loss;
      fooled += session.run("generate", {{"z", noise.draw(b.rows())}}).loss;
    }
    const auto steps = static_cast<double>(batches.count());
    std::printf("epoch %u: loss of the discriminator %.4f, of the generator %.4f\n", epoch + 1, told / steps,
                fooled / steps);
  }
  if (s.save.empty()) return;
  if (s.save.ends_with(".safetensors"))
    state.save(s.save);
  else
    session.run("draw", {{"z", Noise().draw(64)}})["image"].save_picture(s.save);
  std::printf("wrote %s\n", s.save.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  return example::main_of(argc, argv, {.data = {}, .save = {}, .epochs = 40, .width = 16, .samples = 2000},
                          run);
}
