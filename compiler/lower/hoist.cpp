#include "lower/hoist.h"

#include <vector>

namespace tenon::lower {
namespace {

// Terms are numbered behind what they read, so that one pass over the numbers sees each once.
struct Hoister {
  TermEmitter& emitter;
  const TermGraph& terms;
  const std::function<bool(uint32_t)>& outer;
  std::vector<bool> invariant;

  bool affine_ok(const AffineIndex& a) const {
    for (const AffineIndex::Part& p : a.parts)
      if (!outer(p.axis)) return false;
    return true;
  }
  bool is_invariant(const Term& t) const {
    bool ok = affine_ok(t.address) && (t.kind != TermKind::held || emitter.is_held(t.value));
    for_each_read(t, [&](TermId read) { ok = ok && invariant[read.index]; });
    for (const TermPiece& p : t.pieces) {
      for (const TermGuard& g : p.guards) ok = ok && affine_ok(g.index);
      ok = ok && invariant[p.term.index];
    }
    return ok;
  }
  // The terms of which the roots are made, largest invariant ones first met, in the order of evaluation.
  void visit(const std::vector<TermId>& roots) {
    std::vector<bool> seen(terms.size(), false);
    std::vector<TermId> stack(roots.rbegin(), roots.rend()), reads;
    while (!stack.empty()) {
      const TermId id = stack.back();
      stack.pop_back();
      if (seen[id.index]) continue;
      seen[id.index] = true;
      const Term& t = terms.term(id);
      if (t.kind == TermKind::literal || t.kind == TermKind::held) continue;
      if (invariant[id.index]) {
        emitter.emit(id);
        continue;
      }
      reads.clear();
      // Pieces stay under their guards.
      for_each_read(t, [&](TermId read) { reads.push_back(read); });
      stack.insert(stack.end(), reads.rbegin(), reads.rend());
    }
  }
};

}  // namespace

void hoist(TermEmitter& emitter, const TermGraph& terms, const std::vector<TermId>& roots,
           const std::function<bool(uint32_t)>& outer) {
  Hoister h{emitter, terms, outer, {}};
  h.invariant.reserve(terms.size());
  for (size_t i = 0; i < terms.size(); ++i) h.invariant.push_back(h.is_invariant(terms.term(TermId(i))));
  h.visit(roots);
}

}  // namespace tenon::lower
