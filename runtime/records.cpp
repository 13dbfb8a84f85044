#include "runtime/records.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <vector>

#include "runtime/gzip.h"

namespace tenon::runtime {

using support::Code;
using support::Ok;
using support::Result;
using support::Status;

namespace {
constexpr size_t scratch_bytes = size_t{1} << 16;
}

struct RecordFile::State {
  InputFile file;
  uint64_t offset = 0;
  size_t bytes = 1;
  int64_t count = 0;
  bool compressed = false;
  // Of a compressed file: where it is read on.
  std::optional<ByteStream> stream;
  uint64_t position = 0;

  explicit State(InputFile f) : file(std::move(f)) {}

  Status restart() {
    TENON_ASSIGN(InputFile again, InputFile::open(file.path()));
    TENON_ASSIGN(ByteStream begun, ByteStream::open(std::move(again)));
    stream.reset();
    stream.emplace(std::move(begun));
    position = 0;
    return Ok{};
  }
  // Bytes from `at` on, which is not before `position`.
  Status read_on(uint64_t at, std::byte* to, size_t wanted) {
    std::vector<std::byte> passed(at > position ? scratch_bytes : 0);
    while (position < at) {
      const size_t n = static_cast<size_t>(std::min<uint64_t>(passed.size(), at - position));
      TENON_TRY(read_exactly(passed.data(), n));
    }
    return read_exactly(to, wanted);
  }
  Status read_exactly(std::byte* to, size_t wanted) {
    TENON_ASSIGN(const size_t got, stream->read(to, wanted));
    position += got;
    if (got == wanted) return Ok{};
    return at_file(Code::file_read, file.path(), "cannot read: the file became shorter while it was read");
  }
  Status read(int64_t record, int64_t records, std::byte* to) {
    const uint64_t at = offset + static_cast<uint64_t>(record) * bytes;
    const size_t wanted = static_cast<size_t>(records) * bytes;
    if (!compressed) return file.read(at, to, wanted);
    if (!stream || at < position) TENON_TRY(restart());
    return read_on(at, to, wanted);
  }
};

RecordFile::RecordFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecordFile::RecordFile(RecordFile&&) noexcept = default;
RecordFile& RecordFile::operator=(RecordFile&&) noexcept = default;
RecordFile::~RecordFile() = default;

const std::string& RecordFile::path() const { return state_->file.path(); }
int64_t RecordFile::count() const { return state_->count; }
size_t RecordFile::record_bytes() const { return state_->bytes; }

Result<RecordFile> RecordFile::open(const std::string& path, std::string_view form, uint64_t offset,
                                    size_t record_bytes, int64_t count) {
  TENON_CHECK(record_bytes > 0, path);
  TENON_ASSIGN(InputFile file, InputFile::open(path));
  auto state = std::make_unique<State>(std::move(file));
  state->offset = offset;
  state->bytes = record_bytes;
  unsigned char magic[2] = {};
  if (state->file.size() >= 2) TENON_TRY(state->file.read(0, magic, 2));
  state->compressed = magic[0] == 0x1f && magic[1] == 0x8b;
  uint64_t total = state->file.size();
  if (state->compressed) {
    TENON_TRY(state->restart());
    std::vector<std::byte> passed(scratch_bytes);
    total = 0;
    for (size_t got = passed.size(); got == passed.size(); total += got) {
      TENON_ASSIGN(got, state->stream->read(passed.data(), passed.size()));
    }
    state->stream.reset();
  }
  const uint64_t follow = total - std::min(total, offset);
  const std::string bytes = std::to_string(follow) + " bytes" + (state->compressed ? " uncompressed" : "");
  if (total < offset || (count < 0 && follow % record_bytes != 0))
    return at_file(Code::data_format, path,
                   std::string(form) + ": the file holds " + bytes + ", its records have " +
                       std::to_string(record_bytes) + " each",
                   "the file is truncated, or of another form");
  const uint64_t found = follow / record_bytes;
  if (count >= 0 && (found != static_cast<uint64_t>(count) || follow % record_bytes != 0))
    return at_file(Code::data_format, path,
                   std::string(form) + ": the header declares " + std::to_string(count) + " rows of " +
                       std::to_string(record_bytes) + " bytes, " + bytes + " follow",
                   "the file is truncated, or longer than it says: fetch it again");
  state->count = static_cast<int64_t>(found);
  return RecordFile(std::move(state));
}

Status RecordFile::read(std::span<const int64_t> numbers, std::byte* to) const {
  // In the order of the file; neighbours that stay neighbours are read at once.
  std::vector<size_t> order(numbers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return numbers[a] < numbers[b]; });
  const size_t bytes = state_->bytes;
  for (size_t i = 0; i < order.size();) {
    const int64_t record = numbers[order[i]];
    TENON_CHECK(record >= 0 && record < state_->count, path());
    if (i > 0 && numbers[order[i - 1]] == record) {
      std::memcpy(to + order[i] * bytes, to + order[i - 1] * bytes, bytes);
      ++i;
      continue;
    }
    size_t n = 1;
    while (i + n < order.size() && order[i + n] == order[i] + n &&
           numbers[order[i + n]] == record + static_cast<int64_t>(n))
      ++n;
    TENON_TRY(state_->read(record, static_cast<int64_t>(n), to + order[i] * bytes));
    i += n;
  }
  return Ok{};
}

}  // namespace tenon::runtime
