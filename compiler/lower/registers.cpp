#include "lower/registers.h"

#include <algorithm>
#include <map>

#include "lower/cost.h"

namespace tenon::lower {
namespace {

constexpr int64_t most_elements = 16;  // of one value
constexpr int64_t most_registers = 64;
constexpr int64_t most_operations = 256;  // of an unrolled group
constexpr uint64_t most_instructions = 4096;

struct Use {
  uint32_t count = 0;
  bool fixed = true;  // always at indices that are known
  bool written = false;
};
using Uses = std::map<uint32_t, Use>;

void note(Uses* uses, const Place& place, bool fixed, bool written) {
  if (!place.root.valid()) return;
  Use& u = (*uses)[place.root.index];
  ++u.count;
  u.fixed = u.fixed && fixed && place.steps.empty() && place.offset == Dim(0);
  u.written = u.written || written;
}

void collect_group(const Scope& s, int32_t number, Uses* uses) {
  const GroupKind kind = s.fusion.groups[static_cast<size_t>(number)].kind;
  const bool scalar = scalar_group(s, number);
  for (const Touch& t : s.touches[static_cast<size_t>(number)]) {
    bool fixed = scalar;
    if ((t.elements == Dim(1) || t.constant) && !t.dynamic)
      fixed = fixed || kind == GroupKind::pointwise || kind == GroupKind::reduce ||
              (kind == GroupKind::permute && !t.written);
    note(uses, t.place, fixed && !t.dynamic, t.written);
  }
}

void collect(const Scope& s, Uses* uses) {
  for (const Item& item : s.items) {
    if (item.group < 0) {
      const bool fixed = fits_registers(item.copy.type.count());
      note(uses, item.copy.from, fixed, false);
      note(uses, item.copy.to, fixed, true);
      continue;
    }
    const auto number = static_cast<size_t>(item.group);
    const Group& group = s.fusion.groups[number];
    if (group.kind != GroupKind::control) {
      collect_group(s, item.group, uses);
      continue;
    }
    const Node& node = s.graph->node(group.nodes[0]);
    if (const std::optional<Application>& a = s.applications[number]) {
      for (const Place& p : a->inputs) note(uses, p, false, false);
      for (const Place& p : a->globals) note(uses, p, false, true);
      for (const Place& p : a->outputs) note(uses, p, false, true);
      for (const Copy& c : s.moves[number]) note(uses, c.from, false, false);
      continue;
    }
    if (node.op->control()->what != ir::Control::loop)
      note(uses, s.places[storage_of(*s.graph, node.operands[0]).index], true, false);
    for (const auto& region : s.regions[number]) {
      for (size_t c = 0; c < region->carries.size(); ++c) {
        const bool fixed = fits_registers(s.graph->type(node.results[c]).count());
        note(uses, region->carries[c].first, fixed, false);
        note(uses, region->carries[c].second, fixed, true);
      }
      for (const auto& [place, type] : region->cleared) note(uses, place, false, true);
      note(uses, region->go_on, true, false);
      collect(*region, uses);
    }
  }
}

}  // namespace

bool fits_registers(const Dim& elements) {
  return elements.is_constant() && elements.constant() >= 1 && elements.constant() <= most_elements;
}

void count_uses(const Scope& scope, std::vector<uint32_t>* uses) {
  Uses all;
  collect(scope, &all);
  for (const auto& [root, use] : all) (*uses)[root] += use.count;
}

bool scalar_group(const Scope& scope, int32_t number) {
  const Group& group = scope.fusion.groups[static_cast<size_t>(number)];
  if (group.kind != GroupKind::pointwise && group.kind != GroupKind::reduce) return false;
  int64_t elements = 1, operations = 0;
  for (const Dim& d : group.domain) {
    if (!d.is_constant() || d.constant() < 1 || d.constant() > most_elements) return false;
    elements *= d.constant();
    if (elements > most_elements) return false;
  }
  Costs costs(*scope.graph);
  uint64_t instructions = 0;
  for (NodeId id : group.nodes) {
    const Node& node = scope.graph->node(id);
    // Random numbers are made many at a time, and indices that may fail are tested so.
    if (scope.fusion.ranges->may_fail(node) || ir::finds_position(*node.op)) return false;
    if (node.op->generate() != nullptr && !is_index_only(node)) return false;
    if (ir::reduces(*node.op) && order_of(node).block < most_elements) return false;
    const int64_t chain = chain_length(*scope.graph, node);
    operations += elements * std::max<int64_t>(chain, 1);
    instructions += static_cast<uint64_t>(elements) * costs.node(node);
  }
  return operations <= most_operations && instructions <= most_instructions;
}

std::vector<RegisterRoot> register_roots(const Frame& frame, const Scope& body) {
  const Plan& plan = frame.plan();
  Uses uses;
  collect(body, &uses);
  // The carries themselves count as uses outside.
  for (const auto& [from, to] : body.carries) {
    Use& u = uses[to.root.index];
    u.fixed = u.fixed && to.steps.empty();
  }
  std::vector<RegisterRoot> out;
  int64_t registers = frame.kept();
  for (const auto& [index, use] : uses) {
    const Root& root = plan.roots[index];
    if (!use.fixed || !use.written || !fits_registers(root.count) || frame.keeps(RootId(index))) continue;
    // A failure leaves the loop where it is, and must find state as the last committed step left it.
    const bool ours = root.base == RootBase::arena || root.base == RootBase::output ||
                      ((root.base == RootBase::state || root.base == RootBase::global) && !body.may_fail);
    if (!ours || registers + root.count.constant() > most_registers) continue;
    registers += root.count.constant();
    out.push_back({RootId(index), root.base == RootBase::arena && use.count == plan.uses[index]});
  }
  return out;
}

}  // namespace tenon::lower
