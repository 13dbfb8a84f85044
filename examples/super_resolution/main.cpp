// A network doubles the size of pictures, and is measured against bicubic interpolation.
//
//   super_resolution [--data DIR] [--epochs N] [--width N] [--samples N] [--save FILE]
//
// The layers of Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel
// convolutional neural network", 2016: all convolutions work on the small picture, the last makes four
// numbers for each of its pixels, which are shuffled into four pixels. As in Kim, Lee and Lee, "Accurate
// image super-resolution using very deep convolutional networks", 2016, the network learns what interpolation
// lacks. It works on luma. One program takes pictures of any even size.
// DIR holds pictures (.png or .jpg). Each is enlarged by a network that was trained on the others. FILE
// receives the last of them, enlarged (.png or .jpg), or the parameters (.safetensors).
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "../common/pictures.hpp"

namespace tn = tenon;

namespace {

tn::Value interpolated(const tn::Value& small) {
  return tn::resize(small, {.scale = {2, 2}, .method = "cubic"});
}

// Half the size by Keys, "Cubic convolution interpolation for digital image processing", 1981, stretched over
// eight pixels each way, as small pictures are made for this comparison. Beyond the edge is a mirror.
tn::Value halved(tn::Model& m, const tn::Value& x) {
  std::array<float, 8> cubic{-3, -9, 29, 111, 111, 29, -9, -3};
  for (float& factor : cubic) factor /= 256;
  const std::span<const float> factors(cubic);
  const tn::Value around = tn::pad_symmetric(x, {.low = {{0, 3, 3, 0}}, .high = {{0, 3, 3, 0}}});
  const tn::Value rows = tn::conv2d(around, m.constant(factors, {8, 1, 1, 1}), {}, {.stride = {2, 1}});
  return tn::conv2d(rows, m.constant(factors, {1, 8, 1, 1}), {}, {.stride = {1, 2}});
}

// From 16 / 255 to 235 / 255, of bytes (ITU-R BT.601).
constexpr float black = 16.0f / 255, white = 235.0f / 255;
tn::Value luma(tn::Model& m, const tn::Value& image) {
  std::array<float, 3> parts{0.299f, 0.587f, 0.114f};
  for (float& part : parts) part *= (white - black) / 255;
  return tn::dot(tn::cast<float>(image), m.constant(std::span<const float>(parts), {3, 1})) + black;
}

// In decibels, for values from 0 to 1; the mean over the pictures.
tn::Value peak_signal_to_noise(const tn::Value& picture, const tn::Value& truth) {
  const tn::Value error = tn::mean(tn::square(picture - truth), {.axes = {1, 2, 3}});
  return tn::mean(tn::log(error)) * (-10 / std::log(10.0));
}

// What interpolation lacks. The parameters serve pictures to learn from and pictures to enlarge.
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
    return tn::pixel_shuffle(tn::conv2d(h2, w3_, b3_, same), 2);
  }

 private:
  tn::Value w1_, b1_, w2_, b2_, w3_, b3_;
};

tn::Program network(int64_t channels) {
  tn::Model m("super_resolution");
  const tn::Dim batch = m.dim("batch", 1, 64), height = m.dim("height", 6, 1024),
                width = m.dim("width", 6, 1024);
  const tn::Value image = m.input<uint8_t>("image", {batch, 2 * height, 2 * width, 3}),
                  small = m.input<uint8_t>("small", {batch, height, width, 3});
  const Network lacks(m, channels);
  // Steps see pictures turned around by chance, each way.
  const tn::Value seen = tn::random_flip(tn::random_flip(image), {.axis = 1});
  const tn::Value truth = luma(m, seen), shrunk = halved(m, truth), plain = interpolated(shrunk);
  // Nothing knows what is beyond the edge: as is usual, the two outer pixels do not count.
  const auto inside = [&](const tn::Value& x) {
    return tn::slice(x, {.start = {0, 2, 2, 0}, .limit = {batch, 2 * height - 2, 2 * width - 2, 1}});
  };
  const tn::Value found = inside(plain + lacks(shrunk)), wanted = inside(truth);
  m.metric("psnr", peak_signal_to_noise(found, wanted));
  m.metric("bicubic", peak_signal_to_noise(inside(plain), wanted));
  m.step("train", tn::mse(found, wanted), tn::adam({.lr = m.hyper("lr", 1e-3)}));
  // Colours are interpolated; the network adds light.
  const tn::Value picture = interpolated(tn::cast<float>(small) * (1.0 / 255)) +
                            lacks(luma(m, small)) * static_cast<double>(1 / (white - black));
  m.function("enlarge", {{"picture", tn::clamp(picture, 0.0, 1.0)}});
  return tn::compile(m);
}

