// The wide evaluator: independent arithmetic in a wider type with a running error bound.
#include "evaluate/evaluate.h"
#include "evaluate/wide_forms.h"
#include "ir/apply.h"
#include "support/float_environment.h"
#include "support/overloaded.h"

namespace tenon::evaluate {
namespace {

using ops::Wide;
namespace wide_ops = ops::wide;

template <class W>
class WidePolicy {
 public:
  using Tensor = WideTensor<W>;
  bool undecided_control = false;

  Tensor zeros(DType dtype, const std::vector<int64_t>& shape) { return Tensor(dtype, shape); }
  Tensor undecided(DType dtype, const std::vector<int64_t>& shape) {
    undecided_control = true;
    Tensor t(dtype, shape);
    for (int64_t i = 0; i < t.count(); ++i) t[i] = wide_ops::undecided<W>(dtype);
    return t;
  }
  Tensor row(const Tensor& x, int64_t i) {
    Tensor out(x.dtype(), std::vector<int64_t>(x.shape().begin() + 1, x.shape().end()));
    for (int64_t e = 0; e < out.count(); ++e) out[e] = x[i * out.count() + e];
    return out;
  }
  void set_row(Tensor* x, int64_t i, const Tensor& row) {
    for (int64_t e = 0; e < row.count(); ++e) (*x)[i * row.count() + e] = row[e];
  }
  Tensor index(int64_t i) {
    Tensor t(DType::i64, {});
    t[0] = wide_ops::integer<W>(i, DType::i64);
    return t;
  }
  std::optional<bool> decide(const Tensor& x) {
    if (x[0].undecided()) return std::nullopt;
    return x[0].value != 0;
  }
  Tensor hull(const Tensor& predicate, const Tensor& a, const Tensor& b) {
    Tensor out(a.dtype(), a.shape());
    for (int64_t e = 0; e < out.count(); ++e) out[e] = wide_ops::select(predicate[0], a[e], b[e]);
    return out;
  }

  Result<bool> compute(const NodeContext& c, const WideOperands<W>& in, std::vector<Tensor>* out,
                       Failure* failure) {
    return std::visit(Overloaded{
                          [&](const ir::ElementwiseForm*) { return keep(elementwise(c, in), out); },
                          [&](const ir::IndexMapForm*) { return keep(index_map(c, in), out); },
                          [&](const ir::ViewForm*) { return keep(view(c, in), out); },
                          [&](const ir::GenerateForm*) { return keep(wide_generate<W>(c, in), out); },
                          [&](const ir::IterationForm*) { return wide_iteration<W>(c, in, out, failure); },
                          [&](const ir::CheckForm*) { return check(c, in, out, failure); },
                          [&](const ir::ControlForm*) { return by_walker(c); },
                          [&](const ir::CompositeForm*) { return by_walker(c); },
                      },
                      c.node.op->form);
  }

 private:
  static Result<bool> keep(Result<Tensor> value, std::vector<Tensor>* out) {
    if (!value) return value.take_errors();
    out->push_back(std::move(*value));
    return true;
  }

  static Result<Tensor> elementwise(const NodeContext& c, const WideOperands<W>& in) {
    const ir::ElementwiseForm& form = *c.node.op->elementwise();
    const ir::ElementwiseForm::Wide rule = sizeof(W) == sizeof(double) ? form.wide32 : form.wide64;
    Tensor out(c.result().dtype, in[0]->shape());
    Wide<W> args[ir::ElementwiseForm::max_operands];
    for (int64_t e = 0; e < out.count(); ++e) {
      for (size_t i = 0; i < in.size(); ++i) args[i] = (*in[i])[e];
      if (in.size() == 2) args[0].twin = args[1].twin = c.node.operands[0] == c.node.operands[1];
      Wide<W> r{0, 0, out.dtype()};
      rule(args, &r);
      r.dtype = out.dtype();
      r.twin = false;
      out[e] = form.ulp > 0 ? ops::round_to(r, form.ulp) : r;
    }
    return out;
  }

  static Result<Tensor> index_map(const NodeContext& c, const WideOperands<W>& in) {
    TENON_ASSIGN(const std::vector<Source> sources, index_sources(c.node, c.operands(), c.result(), c.dims));
    TENON_ASSIGN(const std::vector<int64_t> shape, c.result_shape());
    Tensor out(c.result().dtype, shape);
    for (size_t e = 0; e < sources.size(); ++e)
      out[static_cast<int64_t>(e)] = (*in[sources[e].operand])[sources[e].element];
    return out;
  }
  static Result<Tensor> view(const NodeContext& c, const WideOperands<W>& in) {
    TENON_ASSIGN(const std::vector<int64_t> shape, c.result_shape());
    Tensor out(in[0]->dtype(), shape);
    for (int64_t e = 0; e < out.count(); ++e) out[e] = (*in[0])[e];
    return out;
  }

