// Where results of resize lie along a dimension, and what they are made of there.
//
// Sources of coordinates and weights: the ONNX operator Resize; Keys, "Cubic convolution interpolation for
// digital image processing", 1981, with a = -0.75 as in ONNX and PyTorch.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/expr.h"
#include "ops/rules.h"

namespace tenon::ops {

enum class Method { nearest, linear, cubic };
enum class Coordinates { half_pixel, align_corners, asymmetric };
struct Sampling {
  Method method;
  Coordinates coordinates;
};

template <class Attributes>
Sampling sampling_of(const Attributes& from) {
  const auto &method = from.template get<std::string>("method"),
             &coordinates = from.template get<std::string>("coordinates");
  return {method == "nearest"  ? Method::nearest
          : method == "linear" ? Method::linear
                               : Method::cubic,
          coordinates == "half_pixel"      ? Coordinates::half_pixel
          : coordinates == "align_corners" ? Coordinates::align_corners
                                           : Coordinates::asymmetric};
}

inline constexpr int64_t most_results = int64_t{1} << 20;  // and elements, whose weights are written down

// How results are had: `factor` of them in phases for each element, one for each `factor` elements, or by a
// table of rows. Extents that are not known do not go by a table.
enum class Way { same, phases, strided, table, none };
struct Plan {
  Way way;
  int64_t factor = 1;
};
Plan plan_of(const Sampling& s, const Dim& in, const Dim& out);

// The elements that a result is made of, as many for each result.
struct Tap {
  int64_t at;
  double weight;
};

// Phases: of each tap the runs of results, among those of one element, that lie as far from it. Elements
// beyond the ends are the first and the last.
struct Run {
  int64_t at;
  std::vector<double> weights;
};
std::vector<std::vector<Run>> phases_of(const Sampling& s, int64_t factor);

// Strided: elements among `factor` that belong to one result; the same one twice where there is only one.
std::vector<Tap> stride_taps(const Sampling& s, int64_t factor);

// A table: rows and weights of each tap, one for each result.
struct Table {
  std::vector<std::vector<int64_t>> rows;
  std::vector<std::vector<double>> weights;
};
Table table_of(const Sampling& s, int64_t in, int64_t out);

void resize_vjp(ir::VjpContext& c);

}  // namespace tenon::ops
