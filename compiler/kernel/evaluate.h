// Evaluator of kernel IR: runs a function on host memory, one lane at a time, checking every access against
// the extent of its buffer. It judges lowering (against the graph evaluators) and code generation (bit for
// bit).
#pragma once

#include <vector>

#include "kernel/kernel.h"

namespace tenon::kernel {

struct Argument {
  void* pointer = nullptr;  // buffer
  size_t bytes = 0;         // its size; accesses beyond are errors
  uint64_t scalar = 0;      // bits of a scalar
};
struct EvaluateOptions {
  enum class Chunks : uint8_t { forward, reversed, shuffled } chunks = Chunks::forward;
  uint64_t seed = 0;
};
struct EvaluateResult {
  uint16_t status = 0;  // first failing code, 0: none
  int64_t detail = 0, progress = 0;
};
// T605 on an access out of bounds (naming function, statement and index).
Result<EvaluateResult> evaluate(const Module& module, const Function& function,
                                const std::vector<Argument>& arguments, const EvaluateOptions& options = {});

}  // namespace tenon::kernel
