// History: what training saw, one record an epoch, kept and, if a file is named, written as JSON lines:
//   {"epoch":1,"steps":938,"loss":0.31,"seconds":1.2,"accuracy":0.91,"test accuracy":0.93}
// Each line is appended in one write when its epoch ends, so a run that is killed leaves whole lines. A value
// that is no finite number is null.
#pragma once

#include <cstdint>
#include <string>
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

class History {
 public:
  History() = default;
  // Makes or empties the file (T404).
  static support::Result<History> to_file(std::string path);

  support::Status add(EpochRecord record);
  const std::vector<EpochRecord>& records() const { return records_; }

 private:
  std::string path_;
  std::vector<EpochRecord> records_;
};

}  // namespace tenon::runtime
