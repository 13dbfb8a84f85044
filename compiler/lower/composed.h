// What a group computes, composed from the forms of its nodes: the terms of its results over axes that are
// joined where all element numbers run on evenly. Made once for each group; schedules decide on it, emission
// writes it out.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "lower/terms.h"

namespace tenon::lower {

// One loop nest over the extents.
struct PointwiseTerms {
  TermGraph terms;
  std::vector<TermId> values;  // of each output
  std::vector<AffineIndex> addresses;
  Shape extents;
};

struct Reduction {
  const Node* node;
  ValueId result;                // of a position: it
  std::vector<TermId> operands;  // one, or the two factors of a contraction
  int stage = 0;
  int64_t lanes = 64, block = 8192;
  DType dtype = DType::f32;
  ValueId extreme = {};  // of a position: the element there, where it is a result
};

// Stages of reductions, each with what it reads of those before it.
struct ReduceTerms {
  struct Output {
    ValueId value;
    TermId term;
    AffineIndex address;
    bool full;  // an element for each point of the domain, not of its kept axes
    int stage = 0;
  };
  TermGraph terms;
  std::vector<Reduction> reductions;
  std::vector<Output> outputs;
  Shape extents;
  std::vector<int> classes;  // of each axis, and of the flat one: 1 where it is reduced
  std::vector<uint32_t> kept, reduced;
  int last_stage = 0;

  Dim first_kept() const { return kept.empty() ? Dim(1) : extents[kept[0]]; }
  Dim reduced_count() const;
  // Reduced axes but for the last.
  Dim outer_count() const;
  uint32_t inner_axis() const { return reduced.back(); }
  // An axis of its own for the number of an element in the order of all reduced axes: what runs on evenly
  // over them is read by it once they are joined.
  uint32_t flat_axis() const { return static_cast<uint32_t>(extents.size()); }
  bool joins() const { return reduced.size() == 2; }
  bool finds_position() const;
  // Addresses over both of two reduced axes as one over their elements.
  void join_even();
};

// What an axis of a contraction belongs to: both operands, one of them, or their product's sum.
enum : int { batch_class, m_class, n_class, k_class, quotient_class /* and behind: one for each */ };

// Where the left factor of a product is not known to be read inside of a dimension: products outside are left
// out. Where `by` divides the index, its quotient is the dimension's; where it does not, that is outside too.
struct Window {
  AffineIndex index;  // over a contracted axis, the tap (at most one), and axes of the result
  Dim extent;         // of the dimension; inside: 0 <= index <= by * (extent - 1)
  int64_t by = 1;
  uint32_t quotient = 0;  // an axis for it, where it is not 1; less what the rows add
  std::optional<uint32_t> tap = {};
};

// A product in blocks, and what is made of its elements.
struct ContractTerms {
  TermGraph terms;
  const Node* dot = nullptr;
  DType dtype = DType::f32;
  int64_t block = 512;    // products that are summed before they are added to others
  TermId a = {}, b = {};  // elements of the factors
  std::vector<TermId> outputs = {};
  std::vector<AffineIndex> addresses = {};
  AffineIndex result_address = {};  // of the product itself
  Shape extents = {};
  std::vector<int> classes = {};
  std::vector<uint32_t> outer = {}, k_axes = {};
  std::optional<uint32_t> m_axis = {}, n_axis = {};
  std::vector<Window> windows = {};
  // The window along the rows, where tiles of several rows know how to meet its borders.
  std::optional<size_t> row_window = {};
  // Rows of a divided window lie `by` apart, beginning at a phase of their own: so many rows in all phases.
  std::optional<uint32_t> phase_axis = {};
  Dim all_rows = {};

  // Rows that lie along several axes and share the right factor.
  bool rows_share() const;
  // Tiles are single rows.
  bool row_by_row() const;
  Dim m_extent() const { return m_axis ? extents[*m_axis] : Dim(1); }
  Dim n_extent() const { return n_axis ? extents[*n_axis] : Dim(1); }
  Dim k_extent() const;
  // Of what chunks cut: the first outer axis, or all of them where the rows share the right factor.
  Dim outer_extent() const;
};

// The window along the rows, where it is known in numbers: row i meets tap k at from + step i + dilation k,
// which is inside at 0 .. last.
struct KnownWindow {
  int64_t from, step, taps, dilation, last;
};
std::optional<KnownWindow> known_window(const ContractTerms& t);

// An iteration some of whose axes are gone through in order.
enum : int { outer_class, ordered_class, inner_class };
struct OrderedTerms {
  TermGraph terms;
  const Node* node = nullptr;
  ir::Iteration it = {};
  ir::Type type = {};                      // of the result
  TermId element = {};                     // of a scan's operand
  AffineIndex result = {};                 // element numbers, less what is chosen
  std::vector<AffineIndex> operands = {};  // of a scatter's
  Shape extents = {};
  std::vector<int> classes = {};
  std::vector<uint32_t> outer = {}, ordered = {}, inner = {};
};

using Composed = std::variant<std::monostate, PointwiseTerms, ReduceTerms, ContractTerms, OrderedTerms>;
Composed compose(const Graph& graph, const Fusion& fusion, int32_t group);
ContractTerms compose_contract(const Graph& graph, const Fusion& fusion, int32_t group);

}  // namespace tenon::lower
