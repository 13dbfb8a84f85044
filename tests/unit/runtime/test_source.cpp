// Sources: rows from files in any order, views of them, and reading ahead.
#include "runtime/source.h"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "files.h"
#include "runtime/idx.h"
#include "runtime/load.h"
#include "runtime/npy.h"
#include "runtime/records.h"

using namespace tenon::runtime;
using tenon::support::Array;
using tenon::support::DType;
using tenon::support::Result;

namespace {

std::string letters(size_t records, size_t bytes) {
  std::string out;
  for (size_t r = 0; r < records; ++r) out += std::string(bytes, static_cast<char>('a' + r));
  return out;
}

// Rows 0..n-1 with their numbers; counts how many it was asked for, and fails or throws at one.
class Numbers : public Source {
 public:
  explicit Numbers(int64_t rows) : rows_(rows) {}
  int64_t rows() const override { return rows_; }
  Result<DataSet> read(std::span<const int64_t> rows) const override {
    ++reads;
    asked = asked + static_cast<int64_t>(rows.size());
    Array x(DType::i64, {static_cast<int64_t>(rows.size())});
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] == fails_at) return tenon::support::error(tenon::support::Code::file_read, "row fails");
      if (rows[i] == throws_at) throw std::runtime_error("row throws");
      x.as<int64_t>()[i] = rows[i];
    }
    DataSet out;
    TENON_TRY(out.add("x", std::move(x)));
    return out;
  }
  mutable std::atomic<int64_t> reads{0}, asked{0};
  int64_t fails_at = -1, throws_at = -1;

 private:
  int64_t rows_;
};

Result<DataSet> same(const DataSet& d) { return d; }

std::vector<int64_t> values(const DataSet& d) {
  const auto x = d.find("x")->array->as<int64_t>();
  return {x.begin(), x.end()};
}

