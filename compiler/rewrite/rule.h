// Rewrite rules, generic over the IR. A rule is a row: a name, its algebra, the conditions under which it
// keeps bits (NaN, signed zero, infinity, overflow), and a function that yields the replacement or nothing.
// The right side is never worse than the left, so rules have a direction and need no cost model.
//
// Rules are found by key (the operation's name): a subject meets only the rules that can match it, so the
// cost of a round is linear in the number of subjects, whatever the number of rules.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "support/check.h"

namespace tenon::rewrite {

using Counts = std::map<std::string, uint64_t, std::less<>>;

template <class Context, class Subject, class Replacement>
struct Rule {
  std::string_view name;
  std::string_view key;         // the operation it starts from
  std::string_view algebra;     // "x * 1 -> x"
  std::string_view conditions;  // "exact for all x, NaN included"
  std::optional<Replacement> (*apply)(Context& context, const Subject& subject) = nullptr;
};

template <class Context, class Subject, class Replacement>
class RuleSet {
 public:
  using Row = Rule<Context, Subject, Replacement>;

  RuleSet(std::initializer_list<std::span<const Row>> themes) {
    for (std::span<const Row> theme : themes) {
      for (const Row& row : theme) {
        TENON_CHECK(
            row.apply != nullptr && !row.name.empty() && !row.algebra.empty() && !row.conditions.empty(),
            "rule " + std::string(row.name) + " lacks a part");
        by_key_[row.key].push_back(&row);
      }
    }
  }

  // The replacement by the first rule that matches; it is counted under its name.
  std::optional<Replacement> apply(std::string_view key, Context& context, const Subject& subject,
                                   Counts* counts) const {
    const auto at = by_key_.find(key);
    if (at == by_key_.end()) return std::nullopt;
    for (const Row* row : at->second) {
      if (std::optional<Replacement> out = row->apply(context, subject)) {
        ++(*counts)[std::string(row->name)];
        return out;
      }
    }
    return std::nullopt;
  }

 private:
  std::unordered_map<std::string_view, std::vector<const Row*>> by_key_;
};

}  // namespace tenon::rewrite
