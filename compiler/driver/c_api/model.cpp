// C API: values of models.
#include "driver/c_api/model.h"

#include <array>

#include "support/text.h"

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

tenon_status tenon_model_hyper_text(tenon_model* model, const char* name, tenon_dtype dtype,
                                    const char* preset, tenon_value* value, tenon_error** error) {
  return add_named(model, name, value, error, [&]() -> Result<ValueId> {
    TENON_NEED(preset);
    TENON_TRY(shape_of({nullptr, dtype, 1, std::array<int64_t, 1>{0}.data()}));
    TENON_ASSIGN(const Number number, parse_number(preset));
    return model->model.hyper(name, dtype_of_c(dtype), number);
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
    TENON_ASSIGN(const ValueId id, model->innermost().literal(number, other));
    *value = model->give(id);
    return Ok{};
  });
}

tenon_status tenon_model_literal_text(tenon_model* model, const char* number, tenon_value like,
                                      tenon_value* value, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(number);
    TENON_NEED(value);
    TENON_ASSIGN(const Number parsed, parse_number(number));
    TENON_ASSIGN(const ValueId other, resolve(*model, like));
    TENON_ASSIGN(const ValueId id, model->innermost().literal(parsed, other));
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

}  // extern "C"
