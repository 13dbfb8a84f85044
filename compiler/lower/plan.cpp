#include "lower/plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "lower/inside.h"
#include "lower/registers.h"

namespace tenon::lower {
namespace {

// Where a graph's result has to end up.
struct Destination {
  Place place;
  bool holds_old = false;  // state or carry: the place also holds the value read in this graph
};

bool same_place(const Place& a, const Place& b) {
  if (!(a.root == b.root) || !(a.index == b.index) || a.steps.size() != b.steps.size()) return false;
  if (!(a.offset == b.offset)) return false;
  for (size_t i = 0; i < a.steps.size(); ++i)
    if (!(a.steps[i].loop == b.steps[i].loop) || !(a.steps[i].stride == b.steps[i].stride)) return false;
  return true;
}

size_t carry_count(const Graph& body) {
  return static_cast<size_t>(std::count_if(body.args.begin(), body.args.end(), [&](ValueId v) {
    return body.value(v).arg == ir::ArgKind::carry;
  }));
}

class Planner {
 public:
  Planner(const ir::Module& module, const ir::Function& function, Layout* layout, const PlanOptions& options)
      : module_(module), function_(function), layout_(layout), options_(options) {}

  Plan run() {
    const Graph& graph = function_.graph;
    std::vector<Place> args(graph.args.size());
    uint32_t inputs = 0;
    for (size_t i = 0; i < graph.args.size(); ++i) {
      const ir::Value& v = graph.value(graph.args[i]);
      Root root;
      root.dtype = v.type.dtype;
      root.count = v.type.count();
      root.name = v.name;
      if (v.arg == ir::ArgKind::global) {
        const ir::Global* g = module_.find_global(v.name);
        TENON_CHECK(g != nullptr);
        if (g->kind == ir::GlobalKind::hyper) {
          root.base = RootBase::hyper;
        } else {
          args[i].root = state_root(v.name);
          continue;
        }
      } else {
        root.base = RootBase::input;
        root.slot = inputs++;
        out_.inputs.push_back(graph.args[i]);
      }
      args[i].root = add(std::move(root));
    }
    std::vector<Destination> results(graph.results.size());
    for (size_t i = 0; i < graph.results.size(); ++i) {
      if (i < function_.returns) {
        Root root{RootBase::output, graph.type(graph.results[i]).dtype, graph.type(graph.results[i]).count()};
        root.name = i < function_.result_names.size() ? function_.result_names[i] : "";
        root.slot = static_cast<uint32_t>(i);
        results[i].place.root = add(std::move(root));
      } else {
        results[i].place.root = state_root(function_.writes[i - function_.returns].global);
        results[i].holds_old = true;
      }
    }
    out_.ranges = std::make_unique<IndexRanges>(graph, module_.dims);
    out_.scope = scope(graph, args, results, false);
    place_arena();
    out_.uses.assign(out_.roots.size(), 0);
    count_uses(*out_.scope, &out_.uses);
    return std::move(out_);
  }

 private:
  RootId add(Root root) {
    out_.roots.push_back(std::move(root));
    return RootId(out_.roots.size() - 1);
  }
  RootId state_root(const std::string& name) {
    auto [it, fresh] = state_roots_.try_emplace(name);
    if (fresh) {
      const kernel::StateSlot* slot = layout_->find(name);
      TENON_CHECK(slot != nullptr, name);
      Root root{RootBase::state, slot->dtype,
                Dim(static_cast<int64_t>(slot->bytes / dtype_bytes(slot->dtype)))};
      root.name = name;
      root.offset = slot->offset;
      it->second = add(std::move(root));
    }
    return it->second;
  }
  RootId arena_root(const ir::Type& type, std::string name) {
    Root root{RootBase::arena, type.dtype, type.count()};
    root.name = std::move(name);
    return add(std::move(root));
  }
  void touch(const Place& p) {
    if (!p.root.valid()) return;
    Root& r = out_.roots[p.root.index];
    r.first = std::min(r.first, position_);
    r.last = std::max(r.last, position_);
  }

