#include "driver/train/feed.h"

#include <algorithm>

namespace tenon::driver {

using runtime::DataSet;

Result<Feed> Feed::make(const EntryInfo& entry, const runtime::Source& data, int64_t memory) {
  Feed out;
  out.entry_ = &entry;
  out.data_ = &data;
  if (const DataSet* all = data.in_memory()) {
    TENON_ASSIGN(out.all_, prepare_data(entry, *all));
    return out;
  }
  if (data.rows() == 0) return error(Code::data_missing, "the data has no rows");
  // One row tells whether the others fit, and what they take: two blocks are held, and one is as it was read.
  const int64_t first[] = {0};
  TENON_ASSIGN(const DataSet row, data.read(first));
  TENON_ASSIGN(const DataSet prepared, prepare_data(entry, row));
  const int64_t bytes = runtime::row_bytes(row) + 2 * runtime::row_bytes(prepared);
  out.block_rows_ = std::min(data.rows(), memory / std::max<int64_t>(1, bytes));
  return out;
}

void Feed::begin(std::vector<int64_t> order, int64_t batch) {
  batch_ = batch;
  begin_ = end_ = 0;
  ahead_.reset();
  if (all_) {
    order_ = std::move(order);
    return;
  }
  ahead_ = std::make_unique<runtime::ReadAhead>(
      *data_, std::move(order), batch, std::max<int64_t>(1, block_rows_ / batch),
      [entry = entry_](const DataSet& block) { return prepare_data(*entry, block); });
}

Result<DataSet> Feed::next() {
  if (ahead_ != nullptr) return ahead_->next();
  begin_ = end_;
  end_ = std::min(begin_ + batch_, static_cast<int64_t>(order_.size()));
  return all_->take(numbers());
}

std::vector<int64_t> Feed::end() {
  const std::span<const int64_t> last = numbers();
  std::vector<int64_t> out(last.begin(), last.end());
  ahead_.reset();
  return out;
}

std::span<const int64_t> Feed::numbers() const {
  if (ahead_ != nullptr) return ahead_->numbers();
  return std::span(order_).subspan(static_cast<size_t>(begin_), static_cast<size_t>(end_ - begin_));
}

}  // namespace tenon::driver
