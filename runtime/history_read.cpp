// Files of JSON lines as records again.
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "runtime/file.h"
#include "runtime/history.h"
#include "support/text.h"

namespace tenon::runtime {

using support::Code;
using support::Diagnostic;
using support::Result;
using support::Status;

namespace {

class LineReader {
 public:
  LineReader(const std::string& file, uint32_t line, bool whole) : file_(file), line_(line), whole_(whole) {}

  Result<EpochRecord> read(std::string_view text) const {
    const auto object = nlohmann::ordered_json::parse(text, nullptr, false);
    if (object.is_discarded())
      return whole_ ? odd("the line is no JSON")
                    : odd("the last line is cut off",
                          "the run was ended while it wrote: take the line away, the others are whole");
    if (!object.is_object()) return odd("the line is no JSON object");
    EpochRecord out;
    bool epoch = false, loss = false;
    for (const auto& [name, value] : object.items()) {
      double number = std::numeric_limits<double>::quiet_NaN();
      if (value.is_number())
        number = value.template get<double>();
      else if (!value.is_null())
        return odd(support::quote(name) + " is no number");
      if (name == "epoch") {
        if (!value.is_number_integer() || number < 1 || number > 0x1p53)
          return odd("\"epoch\" is no whole number from 1 on");
        out.epoch = static_cast<uint64_t>(number);
        epoch = true;
      } else if (name == "steps") {
        out.steps = number >= 0 && number <= 0x1p53 ? static_cast<uint64_t>(number) : 0;
      } else if (name == "loss") {
        out.loss = number;
        loss = true;
      } else if (name == "seconds") {
        out.seconds = number;
      } else {
        out.metrics.emplace_back(name, number);
      }
    }
    if (!epoch || !loss) return odd(std::string("the line has no \"") + (epoch ? "loss" : "epoch") + "\"");
    return out;
  }
  Diagnostic odd(
      std::string what,
      std::string help = "the file is one that train --history writes: a line for each epoch") const {
    return at_file(Code::data_format, file_, "history: " + std::move(what), std::move(help), line_);
  }

 private:
  const std::string& file_;
  uint32_t line_;
  bool whole_;  // a newline ends the line
};

}  // namespace

Result<std::vector<EpochRecord>> parse_history(std::string_view text, const std::string& name) {
  std::vector<EpochRecord> out;
  uint32_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = support::trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.empty()) continue;
    const LineReader reader(name, number, end != std::string_view::npos);
    TENON_ASSIGN(EpochRecord record, reader.read(line));
    if (!out.empty() && record.epoch <= out.back().epoch)
      return reader.odd("epoch " + std::to_string(record.epoch) + " follows epoch " +
                        std::to_string(out.back().epoch));
    out.push_back(std::move(record));
  }
  if (out.empty())
    return at_file(Code::data_missing, name, "history: the file holds no epochs",
                   "train --history writes one line an epoch");
  return out;
}

Result<std::vector<EpochRecord>> read_history(const std::string& path) {
  TENON_ASSIGN(const std::string text, read_file(path, uint64_t{1} << 30));
  return parse_history(text, path);
}

}  // namespace tenon::runtime
