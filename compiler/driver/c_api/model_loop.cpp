// C API: loops and conditions of a model.
#include "driver/c_api/model.h"

#include <algorithm>

#include "ir/builder.h"

namespace tenon::driver::c_api {
namespace {

// A body for the innermost graph, empty.
Result<tenon_model::Body> open_body(tenon_model& model) {
  if (model.bodies.size() + 1 >= ir::max_region_depth)
    return error(Code::text_limit, "bodies nest deeper than " + std::to_string(ir::max_region_depth));
  tenon_model::Body body;
  body.graph = tenon_model::next_graph();
  model.given.insert(body.graph);
  body.model = std::make_unique<Model>("body", Model::Kind::body);
  for (const std::string& name : model.model.module().dim_order) {
    const ir::DimRange range = model.model.module().dims.at(name);
    TENON_TRY(body.model->dim(name, range.low, range.high));
  }
  for (const std::string& scope : model.scopes) body.model->push_scope(scope);
  body.model->at(model.file, model.line, model.column);
  return body;
}

Status begin(tenon_model& model, const tenon_value* first, uint32_t first_count, const tenon_value* sequences,
             uint32_t sequence_count, tenon_value* carry, tenon_value* slice, tenon_value* index) {
  TENON_ASSIGN(tenon_model::Body body, open_body(model));
  auto add = [&](ir::ArgKind kind, tenon_value outer, ir::Type type,
                 const char* name) -> Result<tenon_value> {
    tenon_model::Argument a;
    a.kind = kind;
    a.outer = outer;
    a.name = argument_name(body, name);
    a.type = std::move(type);
    TENON_ASSIGN(a.inner, body.model->input(a.name, a.type));
    body.arguments.push_back(a);
    body.limit = std::max(body.limit, a.inner.index + 1);
    return value_of(body.graph, a.inner);
  };
  TENON_ASSIGN(const std::vector<ir::ValueId> carries, resolve(model, first, first_count));
  TENON_ASSIGN(const std::vector<ir::ValueId> rows, resolve(model, sequences, sequence_count));
  for (uint32_t i = 0; i < first_count; ++i) {
    TENON_ASSIGN(carry[i], add(ir::ArgKind::carry, value_of(model.graph(), carries[i]),
                               model.innermost().type(carries[i]), "carry"));
  }
  for (uint32_t i = 0; i < sequence_count; ++i) {
    ir::Type type = model.innermost().type(rows[i]);
    if (type.is_scalar())
      return error(Code::rank_mismatch, "loop: a sequence has no leading dimension: " + type.text());
    type.shape.erase(type.shape.begin());
    TENON_ASSIGN(slice[i], add(ir::ArgKind::slice, value_of(model.graph(), rows[i]), std::move(type), "row"));
  }
  if (index != nullptr) {
    TENON_ASSIGN(*index, add(ir::ArgKind::index, TENON_NO_VALUE, ir::Type{DType::i64, {}}, "index"));
  }
  model.bodies.push_back(std::move(body));
  return Ok{};
}

// The body as a region with the given arguments, used or not, in the order carries, slices, captures, index.
// They hold those of the body; captures are told by the value captured.
Result<std::unique_ptr<ir::Graph>> region_of(const tenon_model::Body& body,
                                             const std::vector<ir::ValueId>& yields,
                                             const std::vector<tenon_model::Argument>& arguments) {
  std::vector<Model::Named> results;
  for (size_t i = 0; i < yields.size(); ++i) results.push_back({"yield" + std::to_string(i), yields[i]});
  TENON_TRY(body.model->function("body", results));
  TENON_ASSIGN(const ir::Module module, body.model->finish());
  const ir::Function* function = module.find_function("body");
  TENON_CHECK(function != nullptr);
  auto region = std::make_unique<ir::Graph>();
  // By name in the body's model.
  std::map<std::string, ir::ValueId, std::less<>> inner;
  for (const ir::ArgKind kind :
       {ir::ArgKind::carry, ir::ArgKind::slice, ir::ArgKind::capture, ir::ArgKind::index})
    for (size_t i = 0; i < arguments.size(); ++i) {
      const tenon_model::Argument& a = arguments[i];
      if (a.kind != kind) continue;
      const ir::ValueId made = region->add_arg(a.type, kind, a.name);
      for (size_t k = 0; k < body.arguments.size(); ++k) {
        const tenon_model::Argument& own = body.arguments[k];
        if (kind == ir::ArgKind::capture ? own.kind == kind && own.outer == a.outer : k == i)
          inner[own.name] = made;
      }
    }
  const ir::Graph& graph = function->graph;
  std::vector<ir::ValueId> map(graph.value_count());
  for (const ir::ValueId arg : graph.args) map[arg.index] = inner.at(graph.value(arg).name);
  ir::Builder builder(*region, &module);
  region->results = builder.inline_graph(graph, map);
  return region;
}

Status end(tenon_model& model, const tenon_value* yields, uint32_t yield_count, const char* attributes,
           tenon_value* results) {
  if (model.bodies.empty() || model.bodies.back().predicate != TENON_NO_VALUE)
    return error(Code::bad_option, "no loop is open");
  Result<std::vector<ir::ValueId>> values = resolve(model, yields, yield_count);
  const tenon_model::Body body = std::move(model.bodies.back());
  model.bodies.pop_back();  // also where what follows fails
  if (!values) return values.take_errors();
  TENON_ASSIGN(std::unique_ptr<ir::Graph> region, region_of(body, *values, body.arguments));
  std::vector<ir::ValueId> operands;
  for (const ir::ArgKind kind : {ir::ArgKind::carry, ir::ArgKind::slice, ir::ArgKind::capture})
    for (const tenon_model::Argument& a : body.arguments)
      if (a.kind == kind) {
        TENON_ASSIGN(const ir::ValueId id, resolve(model, a.outer));
        operands.push_back(id);
      }
  std::vector<std::unique_ptr<ir::Graph>> regions;
  regions.push_back(std::move(region));
  TENON_ASSIGN(
      const std::vector<ir::ValueId> made,
      model.innermost().op("loop", operands, attributes == nullptr ? "" : attributes, std::move(regions)));
  for (size_t i = 0; i < made.size(); ++i) results[i] = model.give(made[i]);
  return Ok{};
}

Status cond_begin(tenon_model& model, tenon_value predicate) {
  TENON_ASSIGN(const ir::ValueId id, resolve(model, predicate));
  TENON_ASSIGN(tenon_model::Body body, open_body(model));
  body.predicate = value_of(model.graph(), id);
  model.bodies.push_back(std::move(body));
  return Ok{};
}

Status cond_else(tenon_model& model, const tenon_value* yields, uint32_t yield_count) {
  if (model.bodies.empty() || model.bodies.back().predicate == TENON_NO_VALUE ||
      model.bodies.back().then != nullptr)
    return error(Code::bad_option, "no condition is open that has no else branch yet");
  TENON_ASSIGN(std::vector<ir::ValueId> values, resolve(model, yields, yield_count));
  auto then = std::make_unique<tenon_model::Body>(std::move(model.bodies.back()));
  model.bodies.pop_back();
  TENON_ASSIGN(tenon_model::Body body, open_body(model));
  body.predicate = then->predicate;
  body.then = std::move(then);
  body.then_yields = std::move(values);
  model.bodies.push_back(std::move(body));
  return Ok{};
}

Status cond_end(tenon_model& model, const tenon_value* yields, uint32_t yield_count, tenon_value* results) {
  if (model.bodies.empty() || model.bodies.back().then == nullptr)
    return error(Code::bad_option, "no condition is open, or its else branch has not begun");
  Result<std::vector<ir::ValueId>> values = resolve(model, yields, yield_count);
  const tenon_model::Body body = std::move(model.bodies.back());
  model.bodies.pop_back();  // also where what follows fails
  if (!values) return values.take_errors();
  if (values->size() != body.then_yields.size())
    return error(Code::operand_count, "cond: one branch yields " + std::to_string(body.then_yields.size()) +
                                          " values, the other " + std::to_string(values->size()));
  // Both branches take the captures of either.
  std::vector<tenon_model::Argument> captures = body.then->arguments;
  for (const tenon_model::Argument& a : body.arguments) {
    const bool known = std::any_of(captures.begin(), captures.end(), [&](const tenon_model::Argument& other) {
      return other.outer == a.outer;
    });
    if (!known) captures.push_back(a);
  }
  std::vector<ir::ValueId> operands;
  TENON_ASSIGN(const ir::ValueId predicate, resolve(model, body.predicate));
  operands.push_back(predicate);
  for (size_t i = 0; i < captures.size(); ++i) {
    captures[i].name = "capture" + std::to_string(i);
    TENON_ASSIGN(const ir::ValueId id, resolve(model, captures[i].outer));
    operands.push_back(id);
  }
  std::vector<std::unique_ptr<ir::Graph>> regions(2);
  TENON_ASSIGN(regions[0], region_of(*body.then, body.then_yields, captures));
  TENON_ASSIGN(regions[1], region_of(body, *values, captures));
  TENON_ASSIGN(const std::vector<ir::ValueId> made,
               model.innermost().op("cond", operands, "", std::move(regions)));
  for (size_t i = 0; i < made.size() && i < yield_count; ++i) results[i] = model.give(made[i]);
  return Ok{};
}

}  // namespace
}  // namespace tenon::driver::c_api