  // Values a group reads from memory, and whether only at the very element it writes.
  struct Read {
    ValueId value;
    bool aligned;
    bool dynamic, constant;
  };
  std::vector<Read> reads(const Scope& s, const Group& group) {
    std::vector<Read> out;
    const Graph& g = *s.graph;
    int32_t self = s.fusion.group_of[group.nodes[0].index];
    for (NodeId id : group.nodes) {
      const Node& node = g.node(id);
      NodeDomain domain = node_domain(g, node);
      for (size_t i = 0; i < node.operands.size(); ++i) {
        ValueId v = node.operands[i];
        bool indexed = i < domain.operands.size() && domain.operands[i].size() == g.type(v).rank();
        Index at = indexed ? domain.operands[i] : Index(g.type(v).rank(), affine_constant(Dim(0)));
        // The products of a chain stand side by side: over them, indices are constants.
        const bool chain = chain_length(g, node) > 1;
        if (chain) at = contraction_domain(g, node).operands[i];
        const uint32_t first_product = chain ? static_cast<uint32_t>(domain.domain.size()) : ~0u;
        std::vector<Source> sources;
        collect_sources(g, v, at, s.fusion.index_only, &sources);
        for (const Source& source : sources) {
          ValueId stored = storage_of(g, source.value);
          NodeId producer = g.value(stored).node;
          if (producer.valid() && s.fusion.group_of[producer.index] == self) continue;
          std::vector<uint32_t> axes;
          for (uint32_t a = 0; a < domain.domain.size(); ++a) axes.push_back(a);
          // Reductions and tiles read their operands at many elements before they write.
          bool aligned = indexed && !source.dynamic &&
                         (group.kind == GroupKind::pointwise || node.op->elementwise != nullptr) &&
                         is_identity(source.at, g.type(source.value).shape, axes);
          if (group.kind == GroupKind::reduce && domain.domain == group.domain) aligned = false;
          const bool dynamic = source.dynamic || (node.op->gather != nullptr && i == 0);
          const bool constant =
              !dynamic && (indexed || chain) &&
              std::all_of(source.at.begin(), source.at.end(), [&](const AffineIndex& a) {
                return a.constant.is_constant() && (a.parts.empty() || a.parts[0].axis >= first_product);
              });
          out.push_back({stored, aligned, dynamic, constant});
        }
      }
    }
    return out;
  }

  RootId constant_root(const std::shared_ptr<const Array>& array) {
    Root root{RootBase::constants, array->dtype(), Dim(array->count())};
    root.offset = layout_->constant_offset(array);
    return add(std::move(root));
  }
  // Lays out the constant right factors of contractions. Returns, for each value that nothing reads in its
  // own order any more, the panels that stand in its place.
  std::vector<RootId> panel_constants(Scope* s) {
    const Graph& g = *s->graph;
    std::vector<size_t> uses(g.value_count(), 0);
    for (ValueId v : g.results) ++uses[v.index];
    for (size_t i = 0; i < g.node_count(); ++i)
      for (ValueId v : g.node(NodeId(i)).operands) ++uses[v.index];
    std::vector<RootId> out(g.value_count());
    s->panels.resize(s->fusion.groups.size());
    for (size_t n = 0; n < s->fusion.groups.size(); ++n) {
      const Group& group = s->fusion.groups[n];
      if (group.kind != GroupKind::contract || options_.target == nullptr) continue;
      const auto array = constant_panels(module_, out_, *s, static_cast<int32_t>(n), *options_.target);
      if (array == nullptr) continue;
      s->panels[n] = constant_root(array);
      for (NodeId id : group.nodes)
        if (g.node(id).op->contract != nullptr) {
          const ValueId v = g.node(id).operands[1];
          if (--uses[v.index] == 0) out[v.index] = s->panels[n];
        }
    }
    return out;
  }

  // An output of a contraction with the elements of its sums, in memory that the group does not read and that
  // holds no old value.
  int32_t sums_output(const Scope& s, const Group& group) {
    if (group.kind != GroupKind::contract) return -1;
    const Graph& g = *s.graph;
    const ir::Type* type = nullptr;
    for (NodeId id : group.nodes)
      if (g.node(id).op->contract != nullptr) type = &g.type(g.node(id).results[0]);
    const std::vector<Read> all = reads(s, group);
    for (size_t i = 0; i < group.outputs.size(); ++i) {
      const ir::Type& t = g.type(group.outputs[i]);
      const Place& p = s.places[group.outputs[i].index];
      if (type == nullptr || t.dtype != type->dtype || !(t.shape == type->shape) || !p.root.valid()) continue;
      const RootBase base = out_.roots[p.root.index].base;
      if (base != RootBase::arena && base != RootBase::output) continue;
      const bool read = std::any_of(all.begin(), all.end(),
                                    [&](const Read& r) { return s.places[r.value.index].root == p.root; });
      if (!read) return static_cast<int32_t>(i);
    }
    return -1;
  }

