#include "runtime/npy.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <vector>

#include "runtime/stored_columns.h"
#include "support/text.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::DType;
using support::Ok;
using support::Result;
using support::Status;

namespace {

static_assert(std::endian::native == std::endian::little, "array bytes are taken as little-endian");

constexpr std::string_view magic = "\x93NUMPY";
constexpr size_t max_header = size_t{1} << 20;
constexpr size_t max_rank = 32;

struct Header {
  DType dtype = DType::f32;
  bool swap = false, fortran = false;
  std::vector<int64_t> shape;
  uint64_t bytes = 0;  // of the header itself
};

// The header is a Python dictionary of three entries. This reads that much of Python's literals.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  Result<Header> parse() {
    Header h;
    bool have_descr = false, have_order = false, have_shape = false;
    if (!take('{')) return broken("the header is no dictionary");
    while (!take('}')) {
      std::string_view key;
      if (!string(&key) || !take(':')) return broken("the header's keys are malformed");
      if (key == "descr" && !have_descr) {
        std::string_view descr;
        if (!string(&descr)) return broken("it holds records, not numbers", "store one field at a time");
        TENON_TRY(set_dtype(descr, &h));
        have_descr = true;
      } else if (key == "fortran_order" && !have_order) {
        if (word("True")) {
          h.fortran = true;
        } else if (!word("False")) {
          return broken("fortran_order is neither True nor False");
        }
        have_order = true;
      } else if (key == "shape" && !have_shape) {
        if (!shape(&h.shape)) return broken("the shape is malformed");
        if (h.shape.size() > max_rank) return broken("it has more than 32 dimensions");
        have_shape = true;
      } else {
        return broken("the header has an unexpected or repeated key " + support::quote(key));
      }
      if (!take(',') && !peek('}')) return broken("the header is malformed");
    }
    space();
    if (at_ != text_.size()) return broken("text follows the header's dictionary");
    if (!have_descr || !have_order || !have_shape)
      return broken("the header lacks descr, fortran_order or shape");
    return h;
  }

 private:
  support::Diagnostic broken(std::string what, std::string help = {}) const {
    return at_file(Code::data_format, path_, "npy: " + std::move(what), std::move(help));
  }
  void space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool peek(char c) {
    space();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool take(char c) {
    if (!peek(c)) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view w) {
    space();
    if (text_.substr(at_, w.size()) != w) return false;
    at_ += w.size();
    return true;
  }
  bool string(std::string_view* out) {
    space();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) return false;
    const size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) return false;
    *out = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return out->find('\\') == std::string_view::npos;
  }
  bool shape(std::vector<int64_t>* out) {
    if (!take('(')) return false;
    while (!take(')')) {
      space();
      int64_t extent = 0;
      const char* end = text_.data() + text_.size();
      const auto [stop, code] = std::from_chars(text_.data() + at_, end, extent);
      if (code != std::errc{} || extent < 0 || out->size() > max_rank) return false;
      at_ = static_cast<size_t>(stop - text_.data());
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2 wrote 3L
      out->push_back(extent);
      if (!take(',') && (!peek(')') || out->size() == 1)) return false;  // (3) is no tuple
    }
    return true;
  }
  Status set_dtype(std::string_view descr, Header* h) {
    char order = '=';
    std::string_view kind = descr;
    if (!kind.empty() && std::string_view("<>=|").find(kind[0]) != std::string_view::npos) {
      order = kind[0];
      kind.remove_prefix(1);
    }
    for (size_t i = 0; i < support::dtype_count && !kind.empty(); ++i) {
      const auto dtype = static_cast<DType>(i);
      if (support::dtype_row(dtype).npy != kind) continue;
      if (!support::dtype_computes(dtype))
        return at_file(Code::dtype_unsupported, path_,
                       "npy: " + std::string(support::dtype_name(dtype)) + " is not computed with yet",
                       "store it as f32, f64, i32, i64, u32, u8 or bool: a.astype('float32')");
      h->dtype = dtype;
      h->swap = order == '>' && support::dtype_bytes(dtype) > 1;
      return Ok{};
    }
    if (kind == "O") return broken("it holds pickled Python objects, which are never loaded");
    return broken("type " + support::quote(descr) + " holds no numbers that can be read",
                  "store it as f32, f64, i32, i64, u32, u8 or bool");
  }

  std::string_view text_;
  const std::string& path_;
  size_t at_ = 0;
};

