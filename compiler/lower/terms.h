// Terms: what one element of a value is, over the axes of a group's domain. A term is built by composing the
// declarations' forms, looks at stored values through affine element numbers, and says nothing about loops.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "lower/fuse.h"
#include "lower/index.h"
#include "support/id.h"

namespace tenon::lower {

using TermId = Id<struct TermTag>;

enum class TermKind : uint8_t {
  literal,   // node: a one-element constant
  load,      // value at element number `address` (+ what is chosen * stride)
  held,      // value held in a register: a reduction's result, or a contraction's accumulator
  scalar,    // node: elementwise function of args
  choose,    // first piece whose guards hold
  position,  // `address` converted to the dtype
  quotient,  // (`address` - low) / stride as i64, where a guard holds
  extent,    // `address.constant` converted to the dtype
  outside,   // node: what an iteration's operand reads as where it is not: the identity
  folded,    // node: a reduction of one element; args: it. Or a contraction of few products: factors in pairs
  random,    // node: random value number `address`; args: seed and counters
};

struct TermGuard {
  AffineIndex index;
  Dim low, high, stride;
};
struct TermPiece {
  std::vector<TermGuard> guards;
  TermId term;
};
// A dimension's index is the value of a term.
struct TermChosen {
  TermId index;
  Dim stride, bound;  // it is within 0 .. bound - 1, or is tested
};
struct Term {
  TermKind kind;
  DType dtype = DType::f32;
  ValueId value = {};
  AffineIndex address = {};
  std::vector<TermChosen> chosen = {};               // load
  bool checked = false;                              // what is chosen may be outside
  Dim stride = {};                                   // quotient
  std::vector<std::pair<TermId, Dim>> offsets = {};  // load: + value * stride, known to be inside
  const Node* node = nullptr;
  std::vector<TermId> args = {};
  std::vector<TermPiece> pieces = {};

  // A load at an affine place.
  bool is_plain_load() const { return kind == TermKind::load && chosen.empty() && offsets.empty(); }
};

// The terms that a term reads wherever it is evaluated: of its pieces only one is, under its guards.
template <class F>
void for_each_read(const Term& t, F&& f) {
  for (const TermChosen& c : t.chosen) f(c.index);
  for (const auto& [offset, stride] : t.offsets) f(offset);
  for (const TermId a : t.args) f(a);
}

class TermGraph {
 public:
  // `group` tells the nodes whose values are computed here; others are loaded.
  TermGraph(const Graph& graph, const Fusion& fusion, int32_t group)
      : graph_(graph), fusion_(fusion), group_(group) {}

  const Graph& graph() const { return graph_; }
  const Term& term(TermId id) const { return terms_[id.index]; }
  Term& term(TermId id) { return terms_[id.index]; }
  size_t size() const { return terms_.size(); }

  // The element of `value` at `at`. Terms are numbered behind those they read; one element is one term,
  // however many read it. No recursion: time and memory grow with the number of terms.
  TermId element(ValueId value, const Index& at);
  // The elements that enter a node's iteration, whose axes are those of the domain.
  std::vector<TermId> entering(const Node& node);
  // From now on read from memory, or from a register.
  void set_stored(ValueId value) {
    mode_[value.index] = Mode::stored;
    memo_.clear();
  }
  void set_held(ValueId value) {
    mode_[value.index] = Mode::held;
    memo_.clear();
  }

  // No more elements are asked for: what would find them again is let go.
  void complete() {
    memo_.clear();
    missing_.clear();
    mode_.clear();
  }

  // Element numbers and guards of all terms, for collapsing axes.
  template <class F>
  void for_each_affine(F&& f) {
    for (Term& t : terms_) {
      f(t.address, false);
      for (TermPiece& p : t.pieces)
        for (TermGuard& g : p.guards) f(g.index, true);
    }
  }

 private:
  enum class Mode : uint8_t { computed, stored, held };
  // An element that is wanted. It is made once all elements that it reads are there.
  struct Request {
    ValueId value;
    Index at;
    std::string key;
  };
  static std::string key_of(ValueId value, const Index& at);
  TermId add(Term term);
  // The term, or an invalid one where elements are missing: those are requested.
  TermId make(const Request& request);
  TermId read(ValueId value, Index at);
  TermId node_element(const Node& node, ValueId value, const Index& at);
  // The one element that a reduction over axes of one point combines; invalid where it is missing.
  TermId only_element(const Node& node, const Index& at);
  TermId guarded(const Node& node, const ir::Access& access, const Shape& shape, TermId element);
  TermId map_element(const Node& node, const Index& at, Term t);
  TermId gather_element(const Node& node, const Index& at, Term t);
  bool chain_arguments(const Node& node, const Index& at, Term* term);
  TermId divided(ValueId value, const ir::IndexPiece& piece, const Index& at);
  Index substituted(const Index& index, const Index& at) const;

  const Graph& graph_;
  const Fusion& fusion_;
  int32_t group_;
  std::vector<Term> terms_;
  std::unordered_map<std::string, TermId> memo_;
  std::vector<Request> missing_;
  std::unordered_map<uint32_t, Mode> mode_;
};

// Joins neighbouring axes over which every element number runs on evenly, so that loops are few and long.
// `classes` tells axes that may be joined (equal numbers only). Returns, for each old axis, its new axis; the
// terms and `extents` are rewritten. `guards`: indices whose axes stay apart.
std::vector<uint32_t> collapse_axes(TermGraph* terms, std::vector<AffineIndex*> more, Shape* extents,
                                    std::vector<int>* classes, const std::vector<AffineIndex*>& guards = {});

}  // namespace tenon::lower
