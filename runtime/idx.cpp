#include "runtime/idx.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "runtime/gzip.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::DType;
using support::Result;

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

// Elements of `bytes` bytes each, most significant first, into the array's own type.
void convert(const std::string& raw, size_t bytes, Array* out) {
  const unsigned char* p = reinterpret_cast<const unsigned char*>(raw.data());
  for (int64_t i = 0; i < out->count(); ++i, p += bytes) {
    if (bytes == 1) {
      out->as<int32_t>()[static_cast<size_t>(i)] = static_cast<int8_t>(p[0]);
    } else if (bytes == 2) {
      out->as<int32_t>()[static_cast<size_t>(i)] = static_cast<int16_t>(p[0] << 8 | p[1]);
    } else {
      std::byte* to = out->data() + static_cast<size_t>(i) * bytes;
      for (size_t b = 0; b < bytes; ++b) to[b] = static_cast<std::byte>(p[bytes - 1 - b]);
    }
  }
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

Result<DataSet> load_pair(const std::string& images, const std::string& labels) {
  TENON_ASSIGN(Array image, read_idx(images));
  TENON_ASSIGN(Array label, read_idx(labels));
  if (label.rank() != 1)
    return at_file(Code::data_format, labels,
                   "idx: labels have " + std::to_string(label.rank()) + " dimensions, not 1");
  if (image.rank() < 2)
    return at_file(Code::data_format, images,
                   "idx: images have " + std::to_string(image.rank()) + " dimensions");
  if (image.shape()[0] != label.shape()[0])
    return at_file(Code::data_format, labels,
                   "idx: " + std::to_string(label.shape()[0]) + " labels for " +
                       std::to_string(image.shape()[0]) + " images",
                   "the files do not belong together");
  if (image.shape()[0] == 0) return at_file(Code::data_missing, images, "idx: the file has no rows");
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

}  // namespace

Result<Array> read_idx(const std::string& path) {
  TENON_ASSIGN(InputFile file, InputFile::open(path));
  return read_idx(std::move(file));
}

Result<Array> read_idx(InputFile file) {
  const std::string path = file.path();
  auto broken = [&](std::string what, std::string help = {}) {
    return at_file(Code::data_format, path, "idx: " + std::move(what), std::move(help));
  };
  TENON_ASSIGN(ByteStream in, ByteStream::open(std::move(file)));
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
  std::vector<int64_t> shape(rank);
  for (size_t d = 0; d < rank; ++d) shape[d] = big32(head + 4 + 4 * d);

  int64_t count = 0, bytes = 0;
  if (!support::checked_bytes(kind->dtype, shape, &count, &bytes))
    return broken("the declared shape is too large");
  const uint64_t raw_bytes = static_cast<uint64_t>(count) * kind->bytes;
  if (raw_bytes > in.at_most())
    return broken("the header declares " + std::to_string(raw_bytes) + " bytes of data, at most " +
                      std::to_string(in.at_most()) + " can follow",
                  "the file is truncated: fetch it again");
  Array out(kind->dtype, shape);
  size_t read = 0;
  if (kind->dtype == DType::u8) {
    TENON_ASSIGN(read, in.read(out.data(), static_cast<size_t>(raw_bytes)));
  } else {
    std::string raw(static_cast<size_t>(raw_bytes), '\0');
    TENON_ASSIGN(read, in.read(raw.data(), raw.size()));
    if (read == raw.size()) convert(raw, kind->bytes, &out);
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

bool is_idx_folder(const std::string& folder) {
  for (std::string_view set : {"train", "t10k", "test"})
    if (!find_file(folder, set, "images", "idx3").empty()) return true;
  return false;
}

Result<TrainTest> load_idx_folder(const std::string& folder) {
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
  TENON_ASSIGN(const std::string images, need("train", "images", "idx3"));
  TENON_ASSIGN(const std::string labels, need("train", "labels", "idx1"));
  TENON_ASSIGN(DataSet train, load_pair(images, labels));
  TrainTest out{std::move(train), std::nullopt};
  for (std::string_view set : {"t10k", "test"}) {
    const std::string test_images = find_file(folder, set, "images", "idx3");
    const std::string test_labels = find_file(folder, set, "labels", "idx1");
    if (test_images.empty() && test_labels.empty()) continue;
    TENON_ASSIGN(const std::string ti, need(set, "images", "idx3"));
    TENON_ASSIGN(const std::string tl, need(set, "labels", "idx1"));
    TENON_ASSIGN(DataSet test, load_pair(ti, tl));
    out.test = std::move(test);
    break;
  }
  return out;
}

}  // namespace tenon::runtime
