// Data without files: tables with a known law, drawn digits and shapes. The same options give the same bits
// on every machine. Sizes that would pass 8 GiB, and options out of range, are refused (T610) before
// allocating.
#pragma once

#include <cstdint>

#include "runtime/data.h"

namespace tenon::runtime {

struct RegressionOptions {
  int64_t rows = 100, features = 1;
  double noise = 0.1;  // standard deviation of what is added to y
  uint64_t seed = 0;
};
// x ~ N(0,1), f32 [rows, features]; y = x w + b + noise * N(0,1), f32 [rows, 1]; w and b uniform in -2..2.
support::Result<DataSet> make_regression(const RegressionOptions& options = {});

struct ClassificationOptions {
  int64_t rows = 200, features = 2, classes = 2;
  double separation = 4;  // typical distance between class centres, in standard deviations of a class
  uint64_t seed = 0;
};
// One normal cloud per class: x f32 [rows, features], y i32 [rows]. Class sizes differ by at most one; rows
// are shuffled.
support::Result<DataSet> make_classification(const ClassificationOptions& options = {});

struct DigitsOptions {
  int64_t rows = 5000;
  int64_t test = -1;  // held-out rows; -1: a fifth of rows
  uint64_t seed = 0;
};
// Digits 0..9 drawn with a pen of varying width from stroke tables, each shifted, scaled, slanted, bent and
// speckled: `image` u8 [rows, 28, 28] (0 is background), `label` i32 [rows]. The held-out rows are drawn from
// numbers of their own.
support::Result<TrainTest> make_digits(const DigitsOptions& options = {});

struct ShapesOptions {
  int64_t rows = 2000;
  int64_t test = -1;  // held-out rows; -1: a fifth of rows
  int64_t size = 32;  // pixels both ways
  // Figures there are, the first of: disc, square, triangle, cross, ring, bars that lie, bars that stand,
  // squares of a board, crescent, corner.
  int64_t classes = 10;
  int64_t objects = 1;  // figures in a picture, at most
  uint64_t seed = 0;
};
// Figures placed, turned and coloured by chance on a darker, shaded and noisy ground: `image` u8 [rows, size,
// size, 3], `label` i32 [rows], of the figure in front, and `mask` u8 [rows, size, size], 0 on the ground and
// the class plus 1 on a figure. The held-out rows are drawn from numbers of their own.
support::Result<TrainTest> make_shapes(const ShapesOptions& options = {});

}  // namespace tenon::runtime
