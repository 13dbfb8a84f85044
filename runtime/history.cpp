#include "runtime/history.h"

#include <cassert>

#include "runtime/file.h"
#include "runtime/json.h"

namespace tenon::runtime {

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

History::History(uint64_t steps_per_epoch, std::vector<std::string> metric_names, uint64_t first_epoch)
    : steps_(steps_per_epoch), first_epoch_(first_epoch), names_(std::move(metric_names)) {}

EpochRecord History::operator[](size_t i) const {
  EpochRecord out{epoch(i), steps_, loss(i), seconds(i), {}};
  for (size_t m = 0; m < names_.size(); ++m) out.metrics.emplace_back(names_[m], metrics(i)[m]);
  return out;
}

void History::add(size_t epochs, double seconds) {
  table_.resize(table_.size() + epochs * width());
  for (const size_t end = rows_ + epochs; rows_ < end; ++rows_) table_[rows_ * width()] = seconds;
}

void History::add(const EpochRecord& record) {
  assert(record.metrics.size() == names_.size());
  add(1, record.seconds);
  const std::span<double> added = figures(rows_ - 1);
  added[0] = record.loss;
  for (size_t m = 0; m < names_.size(); ++m) added[1 + m] = record.metrics[m].second;
}

Result<HistoryFile> HistoryFile::create(std::string path) {
  TENON_TRY(append_file(path, "", Append::create));
  return HistoryFile(std::move(path));
}

Status HistoryFile::add(const EpochRecord& record) const {
  return append_file(path_, json_line(record) + "\n", Append::add);
}

}  // namespace tenon::runtime
