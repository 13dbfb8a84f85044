#include "runtime/data.h"

#include <cmath>
#include <cstring>
#include <numeric>

#include "runtime/permutation.h"
#include "support/text.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::error;
using support::Errors;
using support::Ok;
using support::Result;
using support::Status;

namespace {

// What the rows of one axis hold, gathered.
Array gather(const Array& from, std::span<const int64_t> rows, size_t axis) {
  std::vector<int64_t> shape = from.shape();
  const auto extent = static_cast<size_t>(shape[axis]);
  size_t outer = 1;
  for (size_t d = 0; d < axis; ++d) outer *= static_cast<size_t>(shape[d]);
  const size_t stride = outer == 0 || extent == 0 ? 0 : from.bytes() / outer / extent;
  shape[axis] = static_cast<int64_t>(rows.size());
  Array out(from.dtype(), std::move(shape));
  if (stride == 0) return out;
  std::byte* to = out.data();
  for (size_t o = 0; o < outer; ++o) {
    const std::byte* base = from.data() + o * extent * stride;
    for (int64_t row : rows) {
      std::memcpy(to, base + static_cast<size_t>(row) * stride, stride);
      to += stride;
    }
  }
  return out;
}

ArrayPtr gather(const Column& column, std::span<const int64_t> rows) {
  ArrayPtr out = column.array;
  for (const uint32_t axis : column.axes) out = std::make_shared<const Array>(gather(*out, rows, axis));
  return out;
}

std::string quoted(std::string_view name) { return support::quote(name); }

}  // namespace

const Column* DataSet::find(std::string_view name) const {
  for (const Column& c : columns_)
    if (c.name == name) return &c;
  return nullptr;
}

Status DataSet::add(Column column) {
  TENON_CHECK(column.array != nullptr, column.name);
  if (column.name.empty()) return error(Code::bad_option, "a column needs a name");
  if (find(column.name) != nullptr)
    return error(Code::duplicate_name, "the data has two columns " + quoted(column.name),
                 "rename one of them");
  if (column.array->rank() == 0 && column.axes == std::vector<uint32_t>{0})
    return error(Code::data_shape, "column " + quoted(column.name) + " has rank 0, and so no rows",
                 "give it a leading dimension of rows");
  for (const uint32_t axis : column.axes) {
    if (axis >= column.array->rank())
      return error(Code::data_shape, "column " + quoted(column.name) + " has rank " +
                                         std::to_string(column.array->rank()) +
                                         ", its rows are to lie along axis " + std::to_string(axis));
    const int64_t rows = column.array->shape()[axis];
    const std::string along = axis == 0 ? "" : " along axis " + std::to_string(axis);
    if (!settled_by_.empty() && rows != rows_)
      return error(Code::data_shape,
                   "column " + quoted(column.name) + " has " + std::to_string(rows) + " rows" + along +
                       ", column " + quoted(settled_by_) + " has " + std::to_string(rows_),
                   "all columns of a set have the same rows");
    rows_ = rows;
    settled_by_ = column.name;
  }
  columns_.push_back(std::move(column));
  return Ok{};
}

Status DataSet::add(std::string name, Array array) {
  Column c;
  c.name = std::move(name);
  c.array = std::make_shared<const Array>(std::move(array));
  return add(std::move(c));
}

Errors DataSet::no_column(std::string_view name) const {
  std::vector<std::string> names;
  for (const Column& c : columns_) names.push_back(c.name);
  return error(Code::undefined_name, "the data has no column " + quoted(name),
               "it has " + support::join(names, ", "));
}

Status DataSet::rename(std::string_view from, std::string to) {
  if (to.empty()) return error(Code::bad_option, "a column needs a name");
  if (to != from && find(to) != nullptr)
    return error(Code::duplicate_name, "the data has a column " + quoted(to) + " already");
  for (Column& c : columns_)
    if (c.name == from) {
      if (settled_by_ == from) settled_by_ = to;
      c.name = std::move(to);
      return Ok{};
    }
  return no_column(from);
}

Status DataSet::replace(std::string_view name, Array array) {
  for (Column& c : columns_)
    if (c.name == name) {
      for (const uint32_t axis : c.axes)
        if (axis >= array.rank() || array.shape()[axis] != rows_)
          return error(Code::data_shape,
                       "column " + quoted(name) + " has " + std::to_string(rows_) + " rows");
      c.array = std::make_shared<const Array>(std::move(array));
      return Ok{};
    }
  return no_column(name);
}

Result<DataSet> DataSet::slice(int64_t begin, int64_t end) const {
  if (begin < 0 || end < begin || end > rows_)
    return error(Code::index_range, "rows " + std::to_string(begin) + ".." + std::to_string(end) +
                                        " of a set of " + std::to_string(rows_));
  std::vector<int64_t> order(static_cast<size_t>(end - begin));
  for (size_t i = 0; i < order.size(); ++i) order[i] = begin + static_cast<int64_t>(i);
  return take(order);
}

