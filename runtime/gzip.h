// Gzip (RFC 1952) for data files: the plain bytes of a file, or a stream of them read piece by piece, so that
// a header can be checked before anything is allocated for what it declares. Members after the first are read
// on, as gunzip does. Corrupt, truncated or trailing bytes give T302 with the file's name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/file.h"

namespace tenon::runtime {

// A file's bytes in order, decompressed where the file starts with gzip's magic number.
class ByteStream {
 public:
  static support::Result<ByteStream> open(InputFile file);
  ByteStream(ByteStream&&) noexcept;
  ~ByteStream();

  const std::string& path() const;
  // No more bytes than this can follow: exact for a plain file, 1032 times the compressed bytes left, and
  // what is buffered, for a compressed one (deflate packs no tighter).
  uint64_t at_most() const;
  // Up to `bytes` bytes; fewer only at the end.
  support::Result<size_t> read(void* to, size_t bytes);
  // All that follows, at most cap bytes.
  support::Result<std::string> read_all(uint64_t cap);

 private:
  struct State;
  explicit ByteStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tenon::runtime
