// Walker: runs graphs node by node for an evaluator. Order, life of values, control flow, calls and
// composites stand here once; what values are and how operations compute is the evaluator's (P). Iterates
// over nodes; it recurs only into regions, callees and composite bodies, whose nesting is bounded.
//
// P offers: Tensor (with dtype() and shape()); zeros, row, set_row, index, decide, hull; and
//   Result<bool> compute(const NodeContext&, const std::vector<const Tensor*>&, std::vector<Tensor>*,
//   Failure*)
// for all forms but control and composite; false: a check failed, and Failure tells it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "evaluate/sizes.h"
#include "ir/apply.h"
#include "ir/builder.h"

namespace tenon::evaluate {

struct Failure {
  uint16_t code = 0;
  int64_t detail = 0;
};

struct NodeContext {
  const ir::Graph& graph;
  const ir::Node& node;
  const ir::DimBindings& dims;

  const ir::Type& operand(size_t i) const { return graph.type(node.operands[i]); }
  const ir::Type& result(size_t i = 0) const { return graph.type(node.results[i]); }
  std::vector<ir::Type> operands() const {
    std::vector<ir::Type> types;
    for (ir::ValueId v : node.operands) types.push_back(graph.type(v));
    return types;
  }
  Result<std::vector<int64_t>> result_shape(size_t i = 0) const {
    return ir::evaluate_shape(result(i).shape, dims);
  }
};

// Regions and bodies are the walker's.
inline Result<bool> by_walker(const NodeContext& c) {
  TENON_CHECK(false, std::string(c.node.op->name) + " is run by the walker");
  return false;
}

template <class P>
class Walker {
 public:
  using Tensor = typename P::Tensor;
  using Ref = std::shared_ptr<const Tensor>;
  using Refs = std::vector<Ref>;
  using GlobalValue = std::function<Result<Tensor>(const std::string& name, const ir::Type& type)>;

  Walker(P& policy, const ir::Module* module, const ir::DimBindings& dims, GlobalValue global)
      : policy_(policy), module_(module), dims_(dims), global_(std::move(global)) {}

  const Failure& failure() const { return failure_; }

  // Values of the graph's results, in order. false: a check failed.
  Result<bool> run(const ir::Graph& graph, Refs args, Refs* results) {
    TENON_CHECK(args.size() == graph.args.size());
    auto [uses, fresh] = uses_.try_emplace(&graph);
    if (fresh) uses->second = ir::count_uses(graph);
    std::vector<uint32_t> left = uses->second;
    Refs values(graph.value_count());
    for (size_t i = 0; i < args.size(); ++i) values[graph.args[i].index] = std::move(args[i]);
    for (size_t n = 0; n < graph.node_count(); ++n) {
      const ir::Node& node = graph.node(ir::NodeId(n));
      Refs operands;
      for (ir::ValueId v : node.operands) {
        operands.push_back(values[v.index]);
        if (--left[v.index] == 0) values[v.index] = nullptr;
      }
      Refs out;
      TENON_ASSIGN(const bool fine, step(graph, node, std::move(operands), &out));
      if (!fine) return false;
      TENON_CHECK(out.size() == node.results.size());
      for (size_t i = 0; i < out.size(); ++i)
        if (left[node.results[i].index] > 0) values[node.results[i].index] = std::move(out[i]);
    }
    results->clear();
    for (ir::ValueId v : graph.results) results->push_back(values[v.index]);
    return true;
  }

  // Arguments of a function's graph: inputs in order, globals by name.
  Result<Refs> arguments(const ir::Graph& graph, const Refs& inputs) {
    Refs args;
    size_t next = 0;
    for (ir::ValueId a : graph.args) {
      const ir::Value& arg = graph.value(a);
      if (arg.arg == ir::ArgKind::global) {
        TENON_ASSIGN(Ref value, global(arg.name, arg.type));
        args.push_back(std::move(value));
      } else {
        TENON_CHECK(next < inputs.size());
        args.push_back(inputs[next++]);
      }
    }
    return args;
  }

