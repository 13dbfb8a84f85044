#include "runtime/idx.h"

#include <cstdlib>

#include "files.h"
#include "runtime/gzip.h"

using namespace tenon::runtime;
using tenon::support::Array;
using tenon::support::DType;

namespace {

std::string big(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8),
          static_cast<char>(v)};
}
std::string idx(int type, std::initializer_list<uint32_t> shape, const std::string& data) {
  std::string out{'\0', '\0', static_cast<char>(type), static_cast<char>(shape.size())};
  for (uint32_t e : shape) out += big(e);
  return out + data;
}
auto parse(const std::string& bytes) { return read_idx(InputFile::of_memory(bytes, "a-ubyte")); }

}  // namespace

TEST_CASE("IDX elements of every type") {
  auto u8 = parse(idx(8, {2, 3}, "\1\2\3\4\5\xff"));
  REQUIRE(u8);
  CHECK(*u8 == Array::of<uint8_t>({2, 3}, {1, 2, 3, 4, 5, 255}));
  auto i8 = parse(idx(9, {2}, "\1\xff"));
  REQUIRE(i8);
  CHECK(*i8 == Array::of<int32_t>({2}, {1, -1}));
  auto i16 = parse(idx(0xB, {2}, std::string("\1\0\xff\xfe", 4)));
  REQUIRE(i16);
  CHECK(*i16 == Array::of<int32_t>({2}, {256, -2}));
  auto i32 = parse(idx(0xC, {1}, big(0xfffffff0u)));
  REQUIRE(i32);
  CHECK(*i32 == Array::of<int32_t>({1}, {-16}));
  auto f32 = parse(idx(0xD, {1}, big(0x3fc00000u)));
  REQUIRE(f32);
  CHECK(*f32 == Array::of<float>({1}, {1.5f}));
  auto f64 = parse(idx(0xE, {1}, big(0x3ff80000u) + big(0)));
  REQUIRE(f64);
  CHECK(*f64 == Array::of<double>({1}, {1.5}));
}

TEST_CASE("IDX files, plain and gzipped, cut anywhere or changed, are refused") {
  const std::string plain = idx(8, {4, 5}, std::string("abcdefghijklmnopqrst"));
  const std::string packed = gzip(plain);
  for (const std::string& bytes : {plain, packed}) {
    REQUIRE(parse(bytes));
    CHECK(*parse(bytes) == *parse(plain));
    for (size_t n = 0; n < bytes.size(); ++n) {
      CAPTURE(n);
      REQUIRE(failure(parse(bytes.substr(0, n))) == 302);
    }
    CHECK(failure(parse(bytes + "x")) == 302);
  }
  // Any flipped bit of the compressed data, its check sum or its length shows. (Bytes 3..9 are time and
  // flags.)
  int unused = 0;
  for (size_t at = 10; at < packed.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = packed;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      CAPTURE(at, bit);
      // A bit between the last block and the sums may mean nothing; then the data is still right.
      auto r = parse(bad);
      if (r) {
        REQUIRE(*r == *parse(plain));
        ++unused;
      } else {
        REQUIRE(failure(r) == 302);
      }
    }
  CHECK(unused < 8);
}

TEST_CASE("IDX headers that declare too much are refused before allocating") {
  for (auto bytes :
       {idx(8, {0xffffffffu, 0xffffffffu}, "abc"), idx(8, {0xffffffffu}, "abc"),
        idx(0xE, {0x80000000u, 0x7fffffffu, 0x7fffffffu}, ""), idx(8, {1, 2, 3, 4, 5, 6, 7, 8, 9}, "")}) {
    CHECK(failure(parse(bytes)) == 302);
    CHECK(failure(parse(gzip(bytes))) == 302);
  }
  CHECK(failure(parse(idx(7, {1}, "a"))) == 302);
  CHECK(failure(parse(idx(8, {}, "a"))) == 302);
  CHECK(failure(parse("")) == 302);
  // A bomb: much more than declared.
  CHECK(failure(parse(gzip(idx(8, {3}, std::string(10'000'000, 'a'))))) == 302);
}

