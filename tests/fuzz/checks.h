// What must hold of every graph: the same bits from the exact evaluator, passes, kernels and compiled code,
// under every way of lowering; the wide evaluator's bound; texts that read back; gradients as differences
// tell them.
//
// Compiled code runs on memory between guard pages, arenas filled with NaN. An access beyond is reported as a
// failure, not a crash.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "fuzz/random_graph.h"
#include "kernel/kernel.h"
#include "lower/lower.h"

namespace tenon::test {

// Faults planted between the stages; each may change what it is given. Null: nothing is planted.
struct Faults {
  std::function<void(ir::Module&)> graph;     // after the passes
  std::function<void(ir::Module&)> gradient;  // the gradient as transforms made it
  std::function<void(kernel::Module&)> kernel;
  std::function<void(kernel::Module&)> code;  // what is compiled, not what the evaluator of kernels runs
  std::function<void(evaluate::Outputs&)> exact;
  std::function<void(evaluate::WideOutputs&)> wide;
};

struct Failure {
  std::string check;  // "exact, passes", "jit x86-64-v3", ...
  std::string text;   // what differs, with the node that made it
};

struct Statistics {
  uint64_t graphs = 0, gradients = 0, compiled = 0, failing_calls = 0;
  uint64_t fused = 0;  // graphs with a kernel of at least 4 operations
  uint64_t no_derivative = 0, gradient_nonzero = 0, gradient_dependent = 0;
  uint64_t differences = 0, differences_skipped = 0;
  uint64_t elements = 0, undecided = 0;
  uint64_t f32_elements = 0, f32_tight = 0;  // bound <= 1e-2 of the magnitude
  double largest_ratio = 0;
  std::string text() const;
};

struct CheckOptions {
  bool compile = true;   // also compiled code (evaluator of kernels otherwise)
  bool thorough = true;  // all ways of lowering; else two of them, chosen by the seed
  bool gradient = true;
  int runs = 2;  // bindings of sizes and values
  const Faults* faults = nullptr;
};

std::optional<Failure> check(const RandomGraph& graph, const CheckOptions& options, Statistics* statistics);

// The gradient of the sum of all float results, each weighted by an input, with respect to all float inputs
// and parameters. Nothing where there is none.
std::optional<RandomGraph> gradient_graph(const RandomGraph& graph, std::string* why);

}  // namespace tenon::test
