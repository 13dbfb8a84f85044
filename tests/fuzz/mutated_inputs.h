// Inputs with something changed in them, as people and programs change them: a number, a name, a word, a line
// of a text, a byte or a field of a file. And a way to try many of them: in processes of their own, so that a
// signal, a hang or memory without bound is a failure with the input that made it, and not the end of the
// test.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::test {

// One to three changes, the same for the same seed. `texts` lends names, words and lines.
std::string mutated_text(std::string_view text, uint64_t seed, std::string_view lender = {});
// For files: bytes, and fields of 1 to 8 bytes with values at the edges; texts in them as above.
std::string mutated_bytes(std::string_view bytes, uint64_t seed);

struct Trial {
  uint64_t tried = 0, accepted = 0;
  std::vector<std::string> faults;  // "seed 12: signal 11", at most a few
  // Hooks count in their own process: named counters that come back from all of them.
  uint64_t counted[4] = {};
};

struct TrialOptions {
  uint64_t first = 1, count = 100;
  int seconds = 20;           // of one input
  uint64_t batch = 250;       // inputs a process
  uint64_t megabytes = 4096;  // resident, of a process
};

// one(seed) answers whether the input was accepted.
Trial try_inputs(TrialOptions options, const std::function<bool(uint64_t seed)>& one);
// Of the running trial.
void count(size_t counter, uint64_t n = 1);

}  // namespace tenon::test
