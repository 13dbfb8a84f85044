// The schedules of groups that are one nest of loops, the choice by kinds, and how groups are cut.
#include "lower/schedule.h"

#include <algorithm>

#include "lower/cost.h"

namespace tenon::lower {
namespace {

// Terms that are made for every element, under no guard.
std::vector<bool> always_made(const PointwiseTerms& p) {
  std::vector<bool> always(p.terms.size(), false);
  std::vector<TermId> work(p.values.rbegin(), p.values.rend());
  while (!work.empty()) {
    const TermId at = work.back();
    work.pop_back();
    if (always[at.index]) continue;
    always[at.index] = true;
    for_each_read(p.terms.term(at), [&](TermId read) { work.push_back(read); });
  }
  return always;
}

// Loads across memory along the last axis, but along memory on another axis: they go through squares of as
// many registers as a vector has lanes, read along memory, exchanged, and used along the last axis.
// Squares of one or two elements along memory would be empty for the most part.
void find_exchanged(const Sizes& sizes, const PointwiseTerms& p, PointwiseSchedule* s) {
  constexpr size_t most_loads = 2;
  constexpr int64_t least_extent = 3;
  if (p.extents.size() < 2) return;
  const auto last = static_cast<uint32_t>(p.extents.size() - 1);
  const std::vector<bool> always = always_made(p);
  size_t bytes = 0;
  for (size_t i = 0; i < p.terms.size() && s->exchanged.size() < most_loads; ++i) {
    const Term& t = p.terms.term(TermId(i));
    if (!always[i] || !t.is_plain_load()) continue;
    const size_t size = dtype_bytes(t.dtype);
    if (size < 4 || (bytes != 0 && size != bytes)) continue;
    std::optional<uint32_t> along;
    bool across = false;
    for (const AffineIndex::Part& part : t.address.parts) {
      if (part.axis == last) across = !(part.coefficient == Dim(1));
      if (part.axis != last && part.coefficient == Dim(1)) along = part.axis;
    }
    if (!across || !along || (!s->exchanged.empty() && *along != s->along)) continue;
    if (p.extents[*along].is_constant() && p.extents[*along].constant() < least_extent) {
      // Read element by element: few lanes, so that a short row fills them.
      s->width = sizes.lanes_width(p.extents.back(), 16);
      continue;
    }
    s->along = *along;
    bytes = size;
    s->exchanged.push_back(TermId(i));
  }
  if (!s->exchanged.empty()) s->side = sizes.target().lanes(bytes);
}

// What is cut and what an index of it costs, from the cost of all points.
Work cut(const Sizes& sizes, Dim extent, int64_t granule, double cost) {
  Work work;
  work.cost = cost / sizes.at_least_one(extent);
  work.extent = std::move(extent);
  work.granule = granule;
  return work;
}

Work pointwise_work(const Sizes& sizes, const PointwiseTerms& p) {
  const double cost = sizes.points(p.extents) * static_cast<double>(p.terms.size()) / 8;
  // Neighbouring chunks do not share a cache line.
  Work work = cut(sizes, p.extents.empty() ? Dim(1) : p.extents[0], p.extents.size() == 1 ? 64 : 1, cost);
  work.serial = p.extents.empty();
  return work;
}

Work reduce_work(const Group& group, const Sizes& sizes, const ReduceTerms& t, const ReduceSchedule& s) {
  const double cost = sizes.points(t.extents) * static_cast<double>(group.nodes.size()) * 0.25;
  Work work = cut(sizes, t.first_kept(), s.granule(t), cost);
  work.serial = t.kept.empty();
  return work;
}

Work contract_work(const Sizes& sizes, const ContractTerms& t, const ContractSchedule& s) {
  const double cost = sizes.points(t.extents) / static_cast<double>(s.lanes);
  using Cut = ContractSchedule::Cut;
  if (s.cut == Cut::columns) return cut(sizes, t.n_extent(), s.vectors * s.lanes, cost);
  Work work;
  if (t.rows_share())
    work = cut(sizes, t.outer_extent(), outer_granule(sizes, t, s), cost);
  else if (s.cut == Cut::outer)
    return cut(sizes, t.outer_extent(), 1, cost);
  else
    work = cut(sizes, t.m_extent(), row_granule(sizes, t, s), cost);
  if (s.cut == Cut::both) {
    // Pieces of nearly equal width, of whole panels.
    work.across = t.n_extent();
    const int64_t n = work.across.constant(), panel = s.vectors * s.lanes;
    const int64_t pieces = std::max<int64_t>(1, (n + piece_columns(s) - 1) / piece_columns(s));
    work.across_size = std::max(panel, ((n + pieces - 1) / pieces + panel - 1) / panel * panel);
  }
  return work;
}

Work ordered_work(const Group& group, const Sizes& sizes, const OrderedTerms& o, bool base_copied) {
  const Dim first = o.outer.empty() ? Dim(1) : o.extents[o.outer[0]];
  const double points = sizes.points(o.extents);
  if (group.kind == GroupKind::scatter) {
    const double copied = base_copied ? static_cast<double>(sizes.usual(o.type.count())) : 0;
    return cut(sizes, first, 1, (points + copied) / 8);
  }
  Work work = cut(sizes, first, o.outer.size() == 1 ? sizes.lanes_width(first, 64) : 1, points);
  work.serial = o.outer.empty();
  return work;
}

}  // namespace

PointwiseSchedule schedule_pointwise(const Graph& graph, const Group& group, const Sizes& sizes,
                                     const PointwiseTerms& p) {
  // Little work is done on many lanes at once; much of it, which stands in the code once for each vector, on
  // few.
  constexpr size_t few_terms = 12;
  constexpr uint64_t few_instructions = 256;
  PointwiseSchedule s;
  Costs costs(graph);
  uint64_t cost = 0;
  for (NodeId id : group.nodes) cost += costs.node(graph.node(id));
  const int64_t most = p.terms.size() <= few_terms && cost <= few_instructions ? 64 : 16;
  if (!p.extents.empty()) s.width = sizes.lanes_width(p.extents.back(), most);
  find_exchanged(sizes, p, &s);
  return s;
}

Schedule choose_schedule(const ScheduledGraph& g, size_t n, const Sizes& sizes) {
  const Group& group = g.fusion.groups[n];
  if (const auto* p = std::get_if<PointwiseTerms>(&g.composed[n]))
    return schedule_pointwise(*g.graph, group, sizes, *p);
  if (const auto* r = std::get_if<ReduceTerms>(&g.composed[n])) return schedule_reduce(sizes, *r);
  if (const auto* c = std::get_if<ContractTerms>(&g.composed[n]))
    return schedule_contract(*g.graph, group, sizes, *c, constant_factor(*g.graph, g.fusion, *c) != nullptr);
  return std::monostate{};
}

void adopt(ScheduledGraph* g, Schedule schedule) {
  Composed& composed = g->composed[g->schedules.size()];
  if (const auto* s = std::get_if<ReduceSchedule>(&schedule);
      s != nullptr && s->joined(std::get<ReduceTerms>(composed)))
    std::get<ReduceTerms>(composed).join_even();
  g->schedules.push_back(std::move(schedule));
}

std::string why_not(const ScheduledGraph& g, size_t n, const Sizes& sizes, const Schedule& schedule) {
  if (const auto* s = std::get_if<PointwiseSchedule>(&schedule))
    return why_not(*s, std::get<PointwiseSchedule>(choose_schedule(g, n, sizes)));
  if (const auto* s = std::get_if<ReduceSchedule>(&schedule))
    return why_not(std::get<ReduceTerms>(g.composed[n]), *s);
  if (const auto* s = std::get_if<ContractSchedule>(&schedule)) {
    const ContractTerms& t = std::get<ContractTerms>(g.composed[n]);
    return why_not(sizes, t, *s, constant_factor(*g.graph, g.fusion, t) != nullptr);
  }
  return {};
}

std::unique_ptr<ScheduledGraph> group_graph(const Graph& graph, const IndexRanges& ranges,
                                            const FuseOptions& options, const std::vector<int32_t>* wanted) {
  auto out = std::make_unique<ScheduledGraph>();
  out->graph = &graph;
  out->fusion = fuse(graph, options, ranges, wanted);
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (out->fusion.group_of[i] < 0 || node.op->generate() == nullptr ||
        node.op->generate()->what != ir::Generator::constant)
      continue;
    const ValueId result = node.results[0];
    out->constants.push_back({result, node.get<std::shared_ptr<const Array>>("value")});
    std::erase(out->fusion.groups[static_cast<size_t>(out->fusion.group_of[i])].outputs, result);
  }
  const size_t groups = out->fusion.groups.size();
  out->composed.reserve(groups);
  out->schedules.reserve(groups);
  out->regions.resize(groups);
  for (size_t n = 0; n < groups; ++n)
    out->composed.push_back(out->fusion.groups[n].outputs.empty()
                                ? Composed()
                                : compose(graph, out->fusion, static_cast<int32_t>(n)));
  return out;
}