Result<DataSet> DataSet::take(std::span<const int64_t> rows) const {
  for (int64_t row : rows)
    if (row < 0 || row >= rows_)
      return error(Code::index_range, "row " + std::to_string(row) + " of a set of " + std::to_string(rows_));
  DataSet out;
  for (const Column& c : columns_) {
    Column taken = c;
    taken.array = gather(c, rows);
    TENON_TRY(out.add(std::move(taken)));
  }
  if (lines_ != nullptr) {
    std::vector<uint32_t> lines;
    lines.reserve(rows.size());
    for (int64_t row : rows) lines.push_back((*lines_)[static_cast<size_t>(row)]);
    out.set_lines(std::move(lines));
  }
  if (files_ != nullptr) {
    std::vector<std::string> files;
    files.reserve(rows.size());
    for (int64_t row : rows) files.push_back((*files_)[static_cast<size_t>(row)]);
    out.set_files(std::move(files));
  }
  out.form_ = form_;
  return out;
}

Result<RowParts> split_rows(int64_t rows, double fraction, uint64_t seed) {
  if (!(fraction > 0 && fraction < 1))
    return error(Code::bad_option,
                 "split fraction " + support::format_float(fraction) + " is not between 0 and 1",
                 "0.9 keeps nine rows of ten in the first part");
  const int64_t first = static_cast<int64_t>(std::floor(fraction * static_cast<double>(rows) + 0.5));
  if (first <= 0 || first >= rows)
    return error(Code::data_missing,
                 "a split of " + std::to_string(rows) + " rows at " + support::format_float(fraction) +
                     " leaves one part empty",
                 "choose another fraction, or use more rows");
  const std::vector<int64_t> order = permutation(rows, random_of(seed, Stream::split));
  return RowParts({order.begin(), order.begin() + first}, {order.begin() + first, order.end()});
}

Result<RowParts> fold_rows(int64_t rows, int64_t fold, int64_t folds, uint64_t seed) {
  if (folds < 2 || folds > rows)
    return error(Code::bad_option, std::to_string(folds) + " folds of " + std::to_string(rows) + " rows",
                 "2 folds or more, and no more than there are rows");
  if (fold < 1 || fold > folds)
    return error(Code::bad_option, "fold " + std::to_string(fold) + " is not 1 to " + std::to_string(folds));
  const std::vector<int64_t> order = permutation(rows, random_of(seed, Stream::split));
  const auto cut = [&](int64_t k) { return order.begin() + (rows / folds) * k + std::min(k, rows % folds); };
  RowParts out({order.begin(), cut(fold - 1)}, {cut(fold - 1), cut(fold)});
  out.first.insert(out.first.end(), cut(fold), order.end());
  return out;
}

std::vector<int64_t> row_order(int64_t rows, const BatchOptions& options) {
  if (options.order != nullptr) {
    TENON_CHECK(static_cast<int64_t>(options.order->size()) == rows, "an order of another number of rows");
    return *options.order;
  }
  if (options.shuffle) return permutation(rows, random_of(*options.shuffle, Stream::shuffle, options.epoch));
  std::vector<int64_t> order(static_cast<size_t>(rows));
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

Result<std::pair<DataSet, DataSet>> DataSet::parts(Result<RowParts> rows) const {
  if (!rows) return rows.take_errors();
  TENON_ASSIGN(DataSet a, take(rows->first));
  TENON_ASSIGN(DataSet b, take(rows->second));
  return std::pair<DataSet, DataSet>(std::move(a), std::move(b));
}

Result<std::pair<DataSet, DataSet>> DataSet::split(double fraction, uint64_t seed) const {
  return parts(split_rows(rows_, fraction, seed));
}

Result<std::pair<DataSet, DataSet>> DataSet::fold(int64_t fold, int64_t folds, uint64_t seed) const {
  return parts(fold_rows(rows_, fold, folds, seed));
}

Result<Batches> DataSet::batches(int64_t size, BatchOptions options) const {
  if (size < 1) return error(Code::bad_option, "batch size " + std::to_string(size) + " is below 1");
  if (rows_ == 0) return error(Code::data_missing, "the data has no rows");
  Batches out;
  out.data_ = *this;
  out.size_ = size;
  out.count_ = rows_ / size + (rows_ % size != 0 && !options.drop_last ? 1 : 0);
  out.order_ = row_order(rows_, options);
  return out;
}

Batch Batches::at(int64_t index) const {
  TENON_CHECK(index >= 0 && index < count_, "batch " + std::to_string(index));
  const int64_t begin = index * size_, end = std::min(begin + size_, data_.rows());
  Batch b;
  b.index = index;
  b.rows =
      std::span<const int64_t>(order_).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  Result<DataSet> rows = data_.take(b.rows);
  b.data = std::move(rows.value());  // the order holds valid rows only
  return b;
}

Place DataSet::place(const Column& column, int64_t row) const {
  Place p{column.file, 0};
  if (row < 0 || row >= rows_) return p;
  if (files_ != nullptr) p.file = (*files_)[static_cast<size_t>(row)];
  if (lines_ != nullptr) p.line = (*lines_)[static_cast<size_t>(row)];
  return p;
}

void DataSet::set_lines(std::vector<uint32_t> lines) {
  TENON_CHECK(static_cast<int64_t>(lines.size()) == rows_);
  lines_ = std::make_shared<const std::vector<uint32_t>>(std::move(lines));
}

void DataSet::set_files(std::vector<std::string> files) {
  TENON_CHECK(static_cast<int64_t>(files.size()) == rows_);
  files_ = std::make_shared<const std::vector<std::string>>(std::move(files));
}

}  // namespace tenon::runtime