using namespace tenon::driver;
using namespace tenon::driver::c_api;

extern "C" {

tenon_status tenon_model_loop_begin(tenon_model* model, const tenon_value* first, uint32_t first_count,
                                    const tenon_value* sequences, uint32_t sequence_count, tenon_value* carry,
                                    tenon_value* slice, tenon_value* index, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    if (first_count != 0) TENON_NEED(carry);
    if (sequence_count != 0) TENON_NEED(slice);
    return begin(*model, first, first_count, sequences, sequence_count, carry, slice, index);
  });
}

tenon_status tenon_model_loop_end(tenon_model* model, const tenon_value* yields, uint32_t yield_count,
                                  const char* attributes, tenon_value* results, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    if (yield_count != 0) TENON_NEED(results);
    return end(*model, yields, yield_count, attributes, results);
  });
}

tenon_status tenon_model_cond_begin(tenon_model* model, tenon_value predicate, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    return cond_begin(*model, predicate);
  });
}

tenon_status tenon_model_cond_else(tenon_model* model, const tenon_value* yields, uint32_t yield_count,
                                   tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    return cond_else(*model, yields, yield_count);
  });
}

tenon_status tenon_model_cond_end(tenon_model* model, const tenon_value* yields, uint32_t yield_count,
                                  tenon_value* results, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    if (yield_count != 0) TENON_NEED(results);
    return cond_end(*model, yields, yield_count, results);
  });
}

void tenon_model_abandon(tenon_model* model) {
  if (model != nullptr && !model->bodies.empty()) model->bodies.pop_back();
}

}  // extern "C"
