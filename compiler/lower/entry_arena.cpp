// Arenas: where each block of an entry or a procedure lies, as expressions of its sizes, and how many bytes
// they take.
#include <algorithm>
#include <optional>
#include <utility>

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
    ExprId out;
    ask(1, 0, leaves_, first, last + 1, &out);
    return out.valid() ? out : b_.index(0);
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

namespace {

using Lives = std::vector<std::pair<uint32_t, uint32_t>>;  // of each block: first and last position

// For each block the earlier ones behind which it stands, and last, those behind which all of the arena does:
// blocks that are live together, less those behind which one of these stands already. None where that are
// more than a tree over the positions takes.
std::optional<std::vector<std::vector<uint32_t>>> behind_which(const Lives& lives) {
  constexpr size_t most_blocks = 4096, most_each = 24;
  const size_t n = lives.size(), words = n / 64 + 1;
  if (n > most_blocks) return std::nullopt;
  std::vector<uint64_t> below(words * (n + 1));  // of each block: all that it stands behind
  std::vector<std::vector<uint32_t>> out(n + 1);
  size_t all = 0;
  for (size_t i = 0; i <= n; ++i) {
    uint64_t* mine = &below[words * i];
    for (size_t j = i; j-- > 0;) {
      const bool together =
          i == n || (lives[j].first <= lives[i].second && lives[i].first <= lives[j].second);
      if (!together || (mine[j / 64] >> (j % 64) & 1) != 0) continue;
      out[i].push_back(static_cast<uint32_t>(j));
      for (size_t w = 0; w < words; ++w) mine[w] |= below[words * j + w];
      mine[j / 64] |= uint64_t{1} << (j % 64);
    }
    all += out[i].size();
  }
  if (all > most_each * (n + 1)) return std::nullopt;
  return out;
}

}  // namespace

std::vector<ExprId> arena_layout(kernel::Builder& b, const Plan& plan,
                                 const std::function<ExprId(const Dim&)>& dim) {
  // Each block stands behind the highest end among the blocks placed before it that are live with it.
  Lives lives;
  uint32_t positions = 1;
  for (const Plan::Block& block : plan.arena) {
    const Root& r = plan.roots[block.root.index];
    lives.emplace_back(r.first, r.last);
    positions = std::max(positions, r.last + 1);
  }
  const auto behind = behind_which(lives);
  Ends tree(b, behind ? 1 : positions);
  std::vector<ExprId> offsets, ends;
  auto place = [&](uint32_t first, uint32_t last) {
    if (!behind) return offsets.push_back(tree.over(first, last));
    const std::vector<uint32_t>& before = (*behind)[offsets.size()];
    ExprId offset = before.empty() ? b.index(0) : ends[before.front()];
    for (size_t k = 1; k < before.size(); ++k) offset = b.binary(kernel::Op::max, offset, ends[before[k]]);
    offsets.push_back(offset);
  };
  for (size_t i = 0; i < lives.size(); ++i) {
    const Plan::Block& block = plan.arena[i];
    const auto [first, last] = lives[i];
    place(first, last);
    ExprId a = b.index(alignment);
    ExprId exact = block.application == nullptr
                       ? dim(block.bytes)
                       : arena_layout(b, *block.application->procedure->plan, [&](const Dim& d) {
                           return dim(d.substitute(block.application->sizes));
                         }).back();
    ExprId bytes = b.mul(b.binary(kernel::Op::div, b.add(exact, b.index(alignment - 1)), a), a);
    ends.push_back(b.let("end", b.add(offsets[i], bytes)));
    if (!behind) tree.place(first, last, ends.back());
  }
  place(0, positions - 1);
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
