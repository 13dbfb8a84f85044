#include "lower/frame.h"

#include <algorithm>

#include "kernel/verify.h"
#include "lower/emit.h"

namespace tenon::lower {

namespace {

// Rounded down, as dimension expressions say; the kernel's division rounds toward zero.
ExprId divided(kernel::Builder& b, const Dim& numerator, ExprId n, ExprId d, const ir::DimRanges& ranges) {
  ExprId quotient = b.binary(kernel::Op::div, n, d);
  if (numerator.range(ranges).low >= 0) return quotient;
  ExprId below = b.binary(kernel::Op::lt, b.binary(kernel::Op::rem, n, d), b.index(0));
  return b.select(below, b.sub(quotient, b.index(1)), quotient);
}

}  // namespace

ExprId dim_value(kernel::Builder& b, const Dim& d, const ir::DimRanges& ranges,
                 const std::function<ExprId(const std::string&)>& symbol) {
  ExprId sum = b.index(d.offset());
  for (const Dim::Term& term : d.terms()) {
    ExprId product = b.index(term.coefficient);
    for (const Dim::Atom& factor : term.factors) {
      ExprId value;
      if (factor.quotient == nullptr) {
        value = symbol(factor.name);
      } else {
        const auto& [numerator, denominator] = *factor.quotient;
        value = divided(b, numerator, dim_value(b, numerator, ranges, symbol),
                        dim_value(b, denominator, ranges, symbol), ranges);
      }
      product = b.mul(product, value);
    }
    sum = b.add(sum, product);
  }
  return sum;
}

namespace {

// "rows_div_batch" for rows/batch: what a reader of the kernel wants to know.
std::string size_name(const Dim& d) {
  constexpr size_t longest = 32;
  std::string out;
  for (char c : d.text()) {
    switch (c) {
      case '/':
        out += "_div_";
        break;
      case '*':
        out += "_times_";
        break;
      case '+':
        out += "_plus_";
        break;
      case '-':
        out += "_minus_";
        break;
      case '(':
      case ')':
        break;
      default:
        out += c;
    }
  }
  if (out.empty() || out.size() > longest || out[0] == '_' || (out[0] >= '0' && out[0] <= '9')) return "size";
  return out;
}

}  // namespace

// One parameter for each expression, not for each symbol in it: the caller does the arithmetic, and kernels
// that differ only in what their sizes are made of (a batch, and the shorter last one) are the same.
ExprId Frame::dim(const Dim& d) {
  if (d.is_constant()) return b.index(d.constant());
  auto [it, fresh] = dims_.try_emplace(d.text());
  if (fresh) {
    it->second = b.use(b.scalar(size_name(d)));
    FrameArgument a{FrameArgument::Kind::dim};
    a.dim = d;
    arguments.push_back(std::move(a));
  }
  return it->second;
}

ExprId Frame::number(std::string_view name, int64_t value) {
  auto [it, fresh] = numbers_.try_emplace(value);
  if (fresh) {
    it->second = b.use(b.scalar(std::string(name)));
    arguments.push_back({.kind = FrameArgument::Kind::number, .number = value});
  }
  return it->second;
}

ExprId Frame::iteration(LoopId loop) {
  if (auto it = loops_.find(loop.index); it != loops_.end()) return it->second;
  auto [it, fresh] = outer_loops_.try_emplace(loop.index);
  if (fresh) {
    it->second = b.use(b.scalar("iteration"));
    FrameArgument a{FrameArgument::Kind::loop};
    a.loop = loop;
    arguments.push_back(std::move(a));
  }
  return it->second;
}

std::pair<VarId, ExprId> Frame::resolve(const Place& place, DType dtype, ExprId element, bool write) {
  TENON_CHECK(place.root.valid(), "a value without a place is read");
  // Steps of loops run here are added to the element; those of loops outside are the caller's business.
  FrameArgument a{FrameArgument::Kind::place};
  a.place.root = place.root;
  a.place.offset = place.offset;
  std::string key = std::to_string(place.root.index) + "+" + place.offset.text();
  const auto size = static_cast<int64_t>(dtype_bytes(dtype));
  bool aligned = place.offset.is_constant() && place.offset.constant() * size % 64 == 0;
  for (const Step& step : place.steps) {
    if (loops_.count(step.loop.index) != 0) {
      element = b.add(element, b.mul(loops_[step.loop.index], dim(step.stride)));
    } else {
      a.place.steps.push_back(step);
      key += "|" + std::to_string(step.loop.index) + ":" + step.stride.text();
      aligned = aligned && step.stride.is_constant() && step.stride.constant() * size % 64 == 0;
    }
  }
  auto it = buffers_.find(key);
  if (it == buffers_.end()) {
    const Root& root = plan_.roots[place.root.index];
    bool ours = root.base != RootBase::input && root.base != RootBase::output && root.base != RootBase::hyper;
    VarId var = b.buffer(root.name.empty() ? "t" : root.name, dtype, ours && aligned ? 64 : 0, false, false);
    arguments.push_back(std::move(a));
    it = buffers_.emplace(key, var).first;
  }
  kernel::Var& var = b.function().vars[it->second.index];
  (write ? var.written : var.read) = true;
  return {it->second, element};
}

ExprId Frame::load(const Place& place, DType dtype, ExprId element) {
  if (place.index.valid()) return iteration(place.index);
  if (plan_.roots[place.root.index].base == RootBase::hyper) {
    auto [it, fresh] = hypers_.try_emplace(place.root.index);
    if (fresh) {
      it->second = b.use(b.scalar(plan_.roots[place.root.index].name, dtype));
      FrameArgument a{FrameArgument::Kind::hyper};
      a.hyper = place.root;
      arguments.push_back(std::move(a));
    }
    return it->second;
  }
  if (auto it = registers_.find(place.root.index); it != registers_.end())
    return b.use(it->second, subscript(place.root, element));
  auto [var, index] = resolve(place, dtype, element, false);
  return b.load(var, index);
}

std::vector<ExprId> Frame::subscript(RootId root, ExprId element) const {
  TENON_CHECK(b.as_index(element) != nullptr, "a register is chosen by an index that is not constant");
  if (plan_.roots[root.index].count == Dim(1)) return {};
  return {element};
}

void Frame::keep(RootId root, bool from_memory) {
  const Root& r = plan_.roots[root.index];
  const int64_t count = r.count.constant();
  const std::string name = r.name.empty() ? "kept" : r.name;
  std::vector<ExprId> extents;
  if (count != 1) extents.push_back(b.index(count));
  VarId var = b.declare(name, r.dtype, b.constant(r.dtype, 0), extents);
  Place place;
  place.root = root;
  for (int64_t i = 0; from_memory && i < count; ++i)
    b.assign(var, b.let("v", load(place, r.dtype, b.index(i))), subscript(root, b.index(i)));
  registers_[root.index] = var;
  kept_ += count;
}

void Frame::release(RootId root, bool to_memory) {
  const Root& r = plan_.roots[root.index];
  const VarId var = registers_.at(root.index);
  registers_.erase(root.index);
  kept_ -= r.count.constant();
  Place place;
  place.root = root;
  for (int64_t i = 0; to_memory && i < r.count.constant(); ++i)
    store(place, r.dtype, b.index(i), b.use(var, subscript(root, b.index(i))));
}

void Frame::store(const Place& place, DType dtype, ExprId element, ExprId value) {
  if (auto it = registers_.find(place.root.index); it != registers_.end()) {
    b.assign(it->second, value, subscript(place.root, element));
    return;
  }
  auto [var, index] = resolve(place, dtype, element, true);
  b.store(var, index, value);
}

void Frame::prefetch(const Place& place, DType dtype, ExprId element, bool write) {
  auto [var, index] = resolve(place, dtype, element, write);
  b.prefetch(var, index, write);
}

std::optional<std::vector<VarId>> Frame::scratch(const std::vector<ScratchSize>& sizes) {
  kernel::Function& f = b.function();
  std::map<DType, std::vector<int64_t>> wanted;
  for (const auto& [dtype, vars] : scratch_)
    for (VarId v : vars) wanted[dtype].push_back(f.var(v).value);
  std::map<DType, size_t> next;
  for (const ScratchSize& s : sizes) {
    std::vector<int64_t>& all = wanted[s.dtype];
    const size_t at = next[s.dtype]++;
    if (at == all.size()) all.push_back(0);
    all[at] = std::max(all[at], s.elements);
  }
  int64_t bytes = 0;
  for (const auto& [dtype, all] : wanted)
    for (const int64_t elements : all) bytes += elements * static_cast<int64_t>(dtype_bytes(dtype));
  if (bytes > kernel::Limits().scratch_bytes) return std::nullopt;
  for (const auto& [dtype, all] : wanted) {
    std::vector<VarId>& vars = scratch_[dtype];
    for (size_t i = 0; i < all.size(); ++i) {
      if (i == vars.size()) vars.push_back(b.scratch("s", dtype, all[i]));
      f.vars[vars[i].index].value = all[i];
    }
  }
  std::vector<VarId> out;
  next.clear();
  for (const ScratchSize& s : sizes) out.push_back(scratch_[s.dtype][next[s.dtype]++]);
  return out;
}

ExprId Frame::bound(Bound which) {
  static constexpr const char* names[] = {"begin", "end", "across", "across_end"};
  ExprId& e = bounds_[static_cast<size_t>(which)];
  if (!e.valid()) {
    e = b.use(b.scalar(names[static_cast<size_t>(which)]));
    arguments.push_back({.kind = FrameArgument::Kind::span, .bound = which});
  }
  return e;
}

ExprId affine_value(Frame& frame, const AffineIndex& a, const std::vector<ExprId>& axes) {
  ExprId sum = frame.dim(a.constant);
  for (const AffineIndex::Part& p : a.parts)
    sum = frame.b.add(sum, frame.b.mul(axes[p.axis], frame.dim(p.coefficient)));
  return sum;
}

}  // namespace tenon::lower
