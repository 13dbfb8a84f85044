// What train and eval share: the options that name data, state and threads.
#pragma once

#include "driver/command/model.h"
#include "runtime/data.h"
#include "runtime/history.h"
#include "runtime/parallel.h"

namespace tenon::command {

struct DataOptions {
  std::string spec;
  int64_t label_offset = 0;

  void declare(Options& options);
  Result<runtime::TrainTest> load(const runtime::Cuts& cuts = {}) const;
};

// Threads of compiled code; null callbacks for one.
class Host {
 public:
  explicit Host(int64_t threads);
  const runtime::Parallel* parallel() const { return pool_ != nullptr ? &parallel_ : nullptr; }

 private:
  std::unique_ptr<runtime::Pool> pool_;
  runtime::Parallel parallel_{};
};

// Labels out of range are often counted from 1: the mend says how to take them.
Errors with_label_mend(Errors errors);

Json metrics_json(double loss, const runtime::Metrics& metrics);
std::string metrics_text(double loss, const runtime::Metrics& metrics);
// T404 where a file could not be written there later: told before hours of work, not after.
Status check_writable(const std::string& path);

}  // namespace tenon::command