  Result<bool> step(const ir::Graph& graph, const ir::Node& node, Refs operands, Refs* out) {
    if (node.op->control() != nullptr) {
      switch (node.op->control()->what) {
        case ir::Control::loop:
          return loop(graph, node, std::move(operands), out);
        case ir::Control::cond:
          return cond(node, std::move(operands), out);
        case ir::Control::call:
          return call(node, operands, out);
        case ir::Control::apply:
          return apply(graph, node, operands, out);
      }
    }
    if (node.op->composite() != nullptr) return run(body(graph, node), std::move(operands), out);
    std::vector<const Tensor*> in;
    for (const Ref& r : operands) in.push_back(r.get());
    std::vector<Tensor> results;
    TENON_ASSIGN(const bool fine, policy_.compute(NodeContext{graph, node, dims_}, in, &results, &failure_));
    if (!fine) return false;
    for (Tensor& t : results) out->push_back(std::make_shared<Tensor>(std::move(t)));
    return true;
  }

 private:
  static constexpr size_t max_call_depth = 1000;

  Result<bool> loop(const ir::Graph& graph, const ir::Node& node, Refs operands, Refs* out) {
    const ir::Graph& body = *node.regions[0];
    const bool predicate = node.get<bool>("predicate"), reverse = node.get<bool>("reverse");
    const bool commit = node.get<bool>("commit");
    TENON_ASSIGN(const int64_t trip, dim_value(node.get<ir::Dim>("trip"), dims_));
    size_t carries = 0;
    for (ir::ValueId a : body.args) carries += body.value(a).arg == ir::ArgKind::carry;
    Refs carried(operands.begin(), operands.begin() + static_cast<ptrdiff_t>(carries));
    std::vector<Tensor> stacked;
    for (size_t i = carries; i < node.results.size(); ++i) {
      const ir::Type& type = graph.type(node.results[i]);
      TENON_ASSIGN(const std::vector<int64_t> shape, ir::evaluate_shape(type.shape, dims_));
      stacked.push_back(policy_.zeros(type.dtype, shape));
    }
    bool more = true;
    // Where a step of a committing loop failed, what it and its successors would have written is left out.
    for (int64_t k = 0; k < trip && more && !(commit && failure_.code != 0); ++k) {
      const int64_t i = reverse ? trip - 1 - k : k;
      Refs args, yields;
      for (size_t a = 0; a < body.args.size(); ++a) {
        switch (body.value(body.args[a]).arg) {
          case ir::ArgKind::carry:
            args.push_back(carried[a]);
            break;
          case ir::ArgKind::slice:
            args.push_back(std::make_shared<Tensor>(policy_.row(*operands[a], i)));
            break;
          case ir::ArgKind::index:
            args.push_back(std::make_shared<Tensor>(policy_.index(i)));
            break;
          default:
            args.push_back(operands[a]);
            break;
        }
      }
      TENON_ASSIGN(const bool fine, run(body, std::move(args), &yields));
      if (!fine) {
        if (!commit) return false;
        break;
      }
      for (size_t s = 0; s < stacked.size(); ++s) policy_.set_row(&stacked[s], i, *yields[carries + s]);
      if (predicate) {
        const std::optional<bool> go_on = policy_.decide(*yields.back());
        if (!go_on) return undecided_loop(graph, node, out);
        more = *go_on;
      }
      yields.resize(carries);
      carried = std::move(yields);
    }
    *out = std::move(carried);
    for (Tensor& t : stacked) out->push_back(std::make_shared<Tensor>(std::move(t)));
    return true;
  }

  Result<bool> undecided_loop(const ir::Graph& graph, const ir::Node& node, Refs* out) {
    out->clear();
    for (ir::ValueId v : node.results) {
      TENON_ASSIGN(const std::vector<int64_t> shape, ir::evaluate_shape(graph.type(v).shape, dims_));
      out->push_back(std::make_shared<Tensor>(policy_.undecided(graph.type(v).dtype, shape)));
    }
    return true;
  }

  Result<bool> cond(const ir::Node& node, Refs operands, Refs* out) {
    const std::optional<bool> taken = policy_.decide(*operands[0]);
    const Ref predicate = operands[0];
    operands.erase(operands.begin());
    if (taken) return run(*node.regions[*taken ? 0 : 1], std::move(operands), out);
    Refs yes, no;
    TENON_ASSIGN(const bool fine_then, run(*node.regions[0], operands, &yes));
    TENON_ASSIGN(const bool fine_else, run(*node.regions[1], std::move(operands), &no));
    if (!fine_then || !fine_else) return false;
    for (size_t i = 0; i < yes.size(); ++i)
      out->push_back(std::make_shared<Tensor>(policy_.hull(*predicate, *yes[i], *no[i])));
    return true;
  }

