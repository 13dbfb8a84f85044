#include "c_interface/names.h"

#include <algorithm>

namespace tenon::c_interface {
namespace {

constexpr std::string_view words =
    // C, up to C23
    "alignas alignof auto bool break case char const constexpr continue default do double else enum extern "
    "false float for goto if inline int long nullptr register restrict return short signed sizeof static "
    "static_assert struct switch thread_local true typedef typeof typeof_unqual union unsigned void volatile "
    "while asm "
    // C++
    "and and_eq bitand bitor catch char16_t char32_t char8_t class co_await co_return co_yield compl concept "
    "const_cast consteval constinit decltype delete dynamic_cast explicit export friend mutable namespace "
    "new noexcept not not_eq operator or or_eq private protected public reinterpret_cast requires "
    "static_cast template this throw try typeid typename using virtual wchar_t xor xor_eq "
    // what compilers define by themselves in their own dialects
    "i386 linux unix "
    // <stddef.h>
    "NULL max_align_t nullptr_t offsetof ptrdiff_t size_t unreachable "
    // <stdint.h>
    "INTMAX_C INTMAX_MAX INTMAX_MIN INTMAX_WIDTH INTPTR_MAX INTPTR_MIN INTPTR_WIDTH PTRDIFF_MAX PTRDIFF_MIN "
    "PTRDIFF_WIDTH SIG_ATOMIC_MAX SIG_ATOMIC_MIN SIG_ATOMIC_WIDTH SIZE_MAX SIZE_WIDTH UINTMAX_C UINTMAX_MAX "
    "UINTMAX_WIDTH UINTPTR_MAX UINTPTR_WIDTH WCHAR_MAX WCHAR_MIN WCHAR_WIDTH WINT_MAX WINT_MIN WINT_WIDTH "
    "intmax_t intptr_t uintmax_t uintptr_t "
    // <stdio.h>, <stdlib.h>, <string.h>, which the example includes
    "BUFSIZ EOF EXIT_FAILURE EXIT_SUCCESS FILE FILENAME_MAX FOPEN_MAX L_tmpnam MB_CUR_MAX RAND_MAX SEEK_CUR "
    "SEEK_END SEEK_SET TMP_MAX clearerr_unlocked div_t feof_unlocked ferror_unlocked fgetc_unlocked "
    "fflush_unlocked fileno_unlocked fpos_t fputc_unlocked fread_unlocked fwrite_unlocked getc_unlocked "
    "getchar_unlocked ldiv_t lldiv_t locale_t posix_memalign putc_unlocked putchar_unlocked stderr stdin "
    "stdout "
    // <errno.h>, <math.h>, <assert.h>: macros that a program may well have beside the header
    "HUGE_VAL INFINITY NAN assert errno";

std::vector<std::string_view> split_words() {
  static const std::vector<std::string> sized = [] {
    std::vector<std::string> out;
    for (const char* bits : {"8", "16", "32", "64"}) {
      for (const char* u : {"", "u"}) {
        for (const char* kind : {"int", "int_least", "int_fast"})
          out.push_back(u + std::string(kind) + bits + "_t");
        for (const char* kind : {"INT", "INT_LEAST", "INT_FAST"})
          for (const char* what : {"_MIN", "_MAX", "_WIDTH"})
            if (*u == 0 || std::string_view(what) != "_MIN")
              out.push_back((*u == 0 ? "" : "U") + std::string(kind) + bits + what);
        out.push_back((*u == 0 ? "INT" : "UINT") + std::string(bits) + "_C");
      }
    }
    return out;
  }();
  std::vector<std::string_view> out(sized.begin(), sized.end());
  for (size_t at = 0; at < words.size();) {
    const size_t end = std::min(words.find(' ', at), words.size());
    out.push_back(words.substr(at, end - at));
    at = end + 1;
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Identifiers that C and C++ keep for their implementations.
bool implementation_name(std::string_view s) {
  return s.size() > 1 && s[0] == '_' && (s[1] == '_' || (s[1] >= 'A' && s[1] <= 'Z'));
}

}  // namespace

const std::vector<std::string_view>& c_taken_words() {
  static const std::vector<std::string_view> all = split_words();
  return all;
}

bool c_taken_word(std::string_view identifier) {
  const std::vector<std::string_view>& all = c_taken_words();
  return std::binary_search(all.begin(), all.end(), identifier) || implementation_name(identifier);
}

std::string c_identifier(std::string_view name) {
  std::string id;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    id += plain ? c : '_';
  }
  if (id.empty() || (id[0] >= '0' && id[0] <= '9')) id.insert(0, "_");
  return id;
}

std::string c_upper(std::string_view name) {
  std::string out(name);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

bool c_prefix(std::string_view text) {
  return !text.empty() && text == c_identifier(text) && !implementation_name(c_upper(text) + "_");
}

std::string c_prefix_of(std::string_view path) {
  if (const size_t slash = path.rfind('/'); slash != std::string_view::npos) path.remove_prefix(slash + 1);
  if (path.empty()) return "tenon";
  const std::string id = c_identifier(path);
  return c_prefix(id) ? id : "x" + id;
}

bool CNames::free(const std::string& identifier) const {
  for (const CNames* n = this; n != nullptr; n = n->outer_)
    if (n->names_.count(identifier) != 0) return false;
  return !c_taken_word(identifier);
}

std::string CNames::claim(std::string_view name) {
  std::string id = c_identifier(name);
  // A _ behind these would not help them.
  if (id == "_" || implementation_name(id)) id.insert(0, "x");
  return claim_ending("", id);
}

std::string CNames::claim_ending(std::string_view stem, std::string_view name) {
  std::string id = stem.empty() ? std::string(name) : c_identifier("x" + std::string(name)).substr(1);
  while (!free(std::string(stem) + id)) id += '_';
  names_.insert(std::string(stem) + id);
  return id;
}

}  // namespace tenon::c_interface
