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

#include "lower/domain.h"
#include "lower/options.h"
#include "lower/ranges.h"

namespace tenon::lower {

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
  std::vector<Group> groups;        // executable order
  std::vector<bool> index_only;     // per node
  std::vector<int32_t> group_of;    // per node; -1: index-only or view
  std::vector<uint32_t> terms;      // per node: of one element where it is index-only, else 1
  std::vector<NodeDomain> domains;  // per node that stands in a group
  std::vector<EdgeNote> notes;
  const IndexRanges* ranges = nullptr;
};

// `ranges` outlives the result. `wanted`: a number for each node; only nodes of equal numbers become one
// kernel, those of different ones stay apart.
Fusion fuse(const Graph& graph, const FuseOptions& options, const IndexRanges& ranges,
            const std::vector<int32_t>* wanted = nullptr);

bool group_may_fail(const Graph& graph, const IndexRanges& ranges, const Group& group);
// Whether a node is the contraction that its group's tiles are made of. Short chains of products are
// arithmetic beside it.
bool is_tiled(const Graph& graph, const Node& node);
// A reduction of everything whose outputs all come at the end, and a scatter, which tests its indices first:
// they write after they have tested for failures.
bool writes_after_checks(const Graph& graph, const Group& group);
// The stored value behind views: the same bytes under another shape.
ValueId storage_of(const Graph& graph, ValueId value);

}  // namespace tenon::lower
