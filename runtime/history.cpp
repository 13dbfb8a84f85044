#include "runtime/history.h"

#include "runtime/file.h"
#include "runtime/json.h"

namespace tenon::runtime {

using support::Ok;
using support::Result;
using support::Status;

std::string json_line(const EpochRecord& r) {
  std::string out = "{\"epoch\":" + std::to_string(r.epoch) + ",\"steps\":" + std::to_string(r.steps) +
                    ",\"loss\":" + json_number(r.loss) + ",\"seconds\":" + json_number(r.seconds);
  for (const auto& [name, value] : r.metrics) {
    if (name == "epoch" || name == "steps" || name == "loss" || name == "seconds") continue;
    out += "," + json_text(name) + ":" + json_number(value);
  }
  return out + "}";
}

Result<History> History::to_file(std::string path) {
  TENON_TRY(append_file(path, "", Append::create));
  History h;
  h.path_ = std::move(path);
  return h;
}

Status History::add(EpochRecord record) {
  records_.push_back(std::move(record));
  if (path_.empty()) return Ok{};
  return append_file(path_, json_line(records_.back()) + "\n", Append::add);
}

}  // namespace tenon::runtime
