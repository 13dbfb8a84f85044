// Data without files: tables with a known law, and drawn digits. The same options give the same bits on every
// machine. Sizes that would pass 8 GiB, and options out of range, are refused (T610) before allocating.
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

}  // namespace tenon::runtime