void swap_bytes(DType dtype, int64_t count, std::byte* p) {
  const size_t size = support::dtype_bytes(dtype);
  for (int64_t i = 0; i < count; ++i, p += size) std::reverse(p, p + size);
}

support::Diagnostic broken(const std::string& path, std::string what,
                           std::string help = "write it again with numpy.save") {
  return at_file(Code::data_format, path, "npy: " + std::move(what), std::move(help));
}

// The header, held against the bytes that follow it.
Result<Header> read_header(const InputFile& file) {
  unsigned char start[12] = {};
  const size_t have = static_cast<size_t>(std::min<uint64_t>(sizeof start, file.size()));
  TENON_TRY(file.read(0, start, have));
  if (have < 10 || std::memcmp(start, magic.data(), magic.size()) != 0)
    return broken(file.path(), "the file does not start as an npy file does",
                  "write it with numpy.save, or name another file");
  const unsigned version = start[6];
  if (version < 1 || version > 3 || start[7] != 0)
    return broken(file.path(), "format version " + std::to_string(version) + "." + std::to_string(start[7]) +
                                   " is unknown");
  const size_t prefix = version == 1 ? 10 : 12;
  if (file.size() < prefix) return broken(file.path(), "the header is cut off");
  uint64_t length = start[8] | unsigned{start[9]} << 8;
  if (version > 1) length |= uint64_t{start[10]} << 16 | uint64_t{start[11]} << 24;
  if (length > file.size() - prefix) return broken(file.path(), "the header is cut off");
  if (length > max_header)
    return broken(file.path(), "the header has " + std::to_string(length) + " bytes, at most 2^20 are read");
  std::string text(static_cast<size_t>(length), '\0');
  TENON_TRY(file.read(prefix, text.data(), text.size()));
  TENON_ASSIGN(Header h, HeaderParser(text, file.path()).parse());
  h.bytes = prefix + length;

  int64_t bytes = 0;
  const uint64_t follow = file.size() - h.bytes;
  if (!support::checked_bytes(h.dtype, h.shape, nullptr, &bytes))
    return broken(file.path(), "the declared shape is too large to exist");
  if (static_cast<uint64_t>(bytes) != follow)
    return broken(
        file.path(),
        "the header declares " + std::to_string(bytes) + " bytes of data, " + std::to_string(follow) +
            " follow",
        static_cast<uint64_t>(bytes) > follow ? "the file is truncated: fetch or write it again" : "");
  return h;
}

// What is stored, made elements of this machine's in place.
Status settle(const Header& h, const std::string& path, int64_t count, std::byte* elements) {
  if (h.dtype == DType::bool_)
    for (int64_t i = 0; i < count; ++i)
      if (elements[i] > std::byte{1})
        return broken(path, "element " + std::to_string(i) + " is neither true nor false");
  if (h.swap) swap_bytes(h.dtype, count, elements);
  return Ok{};
}

// Column-major to row-major: walks the result in order and the source by its strides.
Array from_fortran(const Array& a) {
  Array out(a.dtype(), a.shape());
  const size_t rank = a.rank(), size = support::dtype_bytes(a.dtype());
  if (a.count() == 0) return out;
  std::vector<int64_t> stride(rank), index(rank, 0);
  int64_t s = 1;
  for (size_t d = 0; d < rank; ++d) {
    stride[d] = s;
    s *= a.shape()[d];
  }
  int64_t from = 0;
  for (int64_t to = 0; to < a.count(); ++to) {
    std::memcpy(out.data() + static_cast<size_t>(to) * size, a.data() + static_cast<size_t>(from) * size,
                size);
    for (size_t d = rank; d-- > 0;) {
      from += stride[d];
      if (++index[d] < a.shape()[d]) break;
      from -= stride[d] * a.shape()[d];
      index[d] = 0;
    }
  }
  return out;
}

}  // namespace