  Result<bool> check(const NodeContext& c, const WideOperands<W>& in, std::vector<Tensor>* out,
                     Failure* failure) {
    for (int64_t i = 0; i < in[1]->count(); ++i) {
      const Wide<W>& holds = (*in[1])[i];
      undecided_control |= holds.undecided();
      if (holds.undecided() || holds.value != 0) continue;
      *failure = {static_cast<uint16_t>(c.node.get<int64_t>("code")), i};
      return false;
    }
    out->push_back(*in[0]);
    return true;
  }
};

// |value in W - value| and W's bound, rounded outwards.
template <class W>
WideArray to_output(const WideTensor<W>& t) {
  WideArray out;
  out.shape = t.shape();
  for (int64_t i = 0; i < t.count(); ++i) {
    const double value = static_cast<double>(t[i].value);
    double bound = std::numeric_limits<double>::infinity();
    if (!t[i].undecided()) {
      const W lost = std::isfinite(t[i].value) ? std::abs(t[i].value - W(value)) : W(0);
      bound = static_cast<double>(t[i].bound + lost);
      if (bound > 0) bound = std::nextafter(bound, std::numeric_limits<double>::infinity());
    }
    out.value.push_back(value);
    out.bound.push_back(bound);
  }
  return out;
}

// Whether values of 64 bits or random numbers occur, also in regions and callees: a double holds neither
// every i64 nor a whole seed.
bool needs_wider(const ir::Module& module, const ir::Graph& graph, std::map<const ir::Graph*, bool>* seen) {
  if (auto known = seen->find(&graph); known != seen->end()) return known->second;
  (*seen)[&graph] = false;
  bool wider = false;
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const DType type = graph.type(ir::ValueId(v)).dtype;
    wider |= type == DType::f64 || type == DType::i64;
  }
  for (size_t n = 0; n < graph.node_count() && !wider; ++n) {
    const ir::Node& node = graph.node(ir::NodeId(n));
    if (node.op->generate() != nullptr) wider |= !node.operands.empty();  // seed and counters
    for (const auto& region : node.regions) wider |= needs_wider(module, *region, seen);
    if (ir::is_control(node, ir::Control::call) || ir::is_apply(node))
      if (const ir::Function* callee = module.find_function(node.get<std::string>("callee")))
        wider |= needs_wider(module, callee->graph, seen);
  }
  return (*seen)[&graph] = wider;
}

template <class W>
Result<WideOutputs> evaluate_wide(const ir::Module& module, const ir::Function& function,
                                  const Inputs& inputs, const ir::DimBindings& dims) {
  WidePolicy<W> policy;
  using WideWalker = Walker<WidePolicy<W>>;
  WideWalker walker(policy, &module, dims,
                    [&](const std::string& name, const ir::Type& type) -> Result<WideTensor<W>> {
                      TENON_ASSIGN(const Array value, entry_value(module, name, type, inputs, dims));
                      return WideTensor<W>::of(value);
                    });
  typename WideWalker::Refs given, results;
  for (const Array& a : inputs.arguments)
    given.push_back(std::make_shared<WideTensor<W>>(WideTensor<W>::of(a)));
  TENON_ASSIGN(typename WideWalker::Refs args, walker.arguments(function.graph, given));
  TENON_ASSIGN(const bool fine, walker.run(function.graph, std::move(args), &results));
  WideOutputs out;
  out.undecided_control = policy.undecided_control;
  if (!fine) return out;
  for (size_t i = 0; i < function.returns; ++i) out.returned.push_back(to_output(*results[i]));
  for (size_t i = 0; i < function.writes.size(); ++i)
    out.written[function.writes[i].global] = to_output(*results[function.returns + i]);
  return out;
}

}  // namespace

Result<WideOutputs> wide(const ir::Module& module, const ir::Function& function, const Inputs& inputs) {
  const FloatEnvironment environment;
  TENON_ASSIGN(const ir::DimBindings dims, bind_sizes(module, function, inputs));
  std::map<const ir::Graph*, bool> seen;
  if (needs_wider(module, function.graph, &seen))
    return evaluate_wide<long double>(module, function, inputs, dims);
  return evaluate_wide<double>(module, function, inputs, dims);
}

}  // namespace tenon::evaluate
