#include "lower/entry.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "ir/batch.h"
#include "ir/made_names.h"
#include "kernel/print.h"

namespace tenon::lower {

bool counts_steps(const Plan& plan, const Scope& body);
std::vector<Copy> initial_copies(const Scope& outer, int32_t group, const Scope& body);

namespace {

constexpr int64_t alignment = 64;
constexpr int64_t most_chunks = 64;

}  // namespace

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

std::vector<ExprId> arena_layout(kernel::Builder& b, const Plan& plan,
                                 const std::function<ExprId(const Dim&)>& dim) {
  // Each block stands behind the highest end among the blocks placed before it that are live with it.
  // Of few, all pairs are looked at: shorter expressions.
  constexpr size_t few = 256;
  const bool pairs = plan.arena.size() <= few;
  uint32_t positions = 1;
  for (const auto& [root, bytes] : plan.arena)
    positions = std::max(positions, plan.roots[root.index].last + 1);
  Ends live(b, pairs ? 1 : positions);
  std::vector<ExprId> offsets, ends;
  ExprId total = b.index(0);
  for (size_t i = 0; i < plan.arena.size(); ++i) {
    const Root& r = plan.roots[plan.arena[i].first.index];
    ExprId offset = pairs ? b.index(0) : live.over(r.first, r.last);
    for (size_t j = 0; pairs && j < i; ++j) {
      const Root& other = plan.roots[plan.arena[j].first.index];
      if (other.first <= r.last && r.first <= other.last) offset = b.binary(kernel::Op::max, offset, ends[j]);
    }
    ExprId a = b.index(alignment);
    ExprId bytes =
        b.mul(b.binary(kernel::Op::div, b.add(dim(plan.arena[i].second), b.index(alignment - 1)), a), a);
    offsets.push_back(offset);
    ends.push_back(b.let("end", b.add(offset, bytes)));
    if (!pairs) live.place(r.first, r.last, ends.back());
    total = b.binary(kernel::Op::max, total, ends.back());
  }
  offsets.push_back(total);
  return offsets;
}

EntryEmitter::EntryEmitter(const ScheduledModule& module, const ScheduledFunction& function, const Plan& plan,
                           const Options& options, kernel::Module* out, Kernels* kernels)
    : module_(*module.module),
      function_(*function.function),
      graph_(function.function->graph),
      plan_(plan),
      options_(options),
      sizes_(*module.sizes),
      out_(out),
      kernels_(kernels),
      guards_(function.guards),
      b_(entry_) {}

ExprId EntryEmitter::dim(const Dim& d) {
  return dim_value(b_, d, module_.dims, [this](const std::string& name) {
    auto it = dims_.find(name);
    TENON_CHECK(it != dims_.end(), name);
    return it->second;
  });
}

void EntryEmitter::parameters() {
  entry_.name = "entry_" + function_.name;
  entry_.entry = true;
  interface_.name = function_.name;
  interface_.origin = function_.origin;
  interface_.function = entry_.name;
  interface_.arena_function = "arena_" + function_.name;
  interface_.writes_state = !function_.writes.empty();
  for (const Loop& l : plan_.loops) interface_.loops = interface_.loops || l.commit;
  bool uses_constants = false;
  for (const Root& r : plan_.roots) uses_constants = uses_constants || r.base == RootBase::constants;
  auto add = [&](kernel::ParamRole role, std::string name, DType dtype, const Shape& shape) {
    kernel::EntryParam p{role, std::move(name), dtype, {}};
    for (const Dim& d : shape) p.shape.push_back(d.text());
    interface_.params.push_back(std::move(p));
  };
  state_ = b_.buffer("state", DType::u8, alignment, true, true);
  add(kernel::ParamRole::state, "state", DType::u8, {});
  arena_ = b_.buffer("arena", DType::u8, alignment, true, true);
  add(kernel::ParamRole::arena, "arena", DType::u8, {});
  if (uses_constants) {
    constants_ = b_.buffer("constants", DType::u8, alignment, true, false);
    add(kernel::ParamRole::constants, "constants", DType::u8, {});
  }
  for (ValueId v : plan_.inputs) {
    const ir::Value& value = graph_.value(v);
    inputs_.push_back(b_.buffer(value.name, value.type.dtype, 0, true, false));
    add(kernel::ParamRole::input, value.name, value.type.dtype, value.type.shape);
  }
  const std::vector<std::string> results = ir::result_names(function_);
  for (size_t i = 0; i < function_.returns; ++i) {
    const ir::Type& type = graph_.type(graph_.results[i]);
    const std::string& name = results[i];
    outputs_.push_back(b_.buffer(name, type.dtype, 0, true, true));
    add(kernel::ParamRole::output, name, type.dtype, type.shape);
  }
  for (uint32_t r = 0; r < plan_.roots.size(); ++r) {
    const Root& root = plan_.roots[r];
    if (root.base != RootBase::hyper) continue;
    hypers_[r] = b_.scalar(root.name, root.dtype);
    add(kernel::ParamRole::hyper, root.name, root.dtype, {});
    const ir::Global* hyper = module_.find_global(root.name);
    if (hyper != nullptr && !hyper->init.args.empty()) {
      with_dtype(root.dtype, [&]<class T>() {
        const T value = hyper->init.args[0].as<T>();
        std::memcpy(&interface_.params.back().bits, &value, sizeof value);
      });
    }
  }
  if (!interface_.loops) {
    if (const std::optional<ir::Batch> batch = ir::find_batch(function_).batch) {
      interface_.batch = batch->dim;
      std::unordered_map<std::string_view, const ir::BatchInput*> inputs;
      for (const ir::BatchInput& input : batch->inputs) inputs[input.name] = &input;
      for (kernel::EntryParam& p : interface_.params)
        if (const auto at = inputs.find(p.name); at != inputs.end() && p.role == kernel::ParamRole::input)
          p.cut = at->second->axes;
    }
  }
  std::set<std::string> names;
  collect_dims(graph_, &names);
  for (const std::string& name : module_.dim_order) {
    if (names.count(name) == 0) continue;
    dims_[name] = b_.use(b_.scalar(name));
    add(kernel::ParamRole::dim, name, DType::i64, {});
    const ir::DimRange& range = module_.dims.find(name)->second;
    interface_.dims.push_back({name, range.low, range.high});
  }
}

void EntryEmitter::arena_offsets() {
  std::vector<ExprId> offsets = arena_layout(b_, plan_, [this](const Dim& d) { return dim(d); });
  for (size_t i = 0; i < plan_.arena.size(); ++i)
    offsets_[plan_.arena[i].first.index] = b_.let("offset", offsets[i]);

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

ExprId EntryEmitter::address(const Place& place) {
  const Root& root = plan_.roots[place.root.index];
  int64_t size = static_cast<int64_t>(dtype_bytes(root.dtype));
  ExprId bytes = b_.index(static_cast<int64_t>(root.offset));
  VarId base;
  switch (root.base) {
    case RootBase::state:
      base = state_;
      break;
    case RootBase::constants:
      base = constants_;
      break;
    case RootBase::arena:
      base = arena_;
      bytes = offsets_.at(place.root.index);
      break;
    case RootBase::input:
      base = inputs_[root.slot];
      break;
    case RootBase::output:
      base = outputs_[root.slot];
      break;
    case RootBase::hyper:
      TENON_CHECK(false, "a hyper-parameter has no address");
  }
  if (!(place.offset == Dim(0))) bytes = b_.add(bytes, dim(place.offset * Dim(size)));
  for (const Step& step : place.steps)
    bytes = b_.add(bytes, b_.mul(loops_.at(step.loop.index), dim(step.stride * Dim(size))));
  return b_.address(base, bytes, root.dtype);
}

ExprId EntryEmitter::argument(const FrameArgument& a, ExprId begin, ExprId end) {
  switch (a.kind) {
    case FrameArgument::Kind::place:
      return address(a.place);
    case FrameArgument::Kind::dim:
      return dim(a.dim);
    case FrameArgument::Kind::hyper:
      return b_.use(hypers_.at(a.hyper.index));
    case FrameArgument::Kind::loop:
      return loops_.at(a.loop.index);
    case FrameArgument::Kind::span:
      return a.span_end ? end : begin;
  }
  return begin;
}

namespace {
// Of a kernel that several operations share, each of its fail statements names them all.
void join_places(std::vector<kernel::Stmt>* to, const std::vector<kernel::Stmt>& from) {
  constexpr size_t longest = 400;
  for (size_t i = 0; i < to->size() && i < from.size(); ++i) {
    kernel::Stmt& s = (*to)[i];
    const std::string& other = from[i].comment;
    if (s.kind == kernel::StmtKind::fail && s.comment.find(other) == std::string::npos &&
        s.comment.size() < longest)
      s.comment += " or " + other;
    join_places(&s.body, from[i].body);
    join_places(&s.other, from[i].other);
  }
}
}  // namespace

void EntryEmitter::outline(const std::string& comment, const Work& work,
                           const std::function<void(Frame&, ExprId, ExprId)>& body) {
  kernel::Function f;
  f.comment = comment;
  Frame frame(f, module_, plan_, sizes_);
  ExprId begin = frame.b.index(0), end = frame.b.index(1);
  if (!work.serial) {
    begin = frame.span_begin();
    end = frame.span_end();
  }
  body(frame, begin, end);
  f.name = "k_" + kernel::structural_hash(f).hex().substr(0, 12);
  std::string name = f.name;
  const auto [same, fresh] = kernels_->try_emplace(name, out_->functions.size());
  if (fresh)
    out_->functions.push_back(std::move(f));
  else
    join_places(&out_->functions[same->second].body, f.body);

  auto call = [&](ExprId lo, ExprId hi) {
    std::vector<ExprId> args;
    for (const FrameArgument& a : frame.arguments) args.push_back(argument(a, lo, hi));
    b_.comment(comment);
    b_.call(name, std::move(args));
  };
  ExprId extent = dim(work.extent);
  int64_t high = work.extent.range(module_.dims).high;
  // Least indices of a chunk, a multiple of the granule.
  double least = std::ceil(options_.chunk_cycles / std::max(work.cost, 1e-9));
  int64_t size = static_cast<int64_t>(std::min(least, 1e15));
  size = (size + work.granule - 1) / work.granule * work.granule;
  // A range widened does not change the code: sizes that are not constant take the general form.
  const bool symbolic = !work.extent.is_constant();
  if (work.serial || !options_.parallel || (!symbolic && size >= high)) {
    call(b_.index(0), extent);
    return;
  }
  ExprId chunk = b_.index(size);
  if (symbolic || high / size >= most_chunks) {
    ExprId g = b_.index(work.granule);
    ExprId even =
        b_.binary(kernel::Op::div, b_.add(extent, b_.index(most_chunks - 1)), b_.index(most_chunks));
    even = b_.mul(b_.binary(kernel::Op::div, b_.add(even, b_.index(work.granule - 1)), g), g);
    chunk = b_.binary(kernel::Op::max, chunk, even);
  }
  ExprId count = b_.binary(kernel::Op::div, b_.sub(b_.add(extent, chunk), b_.index(1)), chunk);
  // An expression of dimensions alone: an entry whose phases all have one chunk takes no threads.
  ExprId c = b_.begin_parallel("c", count);
  ExprId lo = b_.let("lo", b_.mul(c, chunk));
  call(lo, b_.let("hi", b_.binary(kernel::Op::min, b_.add(lo, chunk), extent)));
  b_.end();
}

void EntryEmitter::copy(const Copy& c) {
  Work work;
  work.extent = c.type.count();
  work.granule = 64;
  work.cost = 0.125;
  work.serial = c.type.shape.empty();
  outline("copy", work, [&](Frame& f, ExprId begin, ExprId end) { emit_copy(f, c, begin, end); });
}

void EntryEmitter::group(const Scope& s, int32_t number) {
  const auto n = static_cast<size_t>(number);
  if (const std::optional<Work>& pack = s.packs[n])
    outline("panels of a right factor", *pack,
            [&](Frame& f, ExprId begin, ExprId end) { emit_pack(f, s, number, begin, end); });
  outline(group_comment(s, number), s.works[n],
          [&](Frame& f, ExprId begin, ExprId end) { emit_group(f, s, number, begin, end); });
}

void EntryEmitter::loop(const Scope& s, int32_t number) {
  const Scope& body = *s.regions[static_cast<size_t>(number)][0];
  const Loop& l = plan_.loops[body.loop.index];
  for (const Copy& c : initial_copies(s, number, body)) copy(c);
  ExprId trip = dim(l.trip);
  ExprId t = b_.begin_for("t", b_.index(0), trip, b_.index(1));
  loops_[body.loop.index] = l.reverse ? b_.let("t", b_.sub(b_.sub(trip, b_.index(1)), t)) : t;
  scope(body);
  if (counts_steps(plan_, body)) b_.progress(b_.index(1));
  b_.end();
}

void EntryEmitter::scope(const Scope& s) {
  bool stopped = !s.may_fail;
  for (const Item& item : s.items) {
    if (item.writes_old && !stopped) {
      b_.stop_on_failure();
      stopped = true;
    }
    if (item.group < 0) {
      copy(item.copy);
      continue;
    }
    const Group& g = s.fusion.groups[static_cast<size_t>(item.group)];
    if (g.kind != GroupKind::control) {
      group(s, item.group);
      continue;
    }
    const Node& node = s.graph->node(g.nodes[0]);
    double cycles = 0;
    for (const auto& region : s.regions[static_cast<size_t>(item.group)])
      cycles += scope_cycles(sizes_, *region);
    // Predicates are values in memory, which only kernels read.
    bool is_loop = node.op->control()->what == ir::Control::loop && !node.get<bool>("predicate");
    if (is_loop && cycles > options_.inline_cycles) {
      loop(s, item.group);
    } else {
      Work serial;
      serial.serial = true;
      outline(group_comment(s, item.group), serial,
              [&](Frame& f, ExprId, ExprId) { emit_control(f, s, item.group); });
    }
    // A failed iteration ends the call: what follows would work on a half-done loop.
    if (s.may_fail) b_.stop_on_failure();
  }
}

// One kernel, or several one after the other where its code would be large: code generation takes more than
// twice as long for a function of twice the size.
void EntryEmitter::serial_kernels(const Scope& s) {
  constexpr uint64_t most_code = 8192;
  const std::vector<uint64_t> sizes = code_sizes(s);
  Work work;
  work.serial = true;
  size_t first = 0;
  do {
    size_t last = first;
    for (uint64_t code = 0; last < sizes.size(); ++last) {
      code += sizes[last];
      if (last > first && code > most_code) break;
    }
    // A kernel that stops leaves itself only.
    if (first > 0 && s.may_fail) b_.stop_on_failure();
    outline(function_.name, work, [&](Frame& f, ExprId, ExprId) { emit_scope(f, s, first, last); });
    first = last;
  } while (first < sizes.size());
}

void EntryEmitter::test_sizes() {
  for (const SizeGuard& g : guards_) {
    const ExprId value = b_.let(g.name, dim(g.value));
    const ExprId outside = b_.binary(kernel::Op::bor, b_.binary(kernel::Op::lt, value, b_.index(g.range.low)),
                                     b_.binary(kernel::Op::lt, b_.index(g.range.high), value));
    b_.comment(g.name + " = " + g.value.text() + ", which takes " + std::to_string(g.range.low) + " to " +
               std::to_string(g.range.high));
    b_.fail(static_cast<uint16_t>(Code::size_range), outside, value);
  }
  if (!guards_.empty()) b_.stop_on_failure();
}

void EntryEmitter::run() {
  parameters();
  test_sizes();
  arena_offsets();
  if (scope_cycles(sizes_, *plan_.scope) <= options_.inline_cycles) {
    serial_kernels(*plan_.scope);
  } else {
    scope(*plan_.scope);
  }
  entry_.comment = function_.name;
  out_->functions.push_back(std::move(entry_));
  out_->entries.push_back(std::move(interface_));
}

}  // namespace tenon::lower
