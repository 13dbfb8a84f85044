#include "support/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "support/hash.h"

namespace tenon::support {
namespace {

template <class F>
std::string shortest(F value) {
  if (std::isnan(value)) return std::signbit(value) ? "-nan" : "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  std::string out(buffer, end);
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return short_exponent(std::move(out));
}

template <class T>
std::optional<T> parse_whole(std::string_view text) {
  T value{};
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

std::string short_exponent(std::string number) {
  size_t at = number.find('e');
  if (at == std::string::npos) return number;
  if (++at < number.size() && number[at] == '+') number.erase(at, 1);
  if (at < number.size() && number[at] == '-') ++at;
  while (at + 1 < number.size() && number[at] == '0') number.erase(at, 1);
  return number;
}
std::string format_float(double value) { return shortest(value); }
std::string format_float(float value) { return shortest(value); }
std::optional<double> parse_double(std::string_view text) { return parse_whole<double>(text); }
std::optional<float> parse_float(std::string_view text) { return parse_whole<float>(text); }
std::optional<int64_t> parse_int(std::string_view text) { return parse_whole<int64_t>(text); }
std::optional<uint64_t> parse_unsigned(std::string_view text) { return parse_whole<uint64_t>(text); }

std::string quote(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < 32 || c == 127) {
      out += "\\x";
      out += digits[c >> 4];
      out += digits[c & 15];
    } else {
      out += static_cast<char>(c);
    }
  }
  return out + "\"";
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i != 0) out += separator;
    out += parts[i];
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  size_t start = 0;
  while (true) {
    size_t end = text.find(separator, start);
    out.push_back(text.substr(start, end == std::string_view::npos ? end : end - start));
    if (end == std::string_view::npos) return out;
    start = end + 1;
  }
}

std::string_view trim(std::string_view text) {
  size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  size_t limit = word.size() < 2 ? 0 : std::max<size_t>(1, word.size() / 3);
  std::vector<size_t> before, above, row;  // rows i-2, i-1 and i of the table of distances
  for (std::string_view c : candidates) {
    if (c.size() > word.size() + limit || word.size() > c.size() + limit) continue;
    above.resize(c.size() + 1);
    for (size_t j = 0; j <= c.size(); ++j) above[j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      row.assign(c.size() + 1, i);
      for (size_t j = 1; j <= c.size(); ++j) {
        size_t substitute = above[j - 1] + (word[i - 1] == c[j - 1] ? 0 : 1);
        row[j] = std::min({substitute, above[j] + 1, row[j - 1] + 1});
        if (i > 1 && j > 1 && word[i - 1] == c[j - 2] && word[i - 2] == c[j - 1])
          row[j] = std::min(row[j], before[j - 2] + 1);
      }
      before.swap(above);
      above.swap(row);
    }
    size_t distance = above[c.size()];
    if (distance < limit || (distance == limit && best.empty())) {
      best = c;
      limit = distance;
    }
  }
  return best;
}

bool glob_match(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p, ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string Hasher::hex() const {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (uint64_t word : {a_, b_})
    for (int shift = 60; shift >= 0; shift -= 4) out += digits[(word >> shift) & 15];
  return out;
}

}  // namespace tenon::support