  std::unique_ptr<Scope> scope(const Graph& graph, const std::vector<Place>& args,
                               const std::vector<Destination>& results, bool commits);
  void order_groups(Scope* s, const std::vector<Destination>& results, std::vector<bool>* direct);
  void control(Scope* s, int32_t group);
  bool lies_inside(Scope* s, const Group& group, const std::vector<bool>& returned);
  std::set<int32_t> place_parts(Scope* s, const std::vector<bool>& returned,
                                const std::set<uint32_t>& overwritten);
  bool group_fails(const Scope& s, const Group& group) const;
  void place_arena();

  const ir::Module& module_;
  const ir::Function& function_;
  Layout* layout_;
  const PlanOptions& options_;
  Plan out_;
  std::map<std::string, RootId> state_roots_;
  uint32_t position_ = 0;
};

bool Planner::group_fails(const Scope& s, const Group& group) const {
  for (NodeId id : group.nodes) {
    const Node& node = s.graph->node(id);
    if (out_.ranges->may_fail(node)) return true;
    for (const auto& region : node.regions)
      if (out_.ranges->may_fail(*region)) return true;
  }
  return false;
}

// Decides which results are written straight into the place of their old value, and reorders groups so that
// reads of old values and everything that may fail come before.
void Planner::order_groups(Scope* s, const std::vector<Destination>& results, std::vector<bool>* direct) {
  const Graph& graph = *s->graph;
  size_t n = s->fusion.groups.size();
  std::vector<std::set<uint32_t>> preds(n);
  std::map<uint32_t, std::vector<std::pair<uint32_t, bool>>> readers;  // root -> (group, aligned)
  for (uint32_t g = 0; g < n; ++g) {
    for (const Read& r : reads(*s, s->fusion.groups[g])) {
      NodeId producer = graph.value(r.value).node;
      if (producer.valid()) preds[g].insert(static_cast<uint32_t>(s->fusion.group_of[producer.index]));
      const Place& p = s->places[r.value.index];
      if (!producer.valid() && p.root.valid()) readers[p.root.index].push_back({g, r.aligned});
    }
  }
  auto reaches = [&](uint32_t from, uint32_t to) {  // does `to` depend on `from`?
    std::vector<uint32_t> work{to};
    std::set<uint32_t> seen{to};
    while (!work.empty()) {
      uint32_t g = work.back();
      work.pop_back();
      if (g == from) return true;
      for (uint32_t p : preds[g])
        if (seen.insert(p).second) work.push_back(p);
    }
    return false;
  };
  std::vector<uint32_t> failing;
  for (uint32_t g = 0; g < n; ++g)
    if (group_fails(*s, s->fusion.groups[g])) failing.push_back(g);

  direct->assign(results.size(), false);
  std::set<uint32_t> taken;  // values that have a destination
  for (size_t i = 0; i < results.size(); ++i) {
    ValueId v = graph.results[i];
    NodeId producer = graph.value(v).node;
    // Views share their operand's place: they are copied out.
    if (!producer.valid() || graph.node(producer).op->view != nullptr ||
        s->fusion.group_of[producer.index] < 0)
      continue;
    if (taken.count(v.index) != 0) continue;
    if (!results[i].holds_old) {
      (*direct)[i] = true;
      taken.insert(v.index);
      continue;
    }
    if (!options_.in_place) continue;
    uint32_t writer = static_cast<uint32_t>(s->fusion.group_of[producer.index]);
    const Group& group = s->fusion.groups[writer];
    bool control = group.kind == GroupKind::control;
    const Node& node = graph.node(producer);
    bool ok = true;
    bool is_loop = control && node.op->control->what == ir::Control::loop;
    if (control && !is_loop) ok = false;
    std::vector<uint32_t> before;
    if (auto it = readers.find(results[i].place.root.index); it != readers.end()) {
      for (auto [g, aligned] : it->second) {
        if (g != writer) {
          before.push_back(g);
        } else if (is_loop) {
          // The loop may read the old value only as the initial value of the carry that it becomes.
          size_t uses = 0;
          for (ValueId o : node.operands)
            if (s->places[o.index].root == results[i].place.root) ++uses;
          size_t carry = graph.value(v).result;
          ok = ok && uses == 1 && s->places[node.operands[carry].index].root == results[i].place.root;
        } else {
          ok = ok && aligned;
        }
      }
    }
    // A failing iteration must leave state untouched unless iterations commit one by one.
    if (is_loop && out_.ranges->may_fail(*node.regions[0]) && !node.get<bool>("commit")) ok = false;
    for (uint32_t g : failing)
      if (g != writer) before.push_back(g);
    if (!is_loop && group_fails(*s, group) && !writes_after_checks(graph, group)) ok = false;
    for (uint32_t g : before) ok = ok && !reaches(writer, g);
    // Several outputs of one group: each reads the old values of the others at the same element only, which
    // holds because every read was checked as aligned above and all loads of an element precede its stores.
    if (!ok) continue;
    for (uint32_t g : before) preds[writer].insert(g);
    (*direct)[i] = true;
    taken.insert(v.index);
  }
  // Groups in dependence order, ties by their old number.
  std::vector<uint32_t> waiting(n);
  std::vector<std::vector<uint32_t>> succs(n);
  std::set<uint32_t> ready;
  for (uint32_t g = 0; g < n; ++g) {
    preds[g].erase(g);
    waiting[g] = static_cast<uint32_t>(preds[g].size());
    for (uint32_t p : preds[g]) succs[p].push_back(g);
    if (waiting[g] == 0) ready.insert(g);
  }
  while (!ready.empty()) {
    uint32_t g = *ready.begin();
    ready.erase(ready.begin());
    Item item;
    item.group = static_cast<int32_t>(g);
    s->items.push_back(std::move(item));
    for (uint32_t t : succs[g])
      if (--waiting[t] == 0) ready.insert(t);
  }
  TENON_CHECK(s->items.size() == n, "in-place writes made a cycle");
}

std::unique_ptr<Scope> Planner::scope(const Graph& graph, const std::vector<Place>& args,
                                      const std::vector<Destination>& results, bool commits) {
  auto s = std::make_unique<Scope>();
  s->graph = &graph;
  s->fusion = fuse(graph, options_.fuse, *out_.ranges);
  s->places.resize(graph.value_count());
  s->regions.resize(s->fusion.groups.size());
  s->scratch.resize(s->fusion.groups.size());
  s->touches.resize(s->fusion.groups.size());
  s->sums.assign(s->fusion.groups.size(), -1);
  s->may_fail = out_.ranges->may_fail(graph);
  for (size_t i = 0; i < graph.args.size(); ++i) s->places[graph.args[i].index] = args[i];
  const std::vector<RootId> panelled = panel_constants(s.get());
  // Stored constants live in the constants block, not in the arena.
  std::vector<bool> is_constant(graph.value_count(), false);
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (s->fusion.group_of[i] < 0 || node.op->generate == nullptr ||
        node.op->generate->what != ir::Generator::constant)
      continue;
    const auto& array = node.get<std::shared_ptr<const Array>>("value");
    const RootId panels = panelled[node.results[0].index];
    s->places[node.results[0].index].root = panels.valid() ? panels : constant_root(array);
    is_constant[node.results[0].index] = true;
    // Nothing computes it.
    Group& group = s->fusion.groups[static_cast<size_t>(s->fusion.group_of[i])];
    std::erase(group.outputs, node.results[0]);
  }

