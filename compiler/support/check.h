// Assertions for Tenon's own bugs (T9xx). What a user can cause is never checked here: it returns Result.
#pragma once

#include <string>

namespace tenon::support {

// Reports a broken invariant and throws the internal exception that the public boundary turns into
// status T901; no assertion ends the host's process.
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& detail);

// Carries a broken invariant from where it was found to the public boundary.
struct InternalError {
  std::string message;
};

}  // namespace tenon::support

// TENON_CHECK(condition) or TENON_CHECK(condition, detail): detail is evaluated only on failure.
#define TENON_CHECK(condition, ...)                                                               \
  do {                                                                                            \
    if (!(condition)) [[unlikely]]                                                                \
      ::tenon::support::check_failed(__FILE__, __LINE__, #condition, ::std::string(__VA_ARGS__)); \
  } while (false)
