// What train and eval share: the options that name data, state and threads.
#pragma once

#include <map>
#include <optional>

#include "driver/command/model.h"
#include "runtime/history.h"
#include "runtime/parallel.h"
#include "runtime/source.h"
#include "runtime/table_form.h"

namespace tenon::command {

// What is kept with the weights of how the rows were read: the form of a table, the classes of labels, and
// which rows were held out.
struct KeptData {
  std::optional<runtime::TableForm> form;
  std::vector<std::string> classes;
  std::string held_out;  // "fraction=0.2,seed=7,rows=100", "fold=2/5,seed=7,rows=100"; empty: none

  std::map<std::string, std::string> metadata() const;
  // Of a file of parameters; nothing where it is empty or keeps nothing.
  static Result<KeptData> read(const std::string& params);
  const runtime::TableForm* known() const { return form ? &*form : nullptr; }
};

struct DataOptions {
  std::string spec, memory;
  int64_t label_offset = 0;

  // `blocks`: with --memory.
  void declare(Options& options, bool required = true, bool blocks = false);
  // What the option says, or what is left to read ahead with where it says nothing. T610.
  Result<int64_t> bytes() const;
  // With the labels moved; tables as read, still to be shaped. In memory, unless they would take more than
  // --memory says.
  Result<runtime::Sources> open(const runtime::Cuts& cuts, const KeptData& kept) const;
};

// Rows to train on, and the rows that `held_out` names. T305 where the data has other rows.
Result<runtime::Sources> divide(const std::shared_ptr<const runtime::Source>& data,
                                const std::string& held_out);
// Rows of tables, shaped by the form that was kept, else as the training rows fit it; others as they are.
Result<runtime::Sources> shaped(runtime::Sources raw, const runtime::TableForm* kept);
// The form that they were shaped by; null: no table.
const runtime::TableForm* form_of(const runtime::Source& data);
// What the labels' classes are called; empty where they are numbers.
Result<std::vector<std::string>> class_names(const runtime::Source& data);

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
