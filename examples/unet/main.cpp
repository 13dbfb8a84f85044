// A U-net tells for every pixel of a picture what stands there.
//
//   unet [--data DIR] [--epochs N] [--width N] [--samples N] [--save FILE]
//
// The network of Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image
// segmentation", 2015, with two levels below the first in place of four, and windows that keep the pictures'
// size. `width` is the number of channels of the first level, 64 in the paper. DIR holds columns image [rows,
// 32, 32, 3] and mask [rows, 32, 32]: 0 on the ground, up to 3 on figures.
#include "../common/pictures.hpp"

namespace tn = tenon;

namespace {

constexpr int64_t size = example::picture_size, figures = 3;

tn::TrainTest scenes(const example::Settings& s) {
  if (!s.data.empty()) return tn::load_data(s.data);
  return tn::make_shapes({.samples = s.samples, .size = size, .classes = figures, .objects = 3, .seed = 1});
}

tn::Value two_convolutions(tn::Value x, int64_t filters, const std::string& name) {
  for (const char* which : {".conv1", ".conv2"})
    x = tn::relu(
        tn::conv2d(x, filters, {3, 3}, {.name = name + which, .init = "he_normal", .padding = "same"}));
  return x;
}

// The level's own features stand beside what comes up from below, which knows more and places it worse.
tn::Value level(const tn::Value& x, int64_t filters, int64_t below, const std::string& name) {
  const tn::Value here = two_convolutions(x, filters, name + ".down");
  if (below == 0) return here;
  const tn::Value deeper = level(tn::max_pool2d(here, {2, 2}), 2 * filters, below - 1, name + ".below");
  const tn::Value up =
      tn::conv_transpose2d(deeper, filters, {2, 2}, {.name = name + ".raise", .stride = {2, 2}});
  return two_convolutions(tn::concat({here, up}, {.axis = 3}), filters, name + ".up");
}

// Of the pixels that are a figure's in truth or by the guess, the part where both agree (Jaccard 1912).
tn::Value overlap(const tn::Value& scores, const tn::Value& mask) {
  const tn::Value guess = tn::argmax(scores), truth = tn::cast<int64_t>(mask);
  const auto count = [](const tn::Value& which) { return tn::reduce_sum(tn::cast<float>(which)); };
  return count(tn::and_(tn::eq(guess, truth), truth > 0)) /
         tn::max(count(tn::or_(guess > 0, truth > 0)), 1.0);
}

// Truth and guess of one row side by side, a sign for every second pixel.
void show(tn::Session& session, const tn::Data& data, int64_t row) {
  const tn::Data one = data.slice(row, row + 1);
  const std::span<const uint8_t> truth = one.column<uint8_t>("mask");
  const tn::Outputs out = session.run("predict", one);
  const std::span<const int64_t> guess = out["mask"].as<int64_t>();
  for (size_t y = 0; y < static_cast<size_t>(size); y += 2) {
    std::string line;
    for (size_t x = 0; x < static_cast<size_t>(size); ++x) line += ".o#^"[truth[y * size + x] & 3];
    line += "   ";
    for (size_t x = 0; x < static_cast<size_t>(size); ++x) line += ".o#^"[guess[y * size + x] & 3];
    std::puts(line.c_str());
  }
}

void run(const example::Settings& s) {
  tn::Model m("unet");
  const tn::Dim batch = m.dim("batch", 1, 128);
  const tn::Value image = m.input<uint8_t>("image", {batch, size, size, 3}),
                  mask = m.input<uint8_t>("mask", {batch, size, size});
  const tn::Value h = level(example::centred(image), s.width, 2, "net");
  const tn::Value z = tn::conv2d(h, figures + 1, {1, 1}, {.name = "out", .init = "glorot_uniform"});
  m.function("predict", {{"mask", tn::argmax(z)}});
  m.metric("accuracy", tn::accuracy(z, mask));
  m.metric("overlap", overlap(z, mask));
  m.step("train", tn::cross_entropy(z, mask), tn::adam({.lr = m.hyper("lr", 2e-3)}));

  const tn::TrainTest data = scenes(s);
  const tn::Data& test = data.test ? *data.test : data.train;
  const tn::Program program = tn::compile(m);
  const tn::State state = program.init(7);
  tn::Session session(program, state);
  session.fit(data.train,
              {.batch = 32, .epochs = static_cast<uint32_t>(s.epochs), .validate = &test, .progress = true});
  const tn::Report report = session.evaluate(test, {.batch = 64});
  show(session, test, 0);
  std::printf("%lld test rows: loss %.4f, right pixels %.4f, overlap of figures %.4f\n",
              static_cast<long long>(test.rows()), report.loss, report["accuracy"], report["overlap"]);
  if (s.save.empty()) return;
  state.save(s.save);
  std::printf("wrote %s\n", s.save.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  return example::main_of(argc, argv, {.data = {}, .save = {}, .epochs = 6, .width = 8, .samples = 800}, run);
}
