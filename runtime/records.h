// RecordFile: rows of equally many bytes, one after the other behind a header, in a file that is plain or
// gzipped. What is asked for is read where it lies; only that takes memory. A compressed file has to be read
// on from its beginning where a record lies before the last one read, so rows in an order of their own are
// read from it a block at a time, each in one pass.
//
// A compressed file is read through once when it is opened: damage shows before a row is used. T302: another
// number of bytes than the records take, or a damaged gzip stream.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "runtime/file.h"

namespace tenon::runtime {

class RecordFile {
 public:
  // `form` stands before errors: "idx". count -1: as many as there are.
  static support::Result<RecordFile> open(const std::string& path, std::string_view form, uint64_t offset,
                                          size_t record_bytes, int64_t count = -1);
  RecordFile(RecordFile&&) noexcept;
  RecordFile& operator=(RecordFile&&) noexcept;
  ~RecordFile();

  const std::string& path() const;
  int64_t count() const;
  size_t record_bytes() const;
  // The records with these numbers (below count()), the i-th to `to` + i * record_bytes(). Not for two
  // threads at once.
  support::Status read(std::span<const int64_t> numbers, std::byte* to) const;

 private:
  struct State;
  explicit RecordFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tenon::runtime
