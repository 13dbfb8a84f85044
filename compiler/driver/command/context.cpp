#include "driver/command/context.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "runtime/file.h"
#include "runtime/progress.h"

namespace tenon::command {

Exit exit_of(Code code) {
  switch (code) {
    case Code::bad_option:
    case Code::pass_unknown:
    case Code::target_unsupported:
    case Code::not_yet:
      return Exit::usage;
    case Code::file_missing:
    case Code::file_write:
    case Code::file_read:
      return Exit::files;
    case Code::internal:
      return Exit::bug;
    default:
      return Exit::model;
  }
}

Context::Context() : report_(new Json(Json::object())) {}
Context::~Context() { delete report_; }
Json& Context::report() { return *report_; }

void Context::print(std::string_view text) {
  if (!json) out_ += text;
}

namespace {

// False where the text could not be written; errno tells why.
bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

void Context::note(std::string_view text) {
  std::string line(text);
  if (line.empty() || line.back() != '\n') line += '\n';
  write_all(2, line);
}

Status Context::emit(const std::string& path, std::string text) {
  if (!path.empty() && path != "-") return runtime::write_file_atomic(path, text);
  if (json)
    report()["text"] = std::move(text);
  else
    out_ += text;
  return Ok{};
}

int Context::finish(Exit exit) {
  if (json) {
    Json object = Json::object();
    object["ok"] = exit == Exit::done;
    object["exit"] = static_cast<int>(exit);
    for (auto& [key, value] : report().items()) object[key] = value;
    out_ = object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  if (!write_all(1, out_)) {
    // Whoever closed the pipe does not want to know.
    if (errno != EPIPE) {
      const Errors errors =
          error(Code::file_write, std::string("stdout cannot be written: ") + std::strerror(errno),
                "free some space, or send it elsewhere");
      write_all(2, errors.text());
    }
    return static_cast<int>(Exit::files);
  }
  return static_cast<int>(exit);
}

Json diagnostics_json(const Errors& errors) {
  Json out = Json::array();
  for (const Diagnostic& d : errors.list) {
    Json one;
    one["code"] = "T" + std::to_string(code_number(d.code));
    one["meaning"] = code_meaning(d.code);
    one["message"] = d.message;
    if (!d.file.empty()) one["file"] = d.file;
    if (d.line != 0) one["line"] = d.line;
    if (d.column != 0) one["column"] = d.column;
    if (!d.within.empty()) one["within"] = d.within;
    if (!d.excerpt.empty()) one["excerpt"] = d.excerpt;
    if (!d.notes.empty()) one["notes"] = d.notes;
    if (!d.help.empty()) one["help"] = d.help;
    out.push_back(std::move(one));
  }
  return out;
}

int Context::fail(const Errors& errors) {
  // A bug of ours outweighs what it led to; else the first error tells.
  Exit exit = exit_of(errors.code());
  for (const Diagnostic& d : errors.list)
    if (d.code == Code::internal) exit = Exit::bug;
  if (json) {
    report() = Json::object();
    report()["errors"] = diagnostics_json(errors);
  } else {
    out_.clear();
    write_all(2, errors.text());
  }
  return finish(exit);
}

Result<std::string> read_text(const std::string& path) {
  constexpr uint64_t cap = uint64_t{1} << 30;
  if (path != "-") return runtime::read_file(path, cap);
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = read(0, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error(Code::file_read, std::string("stdin cannot be read: ") + std::strerror(errno));
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > cap) return error(Code::file_read, "stdin holds more than 1 GiB");
  }
}

Errors usage_error(std::string message, std::string help) {
  return error(Code::bad_option, std::move(message), std::move(help));
}

std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  const size_t first = number < 0 ? 1 : 0;
  for (size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string bytes_text(uint64_t bytes) {
  if (bytes < 10000) return grouped(static_cast<int64_t>(bytes)) + " B";
  double value = static_cast<double>(bytes) / 1024;
  const char* unit = "KiB";
  for (const char* next : {"MiB", "GiB", "TiB"}) {
    if (value < 10000) break;
    value /= 1024;
    unit = next;
  }
  return grouped(static_cast<int64_t>(value + 0.5)) + " " + unit;
}

std::string short_text(double value) { return runtime::short_number(value); }

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows)
    for (size_t c = 0; c < row.size(); ++c) {
      if (widths.size() <= c) widths.push_back(0);
      widths[c] = std::max(widths[c], row[c].size());
    }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      if (c != 0) line += "  ";
      const bool number =
          !row[c].empty() && row[c].find_first_not_of("0123456789,.%+-e") == std::string::npos;
      const std::string pad(widths[c] - row[c].size(), ' ');
      line += number ? pad + row[c] : row[c] + pad;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace tenon::command
