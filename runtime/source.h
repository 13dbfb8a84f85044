// Sources whose rows do not lie in memory, what is made of them, and reading ahead.
//
// Memory is bounded: of a source's rows two blocks are held, the one that is worked on and the next, which a
// thread of its own reads meanwhile. What is read does not depend on the size of the blocks or on the thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "runtime/data.h"
#include "support/thread.h"

namespace tenon::runtime {

// Bytes of blocks that are held at once, where nothing else is said.
constexpr int64_t default_memory = int64_t{256} << 20;

// Rows to train on, and rows held out where there are some (else null).
struct Sources {
  std::shared_ptr<const Source> train, test;
};

// The rows with these numbers in `from`, in this order: gathered where they lie in memory, else read when
// they are wanted. T605.
support::Result<std::shared_ptr<const Source>> take_rows(std::shared_ptr<const Source> from,
                                                         std::vector<int64_t> rows);

// The rows of `from` with something done to them, a row by itself and always the same.
using RowsChange = std::function<support::Result<DataSet>(const DataSet&)>;
std::shared_ptr<const Source> changed_rows(std::shared_ptr<const Source> from, RowsChange change);

// All rows, in memory.
support::Result<DataSet> read_all(const Source& source);

// Bytes of the columns that are cut, for one row.
int64_t row_bytes(const DataSet& rows);

// The batches of an order, read ahead block by block.
class ReadAhead {
 public:
  // Blocks are of so many batches. `change` is done to each block by the thread that reads it. The source
  // must outlive the ReadAhead.
  ReadAhead(const Source& source, std::vector<int64_t> order, int64_t batch, int64_t batches_per_block,
            RowsChange change);
  ~ReadAhead();  // ends the reading
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The next batch, the last one shorter; there is one. Not called again after a failure.
  support::Result<DataSet> next();
  // The rows' numbers in the source, of the batch that `next` gave last.
  std::span<const int64_t> numbers() const;

 private:
  support::Result<DataSet> read_block(int64_t begin) const;
  support::Result<DataSet> next_block();
  void work();

  const Source& source_;
  const std::vector<int64_t> order_;
  const int64_t batch_, block_rows_;
  const RowsChange change_;

  DataSet block_;  // that batches are taken from
  int64_t block_begin_ = 0, block_end_ = 0, begin_ = 0, end_ = 0;

  std::mutex mutex_;
  std::condition_variable moved_;
  std::optional<support::Result<DataSet>> ready_;  // the next block
  std::exception_ptr thrown_;                      // by reading it
  bool stop_ = false;
  support::Thread thread_;
};

}  // namespace tenon::runtime