Result<Array> read_npy(const std::string& path) {
  TENON_ASSIGN(const InputFile file, InputFile::open(path));
  return read_npy(file);
}

Result<Array> read_npy(const InputFile& file) {
  TENON_ASSIGN(Header h, read_header(file));
  Array a(h.dtype, h.shape);
  TENON_TRY(file.read(h.bytes, a.data(), a.bytes()));
  TENON_TRY(settle(h, file.path(), a.count(), a.data()));
  if (h.fortran && a.rank() > 1) return from_fortran(a);
  return a;
}

Result<std::shared_ptr<const Source>> open_npy(const std::vector<NpyColumn>& files, const Cuts& cuts) {
  std::vector<StoredColumn> columns;
  for (const NpyColumn& file : files) {
    TENON_ASSIGN(const InputFile in, InputFile::open(file.path));
    TENON_ASSIGN(Header h, read_header(in));
    StoredColumn column;
    column.like.name = file.name;
    column.like.file = file.path;
    column.dtype = h.dtype;
    column.shape = h.shape;
    if (h.shape.empty())
      return at_file(Code::data_shape, file.path, "column " + support::quote(file.name) + " has rank 0",
                     "give it a leading dimension of rows");
    if (h.fortran && h.shape.size() > 1)
      return at_file(Code::bad_option, file.path,
                     "npy: the array is stored in Fortran order: it cannot be read in blocks",
                     "numpy.save(file, numpy.ascontiguousarray(array)), or leave the bound of memory out");
    const int64_t elements = column.row_elements();
    if (elements == 0) return at_file(Code::data_missing, file.path, "npy: its rows have no elements");
    TENON_ASSIGN(column.file,
                 RecordFile::open(file.path, "npy", h.bytes,
                                  static_cast<size_t>(elements) * support::dtype_bytes(h.dtype), h.shape[0]));
    if (h.swap || h.dtype == DType::bool_)
      column.decode = [h = std::move(h), path = file.path](const std::byte* stored, int64_t count,
                                                           std::byte* to) -> Status {
        std::memcpy(to, stored, static_cast<size_t>(count) * support::dtype_bytes(h.dtype));
        return settle(h, path, count, to);
      };
    columns.push_back(std::move(column));
  }
  return open_columns(std::move(columns), cuts);
}

Result<std::string> npy_header(const Array& array) {
  const std::string_view kind = support::dtype_row(array.dtype()).npy;
  if (kind.empty())
    return support::error(
        Code::dtype_unsupported,
        "npy: " + std::string(support::dtype_name(array.dtype())) + " has no name in this format",
        "cast it to f32, or write safetensors");
  std::string text = std::string("{'descr': '") + (support::dtype_bytes(array.dtype()) == 1 ? "|" : "<") +
                     std::string(kind) + "', 'fortran_order': False, 'shape': (";
  for (size_t d = 0; d < array.rank(); ++d) {
    if (d != 0) text += ' ';
    text += std::to_string(array.shape()[d]) + ",";
  }
  if (array.rank() > 1) text.pop_back();
  text += "), }";
  // The data starts at a multiple of 64, and the header ends in a newline.
  size_t prefix = 10;
  if (text.size() + 64 > 65535) prefix = 12;
  text.append(63 - (prefix + text.size()) % 64, ' ');
  text += '\n';
  std::string out(magic);
  out += prefix == 10 ? '\1' : '\2';
  out += '\0';
  for (size_t i = 0; i < prefix - 8; ++i) out += static_cast<char>(text.size() >> (8 * i));
  return out + text;
}

Status write_npy(const std::string& path, const Array& array) {
  TENON_ASSIGN(const std::string header, npy_header(array));
  const std::string_view pieces[] = {header, {reinterpret_cast<const char*>(array.data()), array.bytes()}};
  return write_file_atomic(path, pieces);
}

}  // namespace tenon::runtime
