// permutation: draws side by side into the result, then the exchanges (see ops/permutation.cpp).
#include "lower/emit.h"
#include "ops/random.h"
#include "ops/scalar_kernel.h"

namespace tenon::lower {

void emit_permutation(Frame& frame, const Scope& scope, int32_t number) {
  kernel::Builder& b = frame.b;
  const Graph& graph = *scope.graph;
  const Node& node = graph.node(scope.fusion.groups[static_cast<size_t>(number)].nodes[0]);
  const Place& out = scope.places[node.results[0].index];
  std::vector<ExprId> args;
  for (ValueId v : node.operands) {
    // Counters may be computed by index-only nodes: read them as terms.
    TermGraph terms(graph, scope.fusion, number);
    TermId term = terms.element(v, {});
    args.push_back(TermEmitter(frame, scope, terms).emit(term));
  }
  ExprId n = frame.dim(node.get<Dim>("n"));
  ExprId i = b.begin_lanes("i", b.index(0), n, b.index(lanes_width(frame, node.get<Dim>("n"), 16)));
  ExprId draw = b.cast(random_word(b, node, i, args), DType::i64);
  ExprId j = b.binary(kernel::Op::lshr, b.mul(draw, b.add(i, b.index(1))), b.index(32));
  frame.store(out, DType::u32, i, b.let("draw", b.cast(j, DType::u32)));
  b.end();
  ExprId k = b.begin_for("k", b.index(0), n, b.index(1));
  ExprId with = b.let("with", b.cast(frame.load(out, DType::u32, k), DType::i64));
  frame.store(out, DType::u32, k, b.let("old", frame.load(out, DType::u32, with)));
  frame.store(out, DType::u32, with, b.cast(k, DType::u32));
  b.end();
}

}  // namespace tenon::lower
