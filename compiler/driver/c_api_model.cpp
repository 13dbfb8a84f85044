// C API: building models.
#include "driver/c_api_model.h"

#include <array>
#include <cmath>

#include "support/text.h"

namespace tenon::driver::c_api {

Result<ir::Type> parse_type(std::string_view text, const ir::DimRanges& dims) {
  text = trim(text);
  const size_t open = text.find('[');
  const auto dtype = parse_dtype(trim(text.substr(0, open)));
  if (!dtype || open == std::string_view::npos || text.back() != ']')
    return error(Code::syntax, "not a type: " + quote(text), "as in f32[batch,784]");
  ir::Type out{*dtype, {}};
  const std::string_view inside = trim(text.substr(open + 1, text.size() - open - 2));
  if (inside.empty()) return out;
  if (inside.size() > size_t{1} << 16) return error(Code::text_limit, "a type is too long");
  for (std::string_view extent : split(inside, ',')) {
    TENON_ASSIGN(ir::Dim dim, ir::parse_dim(trim(extent), &dims));
    out.shape.push_back(std::move(dim));
  }
  if (out.shape.size() > ir::max_rank)
    return error(Code::rank_mismatch, "a type has rank " + std::to_string(out.shape.size()) + ", at most 8");
  return out;
}

Result<ir::Init> parse_init(const char* text) {
  ir::Init out;
  if (text == nullptr) return out;
  std::string_view rest = trim(text);
  const size_t open = rest.find('(');
  out.name = trim(rest.substr(0, open));
  bool known = false;
  for (std::string_view name : ir::init_names) known = known || name == out.name;
  if (!known) {
    const std::string_view near = nearest(out.name, ir::init_names);
    return error(Code::undefined_name, "no initializer is named " + quote(out.name),
                 near.empty() ? "as in zeros, constant(0.5), uniform(-1, 1), glorot_uniform"
                              : "did you mean " + std::string(near) + "?");
  }
  if (open == std::string_view::npos) return out;
  if (rest.back() != ')')
    return error(Code::syntax, "not an initializer: " + quote(rest), "as in constant(0.5)");
  for (std::string_view item : split(rest.substr(open + 1, rest.size() - open - 2), ',')) {
    const auto number = parse_double(trim(item));
    if (!number) return error(Code::bad_literal, "not a number: " + quote(item));
    out.args.push_back(*number);
  }
  return out;
}

}  // namespace tenon::driver::c_api

using namespace tenon::driver;
using namespace tenon::driver::c_api;
using tenon::ir::ValueId;

namespace {

// Adds an input or global to the model's own graph, and remembers its name.
template <class F>
tenon_status add_named(tenon_model* model, const char* name, tenon_value* value, tenon_error** error,
                       F&& add) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(name);
    TENON_NEED(value);
    TENON_ASSIGN(const ValueId id, add());
    *value = model->give_top(id);
    model->names[*value] = name;
    return Ok{};
  });
}

Result<std::vector<Model::Named>> named(const tenon_model& model, const char* const* names,
                                        const tenon_value* values, uint32_t count) {
  std::vector<Model::Named> out;
  if (count != 0) {
    TENON_NEED(names);
    TENON_NEED(values);
  }
  for (uint32_t i = 0; i < count; ++i) {
    TENON_NEED(names[i]);
    TENON_ASSIGN(const ValueId id, resolve_top(model, values[i]));
    out.push_back({names[i], id});
  }
  return out;
}

Status no_open_loop(const tenon_model& model) {
  if (model.bodies.empty()) return Ok{};
  return error(Code::bad_option, "a loop is still open", "end it first");
}

}  // namespace

extern "C" {

tenon_status tenon_model_new(const char* name, tenon_model** model, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(name);
    TENON_NEED(model);
    *model = new tenon_model(name);
    return Ok{};
  });
}

void tenon_model_free(tenon_model* model) { delete model; }

void tenon_model_at(tenon_model* model, const char* file, uint32_t line, uint32_t column) {
  (void)guarded(nullptr, [&]() -> Status {
    TENON_NEED(model);
    model->file = file == nullptr ? "" : file;
    model->line = line;
    model->column = column;
    model->model.at(model->file, line, column);
    for (tenon_model::Body& body : model->bodies) body.model->at(model->file, line, column);
    return Ok{};
  });
}

tenon_status tenon_model_push_scope(tenon_model* model, const char* name, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(name);
    model->scopes.emplace_back(name);
    model->model.push_scope(name);
    for (tenon_model::Body& body : model->bodies) body.model->push_scope(name);
    return Ok{};
  });
}

