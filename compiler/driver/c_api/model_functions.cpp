// C API: gradients, functions and steps of models.
#include "driver/c_api/model.h"

using namespace tenon::driver;
using namespace tenon::driver::c_api;
using tenon::ir::ValueId;

namespace {

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

}  // namespace

extern "C" {

tenon_status tenon_model_grad(tenon_model* model, tenon_value loss, const tenon_value* wrt, uint32_t count,
                              tenon_value* gradients, tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
    TENON_NEED(model);
    if (count != 0) TENON_NEED(gradients);
    // Inside a body, values of enclosing graphs are captures: the derivative is with respect to what the body
    // sees, and what was computed before the body is constant.
    TENON_ASSIGN(const ValueId of, resolve(*model, loss));
    TENON_ASSIGN(const std::vector<ValueId> ids, resolve(*model, wrt, count));
    TENON_ASSIGN(const std::vector<ValueId> made, model->innermost().grad(of, ids));
    for (uint32_t i = 0; i < count; ++i) gradients[i] = model->give(made[i]);
    if (model->bodies.empty()) model->grad_loss = loss;
    return Ok{};
  });
}

tenon_status tenon_model_function(tenon_model* model, const char* name, const char* const* names,
                                  const tenon_value* values, uint32_t count, tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(name);
    TENON_TRY(no_open_loop(*model));
    TENON_ASSIGN(const std::vector<Model::Named> results, named(*model, names, values, count));
    return model->model.function(name, results);
  });
}

tenon_status tenon_model_metric(tenon_model* model, const char* name, tenon_value value,
                                tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(name);
    TENON_ASSIGN(const ValueId id, resolve_top(*model, value));
    return model->model.metric(name, id);
  });
}

tenon_status tenon_model_step(tenon_model* model, const char* name, tenon_value loss, const char* options,
                              const char* const* over, uint32_t over_count, tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(name);
    TENON_NEED(options);
    if (over_count != 0) TENON_NEED(over);
    TENON_TRY(no_open_loop(*model));
    TENON_ASSIGN(const ValueId id, resolve_top(*model, loss));
    std::vector<std::string> patterns;
    for (uint32_t i = 0; i < over_count; ++i) {
      TENON_NEED(over[i]);
      patterns.emplace_back(over[i]);
    }
    return model->model.step(name, id, options, patterns);
  });
}

tenon_status tenon_model_averaged(tenon_model* model, const char* name, const char* function,
                                  const char* step, tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_NEED(name);
    TENON_NEED(function);
    TENON_NEED(step);
    TENON_TRY(no_open_loop(*model));
    return model->model.averaged(name, function, step);
  });
}

tenon_status tenon_model_assign_step(tenon_model* model, const char* name, const tenon_value* targets,
                                     const tenon_value* values, uint32_t count, const char* const* names,
                                     const tenon_value* results, uint32_t result_count, tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
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

tenon_status tenon_model_update(tenon_model* model, tenon_value target, tenon_value value, tenon_value with,
                                tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
    TENON_NEED(model);
    TENON_ASSIGN(const ValueId to, resolve_top(*model, target));
    TENON_ASSIGN(const ValueId from, resolve_top(*model, value));
    if (with == TENON_NO_VALUE) return model->model.update(to, from, from);
    TENON_ASSIGN(const ValueId reached, resolve_top(*model, with));
    return model->model.update(to, from, reached);
  });
}

tenon_status tenon_model_finish(const tenon_model* model, tenon_module** module, tenon_error** error) {
  return guarded<Stack::deep>(error, [&]() -> Status {
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
