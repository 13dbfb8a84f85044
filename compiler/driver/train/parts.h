// What fit, evaluate and the explanation of their failures share.
#pragma once

#include "driver/train/trainer.h"

namespace tenon::driver {

// An element as a number.
double element(const Array& a, int64_t i);
bool is_step(const EntryInfo& e);
// How the rows of a call are counted: by a dimension, or there are `fixed` of them (0: neither).
struct RowCount {
  std::string dim;
  int64_t fixed = 0;
};
RowCount row_count(const EntryInfo& e);
// A column as an input takes it, whose rows lie along `axes`: reshaped where the number of elements agrees,
// converted where nothing is lost. `data` tells where a row was read. T304, T305.
Result<runtime::Column> fit_column(const EntryInfo& entry, size_t input, const std::vector<uint32_t>& axes,
                                   const runtime::Column& given, const runtime::DataSet& data);
// A column of pictures in the layout of a type: channels last or first, one or three of them, or all in one
// row (channels last); T305, with `what` and the file of its first picture, where it has no such layout.
Result<runtime::ArrayPtr> lay_out(const runtime::Column& column, const ir::Type& type,
                                  const std::vector<uint32_t>& axes, const std::string& what,
                                  const std::string& file);
// T610 where an entry that takes a fixed number of rows cannot run over the data in whole batches; T601 where
// a batch of the data, the last one, is below the range of the batch dimension.
Status check_batches(const EntryInfo& e, int64_t rows, int64_t batch);
// The size nearest to `batch` whose batches, the last one too, lie in low..high.
std::optional<int64_t> fitting_batch(int64_t rows, int64_t batch, int64_t low, int64_t high);
// The order in which the native loop takes the rows of the epoch that begins at this state.
Result<std::vector<int64_t>> loop_order(const Program& program, const State& state, int64_t rows);
// Names the row that makes a step, or its loss, fail: rows are tried through the loss one by one. Only after
// a failure. `failed`: numbers of the rows that are tried where the data do not lie in memory; else all are.
Errors explain_failure(Session& session, const EntryInfo& step, const runtime::Source& data,
                       std::span<const int64_t> failed, Errors errors);
// The same for any entry, whose own calls are tried.
Errors explain_rows(Session& session, const EntryInfo& entry, const runtime::Source& data,
                    std::span<const int64_t> failed, Errors errors);

}  // namespace tenon::driver
