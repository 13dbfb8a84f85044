// Passes and their manager, generic over the IR: names, textual pipelines with options, verification after
// each pass, changed flags checked by hash, timing, rule counts, dumps, stop-after, disable, reproducer on
// failure.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/diagnostic.h"

namespace tenon::pass {
using namespace support;

// What a pass reports beside its change: how often each rule fired.
using Counts = std::map<std::string, uint64_t, std::less<>>;
// What a pipeline gives a pass: `prepare{target = x86-64-v3}`, values as text.
using Options = std::map<std::string, std::string, std::less<>>;

struct OptionAbout {
  std::string_view name;  // empty: any name, of which `about` says what it is
  std::string_view about;
};

// What is known of a pass without its IR.
struct About {
  std::string_view name;   // file, test and --passes= name
  std::string_view about;  // what it needs and what it guarantees, one line
  std::span<const OptionAbout> options = {};
};

template <class Unit>
struct Pass : About {
  // True where it changed the unit. Options are among those that it knows.
  Result<bool> (*run)(Unit& unit, const Options& options, Counts& counts) = nullptr;
};

// A pass of a pipeline, with what it is given there.
template <class Unit>
struct Step {
  Step(const Pass<Unit>* of) : pass(of) {}
  Step(const Pass<Unit>* of, Options with) : pass(of), options(std::move(with)) {}

  const Pass<Unit>* pass;
  Options options = {};
};

struct Record {
  std::string pass;
  bool changed = false;
  double seconds = 0;
  Counts counts;
};

template <class Unit>
struct ManagerOptions {
  std::function<Status(const Unit&)> verify;                           // after each pass; null: off
  std::function<uint64_t(const Unit&)> hash;                           // to check the changed flag; null: off
  std::function<void(const Unit&, const Record&)> after;               // dumps
  std::function<void(const Unit&, std::string_view pass)> on_failure;  // the unit before the failing pass
  std::vector<std::string> disabled;
  std::string stop_after;
};

struct StepText {
  std::string name;
  Options options;
};
// "bind{n = 8},cse,fuse" -> passes in order; T504 on an unknown name or option, with the nearest.
Result<std::vector<StepText>> parse_steps(std::string_view text, const std::vector<const About*>& known);

template <class Unit>
Result<std::vector<Step<Unit>>> parse_pipeline(std::string_view text,
                                               const std::vector<const Pass<Unit>*>& known);

// An option that is yes or no, `otherwise` where it is not given; T504 where it is another word.
Result<bool> yes_or_no(const Options& options, std::string_view name, bool otherwise);

template <class Unit>
Result<std::vector<Record>> run_passes(Unit& unit, const std::vector<Step<Unit>>& steps,
                                       const ManagerOptions<Unit>& options);

}  // namespace tenon::pass

#include "pass/pass_impl.h"
