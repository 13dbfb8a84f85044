// Which row made a call fail, where it was read, and what would have been accepted.
#include <algorithm>

#include "driver/train/parts.h"
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

int64_t integer(const Array& a, int64_t at) {
  int64_t out = 0;
  with_dtype(a.dtype(), [&]<class T>() { out = static_cast<int64_t>(a.as<T>()[static_cast<size_t>(at)]); });
  return out;
}

// The least and the largest element; of an array that has some.
std::pair<double, double> extremes(const Array& a) {
  double low = element(a, 0), high = low;
  for (int64_t i = 1; i < a.count(); ++i) {
    low = std::min(low, element(a, i));
    high = std::max(high, element(a, i));
  }
  return {low, high};
}

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
  const auto [low, high] = extremes(*column.array);
  return std::to_string(static_cast<int64_t>(low)) + ".." + std::to_string(static_cast<int64_t>(high));
}

}  // namespace

Errors explain_failure(Session& session, const EntryInfo& step, const runtime::Source& data,
                       std::span<const int64_t> failed, Errors errors) {
  const EntryInfo* loss = find_loss(*session.program(), step);
  return loss == nullptr ? errors : explain_rows(session, *loss, data, failed, std::move(errors));
}

Errors explain_rows(Session& session, const EntryInfo& entry, const runtime::Source& source,
                    std::span<const int64_t> failed, Errors errors) {
  const Code code = errors.code();
  if (code != Code::label_range && code != Code::index_range) return errors;
  const bool all = source.in_memory() != nullptr;
  const Result<DataSet> tried = all ? Result<DataSet>(*source.in_memory()) : source.read(failed);
  if (!tried) return errors;
  const DataSet& data = *tried;
  Result<DataSet> prepared = prepare_data(entry, data);
  if (!prepared) return errors;
  Probe probe(session, entry, *prepared, code);
  int64_t row = 0;
  while (row < prepared->rows() && !probe.fails(row)) ++row;
  if (row == prepared->rows()) return errors;
  const int64_t detail = session.last_status().detail;

  // The column at fault: labels are whole numbers, one a row; an index is known by its value.
  size_t label = entry.inputs.size();
  int64_t value = detail;
  for (size_t i = 0; i < entry.inputs.size() && label == entry.inputs.size(); ++i) {
    const Array& a = *prepared->columns()[i].array;
    if (!is_int(a.dtype())) continue;
    const int64_t width = a.count() / prepared->rows();
    if (code == Code::label_range) {
      if (entry.inputs[i].rank() != 1) continue;
      value = integer(a, row);
      label = i;
    } else {
      for (int64_t e = 0; e < width; ++e)
        if (integer(a, row * width + e) == detail) label = i;
    }
  }
  if (label == entry.inputs.size()) return errors;
  Diagnostic& d = errors.list.front();
  const Column& column = prepared->columns()[label];
  d.message = (code == Code::label_range ? "label " : "index ") + std::to_string(value) + " at row " +
              std::to_string(all ? row : failed[static_cast<size_t>(row)]) + " of " + column.name;
  const bool one_a_row = entry.inputs[label].rank() == 1;
  const int64_t classes = one_a_row ? probe.classes(row, static_cast<int64_t>(label)) : 0;
  d.message += classes > 0
                   ? ": the model has " + std::string(code == Code::label_range ? "classes" : "rows") +
                         " 0.." + std::to_string(classes - 1)
                   : " is out of range";
  const Column* origin = data.find(column.name);
  for (const std::string_view other : {"y", "label"})
    if (origin == nullptr && one_a_row) origin = data.find(other);
  if (origin == nullptr) return errors;
  const runtime::Place place = data.place(*origin, row);
  const std::string shown = "column " + quote(origin->header.empty() ? origin->name : origin->header);
  d.file = place.file;
  d.line = place.line;
  d.within = shown;
  d.notes.push_back(shown + " holds " + values_text(*origin));
  if (code == Code::label_range && classes > 0 && origin->classes.empty()) {
    const auto [low, high] = extremes(*origin->array);
    if (low >= 1 && high <= static_cast<double>(classes)) d.notes.emplace_back(counts_from_one);
  }
  return errors;
}

}  // namespace tenon::driver
