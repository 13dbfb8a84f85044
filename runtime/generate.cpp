#include "runtime/generate.h"

#include <cmath>

#include "runtime/permutation.h"
#include "support/text.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::DType;
using support::error;
using support::Ok;
using support::Result;
using support::Status;

namespace {

constexpr int64_t max_bytes = int64_t{8} << 30;

Status check(std::string_view what, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return Ok{};
  return error(Code::bad_option, std::string(what) + " is " + std::to_string(value) + ", it can be " +
                                     std::to_string(least) + ".." + std::to_string(most));
}

Status check_table(int64_t rows, int64_t features) {
  TENON_TRY(check("rows", rows, 1, max_bytes / 4));
  TENON_TRY(check("features", features, 1, int64_t{1} << 24));
  if (rows > max_bytes / 4 / features)
    return error(Code::bad_option,
                 std::to_string(rows) + " rows of " + std::to_string(features) + " features pass 8 GiB");
  return Ok{};
}

}  // namespace

Result<DataSet> make_regression(const RegressionOptions& options) {
  TENON_TRY(check_table(options.rows, options.features));
  if (!(options.noise >= 0 && options.noise <= 1e30))
    return error(Code::bad_option,
                 "noise is " + support::format_float(options.noise) + ", it can be 0 or more");
  Random random = random_of(options.seed, Stream::data);
  const size_t features = static_cast<size_t>(options.features);
  std::vector<double> weight(features);
  for (double& w : weight) w = random.uniform(-2, 2);
  const double bias = random.uniform(-2, 2);
  Array x(DType::f32, {options.rows, options.features}), y(DType::f32, {options.rows, 1});
  float* at = x.as<float>().data();
  for (float& target : y.as<float>()) {
    double sum = bias;
    for (size_t f = 0; f < features; ++f) {
      at[f] = static_cast<float>(random.normal());
      sum += weight[f] * static_cast<double>(at[f]);
    }
    at += features;
    target = static_cast<float>(sum + options.noise * random.normal());
  }
  DataSet out;
  TENON_TRY(out.add("x", std::move(x)));
  TENON_TRY(out.add("y", std::move(y)));
  return out;
}

Result<DataSet> make_classification(const ClassificationOptions& options) {
  TENON_TRY(check_table(options.rows, options.features));
  TENON_TRY(check("classes", options.classes, 1, int64_t{1} << 20));
  TENON_TRY(check_table(options.classes, options.features));
  if (!(options.separation >= 0 && options.separation <= 1e30))
    return error(Code::bad_option,
                 "separation is " + support::format_float(options.separation) + ", it can be 0 or more");
  Random random = random_of(options.seed, Stream::data);
  const size_t features = static_cast<size_t>(options.features);
  // Two centres with coordinates of standard deviation s lie about s * sqrt(2 * features) apart.
  const double spread = options.separation / std::sqrt(2.0 * static_cast<double>(options.features));
  std::vector<double> centre(static_cast<size_t>(options.classes) * features);
  for (double& c : centre) c = spread * random.normal();
  const std::vector<int64_t> order = permutation(options.rows, random_of(options.seed, Stream::shuffle));
  Array x(DType::f32, {options.rows, options.features}), y(DType::i32, {options.rows});
  float* at = x.as<float>().data();
  for (size_t row = 0; row < order.size(); ++row, at += features) {
    const int64_t label = order[row] % options.classes;
    y.as<int32_t>()[row] = static_cast<int32_t>(label);
    for (size_t f = 0; f < features; ++f)
      at[f] = static_cast<float>(centre[static_cast<size_t>(label) * features + f] + random.normal());
  }
  DataSet out;
  TENON_TRY(out.add("x", std::move(x)));
  TENON_TRY(out.add("y", std::move(y)));
  return out;
}

}  // namespace tenon::runtime
