#include "runtime/stored_columns.h"

#include <algorithm>

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::error;
using support::Ok;
using support::Result;
using support::Status;

int64_t StoredColumn::row_elements() const {
  int64_t out = 1;
  for (size_t d = 1; d < shape.size(); ++d) out *= shape[d];
  return out;
}

namespace {

Result<Array> read_rows(const StoredColumn& column, std::span<const int64_t> rows) {
  std::vector<int64_t> shape = column.shape;
  shape[0] = static_cast<int64_t>(rows.size());
  Array out(column.dtype, std::move(shape));
  if (rows.empty()) return out;
  if (!column.decode) {
    TENON_TRY(column.file->read(rows, out.data()));
    return out;
  }
  const size_t record = column.file->record_bytes(), row = out.bytes() / rows.size();
  const size_t piece = std::clamp<size_t>((size_t{1} << 20) / record, 1, rows.size());
  std::vector<std::byte> stored(piece * record);
  for (size_t begin = 0; begin < rows.size(); begin += piece) {
    const std::span<const int64_t> part = rows.subspan(begin, std::min(piece, rows.size() - begin));
    TENON_TRY(column.file->read(part, stored.data()));
    TENON_TRY(column.decode(stored.data(), static_cast<int64_t>(part.size()) * column.row_elements(),
                            out.data() + begin * row));
  }
  return out;
}

class StoredColumns : public Source {
 public:
  static Result<std::shared_ptr<const Source>> open(std::vector<StoredColumn> columns, const Cuts& cuts) {
    auto out = std::make_shared<StoredColumns>();
    std::string settled_by;
    for (StoredColumn& c : columns) {
      if (const auto found = cuts.find(c.like.name); found != cuts.end()) c.like.axes = found->second;
      if (c.like.axes.empty()) {
        TENON_ASSIGN(Array whole, read_rows(c, row_order(c.file->count(), {})));
        c.like.array = std::make_shared<const Array>(std::move(whole));
        c.file.reset();
        continue;
      }
      if (c.like.axes != std::vector<uint32_t>{0})
        return error(Code::bad_option,
                     "column " + c.like.name +
                         " has rows along other axes than the first: it cannot be "
                         "read in blocks",
                     "leave the bound of memory out");
      if (!settled_by.empty() && c.shape[0] != out->rows_)
        return error(Code::data_shape,
                     "column " + c.like.name + " has " + std::to_string(c.shape[0]) + " rows, column " +
                         settled_by + " has " + std::to_string(out->rows_),
                     "all columns of a set have the same rows");
      out->rows_ = c.shape[0];
      settled_by = c.like.name;
    }
    if (out->rows_ == 0)
      return at_file(Code::data_missing, columns.empty() ? "" : columns[0].like.file, "the file has no rows");
    out->columns_ = std::move(columns);
    return std::shared_ptr<const Source>(std::move(out));
  }

  int64_t rows() const override { return rows_; }
  Result<DataSet> read(std::span<const int64_t> rows) const override {
    for (const int64_t row : rows)
      if (row < 0 || row >= rows_)
        return error(Code::index_range,
                     "row " + std::to_string(row) + " of " + std::to_string(rows_) + " rows");
    DataSet out;
    for (const StoredColumn& c : columns_) {
      Column column = c.like;
      if (c.file) {
        TENON_ASSIGN(Array array, read_rows(c, rows));
        column.array = std::make_shared<const Array>(std::move(array));
      }
      TENON_TRY(out.add(std::move(column)));
    }
    return out;
  }

 private:
  std::vector<StoredColumn> columns_;
  int64_t rows_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Source>> open_columns(std::vector<StoredColumn> columns, const Cuts& cuts) {
  return StoredColumns::open(std::move(columns), cuts);
}

}  // namespace tenon::runtime
