// A network of few products tells pictures of 32 x 32 pixels apart: drawn figures, or those of a folder.
//
//   mobilenet [--data DIR] [--epochs N] [--width N] [--samples N] [--save FILE]
//
// MobileNetV2 of Sandler, Howard, Zhu, Zhmoginov and Chen, "MobileNetV2: inverted residuals and linear
// bottlenecks", 2018, with fewer blocks, and strides for small pictures. `width` is the number of channels
// that the first block makes, 16 in the paper.
// Steps see pictures moved and turned around by chance. DIR holds CIFAR-10 in its binary form, or columns
// image [rows, 32, 32, 3] and label.
#include "../common/pictures.hpp"

namespace tn = tenon;

namespace {

tn::Value convolution(const tn::Value& x, int64_t filters, int64_t taps, int64_t stride, int64_t groups,
                      const std::string& name) {
  const tn::Value h = tn::conv2d(x, filters, {taps, taps},
                                 {.name = name,
                                  .init = "he_normal",
                                  .bias = false,
                                  .stride = {stride, stride},
                                  .padding = "same",
                                  .groups = groups});
  return tn::batch_norm(h, {.name = name + ".norm"});
}

// Many channels inside, few between blocks: each channel has a window of its own, and what leaves the block
// is linear, since a rectifier would lose some of the little that few channels hold.
tn::Value inverted_residual(const tn::Value& x, int64_t channels, int64_t expansion, int64_t filters,
                            int64_t stride, const std::string& name) {
  const int64_t wide = channels * expansion;
  tn::Value h = x;
  if (expansion != 1) h = tn::relu6(convolution(h, wide, 1, 1, 1, name + ".expand"));
  h = tn::relu6(convolution(h, wide, 3, stride, wide, name + ".depthwise"));
  h = convolution(h, filters, 1, 1, 1, name + ".project");
  return stride == 1 && channels == filters ? x + h : h;
}

// Rows of the paper's table 2: factor of the channels inside, channels (here of `width`), blocks, stride of
// the first of them.
struct Row {
  int64_t expansion, halves, blocks, stride;
};
constexpr Row table[] = {{1, 2, 1, 1}, {6, 3, 1, 1}, {6, 4, 2, 2}, {6, 8, 2, 2}, {6, 12, 1, 1}};

void run(const example::Settings& s) {
  tn::Model m("mobilenet");
  const tn::Dim batch = m.dim("batch", 1, 256);
  const tn::Value image = m.input<uint8_t>("image", {batch, example::picture_size, example::picture_size, 3}),
                  label = m.input<int32_t>("label", {batch});
  int64_t channels = 2 * s.width, number = 0;
  tn::Value h = tn::relu6(convolution(example::seen(image), channels, 3, 2, 1, "conv"));
  for (const Row& row : table)
    for (int64_t i = 0; i < row.blocks; ++i) {
      const int64_t filters = row.halves * s.width / 2;
      h = inverted_residual(h, channels, row.expansion, filters, i == 0 ? row.stride : 1,
                            "block" + std::to_string(++number));
      channels = filters;
    }
  h = tn::relu6(convolution(h, 16 * s.width, 1, 1, 1, "last"));
  const tn::Value features = tn::dropout(tn::global_avg_pool(h), 0.2);
  const tn::Value z = tn::dense(features, example::picture_classes, {.name = "fc"});
  const tn::Value loss = tn::cross_entropy(z, label) + 4e-5 * tn::l2(m.params("*.w"));
  example::train_classifier(m, z, label, loss, tn::adam({.lr = m.hyper("lr", 2e-3)}), s);
}

}  // namespace

int main(int argc, char** argv) {
  return example::main_of(argc, argv, {.data = {}, .save = {}, .epochs = 8, .width = 8, .samples = 1000},
                          run);
}