void tenon_model_pop_scope(tenon_model* model) {
  if (model == nullptr || model->scopes.empty()) return;
  model->scopes.pop_back();
  model->model.pop_scope();
  for (tenon_model::Body& body : model->bodies) body.model->pop_scope();
}

tenon_status tenon_model_dim(tenon_model* model, const char* name, int64_t low, int64_t high,
                             tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(name);
    TENON_TRY(model->model.dim(name, low, high));
    for (tenon_model::Body& body : model->bodies) TENON_TRY(body.model->dim(name, low, high));
    return Ok{};
  });
}

tenon_status tenon_model_input(tenon_model* model, const char* name, const char* type, tenon_value* value,
                               tenon_error** error) {
  return add_named(model, name, value, error, [&]() -> Result<ValueId> {
    TENON_NEED(type);
    TENON_ASSIGN(const tenon::ir::Type t, parse_type(type, model->model.module().dims));
    return model->model.input(name, t);
  });
}

tenon_status tenon_model_param(tenon_model* model, const char* name, const char* type, const char* init,
                               int32_t frozen, tenon_value* value, tenon_error** error) {
  return add_named(model, name, value, error, [&]() -> Result<ValueId> {
    TENON_NEED(type);
    TENON_ASSIGN(const tenon::ir::Type t, parse_type(type, model->model.module().dims));
    TENON_ASSIGN(const tenon::ir::Init i, parse_init(init));
    return model->model.param(name, t, i, frozen != 0);
  });
}

tenon_status tenon_model_state(tenon_model* model, const char* name, const char* type, const char* init,
                               tenon_value* value, tenon_error** error) {
  return add_named(model, name, value, error, [&]() -> Result<ValueId> {
    TENON_NEED(type);
    TENON_ASSIGN(const tenon::ir::Type t, parse_type(type, model->model.module().dims));
    TENON_ASSIGN(const tenon::ir::Init i, parse_init(init));
    return model->model.state(name, t, i);
  });
}

tenon_status tenon_model_hyper(tenon_model* model, const char* name, tenon_dtype dtype, double preset,
                               tenon_value* value, tenon_error** error) {
  return add_named(model, name, value, error, [&]() -> Result<ValueId> {
    TENON_TRY(shape_of({nullptr, dtype, 1, std::array<int64_t, 1>{0}.data()}));
    return model->model.hyper(name, dtype_of_c(dtype), preset);
  });
}

tenon_status tenon_model_constant(tenon_model* model, const tenon_tensor* tensor, tenon_value* value,
                                  tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(tensor);
    TENON_NEED(value);
    TENON_ASSIGN(Array array, array_of(*tensor));
    TENON_ASSIGN(const ValueId id, model->innermost().constant(std::move(array)));
    *value = model->give(id);
    return Ok{};
  });
}

tenon_status tenon_model_literal(tenon_model* model, double number, tenon_value like, tenon_value* value,
                                 tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(value);
    TENON_ASSIGN(const ValueId other, resolve(*model, like));
    const DType dtype = model->innermost().type(other).dtype;
    if (!is_float(dtype) && std::floor(number) != number)
      return tenon::support::error(Code::bad_literal,
                                   format_float(number) + " is no " + std::string(dtype_name(dtype)),
                                   "cast the other operand to a float type first");
    TENON_ASSIGN(const ValueId id, model->innermost().literal(number, other));
    *value = model->give(id);
    return Ok{};
  });
}

tenon_status tenon_model_op(tenon_model* model, const char* op, const tenon_value* operands,
                            uint32_t operand_count, const char* attributes, tenon_value* results,
                            uint32_t capacity, uint32_t* count, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(op);
    if (capacity != 0) TENON_NEED(results);
    TENON_ASSIGN(const std::vector<ValueId> ids, resolve(*model, operands, operand_count));
    TENON_ASSIGN(const std::vector<ValueId> made,
                 model->innermost().op(op, ids, attributes == nullptr ? "" : attributes));
    // Random numbers are known by names, which a body's model knows only its own of: make them the model's.
    const tenon::ir::OpDef* def = tenon::ir::op_table().find(op);
    if (!model->bodies.empty() && def != nullptr && def->mode != nullptr && !made.empty())
      TENON_TRY(model->innermost().name(made[0], std::string(op) + ".loop" + std::to_string(model->graph()) +
                                                     "." + std::to_string(made[0].index)));
    for (size_t i = 0; i < made.size() && i < capacity; ++i) results[i] = model->give(made[i]);
    if (count != nullptr) *count = static_cast<uint32_t>(made.size());
    return Ok{};
  });
}

tenon_status tenon_model_name(tenon_model* model, tenon_value value, const char* name, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(name);
    TENON_ASSIGN(const ValueId id, resolve(*model, value));
    return model->innermost().name(id, name);
  });
}