bool equal(const DataSet& a, const DataSet& b) {
  if (a.rows() != b.rows() || a.columns().size() != b.columns().size()) return false;
  for (size_t i = 0; i < a.columns().size(); ++i) {
    const Column &x = a.columns()[i], &y = b.columns()[i];
    if (x.name != y.name || x.axes != y.axes || x.file != y.file || !(*x.array == *y.array)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("records of plain and packed files come in any order") {
  Folder f;
  const std::string bytes = "head" + letters(9, 5);
  put_file(f / "plain", bytes);
  put_file(f / "packed", gzip(bytes));
  put_file(f / "members", gzip(bytes.substr(0, 17)) + gzip(bytes.substr(17)));
  for (const char* name : {"plain", "packed", "members"}) {
    CAPTURE(name);
    auto file = RecordFile::open(f / name, "test", 4, 5);
    REQUIRE(file);
    REQUIRE(file->count() == 9);
    for (const std::vector<int64_t>& order : {std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8},
                                              {8, 0},
                                              {3, 3, 3},
                                              {7, 2, 3, 4, 0, 2, 8, 8, 1},
                                              {},
                                              {5}}) {
      std::string got(5 * order.size(), '?'), want;
      for (const int64_t r : order) want += std::string(5, static_cast<char>('a' + r));
      REQUIRE(file->read(order, reinterpret_cast<std::byte*>(got.data())));
      CHECK(got == want);
    }
    CHECK(RecordFile::open(f / name, "test", 4, 5, 9));
    for (const int64_t count : {0, 8, 10, 1 << 30})
      CHECK(failure(RecordFile::open(f / name, "test", 4, 5, count)) == 302);
    CHECK(failure(RecordFile::open(f / name, "test", 4, 7)) == 302);
    CHECK(failure(RecordFile::open(f / name, "test", 50, 5)) == 302);
  }
  // A file that was cut, or changed, since it was opened.
  auto file = RecordFile::open(f / "packed", "test", 4, 5);
  put_file(f / "packed", gzip(bytes.substr(0, 20)));
  std::byte to[5];
  CHECK(failure(file->read(std::vector<int64_t>{8}, to)) == 405);
  CHECK(failure(RecordFile::open(f / "absent", "test", 0, 1)) == 401);
}

TEST_CASE("IDX and npy are read in blocks as they are in memory") {
  Folder f;
  const auto big = [](uint32_t v) {
    return std::string{static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8),
                       static_cast<char>(v)};
  };
  const std::string images = std::string("\0\0\x08\3", 4) + big(4) + big(2) + big(3) + letters(4, 6);
  const std::string labels = std::string("\0\0\x08\1", 4) + big(4) + "\3\1\4\1";
  put_file(f / "train-images-idx3-ubyte.gz", gzip(images));
  put_file(f / "train-labels-idx1-ubyte", labels);
  put_file(f / "t10k-images-idx3-ubyte", images);
  put_file(f / "t10k-labels-idx1-ubyte.gz", gzip(labels));
  auto whole = load_data(f.path);
  auto opened = open_data(f.path);
  REQUIRE(whole);
  REQUIRE(opened);
  CHECK(equal(*read_all(*opened->train), whole->train));
  CHECK(equal(*read_all(*opened->test), *whole->test));
  const std::vector<int64_t> order = {2, 0, 3, 2};
  CHECK(equal(*opened->train->read(order), *whole->train.take(order)));
  CHECK(opened->train->in_memory() == nullptr);
  // Wide elements, most significant byte first, and narrow signed ones.
  put_file(f / "wide-ubyte", std::string("\0\0\x0d\2", 4) + big(2) + big(2) + big(0x3fc00000) + big(0) +
                                 big(0xbf800000) + big(0x40000000));
  put_file(f / "narrow-ubyte", std::string("\0\0\x0b\1", 4) + big(3) + std::string("\1\0\xff\xfe\0\7", 6));
  for (const char* name : {"wide-ubyte", "narrow-ubyte"}) {
    CHECK(equal(*read_all(*open_data(f / name)->train), load_data(f / name)->train));
    CHECK(open_data(f / name)->train->read(std::vector<int64_t>{1})->rows() == 1);
  }
  CHECK(*open_data(f / "wide-ubyte")->train->read(std::vector<int64_t>{1})->find("x")->array ==
        Array::of<float>({1, 2}, {-1, 2}));

  Folder a;
  Array x(DType::f32, {5, 3}), flags(DType::bool_, {5});
  for (size_t i = 0; i < 15; ++i) x.as<float>()[i] = static_cast<float>(i) / 4;
  flags.as<bool>()[3] = true;
  REQUIRE(write_npy(a / "x.npy", x));
  REQUIRE(write_npy(a / "flags.npy", flags));
  LoadOptions options;
  options.cuts["x"] = {0};
  auto arrays = open_data(a.path, options);
  REQUIRE(arrays);
  CHECK(equal(*read_all(*arrays->train), load_data(a.path)->train));
  // The same for every batch: read whole, once.
  options.cuts["flags"] = {};
  arrays = open_data(a.path, options);
  REQUIRE(arrays);
  CHECK(arrays->train->read(std::vector<int64_t>{1})->find("flags")->array->count() == 5);
  // Rows along another axis, columns that differ, Fortran's order, flags that are none.
  options.cuts["x"] = {1};
  CHECK(failure(open_data(a.path, options)) == 610);
  REQUIRE(write_npy(a / "y.npy", Array(DType::i32, {4})));
  CHECK(failure(open_data(a.path)) == 305);
  std::string bytes = get_file(a / "x.npy");
  bytes.replace(bytes.find("False"), 5, "True ");
  put_file(a / "f.npy", bytes);
  CHECK(failure(open_data(a / "f.npy")) == 610);
  bytes = get_file(a / "flags.npy");
  bytes.back() = 7;
  put_file(a / "b.npy", bytes);
  CHECK(failure(open_data(a / "b.npy")->train->read(std::vector<int64_t>{4})) == 302);
  put_file(a / "cut.npy", bytes.substr(0, bytes.size() - 1));
  CHECK(failure(open_data(a / "cut.npy")) == 302);
  // What is made or read whole.
  put_file(a / "t.csv", "a,b\n1,2\n");
  CHECK(failure(open_data(a / "t.csv")) == 610);
  CHECK(failure(open_data("regression:rows=5")) == 610);
  CHECK(failure(open_data("csv:path=" + (a / "t.csv"))) == 610);
  CHECK(failure(open_data("absent/")) == 401);
}

TEST_CASE("rows taken and changed are those of memory") {
  const auto source = std::make_shared<Numbers>(10);
  auto taken = take_rows(source, {7, 2, 5});
  REQUIRE(taken);
  CHECK((*taken)->rows() == 3);
  CHECK(values(*read_all(**taken)) == std::vector<int64_t>{7, 2, 5});
  CHECK(values(*(*taken)->read(std::vector<int64_t>{2, 0})) == std::vector<int64_t>{5, 7});
  CHECK(failure((*taken)->read(std::vector<int64_t>{3})) == 605);
  CHECK(failure(take_rows(source, {10})) == 605);
  CHECK((*taken)->in_memory() == nullptr);
  const auto whole = std::make_shared<DataSet>(*read_all(*source));
  auto part = take_rows(whole, {7, 2, 5});
  REQUIRE(part);
  REQUIRE((*part)->in_memory() != nullptr);
  CHECK(values(*(*part)->in_memory()) == std::vector<int64_t>{7, 2, 5});
  const auto doubled = changed_rows(source, [](const DataSet& rows) -> Result<DataSet> {
    DataSet out = rows;
    Array x = *rows.find("x")->array;
    for (int64_t& v : x.as<int64_t>()) v *= 2;
    TENON_TRY(out.replace("x", std::move(x)));
    return out;
  });
  CHECK(values(*doubled->read(std::vector<int64_t>{4, 1})) == std::vector<int64_t>{8, 2});
  CHECK(row_bytes(*whole) == 8);
}

TEST_CASE("batches that are read ahead are those of the order, whatever the blocks") {
  const Numbers source(23);
  BatchOptions shuffled;
  shuffled.shuffle = 3;
  const std::vector<int64_t> order = row_order(23, shuffled);
  for (const int64_t batches : {1, 2, 3, 8, 100}) {
    CAPTURE(batches);
    ReadAhead ahead(source, order, 4, batches, same);
    std::vector<int64_t> got;
    for (int b = 0; b < 6; ++b) {
      auto batch = ahead.next();
      REQUIRE(batch);
      CHECK(batch->rows() == (b < 5 ? 4 : 3));
      const std::vector<int64_t> v = values(*batch);
      CHECK(v == std::vector<int64_t>(ahead.numbers().begin(), ahead.numbers().end()));
      got.insert(got.end(), v.begin(), v.end());
    }
    CHECK(got == order);
  }
}

TEST_CASE("no more than two blocks are read before the first is used up, and reading ends with its user") {
  const Numbers source(1000);
  {
    ReadAhead ahead(source, row_order(1000, {}), 5, 2, same);
    REQUIRE(ahead.next());
    for (int i = 0; i < 200 && source.reads < 2; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK(source.reads == 2);
    CHECK(source.asked == 20);
    REQUIRE(ahead.next());
    REQUIRE(ahead.next());
    for (int i = 0; i < 200 && source.reads < 3; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    CHECK(source.reads == 3);
  }
  CHECK(source.asked == 30);
}

TEST_CASE("a failure of reading comes with its batch, and what is thrown is thrown there") {
  Numbers source(20);
  source.fails_at = 11;
  {
    ReadAhead ahead(source, row_order(20, {}), 5, 1, same);
    CHECK(ahead.next());
    CHECK(ahead.next());
    CHECK(failure(ahead.next()) == 405);
  }
  source.fails_at = -1;
  source.throws_at = 6;
  {
    ReadAhead ahead(source, row_order(20, {}), 5, 1, same);
    CHECK(ahead.next());
    CHECK_THROWS_AS((void)ahead.next(), std::runtime_error);
  }
  source.throws_at = -1;
  ReadAhead ahead(source, row_order(20, {}), 5, 1, [](const DataSet& block) -> Result<DataSet> {
    if (values(block)[0] == 5) return tenon::support::error(tenon::support::Code::data_value, "no");
    return block;
  });
  CHECK(ahead.next());
  CHECK(failure(ahead.next()) == 304);
}
