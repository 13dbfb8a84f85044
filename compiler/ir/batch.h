// The batch dimension of a function: how data are cut for it. Every input of rank 1 or more either has the
// dimension, at one place or at several, and is cut along all of them, or is the same for every batch. Rank-0
// inputs hold no rows: they are the same for every batch.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace tenon::ir {

// What `{batch = n, same = [mask]}` says of a function.
struct BatchWords {
  std::string dim;                // empty: to be inferred
  std::vector<std::string> same;  // inputs that are the same for every batch
};

// A batch dimension, or why there is none. Neither: the function has no named dimension in its inputs.
struct BatchFinding {
  std::optional<Batch> batch;
  std::string problem, help;  // in users' words; the help is what to write into the directive
};

// The function's own (Function::batch), else the dimension that is named, else the one that all inputs share
// which are not the same for every batch. Where they share several, the steps of loops do not count: time
// goes on within a batch. Linear in the function's nodes and extents.
BatchFinding find_batch(const Function& function, const BatchWords& words = {});

}  // namespace tenon::ir