tenon_status tenon_model_find(const tenon_model* model, const char* name, tenon_value* value,
                              tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(name);
    TENON_NEED(value);
    TENON_ASSIGN(const ValueId id, model->model.find(name));
    *value = model->give_top(id);
    return Ok{};
  });
}

tenon_status tenon_model_type(const tenon_model* model, tenon_value value, char** type, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(type);
    TENON_ASSIGN(const tenon::ir::Type* t, type_of(*model, value));
    *type = give_text(t->text());
    return Ok{};
  });
}

tenon_status tenon_model_params(const tenon_model* model, const char* pattern, tenon_value* values,
                                uint32_t capacity, uint32_t* count, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(pattern);
    TENON_NEED(count);
    if (capacity != 0) TENON_NEED(values);
    const std::vector<ValueId> ids = model->model.params(pattern);
    for (size_t i = 0; i < ids.size() && i < capacity; ++i) values[i] = model->give_top(ids[i]);
    *count = static_cast<uint32_t>(ids.size());
    return Ok{};
  });
}

tenon_status tenon_model_value_name(const tenon_model* model, tenon_value value, char** name,
                                    tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(name);
    const auto found = model->names.find(value);
    *name = give_text(found == model->names.end() ? "" : found->second);
    return Ok{};
  });
}

tenon_status tenon_model_grad(tenon_model* model, tenon_value loss, const tenon_value* wrt, uint32_t count,
                              tenon_value* gradients, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    if (count != 0) TENON_NEED(gradients);
    TENON_TRY(no_open_loop(*model));
    TENON_ASSIGN(const ValueId of, resolve_top(*model, loss));
    TENON_ASSIGN(const std::vector<ValueId> ids, resolve_top(*model, wrt, count));
    TENON_ASSIGN(const std::vector<ValueId> made, model->model.grad(of, ids));
    for (uint32_t i = 0; i < count; ++i) gradients[i] = model->give_top(made[i]);
    model->grad_loss = loss;
    return Ok{};
  });
}

tenon_status tenon_model_function(tenon_model* model, const char* name, const char* const* names,
                                  const tenon_value* values, uint32_t count, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(name);
    TENON_TRY(no_open_loop(*model));
    TENON_ASSIGN(const std::vector<Model::Named> results, named(*model, names, values, count));
    return model->model.function(name, results);
  });
}

tenon_status tenon_model_metric(tenon_model* model, const char* name, tenon_value value,
                                tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(name);
    TENON_ASSIGN(const ValueId id, resolve_top(*model, value));
    return model->model.metric(name, id);
  });
}

tenon_status tenon_model_step(tenon_model* model, const char* name, tenon_value loss, const char* optimizer,
                              const char* const* over, uint32_t over_count, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(name);
    TENON_NEED(optimizer);
    if (over_count != 0) TENON_NEED(over);
    TENON_TRY(no_open_loop(*model));
    TENON_ASSIGN(const ValueId id, resolve_top(*model, loss));
    std::vector<std::string> patterns;
    for (uint32_t i = 0; i < over_count; ++i) {
      TENON_NEED(over[i]);
      patterns.emplace_back(over[i]);
    }
    return model->model.step(name, id, optimizer, patterns);
  });
}

tenon_status tenon_model_assign_step(tenon_model* model, const char* name, const tenon_value* targets,
                                     const tenon_value* values, uint32_t count, const char* const* names,
                                     const tenon_value* results, uint32_t result_count, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(name);
    TENON_TRY(no_open_loop(*model));
    TENON_ASSIGN(const std::vector<ValueId> to, resolve_top(*model, targets, count));
    TENON_ASSIGN(const std::vector<ValueId> from, resolve_top(*model, values, count));
    std::vector<Model::Assign> assigns;
    for (uint32_t i = 0; i < count; ++i) assigns.push_back({to[i], from[i]});
    TENON_ASSIGN(std::vector<Model::Named> outputs, named(*model, names, results, result_count));
    if (outputs.empty() && model->grad_loss != TENON_NO_VALUE) {
      TENON_ASSIGN(const ValueId loss, resolve_top(*model, model->grad_loss));
      outputs.push_back({"loss", loss});
    }
    return model->model.step(name, assigns, outputs);
  });
}

tenon_status tenon_model_finish(const tenon_model* model, tenon_module** module, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(module);
    TENON_TRY(no_open_loop(*model));
    TENON_ASSIGN(tenon::ir::Module made, model->model.finish());
    auto unit = std::make_shared<Unit>();
    unit->code = std::move(made);
    *module = new tenon_module{std::move(unit)};
    return Ok{};
  });
}

}  // extern "C"
