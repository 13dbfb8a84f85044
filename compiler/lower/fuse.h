// Fusion: which nodes of a graph become one kernel.
//
// Needs: a verified graph of primitives (calls inlined, composites expanded). Guarantees: every node is
// either index-only (recomputed where it is read), a view (another shape of a stored value), or in exactly
// one group; groups are acyclic and stand in an executable order; each edge taken or refused has a note with
// its reason.
//
// A group iterates over a domain (extents other than 1), some of whose axes may be reduced. Its nodes live at
// one of two positions: `full` (one element per point of the domain) or `outer` (one per point of the kept
// axes). Kinds: pointwise (no reduced axes), reduce (stages of reductions with prologue and epilogue),
// contract (a dot_general in block order with an epilogue), and single nodes that lower on their own.
#pragma once

#include <string>
#include <vector>

#include "lower/index.h"
#include "lower/ranges.h"

namespace tenon::lower {

enum class GroupKind : uint8_t { pointwise, reduce, contract, scatter, check, permute, control };

struct Group {
  GroupKind kind = GroupKind::pointwise;
  std::vector<NodeId> nodes;     // program order
  Shape domain;                  // contract: of the result
  std::vector<bool> reduced;     // per domain axis
  std::vector<ValueId> outputs;  // values that need a buffer

  std::vector<uint32_t> kept_axes() const;
  std::vector<uint32_t> reduced_axes() const;
  std::vector<uint32_t> all_axes() const;
};

struct EdgeNote {
  NodeId producer, consumer;
  bool fused = false;
  std::string reason;
};

struct Fusion {
  std::vector<Group> groups;      // executable order
  std::vector<bool> index_only;   // per node
  std::vector<int32_t> group_of;  // per node; -1: index-only or view
  std::vector<uint32_t> terms;    // per node: of one element where it is index-only, else 1
  std::vector<EdgeNote> notes;
  const IndexRanges* ranges = nullptr;
};

struct FuseOptions {
  bool enabled = true;        // false: one node a group
  uint64_t most_cost = 1024;  // instructions of one element of a group: bounds kernels and their compile time
};

// `ranges` outlives the result.
Fusion fuse(const Graph& graph, const FuseOptions& options, const IndexRanges& ranges);

bool group_may_fail(const Graph& graph, const IndexRanges& ranges, const Group& group);
// A reduction of everything whose outputs all come at the end: it tests for failures before it writes.
bool writes_after_checks(const Graph& graph, const Group& group);
// Whether neighbours along the last dimension of a contraction's right factor are neighbours in memory.
bool right_is_even(const Graph& graph, const Node& node);
// Whether neighbours along a contraction's last contracted dimension are neighbours in operand `side`.
bool runs_along(const Graph& graph, const Node& node, size_t side);
// Whether a contraction copies its right factor into panels before it multiplies: large factors with many
// rows to multiply, whose columns are the rows of memory, or whose rows lie a multiple of the page apart,
// where they would share few sets of the caches.
bool packs_right(const Graph& graph, const Node& node);
// Products of a contraction that is evaluated as arithmetic, one chain of fused multiply-adds an element: few
// products, and fewer columns than a register tile wants. 0: it is none.
int64_t chain_length(const Graph& graph, const Node& node);
// The stored value behind views: the same bytes under another shape.
ValueId storage_of(const Graph& graph, ValueId value);
// How a node iterates: its domain, which axes it reduces, and the index of each operand (empty: read by other
// means).
struct NodeDomain {
  GroupKind kind;
  Shape domain;
  std::vector<bool> reduced;
  std::vector<Index> operands;
};
// A dot_general as axes: result dimensions, then the contracted ones (reduced).
NodeDomain contraction_domain(const Graph& graph, const Node& node);
NodeDomain node_domain(const Graph& graph, const Node& node);

}  // namespace tenon::lower
