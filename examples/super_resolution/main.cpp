// A network doubles the size of a picture, and is measured against bicubic interpolation.
//
//   super_resolution [--data DIR] [--epochs N] [--width N] [--samples N] [--save FILE]
//
// The layers of Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel
// convolutional neural network", 2016: all convolutions work on the small picture, the last makes four
// numbers for each of its pixels, which are shuffled into four pixels. As in Kim, Lee and Lee, "Accurate
// image super-resolution using very deep convolutional networks", 2016, the network learns what interpolation
// lacks. It works on luma; small pictures are means of two by two pixels. One program takes pictures of any
// even size. DIR holds a column image [rows, height, width, 3].
#include <array>
#include <cmath>

#include "../common/pictures.hpp"

namespace tn = tenon;

namespace {

tn::Value interpolated(const tn::Value& small) {
  return tn::resize(small, {.scale = {2, 2}, .method = "cubic"});
}

// In decibels, for values from 0 to 1; the mean over the pictures.
tn::Value peak_signal_to_noise(const tn::Value& picture, const tn::Value& truth) {
  const tn::Value error = tn::mean(tn::square(picture - truth), {.axes = {1, 2, 3}});
  return tn::mean(tn::log(error)) * (-10 / std::log(10.0));
}

// Three convolutions of the small picture, whose parameters serve pictures to learn from and pictures to
// enlarge.
class Network {
 public:
  Network(tn::Model& m, int64_t width)
      : w1_(m.param("conv1.w", {5, 5, 1, width}, {.init = "he_uniform"})),
        b1_(m.param("conv1.b", {width})),
        w2_(m.param("conv2.w", {3, 3, width, width / 2 + 1}, {.init = "he_uniform"})),
        b2_(m.param("conv2.b", {width / 2 + 1})),
        w3_(m.param("conv3.w", {3, 3, width / 2 + 1, 4})),  // zeros: it begins as interpolation
        b3_(m.param("conv3.b", {4})) {}
  tn::Value operator()(const tn::Value& small) const {
    const tn::Conv2dOptions same{.padding = "same"};
    const tn::Value h1 = tn::relu(tn::conv2d(small, w1_, b1_, same)),
                    h2 = tn::relu(tn::conv2d(h1, w2_, b2_, same));
    return interpolated(small) + tn::pixel_shuffle(tn::conv2d(h2, w3_, b3_, same), 2);
  }

 private:
  tn::Value w1_, b1_, w2_, b2_, w3_, b3_;
};

void run(const example::Settings& s) {
  tn::Model m("super_resolution");
  const tn::Dim batch = m.dim("batch", 1, 64), height = m.dim("height", 6, 64), width = m.dim("width", 6, 64);
  const tn::Value image = m.input<uint8_t>("image", {batch, 2 * height, 2 * width, 3}),
                  small = m.input<float>("small", {batch, height, width, 1});
  const std::array<float, 3> luma{0.299f / 255, 0.587f / 255, 0.114f / 255};
  const tn::Value truth = tn::dot(tn::cast<float>(image), m.constant(std::span<const float>(luma), {3, 1}));
  const tn::Value shrunk = tn::avg_pool2d(truth, {2, 2});
  const Network enlarge(m, s.width);
  // Nothing knows what is beyond the edge: as is usual, the outer pixels do not count.
  const auto inside = [&](const tn::Value& x) {
    return tn::slice(x, {.start = {0, 4, 4, 0}, .limit = {batch, 2 * height - 4, 2 * width - 4, 1}});
  };
  const tn::Value larger = inside(enlarge(shrunk)), plain = inside(interpolated(shrunk));
  m.function("enlarge", {{"luma", enlarge(small)}});
  m.metric("psnr", peak_signal_to_noise(larger, inside(truth)));
  m.metric("bicubic", peak_signal_to_noise(plain, inside(truth)));
  m.step("train", tn::mse(larger, inside(truth)), tn::adam({.lr = m.hyper("lr", 1e-3)}));

  const tn::TrainTest data = example::pictures(s);
  const tn::Data& test = data.test ? *data.test : data.train;
  const tn::Program program = tn::compile(m);
  const tn::State state = program.init(7);
  tn::Session session(program, state);
  session.fit(data.train,
              {.batch = 16, .epochs = static_cast<uint32_t>(s.epochs), .validate = &test, .progress = true});
  const tn::Report report = session.evaluate(test, {.batch = 64});
  std::printf("peak signal to noise: %.2f dB, of bicubic interpolation %.2f dB\n", report["psnr"],
              report["bicubic"]);
  if (s.save.empty()) return;
  state.save(s.save);
  std::printf("wrote %s\n", s.save.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  return example::main_of(argc, argv, {.data = {}, .save = {}, .epochs = 6, .width = 24, .samples = 600},
                          run);
}
