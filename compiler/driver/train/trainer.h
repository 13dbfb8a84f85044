// Trainer: fit and evaluate over data sets.
//
// fit runs a step over shuffled batches, the last one shorter. Where the program has the step's native loop
// (`<step>.epochs`), whole epochs run in one call, and all of them where nothing is to happen in between; the
// order of rows then comes from the state's random counter, so that a C program linked to the object, or a
// run cut in two, gives the same bits. Otherwise (rows in order, or shuffled by a seed of the caller's) steps
// are called one by one.
//
// Columns feed the inputs of the same name; failing that, the first input takes `x` or `image`, the second
// `y` or `label`. Values are converted where nothing is lost (u8 pixels to floats as they are: scaling them
// is the model's; whole numbers to integers), and rows are reshaped where the number of elements agrees.
// Pictures [height, width, channels] take the layout that the input declares: [h,w,c], [c,h,w], [h,w] (gray)
// or [h*w*c]; their sizes must agree. T301: no such column, T305: another shape or type.
//
// Rows of a source that is not in memory are read ahead, a block at a time, while steps run one by one in the
// order and with the bits that the native loop over all rows would have.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "driver/program/program.h"
#include "runtime/history.h"
#include "runtime/progress.h"
#include "runtime/source.h"

namespace tenon::driver {

// The note of a label out of range where all labels would fit one lower.
inline constexpr std::string_view counts_from_one = "the labels count from 1, the classes from 0";

struct FitOptions {
  std::string step;  // entry; empty: `train`, or the only step there is
  int64_t batch = 32, epochs = 1;
  bool in_order = false;
  std::optional<uint64_t> shuffle;  // a seed of one's own; none: by the state's random counter
  const runtime::Source* validate = nullptr;
  int64_t memory = runtime::default_memory;  // bytes of rows that are read ahead, where they are
  std::string until;  // metric that ends training; of the validation data where there are some
  double until_value = 0;
  runtime::ProgressMode progress = runtime::ProgressMode::off;
  std::string history;                                        // file of JSON lines; empty: none
  std::function<bool(const runtime::EpochRecord&)> on_epoch;  // false: ends training
  // Where it becomes other than 0, by a signal handler or another thread, training ends when the running step
  // is committed, or within some tenths of a second where steps are that short. null: never.
  const volatile int32_t* cancel = nullptr;
};
struct FitResult {
  runtime::History records;
  uint64_t steps = 0;
  bool reached = false;    // `until`
  bool cancelled = false;  // before the last epoch had ended
  // Of the lines that the history file did not take, the last one's failure, with their number; none: all are
  // there. Training goes on without them.
  std::optional<Errors> history_lost;
};
Result<FitResult> fit(Session& session, const runtime::Source& data, const FitOptions& options = {});

struct EvaluateOptions {
  std::string step;  // whose loss; as above
  int64_t batch = 256;
  bool confusion = false;
  int64_t memory = runtime::default_memory;
};
struct Evaluation {
  double loss = 0;
  runtime::Metrics metrics;
  int64_t rows = 0;
  std::vector<std::vector<int64_t>> confusion;  // [label][prediction]; empty where the model has no classes
};
// Loss and metrics in inference mode, weighted by rows. Metrics are the entries that write nothing and return
// one float each.
Result<Evaluation> evaluate(Session& session, const runtime::Source& data,
                            const EvaluateOptions& options = {});

// The entry of a step (see FitOptions::step); T103.
Result<const EntryInfo*> find_step(const Program& program, const std::string& name);
// The entry that computes the loss of a step in inference mode; null where there is none.
const EntryInfo* find_loss(const Program& program, const EntryInfo& step);
// Along which axes the columns are cut that a step reads, by the names they may have; before it is compiled.
// All steps where none is named. What is not found out here is told by fit.
runtime::Cuts data_cuts(const Unit& unit, const std::string& step);
// The columns that an entry reads, under its inputs' names and types.
Result<runtime::DataSet> prepare_data(const EntryInfo& entry, const runtime::DataSet& data);
// One picture [height, width, channels] as an input of an entry: by itself, or as the only row of a batch.
// T305.
Result<Array> prepare_picture(const EntryInfo& entry, size_t input, const Array& picture,
                              const std::string& file);

}  // namespace tenon::driver
