// Goldens: what becomes of a set of small models, kept beside them, so that a change of the compiler shows
// which kernels it changed. A golden is lines: one for each function of the optimized graph and for each
// kernel and entry on each target, with its length and the hash of its structure (names and comments do not
// count); short ones stand in full below their line, indented.
#pragma once

#include <string>
#include <vector>

namespace tenon::test {

// Of a model's text; fails the test case where it does not compile.
std::string golden_of(const std::string& text);

struct GoldenDifference {
  std::vector<std::string> added, removed;  // heads of what stands in one of them alone
  std::string first;                        // the first line that differs, of both
  bool none() const { return first.empty(); }
  std::string text() const;
};
GoldenDifference difference(const std::string& kept, const std::string& made);

}  // namespace tenon::test
