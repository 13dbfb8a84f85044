// permutation: draws side by side into the result, then the exchanges (see ops/permutation.cpp).
#include <array>

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
  // One call of the generator serves four positions, 32 apart (see ops/random.h).
  constexpr int64_t group = ops::permutation_group, words = 4;
  ExprId calls = b.binary(kernel::Op::div, b.add(n, b.index(words * group - 1)), b.index(words * group));
  ExprId g = b.begin_for("g", b.index(0), calls, b.index(1));
  ExprId l = b.begin_lanes("l", b.index(0), b.index(group), b.index(group));
  std::array<ExprId, 4> drawn = permutation_call(frame, node, b.add(b.mul(g, b.index(group)), l), args);
  ExprId base = b.let("base", b.add(b.mul(g, b.index(words * group)), l));
  for (int64_t w = 0; w < words; ++w) {
    ExprId i = b.let("i", b.add(base, b.index(group * w)));
    ExprId j =
        b.binary(kernel::Op::mulhi, drawn[static_cast<size_t>(w)], b.cast(b.add(i, b.index(1)), DType::u32));
    b.begin_if(b.binary(kernel::Op::lt, i, n));
    frame.store(out, DType::u32, i, b.let("draw", j));
    b.end();
  }
  b.end();
  b.end();
  ExprId k = b.begin_for("k", b.index(0), n, b.index(1));
  ExprId with = b.let("with", b.cast(frame.load(out, DType::u32, k), DType::i64));
  frame.store(out, DType::u32, k, b.let("old", frame.load(out, DType::u32, with)));
  frame.store(out, DType::u32, with, b.cast(k, DType::u32));
  b.end();
}

}  // namespace tenon::lower
