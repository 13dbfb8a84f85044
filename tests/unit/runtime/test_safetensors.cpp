#include "runtime/safetensors.h"

#include <cerrno>

#include "files.h"

using namespace tenon::runtime;
using tenon::support::Array;
using tenon::support::DType;

namespace {

std::string file_of(const std::string& header, const std::string& data) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(header.size() >> (8 * i));
  return out + header + data;
}
auto parse(const std::string& bytes) {
  return read_safetensors(InputFile::of_memory(bytes, "w.safetensors"));
}

Tensors example() {
  Tensors t;
  t.arrays.emplace("fc.w", Array::of<float>({2, 2}, {1, 2, 3, 4}));
  t.arrays.emplace("fc.b", Array::of<double>({2}, {5, 6}));
  t.arrays.emplace("step", Array::scalar<int64_t>(7));
  t.arrays.emplace("mask", Array::of<bool>({3}, {true, false, true}));
  t.arrays.emplace("none", Array(DType::f32, {0, 3}));
  t.arrays.emplace("half", Array(DType::bf16, {3}));
  t.metadata["format"] = "tenon";
  t.metadata["quote\"\n"] = "\xC3\xA9 \\";
  return t;
}

int calls = 0, fail_at = 0;
int failing(FileCall, size_t* bytes) {
  if (*bytes > 50) *bytes = 50;
  return calls++ == fail_at ? ENOSPC : 0;
}

}  // namespace

TEST_CASE("tensors and metadata read back as written") {
  Folder f;
  const Tensors t = example();
  REQUIRE(write_safetensors(f / "w.safetensors", t));
  auto r = read_safetensors(f / "w.safetensors");
  CAPTURE(failure_text(r));
  REQUIRE(r);
  CHECK(r->arrays == t.arrays);
  CHECK(r->metadata == t.metadata);
  // The header is padded, so every tensor lies at a multiple of its element's size.
  const std::string bytes = get_file(f / "w.safetensors");
  CHECK(static_cast<unsigned char>(bytes[0]) % 8 == 0);
  CHECK(bytes[8] == '{');
  REQUIRE(write_safetensors(f / "w.safetensors", Tensors{}));
  CHECK(read_safetensors(f / "w.safetensors")->arrays.empty());
}

TEST_CASE("the bytes are those of the format") {
  auto r = parse(file_of(
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}, "b" : {"shape":[],"data_offsets":[0,4],"dtype":"I32"},"__metadata__":{"k":"v"}}  )",
      std::string("\7\0\0\0\0\0\x80\x3f\0\0\0\x40", 12)));
  CAPTURE(failure_text(r));
  REQUIRE(r);
  CHECK(r->arrays.at("a") == Array::of<float>({2}, {1, 2}));
  CHECK(r->arrays.at("b") == Array::scalar<int32_t>(7));
  CHECK(r->metadata.at("k") == "v");
}

TEST_CASE("a safetensors file cut anywhere, or longer, is refused") {
  Folder f;
  REQUIRE(write_safetensors(f / "w", example()));
  const std::string bytes = get_file(f / "w");
  for (size_t n = 0; n < bytes.size(); ++n) {
    CAPTURE(n);
    REQUIRE(failure(parse(bytes.substr(0, n))) == 403);
  }
  CHECK(failure(parse(bytes + "x")) == 403);
}

TEST_CASE("any byte may be changed without harm") {
  Folder f;
  REQUIRE(write_safetensors(f / "w", example()));
  const std::string bytes = get_file(f / "w");
  for (size_t at = 0; at < bytes.size(); ++at)
    for (int c : std::initializer_list<int>{0, 9, '"', '{', '}', '[', ']', ',', '7', '-', 128, 255}) {
      std::string bad = bytes;
      bad[at] = static_cast<char>(c);
      auto r = parse(bad);
      if (!r) REQUIRE(failure(r) == 403);
    }
}

TEST_CASE("headers that lie are refused by name") {
  struct Row {
    const char* header;
    size_t data;
    const char* says;
  };
  const Row rows[] = {
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       8, "twice"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
       6, "overlaps"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "overlaps"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "belong to no tensor"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 9, "belong to no tensor"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "its shape needs 8"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "its shape needs 4"},
      {R"({"a":{"dtype":"F32","shape":[8589934592],"data_offsets":[0,34359738368]}})", 4, "truncated"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, "too large"},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}})", 4, "too large"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "negative"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "fraction"},
      {R"({"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}})", 4, "F8_E4M3"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "lacks"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4, "key"},
      {R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, "repeated"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 4, "number"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "list"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} x)", 4, "JSON"},
      {R"({"__metadata__":{"a":1}})", 0, "number"},
      {R"({"__metadata__":{"a":"b","a":"c"}})", 0, "twice"},
      {R"({"__metadata__":{"a":{}}})", 0, "object"},
      {R"({"a":null})", 0, "null"},
      {R"({"a":[1]})", 0, "list"},
      {R"([1])", 0, "brace"},
      {R"({"a":{"dtype":"BOOL","shape":[4],"data_offsets":[0,4]}})", 4, "neither true nor false"},
  };
  for (const Row& row : rows) {
    auto r = parse(file_of(row.header, std::string(row.data, '\7')));
    CAPTURE(row.header, failure_text(r));
    CHECK(failure(r) == 403);
    CHECK(contains(failure_text(r), row.says));
  }
  // Deep nesting, and a length that passes the file.
  CHECK(failure(parse(file_of("{\"a\":" + std::string(1'000'000, '['), ""))) == 403);
  CHECK(failure(parse(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10))) == 403);
  CHECK(failure(read_safetensors("/nonexistent/w")) == 401);
}

TEST_CASE("names that cannot be written are refused") {
  Folder f;
  Tensors t;
  t.arrays.emplace("__metadata__", Array::scalar<float>(1));
  CHECK(failure(write_safetensors(f / "w", t)) == 403);
  t.arrays.clear();
  t.arrays.emplace("\xff", Array::scalar<float>(1));
  CHECK(failure(write_safetensors(f / "w", t)) == 403);
  const TensorView twice[] = {{"a", DType::u8, {1}, "x"}, {"a", DType::i32, {}, "abcd"}};
  CHECK(failure(write_safetensors(f / "w", {twice[0], twice[1]})) == 403);
  CHECK(f.entries() == 0);
}

TEST_CASE("a full disk leaves the old parameters whole") {
  Folder f;
  REQUIRE(write_safetensors(f / "w", example()));
  const std::string old = get_file(f / "w");
  Tensors changed = example();
  changed.metadata["format"] = "changed";
  int failures = 0;
  for (fail_at = 0;; ++fail_at) {
    calls = 0;
    set_file_hook(failing);
    auto r = write_safetensors(f / "w", changed);
    set_file_hook(nullptr);
    REQUIRE(f.entries() == 1);
    if (r) break;
    CHECK(failure(r) == 404);
    if (get_file(f / "w") != old) {
      // Only synchronizing the folder comes after the new file is in place.
      CHECK(contains(failure_text(r), "written, but"));
      break;
    }
    ++failures;
  }
  CHECK(failures > 5);
  CHECK(failure(write_safetensors("/dev/full", example())) == 404);
}
