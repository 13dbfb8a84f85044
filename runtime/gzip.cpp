#include "runtime/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace tenon::runtime {

using support::Code;
using support::Ok;
using support::Result;
using support::Status;

namespace {
constexpr size_t input_block = size_t{1} << 16;
constexpr uint64_t deflate_limit = 1032;  // 258 bytes for two bits, at best
}  // namespace

struct ByteStream::State {
  InputFile file;
  uint64_t position = 0;  // in the file
  bool compressed = false, inflating = false, ended = false;
  z_stream z{};
  std::vector<unsigned char> input;

  explicit State(InputFile f) : file(std::move(f)) {}
  ~State() {
    if (inflating) inflateEnd(&z);
  }
  uint64_t left() const { return file.size() - position; }
  support::Diagnostic corrupt(const char* what) const {
    return at_file(Code::data_format, file.path(), std::string("gzip: ") + what,
                   "the file is damaged or was not copied whole: fetch it again");
  }
  // True where another member follows the one that ended.
  Result<bool> next_member() {
    TENON_TRY(fill());
    if (z.avail_in == 0) return false;
    // gunzip pads with zeros from tapes; anything else that is no member is an error.
    if (z.next_in[0] != 0x1f) return corrupt("bytes that are no gzip data follow the end");
    if (inflateReset(&z) != Z_OK) return corrupt("cannot start the next member");
    return true;
  }
  Status fill() {
    if (z.avail_in != 0 || left() == 0) return Ok{};
    const size_t n = static_cast<size_t>(std::min<uint64_t>(input_block, left()));
    TENON_TRY(file.read(position, input.data(), n));
    position += n;
    z.next_in = input.data();
    z.avail_in = static_cast<uInt>(n);
    return Ok{};
  }
};

ByteStream::ByteStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
ByteStream::ByteStream(ByteStream&&) noexcept = default;
ByteStream::~ByteStream() = default;

const std::string& ByteStream::path() const { return state_->file.path(); }

uint64_t ByteStream::at_most() const {
  const State& s = *state_;
  if (!s.compressed) return s.left();
  // zlib's window may hold bytes whose input is consumed: at most one match, counted by the added one.
  return s.ended ? 0 : (s.left() + s.z.avail_in + 1) * deflate_limit;
}

Result<ByteStream> ByteStream::open(InputFile file) {
  auto state = std::make_unique<State>(std::move(file));
  unsigned char magic[2] = {};
  if (state->file.size() >= 2) TENON_TRY(state->file.read(0, magic, 2));
  if (magic[0] == 0x1f && magic[1] == 0x8b) {
    state->compressed = true;
    state->input.resize(input_block);
    if (inflateInit2(&state->z, 16 + MAX_WBITS) != Z_OK) return state->corrupt("cannot start");
    state->inflating = true;
  }
  return ByteStream(std::move(state));
}

Result<size_t> ByteStream::read(void* to, size_t bytes) {
  State& s = *state_;
  if (!s.compressed) {
    const size_t n = static_cast<size_t>(std::min<uint64_t>(bytes, s.left()));
    TENON_TRY(s.file.read(s.position, to, n));
    s.position += n;
    return n;
  }
  size_t done = 0;
  while (done < bytes && !s.ended) {
    TENON_TRY(s.fill());
    const size_t want = std::min<size_t>(bytes - done, size_t{1} << 30);
    s.z.next_out = static_cast<unsigned char*>(to) + done;
    s.z.avail_out = static_cast<uInt>(want);
    const int code = inflate(&s.z, Z_NO_FLUSH);
    done += want - s.z.avail_out;
    if (code == Z_STREAM_END) {
      TENON_ASSIGN(const bool more, s.next_member());
      s.ended = !more;
    } else if (code == Z_BUF_ERROR || (code == Z_OK && s.z.avail_out != 0)) {
      if (s.z.avail_in == 0 && s.left() == 0) return s.corrupt("the data ends in the middle");
    } else if (code != Z_OK) {
      return s.corrupt(s.z.msg != nullptr ? s.z.msg : "the data is corrupt");
    }
  }
  return done;
}

Result<std::string> ByteStream::read_all(uint64_t cap) {
  std::string out;
  size_t used = 0;
  while (true) {
    // A plain file's size is known; a compressed one grows with what really comes.
    const uint64_t next = state_->compressed ? std::max<uint64_t>(input_block, used) : at_most();
    if (used + next > cap + 1) {
      if (!state_->compressed || used > cap)
        return at_file(Code::file_read, path(), "the file holds more than " + std::to_string(cap) + " bytes");
    }
    const size_t want = static_cast<size_t>(std::min<uint64_t>(next, cap + 1 - used));
    out.resize(used + want);
    TENON_ASSIGN(const size_t n, read(out.data() + used, want));
    used += n;
    if (n < want || !state_->compressed) break;
  }
  if (used > cap)
    return at_file(Code::file_read, path(), "the file holds more than " + std::to_string(cap) + " bytes");
  out.resize(used);
  return out;
}

}  // namespace tenon::runtime
