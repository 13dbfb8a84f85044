#include "transforms/sweep.h"

#include <algorithm>

#include "ir/print.h"
#include "ops/expr.h"
#include "transforms/transforms.h"

namespace tenon::transforms {

using ir::Graph;
using ir::Module;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

ValueId zeros(ir::Builder& b, const ir::Type& type) {
  const ops::V zero{&b, b.constant(type.dtype, 0)};
  return ops::broadcast_to(zero, type.shape).id;
}

namespace {

// A node without its regions, for rules that append to the graph in which it stands.
Node detached(const Node& node) {
  Node out;
  out.op = node.op;
  out.operands = node.operands;
  out.results = node.results;
  out.attrs = node.attrs;
  out.location = node.location;
  out.scope = node.scope;
  return out;
}

}  // namespace

Errors Sweep::refuse(const Node& node, const std::string& why, const std::string& mend) const {
  Diagnostic d;
  d.code = Code::not_differentiable;
  d.message = std::string(node.op->name) + ": " + why;
  d.help = mend;
  if (node.location.known() && node.location.file < module_.files.size()) {
    d.file = module_.files[node.location.file];
    d.line = node.location.line;
    d.column = node.location.column;
  }
  return Errors(std::move(d));
}

void Sweep::grow() {
  cotangent_.resize(graph_.value_count());
  parts_.resize(graph_.value_count());
  active_.resize(graph_.value_count());
  wanted_.resize(graph_.value_count());
}

void Sweep::add_cotangent(ValueId v, Cotangent part) {
  TENON_CHECK(graph_.type(v) == graph_.type(part.value), "a cotangent is " + graph_.type(part.value).text() +
                                                             " for a value that is " + graph_.type(v).text());
  TENON_CHECK(!cotangent_[v.index].value.valid(), "a cotangent comes after they were added");
  parts_[v.index].push_back(part);
}

ValueId Sweep::settled(const Cotangent& c) {
  if (!c.stale) return c.value;
  return ops::select({&b_, c.taken}, {&b_, c.value}, 0.0).id;
}

const Sweep::Cotangent& Sweep::gather(ValueId v) {
  std::vector<Cotangent> parts = std::move(parts_[v.index]);
  parts_[v.index].clear();
  if (parts.size() == 1 && !wanted_[v.index]) {
    cotangent_[v.index] = parts[0];
  } else if (!parts.empty()) {
    std::vector<std::pair<uint64_t, ValueId>> terms;
    for (const Cotangent& part : parts) {
      const ValueId value = settled(part);
      terms.push_back({structure_.of(value), value});
    }
    // Terms of one hash are computed alike and have equal bits.
    std::stable_sort(terms.begin(), terms.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    ValueId sum = terms[0].second;
    for (size_t i = 1; i < terms.size(); ++i) sum = b_.emit("add", {sum, terms[i].second});
    grow();
    cotangent_[v.index] = {sum, {}, false};
  }
  return cotangent_[v.index];
}

ValueId Sweep::settled_cotangent(ValueId v) {
  const Cotangent c = gather(v);
  const ValueId value = c.value.valid() ? settled(c) : ValueId();
  grow();
  cotangent_[v.index] = {value, {}, false};
  return value;
}

ValueId Sweep::cotangent_or_zero(ValueId v) {
  if (has_cotangent(v)) return settled_cotangent(v);
  const ir::Type type = graph_.type(v);
  return zeros(b_, type);
}

void Sweep::name_cotangent(ValueId v) {
  const ValueId c = cotangent_[v.index].value;
  const std::string& name = graph_.value(v).name;
  if (!c.valid() || name.empty()) return;
  // A cotangent that several values share keeps its first name; arguments and given cotangents keep theirs.
  if (c.index < original_values_ || !graph_.value(c).name.empty()) return;
  b_.set_name(c, name + "'");
}

// Is every element surely 0: a constant, or one broadcast?
bool Sweep::is_zero(ValueId v) const {
  const Node* node = graph_.producer(v);
  while (node != nullptr && node->op->index_map() != nullptr && node->operands.size() == 1)
    node = graph_.producer(node->operands[0]);
  if (node == nullptr || node->op->generate() == nullptr ||
      node->op->generate()->what != ir::Generator::constant)
    return false;
  const Array& value = *node->get<std::shared_ptr<const Array>>("value");
  bool zero = true;
  with_dtype(value.dtype(), [&]<class T>() {
    for (T x : value.as<T>()) zero = zero && x == T(0);
  });
  return zero;
}

// A cotangent that is a choice between something and 0 tells where the operand has no part in the result.
ValueId Sweep::taken_side(ValueId cotangent) {
  const Node* node = graph_.producer(cotangent);
  if (node == nullptr || node->op->elementwise() == nullptr || node->operands.size() != 3) return {};
  if (!is_bool(graph_.type(node->operands[0]).dtype)) return {};
  const ValueId condition = node->operands[0];
  if (is_zero(node->operands[2])) return condition;
  return is_zero(node->operands[1]) ? b_.emit("not", {condition}) : ValueId();
}

void Sweep::rule(const Node& node) {
  ir::VjpContext context{b_, node, node.operands, node.results, {}, {}, {}};
  // Elementwise, element i of all operands' cotangents comes from element i of the result's.
  Cotangent whole;
  if (node.op->elementwise() != nullptr) {
    whole = cotangent_[node.results[0].index];
    context.cotangents.push_back(whole.value);
  } else {
    for (ValueId r : node.results) context.cotangents.push_back(cotangent_or_zero(r));
  }
  for (ValueId v : node.operands) context.wanted.push_back(active_[v.index]);
  context.out.resize(node.operands.size());
  const size_t before = graph_.value_count();
  node.op->vjp(context);
  for (size_t i = 0; i < node.operands.size(); ++i) {
    if (!context.wanted[i] || !context.out[i].valid()) continue;
    Cotangent part = whole;
    part.value = context.out[i];
    if (part.value != whole.value) part.stale = part.taken.valid();
    if (part.value.index >= before) {
      if (const ValueId taken = taken_side(part.value); taken.valid())
        part.taken = part.taken.valid() ? b_.emit("and", {part.taken, taken}) : taken;
    }
    grow();
    add_cotangent(node.operands[i], part);
  }
}

// A composite without a rule: its body is appended (a duplicate of what `expand` makes of the node, which cse
// merges) and swept in its place.
void Sweep::expand(const Node& node) {
  const size_t first = graph_.node_count();
  std::vector<ValueId> results;
  const Node* original = graph_.producer(node.results[0]);
  if (!original->regions.empty()) {
    const Graph body = *original->regions[0];
    std::vector<ValueId> map(body.value_count());
    for (size_t i = 0; i < body.args.size(); ++i) map[body.args[i].index] = node.operands[i];
    results = b_.inline_graph(body, map);
  } else {
    ir::BodyContext context{b_, node, node.operands};
    results = node.op->composite()->body(context);
  }
  extend_activity(graph_, first, &active_);
  grow();
  structure_.extend();  // before loops and conds among them are given more results
  for (size_t r = 0; r < results.size(); ++r) {
    // A body may hand an operand through; its cotangent is then the operand's.
    if (cotangent_[node.results[r].index].value.valid() && active_[results[r].index])
      add_cotangent(results[r], cotangent_[node.results[r].index]);
  }
  todo_.push_back({first, graph_.node_count()});
}

Status Sweep::visit(NodeId id) {
  bool any_cotangent = false, any_active = false;
  for (ValueId r : graph_.node(id).results) {
    if (has_cotangent(r)) any_cotangent = true;
  }
  if (!any_cotangent) return Ok{};
  const Node node = detached(graph_.node(id));
  b_.set_location(node.location);
  b_.set_scope(node.scope);
  for (ValueId r : node.results) {
    gather(r);
    name_cotangent(r);
  }
  for (ValueId v : node.operands) any_active = any_active || active_[v.index];
  if (!any_active) return Ok{};
  const ir::OpDef& op = *node.op;
  if (op.control() != nullptr) {
    switch (op.control()->what) {
      case ir::Control::loop:
        TENON_TRY(loop(id));
        break;
      case ir::Control::cond:
        TENON_TRY(cond(id));
        break;
      case ir::Control::call:
      case ir::Control::apply:
        return refuse(node, "calls are inlined before they are differentiated");
    }
  } else if (op.vjp != nullptr) {
    rule(node);
  } else if (op.zero_gradient) {
    return Ok{};
  } else if (op.composite() != nullptr) {
    expand(node);
  } else {
    return refuse(node, "no gradient exists for it, and it lies on the path");
  }
  grow();
  return Ok{};
}

Result<std::vector<ValueId>> Sweep::run(const std::vector<ValueId>& outputs,
                                        const std::vector<ValueId>& cotangents,
                                        const std::vector<ValueId>& wrt) {
  TENON_CHECK(outputs.size() == cotangents.size());
  original_values_ = graph_.value_count();
  grow();
  for (ValueId v : wrt) {
    if (!is_float(graph_.type(v).dtype)) continue;
    active_[v.index] = 1;
    wanted_[v.index] = 1;
  }
  extend_activity(graph_, 0, &active_);
  structure_.extend();  // before loops and conds among them are given more results
  const size_t nodes = graph_.node_count();
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (active_[outputs[i].index]) add_cotangent(outputs[i], cotangents[i]);
  }
  grow();
  todo_.push_back({0, nodes});
  Errors errors;
  while (!todo_.empty()) {
    Range& range = todo_.back();
    if (range.next == range.low) {
      todo_.pop_back();
      continue;
    }
    const NodeId id(--range.next);
    if (Status s = visit(id); !s) errors.append(s.take_errors());
  }
  if (!errors.empty()) return errors;
  std::vector<ValueId> out;
  for (ValueId v : wrt) {
    const ValueId cotangent = settled_cotangent(v);
    name_cotangent(v);
    out.push_back(cotangent);
  }
  return out;
}

Result<std::vector<ValueId>> vjp(Graph& graph, const Module& module, const std::vector<ValueId>& outputs,
                                 const std::vector<ValueId>& cotangents, const std::vector<ValueId>& wrt) {
  if (outputs.size() != cotangents.size()) {
    return error(Code::operand_count, "vjp: " + std::to_string(outputs.size()) + " outputs have " +
                                          std::to_string(cotangents.size()) + " cotangents");
  }
  const std::vector<std::string> names = ir::value_names(graph);
  Errors errors;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const ir::Type &a = graph.type(outputs[i]), &b = graph.type(cotangents[i]);
    if (!is_float(a.dtype)) {
      errors.append(error(Code::not_differentiable,
                          names[outputs[i].index] + " is " + a.text() + "; only floats have a gradient"));
    } else if (a != b) {
      errors.append(
          error(a.dtype != b.dtype ? Code::dtype_mismatch : Code::shape_mismatch,
                "vjp: " + names[outputs[i].index] + " is " + a.text() + ", its cotangent is " + b.text()));
    }
  }
  for (ValueId v : wrt) {
    if (is_float(graph.type(v).dtype)) continue;
    errors.append(error(Code::not_differentiable,
                        names[v.index] + " is " + graph.type(v).text() + "; only floats have a gradient"));
  }
  if (!errors.empty()) return errors;
  Sweep sweep(graph, module);
  TENON_ASSIGN(std::vector<ValueId> out, sweep.run(outputs, cotangents, wrt));
  ir::Builder b(graph, &module);
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].valid()) continue;
    out[i] = zeros(b, ir::Type(graph.type(wrt[i])));
    if (!names[wrt[i].index].empty()) b.set_name(out[i], names[wrt[i].index] + "'");
  }
  return out;
}

Result<std::vector<ValueId>> grad(Graph& graph, const Module& module, ValueId loss,
                                  const std::vector<ValueId>& wrt) {
  const ir::Type type = graph.type(loss);
  if (!type.is_scalar() || !is_float(type.dtype)) {
    return error(type.is_scalar() ? Code::not_differentiable : Code::rank_mismatch,
                 "grad: the loss is " + type.text() + ", wants one float",
                 "reduce it to a scalar, or give cotangents to vjp");
  }
  const ValueId one = ir::Builder(graph, &module).constant(type.dtype, 1);
  return vjp(graph, module, {loss}, {one}, wrt);
}

}  // namespace tenon::transforms
