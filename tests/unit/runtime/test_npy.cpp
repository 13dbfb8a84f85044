#include "runtime/npy.h"

#include <limits>

#include "files.h"

using namespace tenon::runtime;
using tenon::support::Array;
using tenon::support::DType;

namespace {

std::string header(int major, std::string dict) {
  const size_t prefix = major == 1 ? 10 : 12;
  dict.append(63 - (prefix + dict.size()) % 64, ' ');
  dict += '\n';
  std::string out = "\x93NUMPY";
  out += static_cast<char>(major);
  out += '\0';
  for (size_t i = 0; i < prefix - 8; ++i) out += static_cast<char>(dict.size() >> (8 * i));
  return out + dict;
}
auto parse(const std::string& bytes) { return read_npy(InputFile::of_memory(bytes, "a.npy")); }
std::string dict(const std::string& descr, const std::string& shape, const std::string& order = "False") {
  return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}
template <class T>
std::string raw(std::initializer_list<T> values) {
  std::string out;
  for (T v : values) out.append(reinterpret_cast<const char*>(&v), sizeof v);
  return out;
}

}  // namespace

TEST_CASE("every type that computes reads back as written, at any rank") {
  Folder f;
  for (size_t d = 0; d < tenon::support::dtype_count; ++d) {
    const DType dtype = static_cast<DType>(d);
    if (!tenon::support::dtype_computes(dtype)) continue;
    for (std::vector<int64_t> shape : {std::vector<int64_t>{}, {0}, {5}, {2, 3}, {3, 0, 2}, {2, 1, 3, 2}}) {
      Array a(dtype, shape);
      for (size_t i = 0; i < a.bytes(); ++i)
        a.data()[i] = std::byte(dtype == DType::bool_ ? i % 2 : i * 37 + 11);
      REQUIRE(write_npy(f / "a.npy", a));
      const std::string bytes = get_file(f / "a.npy");
      CHECK((bytes.size() - a.bytes()) % 64 == 0);
      auto r = read_npy(f / "a.npy");
      CAPTURE(tenon::support::dtype_name(dtype), shape.size(), failure_text(r));
      REQUIRE(r);
      CHECK(*r == a);
    }
  }
  Array bf(DType::bf16, {1});
  CHECK(failure(write_npy(f / "b.npy", bf)) == 111);
}