TEST_CASE("gzip members in a row read as one, and a cap holds") {
  Folder f;
  put_file(f / "x.gz", gzip("one ") + gzip("") + gzip("two"));
  auto open = [&](const std::string& path) {
    auto file = InputFile::open(path);
    REQUIRE(file);
    auto stream = ByteStream::open(std::move(*file));
    REQUIRE(stream);
    return std::move(*stream);
  };
  auto text = open(f / "x.gz").read_all(100);
  REQUIRE(text);
  CHECK(*text == "one two");
  CHECK(failure(open(f / "x.gz").read_all(6)) == 405);
  CHECK(failure(open(f / "x.gz").read_all(7)) == 0);
  put_file(f / "big.gz", gzip(std::string(5'000'000, 'b')));
  CHECK(failure(open(f / "big.gz").read_all(4'999'999)) == 405);
  auto whole = open(f / "big.gz").read_all(5'000'000);
  REQUIRE(whole);
  CHECK(whole->size() == 5'000'000);
  put_file(f / "plain", "abc");
  CHECK(failure(open(f / "plain").read_all(2)) == 405);
  CHECK(failure(open(f / "plain").read_all(3)) == 0);
}

TEST_CASE("a folder of IDX files gives training and test rows") {
  Folder f;
  put_file(f / "train-images-idx3-ubyte", idx(8, {2, 2, 2}, "abcdefgh"));
  put_file(f / "train-labels-idx1-ubyte.gz", gzip(idx(8, {2}, "\3\4")));
  CHECK(is_idx_folder(f.path));
  auto r = load_idx_folder(f.path);
  REQUIRE(r);
  CHECK(r->train.rows() == 2);
  CHECK_FALSE(r->test.has_value());
  CHECK(r->train.find("image")->array->dtype() == DType::u8);
  CHECK(*r->train.find("label")->array == Array::of<int32_t>({2}, {3, 4}));
  CHECK(contains(r->train.place(r->train.columns()[1], 0).file, "labels"));
  // Half of the test files.
  put_file(f / "t10k-images.idx3-ubyte", idx(8, {1, 2, 2}, "abcd"));
  CHECK(failure(load_idx_folder(f.path)) == 401);
  put_file(f / "t10k-labels-idx1-ubyte", idx(8, {1}, "\7"));
  r = load_idx_folder(f.path);
  REQUIRE(r);
  REQUIRE(r->test.has_value());
  CHECK(r->test->rows() == 1);
  // Files that do not belong together, an empty set, a missing file.
  put_file(f / "t10k-labels-idx1-ubyte", idx(8, {2}, "\7\7"));
  CHECK(failure(load_idx_folder(f.path)) == 302);
  put_file(f / "t10k-labels-idx1-ubyte", idx(8, {1}, "\7"));
  put_file(f / "train-images-idx3-ubyte", idx(8, {0, 2, 2}, ""));
  put_file(f / "train-labels-idx1-ubyte.gz", idx(8, {0}, ""));
  CHECK(failure(load_idx_folder(f.path)) == 301);
  Folder empty;
  CHECK_FALSE(is_idx_folder(empty.path));
  CHECK(failure(load_idx_folder(empty.path)) == 401);
}

TEST_CASE("MNIST reads whole") {
  const char* root = std::getenv("TENON_DATA");
  if (root == nullptr) {
    WARN("skipped: MNIST reads whole (TENON_DATA is not set)");
    return;
  }
  auto r = load_idx_folder(std::string(root) + "/mnist");
  REQUIRE(r);
  CHECK(r->train.rows() == 60000);
  REQUIRE(r->test.has_value());
  CHECK(r->test->rows() == 10000);
  CHECK(r->train.find("image")->array->shape() == std::vector<int64_t>{60000, 28, 28});
  int counts[10] = {};
  for (int32_t label : r->train.find("label")->array->as<int32_t>()) {
    REQUIRE(label >= 0);
    REQUIRE(label < 10);
    ++counts[label];
  }
  CHECK(counts[0] == 5923);
  CHECK(counts[1] == 6742);
}