struct Picture {
  std::string name;
  int64_t height, width;
  std::vector<uint8_t> pixels;  // [height, width, 3]

  tn::Tensor view() const { return tn::view(std::span(pixels), {1, height, width, 3}); }
  Picture cut(int64_t top, int64_t left, int64_t h, int64_t w) const {
    Picture out{name, h, w, {}};
    for (int64_t y = top; y < top + h; ++y) {
      const auto row = pixels.begin() + (y * width + left) * 3;
      out.pixels.insert(out.pixels.end(), row, row + w * 3);
    }
    return out;
  }
};

// Cut to even sizes, in the order of their names.
std::vector<Picture> pictures(const std::string& folder) {
  std::vector<Picture> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string kind = entry.path().extension().string();
    if (kind != ".png" && kind != ".jpg" && kind != ".jpeg") continue;
    const tn::Array loaded = tn::Array::load_picture(entry.path().string());
    const std::vector<int64_t> shape = loaded.shape();
    if (shape[2] != 3) continue;
    const std::span<const uint8_t> bytes = loaded.as<uint8_t>();
    const Picture whole{entry.path().stem().string(), shape[0], shape[1], {bytes.begin(), bytes.end()}};
    out.push_back(whole.cut(0, 0, shape[0] / 2 * 2, shape[1] / 2 * 2));
  }
  std::sort(out.begin(), out.end(), [](const Picture& a, const Picture& b) { return a.name < b.name; });
  return out;
}

// What the pictures but one show in windows of 48 pixels, half of which each shares with the next.
tn::Data patches(const std::vector<Picture>& all, size_t without) {
  constexpr int64_t side = 48;
  std::vector<uint8_t> pixels;
  for (size_t i = 0; i < all.size(); ++i)
    for (int64_t y = 0; i != without && y + side <= all[i].height; y += side / 2)
      for (int64_t x = 0; x + side <= all[i].width; x += side / 2) {
        const Picture patch = all[i].cut(y, x, side, side);
        pixels.insert(pixels.end(), patch.pixels.begin(), patch.pixels.end());
      }
  const auto rows = static_cast<int64_t>(pixels.size()) / (side * side * 3);
  return tn::make_data({{"image", tn::view(pixels, {rows, side, side, 3})}});
}

tn::FitOptions training(const example::Settings& s) {
  return {.batch = 16, .epochs = static_cast<uint32_t>(s.epochs), .progress = true};
}

// Trains on all pictures but each in turn.
void run_on_pictures(const tn::Program& program, const example::Settings& s) {
  const std::vector<Picture> all = pictures(s.data);
  if (all.size() < 2) throw tn::Error(301, s.data + " holds fewer than two coloured pictures (.png, .jpg)");
  double sum = 0, plain = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const tn::State state = program.init(7);
    tn::Session session(program, state);
    session.fit(patches(all, i), training(s));
    const tn::Report report = session.evaluate(tn::make_data({{"image", all[i].view()}}));
    std::printf("%-12s %.2f dB, of bicubic interpolation %.2f dB\n", all[i].name.c_str(), report["psnr"],
                report["bicubic"]);
    sum += report["psnr"];
    plain += report["bicubic"];
    if (s.save.empty() || i + 1 < all.size()) continue;
    if (s.save.ends_with(".safetensors"))
      state.save(s.save);
    else
      session.run("enlarge", {{"small", all[i].view()}})["picture"].save_picture(s.save);
    std::printf("wrote %s\n", s.save.c_str());
  }
  const auto count = static_cast<double>(all.size());
  std::printf("mean         %.2f dB, of bicubic interpolation %.2f dB\n", sum / count, plain / count);
}

void run(const example::Settings& s) {
  const tn::Program program = network(s.width);
  if (!s.data.empty()) return run_on_pictures(program, s);
  const tn::TrainTest data = example::pictures(s);
  const tn::State state = program.init(7);
  tn::Session session(program, state);
  session.fit(data.train, training(s));
  const tn::Report report = session.evaluate(*data.test, {.batch = 64});
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
