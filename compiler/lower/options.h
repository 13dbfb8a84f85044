// How a module is lowered, beside what it says: given once, kept with the scheduled module, read by passes
// and emission.
#pragma once

#include <string>
#include <vector>

#include "kernel/kernel.h"
#include "target/target.h"

namespace tenon::lower {

struct FuseOptions {
  bool enabled = true;        // false: one node a group
  uint64_t most_cost = 1024;  // instructions of one element of a group: bounds kernels and their compile time
};

struct PlanOptions {
  bool in_place = true;
};

struct Options {
  const target::Target* target = nullptr;
  std::vector<std::string> functions;  // entries to make; empty: all
  FuseOptions fuse;
  PlanOptions plan;
  const std::vector<kernel::StateSlot>* state_like = nullptr;  // a layout that holds all that functions name
  bool parallel = true;                                        // false: no parallel phases
  double chunk_cycles = 20000;   // least work of a chunk of a phase, in vector cycles
  double inline_cycles = 30000;  // loops whose body does less run as one serial kernel
};

}  // namespace tenon::lower
