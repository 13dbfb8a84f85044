// C API: programs and states.
#include "driver/c_api/c_api.h"
#include "support/text.h"

using namespace tenon::driver;
using namespace tenon::driver::c_api;

namespace {

const EntryInfo* entry_of(const tenon_program* program, uint32_t entry) {
  if (program == nullptr || entry >= program->program->entries().size()) return nullptr;
  return &program->program->entries()[entry];
}
const char* at(const std::vector<std::string>& list, uint32_t index) {
  return index < list.size() ? list[index].c_str() : nullptr;
}

}  // namespace

extern "C" {

void tenon_program_free(tenon_program* program) { delete program; }

tenon_status tenon_program_module(const tenon_program* program, tenon_module** module, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(program);
    TENON_NEED(module);
    *module = new tenon_module{program->unit};
    return Ok{};
  });
}

uint32_t tenon_program_entries(const tenon_program* program) {
  return program == nullptr ? 0 : static_cast<uint32_t>(program->program->entries().size());
}
const char* tenon_program_entry(const tenon_program* program, uint32_t entry) {
  const EntryInfo* e = entry_of(program, entry);
  return e == nullptr ? nullptr : e->interface->name.c_str();
}
uint32_t tenon_program_inputs(const tenon_program* program, uint32_t entry) {
  const EntryInfo* e = entry_of(program, entry);
  return e == nullptr ? 0 : static_cast<uint32_t>(e->inputs.size());
}
const char* tenon_program_input(const tenon_program* program, uint32_t entry, uint32_t input) {
  const EntryInfo* e = entry_of(program, entry);
  return e == nullptr ? nullptr : at(e->input_names, input);
}
const char* tenon_program_input_type(const tenon_program* program, uint32_t entry, uint32_t input) {
  return entry_of(program, entry) == nullptr ? nullptr : at(program->input_types[entry], input);
}
uint32_t tenon_program_outputs(const tenon_program* program, uint32_t entry) {
  const EntryInfo* e = entry_of(program, entry);
  return e == nullptr ? 0 : static_cast<uint32_t>(e->outputs.size());
}
const char* tenon_program_output(const tenon_program* program, uint32_t entry, uint32_t output) {
  const EntryInfo* e = entry_of(program, entry);
  return e == nullptr ? nullptr : at(e->output_names, output);
}
const char* tenon_program_output_type(const tenon_program* program, uint32_t entry, uint32_t output) {
  return entry_of(program, entry) == nullptr ? nullptr : at(program->output_types[entry], output);
}
uint32_t tenon_program_tensors(const tenon_program* program) {
  return program == nullptr ? 0 : static_cast<uint32_t>(program->program->kernels().state.size());
}
const char* tenon_program_tensor(const tenon_program* program, uint32_t tensor) {
  return tensor < tenon_program_tensors(program) ? program->program->kernels().state[tensor].name.c_str()
                                                 : nullptr;
}
const char* tenon_program_tensor_type(const tenon_program* program, uint32_t tensor) {
  return program == nullptr ? nullptr : at(program->tensor_types, tensor);
}
uint64_t tenon_program_state_bytes(const tenon_program* program) {
  return program == nullptr ? 0 : program->program->kernels().state_bytes;
}

tenon_status tenon_state_init(const tenon_program* program, uint64_t seed, tenon_state** state,
                              tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(program);
    TENON_NEED(state);
    TENON_ASSIGN(std::shared_ptr<State> made, program->program->init(seed));
    *state = new tenon_state{std::move(made)};
    return Ok{};
  });
}

tenon_status tenon_state_copy(const tenon_state* state, tenon_state** copy, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(state);
    TENON_NEED(copy);
    *copy = new tenon_state{std::make_shared<State>(*state->state)};
    return Ok{};
  });
}

void tenon_state_free(tenon_state* state) { delete state; }

tenon_status tenon_state_save(const tenon_state* state, const char* path, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(state);
    TENON_NEED(path);
    return state->state->save(path);
  });
}

tenon_status tenon_state_load(tenon_state* state, const char* path, int32_t partial, char** missing,
                              tenon_error** error) {
  return guarded<Stack::caller>(error, [&]() -> Status {
    TENON_NEED(state);
    TENON_NEED(path);
    std::vector<std::string> names;
    TENON_TRY(state->state->load(path, partial != 0, &names));
    if (missing != nullptr) *missing = give_text(join(names, "\n"));
    return Ok{};
  });
}

tenon_status tenon_state_get(const tenon_state* state, const char* tensor, tenon_array** array,
                             tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(state);
    TENON_NEED(tensor);
    TENON_NEED(array);
    TENON_ASSIGN(Array value, state->state->get(tensor));
    *array = new tenon_array{std::make_shared<const Array>(std::move(value))};
    return Ok{};
  });
}

tenon_status tenon_state_set(tenon_state* state, const char* tensor, const tenon_tensor* value,
                             tenon_error** error) {
  return guarded<Stack::caller>(error, [&]() -> Status {
    TENON_NEED(state);
    TENON_NEED(tensor);
    TENON_NEED(value);
    TENON_ASSIGN(const Array array, array_of(*value));
    return state->state->set(tensor, array);
  });
}

uint64_t tenon_state_hash(const tenon_state* state) { return state == nullptr ? 0 : state->state->hash(); }

}  // extern "C"
