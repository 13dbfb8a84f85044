// The exact evaluator: declared dtype and order, one scalar at a time.
#include "evaluate/evaluate.h"

#include "evaluate/exact_forms.h"
#include "ops/scalar.h"
#include "support/bytes.h"
#include "support/float_environment.h"
#include "support/overloaded.h"

namespace tenon::evaluate {

Result<Array> exact_elementwise(const NodeContext& c, const Operands& in) {
  const ir::ElementwiseForm& form = *c.node.op->elementwise();
  const DType key = in[form.key]->dtype(), to = c.result().dtype;
  const ir::ElementwiseForm::PerType functions =
      form.by_types != nullptr ? form.by_types(key, to) : form.types[static_cast<size_t>(key)];
  if (functions.exact == nullptr)
    return error(Code::dtype_unsupported,
                 std::string(c.node.op->name) + " does not compute with " + std::string(dtype_name(key)));
  Array out(to, in[0]->shape());
  const void* data[ir::ElementwiseForm::max_operands] = {};
  TENON_CHECK(in.size() <= ir::ElementwiseForm::max_operands);
  for (size_t i = 0; i < in.size(); ++i) {
    TENON_CHECK(in[i]->shape() == out.shape());
    data[i] = in[i]->data();
  }
  functions.exact(data, out.data(), out.count());
  return out;
}

namespace {

// Moves elements of any type.
void copy_element(Array* to, int64_t at, const Array& from, int64_t source, int64_t count = 1) {
  const size_t bytes = dtype_bytes(from.dtype());
  copy_bytes(to->data() + static_cast<size_t>(at) * bytes, from.data() + static_cast<size_t>(source) * bytes,
             static_cast<size_t>(count) * bytes);
}

class Exact {
 public:
  using Tensor = Array;

  Array zeros(DType dtype, const std::vector<int64_t>& shape) { return Array(dtype, shape); }
  Array undecided(DType dtype, const std::vector<int64_t>& shape) { return Array(dtype, shape); }
  Array row(const Array& x, int64_t i) {
    Array out(x.dtype(), std::vector<int64_t>(x.shape().begin() + 1, x.shape().end()));
    copy_element(&out, 0, x, i * out.count(), out.count());
    return out;
  }
  void set_row(Array* x, int64_t i, const Array& row) {
    copy_element(x, i * row.count(), row, 0, row.count());
  }
  Array index(int64_t i) { return Array::scalar<int64_t>(i); }
  std::optional<bool> decide(const Array& x) { return x.as<bool>()[0]; }
  Array hull(const Array&, const Array& a, const Array&) { return a; }  // never: decide always knows

  Result<bool> compute(const NodeContext& c, const Operands& in, std::vector<Array>* out, Failure* failure) {
    return std::visit(Overloaded{
                          [&](const ir::ElementwiseForm*) { return keep(exact_elementwise(c, in), out); },
                          [&](const ir::IndexMapForm*) { return keep(index_map(c, in), out); },
                          [&](const ir::ViewForm*) { return keep(view(c, in), out); },
                          [&](const ir::GenerateForm*) { return keep(exact_generate(c, in), out); },
                          [&](const ir::IterationForm*) { return exact_iteration(c, in, out, failure); },
                          [&](const ir::CheckForm*) { return check(c, in, out, failure); },
                          [&](const ir::ControlForm*) { return by_walker(c); },
                          [&](const ir::CompositeForm*) { return by_walker(c); },
                      },
                      c.node.op->form);
  }

 private:
  static Result<bool> keep(Result<Array> value, std::vector<Array>* out) {
    if (!value) return value.take_errors();
    out->push_back(std::move(*value));
    return true;
  }

  static Result<Array> index_map(const NodeContext& c, const Operands& in) {
    TENON_ASSIGN(const std::vector<Source> sources, index_sources(c.node, c.operands(), c.result(), c.dims));
    TENON_ASSIGN(const std::vector<int64_t> shape, c.result_shape());
    Array out(c.result().dtype, shape);
    for (size_t e = 0; e < sources.size(); ++e)
      copy_element(&out, static_cast<int64_t>(e), *in[sources[e].operand], sources[e].element);
    return out;
  }

  static Result<Array> view(const NodeContext& c, const Operands& in) {
    TENON_ASSIGN(const std::vector<int64_t> shape, c.result_shape());
    Array out(in[0]->dtype(), shape);
    TENON_CHECK(out.count() == in[0]->count());
    copy_element(&out, 0, *in[0], 0, out.count());
    return out;
  }

  static Result<bool> check(const NodeContext& c, const Operands& in, std::vector<Array>* out,
                            Failure* failure) {
    const std::span<const bool> holds = in[1]->as<bool>();
    for (size_t i = 0; i < holds.size(); ++i) {
      if (holds[i]) continue;
      *failure = {static_cast<uint16_t>(c.node.get<int64_t>("code")), static_cast<int64_t>(i)};
      return false;
    }
    out->push_back(*in[0]);
    return true;
  }
};

}  // namespace

Result<Outputs> exact(const ir::Module& module, const ir::Function& function, const Inputs& inputs) {
  const FloatEnvironment environment;
  TENON_ASSIGN(const ir::DimBindings dims, bind_sizes(module, function, inputs));
  Exact policy;
  using ExactWalker = Walker<Exact>;
  ExactWalker walker(policy, &module, dims, [&](const std::string& name, const ir::Type& type) {
    return entry_value(module, name, type, inputs, dims);
  });
  ExactWalker::Refs given, results;
  for (const Array& a : inputs.arguments) given.push_back(std::make_shared<Array>(a));
  TENON_ASSIGN(ExactWalker::Refs args, walker.arguments(function.graph, given));
  TENON_ASSIGN(const bool fine, walker.run(function.graph, std::move(args), &results));
  Outputs out;
  out.status = walker.failure().code;
  out.detail = walker.failure().detail;
  if (!fine) return out;
  for (size_t i = 0; i < function.returns; ++i) out.returned.push_back(*results[i]);
  for (size_t i = 0; i < function.writes.size(); ++i)
    out.written[function.writes[i].global] = *results[function.returns + i];
  return out;
}

Result<std::vector<Array>> exact_node(const ir::Graph& graph, ir::NodeId node,
                                      const std::vector<const Array*>& operands,
                                      const ir::DimBindings& dims) {
  const FloatEnvironment environment;
  Exact policy;
  using ExactWalker = Walker<Exact>;
  ExactWalker walker(policy, nullptr, dims, [](const std::string& name, const ir::Type&) -> Result<Array> {
    return error(Code::data_shape, "no value is given for " + name);
  });
  ExactWalker::Refs in, out;
  // Operands stay the caller's.
  for (const Array* a : operands) in.push_back(std::shared_ptr<const Array>(std::shared_ptr<void>(), a));
  TENON_ASSIGN(const bool fine, walker.step(graph, graph.node(node), std::move(in), &out));
  if (!fine)
    return error(
        static_cast<Code>(walker.failure().code),
        std::string(graph.node(node).op->name) + " fails at " + std::to_string(walker.failure().detail));
  std::vector<Array> results;
  for (const auto& r : out) results.push_back(*r);
  return results;
}

}  // namespace tenon::evaluate
