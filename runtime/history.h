// History: what training saw, one record an epoch; and the file of JSON lines that may keep them:
//   {"epoch":1,"steps":938,"loss":0.31,"seconds":1.2,"accuracy":0.91,"test accuracy":0.93}
// Each line is appended in one write when its epoch ends, so a run that is killed leaves whole lines. A value
// that is no finite number is null.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/diagnostic.h"

namespace tenon::runtime {

// Names and values in the order to show; e.g. {"accuracy", 0.97}.
using Metrics = std::vector<std::pair<std::string, double>>;

struct EpochRecord {
  uint64_t epoch = 0;  // from 1
  uint64_t steps = 0;  // of this epoch
  double loss = 0;
  double seconds = 0;
  Metrics metrics;
};

// The record as one JSON object, without a newline. A metric named like a field is left out.
std::string json_line(const EpochRecord& record);

// Epochs of one number of steps, from 1 on unless said otherwise, as one table of numbers from which records
// are made when they are asked for: a thousand epochs of a tiny model take less time than a thousand records.
class History {
 public:
  History() = default;
  History(uint64_t steps_per_epoch, std::vector<std::string> metric_names, uint64_t first_epoch = 1);

  size_t size() const { return rows_; }
  bool empty() const { return rows_ == 0; }
  uint64_t epoch(size_t i) const { return first_epoch_ + i; }
  uint64_t steps_per_epoch() const { return steps_; }
  const std::vector<std::string>& metric_names() const { return names_; }
  double seconds(size_t i) const { return row(i)[0]; }
  double loss(size_t i) const { return row(i)[1]; }
  std::span<const double> metrics(size_t i) const { return row(i).subspan(2); }
  EpochRecord operator[](size_t i) const;
  EpochRecord back() const { return (*this)[rows_ - 1]; }

  // The next epoch, with a metric for each name.
  void add(const EpochRecord& record);
  // Epochs of so many seconds each, whose figures are to be written.
  void add(size_t epochs, double seconds);
  // Of one epoch: the loss, then a metric for each name.
  std::span<double> figures(size_t i) { return std::span(table_).subspan(i * width() + 1, width() - 1); }

 private:
  size_t width() const { return 2 + names_.size(); }
  std::span<const double> row(size_t i) const { return std::span(table_).subspan(i * width(), width()); }

  uint64_t steps_ = 0, first_epoch_ = 1;
  size_t rows_ = 0;
  std::vector<std::string> names_;
  std::vector<double> table_;  // a row an epoch: seconds, loss, metrics
};

// The records of a file of such lines, as `train --history` writes them; null is NaN. Epochs rise from line
// to line, and each has a loss; blank lines are passed over. T301: no lines. T302 with the line: it is cut
// off, no object, or has something else than numbers.
support::Result<std::vector<EpochRecord>> read_history(const std::string& path);
support::Result<std::vector<EpochRecord>> parse_history(std::string_view text, const std::string& name);

class HistoryFile {
 public:
  // Makes or empties the file (T404).
  static support::Result<HistoryFile> create(std::string path);
  support::Status add(const EpochRecord& record) const;

 private:
  explicit HistoryFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace tenon::runtime
