// Diagnostics and Result<T>: failure as a value. A diagnostic names the place, what was expected, what was
// found, and the mend. All errors of one input travel together.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "support/check.h"
#include "support/error_codes.h"

namespace tenon::support {

struct Diagnostic {
  Code code = Code::internal;
  std::string message;             // "dense: x has inner size 784, w expects 128"
  std::string file;                // empty: no place known
  uint32_t line = 0, column = 0;   // 1-based; column 0: whole line
  uint32_t length = 1;             // characters under the caret
  std::string excerpt;             // the source line, where one is at hand
  std::vector<std::string> notes;  // "x: f32[batch,784] (line 11)"
  std::string help;                // the mend
  std::string within;              // place in the line that no number tells: "column \"label\""
};

// Lines "error[T107]: …", " --> file:line:column within   excerpt", a caret below the excerpt, notes,
// "help: …". Excerpts are made safe to print: control characters become blanks, long lines a window.
std::string render(const Diagnostic& diagnostic);

// One or more diagnostics; never empty where it stands for a failure.
struct Errors {
  std::vector<Diagnostic> list;

  Errors() = default;
  explicit Errors(Diagnostic d) { list.push_back(std::move(d)); }
  Errors(Code code, std::string message, std::string help = {}) {
    Diagnostic d;
    d.code = code;
    d.message = std::move(message);
    d.help = std::move(help);
    list.push_back(std::move(d));
  }
  void add(Diagnostic d) { list.push_back(std::move(d)); }
  void append(Errors other) {
    for (Diagnostic& d : other.list) list.push_back(std::move(d));
  }
  bool empty() const { return list.empty(); }
  Code code() const { return list.empty() ? Code::internal : list.front().code; }
  std::string text() const;  // all of them rendered, one below the other
};

struct Ok {};

// A value or the errors that kept it from being made.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Errors errors) : state_(std::in_place_index<1>, std::make_unique<Errors>(std::move(errors))) {}
  Result(Diagnostic d) : Result(Errors(std::move(d))) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& value() {
    TENON_CHECK(state_.index() == 0, errors().text());
    return std::get<0>(state_);
  }
  const T& value() const { return const_cast<Result*>(this)->value(); }
  const Errors& errors() const {
    TENON_CHECK(state_.index() == 1, "a value was asked for its errors");
    return *std::get<1>(state_);
  }
  Errors take_errors() {
    TENON_CHECK(state_.index() == 1, "a value was asked for its errors");
    return std::move(*std::get<1>(state_));
  }

 private:
  std::variant<T, std::unique_ptr<Errors>> state_;
};

using Status = Result<Ok>;

inline Errors error(Code code, std::string message, std::string help = {}) {
  return Errors(code, std::move(message), std::move(help));
}

// T611, for what an allocation that failed ends.
inline Errors out_of_memory() {
  return error(Code::memory, "out of memory", "smaller sizes, fewer threads, or a higher limit (ulimit -v)");
}

}  // namespace tenon::support

#define TENON_CONCAT_(a, b) a##b
#define TENON_CONCAT(a, b) TENON_CONCAT_(a, b)
// TENON_TRY(expression): returns the errors of a failed Result from the enclosing function.
#define TENON_TRY(...)                                                                       \
  do {                                                                                       \
    if (auto tenon_result = (__VA_ARGS__); !tenon_result) return tenon_result.take_errors(); \
  } while (false)
// TENON_ASSIGN(declaration, expression): binds the value, or returns the errors.
#define TENON_ASSIGN(declaration, ...)                                                                    \
  auto TENON_CONCAT(tenon_result_, __LINE__) = (__VA_ARGS__);                                             \
  if (!TENON_CONCAT(tenon_result_, __LINE__)) return TENON_CONCAT(tenon_result_, __LINE__).take_errors(); \
  declaration = std::move(*TENON_CONCAT(tenon_result_, __LINE__))
