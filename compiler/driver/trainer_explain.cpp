// Which row made a call fail, where it was read, and what would have been accepted.
#include <algorithm>

#include "driver/trainer_parts.h"
#include "support/text.h"

namespace tenon::driver {

using runtime::Column;
using runtime::DataSet;

namespace {

// Calls of the loss on single rows.
class Probe {
 public:
  Probe(Session& session, const EntryInfo& loss, const DataSet& rows, Code code)
      : session_(session),
        loss_(loss),
        rows_(rows),
        code_(code),
        copies_(static_cast<size_t>(std::max<int64_t>(1, row_count(loss).fixed))) {}

  // Whether a row fails with the code; with another value in column `label`, where that is not -1.
  bool fails(int64_t row, int64_t label = -1, int64_t value = 0) {
    const std::vector<int64_t> same(copies_, row);
    Result<DataSet> one = rows_.take(same);
    if (!one) return false;
    std::vector<const Array*> inputs;
    for (const Column& c : one->columns()) inputs.push_back(c.array.get());
    Array changed;
    if (label >= 0) {
      changed = *inputs[static_cast<size_t>(label)];
      with_dtype(changed.dtype(), [&]<class T>() {
        for (T& element : changed.as<T>()) element = static_cast<T>(value);
      });
      inputs[static_cast<size_t>(label)] = &changed;
    }
    const Result<std::vector<Array>> out = session_.run(loss_.interface->name, inputs);
    return !out && out.errors().code() == code_;
  }

  // How many labels 0..n-1 the row could have; 0 where that is not how it is.
  int64_t classes(int64_t row, int64_t label) {
    constexpr int64_t most = int64_t{1} << 24;
    const DType dtype = rows_.columns()[static_cast<size_t>(label)].array->dtype();
    const int64_t limit = dtype_bytes(dtype) == 1 ? 255 : most;
    if (fails(row, label, 0)) return 0;
    int64_t good = 0, bad = 1;
    while (bad <= limit && !fails(row, label, bad)) good = bad, bad *= 2;
    if (bad > limit) return 0;
    while (bad - good > 1) {
      const int64_t middle = good + (bad - good) / 2;
      (fails(row, label, middle) ? bad : good) = middle;
    }
    return bad;
  }

 private:
  Session& session_;
  const EntryInfo& loss_;
  const DataSet& rows_;
  Code code_;
  size_t copies_;
};

// "1..10", or the texts they stand for.
std::string values_text(const Column& column) {
  if (!column.classes.empty()) {
    constexpr size_t most = 12;
    std::vector<std::string> names(
        column.classes.begin(),
        column.classes.begin() + static_cast<ptrdiff_t>(std::min(most, column.classes.size())));
    if (names.size() < column.classes.size()) names.push_back("...");
    return std::to_string(column.classes.size()) + " classes: " + join(names, ", ");
  }
  double low = element(*column.array, 0), high = low;
  for (int64_t i = 0; i < column.array->count(); ++i) {
    low = std::min(low, element(*column.array, i));
    high = std::max(high, element(*column.array, i));
  }
  return std::to_string(static_cast<int64_t>(low)) + ".." + std::to_string(static_cast<int64_t>(high));
}

}  // namespace

Errors explain_failure(Session& session, const EntryInfo& step, const DataSet& data, Errors errors) {
  const Code code = errors.code();
  const EntryInfo* loss = find_loss(*session.program(), step);
  if ((code != Code::label_range && code != Code::index_range) || loss == nullptr) return errors;
  Result<DataSet> prepared = prepare_data(*loss, data);
  if (!prepared) return errors;
  size_t label = 0;
  while (label < loss->inputs.size() &&
         !(is_int(loss->inputs[label].dtype) && loss->inputs[label].rank() == 1))
    ++label;
  if (label == loss->inputs.size()) return errors;
  Probe probe(session, *loss, *prepared, code);
  int64_t row = 0;
  while (row < prepared->rows() && !probe.fails(row)) ++row;
  if (row == prepared->rows()) return errors;

  Diagnostic& d = errors.list.front();
  const Column& column = prepared->columns()[label];
  const auto value = static_cast<int64_t>(element(*column.array, row));
  d.message = (code == Code::label_range ? "label " : "index ") + std::to_string(value) + " at row " +
              std::to_string(row) + " of " + column.name;
  const int64_t classes = probe.classes(row, static_cast<int64_t>(label));
  d.message += classes > 0 ? ": the model has classes 0.." + std::to_string(classes - 1) : " is out of range";
  const Column* origin = data.find(column.name);
  for (const std::string_view other : {"y", "label"})
    if (origin == nullptr) origin = data.find(other);
  if (origin == nullptr) return errors;
  const runtime::Place place = data.place(*origin, row);
  const std::string shown = "column " + quote(origin->header.empty() ? origin->name : origin->header);
  d.file = place.file;
  d.line = place.line;
  d.within = shown;
  d.notes.push_back(shown + " holds " + values_text(*origin));
  return errors;
}

}  // namespace tenon::driver