std::unique_ptr<ScheduledGraph> group_regions(const Graph& graph, const IndexRanges& ranges,
                                              const FuseOptions& options) {
  std::unique_ptr<ScheduledGraph> out = group_graph(graph, ranges, options);
  for (size_t n = 0; n < out->fusion.groups.size(); ++n) {
    const Group& group = out->fusion.groups[n];
    if (group.kind != GroupKind::control) continue;
    for (const auto& region : graph.node(group.nodes[0]).regions)
      out->regions[n].push_back(group_regions(*region, ranges, options));
  }
  return out;
}

void schedule_groups(ScheduledGraph* graph, const Sizes& sizes) {
  for (size_t n = 0; n < graph->fusion.groups.size(); ++n) {
    adopt(graph, choose_schedule(*graph, n, sizes));
    for (const auto& region : graph->regions[n]) schedule_groups(region.get(), sizes);
  }
}

std::string why_not(const PointwiseSchedule& s, const PointwiseSchedule& chosen) {
  if (!is_width(s.width)) return width_words;
  if (!s.exchanged.empty() && (chosen.exchanged.empty() || s.along != chosen.along))
    return "no load runs along axis " + std::to_string(s.along) + " and across the last";
  return {};
}

Work group_work(const Graph& graph, const Group& group, const Sizes& sizes, const Composed& composed,
                const Schedule& schedule, bool base_copied) {
  if (const auto* p = std::get_if<PointwiseTerms>(&composed)) return pointwise_work(sizes, *p);
  if (const auto* r = std::get_if<ReduceTerms>(&composed))
    return reduce_work(group, sizes, *r, std::get<ReduceSchedule>(schedule));
  if (const auto* c = std::get_if<ContractTerms>(&composed))
    return contract_work(sizes, *c, std::get<ContractSchedule>(schedule));
  if (const auto* o = std::get_if<OrderedTerms>(&composed))
    return ordered_work(group, sizes, *o, base_copied);
  Work work;
  work.serial = true;
  work.cost = 0;
  if (group.kind == GroupKind::check)
    work.cost = static_cast<double>(sizes.usual(graph.type(graph.node(group.nodes[0]).operands[1]).count()));
  return work;
}

std::optional<Work> pack_work(const Composed& composed, const Schedule& schedule) {
  const auto* s = std::get_if<ContractSchedule>(&schedule);
  if (s == nullptr || s->right != ContractSchedule::Right::copied) return std::nullopt;
  const ContractTerms& t = std::get<ContractTerms>(composed);
  Work work;
  work.extent = t.k_extent();
  work.granule = 16;
  work.cost = static_cast<double>(t.n_extent().constant()) / 8;
  return work;
}

}  // namespace tenon::lower
