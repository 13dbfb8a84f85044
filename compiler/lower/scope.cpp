// Whole scopes in one kernel: small loops and functions, where calls and phases would cost more than the
// work.
#include <algorithm>
#include <limits>

#include "lower/cost.h"
#include "lower/entry.h"
#include "lower/registers.h"

namespace tenon::lower {

double scope_cycles(const Sizes& sizes, const Scope& s) {
  double cycles = 0;
  for (const Item& item : s.items) {
    if (item.group < 0) {
      cycles += static_cast<double>(sizes.usual(item.copy.type.count())) / 8;
      continue;
    }
    const Group& group = s.fusion.groups[static_cast<size_t>(item.group)];
    if (group.kind == GroupKind::control) {
      // Kernels call nothing: what applies a procedure is no kernel.
      if (s.applications[static_cast<size_t>(item.group)]) return std::numeric_limits<double>::infinity();
      for (const auto& region : s.regions[static_cast<size_t>(item.group)])
        cycles += scope_cycles(sizes, *region);
    } else {
      const Work& w = s.works[static_cast<size_t>(item.group)];
      cycles += w.cost * static_cast<double>(sizes.usual(w.extent));
    }
  }
  return cycles;
}

namespace {

bool same(const Place& a, const Place& b) {
  if (!(a.root == b.root) || !(a.index == b.index) || a.steps.size() != b.steps.size()) return false;
  if (!(a.offset == b.offset)) return false;
  for (size_t i = 0; i < a.steps.size(); ++i)
    if (!(a.steps[i].loop == b.steps[i].loop)) return false;
  return true;
}

// Whether a group runs element by element, because it works on registers.
bool in_registers(const Frame& frame, const Scope& s, int32_t group) {
  const std::vector<Touch>& touches = s.touches[static_cast<size_t>(group)];
  const bool kept =
      std::any_of(touches.begin(), touches.end(), [&](const Touch& t) { return frame.keeps(t.place.root); });
  return kept && scalar_group(s, group);
}

bool commits_inside(const Plan& plan, const Scope& s) {
  for (const auto& regions : s.regions)
    for (const auto& region : regions) {
      if (region->loop.valid() && plan.loops[region->loop.index].commit) return true;
      if (commits_inside(plan, *region)) return true;
    }
  return false;
}

}  // namespace

bool counts_steps(const Plan& plan, const Scope& body) {
  return plan.loops[body.loop.index].commit && !commits_inside(plan, body);
}

std::vector<Copy> initial_copies(const Scope& outer, int32_t group, const Scope& body) {
  std::vector<Copy> out;
  const Node& node = outer.graph->node(outer.fusion.groups[static_cast<size_t>(group)].nodes[0]);
  for (size_t c = 0; c < body.carries.size(); ++c) {
    const auto& [from, to] = body.carries[c];
    if (!same(from, to)) out.push_back({from, to, outer.graph->type(node.results[c])});
  }
  return out;
}

std::vector<CodeSize> code_sizes(const Scope& s) {
  constexpr uint64_t around = 32, piece = 24;  // loops, addresses, branches
  Costs costs(*s.graph);
  std::vector<CodeSize> out;
  for (const Item& item : s.items) {
    uint64_t size = around, reads = 0;
    if (item.group >= 0) {
      for (NodeId id : s.fusion.groups[static_cast<size_t>(item.group)].nodes) {
        const Node& node = s.graph->node(id);
        size += costs.node(node);
        for (ValueId v : node.operands) {
          const NodeId from = s.graph->value(v).node;
          reads += !s.graph->type(v).shape.empty() &&
                   (!from.valid() || s.fusion.group_of[from.index] != item.group);
        }
        // Each piece of what it reads through maps stands under a test of its own.
        for (ValueId v : node.operands) {
          const NodeId from = s.graph->value(v).node;
          if (from.valid() && s.fusion.index_only[from.index] && s.fusion.terms[from.index] > 1)
            size += piece * s.fusion.terms[from.index];
        }
      }
      for (const auto& region : s.regions[static_cast<size_t>(item.group)])
        for (const CodeSize& inner : code_sizes(*region)) size += inner.instructions, reads += inner.reads;
    }
    out.push_back({size, reads});
  }
  return out;
}

void emit_scope(Frame& frame, const Scope& s, size_t first, size_t last) {
  bool stopped = !s.may_fail;
  for (size_t i = first; i < last; ++i) {
    const Item& item = s.items[i];
    if (item.writes_old && !stopped) {
      frame.b.stop_on_failure();
      stopped = true;
    }
    if (item.group < 0) {
      emit_copy(frame, item.copy, frame.b.index(0), frame.dim(item.copy.type.count()));
      continue;
    }
    const Group& group = s.fusion.groups[static_cast<size_t>(item.group)];
    frame.b.comment(group_comment(s, item.group));
    if (group.kind == GroupKind::control) {
      emit_control(frame, s, item.group);
    } else if (in_registers(frame, s, item.group)) {
      if (group.kind == GroupKind::pointwise) {
        emit_scalar_pointwise(frame, s, item.group);
      } else {
        emit_scalar_reduce(frame, s, item.group);
      }
    } else {
      const auto number = static_cast<size_t>(item.group);
      if (const std::optional<Work>& pack = s.packs[number])
        emit_pack(frame, s, item.group, frame.b.index(0), frame.dim(pack->extent));
      emit_group(frame, s, item.group, frame.b.index(0), frame.dim(s.works[number].extent));
    }
  }
}

void emit_control(Frame& frame, const Scope& s, int32_t number) {
  const Group& group = s.fusion.groups[static_cast<size_t>(number)];
  const Node& node = s.graph->node(group.nodes[0]);
  if (node.op->control()->what == ir::Control::loop) {
    emit_loop(frame, s, number);
    return;
  }
  const auto& regions = s.regions[static_cast<size_t>(number)];
  ExprId predicate =
      frame.load(s.places[storage_of(*s.graph, node.operands[0]).index], DType::bool_, frame.b.index(0));
  frame.b.begin_if(frame.b.let("predicate", predicate));
  emit_scope(frame, *regions[0]);
  frame.b.begin_else();
  emit_scope(frame, *regions[1]);
  frame.b.end();
}

void emit_loop(Frame& frame, const Scope& s, int32_t number) {
  kernel::Builder& b = frame.b;
  const Scope& body = *s.regions[static_cast<size_t>(number)][0];
  const Loop& loop = frame.plan().loops[body.loop.index];
  const std::vector<Copy> copies = initial_copies(s, number, body);
  const std::vector<RegisterRoot> registers = register_roots(frame, body);
  for (const RegisterRoot& r : registers) {
    const bool set =
        std::any_of(copies.begin(), copies.end(), [&](const Copy& c) { return c.to.root == r.root; });
    frame.keep(r.root, !r.inside && !set);
  }
  for (const Copy& c : copies) emit_copy(frame, c, b.index(0), frame.dim(c.type.count()));
  for (const auto& [place, type] : body.cleared) {
    if (type.shape.empty()) continue;
    ExprId i =
        b.begin_lanes("i", b.index(0), frame.dim(type.count()), b.index(frame.lanes_width(type.count(), 64)));
    frame.store(place, type.dtype, i, b.constant(type.dtype, 0));
    b.end();
  }
  ExprId trip = frame.dim(loop.trip);
  ExprId t = b.begin_for("t", b.index(0), trip, b.index(1));
  frame.enter(body.loop, loop.reverse ? b.let("t", b.sub(b.sub(trip, b.index(1)), t)) : t);
  emit_scope(frame, body);
  frame.leave(body.loop);
  if (counts_steps(frame.plan(), body)) b.progress(b.index(1));
  if (loop.predicate) {
    ExprId go = frame.load(body.go_on, DType::bool_, b.index(0));
    b.exit_if(b.unary(kernel::Op::bnot, b.let("go_on", go)));
  }
  b.end();
  for (const RegisterRoot& r : registers) frame.release(r.root, !r.inside);
}

}  // namespace tenon::lower
