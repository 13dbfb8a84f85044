#include "lower/hoist.h"

#include <unordered_map>

namespace tenon::lower {
namespace {

struct Hoister {
  TermEmitter& emitter;
  const TermGraph& terms;
  const std::function<bool(uint32_t)>& outer;
  std::unordered_map<uint32_t, bool> invariant;

  bool affine_ok(const AffineIndex& a) const {
    for (const AffineIndex::Part& p : a.parts)
      if (!outer(p.axis)) return false;
    return true;
  }
  bool is_invariant(TermId id) {
    if (auto it = invariant.find(id.index); it != invariant.end()) return it->second;
    const Term& t = terms.term(id);
    bool ok = affine_ok(t.address) && (t.kind != TermKind::held || emitter.is_held(t.value));
    if (t.dynamic.valid()) ok = is_invariant(t.dynamic) && ok;
    for (TermId a : t.args) ok = is_invariant(a) && ok;
    for (const auto& [offset, stride] : t.offsets) ok = is_invariant(offset) && ok;
    for (const TermPiece& p : t.pieces) {
      for (const TermGuard& g : p.guards) ok = affine_ok(g.index) && ok;
      ok = is_invariant(p.term) && ok;
    }
    invariant[id.index] = ok;
    return ok;
  }
  void visit(TermId id) {
    const Term& t = terms.term(id);
    if (t.kind == TermKind::literal || t.kind == TermKind::held) return;
    if (is_invariant(id)) {
      emitter.emit(id);
      return;
    }
    if (t.dynamic.valid()) visit(t.dynamic);
    for (const auto& [offset, stride] : t.offsets) visit(offset);
    for (TermId a : t.args) visit(a);
    // Pieces stay under their guards.
  }
};

}  // namespace

void hoist(TermEmitter& emitter, const TermGraph& terms, const std::vector<TermId>& roots,
           const std::function<bool(uint32_t)>& outer) {
  Hoister h{emitter, terms, outer, {}};
  for (TermId r : roots) h.visit(r);
}

}  // namespace tenon::lower
