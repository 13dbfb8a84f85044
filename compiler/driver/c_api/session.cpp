// C API: sessions, calls and runs.
#include "driver/c_api/c_api.h"
#include "driver/train/trainer.h"
#include "support/text.h"

using namespace tenon::driver;
using namespace tenon::driver::c_api;
using tenon::runtime::Column;

namespace {

Result<const EntryInfo*> entry_of(const Session& session, std::string_view name) {
  if (const EntryInfo* e = session.program()->find(name)) return e;
  std::vector<std::string_view> names;
  for (const EntryInfo& e : session.program()->entries()) names.push_back(e.interface->name);
  const std::string_view near = nearest(name, names);
  return error(Code::undefined_name, "the program has no entry " + quote(name),
               near.empty() ? "" : "did you mean " + std::string(near) + "?");
}

Errors wrong_count(const EntryInfo& entry, size_t given) {
  std::string names = join(entry.input_names, ", ");
  return error(Code::data_shape,
               entry.interface->name + " takes " + std::to_string(entry.inputs.size()) + " inputs, " +
                   std::to_string(given) + " are given",
               names.empty() ? "" : "inputs: " + names);
}

// Positions of the given names among the entry's inputs; without names the order is the entry's.
Result<std::vector<size_t>> positions(const EntryInfo& entry, const char* const* names, uint32_t count) {
  std::vector<size_t> out(entry.inputs.size());
  if (count != entry.inputs.size()) return wrong_count(entry, count);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = i;
    if (names == nullptr) continue;
    size_t found = count;
    for (uint32_t k = 0; k < count; ++k)
      if (names[k] != nullptr && entry.input_names[i] == names[k]) found = k;
    if (found == count)
      return error(Code::data_missing,
                   entry.interface->name + ": input " + entry.input_names[i] + " is not given",
                   "it is " + entry.inputs[i].text());
    out[i] = found;
  }
  return out;
}

Status give_outputs(std::vector<Array> values, tenon_array** outputs, uint32_t capacity, uint32_t* count) {
  if (count != nullptr) *count = static_cast<uint32_t>(values.size());
  if (outputs == nullptr) return Ok{};
  const size_t n = std::min<size_t>(capacity, values.size());
  std::vector<std::unique_ptr<tenon_array>> made;
  for (size_t i = 0; i < n; ++i)
    made.push_back(
        std::make_unique<tenon_array>(tenon_array{std::make_shared<const Array>(std::move(values[i]))}));
  for (size_t i = 0; i < n; ++i) outputs[i] = made[i].release();
  return Ok{};
}

// The entry's dimensions from the shapes of its inputs.
Result<std::vector<int64_t>> dims_of(const EntryInfo& entry, const tenon_tensor* inputs) {
  std::vector<std::vector<int64_t>> shapes;
  for (size_t i = 0; i < entry.inputs.size(); ++i) {
    TENON_ASSIGN(std::vector<int64_t> shape, shape_of(inputs[i]));
    if (dtype_of_c(inputs[i].dtype) != entry.inputs[i].dtype)
      return error(Code::data_shape, entry.interface->name + ": " + entry.input_names[i] + " holds " +
                                         std::string(dtype_name(dtype_of_c(inputs[i].dtype))) + ", wants " +
                                         entry.inputs[i].text());
    shapes.push_back(std::move(shape));
  }
  return entry.bind_dims(shapes, {});
}

}  // namespace

extern "C" {

tenon_status tenon_session_new(const tenon_program* program, tenon_state* state, uint32_t threads,
                               tenon_session** session, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(program);
    TENON_NEED(state);
    TENON_NEED(session);
    auto out = std::make_unique<tenon_session>();
    if (threads != 1) {
      out->pool = std::make_unique<tenon::runtime::Pool>(threads);
      out->parallel = out->pool->parallel();
    }
    const bool alone = out->pool == nullptr || out->pool->workers() < 2;
    out->session =
        std::make_unique<Session>(program->program, state->state, alone ? nullptr : &out->parallel);
    *session = out.release();
    return Ok{};
  });
}

void tenon_session_free(tenon_session* session) {
  if (session == nullptr) return;
  session->session.reset();
  delete session;
}

tenon_status tenon_session_set(tenon_session* session, const char* hyper, double value, tenon_error** error) {
  return guarded<Stack::caller>(error, [&]() -> Status {
    TENON_NEED(session);
    TENON_NEED(hyper);
    return session->session->set_hyper(hyper, value);
  });
}

tenon_status tenon_session_get(const tenon_session* session, const char* hyper, double* value,
                               tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(session);
    TENON_NEED(hyper);
    TENON_NEED(value);
    TENON_ASSIGN(const Number number, session->session->hyper(hyper));
    *value = number.approximate();
    return Ok{};
  });
}

tenon_status tenon_session_set_text(tenon_session* session, const char* hyper, const char* number,
                                    tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(session);
    TENON_NEED(hyper);
    TENON_NEED(number);
    TENON_ASSIGN(const Number value, parse_number(number));
    return session->session->set_hyper(hyper, value);
  });
}

