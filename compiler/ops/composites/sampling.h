// Where results of resize lie along a dimension, and what they are made of there.
//
// Sources of coordinates and weights: the ONNX operator Resize; Keys, "Cubic convolution interpolation for
// digital image processing", 1981, with a = -0.75 as in ONNX and PyTorch.
#pragma once

#include <cstdint>
#include <vector>

namespace tenon::ops {

enum class Method { nearest, linear, cubic };
enum class Coordinates { half_pixel, align_corners, asymmetric };
struct Sampling {
  Method method;
  Coordinates coordinates;
};

// Where a result lies in x: element number parts / of.
struct Place {
  int64_t parts, of;
};
Place place_of(Coordinates c, int64_t i, int64_t in, int64_t out);

// The elements that a result is made of, as many for each result; they may lie outside of x.
struct Tap {
  int64_t at;
  double weight;
};
std::vector<Tap> taps_at(const Sampling& s, const Place& p);

}  // namespace tenon::ops
