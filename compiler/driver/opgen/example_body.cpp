// A composite's body, shown on an example: the declaration's own sample, drawn until sizes are names and the
// attributes are as plain as they get.
#include "driver/opgen/opgen.h"
#include "ir/builder.h"
#include "ir/canonical.h"
#include "ir/print.h"

namespace tenon::driver {
namespace {

using ir::Dim;
using ir::DType;
using ir::OpDef;
using ir::Shape;
using ir::Type;

constexpr std::string_view sizes[] = {"n", "m", "k", "l", "p", "q", "r", "s"};

// Draws for one example, the same ones for the same number.
struct Draw {
  uint64_t state;
  size_t dims = 0;

  int64_t range(int64_t low, int64_t high) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return low + static_cast<int64_t>((state >> 33) % static_cast<uint64_t>(high - low + 1));
  }
  Dim dim() { return Dim::symbol(std::string(sizes[dims++ % std::size(sizes)])); }
};

DType type_in(ir::DTypes set) {
  for (const DType t : {DType::f32, DType::i32, DType::bool_})
    if (ir::dtype_in(t, set)) return t;
  return DType::f32;
}

ir::SampleContext sample(const OpDef& op, Draw* draw) {
  ir::SampleContext s;
  s.attrs.resize(op.attrs.size());
  s.state = draw;
  s.draw = [](void* d, int64_t low, int64_t high) { return static_cast<Draw*>(d)->range(low, high); };
  s.draw_dim = [](void* d) { return static_cast<Draw*>(d)->dim(); };
  if (op.sample != nullptr) {
    op.sample(s);
    s.attrs.resize(op.attrs.size());
    return s;
  }
  const Shape shape = {draw->dim(), draw->dim()};
  for (const ir::OperandDef& o : op.operands) s.operands.push_back({type_in(o.dtypes), shape});
  for (size_t i = 0; i < op.attrs.size(); ++i) {
    const ir::AttrDef& a = op.attrs[i];
    if (!a.preset.empty() || a.derive != nullptr) continue;
    if (a.kind == ir::AttrKind::number) s.attrs[i] = 0.5;
    if (a.kind == ir::AttrKind::integer) s.attrs[i] = int64_t{1};
    if (a.kind == ir::AttrKind::integers) s.attrs[i] = std::vector<int64_t>{1};
  }
  return s;
}

// Leaves to the declaration what it would fill in by itself.
void clear_optional(const OpDef& op, ir::SampleContext* s) {
  for (size_t i = 0; i < op.attrs.size(); ++i)
    if (!op.attrs[i].preset.empty() || op.attrs[i].derive != nullptr) s->attrs[i] = std::monostate{};
}

// The lower the plainer: matrices, all operands, presets, no zeros.
int strangeness(const OpDef& op, const ir::SampleContext& s) {
  int out = 0;
  for (const Type& t : s.operands) {
    out += t.rank() > 2 ? 2 * static_cast<int>(t.rank() - 2) : 3 * static_cast<int>(2 - t.rank());
    if (t.rank() == 0) out += 8;
    for (const Dim& d : t.shape) out += d.is_constant() ? 8 : 0;
  }
  if (s.operands.size() < op.operands.size()) out += 4;
  for (size_t i = 0; i < op.attrs.size(); ++i) {
    const ir::AttrDef& a = op.attrs[i];
    const bool given = s.attrs[i].index() != 0 && !ir::attr_equal(s.attrs[i], ir::preset_value(a));
    if (given && (!a.preset.empty() || a.derive != nullptr)) out += 3;
    if (const double* number = std::get_if<double>(&s.attrs[i])) out += *number == 0 ? 8 : 0;
  }
  return out;
}

// The whole function, or nothing where the draw does not fit the declaration; `nodes`: operations in it.
std::string body_text(const OpDef& op, const ir::SampleContext& s, size_t* nodes) {
  ir::Module module;
  for (const std::string_view name : sizes) module.dims[std::string(name)] = {1, 4096};
  ir::Graph call;
  std::vector<ir::ValueId> operands;
  for (size_t i = 0; i < s.operands.size(); ++i) {
    const bool repeated = op.operands[std::min(i, op.operands.size() - 1)].variadic;
    const size_t at = std::min(i, op.operands.size() - 1);
    const std::string name(op.operands[at].name);
    operands.push_back(
        call.add_arg(s.operands[i], ir::ArgKind::input, repeated ? name + std::to_string(i - at) : name));
  }
  ir::Function f;
  f.name = std::string(op.name);
  f.graph = call;
  auto made = ir::Builder(call, &module).try_emit(op, operands, s.attrs);
  if (!made || call.node_count() == 0) return {};
  const ir::Node& node = *call.producer(made->front());
  ir::Builder b(f.graph, &module);
  if (op.mode != nullptr) {
    f.mode = ir::Mode::training;
    const Type counter{DType::i64, {}};
    const ir::ValueId seed = f.graph.add_arg(counter, ir::ArgKind::input, "seed");
    const ir::ValueId step = f.graph.add_arg(counter, ir::ArgKind::input, "step");
    ir::ModeContext context{b, node, operands, true, {seed, step}, 0};
    f.graph.results = op.mode(context);
  } else {
    ir::BodyContext context{b, node, operands};
    f.graph.results = op.composite()->body(context);
  }
  ir::order_nodes(f.graph);  // C++ leaves the order of emission open
  f.returns = f.graph.results.size();
  *nodes = f.graph.node_count();
  ir::PrintOptions options;
  options.locations = false;
  return ir::print(f, module, options);
}

}  // namespace

std::string example_body(const OpDef& op) {
  constexpr uint64_t tries = 400;
  constexpr int empty = 6;  // strangeness of a body that does nothing
  std::string best;
  int least = 1 << 30;
  for (uint64_t seed = 1; seed <= 2 * tries; ++seed) {
    Draw draw{seed / 2 * 0x9E3779B97F4A7C15u};
    ir::SampleContext s = sample(op, &draw);
    if (seed % 2 == 0) clear_optional(op, &s);
    int strange = strangeness(op, s);
    if (strange >= least) continue;
    size_t nodes = 0;
    std::string text = body_text(op, s, &nodes);
    if (nodes == 0) strange += empty;
    if (!text.empty() && strange < least) best = std::move(text), least = strange;
  }
  return best;
}

}  // namespace tenon::driver