  std::vector<bool> direct;
  order_groups(s.get(), results, &direct);

  // Results that are arguments (or constants, views): copied at the end, from a copy taken at the start where
  // this graph overwrites their source.
  std::set<uint32_t> overwritten;
  for (const Destination& d : results)
    if (d.holds_old && d.place.root.valid()) overwritten.insert(d.place.root.index);
  for (size_t i = 0; i < results.size(); ++i)
    if (direct[i] && !is_constant[graph.results[i].index])
      s->places[graph.results[i].index] = results[i].place;
  std::vector<Item> first, last;
  for (size_t i = 0; i < results.size(); ++i) {
    ValueId v = graph.results[i];
    if (direct[i] && !is_constant[v.index]) continue;
    Place source = s->places[storage_of(graph, v).index];
    ValueId stored = storage_of(graph, v);
    bool is_arg = !graph.value(stored).node.valid();
    if (is_arg && same_place(source, results[i].place)) continue;
    if (is_arg && source.root.valid() && overwritten.count(source.root.index) != 0) {
      Place copy;
      copy.root = arena_root(graph.type(v), "old");
      Item item;
      item.copy = {source, copy, graph.type(v)};
      first.push_back(std::move(item));
      source = copy;
    }
    Item item;
    item.copy = {source, results[i].place, graph.type(v)};  // source: filled below where not yet placed
    item.writes_old = results[i].holds_old;
    item.copy.from = is_arg || source.root.valid() ? source : Place{};
    if (item.copy.from.none()) {
      // A value made here, without a place of its own yet.
      s->places[stored.index].root = arena_root(graph.type(stored), graph.value(stored).name);
      item.copy.from = s->places[stored.index];
    }
    last.push_back(std::move(item));
  }
  // Constants need no kernel.
  std::erase_if(s->items, [&](const Item& item) {
    // Control flow that is kept for what may fail in it has no results.
    const Node& node = graph.node(s->fusion.groups[static_cast<size_t>(item.group)].nodes[0]);
    return !node.results.empty() && is_constant[node.results[0].index];
  });
  s->items.insert(s->items.begin(), first.begin(), first.end());
  s->items.insert(s->items.end(), last.begin(), last.end());

