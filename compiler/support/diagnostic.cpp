#include "support/diagnostic.h"

#include <algorithm>

namespace tenon::support {

std::string_view code_meaning(Code code) {
  switch (code) {
#define X(name, number, text) \
  case Code::name:            \
    return text;
    TENON_ERROR_CODES(X)
#undef X
  }
  return "unknown";
}

namespace {

constexpr size_t excerpt_limit = 120;  // bytes of a source line that are shown

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// Columns a terminal uses, taking every UTF-8 character for one.
size_t columns(std::string_view text) {
  return text.size() - static_cast<size_t>(std::count_if(text.begin(), text.end(), continues_character));
}

// The excerpt behind the place, and the caret below it at the column within the line.
void add_excerpt(std::string& out, const Diagnostic& d, size_t place_columns) {
  std::string line = d.excerpt;
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = ' ';
  line.erase(line.find_last_not_of(' ') + 1);
  size_t start = std::min(line.find_first_not_of(' '), line.size());
  size_t column = d.column == 0 ? start : d.column - 1;  // 0-based
  if (line.size() - start > excerpt_limit) {
    if (column > start + excerpt_limit / 2) start = std::min(column - excerpt_limit / 2, line.size());
    while (start < line.size() && continues_character(line[start])) ++start;
    size_t end = std::min(line.size(), start + excerpt_limit);
    while (end < line.size() && continues_character(line[end])) ++end;
    line.resize(end);
  }
  out += "   " + line.substr(start) + "\n";
  if (d.column == 0 || column < start || column > line.size()) return;
  std::string_view before = std::string_view(line).substr(start, column - start);
  std::string_view under = std::string_view(line).substr(column, d.length);
  out += std::string(place_columns + 3 + columns(before), ' ');
  out += std::string(std::max<size_t>(1, columns(under)), '^') + "\n";
}

}  // namespace

std::string render(const Diagnostic& d) {
  std::string out = "error[T" + std::to_string(code_number(d.code)) + "]: " + d.message + "\n";
  if (!d.file.empty()) {
    std::string place = " --> " + d.file;
    if (d.line != 0) place += ":" + std::to_string(d.line);
    if (d.line != 0 && d.column != 0) place += ":" + std::to_string(d.column);
    if (!d.within.empty()) place += " " + d.within;
    out += place;
    if (d.excerpt.find_first_not_of(" \t\r\n") == std::string::npos)
      out += "\n";
    else
      add_excerpt(out, d, columns(place));
  }
  std::string notes;
  for (const std::string& note : d.notes) notes += (notes.empty() ? "  " : "   ") + note;
  if (!notes.empty()) out += notes + "\n";
  if (!d.help.empty()) out += "help: " + d.help + "\n";
  return out;
}

std::string Errors::text() const {
  std::string out;
  for (const Diagnostic& d : list) {
    if (!out.empty()) out += "\n";
    out += render(d);
  }
  return out;
}

}  // namespace tenon::support
