#include "ops/init.h"

#include <cmath>

#include "ir/made_names.h"
#include "ops/expr.h"
#include "support/text.h"

namespace tenon::ops {
namespace {

constexpr Initializer table[] = {
    {"constant", "value", 1, false, "every element is the value"},
    {"zeros", "", 0, false, "every element is 0"},
    {"ones", "", 0, false, "every element is 1"},
    {"uniform", "low, high", 2, true, "uniform between low and high"},
    {"normal", "mean, std", 2, true, "normal with this mean and standard deviation"},
    {"glorot_uniform", "", 0, true, "uniform(-a, a), a = sqrt(6 / (fan_in + fan_out))"},
    {"glorot_normal", "", 0, true, "normal(0, s), s = sqrt(2 / (fan_in + fan_out))"},
    {"he_uniform", "", 0, true, "uniform(-a, a), a = sqrt(6 / fan_in)"},
    {"he_normal", "", 0, true, "normal(0, s), s = sqrt(2 / fan_in)"},
};

const Initializer* find(std::string_view name) {
  for (const Initializer& i : table) {
    if (i.name == name) return &i;
  }
  return nullptr;
}

struct Fans {
  double in = 1, out = 1;
};
Fans fans(const ir::Shape& shape) {
  const auto extent_at = [&](size_t i) { return static_cast<double>(shape[i].constant()); };
  Fans f;
  if (shape.empty()) return f;
  if (shape.size() == 1) return {extent_at(0), extent_at(0)};
  double spatial = 1;
  for (size_t i = 0; i + 2 < shape.size(); ++i) spatial *= extent_at(i);
  return {extent_at(shape.size() - 2) * spatial, extent_at(shape.size() - 1) * spatial};
}
// Of an empty parameter the fans are 0, and nothing is drawn.
double root(double numerator, double fan) { return fan > 0 ? std::sqrt(numerator / fan) : 0; }

ir::ValueId uniform(ir::Builder& b, const ir::Type& type, ir::ValueId seed, int64_t stream, double low,
                    double high) {
  return b.emit(
      "random_uniform", {seed},
      {{"shape", type.shape}, {"dtype", type.dtype}, {"stream", stream}, {"low", low}, {"high", high}});
}
ir::ValueId normal(ir::Builder& b, const ir::Type& type, ir::ValueId seed, int64_t stream, double mean,
                   double std) {
  return b.emit(
      "random_normal", {seed},
      {{"shape", type.shape}, {"dtype", type.dtype}, {"stream", stream}, {"mean", mean}, {"std", std}});
}

}  // namespace

std::span<const Initializer> initializers() { return table; }

Status check_init(const ir::Init& init, const ir::Type& type, std::string_view name) {
  const std::string who = std::string(name) + ": ";
  if (ir::is_counter_init(init.name)) {
    if (type == ir::Type{DType::i64, {}} && init.args.empty()) return Ok{};
    return error(Code::bad_attribute, who + init.name + " is for a state i64[], found " + type.text());
  }
  const Initializer* found = find(init.name);
  if (found == nullptr) {
    std::vector<std::string_view> names;
    std::string all;
    for (const Initializer& i : table) {
      names.push_back(i.name);
      all += (all.empty() ? "" : ", ") + std::string(i.name);
    }
    const std::string_view near = nearest(init.name, names);
    return error(Code::bad_attribute, who + "no initializer is named " + init.name,
                 near.empty() ? "one of " + all : "did you mean " + std::string(near) + "?");
  }
  if (init.args.size() != found->arg_count) {
    return error(Code::bad_attribute,
                 who + init.name + " has " + std::to_string(init.args.size()) + " numbers, wants " +
                     std::to_string(found->arg_count),
                 init.name + "(" + std::string(found->args) + ")");
  }
  for (const Number& v : init.args) {
    if (dtype_computes(type.dtype)) TENON_TRY(v.check(type.dtype, who));
    if (found->random && !std::isfinite(v.approximate())) {
      return error(Code::bad_attribute, who + init.name + " has a number that is not finite");
    }
  }
  if (init.name == "uniform" && init.args[0].approximate() > init.args[1].approximate()) {
    return error(Code::bad_attribute, who + "uniform has its low bound above its high one");
  }
  if (init.name == "normal" && init.args[1].approximate() < 0) {
    return error(Code::bad_attribute, who + "normal has a negative standard deviation");
  }
  if (found->random && !is_float(type.dtype)) {
    return error(Code::dtype_mismatch, who + init.name + " draws floats, the type is " + type.text());
  }
  if (!type.is_static()) {
    return error(Code::dim_range, who + "the type is " + type.text() + ", wants constant extents",
                 "what is kept between calls cannot depend on a call's sizes");
  }
  return Ok{};
}

ir::ValueId emit_init(ir::Builder& b, const ir::Init& init, const ir::Type& type, ir::ValueId seed,
                      int64_t stream) {
  const std::string& n = init.name;
  const Fans f = fans(type.shape);
  const auto number = [&](size_t i) { return init.args[i].approximate(); };
  if (n == "uniform") return uniform(b, type, seed, stream, number(0), number(1));
  if (n == "normal") return normal(b, type, seed, stream, number(0), number(1));
  if (n == "glorot_uniform" || n == "he_uniform") {
    const double a = root(6, n == "he_uniform" ? f.in : f.in + f.out);
    return uniform(b, type, seed, stream, -a, a);
  }
  if (n == "glorot_normal" || n == "he_normal") {
    return normal(b, type, seed, stream, 0, root(2, n == "he_normal" ? f.in : f.in + f.out));
  }
  const Number value = n == "constant" ? init.args[0] : Number(n == "ones" ? 1 : 0);
  return broadcast_to({&b, b.constant(type.dtype, value)}, type.shape).id;
}

}  // namespace tenon::ops