  std::erase_if(s->items, [&](const Item& item) {
    if (item.group < 0) return false;
    const Group& group = s->fusion.groups[static_cast<size_t>(item.group)];
    bool computes = group.kind == GroupKind::pointwise || group.kind == GroupKind::reduce ||
                    group.kind == GroupKind::contract;
    return computes && group.outputs.empty();
  });
  std::vector<bool> returned(graph.value_count(), false);
  for (ValueId v : graph.results) returned[storage_of(graph, v).index] = true;
  const std::set<int32_t> nothing_to_do = place_parts(s.get(), returned, overwritten);
  std::erase_if(s->items, [&](Item& item) {
    ++position_;
    if (item.group < 0) {
      touch(item.copy.from);
      touch(item.copy.to);
      return false;
    }
    const Group& group = s->fusion.groups[static_cast<size_t>(item.group)];
    if (lies_inside(s.get(), group, returned)) return true;
    if (nothing_to_do.count(item.group) != 0) {
      touch(s->places[group.outputs[0].index]);
      return true;
    }
    const bool control_flow = group.kind == GroupKind::control;
    std::vector<Touch>& touches = s->touches[static_cast<size_t>(item.group)];
    for (const Read& r : reads(*s, group)) {
      const Place& p = s->places[r.value.index];
      touch(p);
      if (!control_flow) touches.push_back({p, graph.type(r.value).count(), false, r.dynamic, r.constant});
    }
    for (ValueId v : group.outputs) {
      Place& p = s->places[v.index];
      if (p.none()) p.root = arena_root(graph.type(v), graph.value(v).name);
      touch(p);
      if (!control_flow) touches.push_back({p, graph.type(v).count(), true, false, false});
    }
    int32_t& sums = s->sums[static_cast<size_t>(item.group)];
    sums = sums_output(*s, group);
    Copies copied;
    if (options_.target != nullptr) copied = copies(module_, out_, *s, item.group, *options_.target);
    for (auto& [dtype, count] : group_scratch(graph, group, sums, copied)) {
      Root root{RootBase::arena, dtype, count, "scratch"};
      RootId id = add(std::move(root));
      s->scratch[static_cast<size_t>(item.group)].push_back(id);
      Place p;
      p.root = id;
      touch(p);
    }
    for (size_t i = 0; i < results.size(); ++i) {
      NodeId producer = graph.value(graph.results[i]).node;
      if (direct[i] && results[i].holds_old && producer.valid() &&
          s->fusion.group_of[producer.index] == item.group)
        item.writes_old = true;
    }
    if (group.kind == GroupKind::control) control(s.get(), item.group);
    return false;
  });
  // Views have the place of what they show.
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (node.op->view == nullptr) continue;
    s->places[node.results[0].index] = s->places[storage_of(graph, node.results[0]).index];
  }
  (void)commits;
  return s;
}

