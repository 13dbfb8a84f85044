// Composition of index maps: what one element of a value is, as a tree of terms over the axes of a group's
// domain. Fusion is this composition; no pattern of operations is known here, only the forms of declarations.
//
// Domain: the extents a group iterates over, extents that are the constant 1 left out. A value's dimension
// either belongs to a domain axis or is 1 (index 0).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/op_def.h"

namespace tenon::lower {
using namespace support;
using ir::affine_axis;
using ir::affine_constant;
using ir::AffineIndex;
using ir::Dim;
using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::Shape;
using ir::ValueId;

using Index = std::vector<AffineIndex>;  // one per dimension of the value

void affine_add(AffineIndex* to, const AffineIndex& a, const Dim& scale);
bool affine_equal(const AffineIndex& a, const AffineIndex& b);
// The coefficient of an axis; 0 where it does not appear.
Dim coefficient(const AffineIndex& a, uint32_t axis);
bool affine_is_axis(const AffineIndex& a, uint32_t axis);
std::string affine_text(const AffineIndex& a);
// Replaces each axis d of `a` by at[d].
AffineIndex affine_substitute(const AffineIndex& a, const Index& at);
// Row-major element number of an index into a shape.
AffineIndex affine_linear(const Index& at, const Shape& shape);

bool is_one(const Dim& d);
// The extents other than 1.
Shape squeeze(const Shape& shape);
// Index of a value whose extents other than 1 are, in order, the domain axes `axes`.
Index identity_index(const Shape& shape, const std::vector<uint32_t>& axes);
// True if `at` is that index.
bool is_identity(const Index& at, const Shape& shape, const std::vector<uint32_t>& axes);

// Index-only operations: recomputed in every consumer, never stored unless something needs their buffer.
bool is_index_only(const Node& node);
// A view whose shape differs from its operand's by extents of 1 alone: an index map like any other.
bool is_unit_view(const Graph& graph, const Node& node);
// Where the elements of an index map, or of a view by units, come from; none for other nodes.
std::vector<ir::IndexPiece> pieces_of(const Graph& graph, const Node& node);
// Arithmetic on rank-0 values: recomputed, outside all loops, in every kernel that needs it.
bool is_scalar_arithmetic(const Graph& graph, const Node& node);
// One element is a scalar function of elements at the same index, of its position, or of gathered elements.
bool is_pointwise(const Node& node);

// A source met when looking through index-only nodes: a stored or grouped value read at an affine index.
struct Source {
  ValueId value;
  Index at;
  bool guarded = false;  // under a guard (pad, concat): not every position reads it
  bool dynamic = false;  // at an index that is computed: `at` says nothing
};
// A guard with a stride: indices are quotients, which no affine index is.
bool has_quotient(const ir::IndexPiece& piece);
// Sources of `value` at `at`; `stop` tells values that are not looked through.
void collect_sources(const Graph& graph, ValueId value, const Index& at, const std::vector<bool>& index_only,
                     std::vector<Source>* out);

}  // namespace tenon::lower
