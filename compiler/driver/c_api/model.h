// The model handle: a driver::Model, and the bodies of loops and conditions that are open in it.
//
// A body is a Model of its own: what is added between begin and end goes to the innermost one. A value is
// numbered by the graph it belongs to (0: the model's own) and its id there. A value of an enclosing graph
// that a body uses becomes an input of the body, a capture; a value of a body that has ended is T114.
#pragma once

#include <algorithm>
#include <atomic>
#include <set>

#include "driver/c_api/c_api.h"

namespace tenon::driver::c_api {

inline tenon_value value_of(uint32_t graph, ir::ValueId id) {
  return (static_cast<tenon_value>(graph) << 32) | id.index;
}

}  // namespace tenon::driver::c_api

struct tenon_model {
  struct Argument {
    tenon::ir::ArgKind kind = tenon::ir::ArgKind::capture;
    tenon_value outer = TENON_NO_VALUE;  // of the enclosing graph; none: the index
    tenon::ir::ValueId inner;
    std::string name;
    tenon::ir::Type type;
  };
  struct Body {
    uint32_t graph = 0;
    std::unique_ptr<tenon::driver::Model> model;
    std::vector<Argument> arguments;
    // Of a condition: its predicate in the enclosing graph, and in its else branch the other one with its
    // yields.
    tenon_value predicate = TENON_NO_VALUE;
    std::unique_ptr<Body> then;
    std::vector<tenon::ir::ValueId> then_yields;
    uint32_t limit = 0;
  };

  tenon::driver::Model model;
  std::vector<Body> bodies;
  const uint32_t own = next_graph();  // number of the graph outside all bodies
  std::set<uint32_t> given;           // numbers of all bodies so far
  mutable uint32_t limit = 0;         // ids below it were given to the caller
  std::string file;                   // of the caller's place
  uint32_t line = 0, column = 0;
  std::vector<std::string> scopes;
  std::map<tenon_value, std::string> names;  // of inputs and globals
  tenon_value grad_loss = TENON_NO_VALUE;    // that gradients were last taken of

  explicit tenon_model(std::string name) : model(std::move(name)) {}
  tenon::driver::Model& innermost() { return bodies.empty() ? model : *bodies.back().model; }
  uint32_t graph() const { return bodies.empty() ? own : bodies.back().graph; }
  // The number of a value of the innermost graph, or of the model's own, for the caller.
  tenon_value give(tenon::ir::ValueId id) {
    if (bodies.empty()) return give_top(id);
    bodies.back().limit = std::max(bodies.back().limit, id.index + 1);
    return tenon::driver::c_api::value_of(bodies.back().graph, id);
  }
  tenon_value give_top(tenon::ir::ValueId id) const {
    limit = std::max(limit, id.index + 1);
    return tenon::driver::c_api::value_of(own, id);
  }
  // One number for each graph of the process: a value of another model is told from one of this.
  static uint32_t next_graph() {
    static std::atomic<uint32_t> graphs{0};
    return graphs.fetch_add(1, std::memory_order_relaxed);
  }
};

namespace tenon::driver::c_api {

inline std::string argument_name(const tenon_model::Body& body, const char* kind) {
  return kind + std::to_string(body.arguments.size());
}
// The value's id in the innermost graph; captures it where it belongs to an enclosing one.
Result<ir::ValueId> resolve(tenon_model& model, tenon_value value);
Result<std::vector<ir::ValueId>> resolve(tenon_model& model, const tenon_value* values, uint32_t count);
// The same for the model's own graph only: T114 for a value of a body.
Result<ir::ValueId> resolve_top(const tenon_model& model, tenon_value value);
Result<std::vector<ir::ValueId>> resolve_top(const tenon_model& model, const tenon_value* values,
                                             uint32_t count);
Result<const ir::Type*> type_of(const tenon_model& model, tenon_value value);

Status no_open_loop(const tenon_model& model);

// "f32[batch,784]", "glorot_uniform", "constant(0.5)".
Result<ir::Type> parse_type(std::string_view text, const ir::DimRanges& dims);
Result<ir::Init> parse_init(const char* text);

}  // namespace tenon::driver::c_api
