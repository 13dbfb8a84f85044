// Reverse mode through a loop (design decision 8). The forward loop is given more stacked results, its
// residuals; a second loop runs over the rows the other way round:
//   carries   cotangents of the forward carries, and one accumulator per captured value with a gradient
//   slices    cotangents of the stacked results, residuals, and the forward loop's own slices where used
//   captures  the forward loop's captures where used
//   yields    cotangents of carries one iteration earlier, accumulators + contribution, then the cotangents
//   of
//             the slices, stacked
// Both are ordinary nodes, so higher orders follow; the cost is linear in the trip count.
#include <functional>

#include "ir/made_names.h"
#include "support/hash.h"
#include "transforms/loop_parts.h"
#include "transforms/residuals.h"
#include "transforms/sweep.h"

namespace tenon::transforms {

using ir::ArgKind;
using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

namespace {

const ir::OpDef& op_named(std::string_view name) {
  const ir::OpDef* op = ir::op_table().find(name);
  TENON_CHECK(op != nullptr);
  return *op;
}

// The body, and the gradients of its arguments behind its nodes.
struct Body {
  Graph graph;
  size_t args = 0, nodes = 0;    // of the loop's own body
  std::vector<ValueId> outputs;  // yields that are active and useful, and their cotangents: arguments
  std::vector<ValueId> cotangents;
  std::vector<size_t> output_index;  // as results of the loop
  std::vector<ValueId> of_arg;       // cotangent of each argument, where a path leads
  ResidualPlan plan;
};

// `seeds`: of the region's arguments, see ir::Structure. `useful`: per result of the loop.
Result<Body> differentiated(const Graph& region, const ir::Module& module, std::vector<uint64_t> seeds,
                            const LoopParts& parts, const RegionActivity& activity, const Flags& useful) {
  Body body;
  body.graph = region;
  body.args = body.graph.args.size();
  body.nodes = body.graph.node_count();
  for (size_t r = 0; r < useful.size(); ++r) {
    if (!activity.results[r] || !useful[r]) continue;
    const bool carry = r < parts.carries;
    const ir::Type type = body.graph.type(body.graph.results[r]);
    body.outputs.push_back(body.graph.results[r]);
    body.output_index.push_back(r);
    body.cotangents.push_back(body.graph.add_arg(type, carry ? ArgKind::carry : ArgKind::slice, ""));
  }
  std::vector<ValueId> wrt, needed;
  std::vector<size_t> wrt_index;
  for (size_t i = 0; i < parts.operands(); ++i) {
    if (!activity.args[i]) continue;
    wrt.push_back(body.graph.args[i]);
    wrt_index.push_back(i);
  }
  seeds.resize(body.args);
  for (size_t r : body.output_index) seeds.push_back(Hasher().add("cotangent").add(uint64_t{r}).low());
  Sweep inner(body.graph, module, std::move(seeds));
  TENON_ASSIGN(std::vector<ValueId> found, inner.run(body.outputs, body.cotangents, wrt));
  body.of_arg.resize(body.args);
  for (size_t k = 0; k < wrt.size(); ++k) {
    body.of_arg[wrt_index[k]] = found[k];
    if (found[k].valid()) needed.push_back(found[k]);
  }
  body.plan = plan_residuals(body.graph, body.cotangents, needed);
  return body;
}

// What the reverse loop is given from outside, asked for in the order of its operands.
struct Outside {
  const std::vector<ValueId>& operands;                // of the forward loop
  const std::vector<ValueId>& residuals;               // its results
  std::function<ValueId(size_t result)> cotangent;     // of one of its results, or zeros
  std::function<ValueId(const ir::Type& type)> zeros;  // first values of accumulators
};

// The reverse body: arguments in the order of kinds, carries, slices, captures, index.
struct Reverse {
  Graph graph;
  std::vector<ValueId> inputs;                         // operands of the reverse loop
  std::vector<size_t> carry_of, capture_of, slice_of;  // operands of the forward one that results belong to
};

Reverse reversed(const Body& body, const LoopParts& parts, const ir::Module& module, const Outside& outside) {
  Reverse out;
  const Graph& from = body.graph;
  std::vector<ValueId> map(from.value_count()), accumulators;
  ir::MadeNames names(from);  // what comes in from the forward body keeps its names
  for (size_t k = 0; k < body.outputs.size(); ++k) {
    if (body.output_index[k] >= parts.carries) continue;
    const size_t c = body.output_index[k];
    out.carry_of.push_back(c);
    std::string name = from.value(from.args[c]).name;
    if (!name.empty()) name = names.claim("d." + name);
    map[body.cotangents[k].index] = out.graph.add_arg(from.type(body.outputs[k]), ArgKind::carry, name);
    out.inputs.push_back(outside.cotangent(c));
  }
  for (size_t i = parts.first_capture(); i < parts.operands(); ++i) {
    if (!body.of_arg[i].valid()) continue;
    out.capture_of.push_back(i);
    accumulators.push_back(out.graph.add_arg(from.type(from.args[i]), ArgKind::carry, ""));
    out.inputs.push_back(outside.zeros(from.type(from.args[i])));
  }
  for (size_t k = 0; k < body.outputs.size(); ++k) {
    if (body.output_index[k] < parts.carries) continue;
    map[body.cotangents[k].index] = out.graph.add_arg(from.type(body.outputs[k]), ArgKind::slice, "");
    out.inputs.push_back(outside.cotangent(body.output_index[k]));
  }
  const ResidualPlan& plan = body.plan;
  for (size_t k = 0; k < plan.saved.size(); ++k) {
    map[plan.saved[k].index] =
        out.graph.add_arg(from.type(plan.saved[k]), ArgKind::slice, from.value(plan.saved[k]).name);
    out.inputs.push_back(outside.residuals[k]);
  }
  for (ArgKind kind : {ArgKind::slice, ArgKind::capture, ArgKind::index}) {
    for (ValueId a : plan.args) {
      const ir::Value& arg = from.value(a);
      if (arg.arg != kind) continue;
      map[a.index] = out.graph.add_arg(arg.type, kind, arg.name);
      if (kind != ArgKind::index) out.inputs.push_back(outside.operands[arg.result]);
    }
  }
  ir::Builder rb(out.graph, &module);
  copy_reverse_nodes(from, plan, rb, &map);
  auto cotangent_of = [&](size_t i) {
    if (body.of_arg[i].valid()) return map[body.of_arg[i].index];
    const ir::Type type = from.type(from.args[i]);
    return zeros(rb, type);
  };
  for (size_t c : out.carry_of) out.graph.results.push_back(cotangent_of(c));
  for (size_t k = 0; k < out.capture_of.size(); ++k)
    out.graph.results.push_back(rb.emit("add", {accumulators[k], cotangent_of(out.capture_of[k])}));
  for (size_t i = parts.carries; i < parts.first_capture(); ++i) {
    if (!body.of_arg[i].valid()) continue;
    out.slice_of.push_back(i);
    out.graph.results.push_back(cotangent_of(i));
  }
  return out;
}

}  // namespace

Status Sweep::loop(NodeId id) {
  const LoopParts parts(graph_.node(id));
  const std::vector<ValueId> operands = graph_.node(id).operands, results = graph_.node(id).results;
  const ir::Dim trip = graph_.node(id).get<ir::Dim>("trip");
  const bool backwards = graph_.node(id).get<bool>("reverse");
  if (graph_.node(id).get<bool>("predicate")) {
    return refuse(graph_.node(id),
                  "a loop with a predicate has no gradient: how often it runs is not known before it runs",
                  "leave predicate out and run all " + trip.text() +
                      " iterations: carry whether to go on (a bool[]), and yield select(go, new, old) for "
                      "every carry");
  }
  // What takes part: arguments that depend on wrt, results that the outputs depend on.
  Flags operand_flags, seeds;
  for (ValueId v : operands) operand_flags.push_back(active_[v.index]);
  const RegionActivity activity = loop_activity(graph_.node(id), operand_flags);
  for (ValueId r : results) seeds.push_back(has_cotangent(r));
  const Graph& region = *graph_.node(id).regions[0];
  TENON_ASSIGN(const Body body,
               differentiated(region, module_, structure_.region_seeds(graph_.node(id), region), parts,
                              activity, useful_results(graph_.node(id), seeds)));

  // The forward loop yields the residuals beside what it yielded.
  std::vector<ValueId> residuals;
  *graph_.node(id).regions[0] = forward_region(body.graph, module_, body.args, body.nodes, body.plan);
  for (ValueId v : body.plan.saved) {
    ir::Type stacked = body.graph.type(v);
    stacked.shape.insert(stacked.shape.begin(), trip);
    residuals.push_back(graph_.add_result(id, std::move(stacked)));
  }
  grow();
  const Outside outside{operands, residuals, [&](size_t r) { return cotangent_or_zero(results[r]); },
                        [&](const ir::Type& type) { return zeros(b_, type); }};
  Reverse reverse = reversed(body, parts, module_, outside);

  const ir::OpDef& op = op_named("loop");
  ir::Attrs attrs(op.attrs.size());
  attrs[op.attr_index("trip")] = trip;
  attrs[op.attr_index("reverse")] = !backwards;
  std::vector<std::unique_ptr<Graph>> regions;
  regions.push_back(std::make_unique<Graph>(std::move(reverse.graph)));
  const std::vector<ValueId> out =
      b_.emit_all(op, std::move(reverse.inputs), std::move(attrs), std::move(regions));
  grow();
  size_t at = 0;
  for (const std::vector<size_t>* group : {&reverse.carry_of, &reverse.capture_of, &reverse.slice_of}) {
    for (size_t i : *group) {
      const ValueId cotangent = out[at++];
      if (active_[operands[i].index]) add_cotangent(operands[i], cotangent);
    }
  }
  return Ok{};
}

}  // namespace tenon::transforms
