#include "runtime/source.h"

#include <algorithm>
#include <numeric>

namespace tenon::runtime {

using support::Code;
using support::error;
using support::Ok;
using support::Result;
using support::Status;

namespace {

Status check_rows(std::span<const int64_t> numbers, int64_t rows) {
  for (const int64_t row : numbers)
    if (row < 0 || row >= rows)
      return error(Code::index_range,
                   "row " + std::to_string(row) + " of a source of " + std::to_string(rows) + " rows");
  return Ok{};
}

class TakenRows : public Source {
 public:
  TakenRows(std::shared_ptr<const Source> from, std::vector<int64_t> rows)
      : from_(std::move(from)), rows_(std::move(rows)) {}
  int64_t rows() const override { return static_cast<int64_t>(rows_.size()); }
  Result<DataSet> read(std::span<const int64_t> rows) const override {
    TENON_TRY(check_rows(rows, this->rows()));
    std::vector<int64_t> numbers;
    numbers.reserve(rows.size());
    for (const int64_t row : rows) numbers.push_back(rows_[static_cast<size_t>(row)]);
    return from_->read(numbers);
  }

 private:
  std::shared_ptr<const Source> from_;
  std::vector<int64_t> rows_;
};

class ChangedRows : public Source {
 public:
  ChangedRows(std::shared_ptr<const Source> from, RowsChange change)
      : from_(std::move(from)), change_(std::move(change)) {}
  int64_t rows() const override { return from_->rows(); }
  Result<DataSet> read(std::span<const int64_t> rows) const override {
    TENON_ASSIGN(const DataSet read, from_->read(rows));
    return change_(read);
  }

 private:
  std::shared_ptr<const Source> from_;
  RowsChange change_;
};

}  // namespace

Result<std::shared_ptr<const Source>> take_rows(std::shared_ptr<const Source> from,
                                                std::vector<int64_t> rows) {
  if (const DataSet* all = from->in_memory()) {
    TENON_ASSIGN(DataSet taken, all->take(rows));
    return std::shared_ptr<const Source>(std::make_shared<const DataSet>(std::move(taken)));
  }
  TENON_TRY(check_rows(rows, from->rows()));
  return std::shared_ptr<const Source>(std::make_shared<const TakenRows>(std::move(from), std::move(rows)));
}

std::shared_ptr<const Source> changed_rows(std::shared_ptr<const Source> from, RowsChange change) {
  return std::make_shared<const ChangedRows>(std::move(from), std::move(change));
}

Result<DataSet> read_all(const Source& source) {
  if (const DataSet* all = source.in_memory()) return *all;
  return source.read(row_order(source.rows(), {}));
}

int64_t row_bytes(const DataSet& rows) {
  size_t bytes = 0;
  for (const Column& c : rows.columns())
    if (!c.axes.empty()) bytes += c.array->bytes();
  return static_cast<int64_t>(bytes) / std::max<int64_t>(1, rows.rows());
}

ReadAhead::ReadAhead(const Source& source, std::vector<int64_t> order, int64_t batch,
                     int64_t batches_per_block, RowsChange change)
    : source_(source),
      order_(std::move(order)),
      batch_(batch),
      block_rows_(batch * batches_per_block),
      change_(std::move(change)) {
  TENON_CHECK(batch > 0 && batches_per_block > 0, "an empty block");
  // Where the system has no thread, blocks are read when they are wanted.
  thread_.start(support::worker_stack, [](void* self) { static_cast<ReadAhead*>(self)->work(); }, this);
}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  moved_.notify_all();
  thread_.join();
}

Result<DataSet> ReadAhead::read_block(int64_t begin) const {
  const int64_t all = static_cast<int64_t>(order_.size()), end = std::min(begin + block_rows_, all);
  TENON_ASSIGN(const DataSet read, source_.read(std::span(order_).subspan(static_cast<size_t>(begin),
                                                                          static_cast<size_t>(end - begin))));
  return change_(read);
}

void ReadAhead::work() {
  const support::FloatEnvironment environment;
  for (int64_t begin = 0; begin < static_cast<int64_t>(order_.size()); begin += block_rows_) {
    {
      // The place is free before the next block takes memory.
      std::unique_lock lock(mutex_);
      moved_.wait(lock, [&] { return stop_ || !ready_; });
      if (stop_) return;
    }
    std::optional<Result<DataSet>> read;
    std::exception_ptr thrown;
    try {
      read.emplace(read_block(begin));
    } catch (...) {
      thrown = std::current_exception();
      read.emplace(DataSet());
    }
    const bool failed = thrown != nullptr || !*read;
    {
      const std::lock_guard lock(mutex_);
      thrown_ = thrown;
      ready_ = std::move(read);
    }
    moved_.notify_all();
    if (failed) return;
  }
}

Result<DataSet> ReadAhead::next_block() {
  if (!thread_.running()) return read_block(block_begin_);
  std::unique_lock lock(mutex_);
  moved_.wait(lock, [&] { return ready_.has_value(); });
  if (thrown_) std::rethrow_exception(thrown_);
  Result<DataSet> out = std::move(*ready_);
  ready_.reset();
  lock.unlock();
  moved_.notify_all();
  return out;
}

Result<DataSet> ReadAhead::next() {
  const int64_t all = static_cast<int64_t>(order_.size());
  begin_ = end_;
  TENON_CHECK(begin_ < all, "all batches were taken");
  end_ = std::min(begin_ + batch_, all);
  if (begin_ == block_end_) {
    block_ = DataSet();
    block_begin_ = begin_;
    TENON_ASSIGN(block_, next_block());
    block_end_ = std::min(block_begin_ + block_rows_, all);
  }
  return block_.slice(begin_ - block_begin_, end_ - block_begin_);
}

std::span<const int64_t> ReadAhead::numbers() const {
  return std::span(order_).subspan(static_cast<size_t>(begin_), static_cast<size_t>(end_ - begin_));
}

}  // namespace tenon::runtime
