// Errors of the C++ layer: thrown as tenon::Error, or held by a Result.
//
// Every function that can fail has a twin named try_... that returns a Result. Where exceptions are switched
// off (-fno-exceptions) only the twins exist.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "tenon/tenon.h"

#if defined(__cpp_exceptions)
#define TENON_EXCEPTIONS 1
#define TENON_NAMESPACE_BEGIN \
  namespace tenon {           \
  inline namespace v1 {
#else
#define TENON_EXCEPTIONS 0
// Another name: inline functions differ, and both kinds may be linked into one program.
#define TENON_NAMESPACE_BEGIN \
  namespace tenon {           \
  inline namespace v1_plain {
#endif
#define TENON_NAMESPACE_END \
  }                         \
  }

TENON_NAMESPACE_BEGIN

/// What went wrong: a code of the error table, its place, what was expected and found, and the mend.
class Error : public std::exception {
 public:
  /// Takes the error over. `status` stands where no words could be had.
  Error(tenon_status status, tenon_error* error) : status_(status), error_(error, tenon_error_free) {}
  Error(tenon_status status, std::string message) : status_(status), own_(std::move(message)) {}

  /// 107 for T107.
  int code() const noexcept { return status_; }
  /// All of it as people read it.
  const char* what() const noexcept override {
    if (error_ != nullptr) return tenon_error_text(error_.get());
    if (!own_.empty()) return own_.c_str();
    const char* meaning = tenon_code_meaning(status_);
    return meaning == nullptr ? "" : meaning;
  }
  /// The first diagnostic's parts; empty and 0 where unknown.
  std::string_view message() const noexcept {
    return error_ == nullptr ? std::string_view(what()) : tenon_error_message(error_.get(), 0);
  }
  std::string_view help() const noexcept {
    return error_ == nullptr ? "" : tenon_error_help(error_.get(), 0);
  }
  std::string_view file() const noexcept {
    return error_ == nullptr ? "" : tenon_error_file(error_.get(), 0);
  }
  uint32_t line() const noexcept { return error_ == nullptr ? 0 : tenon_error_line(error_.get(), 0); }
  uint32_t column() const noexcept { return error_ == nullptr ? 0 : tenon_error_column(error_.get(), 0); }
  /// How many diagnostics there are; all stand in what().
  uint32_t count() const noexcept { return error_ == nullptr ? 1 : tenon_error_count(error_.get()); }

 private:
  tenon_status status_;
  std::shared_ptr<tenon_error> error_;
  std::string own_;
};

/// A value, or the error that kept it from being made.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  /// Only where it holds a value.
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  /// Only where it holds an error.
  const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::make_shared<Error>(std::move(error))) {}
  explicit operator bool() const { return error_ == nullptr; }
  const Error& error() const { return *error_; }

 private:
  std::shared_ptr<Error> error_;
};

namespace detail {

#if TENON_EXCEPTIONS
template <class T>
T take(Result<T> result) {
  if (!result) throw result.error();
  return *std::move(result);
}
inline void take(Result<void> result) {
  if (!result) throw result.error();
}
#endif

/// Calls f(tenon_error**) and makes a Result of its status.
template <class F>
Result<void> checked(F&& f) {
  tenon_error* error = nullptr;
  const tenon_status status = f(&error);
  if (status == 0) return {};
  return Error(status, error);
}

inline std::string owned(char* text) {
  std::string out = text == nullptr ? "" : text;
  tenon_text_free(text);
  return out;
}

}  // namespace detail

TENON_NAMESPACE_END

/// TENON_PASS(expression) inside functions that return a Result: gives the error on.
#define TENON_PASS(expression)                                                        \
  do {                                                                                \
    if (auto tenon_passed = (expression); !tenon_passed) return tenon_passed.error(); \
  } while (false)