  Result<bool> call(const ir::Node& node, const Refs& operands, Refs* out) {
    const std::string& name = node.get<std::string>("callee");
    const ir::Function* callee = module_ == nullptr ? nullptr : module_->find_function(name);
    if (callee == nullptr) return error(Code::undefined_name, "no function is named " + name);
    if (++depth_ > max_call_depth) return error(Code::compile_limit, "calls nest too deep at " + name);
    TENON_ASSIGN(Refs args, arguments(callee->graph, operands));
    Refs all;
    TENON_ASSIGN(const bool fine, run(callee->graph, std::move(args), &all));
    --depth_;
    if (fine)
      for (const size_t r : ir::applied_results(*module_, *callee)) out->push_back(all[r]);
    return fine;
  }

  // The function's graph on the operands, at the sizes that they have.
  Result<bool> apply(const ir::Graph& graph, const ir::Node& node, const Refs& operands, Refs* out) {
    const std::string& name = node.get<std::string>("callee");
    const ir::Function* callee = module_ == nullptr ? nullptr : module_->find_function(name);
    if (callee == nullptr) return error(Code::undefined_name, "no function is named " + name);
    Refs args(callee->graph.args.size());
    const std::vector<ir::AppliedArgument> arguments = ir::applied_arguments(*module_, *callee);
    for (size_t i = 0; i < arguments.size(); ++i)
      if (arguments[i].value.valid()) args[callee->graph.value(arguments[i].value).result] = operands[i];
    for (size_t i = 0; i < args.size(); ++i) {
      if (args[i] != nullptr) continue;
      const ir::Value& hyper = callee->graph.value(callee->graph.args[i]);
      TENON_ASSIGN(args[i], global(hyper.name, hyper.type));
    }
    if (++depth_ > max_call_depth) return error(Code::compile_limit, "calls nest too deep at " + name);
    Refs results;
    bool fine = false;
    if (const ir::AppliedSizes sizes = ir::applied_sizes(*module_, graph, node); sizes.empty()) {
      TENON_ASSIGN(fine, run(callee->graph, std::move(args), &results));
    } else {
      ir::DimBindings dims = dims_;
      for (const auto& [dim, size] : sizes) {
        TENON_ASSIGN(dims[dim], dim_value(size, dims_));
      }
      Walker inner(policy_, module_, dims, global_);
      inner.depth_ = depth_;
      TENON_ASSIGN(fine, inner.run(callee->graph, std::move(args), &results));
      failure_ = inner.failure_;
    }
    --depth_;
    if (fine)
      for (const size_t r : ir::applied_results(*module_, *callee)) out->push_back(results[r]);
    return fine;
  }

  Result<Ref> global(const std::string& name, const ir::Type& type) {
    Ref& known = globals_[name];
    if (known == nullptr) {
      TENON_ASSIGN(Tensor value, global_(name, type));
      known = std::make_shared<Tensor>(std::move(value));
    }
    return known;
  }

  // A composite's body: the region it carries, or built once from its declaration.
  const ir::Graph& body(const ir::Graph& graph, const ir::Node& node) {
    if (!node.regions.empty()) return *node.regions[0];
    std::unique_ptr<ir::Graph>& known = bodies_[&node];
    if (known == nullptr) {
      known = std::make_unique<ir::Graph>();
      ir::Builder b(*known, module_);
      std::vector<ir::ValueId> operands;
      for (ir::ValueId v : node.operands)
        operands.push_back(known->add_arg(graph.type(v), ir::ArgKind::input, ""));
      ir::BodyContext context{b, node, operands};
      known->results = node.op->composite()->body(context);
    }
    return *known;
  }

  P& policy_;
  const ir::Module* module_;
  const ir::DimBindings& dims_;
  GlobalValue global_;
  Failure failure_;
  size_t depth_ = 0;
  std::unordered_map<const ir::Graph*, std::vector<uint32_t>> uses_;
  std::unordered_map<const ir::Node*, std::unique_ptr<ir::Graph>> bodies_;
  std::unordered_map<std::string, Ref> globals_;
};

}  // namespace tenon::evaluate
