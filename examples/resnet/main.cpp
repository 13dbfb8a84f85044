// A residual network tells pictures of 32 x 32 pixels apart: drawn figures, or those of a folder.
//
//   resnet [--data DIR] [--epochs N] [--width N] [--samples N] [--save FILE]
//
// ResNet-18 of He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016, as it is made
// for small pictures: the first convolution has 3 x 3 taps and no pool behind it. `width` is the number of
// channels that it makes, 64 in the paper.
// Steps see pictures moved and turned around by chance. DIR holds CIFAR-10 in its binary form, or columns
// image [rows, 32, 32, 3] and label.
#include "../common/pictures.hpp"

namespace tn = tenon;

namespace {

tn::Value convolution(const tn::Value& x, int64_t filters, int64_t taps, int64_t stride,
                      const std::string& name) {
  const tn::Value h = tn::conv2d(
      x, filters, {taps, taps},
      {.name = name, .init = "he_normal", .bias = false, .stride = {stride, stride}, .padding = "same"});
  return tn::batch_norm(h, {.name = name + ".norm"});
}

// What the block makes is added to what it is given; where sizes differ, a convolution of one tap leads past.
tn::Value residual_block(const tn::Value& x, int64_t filters, int64_t stride, const std::string& name) {
  const tn::Value a = tn::relu(convolution(x, filters, 3, stride, name + ".conv1")),
                  b = convolution(a, filters, 3, 1, name + ".conv2"),
                  past = stride == 1 ? x : convolution(x, filters, 1, stride, name + ".past");
  return tn::relu(b + past);
}

void run(const example::Settings& s) {
  tn::Model m("resnet");
  const tn::Dim batch = m.dim("batch", 1, 256);
  const tn::Value image = m.input<uint8_t>("image", {batch, example::picture_size, example::picture_size, 3}),
                  label = m.input<int32_t>("label", {batch});
  tn::Value h = tn::relu(convolution(example::seen(image), s.width, 3, 1, "conv"));
  for (int64_t stage = 0; stage < 4; ++stage)
    for (int64_t block = 0; block < 2; ++block)
      h = residual_block(h, s.width << stage, stage > 0 && block == 0 ? 2 : 1,
                         "stage" + std::to_string(stage + 1) + "." + std::to_string(block + 1));
  const tn::Value z = tn::dense(tn::global_avg_pool(h), example::picture_classes, {.name = "fc"});
  const tn::Value loss = tn::cross_entropy(z, label) + 1e-4 * tn::l2(m.params("*.w"));
  example::train_classifier(m, z, label, loss, tn::momentum({.lr = m.hyper("lr", 0.05), .momentum = 0.9}), s);
}

}  // namespace

int main(int argc, char** argv) {
  return example::main_of(argc, argv, {.data = {}, .save = {}, .epochs = 4, .width = 8, .samples = 1000},
                          run);
}
