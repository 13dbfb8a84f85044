#include "ir/role.h"

namespace tenon::ir {

std::string Origin::text() const {
  if (role == Role::written) return {};
  return source.empty() ? kind : kind + "(" + source + ")";
}

Role role_of(std::string_view kind) {
  if (kind == "init") return Role::init;
  if (kind == "step") return Role::step;
  return kind == "epochs" ? Role::loop : Role::derived;
}

Origin made_by(std::string_view kind, std::string_view source) {
  return {role_of(kind), std::string(kind), std::string(source)};
}

std::optional<Origin> parse_origin(std::string_view text) {
  if (text.empty()) return Origin{};
  if (role_of(text) == Role::init) return made_by(text, "");
  const size_t open = text.find('(');
  if (open == 0 || open == std::string_view::npos || !text.ends_with(')') || text.size() - open < 3)
    return std::nullopt;
  Origin out = made_by(text.substr(0, open), text.substr(open + 1, text.size() - open - 2));
  return out.role == Role::init ? std::nullopt : std::optional(std::move(out));
}

}  // namespace tenon::ir
