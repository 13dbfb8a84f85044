// What train and eval share: the options that name data, state and threads.
#pragma once

#include <map>
#include <optional>

#include "driver/command/model.h"
#include "runtime/data.h"
#include "runtime/history.h"
#include "runtime/parallel.h"
#include "runtime/table_form.h"

namespace tenon::command {

struct DataOptions {
  std::string spec;
  int64_t label_offset = 0;

  void declare(Options& options, bool required = true);
  // With the labels moved; tables as read, still to be shaped.
  Result<runtime::TrainTest> load(const runtime::Cuts& cuts = {},
                                  const runtime::TableForm* form = nullptr) const;
};

// What is kept with the weights of how the rows were read: the form of a table, and which rows were held out.
struct KeptData {
  std::optional<runtime::TableForm> form;
  std::string held_out;  // "fraction=0.2,seed=7,rows=100", "fold=2/5,seed=7,rows=100"; empty: none

  std::map<std::string, std::string> metadata() const;
  // Of a file of parameters; nothing where it is empty or keeps nothing.
  static Result<KeptData> read(const std::string& params);
  const runtime::TableForm* known() const { return form ? &*form : nullptr; }
};
// Rows to train on, and the rows that `held_out` names. T305 where the data has other rows.
Result<std::pair<runtime::DataSet, runtime::DataSet>> divide(const runtime::DataSet& data,
                                                             const std::string& held_out);

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