tenon_status tenon_session_get_text(const tenon_session* session, const char* hyper, char** number,
                                    tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(session);
    TENON_NEED(hyper);
    TENON_NEED(number);
    TENON_ASSIGN(const Number value, session->session->hyper(hyper));
    *number = give_text(value.text());
    return Ok{};
  });
}

tenon_status tenon_session_run(tenon_session* session, const char* entry, const char* const* names,
                               const tenon_tensor* inputs, uint32_t input_count, tenon_array** outputs,
                               uint32_t capacity, uint32_t* count, tenon_error** error) {
  return guarded<Stack::caller>(error, [&]() -> Status {
    TENON_NEED(session);
    TENON_NEED(entry);
    if (input_count != 0) TENON_NEED(inputs);
    TENON_ASSIGN(const EntryInfo* info, entry_of(*session->session, entry));
    TENON_ASSIGN(const std::vector<size_t> order, positions(*info, names, input_count));
    std::vector<Array> copies;
    for (const size_t at : order) {
      TENON_ASSIGN(Array copy, array_of(inputs[at]));
      copies.push_back(std::move(copy));
    }
    std::vector<const Array*> pointers;
    for (const Array& a : copies) pointers.push_back(&a);
    TENON_ASSIGN(std::vector<Array> values, session->session->run(entry, pointers));
    return give_outputs(std::move(values), outputs, capacity, count);
  });
}

tenon_status tenon_session_run_data(tenon_session* session, const char* entry, const tenon_data* data,
                                    tenon_array** outputs, uint32_t capacity, uint32_t* count,
                                    tenon_error** error) {
  return guarded<Stack::caller>(error, [&]() -> Status {
    TENON_NEED(session);
    TENON_NEED(entry);
    TENON_NEED(data);
    TENON_ASSIGN(const EntryInfo* info, entry_of(*session->session, entry));
    TENON_TRY(need_memory(*data, "a call on all rows"));
    TENON_ASSIGN(const tenon::runtime::DataSet rows, prepare_data(*info, data->data));
    std::vector<const Array*> pointers;
    for (const Column& c : rows.columns()) pointers.push_back(c.array.get());
    TENON_ASSIGN(std::vector<Array> values, session->session->run(entry, pointers));
    return give_outputs(std::move(values), outputs, capacity, count);
  });
}

tenon_status tenon_call_new(tenon_session* session, const char* entry, const tenon_tensor* inputs,
                            uint32_t input_count, const tenon_tensor* outputs, uint32_t output_count,
                            tenon_call** call, tenon_error** error) {
  return guarded<Stack::caller>(error, [&]() -> Status {
    TENON_NEED(session);
    TENON_NEED(entry);
    TENON_NEED(call);
    if (input_count != 0) TENON_NEED(inputs);
    if (output_count != 0) TENON_NEED(outputs);
    TENON_ASSIGN(const EntryInfo* info, entry_of(*session->session, entry));
    if (input_count != info->inputs.size()) return wrong_count(*info, input_count);
    if (output_count != info->outputs.size())
      return tenon::support::error(Code::data_shape,
                                   std::string(entry) + " gives " + std::to_string(info->outputs.size()) +
                                       " outputs, " + std::to_string(output_count) + " are given",
                                   "outputs: " + join(info->output_names, ", "));
    Call pointers;
    TENON_ASSIGN(pointers.dims, dims_of(*info, inputs));
    const tenon::ir::DimBindings dims = info->bindings(pointers.dims);
    for (size_t i = 0; i < info->inputs.size(); ++i) pointers.inputs.push_back(inputs[i].data);
    for (size_t i = 0; i < info->outputs.size(); ++i) {
      TENON_ASSIGN(const std::vector<int64_t> given, shape_of(outputs[i]));
      TENON_ASSIGN(const std::vector<int64_t> wanted,
                   tenon::ir::evaluate_shape(info->outputs[i].shape, dims));
      if (given != wanted || dtype_of_c(outputs[i].dtype) != info->outputs[i].dtype)
        return tenon::support::error(Code::data_shape,
                                     std::string(entry) + ": output " + info->output_names[i] + " is " +
                                         info->outputs[i].text() + ", the tensor has another type or shape");
      pointers.outputs.push_back(outputs[i].data);
    }
    TENON_ASSIGN(std::unique_ptr<Session::Bound> bound, session->session->bind(entry, pointers));
    *call = new tenon_call{std::move(bound)};
    return Ok{};
  });
}

tenon_status tenon_call_run(tenon_call* call, tenon_error** error) {
  if (call != nullptr) [[likely]] {
    if (error != nullptr) *error = nullptr;
    if (call->bound->call() == 0) [[likely]]
      return 0;
  }
  return guarded(error, [&]() -> Status {
    TENON_NEED(call);
    return call->bound->error();
  });
}

void tenon_call_free(tenon_call* call) { delete call; }

}  // extern "C"
