#include "lower/entry.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernel/print.h"

namespace tenon::lower {

bool counts_steps(const Plan& plan, const Scope& body);
std::vector<Copy> initial_copies(const Scope& outer, int32_t group, const Scope& body);

namespace {

constexpr int64_t most_chunks = 64;

}  // namespace

EntryEmitter::EntryEmitter(const ScheduledModule& module, const ScheduledFunction& function, const Plan& plan,
                           const Layout& layout, const Options& options, kernel::Module* out,
                           Kernels* kernels)
    : module_(*module.module),
      function_(*function.function),
      graph_(function.function->graph),
      plan_(plan),
      layout_(layout),
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
    case RootBase::global:
      base = globals_[root.slot];
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

ExprId EntryEmitter::argument(const FrameArgument& a, const std::array<ExprId, 4>& bounds) {
  switch (a.kind) {
    case FrameArgument::Kind::place:
      return address(a.place);
    case FrameArgument::Kind::dim:
      return dim(a.dim);
    case FrameArgument::Kind::hyper:
      return b_.use(hypers_.at(a.hyper.index));
    case FrameArgument::Kind::loop:
      return loops_.at(a.loop.index);
    case FrameArgument::Kind::number:
      return b_.index(a.number);
    case FrameArgument::Kind::span:
      return bounds[static_cast<size_t>(a.bound)];
  }
  return bounds[0];
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
  const bool two = work.across_size > 0 && !work.serial;
  if (!work.serial) {
    begin = frame.bound(Bound::begin);
    end = frame.bound(Bound::end);
    if (two) frame.across.emplace(frame.bound(Bound::across_begin), frame.bound(Bound::across_end));
  }
  body(frame, begin, end);
  f.name = "k_" + kernel::structural_hash(f).hex().substr(0, 12);
  std::string name = f.name;
  const auto [same, fresh] = kernels_->try_emplace(name, out_->functions.size());
  if (fresh)
    out_->functions.push_back(std::move(f));
  else
    join_places(&out_->functions[same->second].body, f.body);

  auto call = [&](ExprId lo, ExprId hi, ExprId across, ExprId across_end) {
    std::vector<ExprId> args;
    for (const FrameArgument& a : frame.arguments) args.push_back(argument(a, {lo, hi, across, across_end}));
    b_.comment(comment);
    b_.call(name, std::move(args));
  };
  ExprId extent = dim(work.extent), across = dim(work.across);
  // Pieces of the second axis: each does a part of what an index costs.
  const int64_t pieces = two ? (work.across.constant() + work.across_size - 1) / work.across_size : 1;
  int64_t high = work.extent.range(module_.dims).high;
  // Least indices of a chunk, a multiple of the granule.
  double least = std::ceil(options_.chunk_cycles / std::max(work.cost / static_cast<double>(pieces), 1e-9));
  int64_t size = static_cast<int64_t>(std::min(least, 1e15));
  size = (size + work.granule - 1) / work.granule * work.granule;
  // A range widened does not change the code: sizes that are not constant take the general form.
  const bool symbolic = !work.extent.is_constant();
  if (work.serial || !options_.parallel || (!symbolic && size >= high && pieces == 1)) {
    call(b_.index(0), extent, b_.index(0), across);
    return;
  }
  ExprId chunk = b_.index(size);
  const int64_t most = std::max<int64_t>(1, most_chunks / pieces);
  if (symbolic || high / size >= most) {
    ExprId g = b_.index(work.granule);
    ExprId even = b_.binary(kernel::Op::div, b_.add(extent, b_.index(most - 1)), b_.index(most));
    even = b_.mul(b_.binary(kernel::Op::div, b_.add(even, b_.index(work.granule - 1)), g), g);
    chunk = b_.binary(kernel::Op::max, chunk, even);
  }
  ExprId count = b_.binary(kernel::Op::div, b_.sub(b_.add(extent, chunk), b_.index(1)), chunk);
  // An expression of dimensions alone: an entry whose phases all have one chunk takes no threads.
  ExprId c = b_.begin_parallel("c", b_.mul(count, b_.index(pieces)));
  ExprId row = c, piece = b_.index(0);
  if (pieces > 1) {
    row = b_.let("row", b_.binary(kernel::Op::div, c, b_.index(pieces)));
    piece =
        b_.let("piece", b_.mul(b_.binary(kernel::Op::rem, c, b_.index(pieces)), b_.index(work.across_size)));
  }
  ExprId lo = b_.let("lo", b_.mul(row, chunk));
  ExprId hi = b_.let("hi", b_.binary(kernel::Op::min, b_.add(lo, chunk), extent));
  ExprId piece_end = across;
  if (pieces > 1)
    piece_end =
        b_.let("piece_end", b_.binary(kernel::Op::min, b_.add(piece, b_.index(work.across_size)), across));
  call(lo, hi, piece, piece_end);
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

void EntryEmitter::apply(const Scope& s, int32_t number) {
  for (const Copy& c : s.moves[static_cast<size_t>(number)]) copy(c);
  b_.comment(group_comment(s, number));
  call_procedure(*s.applications[static_cast<size_t>(number)]);
}

// In the order of procedure_parameters.
void EntryEmitter::call_procedure(const Application& a) {
  const Plan& callee = *a.procedure->plan;
  std::vector<ExprId> args{
      b_.address(arena_, a.arena.valid() ? offsets_.at(a.arena.index) : b_.index(0), DType::u8)};
  if (uses_constants(callee)) args.push_back(b_.address(constants_, b_.index(0), DType::u8));
  for (const std::vector<Place>* places : {&a.inputs, &a.globals, &a.outputs})
    for (const Place& p : *places) args.push_back(address(p));
  for (const Root& root : callee.roots)
    if (root.base == RootBase::hyper) args.push_back(b_.use(hypers_.at(a.hypers.at(root.name).index)));
  for (const std::string& name : dims_of(module_, a.procedure->function->graph, callee))
    args.push_back(dim(Dim::symbol(name).substitute(a.sizes)));
  b_.call(procedure_name(*a.procedure->function), std::move(args));
}

namespace {

// LLVM looks through a block once for each load in it: a kernel has at most so many.
constexpr uint64_t most_reads = 512;

// A loop that the entry can run, for it is no loop to a predicate: predicates are values in memory, which
// only kernels read.
bool is_counted_loop(const Node& node) {
  return node.op->control()->what == ir::Control::loop && !node.get<bool>("predicate");
}

// Whether a body would be too long for a block of one kernel.
bool is_long(const Scope& body) {
  uint64_t reads = 0;
  for (const CodeSize& size : code_sizes(body)) reads += size.reads;
  return reads > most_reads;
}

}  // namespace

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
    if (s.applications[static_cast<size_t>(item.group)]) {
      apply(s, item.group);
      if (s.may_fail) b_.stop_on_failure();
      continue;
    }
    const Node& node = s.graph->node(g.nodes[0]);
    double cycles = 0;
    bool is_large = false;
    for (const auto& region : s.regions[static_cast<size_t>(item.group)]) {
      cycles += scope_cycles(sizes_, *region);
      is_large = is_large || is_long(*region);
    }
    if (is_counted_loop(node) && (is_large || cycles > options_.inline_cycles)) {
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
  const std::vector<CodeSize> sizes = code_sizes(s);
  Work work;
  work.serial = true;
  size_t first = 0;
  do {
    size_t last = first;
    for (uint64_t code = 0, reads = 0; last < sizes.size(); ++last) {
      code += sizes[last].instructions;
      reads += sizes[last].reads;
      if (last > first && (code > most_code || reads > most_reads)) break;
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

void EntryEmitter::body() {
  test_sizes();
  arena_offsets();
  const Scope& s = *plan_.scope;
  const bool long_loop = std::any_of(s.items.begin(), s.items.end(), [&](const Item& item) {
    if (item.group < 0) return false;
    const auto group = static_cast<size_t>(item.group);
    const Group& g = s.fusion.groups[group];
    return g.kind == GroupKind::control && !s.applications[group] &&
           is_counted_loop(s.graph->node(g.nodes[0])) &&
           std::any_of(s.regions[group].begin(), s.regions[group].end(),
                       [](const auto& region) { return is_long(*region); });
  });
  if (!long_loop && scope_cycles(sizes_, s) <= options_.inline_cycles) {
    serial_kernels(s);
  } else {
    scope(s);
  }
}

void EntryEmitter::run() {
  interface();
  arena_function();
  body();
  entry_.comment = function_.name;
  out_->functions.push_back(std::move(entry_));
  out_->entries.push_back(std::move(interface_));
}

void EntryEmitter::run_procedure() {
  procedure_parameters();
  body();
  entry_.comment = function_.name + ", for those that apply it";
  out_->functions.push_back(std::move(entry_));
}

}  // namespace tenon::lower
