// Engines: one function of a module, run by the exact evaluator, the evaluator of kernel IR and compiled code
// (alone, on pools, on hosts that run chunks in hostile orders), on equal memory. The bits must be equal.
//
// Compiled code runs on memory that ends at guard pages: arena (filled with NaN), inputs, outputs and state.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "driver/compile/compile.h"
#include "driver/program/program.h"
#include "evaluate/evaluate.h"

namespace tenon::test {
using namespace support;

struct EngineOptions {
  driver::CompileOptions compile;
  bool kernel_evaluator = true;
  double evaluator_limit = 2e6;  // the kernel evaluator is left out where inputs, outputs and arena pass this
  bool pools = true;
  int64_t integers = 10;  // drawn integers lie below it (labels, indices)
  // What becomes of the dump of the scheduled stage before kernels are made of it.
  std::function<std::string(std::string)> edit;
};

class Engines {
 public:
  // `source`: a module at the stage graph; `function` may be one that a derive directive makes.
  static Result<std::unique_ptr<Engines>> make(ir::Module source, const std::string& function,
                                               const EngineOptions& options = {});
  static Result<std::unique_ptr<Engines>> make(std::string_view text, const std::string& function,
                                               const EngineOptions& options = {});

  // Empty where all engines agree; else what differs where.
  std::string compare(const evaluate::Inputs& inputs);
  // The same for drawn inputs and globals.
  std::string compare(const ir::DimBindings& dims, uint64_t seed);

  evaluate::Inputs draw(const ir::DimBindings& dims, uint64_t seed) const;
  const ir::Module& source() const { return source_; }  // what the exact evaluator runs
  const ir::Function& function() const { return *source_.find_function(name_); }
  const std::shared_ptr<const driver::Program>& program() const { return program_; }
  const evaluate::Outputs& expected() const { return expected_; }  // of the last compare

  struct Outcome {
    runtime::CallStatus status{};
    std::vector<Array> outputs;
    Array state;
  };
  // One run of compiled code.
  Outcome run_compiled(const evaluate::Inputs& inputs, const runtime::Parallel* parallel) const;

 private:
  Result<Outcome> run_kernels(const evaluate::Inputs& inputs, int order) const;
  Array state_block(const evaluate::Inputs& inputs) const;
  std::string difference(const evaluate::Inputs& inputs, const Outcome& outcome) const;
  std::vector<int64_t> dims(const evaluate::Inputs& inputs) const;

  ir::Module source_;
  std::string name_;
  EngineOptions options_;
  std::shared_ptr<const driver::Program> program_;
  const driver::EntryInfo* entry_ = nullptr;
  evaluate::Outputs expected_;
};

// Hosts that lend threads in unfriendly ways.
runtime::Parallel reversed_host();               // chunks from the last to the first, on the caller
runtime::Parallel shuffled_host(uint64_t seed);  // in another order every time

// Bits equal, NaN payloads aside; else where they differ first.
std::string array_difference(const Array& expected, const Array& found);

}  // namespace tenon::test
