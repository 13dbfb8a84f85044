// Text helpers that no locale changes: shortest floats that read back, numbers, escapes, edit distance.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::support {

// The shortest digits that read back to the same value, with an exponent ("1e-4", "1e20") where a plain
// number would be longer by more than one character; "inf", "-inf", "nan". Integral values keep a
// point or an exponent ("1.0"), so a float literal never looks like an integer.
std::string format_float(double value);
std::string format_float(float value);
// "1e-05" as "1e-5", "1e+20" as "1e20".
std::string short_exponent(std::string number);
// Whole-string parse; nullopt on trailing characters, or on a magnitude outside the type's range. An f32 is
// read as such: rounding to double first and then again may end one bit off.
std::optional<double> parse_double(std::string_view text);
std::optional<float> parse_float(std::string_view text);
std::optional<int64_t> parse_int(std::string_view text);
std::optional<uint64_t> parse_unsigned(std::string_view text);

std::string quote(std::string_view text);  // "a\"b\n"; control characters as \x and exactly two digits
std::string join(std::span<const std::string> parts, std::string_view separator);
std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

// The candidate nearest to a misspelt word, for a mend: a letter wrong, missing, surplus or swapped with its
// neighbour counts one; at most a third of the word may be wrong (one letter of a word of two). The first
// of equals; empty if none.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);
// Shell-style pattern with * and ?, as in params("*.w").
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace tenon::support
