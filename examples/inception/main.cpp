// A network of inception blocks tells pictures of 32 x 32 pixels apart: drawn figures, or those of a folder.
//
//   inception [--data DIR] [--epochs N] [--width N] [--samples N] [--save FILE]
//
// The blocks of Szegedy et al., "Going deeper with convolutions", 2014: windows of 1, 3 and 5 taps and a pool
// lie side by side, and convolutions of one tap before them keep their channels few. There are fewer blocks
// than in the paper, and no classifiers on the way. `width` scales all channels; 16 gives those of the
// paper's block 3a.
// Steps see pictures moved and turned around by chance. DIR holds CIFAR-10 in its binary form, or columns
// image [rows, 32, 32, 3] and label.
#include "../common/pictures.hpp"

namespace tn = tenon;

namespace {

tn::Value convolution(const tn::Value& x, int64_t filters, int64_t taps, const std::string& name) {
  return tn::relu(
      tn::conv2d(x, filters, {taps, taps}, {.name = name, .init = "he_normal", .padding = "same"}));
}

// The paper's 64, 96 -> 128, 16 -> 32 and 32 channels at a width of 16.
tn::Value inception(const tn::Value& x, int64_t width, const std::string& name) {
  const tn::Value one = convolution(x, 4 * width, 1, name + ".one"),
                  three = convolution(convolution(x, 6 * width, 1, name + ".three.in"), 8 * width, 3,
                                      name + ".three"),
                  five =
                      convolution(convolution(x, width, 1, name + ".five.in"), 2 * width, 5, name + ".five"),
                  pooled = tn::max_pool2d(x, {3, 3}, {.stride = {1, 1}, .padding = "same"});
  return tn::concat({one, three, five, convolution(pooled, 2 * width, 1, name + ".pool")}, {.axis = 3});
}

void run(const example::Settings& s) {
  tn::Model m("inception");
  const tn::Dim batch = m.dim("batch", 1, 256);
  const tn::Value image = m.input<uint8_t>("image", {batch, example::picture_size, example::picture_size, 3}),
                  label = m.input<int32_t>("label", {batch});
  tn::Value h = tn::max_pool2d(convolution(example::seen(image), 4 * s.width, 3, "conv"), {2, 2});
  int64_t scale = 1;
  for (const char* stage : {"3", "4"}) {
    for (const char* block : {"a", "b"})
      h = inception(h, scale * s.width, std::string("block") + stage + block);
    h = tn::max_pool2d(h, {3, 3}, {.stride = {2, 2}, .padding = "same"});
    scale *= 2;
  }
  const tn::Value features = tn::dropout(tn::global_avg_pool(h), 0.4);
  const tn::Value z = tn::dense(features, example::picture_classes, {.name = "fc"});
  example::train_classifier(m, z, label, tn::cross_entropy(z, label), tn::adam({.lr = m.hyper("lr", 1e-3)}),
                            s);
}

}  // namespace

int main(int argc, char** argv) {
  return example::main_of(argc, argv, {.data = {}, .save = {}, .epochs = 8, .width = 4, .samples = 1000},
                          run);
}
