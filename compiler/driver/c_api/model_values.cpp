// C API: which graph of a model a value belongs to.
#include <algorithm>

#include "driver/c_api/model.h"

namespace tenon::driver::c_api {
namespace {

Errors ended() {
  return error(Code::capture_invalid, "the value belongs to a loop body that has ended",
               "yield it: the loop's results are the last carries and the stacked values");
}

Errors unknown() { return error(Code::undefined_name, "a value is none, or of another model"); }

Errors absent(const tenon_model& model, uint32_t graph) {
  return model.given.count(graph) != 0 ? ended() : unknown();
}

// The value in the graph of body `depth - 1` (0: the model's own). Captures pass through every body between.
Result<ir::ValueId> resolve_at(tenon_model& model, size_t depth, tenon_value value) {
  const auto graph = static_cast<uint32_t>(value >> 32);
  const ir::ValueId id(static_cast<uint32_t>(value));
  size_t home = 0;  // depth that the value belongs to
  if (graph != model.own) {
    while (home < model.bodies.size() && model.bodies[home].graph != graph) ++home;
    if (home == model.bodies.size()) return absent(model, graph);
    ++home;
  }
  if (home > depth) return ended();
  if (id.index >= (home == 0 ? model.limit : model.bodies[home - 1].limit)) return unknown();
  ir::ValueId at = id;
  tenon_value outer = value;
  for (size_t level = home; level < depth; ++level) {
    tenon_model::Body& body = model.bodies[level];
    const auto known = std::find_if(body.arguments.begin(), body.arguments.end(), [&](const auto& a) {
      return a.kind == ir::ArgKind::capture && a.outer == outer;
    });
    if (known != body.arguments.end()) {
      at = known->inner;
    } else {
      Model& from = level == 0 ? model.model : *model.bodies[level - 1].model;
      tenon_model::Argument a;
      a.outer = outer;
      a.type = from.type(at);
      a.name = argument_name(body, "capture");
      TENON_ASSIGN(a.inner, body.model->input(a.name, a.type));
      at = a.inner;
      body.limit = std::max(body.limit, at.index + 1);
      body.arguments.push_back(std::move(a));
    }
    outer = value_of(body.graph, at);
  }
  return at;
}

}  // namespace

Result<ir::ValueId> resolve(tenon_model& model, tenon_value value) {
  if (value == TENON_NO_VALUE) return unknown();
  return resolve_at(model, model.bodies.size(), value);
}

Result<std::vector<ir::ValueId>> resolve(tenon_model& model, const tenon_value* values, uint32_t count) {
  if (count != 0) TENON_NEED(values);
  std::vector<ir::ValueId> out;
  for (uint32_t i = 0; i < count; ++i) {
    TENON_ASSIGN(const ir::ValueId id, resolve(model, values[i]));
    out.push_back(id);
  }
  return out;
}

Result<ir::ValueId> resolve_top(const tenon_model& model, tenon_value value) {
  if (value == TENON_NO_VALUE) return unknown();
  const auto graph = static_cast<uint32_t>(value >> 32), id = static_cast<uint32_t>(value);
  if (graph != model.own && model.given.count(graph) != 0)
    return error(Code::capture_invalid, "the value belongs to a loop body", "yield it from the loop");
  if (graph != model.own || id >= model.limit) return unknown();
  return ir::ValueId(id);
}

Result<std::vector<ir::ValueId>> resolve_top(const tenon_model& model, const tenon_value* values,
                                             uint32_t count) {
  if (count != 0) TENON_NEED(values);
  std::vector<ir::ValueId> out;
  for (uint32_t i = 0; i < count; ++i) {
    TENON_ASSIGN(const ir::ValueId id, resolve_top(model, values[i]));
    out.push_back(id);
  }
  return out;
}

Result<const ir::Type*> type_of(const tenon_model& model, tenon_value value) {
  if (value == TENON_NO_VALUE) return unknown();
  const ir::ValueId id(static_cast<uint32_t>(value));
  const auto graph = static_cast<uint32_t>(value >> 32);
  if (graph == model.own) return id.index < model.limit ? Result(&model.model.type(id)) : unknown();
  for (const tenon_model::Body& body : model.bodies)
    if (body.graph == graph) return id.index < body.limit ? Result(&body.model->type(id)) : unknown();
  return absent(model, graph);
}

}  // namespace tenon::driver::c_api
