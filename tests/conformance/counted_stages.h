// Work that is counted in instructions, stage by stage. Counting is callgrind's: a test runs its own binary
// again, on a hidden case that does the stages, each in a function of its own. Without valgrind there are no
// counts, and tests say so by name.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tenon::test {

// Does the stages one after the other and keeps their names.
class CountedStages {
 public:
  // Fails the test case where `work` is false.
  void run(const std::string& name, const std::function<bool()>& work);
  std::vector<std::string> names;
};

// Stages of one graph of a shape and size; makes and does them.
using Stages = std::function<std::vector<std::string>(const std::string& shape, size_t operations)>;

// The body of a hidden case: does the stages that the process around asks for.
void run_counted(const Stages& stages);
// `factor` times the operations cost at most 1.3 times `factor` the instructions, in every stage, from each
// size to the next (which is `factor` times as large). `hidden`: name of the hidden case.
void require_linear(const std::string& hidden, const Stages& stages, const std::vector<size_t>& sizes,
                    const std::vector<std::string>& shapes, double factor = 10);

}  // namespace tenon::test
