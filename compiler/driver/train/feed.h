// Feed: the rows of a source as batches of an entry's inputs, from memory or read ahead.
#pragma once

#include "driver/train/trainer.h"

namespace tenon::driver {

class Feed {
 public:
  // T301, T305 where the source does not feed the entry. Source and entry must outlive the Feed.
  static Result<Feed> make(const EntryInfo& entry, const runtime::Source& data, int64_t memory);

  int64_t rows() const { return data_->rows(); }
  // All rows as the entry takes them, where they lie in memory; null: they are read.
  const runtime::DataSet* in_memory() const { return all_ ? &*all_ : nullptr; }

  // From here on the batches of this order of all rows.
  void begin(std::vector<int64_t> order, int64_t batch);
  // The next batch, the last one shorter; there is one. Not called again after a failure.
  Result<runtime::DataSet> next();
  // Ends the reading: the source is free. The rows' numbers, of the batch that `next` gave last.
  std::vector<int64_t> end();

 private:
  std::span<const int64_t> numbers() const;

  const EntryInfo* entry_ = nullptr;
  const runtime::Source* data_ = nullptr;
  std::optional<runtime::DataSet> all_;
  int64_t block_rows_ = 0;  // that the bound of memory allows
  std::vector<int64_t> order_;
  int64_t batch_ = 1, begin_ = 0, end_ = 0;
  std::unique_ptr<runtime::ReadAhead> ahead_;
};

}  // namespace tenon::driver