TEST_CASE("bytes as numpy writes them") {
  // numpy.save of arange(6, dtype='float32').reshape(2, 3)
  const std::string want = header(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
  const Array a = Array::of<float>({2, 3}, {0, 1, 2, 3, 4, 5});
  auto h = npy_header(a);
  REQUIRE(h);
  CHECK(*h == want);
  auto one = npy_header(Array::of<int64_t>({1}, {7}));
  REQUIRE(one);
  CHECK(contains(*one, "'shape': (1,), }"));
  auto scalar = npy_header(Array::scalar<uint8_t>(7));
  REQUIRE(scalar);
  CHECK(contains(*scalar, "{'descr': '|u1', 'fortran_order': False, 'shape': (), }"));
}

TEST_CASE("versions, byte orders and Fortran order") {
  for (int version : {1, 2, 3}) {
    auto r = parse(header(version, dict("'<i4'", "(2,)")) + raw<int32_t>({5, -6}));
    REQUIRE(r);
    CHECK(*r == Array::of<int32_t>({2}, {5, -6}));
  }
  auto big = parse(header(1, dict("'>i4'", "(2,)")) + std::string("\0\0\0\5\xff\xff\xff\xfa", 8));
  REQUIRE(big);
  CHECK(*big == Array::of<int32_t>({2}, {5, -6}));
  auto fortran = parse(header(1, dict("'<f8'", "(2, 3)", "True")) + raw<double>({0, 3, 1, 4, 2, 5}));
  REQUIRE(fortran);
  CHECK(*fortran == Array::of<double>({2, 3}, {0, 1, 2, 3, 4, 5}));
  auto cube = parse(header(1, dict("'|u1'", "(2, 3, 2)", "True")) +
                    raw<uint8_t>({0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11}));
  REQUIRE(cube);
  CHECK(*cube == Array::of<uint8_t>({2, 3, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  // Keys in another order, Python 2's long integers, no last comma.
  auto odd =
      parse(header(1, "{\"shape\": (2L,), 'fortran_order': False, 'descr': '<i4'}") + raw<int32_t>({1, 2}));
  REQUIRE(odd);
  CHECK(odd->shape() == std::vector<int64_t>{2});
}

TEST_CASE("80 bytes that declare 32 GiB are refused without allocating") {
  std::string bytes = header(1, dict("'<f8'", "(4294967296,)"));
  bytes.resize(80);
  CHECK(failure(parse(bytes)) == 302);
  for (const char* shape :
       {"(4294967296,)", "(4294967296, 4294967296)", "(9223372036854775807,)", "(3, 9223372036854775807)",
        "(0, 4294967296, 4294967296)", "(9223372036854775808,)", "(-1,)"}) {
    CAPTURE(shape);
    auto r = parse(header(1, dict("'<f8'", shape)));
    CHECK(failure(r) == 302);
    CHECK(contains(failure_text(r), "a.npy"));
  }
}

TEST_CASE("an npy file cut anywhere, or longer, is refused") {
  const std::string bytes = header(1, dict("'<f4'", "(2, 3)")) + raw<float>({0, 1, 2, 3, 4, 5});
  REQUIRE(parse(bytes));
  for (size_t n = 0; n < bytes.size(); ++n) {
    CAPTURE(n);
    REQUIRE(failure(parse(bytes.substr(0, n))) == 302);
  }
  CHECK(failure(parse(bytes + "x")) == 302);
}

TEST_CASE("a damaged header never reads outside, and never gives more than the file holds") {
  const std::string bytes = header(1, dict("'<f4'", "(2, 3)")) + raw<float>({0, 1, 2, 3, 4, 5});
  int refused = 0;
  for (size_t at = 0; at < bytes.size() - 24; ++at)
    for (int c : std::initializer_list<int>{0, 1, '(', ')', '9', '\'', '{', '}', ',', 255}) {
      std::string bad = bytes;
      bad[at] = static_cast<char>(c);
      auto r = parse(bad);
      if (!r) ++refused;
      if (r) REQUIRE(r->bytes() == 24);
    }
  CHECK(refused > 300);
}

TEST_CASE("what is no plain array of numbers is refused by name") {
  struct Row {
    const char* descr;
    int code;
    const char* says;
  };
  for (const Row& row : {Row{"'|O'", 302, "pickled"},
                         {"'<c8'", 302, "<c8"},
                         {"'<U3'", 302, "<U3"},
                         {"[('a', '<f4')]", 302, "records"},
                         {"'<f2'", 111, "f16"},
                         {"'|i1'", 111, "i8"},
                         {"'<u8'", 111, "u64"},
                         {"''", 302, "type"},
                         {"'f'", 302, "type"}}) {
    auto r = parse(header(1, dict(row.descr, "(1,)")) + std::string(8, '\0'));
    CAPTURE(row.descr, failure_text(r));
    CHECK(failure(r) == row.code);
    CHECK(contains(failure_text(r), row.says));
  }
  CHECK(failure(parse(header(1, dict("'|b1'", "(2,)")) + "\1\2")) == 302);
  CHECK(failure(parse(header(4, dict("'|b1'", "(2,)")) + "\1\1")) == 302);
  CHECK(failure(parse(header(1, "{'descr': '<f4', 'shape': (1,)}") + "abcd")) == 302);
  CHECK(failure(parse(header(1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}") +
                      "abcd")) == 302);
  CHECK(failure(parse(header(1, dict("'<f4'", "(1)")) + "abcd")) == 302);
  CHECK(failure(read_npy("/nonexistent/a.npy")) == 401);
}
