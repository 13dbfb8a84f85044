#include "ir/structure.h"

#include "ir/op_def.h"
#include "support/hash.h"

namespace tenon::ir {

uint64_t Structure::argument(ValueId value) const {
  const Value& arg = graph_.value(value);
  if (arg.result < seeds_.size() && seeds_[arg.result] != 0) return seeds_[arg.result];
  Hasher h;
  h.add(static_cast<uint64_t>(arg.arg));
  if (arg.arg == ArgKind::global) return h.add(arg.name).low();
  uint64_t position = 0;  // among those of its kind
  for (uint32_t i = 0; i < arg.result; ++i) position += graph_.value(graph_.args[i]).arg == arg.arg;
  return h.add(position).low();
}

std::vector<uint64_t> Structure::region_seeds(const Node& node, const Graph& region) {
  const size_t first = node.op->control()->what == Control::cond ? 1 : 0;
  std::vector<uint64_t> seeds(region.args.size());
  for (size_t i = 0; i < region.args.size() && i + first < node.operands.size(); ++i) {
    if (region.value(region.args[i]).arg != ArgKind::capture) continue;
    seeds[i] = Hasher().add("capture").add(of(node.operands[i + first])).low();
  }
  return seeds;
}

uint64_t Structure::node_hash(const Node& node) {
  Hasher h;
  h.add(node.op->name);
  for (const Attr& a : node.attrs) h.add(attr_hash(a));
  const bool control = node.op->control() != nullptr && !node.regions.empty();
  const size_t first = control && node.op->control()->what == Control::cond ? 1 : 0;
  for (size_t i = 0; i < node.operands.size(); ++i) {
    // What a region captures tells in the region, whatever place it has in the list.
    if (control && i >= first) {
      const Graph& region = *node.regions[0];
      if (region.value(region.args[i - first]).arg == ArgKind::capture) continue;
    }
    h.add(of(node.operands[i]));
  }
  for (const std::unique_ptr<Graph>& region : node.regions) {
    Structure inside(*region, control ? region_seeds(node, *region) : std::vector<uint64_t>{});
    for (ValueId r : region->results) h.add(inside.of(r));
  }
  return h.low();
}

void Structure::extend() {
  // In program order, so that operands are known: no recursion over depth.
  while (nodes_.size() < graph_.node_count()) {
    const uint64_t hash = node_hash(graph_.node(NodeId(nodes_.size())));
    nodes_.push_back(hash);
  }
}

uint64_t Structure::of(ValueId value) {
  const NodeId producer = graph_.value(value).node;
  if (!producer.valid()) return argument(value);
  if (nodes_.size() <= producer.index) extend();
  return Hasher().add(nodes_[producer.index]).add(uint64_t{graph_.value(value).result}).low();
}

}  // namespace tenon::ir
