// Symbols of an object. C functions are <prefix>_<name>, which are C identifiers; all else that an object is
// made of is <prefix>$<what>, which no C function is. So no name of a user's meets one of the compiler's,
// whatever it is, nor one that LLVM keeps for itself ("llvm.").
#pragma once

#include <string>
#include <string_view>

namespace tenon::codegen {

// <prefix>$<what>, or <prefix>$<what>.<of>.
inline std::string own_symbol(std::string_view prefix, std::string_view what, std::string_view of = {}) {
  std::string out = std::string(prefix) + "$" + std::string(what);
  if (!of.empty()) out += "." + std::string(of);
  return out;
}
// An entry's code (runtime::EntryFunction), and the function that tells its arena (runtime::ArenaFunction).
inline std::string entry_symbol(std::string_view prefix, std::string_view entry) {
  return own_symbol(prefix, "entry", entry);
}
inline std::string arena_symbol(std::string_view prefix, std::string_view entry) {
  return own_symbol(prefix, "arena", entry);
}
// For a host that knows a C function's signature at run time only: i32 (void *state, const uint64_t *fields,
// void *arena, size_t bytes, const parallel *p, uint64_t *done), with one word for each of CEntry::fields.
inline std::string caller_symbol(std::string_view prefix, std::string_view entry) {
  return own_symbol(prefix, "call", entry);
}

}  // namespace tenon::codegen
