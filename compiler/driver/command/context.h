// What every verb of the command shares: exit codes, where output goes, how failures are told.
//
// A verb's result goes to stdout at its end, in one piece: text, or with --json one object. Progress and
// diagnostics go to stderr (with --json, diagnostics are part of the object). Nothing is written that was not
// named; no escape codes but those of the progress bar on a terminal.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "support/diagnostic.h"

namespace tenon::command {
using namespace support;
using Json = nlohmann::ordered_json;

// Exit statuses, documented in docs/command.md.
enum class Exit : int {
  done = 0,
  no = 1,     // the answer is no
  usage = 2,  // unknown verb, option or value of an option
  model = 3,  // a bad model, or bad data or parameters
  files = 4,  // the file system
  bug = 5,    // a bug of Tenon's
};
Exit exit_of(Code code);

class Context {
 public:
  Context();
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  bool json = false;
  Json& report();                     // the object of --json
  void print(std::string_view text);  // to stdout, where not --json
  void note(std::string_view text);   // a line to stderr, at once
  // A result that may be a file: written atomically to `path`, or to stdout where it is empty or `-` (with
  // --json, as the field `text`).
  Status emit(const std::string& path, std::string text);

  // Writes what was collected; the final exit status.
  int finish(Exit exit);
  int fail(const Errors& errors);

 private:
  std::string out_;
  Json* report_;
};

// All of stdin, or a file; at most 1 GiB.
Result<std::string> read_text(const std::string& path);
inline std::string shown_name(const std::string& path) { return path == "-" ? "<stdin>" : path; }

Errors usage_error(std::string message, std::string help = {});
// "101,770"; "1.2 MB".
std::string grouped(int64_t number);
std::string bytes_text(uint64_t bytes);
// Four significant digits.
std::string short_text(double value);
// Columns of a table, padded; numbers right-aligned.
std::string table(const std::vector<std::vector<std::string>>& rows);
Json diagnostics_json(const Errors& errors);

}  // namespace tenon::command
