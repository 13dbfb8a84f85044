#include "support/check.h"

namespace tenon::support {

void check_failed(const char* file, int line, const char* condition, const std::string& detail) {
  std::string message = std::string(file) + ":" + std::to_string(line) + ": broken invariant: " + condition;
  if (!detail.empty()) message += " (" + detail + ")";
  throw InternalError{std::move(message)};
}

}  // namespace tenon::support
