#include "runtime/idx.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "runtime/stored_columns.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::DType;
using support::Ok;
using support::Result;
using support::Status;

namespace {

constexpr size_t max_rank = 8;

struct Kind {
  unsigned code;
  size_t bytes;
  DType dtype;
};
constexpr Kind kinds[] = {{0x08, 1, DType::u8},  {0x09, 1, DType::i32}, {0x0B, 2, DType::i32},
                          {0x0C, 4, DType::i32}, {0x0D, 4, DType::f32}, {0x0E, 8, DType::f64}};

uint32_t big32(const unsigned char* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
}

// The first of the usual spellings that exists; empty: none.
std::string find_file(const std::string& folder, std::string_view set, std::string_view what,
                      std::string_view rank) {
  for (std::string_view dash : {"-", "."})
    for (std::string_view end : {"", ".gz"}) {
      std::string path = folder;
      if (!path.empty() && path.back() != '/') path += '/';
      path.append(set).append("-").append(what).append(dash).append(rank).append("-ubyte").append(end);
      if (::access(path.c_str(), F_OK) == 0) return path;
    }
  return {};
}

// Whether two files belong together, by their shapes.
Status check_pair(const std::string& images, const std::vector<int64_t>& image, const std::string& labels,
                  const std::vector<int64_t>& label) {
  if (label.size() != 1)
    return at_file(Code::data_format, labels,
                   "idx: labels have " + std::to_string(label.size()) + " dimensions, not 1");
  if (image.size() < 2)
    return at_file(Code::data_format, images,
                   "idx: images have " + std::to_string(image.size()) + " dimensions");
  if (image[0] != label[0])
    return at_file(Code::data_format, labels,
                   "idx: " + std::to_string(label[0]) + " labels for " + std::to_string(image[0]) + " images",
                   "the files do not belong together");
  if (image[0] == 0) return at_file(Code::data_missing, images, "idx: the file has no rows");
  return Ok{};
}

Result<DataSet> load_pair(const std::string& images, const std::string& labels) {
  TENON_ASSIGN(Array image, read_idx(images));
  TENON_ASSIGN(Array label, read_idx(labels));
  TENON_TRY(check_pair(images, image.shape(), labels, label.shape()));
  if (label.dtype() == DType::u8) {
    Array wide(DType::i32, label.shape());
    std::copy(label.as<uint8_t>().begin(), label.as<uint8_t>().end(), wide.as<int32_t>().begin());
    label = std::move(wide);
  }
  DataSet set;
  Column a{"image", std::make_shared<const Array>(std::move(image)), images, {}};
  Column b{"label", std::make_shared<const Array>(std::move(label)), labels, {}};
  TENON_TRY(set.add(std::move(a)));
  TENON_TRY(set.add(std::move(b)));
  return set;
}

// A column whose rows lie in a file.
Result<StoredColumn> open_column(std::string name, const std::string& path) {
  TENON_ASSIGN(InputFile file, InputFile::open(path));
  TENON_ASSIGN(ByteStream in, ByteStream::open(std::move(file)));
  TENON_ASSIGN(IdxHeader header, read_idx_header(in));
  StoredColumn out;
  out.like.name = std::move(name);
  out.like.file = path;
  out.dtype = header.dtype;
  out.shape = header.shape;
  const int64_t elements = out.row_elements();
  if (elements == 0) return at_file(Code::data_missing, path, "idx: its rows have no elements");
  TENON_ASSIGN(out.file,
               RecordFile::open(path, "idx", header.header_bytes,
                                static_cast<size_t>(elements) * header.stored_bytes, header.shape[0]));
  if (header.stored_bytes > 1 || header.dtype != DType::u8)
    out.decode = [header = std::move(header)](const std::byte* stored, int64_t count,
                                              std::byte* to) -> Status {
      idx_elements(header, stored, count, to);
      return Ok{};
    };
  return out;
}

Result<std::shared_ptr<const Source>> open_pair(const std::string& images, const std::string& labels) {
  TENON_ASSIGN(StoredColumn image, open_column("image", images));
  TENON_ASSIGN(StoredColumn label, open_column("label", labels));
  TENON_TRY(check_pair(images, image.shape, labels, label.shape));
  if (label.dtype == DType::u8) {
    label.dtype = DType::i32;
    label.decode = [](const std::byte* stored, int64_t count, std::byte* to) -> Status {
      for (int64_t i = 0; i < count; ++i) {
        const auto wide = static_cast<int32_t>(stored[i]);
        std::memcpy(to + 4 * i, &wide, sizeof wide);
      }
      return Ok{};
    };
  }
  std::vector<StoredColumn> columns;
  columns.push_back(std::move(image));
  columns.push_back(std::move(label));
  return open_columns(std::move(columns));
}

// The images and labels of a set; `test` has none where the folder has neither.
struct Pair {
  std::string images, labels;
};
struct Pairs {
  Pair train;
  std::optional<Pair> test;
};
Result<Pairs> find_pairs(const std::string& folder) {
  auto need = [&](std::string_view set, std::string_view what, std::string_view rank) -> Result<std::string> {
    std::string path = find_file(folder, set, what, rank);
    if (path.empty()) {
      std::string name(set);
      name.append("-").append(what).append("-").append(rank).append("-ubyte");
      return at_file(Code::file_missing, folder, "the folder has no " + name + " or " + name + ".gz",
                     "copy the file there, or name another folder");
    }
    return path;
  };
  auto pair = [&](std::string_view set) -> Result<Pair> {
    Pair out;
    TENON_ASSIGN(out.images, need(set, "images", "idx3"));
    TENON_ASSIGN(out.labels, need(set, "labels", "idx1"));
    return out;
  };
  Pairs out;
  TENON_ASSIGN(out.train, pair("train"));
  for (std::string_view set : {"t10k", "test"}) {
    if (find_file(folder, set, "images", "idx3").empty() && find_file(folder, set, "labels", "idx1").empty())
      continue;
    TENON_ASSIGN(out.test, pair(set));
    break;
  }
  return out;
}

}  // namespace