// A contiguous slice of a value that stays as it is needs no copy: it gets its place inside that value.
bool Planner::lies_inside(Scope* s, const Group& group, const std::vector<bool>& returned) {
  const Graph& graph = *s->graph;
  if (group.nodes.size() != 1 || group.outputs.size() != 1) return false;
  const Node& node = graph.node(group.nodes[0]);
  const std::optional<Dim> offset = offset_in_operand(graph, node);
  if (!offset) return false;
  const ValueId result = node.results[0], whole = storage_of(graph, node.operands[0]);
  if (!s->places[result.index].none() || returned[result.index]) return false;
  if (returned[whole.index] || !graph.value(whole).node.valid()) return false;
  const Place& place = s->places[whole.index];
  if (!place.root.valid() || out_.roots[place.root.index].base != RootBase::arena) return false;
  Place inside = place;
  inside.offset = inside.offset + *offset;
  s->places[result.index] = std::move(inside);
  touch(s->places[result.index]);
  return true;
}

// Nor do concats of values that are made in this graph: they get their places inside the result.
// `overwritten`: roots that hold old values, to be read before they are written.
std::set<int32_t> Planner::place_parts(Scope* s, const std::vector<bool>& returned,
                                       const std::set<uint32_t>& overwritten) {
  const Graph& graph = *s->graph;
  std::set<int32_t> done;
  if (!options_.in_place) return done;
  auto movable = [&](ValueId stored) {
    const NodeId maker = graph.value(stored).node;
    if (!maker.valid() || returned[stored.index] || !s->places[stored.index].none()) return false;
    // Carries live where their loop is told to keep them, for as long as it runs.
    const Node& node = graph.node(maker);
    if (node.op->control != nullptr && node.op->control->what == ir::Control::loop &&
        graph.value(stored).result < carry_count(*node.regions[0]))
      return false;
    const int32_t group = s->fusion.group_of[maker.index];
    if (group < 0) return false;
    const std::vector<ValueId>& outputs = s->fusion.groups[static_cast<size_t>(group)].outputs;
    return std::find(outputs.begin(), outputs.end(), stored) != outputs.end();  // else it is read through
  };
  // Last first: the result may be part of another.
  for (size_t g = s->fusion.groups.size(); g-- > 0;) {
    const Group& group = s->fusion.groups[g];
    if (group.nodes.size() != 1 || group.outputs.size() != 1) continue;
    const ValueId result = group.outputs[0];
    Place whole = s->places[result.index];
    if (fits_registers(graph.type(result).count())) continue;
    if (!whole.none() && (!whole.root.valid() || overwritten.count(whole.root.index) != 0)) continue;
    const NodeId last = group.nodes.back();
    const auto parts =
        parts_of(graph, result, [&](NodeId n) { return n == last || s->fusion.group_of[n.index] < 0; });
    std::set<uint32_t> distinct;
    for (const Part& part : parts)
      if (movable(part.value)) distinct.insert(part.value.index);
    if (parts.empty() || distinct.size() != parts.size()) continue;
    if (whole.none()) whole.root = arena_root(graph.type(result), graph.value(result).name);
    s->places[result.index] = whole;
    for (const Part& part : parts) {
      Place inside = whole;
      inside.offset = inside.offset + part.offset;
      s->places[part.value.index] = std::move(inside);
    }
    done.insert(static_cast<int32_t>(g));
  }
  return done;
}

