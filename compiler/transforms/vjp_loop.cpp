// Reverse mode through a loop (design decision 8). The forward loop is given more stacked results, its
// residuals; a second loop runs over the rows the other way round:
//   carries   cotangents of the forward carries, and one accumulator per captured value with a gradient
//   slices    cotangents of the stacked results, residuals, and the forward loop's own slices where used
//   captures  the forward loop's captures where used
//   yields    cotangents of carries one iteration earlier, accumulators + contribution, then the cotangents
//   of
//             the slices, stacked
// Both are ordinary nodes, so higher orders follow; the cost is linear in the trip count.
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

}  // namespace

Status Sweep::loop(NodeId id) {
  const LoopParts parts(graph_.node(id));
  const std::vector<ValueId> operands = graph_.node(id).operands, results = graph_.node(id).results;
  const ir::Dim trip = graph_.node(id).get<ir::Dim>("trip");
  const bool reversed = graph_.node(id).get<bool>("reverse");
  if (graph_.node(id).get<bool>("predicate")) {
    return refuse(graph_.node(id),
                  "a loop with a predicate has no gradient: how often it runs is not known before it runs",
                  "leave predicate out and run all " + trip.text() +
                      " iterations: carry whether to go on (a bool[]), and yield select(go, new, old) for "
                      "every carry");
  }

  // What takes part: arguments that depend on wrt, results that the outputs depend on.
  Flags operand_flags;
  for (ValueId v : operands) operand_flags.push_back(active_[v.index]);
  const RegionActivity activity = loop_activity(graph_.node(id), operand_flags);
  Flags seeds;
  for (ValueId r : results) seeds.push_back(has_cotangent(r));
  const Flags useful = useful_results(graph_.node(id), seeds);

  // The body, differentiated: cotangent arguments for results that are active and useful.
  Graph body(*graph_.node(id).regions[0]);
  const size_t body_args = body.args.size(), body_nodes = body.node_count();
  std::vector<ValueId> outputs, output_cotangents, wrt;
  std::vector<size_t> output_index, wrt_index;
  for (size_t r = 0; r < results.size(); ++r) {
    if (!activity.results[r] || !useful[r]) continue;
    const bool carry = r < parts.carries;
    const ir::Type type = body.type(body.results[r]);
    outputs.push_back(body.results[r]);
    output_index.push_back(r);
    output_cotangents.push_back(body.add_arg(type, carry ? ArgKind::carry : ArgKind::slice, ""));
  }
  for (size_t i = 0; i < parts.operands(); ++i) {
    if (!activity.args[i]) continue;
    wrt.push_back(body.args[i]);
    wrt_index.push_back(i);
  }
  std::vector<uint64_t> inner_seeds = structure_.region_seeds(graph_.node(id), *graph_.node(id).regions[0]);
  inner_seeds.resize(body_args);
  for (size_t r : output_index) inner_seeds.push_back(Hasher().add("cotangent").add(uint64_t{r}).low());
  Sweep inner(body, module_, std::move(inner_seeds));
  TENON_ASSIGN(std::vector<ValueId> found, inner.run(outputs, output_cotangents, wrt));
  std::vector<ValueId> of_arg(body_args);  // cotangent of each argument in the body, where a path leads
  std::vector<ValueId> needed;
  for (size_t k = 0; k < wrt.size(); ++k) {
    of_arg[wrt_index[k]] = found[k];
    if (found[k].valid()) needed.push_back(found[k]);
  }
  const ResidualPlan plan = plan_residuals(body, output_cotangents, needed);

  // The forward loop yields the residuals beside what it yielded.
  std::vector<ValueId> residuals;
  *graph_.node(id).regions[0] = forward_region(body, module_, body_args, body_nodes, plan);
  for (ValueId v : plan.saved) {
    ir::Type stacked = body.type(v);
    stacked.shape.insert(stacked.shape.begin(), trip);
    residuals.push_back(graph_.add_result(id, std::move(stacked)));
  }
  grow();

  // The reverse body. Arguments in the order of kinds: carries, slices, captures, index.
  Graph reverse;
  std::vector<ValueId> map(body.value_count()), inputs, accumulators;
  ir::MadeNames names(body);                 // what comes in from the forward body keeps its names
  std::vector<size_t> carry_of, capture_of;  // operand positions that the reverse carries stand for
  for (size_t k = 0; k < outputs.size(); ++k) {
    if (output_index[k] >= parts.carries) continue;
    const size_t c = output_index[k];
    carry_of.push_back(c);
    std::string name = body.value(body.args[c]).name;
    if (!name.empty()) name = names.claim("d." + name);
    map[output_cotangents[k].index] = reverse.add_arg(body.type(outputs[k]), ArgKind::carry, name);
    inputs.push_back(cotangent_or_zero(results[c]));
  }
  for (size_t i = parts.first_capture(); i < parts.operands(); ++i) {
    if (!of_arg[i].valid()) continue;
    capture_of.push_back(i);
    accumulators.push_back(reverse.add_arg(body.type(body.args[i]), ArgKind::carry, ""));
    const ir::Type type = body.type(body.args[i]);
    inputs.push_back(zeros(b_, type));
  }
  for (size_t k = 0; k < outputs.size(); ++k) {
    if (output_index[k] < parts.carries) continue;
    map[output_cotangents[k].index] = reverse.add_arg(body.type(outputs[k]), ArgKind::slice, "");
    inputs.push_back(cotangent_or_zero(results[output_index[k]]));
  }
  for (size_t k = 0; k < plan.saved.size(); ++k) {
    map[plan.saved[k].index] =
        reverse.add_arg(body.type(plan.saved[k]), ArgKind::slice, body.value(plan.saved[k]).name);
    inputs.push_back(residuals[k]);
  }
  for (ArgKind kind : {ArgKind::slice, ArgKind::capture, ArgKind::index}) {
    for (ValueId a : plan.args) {
      const ir::Value& arg = body.value(a);
      if (arg.arg != kind) continue;
      map[a.index] = reverse.add_arg(arg.type, kind, arg.name);
      if (kind != ArgKind::index) inputs.push_back(operands[arg.result]);
    }
  }
  ir::Builder rb(reverse, &module_);
  copy_reverse_nodes(body, plan, rb, &map);
  auto cotangent_of = [&](size_t i) {
    if (of_arg[i].valid()) return map[of_arg[i].index];
    const ir::Type type = body.type(body.args[i]);
    return zeros(rb, type);
  };
  for (size_t c : carry_of) reverse.results.push_back(cotangent_of(c));
  for (size_t k = 0; k < capture_of.size(); ++k)
    reverse.results.push_back(rb.emit("add", {accumulators[k], cotangent_of(capture_of[k])}));
  std::vector<size_t> slice_of;
  for (size_t i = parts.carries; i < parts.first_capture(); ++i) {
    if (!of_arg[i].valid()) continue;
    slice_of.push_back(i);
    reverse.results.push_back(cotangent_of(i));
  }

  const ir::OpDef& op = op_named("loop");
  ir::Attrs attrs(op.attrs.size());
  attrs[op.attr_index("trip")] = trip;
  attrs[op.attr_index("reverse")] = !reversed;
  std::vector<std::unique_ptr<Graph>> regions;
  regions.push_back(std::make_unique<Graph>(std::move(reverse)));
  const std::vector<ValueId> out = b_.emit_all(op, std::move(inputs), std::move(attrs), std::move(regions));
  grow();
  size_t at = 0;
  for (const std::vector<size_t>* group : {&carry_of, &capture_of, &slice_of}) {
    for (size_t i : *group) {
      const ValueId cotangent = out[at++];
      if (active_[operands[i].index]) add_cotangent(operands[i], cotangent);
    }
  }
  return Ok{};
}

}  // namespace tenon::transforms