Result<Array> read_idx(const std::string& path) {
  TENON_ASSIGN(InputFile file, InputFile::open(path));
  return read_idx(std::move(file));
}

Result<IdxHeader> read_idx_header(ByteStream& in) {
  auto broken = [&](std::string what) {
    return at_file(Code::data_format, in.path(), "idx: " + std::move(what));
  };
  unsigned char head[4 + 4 * max_rank] = {};
  TENON_ASSIGN(const size_t got, in.read(head, 4));
  if (got < 4 || head[0] != 0 || head[1] != 0) return broken("the file does not start as an IDX file does");
  const Kind* kind =
      std::find_if(std::begin(kinds), std::end(kinds), [&](const Kind& k) { return k.code == head[2]; });
  if (kind == std::end(kinds)) return broken("element type " + std::to_string(head[2]) + " is unknown");
  const size_t rank = head[3];
  if (rank == 0 || rank > max_rank) return broken(std::to_string(rank) + " dimensions; 1 to 8 are read");
  TENON_ASSIGN(const size_t extents, in.read(head + 4, 4 * rank));
  if (extents < 4 * rank) return broken("the header is cut off");
  IdxHeader out{kind->dtype, kind->bytes, 4 + 4 * rank, std::vector<int64_t>(rank)};
  for (size_t d = 0; d < rank; ++d) out.shape[d] = big32(head + 4 + 4 * d);
  if (!support::checked_bytes(out.dtype, out.shape, nullptr, nullptr))
    return broken("the declared shape is too large");
  return out;
}

void idx_elements(const IdxHeader& header, const std::byte* stored, int64_t count, std::byte* to) {
  const size_t bytes = header.stored_bytes, size = support::dtype_bytes(header.dtype);
  if (bytes == size) {
    for (int64_t i = 0; i < count; ++i, stored += bytes, to += size)
      std::reverse_copy(stored, stored + bytes, to);
    return;
  }
  // i8 and i16, which become i32.
  for (int64_t i = 0; i < count; ++i, stored += bytes, to += size) {
    const auto high = static_cast<int8_t>(stored[0]);
    const int32_t wide = bytes == 1 ? high : high * 256 + static_cast<uint8_t>(stored[1]);
    std::memcpy(to, &wide, sizeof wide);
  }
}

Result<Array> read_idx(InputFile file) {
  const std::string path = file.path();
  auto broken = [&](std::string what, std::string help = {}) {
    return at_file(Code::data_format, path, "idx: " + std::move(what), std::move(help));
  };
  TENON_ASSIGN(ByteStream in, ByteStream::open(std::move(file)));
  TENON_ASSIGN(const IdxHeader header, read_idx_header(in));
  int64_t count = 0;
  support::checked_bytes(header.dtype, header.shape, &count, nullptr);
  const uint64_t raw_bytes = static_cast<uint64_t>(count) * header.stored_bytes;
  if (raw_bytes > in.at_most())
    return broken("the header declares " + std::to_string(raw_bytes) + " bytes of data, at most " +
                      std::to_string(in.at_most()) + " can follow",
                  "the file is truncated: fetch it again");
  Array out(header.dtype, header.shape);
  size_t read = 0;
  if (header.dtype == DType::u8) {
    TENON_ASSIGN(read, in.read(out.data(), static_cast<size_t>(raw_bytes)));
  } else {
    std::vector<std::byte> raw(static_cast<size_t>(raw_bytes));
    TENON_ASSIGN(read, in.read(raw.data(), raw.size()));
    if (read == raw.size()) idx_elements(header, raw.data(), count, out.data());
  }
  if (read < raw_bytes)
    return broken("the header declares " + std::to_string(raw_bytes) + " bytes of data, " +
                      std::to_string(read) + " follow",
                  "the file is truncated: fetch it again");
  // Reading on to the end also makes zlib check the sum of a compressed file.
  char extra;
  TENON_ASSIGN(const size_t more, in.read(&extra, 1));
  if (more != 0) return broken("bytes follow the data that the header declares");
  return out;
}

Result<std::shared_ptr<const Source>> open_idx(const std::string& path, const Cuts& cuts) {
  TENON_ASSIGN(StoredColumn column, open_column("x", path));
  std::vector<StoredColumn> columns;
  columns.push_back(std::move(column));
  return open_columns(std::move(columns), cuts);
}

bool is_idx_folder(const std::string& folder) {
  for (std::string_view set : {"train", "t10k", "test"})
    if (!find_file(folder, set, "images", "idx3").empty()) return true;
  return false;
}

Result<TrainTest> load_idx_folder(const std::string& folder) {
  TENON_ASSIGN(const Pairs pairs, find_pairs(folder));
  TrainTest out;
  TENON_ASSIGN(out.train, load_pair(pairs.train.images, pairs.train.labels));
  if (pairs.test) {
    TENON_ASSIGN(out.test, load_pair(pairs.test->images, pairs.test->labels));
  }
  return out;
}

Result<Sources> open_idx_folder(const std::string& folder) {
  TENON_ASSIGN(const Pairs pairs, find_pairs(folder));
  Sources out;
  TENON_ASSIGN(out.train, open_pair(pairs.train.images, pairs.train.labels));
  if (pairs.test) {
    TENON_ASSIGN(out.test, open_pair(pairs.test->images, pairs.test->labels));
  }
  return out;
}

}  // namespace tenon::runtime
