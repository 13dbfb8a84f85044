// What a function is for, where a directive made it: "from step(loss)" in dumps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tenon::ir {

// A step updates what is trained, a loop runs a step over the batches of data; what is derived otherwise
// (gradients) is a function like those that are written.
enum class Role : uint8_t { written, derived, init, step, loop };

struct Origin {
  Role role = Role::written;
  std::string kind = {};    // the directive's word; empty where the function is written
  std::string source = {};  // the function it was made of; init is made of the declarations

  std::string text() const;  // "step(loss)", "init"; empty where the function is written
  friend bool operator==(const Origin&, const Origin&) = default;
};

// The role of what the directive makes, by its word.
Role role_of(std::string_view kind);
Origin made_by(std::string_view kind, std::string_view source);
// Reads what text() gives; none where it is no such text.
std::optional<Origin> parse_origin(std::string_view text);

}  // namespace tenon::ir
