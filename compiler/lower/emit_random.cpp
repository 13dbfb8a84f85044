// Random elements on kernel expressions: the recipe of ops/random.h.
#include <array>

#include "lower/emit.h"
#include "ops/random.h"
#include "ops/scalar_kernel.h"

namespace tenon::lower {
namespace {

using ops::Lane;

// Binds a lane to a name, so that the ten rounds are straight code over registers.
template <class T>
Lane<T> bound(Lane<T> x) {
  return {x.b, x.b->let("w", x.e)};
}

template <class T>
ExprId element(const Node& node, const ops::Stream<Lane<uint32_t>>& stream,
               const ops::Position<Lane<uint32_t>>& at) {
  if (node.op->generate()->what == ir::Generator::random_normal)
    return ops::random_normal<T>(stream, at, node.get<double>("mean"), node.get<double>("std")).e;
  return ops::random_uniform<T>(stream, at, node.get<double>("low"), node.get<double>("high")).e;
}

struct Draw {
  ops::Stream<Lane<uint32_t>> stream;
  ops::Position<Lane<uint32_t>> at;
};

Draw draw_of(Frame& frame, const Node& node, ExprId position, const std::vector<ExprId>& args) {
  using I = Lane<int64_t>;
  kernel::Builder& b = frame.b;
  std::vector<I> counters;
  for (size_t i = 1; i < args.size(); ++i) counters.push_back({&b, b.cast(args[i], DType::i64)});
  I seed{&b, b.cast(args[0], DType::i64)};
  // The caller passes the stream: draws that differ in it alone share a kernel.
  const I mixed{&b, frame.number("stream", ops::mixed_stream(node.get<int64_t>("stream")))};
  auto stream = ops::random_stream(seed, counters.data(), counters.size(), mixed);
  auto at = ops::random_position(I{&b, position});
  return {{bound(stream.k0), bound(stream.k1), bound(stream.c2), bound(stream.c3)},
          {bound(at.lo), bound(at.hi)}};
}

}  // namespace

ExprId random_element(Frame& frame, const Node& node, ExprId position, const std::vector<ExprId>& args) {
  Draw d = draw_of(frame, node, position, args);
  if (node.op->generate()->what == ir::Generator::random_bernoulli)
    return ops::random_bernoulli(d.stream, d.at, node.get<double>("p")).e;
  return with_float(node.get<DType>("dtype"), [&]<class T>() { return element<T>(node, d.stream, d.at); });
}

std::array<ExprId, 4> permutation_call(Frame& frame, const Node& node, ExprId call,
                                       const std::vector<ExprId>& args) {
  kernel::Builder& b = frame.b;
  Draw d = draw_of(frame, node, call, args);
  auto words = ops::permutation_words(d.stream, d.at.lo, d.at.lo.literal<uint32_t>(0));
  return {b.let("w", words.w[0].e), b.let("w", words.w[1].e), b.let("w", words.w[2].e),
          b.let("w", words.w[3].e)};
}

}  // namespace tenon::lower
