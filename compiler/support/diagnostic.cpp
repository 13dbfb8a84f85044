#include "support/diagnostic.h"

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

std::string render(const Diagnostic& d) {
  std::string out = "error[T" + std::to_string(code_number(d.code)) + "]: " + d.message + "\n";
  if (!d.file.empty()) {
    std::string place = " --> " + d.file;
    if (d.line != 0) place += ":" + std::to_string(d.line);
    if (d.column != 0) place += ":" + std::to_string(d.column);
    out += place;
    if (!d.excerpt.empty()) {
      // The excerpt stands behind the place; the caret line below points at the column within it.
      size_t indent = d.excerpt.find_first_not_of(" \t");
      if (indent == std::string::npos) indent = 0;
      out += "   " + d.excerpt.substr(indent) + "\n";
      if (d.column > indent) {
        out += std::string(place.size() + 3 + (d.column - 1 - indent), ' ');
        out += std::string(d.length == 0 ? 1 : d.length, '^');
      }
    }
    if (out.back() != '\n') out += "\n";
  }
  if (!d.notes.empty()) {
    out += " ";
    for (const std::string& note : d.notes) out += " " + note + "  ";
    while (out.back() == ' ') out.pop_back();
    out += "\n";
  }
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
