#include "driver/command/c_call.h"

#include <algorithm>
#include <cstring>

#include "c_interface/interface.h"
#include "codegen/symbols.h"

namespace tenon::command {

using c_interface::CEntry;
using c_interface::CField;
using kernel::ParamRole;

namespace {

using Caller = int32_t (*)(void* state, const uint64_t* fields, void* arena, size_t bytes,
                           const runtime::Parallel* parallel, uint64_t* done);
using Init = int32_t (*)(void* state, size_t bytes, uint64_t seed, void* arena, size_t arena_bytes);

// C functions want a place even for arrays without elements.
uint64_t pointer_to(const Array& a) {
  alignas(64) static const char nothing[64] = {};
  return reinterpret_cast<uint64_t>(a.data() != nullptr ? static_cast<const void*>(a.data()) : nothing);
}

// One word a field, in the order of the C function.
std::vector<uint64_t> fields_of(const CEntry& e, const kernel::Entry& called, const evaluate::Inputs& inputs,
                                const std::vector<int64_t>& sizes, const Outcome& outcome) {
  std::vector<uint64_t> words;
  for (const CField& f : e.fields) {
    uint64_t word = 0;
    size_t position = 0;
    for (const kernel::EntryParam& p : called.params) {
      if (p.role != f.param->role) continue;
      if (p.name != f.param->name) {
        ++position;
        continue;
      }
      if (p.role == ParamRole::input) word = pointer_to(inputs.arguments[position]);
      if (p.role == ParamRole::output) word = pointer_to(outcome.outputs[position]);
      if (p.role == ParamRole::dim) word = static_cast<uint64_t>(sizes[position]);
      if (p.role == ParamRole::hyper) {
        word = p.bits;
        if (const auto found = inputs.globals.find(p.name); found != inputs.globals.end())
          std::memcpy(&word, found->second.data(), found->second.bytes());
      }
      break;
    }
    words.push_back(word);
  }
  return words;
}

}  // namespace

Result<Outcome> run_c_function(const driver::Program& program, const driver::EntryInfo& entry,
                               const LinkedObject& object, const std::string& prefix,
                               const evaluate::Inputs& inputs, const runtime::Parallel* parallel) {
  const std::string& name = entry.interface->name;
  TENON_ASSIGN(const c_interface::CInterface c, c_interface::interface_of(program.kernels(), prefix));
  TENON_ASSIGN(PreparedCall call, prepare_call(program, entry, inputs));
  auto& [sizes, state, arena, outcome] = call;
  const Errors lacking = error(Code::backend, "the object lacks the C function of " + name);
  if (c.init != nullptr && c.init->name == name) {
    const auto init = reinterpret_cast<Init>(object.lookup(prefix + "_init"));
    if (init == nullptr) return lacking;
    uint64_t seed = 0;
    if (!inputs.arguments.empty()) std::memcpy(&seed, inputs.arguments[0].data(), sizeof seed);
    // Arguments that a function does not take are not looked at.
    outcome.status.code =
        static_cast<uint32_t>(init(state->block(), std::max<size_t>(program.kernels().state_bytes, 64), seed,
                                   arena.data(), arena.bytes()));
  } else {
    const CEntry* found = nullptr;
    for (const CEntry& e : c.entries)
      if (e.entry->name == name || (e.given != nullptr && e.given->name == name)) found = &e;
    if (found == nullptr) return lacking;
    const auto call =
        reinterpret_cast<Caller>(object.lookup(codegen::caller_symbol(prefix, found->entry->name)));
    if (call == nullptr) return lacking;
    const std::vector<uint64_t> fields = fields_of(*found, *entry.interface, inputs, sizes, outcome);
    uint64_t done = 0;
    outcome.status.code = static_cast<uint32_t>(
        call(state->block(), fields.data(), arena.data(), arena.bytes(), parallel, &done));
  }
  for (const kernel::StateSlot& s : program.kernels().state) {
    TENON_ASSIGN(Array value, state->get(s.name));
    outcome.state.emplace(s.name, std::move(value));
  }
  return std::move(outcome);
}

}  // namespace tenon::command