void Planner::control(Scope* s, int32_t group_number) {
  const Graph& graph = *s->graph;
  const Group& group = s->fusion.groups[static_cast<size_t>(group_number)];
  const Node& node = graph.node(group.nodes[0]);
  uint32_t begin = position_;
  auto operand_place = [&](size_t i) { return s->places[storage_of(graph, node.operands[i]).index]; };
  std::vector<std::unique_ptr<Scope>>& regions = s->regions[static_cast<size_t>(group_number)];
  if (node.op->control->what == ir::Control::loop) {
    const Graph& body = *node.regions[0];
    Loop loop;
    loop.trip = std::get_if<Dim>(&node.attr("trip")) != nullptr ? node.get<Dim>("trip") : Dim(0);
    loop.predicate = node.get<bool>("predicate");
    loop.reverse = node.get<bool>("reverse");
    loop.commit = node.get<bool>("commit");
    out_.loops.push_back(loop);
    LoopId id(out_.loops.size() - 1);
    std::vector<Place> args;
    std::vector<Destination> results;
    size_t operand = 0, carries = 0;
    for (ValueId a : body.args) {
      const ir::Value& v = body.value(a);
      Place p;
      switch (v.arg) {
        case ir::ArgKind::carry:
          p = s->places[node.results[carries].index];
          results.push_back({p, true});
          ++carries;
          ++operand;
          break;
        case ir::ArgKind::slice:
          p = operand_place(operand++);
          p.steps.push_back({id, v.type.count()});
          break;
        case ir::ArgKind::index:
          p.index = id;
          break;
        default:
          p = operand_place(operand++);
          break;
      }
      args.push_back(std::move(p));
    }
    std::vector<std::pair<Place, ir::Type>> cleared;
    for (size_t r = carries; r < node.results.size(); ++r) {
      Place p = s->places[node.results[r].index];
      if (loop.predicate) cleared.push_back({p, graph.type(node.results[r])});
      p.steps.push_back({id, body.type(body.results[r]).count()});
      results.push_back({std::move(p), false});
    }
    Place go_on;
    if (loop.predicate) {
      go_on.root = arena_root(body.type(body.results.back()), "go_on");
      results.push_back({go_on, false});
      touch(go_on);
    }
    std::unique_ptr<Scope> inner = scope(body, args, results, loop.commit);
    inner->loop = id;
    inner->go_on = go_on;
    inner->cleared = std::move(cleared);
    // Initial values: copied into the carries, unless they are there already.
    for (size_t c = 0; c < carries; ++c)
      inner->carries.push_back({operand_place(c), s->places[node.results[c].index]});
    regions.push_back(std::move(inner));
  } else {
    for (const auto& region : node.regions) {
      std::vector<Place> args;
      std::vector<Destination> results;
      for (size_t i = 0; i < region->args.size(); ++i) args.push_back(operand_place(i + 1));
      for (ValueId r : node.results) results.push_back({s->places[r.index], false});
      regions.push_back(scope(*region, args, results, false));
    }
  }
  ++position_;
  // What was live at the loop's entry and is used in it stays live until its end.
  for (Root& r : out_.roots)
    if (r.first <= begin && r.last >= begin) r.last = std::max(r.last, position_);
}

void Planner::place_arena() {
  // Large first. Symbolic sizes are compared at a usual value, so that the layout does not depend on ranges.
  const ir::DimRanges nominal = nominal_ranges(module_.dims);
  std::vector<uint32_t> order;
  for (uint32_t r = 0; r < out_.roots.size(); ++r)
    if (out_.roots[r].base == RootBase::arena && out_.roots[r].first != ~0u) order.push_back(r);
  auto high = [&](uint32_t r) { return out_.roots[r].count.range(nominal).high; };
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return high(a) != high(b) ? high(a) > high(b) : a < b; });
  for (uint32_t r : order)
    out_.arena.push_back(
        {RootId(r), out_.roots[r].count * Dim(static_cast<int64_t>(dtype_bytes(out_.roots[r].dtype)))});
}

}  // namespace

ir::DimRanges nominal_ranges(const ir::DimRanges& dims) {
  constexpr int64_t usual = 64;
  ir::DimRanges out;
  for (const auto& [name, range] : dims) {
    const int64_t value = std::clamp(usual, range.low, std::max(range.low, range.high));
    out[name] = {value, value};
  }
  return out;
}

Plan plan(const ir::Module& module, const ir::Function& function, Layout* layout,
          const PlanOptions& options) {
  return Planner(module, function, layout, options).run();
}

}  // namespace tenon::lower
