// DataSet: named columns that share their rows. Rows lie along one axis of a column, the first where nothing
// else is said, along several (a matrix of pairs of rows), or along none: such a column is the same for every
// batch. Arrays are shared, never changed, so copies of a DataSet are cheap. Slices, splits and batches
// gather rows into new arrays.
//
// Source: rows that are read when they are wanted. A DataSet is the source whose rows lie in memory; others
// read files (runtime/source.h), so that data may be larger than memory.
//
// Invariants: every column that is cut has the same number of rows along each of its axes; names are unique
// and not empty.
// Refused: a name twice (T104), rows that differ or rank 0 (T305), a row number outside (T605), a split or a
// batch size out of range (T610), no rows where some are needed (T301).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/table_form.h"
#include "support/array.h"
#include "support/diagnostic.h"

namespace tenon::runtime {

using ArrayPtr = std::shared_ptr<const support::Array>;

struct Column {
  std::string name;
  ArrayPtr array;
  std::string file;                  // where it came from; empty: generated, or given in memory
  std::vector<std::string> classes;  // texts that class indices stand for; empty: plain numbers
  std::string header = {};           // what it is called in the file, where that is another name
  std::vector<uint32_t> axes = {0};  // along which the rows lie; none: the same for every batch
  // Whether a row is a picture: height, width, channels (1: gray; 3: red, green, blue).
  bool picture = false;
};
// Axes by column, for columns whose rows do not lie along the first one.
using Cuts = std::map<std::string, std::vector<uint32_t>, std::less<>>;

struct Place {
  std::string file;
  uint32_t line = 0;  // 0: the source has no lines
};

struct BatchOptions {
  std::optional<uint64_t> shuffle;              // seed; none: rows in order
  uint32_t epoch = 0;                           // each epoch of one seed has its own order
  bool drop_last = false;                       // leave out a last batch that is shorter
  const std::vector<int64_t>* order = nullptr;  // of the caller's: each row once; in place of a shuffle
};

// The order in which an epoch of `rows` rows takes them.
std::vector<int64_t> row_order(int64_t rows, const BatchOptions& options);

// The rows of two parts, by their numbers.
using RowParts = std::pair<std::vector<int64_t>, std::vector<int64_t>>;
// round(fraction * rows) rows drawn by the seed, and the others; both keep the drawn order. Neither may be
// empty (T301).
support::Result<RowParts> split_rows(int64_t rows, double fraction, uint64_t seed);
// The rows outside fold `fold` (from 1) of `folds`, and those in it. The folds of one seed share no row, hold
// all of them, and differ by at most one in size. T610 where there are fewer than 2 or an empty one.
support::Result<RowParts> fold_rows(int64_t rows, int64_t fold, int64_t folds, uint64_t seed);

class DataSet;

class Source {
 public:
  virtual ~Source() = default;
  virtual int64_t rows() const = 0;
  // The rows with these numbers, in this order (T605); a row may be read more than once. The same numbers
  // give the same bytes. Not for two threads at once.
  virtual support::Result<DataSet> read(std::span<const int64_t> rows) const = 0;
  // All rows, where they lie in memory; null: they are read.
  virtual const DataSet* in_memory() const { return nullptr; }

 protected:
  Source() = default;
  Source(const Source&) = default;
  Source(Source&&) = default;
  Source& operator=(const Source&) = default;
  Source& operator=(Source&&) = default;
};

class Batches;

class DataSet : public Source {
 public:
  int64_t rows() const override { return rows_; }
  support::Result<DataSet> read(std::span<const int64_t> rows) const override { return take(rows); }
  const DataSet* in_memory() const override { return this; }
  const std::vector<Column>& columns() const { return columns_; }
  const Column* find(std::string_view name) const;  // null: no such column
  // Adds at the end. The first column that is cut settles the number of rows.
  support::Status add(Column column);
  support::Status add(std::string name, support::Array array);
  support::Status rename(std::string_view from, std::string to);
  // Other values in a column that is there; T305 where the rows differ.
  support::Status replace(std::string_view name, support::Array array);

  // Rows begin..end-1.
  support::Result<DataSet> slice(int64_t begin, int64_t end) const;
  // The rows with these numbers, in this order; a row may be taken more than once.
  support::Result<DataSet> take(std::span<const int64_t> rows) const;
  // The parts that split_rows and fold_rows tell, gathered.
  support::Result<std::pair<DataSet, DataSet>> split(double fraction, uint64_t seed) const;
  support::Result<std::pair<DataSet, DataSet>> fold(int64_t fold, int64_t folds, uint64_t seed) const;
  // ceil(rows / size) batches, the last one shorter. The DataSet need not outlive them.
  support::Result<Batches> batches(int64_t size, BatchOptions options = {}) const;

  // Where row `row` of a column was read: "train.csv", line 4129; "cats/7.png".
  Place place(const Column& column, int64_t row) const;
  // Line numbers of the rows, from a loader of text.
  void set_lines(std::vector<uint32_t> lines);
  // The file of each row, where each has one of its own.
  void set_files(std::vector<std::string> files);
  // Of rows of a table: what their columns are. Null: other data.
  const std::shared_ptr<const TableForm>& form() const { return form_; }
  void set_form(TableForm form) { form_ = std::make_shared<const TableForm>(std::move(form)); }

 private:
  support::Errors no_column(std::string_view name) const;
  support::Result<std::pair<DataSet, DataSet>> parts(support::Result<RowParts> rows) const;

  int64_t rows_ = 0;
  std::string settled_by_;  // the column that settled the rows; empty: none has
  std::vector<Column> columns_;
  std::shared_ptr<const std::vector<uint32_t>> lines_;
  std::shared_ptr<const std::vector<std::string>> files_;
  std::shared_ptr<const TableForm> form_;
};

struct Batch {
  DataSet data;
  int64_t index = 0;              // within the epoch
  std::span<const int64_t> rows;  // the rows' numbers in the set, valid while the Batches live
};

// One epoch's batches, gathered one by one as the iterator comes to them.
class Batches {
 public:
  class Iterator {
   public:
    Iterator(const Batches* batches, int64_t index) : batches_(batches), index_(index) {}
    Batch operator*() const { return batches_->at(index_); }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const Batches* batches_;
    int64_t index_;
  };

  int64_t count() const { return count_; }
  Batch at(int64_t index) const;  // index < count()
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, count_}; }
  const std::vector<int64_t>& order() const { return order_; }

 private:
  friend class DataSet;
  DataSet data_;
  std::vector<int64_t> order_;
  int64_t size_ = 1, count_ = 0;
};

// What a loader found: rows to train on, and rows held out where the source has them.
struct TrainTest {
  DataSet train;
  std::optional<DataSet> test;
};

}  // namespace tenon::runtime
