// Planted faults: what a broken compiler would do. Each changes, at run time, what one stage hands to the
// next; the checks must find it in some graph, and the shrunk graph names the operation.
#pragma once

#include <string>
#include <vector>

#include "fuzz/checks.h"

namespace tenon::test {

struct Mutator {
  std::string name;   // "stride of a load"
  std::string layer;  // graph, gradient, expression, schedule, memory, status, evaluator
  Faults faults;
};

const std::vector<Mutator>& mutators();

}  // namespace tenon::test
