#include "runtime/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "runtime/json.h"
#include "support/text.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::DType;
using support::Ok;
using support::Result;
using support::Status;

namespace {

constexpr uint64_t max_header = 100'000'000;
constexpr size_t max_rank = 32;
constexpr std::string_view metadata_name = "__metadata__";

struct Entry {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;
  bool have_dtype = false, have_shape = false, have_range = false;
};

// Takes the header's JSON event by event: nothing nests deeper than it may, nothing is kept twice, and no
// tree is built for a hostile header.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string problem;

  bool null() override { return fail("a null"); }
  bool boolean(bool) override { return fail("a truth value"); }
  bool number_integer(number_integer_t) override { return fail("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return fail("a fraction"); }
  bool binary(binary_t&) override { return fail("binary data"); }
  bool number_unsigned(number_unsigned_t v) override {
    if (at_ == At::shape) {
      if (v > uint64_t{1} << 62) return fail("an extent that is too large");
      if (entries.back().shape.size() >= max_rank) return fail("more than 32 dimensions");
      entries.back().shape.push_back(static_cast<int64_t>(v));
      return true;
    }
    if (at_ == At::range && offsets_ < 2) {
      (offsets_++ == 0 ? entries.back().begin : entries.back().end) = v;
      return true;
    }
    return fail("a number");
  }
  bool string(string_t& v) override {
    if (at_ == At::metadata && have_key_) {
      have_key_ = false;
      metadata[key_] = std::move(v);
      return true;
    }
    if (at_ != At::dtype) return fail("a string");
    for (size_t i = 0; i < support::dtype_count; ++i)
      if (support::dtype_rows[i].safetensors == v) {
        entries.back().dtype = static_cast<DType>(i);
        entries.back().have_dtype = true;
        at_ = At::tensor;
        return true;
      }
    problem = "type " + support::quote(v) + " of " + support::quote(entries.back().name) + " is unknown";
    return false;
  }
  bool start_object(size_t) override {
    if (at_ == At::nothing) {
      at_ = At::top;
    } else if (at_ == At::top && have_key_) {
      have_key_ = false;
      if (key_ == metadata_name) {
        if (have_metadata_) return fail("a second __metadata__");
        have_metadata_ = true;
        at_ = At::metadata;
      } else {
        Entry e;
        e.name = key_;
        entries.push_back(std::move(e));
        at_ = At::tensor;
      }
    } else {
      return fail("an object");
    }
    return true;
  }
  bool key(string_t& v) override {
    if (at_ == At::tensor) {
      Entry& e = entries.back();
      if (v == "dtype" && !e.have_dtype) {
        at_ = At::dtype;
      } else if (v == "shape" && !e.have_shape) {
        at_ = At::before_shape;
      } else if (v == "data_offsets" && !e.have_range) {
        at_ = At::before_range;
      } else {
        return fail("an unexpected or repeated key");
      }
      return true;
    }
    key_ = std::move(v);
    have_key_ = true;
    if (at_ == At::metadata && metadata.count(key_) != 0) {
      problem = "metadata " + support::quote(key_) + " is given twice";
      return false;
    }
    return true;
  }
  bool end_object() override {
    if (at_ == At::tensor) {
      const Entry& e = entries.back();
      if (!e.have_dtype || !e.have_shape || !e.have_range) {
        problem = "tensor " + support::quote(e.name) + " lacks dtype, shape or data_offsets";
        return false;
      }
      at_ = At::top;
    } else if (at_ == At::metadata) {
      at_ = At::top;
    } else {
      at_ = At::done;
    }
    return true;
  }
  bool start_array(size_t) override {
    if (at_ == At::before_shape) {
      at_ = At::shape;
    } else if (at_ == At::before_range) {
      at_ = At::range;
      offsets_ = 0;
    } else {
      return fail("a list");
    }
    return true;
  }
  bool end_array() override {
    if (at_ == At::shape) {
      entries.back().have_shape = true;
    } else if (offsets_ != 2) {
      return fail("data_offsets without two numbers");
    } else {
      entries.back().have_range = true;
    }
    at_ = At::tensor;
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    problem = "the header is no JSON, from its byte " + std::to_string(position);
    return false;
  }
  bool complete() const { return at_ == At::done; }

 private:
  enum class At : uint8_t {
    nothing,
    top,
    metadata,
    tensor,
    dtype,
    before_shape,
    shape,
    before_range,
    range,
    done
  };
  bool fail(std::string_view what) {
    problem = "the header has " + std::string(what) + " where none belongs";
    if (!entries.empty() && at_ != At::top && at_ != At::metadata)
      problem += ", at tensor " + support::quote(entries.back().name);
    return false;
  }
  At at_ = At::nothing;
  std::string key_;
  bool have_key_ = false, have_metadata_ = false;
  int offsets_ = 0;
};

}  // namespace

Result<Tensors> read_safetensors(const std::string& path) {
  TENON_ASSIGN(const InputFile file, InputFile::open(path));
  return read_safetensors(file);
}

Result<Tensors> read_safetensors(const InputFile& file) {
  auto broken = [&](std::string what, std::string help = {}) {
    return at_file(Code::file_corrupt, file.path(), "safetensors: " + std::move(what), std::move(help));
  };
  constexpr const char* fetch_again = "the file is truncated: fetch or write it again. Nothing was loaded";
  if (file.size() < 8) return broken("the file has " + std::to_string(file.size()) + " bytes", fetch_again);
  unsigned char start[8];
  TENON_TRY(file.read(0, start, 8));
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | start[i];
  if (length > file.size() - 8)
    return broken(
        "the header has " + std::to_string(length) + " bytes, " + std::to_string(file.size() - 8) + " follow",
        fetch_again);
  if (length > max_header) return broken("the header passes 100 MB");
  std::string text(static_cast<size_t>(length), '\0');
  TENON_TRY(file.read(8, text.data(), text.size()));
  if (text.empty() || text[0] != '{') return broken("the header does not start with a brace");
  HeaderReader reader;
  const bool parsed = nlohmann::json::sax_parse(text, &reader);
  if (!parsed || !reader.complete())
    return broken(reader.problem.empty() ? "the header is cut off" : reader.problem);

  std::vector<Entry>& entries = reader.entries;
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  for (size_t i = 1; i < entries.size(); ++i)
    if (entries[i].name == entries[i - 1].name)
      return broken("tensor " + support::quote(entries[i].name) + " is there twice");
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  const uint64_t data = 8 + length, available = file.size() - data;
  uint64_t covered = 0;
  for (const Entry& e : entries) {
    const std::string name = "tensor " + support::quote(e.name);
    int64_t bytes = 0;
    if (!support::checked_bytes(e.dtype, e.shape, nullptr, &bytes))
      return broken(name + " declares a shape that is too large to exist");
    if (e.end < e.begin || e.end - e.begin != static_cast<uint64_t>(bytes))
      return broken(name + " has the range " + std::to_string(e.begin) + ".." + std::to_string(e.end) +
                    ", its shape needs " + std::to_string(bytes) + " bytes");
    if (e.begin < covered) return broken(name + " overlaps another");
    if (e.begin > covered) return broken("bytes in front of " + name + " belong to no tensor");
    if (e.end > available)
      return broken(name + " ends at byte " + std::to_string(e.end) + " of " + std::to_string(available),
                    fetch_again);
    covered = e.end;
  }
  if (covered != available)
    return broken(std::to_string(available - covered) + " bytes at the end belong to no tensor");

  Tensors out;
  out.metadata = std::move(reader.metadata);
  for (Entry& e : entries) {
    Array a(e.dtype, std::move(e.shape));
    TENON_TRY(file.read(data + e.begin, a.data(), a.bytes()));
    if (e.dtype == DType::bool_)
      for (size_t i = 0; i < a.bytes(); ++i)
        if (a.data()[i] > std::byte{1})
          return broken("element " + std::to_string(i) + " of tensor " + support::quote(e.name) +
                        " is neither true nor false");
    out.arrays.emplace(std::move(e.name), std::move(a));
  }
  return out;
}

Status write_safetensors(const std::string& path, std::vector<TensorView> tensors,
                         const std::map<std::string, std::string>& metadata) {
  auto refuse = [&](std::string what) {
    return at_file(Code::file_corrupt, path, "safetensors: " + std::move(what), "nothing was written");
  };
  std::sort(tensors.begin(), tensors.end(), [](const TensorView& a, const TensorView& b) {
    const size_t sa = support::dtype_bytes(a.dtype), sb = support::dtype_bytes(b.dtype);
    return sa != sb ? sa > sb : a.name < b.name;
  });
  std::string header = "{";
  if (!metadata.empty()) {
    header += json_text(metadata_name) + ":{";
    for (const auto& [key, value] : metadata) {
      if (!valid_utf8(key) || !valid_utf8(value))
        return refuse("metadata " + support::quote(key) + " is not UTF-8");
      if (header.back() != '{') header += ',';
      header += json_text(key) + ":" + json_text(value);
    }
    header += '}';
  }
  uint64_t offset = 0;
  std::set<std::string_view> names;
  std::vector<std::string_view> pieces(2);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorView& t = tensors[i];
    int64_t bytes = 0;
    TENON_CHECK(support::checked_bytes(t.dtype, t.shape, nullptr, &bytes) &&
                    static_cast<uint64_t>(bytes) == t.bytes.size(),
                t.name);
    if (!valid_utf8(t.name)) return refuse("the name " + support::quote(t.name) + " is not UTF-8");
    if (t.name == metadata_name) return refuse("no tensor can be named __metadata__");
    if (!names.insert(t.name).second) return refuse("two tensors are named " + support::quote(t.name));
    if (header.size() > 1) header += ',';
    header += json_text(t.name) + ":{\"dtype\":\"" + std::string(support::dtype_row(t.dtype).safetensors) +
              "\",\"shape\":[";
    for (size_t d = 0; d < t.shape.size(); ++d) header += (d == 0 ? "" : ",") + std::to_string(t.shape[d]);
    header += "],\"data_offsets\":[" + std::to_string(offset) + ",";
    offset += t.bytes.size();
    header += std::to_string(offset) + "]}";
    pieces.push_back(t.bytes);
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' ');
  if (header.size() > max_header) return refuse("the header would pass 100 MB");
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i));
  pieces[0] = length;
  pieces[1] = header;
  return write_file_atomic(path, pieces);
}

Status write_safetensors(const std::string& path, const Tensors& tensors) {
  std::vector<TensorView> views;
  for (const auto& [name, a] : tensors.arrays)
    views.push_back({name, a.dtype(), a.shape(), {reinterpret_cast<const char*>(a.data()), a.bytes()}});
  return write_safetensors(path, std::move(views), tensors.metadata);
}

}  // namespace tenon::runtime
