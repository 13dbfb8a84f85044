// Data described in words: a name, a colon and pairs key=value. What they mean stands in runtime/load.h.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/csv.h"
#include "support/text.h"

namespace tenon::runtime {

// The pairs. Each key is taken by its reader; what is left over is unknown (T610, with the nearest one
// known).
class Keys {
 public:
  static support::Result<Keys> parse(std::string_view name, std::string_view text) {
    Keys k;
    k.name_ = name;
    if (text.empty()) return k;
    for (std::string_view part : support::split(text, ',')) {
      const size_t equal = part.find('=');
      if (equal == std::string_view::npos || equal == 0)
        return support::error(support::Code::bad_option,
                              k.name_ + ": " + support::quote(part) + " is not key=value",
                              "write " + k.name_ + ":key=value,key=value");
      Pair pair{std::string(support::trim(part.substr(0, equal))),
                std::string(support::trim(part.substr(equal + 1))), false};
      // A separator of `,` cuts itself in two: csv's default needs no key.
      for (const Pair& other : k.pairs_)
        if (other.key == pair.key)
          return support::error(support::Code::bad_option,
                                k.name_ + ": " + support::quote(pair.key) + " is given twice");
      k.pairs_.push_back(std::move(pair));
    }
    return k;
  }
  const std::string* take(std::string_view key) {
    known_.push_back(key);
    for (Pair& p : pairs_)
      if (p.key == key) {
        p.taken = true;
        return &p.value;
      }
    return nullptr;
  }
  support::Status take(std::string_view key, int64_t* out) {
    const std::string* v = take(key);
    if (v == nullptr) return support::Ok{};
    const auto number = support::parse_int(*v);
    if (!number) return bad(key, *v, "a whole number");
    *out = *number;
    return support::Ok{};
  }
  support::Status take(std::string_view key, uint64_t* out) {
    const std::string* v = take(key);
    if (v == nullptr) return support::Ok{};
    const auto number = support::parse_unsigned(*v);
    if (!number) return bad(key, *v, "a whole number from 0 to 18446744073709551615");
    *out = *number;
    return support::Ok{};
  }
  support::Status take(std::string_view key, double* out) {
    const std::string* v = take(key);
    if (v == nullptr) return support::Ok{};
    const auto number = support::parse_double(*v);
    if (!number) return bad(key, *v, "a number");
    *out = *number;
    return support::Ok{};
  }
  // One of several words, as its index.
  template <class E>
  support::Status take(std::string_view key, std::initializer_list<std::pair<std::string_view, E>> words,
                       E* out) {
    const std::string* v = take(key);
    if (v == nullptr) return support::Ok{};
    std::string all;
    for (const auto& [word, value] : words) {
      if (word == *v) {
        *out = value;
        return support::Ok{};
      }
      all += (all.empty() ? "" : " or ") + std::string(word);
    }
    return bad(key, *v, all);
  }
  // Those of the keys that are given, as text.
  std::string said(std::span<const std::string_view> keys) const {
    std::string out;
    for (const std::string_view key : keys)
      for (const Pair& p : pairs_)
        if (p.key == key) out += (out.empty() ? "" : ",") + p.key + "=" + p.value;
    return out;
  }
  support::Status done() const {
    for (const Pair& p : pairs_) {
      if (p.taken) continue;
      const std::string_view near = support::nearest(p.key, known_);
      std::string list;
      for (std::string_view k : known_) list += (list.empty() ? "" : ", ") + std::string(k);
      return support::error(
          support::Code::bad_option, name_ + ": there is no " + support::quote(p.key),
          (near.empty() ? "" : "did you mean " + support::quote(near) + "? ") + "known: " + list);
    }
    return support::Ok{};
  }

 private:
  struct Pair {
    std::string key, value;
    bool taken;
  };
  support::Status bad(std::string_view key, const std::string& value, const std::string& want) const {
    return support::error(support::Code::bad_option,
                          name_ + ": " + std::string(key) + "=" + value + " is not " + want);
  }
  std::string name_;
  std::vector<Pair> pairs_;
  std::vector<std::string_view> known_;
};

// Tables, and what is generated. `form` as in LoadOptions.
support::Result<TrainTest> load_described(std::string_view name, Keys keys, const TableForm* form);
// `test` may be empty; `said`: the keys that chose columns, classes and scale.
support::Result<TrainTest> load_tables(const std::string& train, const std::string& test, CsvOptions options,
                                       const std::string& said = {});

}  // namespace tenon::runtime
