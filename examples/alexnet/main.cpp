// A deep convolutional network tells pictures of 32 x 32 pixels apart: drawn figures, or those of a folder.
//
//   alexnet [--data DIR] [--epochs N] [--width N] [--samples N] [--save FILE]
//
// The network of Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
// networks", 2012, at the size of CIFAR's pictures: rectifiers, responses normalized among neighbouring
// channels, pools that overlap, dropout before the dense layers. `width` is the number of channels that the
// first convolution makes; 64 gives layers of about the paper's widths.
// Steps see pictures moved and turned around by chance. DIR holds CIFAR-10 in its binary form, or columns
// image [rows, 32, 32, 3] and label.
#include "../common/pictures.hpp"

namespace tn = tenon;

namespace {

tn::Value convolution(const tn::Value& x, int64_t filters, int64_t taps, const char* name) {
  return tn::relu(
      tn::conv2d(x, filters, {taps, taps}, {.name = name, .init = "he_normal", .padding = "same"}));
}

// Windows of 3 that begin at every second place.
tn::Value pool(const tn::Value& x) { return tn::max_pool2d(x, {3, 3}, {.stride = {2, 2}}); }

// The paper's constants; its factor is of the sum of five squares, the operation's of their mean.
tn::Value normalized(const tn::Value& x) {
  return tn::local_response_norm(x, {.size = 5, .alpha = 5e-4, .beta = 0.75, .k = 2});
}

void run(const example::Settings& s) {
  tn::Model m("alexnet");
  const tn::Dim batch = m.dim("batch", 1, 256);
  const tn::Value image = m.input<uint8_t>("image", {batch, example::picture_size, example::picture_size, 3}),
                  label = m.input<int32_t>("label", {batch});
  const tn::Value x = example::seen(image);
  const tn::Value a = pool(normalized(convolution(x, s.width, 5, "conv1"))),
                  b = pool(normalized(convolution(a, 3 * s.width, 5, "conv2"))),
                  c = convolution(convolution(b, 6 * s.width, 3, "conv3"), 4 * s.width, 3, "conv4"),
                  d = pool(convolution(c, 4 * s.width, 3, "conv5"));
  tn::Value h = tn::flatten(d);
  for (const char* name : {"fc1", "fc2"})
    h = tn::relu(tn::dense(tn::dropout(h, 0.5), 16 * s.width, {.name = name, .init = "he_normal"}));
  const tn::Value z = tn::dense(h, example::picture_classes, {.name = "fc3"});
  const tn::Value loss = tn::cross_entropy(z, label) + 5e-4 * tn::l2(m.params("*.w"));
  example::train_classifier(m, z, label, loss, tn::momentum({.lr = m.hyper("lr", 0.02), .momentum = 0.9}), s);
}

}  // namespace

int main(int argc, char** argv) {
  return example::main_of(argc, argv, {.data = {}, .save = {}, .epochs = 8, .width = 16, .samples = 1000},
                          run);
}
