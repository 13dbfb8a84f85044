// Arenas: where each block of an entry or a procedure lies, as expressions of its sizes, and how many bytes
// they take.
#include <algorithm>

#include "lower/entry.h"

namespace tenon::lower {

void collect_dims(const Graph& graph, std::set<std::string>* names) {
  std::vector<std::string> found;
  for (size_t v = 0; v < graph.value_count(); ++v)
    for (const Dim& d : graph.type(ValueId(v)).shape) d.collect_symbols(&found);
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    for (const ir::Attr& a : node.attrs) {
      if (const Dim* d = std::get_if<Dim>(&a)) d->collect_symbols(&found);
      if (const auto* list = std::get_if<std::vector<Dim>>(&a))
        for (const Dim& d : *list) d.collect_symbols(&found);
    }
    for (const auto& region : node.regions) collect_dims(*region, names);
  }
  names->insert(found.begin(), found.end());
}

namespace {

// The highest end of what is placed, by when it is live: a tree over the positions, each node with the ends
// of all of it and of some of it, so that placing and asking take as many maxima as the tree is deep.
class Ends {
 public:
  Ends(kernel::Builder& b, uint32_t positions) : b_(b) {
    while (leaves_ < positions) leaves_ *= 2;
    all_.resize(2 * leaves_);
    some_.resize(2 * leaves_);
  }
  void place(uint32_t first, uint32_t last, ExprId end) { place(1, 0, leaves_, first, last + 1, end); }
  ExprId over(uint32_t first, uint32_t last) {
    ExprId out = b_.index(0);
    ask(1, 0, leaves_, first, last + 1, &out);
    return out;
  }

 private:
  void raise(ExprId* to, ExprId end) { *to = to->valid() ? b_.binary(kernel::Op::max, *to, end) : end; }
  void place(size_t node, uint32_t low, uint32_t high, uint32_t first, uint32_t last, ExprId end) {
    if (last <= low || high <= first) return;
    raise(&some_[node], end);
    if (first <= low && high <= last) return raise(&all_[node], end);
    const uint32_t middle = low + (high - low) / 2;
    place(2 * node, low, middle, first, last, end);
    place(2 * node + 1, middle, high, first, last, end);
  }
  void ask(size_t node, uint32_t low, uint32_t high, uint32_t first, uint32_t last, ExprId* out) {
    if (last <= low || high <= first) return;
    const bool inside = first <= low && high <= last;
    const ExprId end = inside ? some_[node] : all_[node];
    if (end.valid()) raise(out, end);
    if (inside) return;
    const uint32_t middle = low + (high - low) / 2;
    ask(2 * node, low, middle, first, last, out);
    ask(2 * node + 1, middle, high, first, last, out);
  }

  kernel::Builder& b_;
  uint32_t leaves_ = 1;
  std::vector<ExprId> all_, some_;  // of each node; invalid: none
};

}  // namespace

namespace {

const Application* any_application(const Scope& s, const std::function<bool(const Application&)>& test) {
  for (size_t n = 0; n < s.applications.size(); ++n) {
    if (s.applications[n] && test(*s.applications[n])) return &*s.applications[n];
    for (const auto& region : s.regions[n])
      if (const Application* found = any_application(*region, test)) return found;
  }
  return nullptr;
}

}  // namespace

std::vector<std::string> dims_of(const ir::Module& module, const Graph& graph, const Plan& plan) {
  std::set<std::string> names;
  collect_dims(graph, &names);
  any_application(*plan.scope, [&](const Application& a) {
    const Procedure& p = *a.procedure;
    std::vector<std::string> found;
    for (const std::string& name : dims_of(module, p.function->graph, *p.plan))
      Dim::symbol(name).substitute(a.sizes).collect_symbols(&found);
    names.insert(found.begin(), found.end());
    return false;
  });
  std::vector<std::string> out;
  for (const std::string& name : module.dim_order)
    if (names.contains(name)) out.push_back(name);
  return out;
}

bool uses_constants(const Plan& plan) {
  for (const Root& r : plan.roots)
    if (r.base == RootBase::constants) return true;
  return any_application(*plan.scope,
                         [](const Application& a) { return uses_constants(*a.procedure->plan); }) != nullptr;
}

std::vector<ExprId> arena_layout(kernel::Builder& b, const Plan& plan,
                                 const std::function<ExprId(const Dim&)>& dim) {
  // Each block stands behind the highest end among the blocks placed before it that are live with it.
  // Of few, all pairs are looked at: shorter expressions.
  constexpr size_t few = 256;
  const bool pairs = plan.arena.size() <= few;
  uint32_t positions = 1;
  for (const Plan::Block& block : plan.arena)
    positions = std::max(positions, plan.roots[block.root.index].last + 1);
  Ends live(b, pairs ? 1 : positions);
  std::vector<ExprId> offsets, ends;
  ExprId total = b.index(0);
  for (size_t i = 0; i < plan.arena.size(); ++i) {
    const Plan::Block& block = plan.arena[i];
    const Root& r = plan.roots[block.root.index];
    ExprId offset = pairs ? b.index(0) : live.over(r.first, r.last);
    for (size_t j = 0; pairs && j < i; ++j) {
      const Root& other = plan.roots[plan.arena[j].root.index];
      if (other.first <= r.last && r.first <= other.last) offset = b.binary(kernel::Op::max, offset, ends[j]);
    }
    ExprId a = b.index(alignment);
    ExprId exact = block.application == nullptr
                       ? dim(block.bytes)
                       : arena_layout(b, *block.application->procedure->plan, [&](const Dim& d) {
                           return dim(d.substitute(block.application->sizes));
                         }).back();
    ExprId bytes = b.mul(b.binary(kernel::Op::div, b.add(exact, b.index(alignment - 1)), a), a);
    offsets.push_back(offset);
    ends.push_back(b.let("end", b.add(offset, bytes)));
    if (!pairs) live.place(r.first, r.last, ends.back());
    total = b.binary(kernel::Op::max, total, ends.back());
  }
  offsets.push_back(total);
  return offsets;
}

void EntryEmitter::arena_offsets() {
  std::vector<ExprId> offsets = arena_layout(b_, plan_, [this](const Dim& d) { return dim(d); });
  for (size_t i = 0; i < plan_.arena.size(); ++i)
    offsets_[plan_.arena[i].root.index] = b_.let("offset", offsets[i]);
}

void EntryEmitter::arena_function() {
  kernel::Function f;
  f.name = interface_.arena_function;
  kernel::Builder b(f);
  std::map<std::string, ExprId> dims;
  for (const kernel::DimSlot& d : interface_.dims) dims[d.name] = b.use(b.scalar(d.name));
  VarId out = b.buffer("bytes", DType::i64, 0, false, true);
  std::vector<ExprId> layout = arena_layout(b, plan_, [&](const Dim& d) {
    return dim_value(b, d, module_.dims, [&](const std::string& n) { return dims.at(n); });
  });
  b.store(out, b.index(0), layout.back());
  f.comment = "bytes of arena that " + function_.name + " needs";
  out_->functions.push_back(std::move(f));
}

}  // namespace tenon::lower
