// Values made from attributes, positions and random streams.
#include "evaluate/exact_forms.h"
#include "ops/random.h"

namespace tenon::evaluate {
namespace {

using ops::Num;

Array iota(DType dtype, const std::vector<int64_t>& shape, int64_t axis) {
  Array out(dtype, shape);
  const int64_t inner = row_major(shape)[static_cast<size_t>(axis)],
                extent = shape[static_cast<size_t>(axis)];
  with_dtype(dtype, [&]<class T>() {
    const std::span<T> r = out.as<T>();
    for (size_t e = 0; e < r.size(); ++e)
      r[e] = cast<T>(Num<int64_t>{static_cast<int64_t>(e) / inner % extent}).v;
  });
  return out;
}

// Calls element(stream, position) for each result element.
template <class T, class F>
void draw(const NodeContext& c, const Operands& in, Array* out, F element) {
  std::vector<Num<int64_t>> counters;
  for (size_t i = 1; i < in.size(); ++i) counters.push_back({in[i]->as<int64_t>()[0]});
  const auto stream =
      ops::random_stream(Num<int64_t>{in[0]->as<int64_t>()[0]}, counters.data(), counters.size(),
                         Num<int64_t>{ops::mixed_stream(c.node.get<int64_t>("stream"))});
  const std::span<T> r = out->as<T>();
  for (size_t e = 0; e < r.size(); ++e)
    r[e] = element(stream, ops::random_position(Num<int64_t>{static_cast<int64_t>(e)})).v;
}

}  // namespace

Result<Array> exact_generate(const NodeContext& c, const Operands& in) {
  const ir::Generator what = c.node.op->generate()->what;
  if (what == ir::Generator::constant) return *c.node.get<std::shared_ptr<const Array>>("value");
  TENON_ASSIGN(const std::vector<int64_t> shape, c.result_shape());
  const DType dtype = c.result().dtype;
  Array out(dtype, shape);
  const auto number = [&](std::string_view name) { return c.node.get<double>(name); };
  switch (what) {
    case ir::Generator::iota:
      return iota(dtype, shape, c.node.get<int64_t>("axis"));
    case ir::Generator::extent: {
      TENON_ASSIGN(out.as<int64_t>()[0], dim_value(c.node.get<ir::Dim>("dim"), c.dims));
      return out;
    }
    case ir::Generator::random_bernoulli:
      draw<bool>(c, in, &out,
                 [&](const auto& s, const auto& at) { return ops::random_bernoulli(s, at, number("p")); });
      return out;
    case ir::Generator::random_uniform:
    case ir::Generator::random_normal: {
      const auto fill = [&]<class T>() {
        draw<T>(c, in, &out, [&](const auto& s, const auto& at) {
          return what == ir::Generator::random_uniform
                     ? ops::random_uniform<T>(s, at, number("low"), number("high"))
                     : ops::random_normal<T>(s, at, number("mean"), number("std"));
        });
      };
      with_float(dtype, fill);
      return out;
    }
    case ir::Generator::permutation: {
      // Draws first, in the place of the result, then the exchanges in order.
      const std::span<uint32_t> r = out.as<uint32_t>();
      draw<uint32_t>(c, in, &out, [](const auto& s, const auto& at) { return ops::permutation_word(s, at); });
      for (size_t i = 0; i < r.size(); ++i) {
        const uint64_t j = (static_cast<uint64_t>(r[i]) * (i + 1)) >> 32;
        r[i] = r[j];
        r[j] = static_cast<uint32_t>(i);
      }
      return out;
    }
    default:
      break;
  }
  return error(Code::not_yet, std::string(c.node.op->name) + " has no evaluation");
}

}  // namespace tenon::evaluate
