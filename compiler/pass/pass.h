// Passes and their manager, generic over the IR: names, textual pipelines, verification after each pass,
// changed flags checked by hash, timing, rule counts, dumps, stop-after, disable, reproducer on failure.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "support/diagnostic.h"

namespace tenon::pass {
using namespace support;

// What a pass reports beside its change: how often each rule fired.
using Counts = std::map<std::string, uint64_t, std::less<>>;

template <class Unit>
struct Pass {
  std::string_view name;   // file, test and --passes= name
  std::string_view about;  // what it needs and what it guarantees, one line
  // True where it changed the unit.
  Result<bool> (*run)(Unit& unit, Counts& counts) = nullptr;
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

// "cse,fuse" -> passes in order; T504 with the nearest name.
template <class Unit>
Result<std::vector<const Pass<Unit>*>> parse_pipeline(std::string_view text,
                                                      const std::vector<const Pass<Unit>*>& known);

template <class Unit>
Result<std::vector<Record>> run_passes(Unit& unit, const std::vector<const Pass<Unit>*>& passes,
                                       const ManagerOptions<Unit>& options);

}  // namespace tenon::pass

#include "pass/pass_impl.h"
