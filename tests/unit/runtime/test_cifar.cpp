#include "runtime/cifar.h"

#include <cstdlib>

#include "common/picture_bytes.h"
#include "files.h"
#include "runtime/load.h"

using namespace tenon::runtime;
using tenon::support::Array;
using tenon::support::DType;
using tenon::test::cifar_pixel;
using tenon::test::cifar_record;

namespace {

std::string records(size_t first, size_t count) {
  std::string out;
  for (size_t row = first; row < first + count; ++row)
    out += cifar_record(row, std::string(1, static_cast<char>(row % 10)));
  return out;
}

// Every byte stands where the layout says, channels last.
bool pixels_right(const DataSet& data, const std::vector<int64_t>& numbers) {
  const Array& image = *data.find("image")->array;
  if (image.shape() != std::vector<int64_t>{static_cast<int64_t>(numbers.size()), 32, 32, 3}) return false;
  const uint8_t* p = image.as<uint8_t>().data();
  for (const int64_t row : numbers)
    for (size_t y = 0; y < 32; ++y)
      for (size_t x = 0; x < 32; ++x)
        for (size_t c = 0; c < 3; ++c)
          if (*p++ != cifar_pixel(static_cast<size_t>(row), y, x, c)) return false;
  return true;
}

}  // namespace

TEST_CASE("CIFAR-10's planes come with channels last, from files in the order of their names") {
  Folder f;
  put_file(f / "data_batch_2.bin", records(3, 2));
  put_file(f / "data_batch_1.bin.gz", gzip(records(0, 3)));
  put_file(f / "test_batch.bin", records(5, 1));
  put_file(f / "batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nlast one\n\n");
  CHECK(is_cifar_folder(f.path));
  auto r = load_data(f.path);
  REQUIRE(r);
  CHECK(r->train.rows() == 5);
  CHECK(pixels_right(r->train, {0, 1, 2, 3, 4}));
  const Column& label = *r->train.find("label");
  CHECK(*label.array == Array::of<int32_t>({5}, {0, 1, 2, 3, 4}));
  REQUIRE(label.classes.size() == 10);
  CHECK(label.classes[9] == "last one");
  CHECK(contains(r->train.place(label, 2).file, "data_batch_1.bin.gz"));
  CHECK(contains(r->train.place(label, 3).file, "data_batch_2.bin"));
  REQUIRE(r->test.has_value());
  CHECK(pixels_right(*r->test, {5}));
  // Rows in any order, twice, and over the borders of files.
  auto opened = open_cifar_folder(f.path);
  REQUIRE(opened);
  const std::vector<int64_t> order = {4, 0, 3, 3, 1, 2, 0};
  auto some = opened->train->read(order);
  REQUIRE(some);
  CHECK(pixels_right(*some, order));
  CHECK(failure(opened->train->read(std::vector<int64_t>{5})) == 605);
  CHECK(failure(opened->train->read(std::vector<int64_t>{-1})) == 605);
}

TEST_CASE("CIFAR-100 has two labels, of which the fine one is learned") {
  Folder f;
  put_file(f / "train.bin", cifar_record(0, "\x13\x63") + cifar_record(1, std::string("\0\1", 2)));
  auto r = load_data(f.path);
  REQUIRE(r);
  CHECK(pixels_right(r->train, {0, 1}));
  CHECK(*r->train.find("label")->array == Array::of<int32_t>({2}, {99, 1}));
  CHECK(*r->train.find("coarse")->array == Array::of<int32_t>({2}, {19, 0}));
  CHECK(r->train.columns()[1].name == "label");
  CHECK_FALSE(r->test.has_value());
  // The same file by itself is known by its size.
  auto file = load_data(f / "train.bin");
  REQUIRE(file);
  CHECK(file->train.find("coarse") != nullptr);
}

TEST_CASE("CIFAR files that are cut, damaged or of another form are refused") {
  Folder f;
  const std::string whole = records(0, 3), packed = gzip(whole);
  put_file(f / "x.bin", whole);
  CHECK(load_data(f / "x.bin")->train.rows() == 3);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{3072}, size_t{3075}, whole.size() - 1}) {
    CAPTURE(size);
    put_file(f / "x.bin", whole.substr(0, size));
    CHECK(failure(load_data(f / "x.bin")) == 302);
    CHECK(failure(load_data("cifar10:path=" + (f / "x.bin"))) == (size == 0 ? 301 : 302));
  }
  put_file(f / "x.bin", whole + "y");
  CHECK(failure(load_data(f / "x.bin")) == 302);
  // A label of none of the classes: by itself the file is nothing known, told what it is the row is named.
  std::string bad = whole;
  bad[3073] = 10;
  put_file(f / "x.bin", bad);
  CHECK(failure(load_data(f / "x.bin")) == 302);
  CHECK(
      contains(failure_text(load_data("cifar10:path=" + (f / "x.bin"))), "row 1 has label 10 of 10 classes"));
  for (size_t size = 0; size < packed.size(); size += 1 + packed.size() / 50) {
    CAPTURE(size);
    put_file(f / "x.bin.gz", packed.substr(0, size));
    CHECK(failure(load_data(f / "x.bin.gz")) == 302);
  }
  std::string flipped = packed;
  flipped[packed.size() - 6] = static_cast<char>(flipped[packed.size() - 6] ^ 1);  // the sum at the end
  put_file(f / "x.bin.gz", flipped);
  CHECK(contains(failure_text(load_data(f / "x.bin.gz")), "gzip: "));
  CHECK(failure(load_data("cifar10:path=" + (f / "absent.bin"))) == 401);
  CHECK(failure(load_data("cifar10:")) == 610);
  CHECK(failure(load_data("cifar10:path=x,labels=1")) == 610);
  Folder test_only;
  put_file(test_only / "test_batch.bin", whole);
  CHECK(failure(load_data(test_only.path)) == 401);
}

TEST_CASE("the subset of CIFAR-10 reads whole") {
  const char* root = std::getenv("TENON_DATA");
  if (root == nullptr) {
    WARN("skipped: the subset of CIFAR-10 reads whole (TENON_DATA is not set)");
    return;
  }
  auto r = load_data(std::string(root) + "/cifar10");
  REQUIRE(r);
  CHECK(r->train.rows() == 4000);
  REQUIRE(r->test.has_value());
  CHECK(r->test->rows() == 1000);
  const Column& label = *r->train.find("label");
  REQUIRE(label.classes.size() == 10);
  // The first training picture is the well-known frog, its first pixel 59, 62, 63.
  CHECK(label.classes[static_cast<size_t>(label.array->as<int32_t>()[0])] == "frog");
  const auto pixels = r->train.find("image")->array->as<uint8_t>();
  CHECK((pixels[0] == 59 && pixels[1] == 62 && pixels[2] == 63));
}
