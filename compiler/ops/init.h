// Initializers: how a parameter or state gets its first value, as graph operations. Names are those of
// ir::init_names. fan_in and fan_out of a shape [spatial..., in, out] are in * spatial and out * spatial; of
// a shape [n] both are n, of rank 0 both are 1.
//   constant(v)       every element v; zeros and ones are constant(0) and constant(1)
//   uniform(low, high), normal(mean, std)
//   glorot_uniform    uniform(-a, a), a = sqrt(6 / (fan_in + fan_out))    Glorot and Bengio, AISTATS 2010
//   glorot_normal     normal(0, s),   s = sqrt(2 / (fan_in + fan_out))    (not truncated)
//   he_uniform        uniform(-a, a), a = sqrt(6 / fan_in)                He, Zhang, Ren and Sun, ICCV 2015
//   he_normal         normal(0, s),   s = sqrt(2 / fan_in)                (not truncated)
// Uniform and normal are those of random.h: the same seed and stream give the same bits everywhere.
#pragma once

#include <span>
#include <string_view>

#include "ir/builder.h"

namespace tenon::ops {
using namespace support;

struct Initializer {
  std::string_view name;
  std::string_view args;  // names of its numbers, comma separated
  size_t arg_count;
  bool random;  // draws from the seed: float types only
  std::string_view doc;
};
std::span<const Initializer> initializers();

// T108 on an unknown name (with the nearest) or a wrong number of arguments, T202 on one that the type cannot
// hold, T105 on a random initializer of integers, T112 on extents that are not constant. `name` is the
// parameter's, for the message.
Status check_init(const ir::Init& init, const ir::Type& type, std::string_view name);

// The value of a checked initializer. seed: i64[]; unused where the initializer draws nothing.
ir::ValueId emit_init(ir::Builder& b, const ir::Init& init, const ir::Type& type, ir::ValueId seed,
                      int64_t stream);

}  // namespace tenon::ops
