// Columns whose arrays lie in files (IDX, .npy), as a source: rows are read from where they lie.
// T305: columns of different numbers of rows. T610: a column whose rows do not lie one after the other (along
// another axis than the first), which only a whole array can be cut along.
#pragma once

#include <functional>
#include <optional>

#include "runtime/records.h"
#include "runtime/source.h"

namespace tenon::runtime {

struct StoredColumn {
  Column like;  // all but the array
  support::DType dtype = support::DType::f32;
  std::vector<int64_t> shape;  // with the rows
  std::optional<RecordFile> file;
  // Elements as they are stored to elements of the type; null: they are the same bytes.
  std::function<support::Status(const std::byte* stored, int64_t count, std::byte* to)> decode;

  int64_t row_elements() const;
};

// Columns are cut along their first axis, or the same for every batch, as `cuts` says.
support::Result<std::shared_ptr<const Source>> open_columns(std::vector<StoredColumn> columns,
                                                            const Cuts& cuts = {});

}  // namespace tenon::runtime
