// One call of one function, run by different engines on equal inputs: what diff, bench and check-grad share.
#pragma once

#include <memory>

#include "driver/command/model.h"
#include "evaluate/evaluate.h"
#include "runtime/abi.h"

namespace tenon::command {

// Values of parameters, state and hyper-parameters at entry: those of a state, or of `init`.
Result<std::map<std::string, Array>> initial_globals(const ir::Module& derived, uint64_t seed);
// Drawn input of a type: floats from a normal distribution, bytes 0..255, other integers 0..limit-1.
Result<Array> draw(const ir::Type& type, const ir::DimBindings& dims, uint64_t seed, int limit);
// Drawn inputs of a function, each by a seed of its own.
Result<std::vector<Array>> draw_inputs(const ir::Graph& graph, const ir::DimBindings& dims, uint64_t seed,
                                       int limit);
// Sizes for a function's dimensions: those given, else the preferred one forced into the range. T601, T103.
Result<ir::DimBindings> choose_sizes(const ir::DimRanges& ranges, const ir::Function& function,
                                     const std::vector<std::string>& given, int64_t preferred);
// The same from the types of an entry's inputs.
Result<ir::DimBindings> choose_sizes(const ir::DimRanges& ranges, std::span<const ir::Type> inputs,
                                     const std::vector<std::string>& given, int64_t preferred);

struct Outcome {
  runtime::CallStatus status{};
  std::vector<Array> outputs;
  std::map<std::string, Array> state;
};
// What a call works on: sizes in the entry's order, a state and an arena (filled with NaN) of its own, and
// outputs of their sizes. T601 for sizes out of range.
struct PreparedCall {
  std::vector<int64_t> sizes;
  std::unique_ptr<driver::State> state;
  Array arena;
  Outcome outcome;
};
Result<PreparedCall> prepare_call(const driver::Program& program, const driver::EntryInfo& entry,
                                  const evaluate::Inputs& inputs);
// Runs an entry's code, from a JIT or a linked object, on copies.
Result<Outcome> run_entry(const driver::Program& program, const driver::EntryInfo& entry,
                          runtime::EntryFunction code, const evaluate::Inputs& inputs,
                          const runtime::Parallel* parallel);

// An object written to a file, linked by the system's compiler and loaded from there; where there is no
// compiler, loaded in process (`linked` is false).
class LinkedObject {
 public:
  static Result<std::unique_ptr<LinkedObject>> link(std::span<const std::byte> elf);
  ~LinkedObject();
  LinkedObject(const LinkedObject&) = delete;
  LinkedObject& operator=(const LinkedObject&) = delete;
  void* lookup(const std::string& symbol) const;
  bool linked() const { return library_ != nullptr; }

 private:
  LinkedObject() = default;
  void* library_ = nullptr;
  std::unique_ptr<object::Loaded> loaded_;
};

}  // namespace tenon::command
