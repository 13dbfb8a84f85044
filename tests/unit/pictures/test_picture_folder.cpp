// Folders of pictures as rows: classes, divisions, sizes, and what is refused.
#include "runtime/picture_folder.h"

#include <filesystem>

#include "common/picture_bytes.h"
#include "pictures/pictures.h"
#include "runtime/load.h"
#include "unit/runtime/files.h"

using namespace tenon::runtime;
using namespace tenon::test;
using tenon::support::Array;
namespace fs = std::filesystem;

namespace {

const PictureCodec* codec() { return &tenon::pictures::codec(); }
bool skipped() {
  if (codec()->has(PictureForm::png)) return false;
  WARN("skipped: folders of pictures (this build has no libpng)");
  return true;
}

LoadOptions options() {
  LoadOptions out;
  out.pictures = codec();
  return out;
}
auto load(const std::string& folder) { return load_data(folder, options()); }

std::string gray(uint8_t value, uint32_t width = 2, uint32_t height = 2) {
  return png(width, height, png_gray, std::string(width * height, static_cast<char>(value)));
}
std::string rgb(const std::string& colour) { return png(2, 2, png_rgb, colour + colour + colour + colour); }

void put(const Folder& f, const std::string& name, const std::string& bytes) {
  fs::create_directories(fs::path(f / name).parent_path());
  put_file(f / name, bytes);
}

std::vector<int32_t> labels(const DataSet& d) {
  const auto l = d.find("label")->array->as<int32_t>();
  return {l.begin(), l.end()};
}
uint8_t first_byte(const DataSet& d, int64_t row) {
  const Array& image = *d.find("image")->array;
  return image.as<uint8_t>()[static_cast<size_t>(row) * image.bytes() / static_cast<size_t>(d.rows())];
}

}  // namespace

TEST_CASE("a flat folder is rows in the order of its names, in colours where one has them") {
  if (skipped()) return;
  Folder f;
  put(f, "b.png", gray(20));
  put(f, "a.PNG", gray(10));
  put(f, ".hidden.png", "no picture");
  put(f, "readme.txt", "no picture");
  auto r = load(f.path);
  REQUIRE(r);
  CHECK(r->train.find("image")->array->shape() == std::vector<int64_t>{2, 2, 2, 1});
  CHECK(first_byte(r->train, 0) == 10);
  CHECK(r->train.find("label") == nullptr);
  CHECK(contains(r->train.place(r->train.columns()[0], 1).file, "b.png"));
  put(f, "c.png", rgb("\1\2\3"));
  r = load(f.path);
  REQUIRE(r);
  CHECK(r->train.find("image")->array->shape() == std::vector<int64_t>{3, 2, 2, 3});
  CHECK(r->train.find("image")->array->as<uint8_t>()[1] == 10);
  CHECK(r->train.find("image")->array->as<uint8_t>()[25] == 2);
}

TEST_CASE("folders are classes in the order of their names, for training and held-out rows alike") {
  if (skipped()) return;
  Folder f;
  put(f, "train/dog/1.png", gray(1));
  put(f, "train/cat/2.png", gray(2));
  put(f, "train/cat/3.png", gray(3));
  put(f, "train/owl/4.png", gray(4));
  put(f, "test/owl/5.png", gray(5));
  put(f, "test/dog/6.png", gray(6));
  auto r = load(f.path);
  REQUIRE(r);
  CHECK(labels(r->train) == std::vector<int32_t>{0, 0, 1, 2});
  CHECK(first_byte(r->train, 2) == 1);
  CHECK(r->train.find("label")->classes == std::vector<std::string>{"cat", "dog", "owl"});
  REQUIRE(r->test.has_value());
  CHECK(labels(*r->test) == std::vector<int32_t>{1, 2});
  CHECK(r->test->find("label")->classes == r->train.find("label")->classes);
  // One of the two by itself, with the classes that weights were trained on.
  LoadOptions known = options();
  known.classes = {"cat", "dog", "owl"};
  auto test = load_data(f / "test", known);
  REQUIRE(test);
  CHECK(labels(test->train) == std::vector<int32_t>{1, 2});
  CHECK(labels(load(f / "test")->train) == std::vector<int32_t>{0, 1});
  put(f, "test/cow/7.png", gray(7));
  CHECK(failure(load(f.path)) == 304);
  CHECK(contains(failure_text(load(f.path)), "\"cow\" is none of the classes"));
  // Read when they are wanted.
  auto opened = open_data(f / "train", options());
  REQUIRE(opened);
  auto some = opened->train->read(std::vector<int64_t>{3, 0, 3});
  REQUIRE(some);
  CHECK(labels(*some) == std::vector<int32_t>{2, 0, 2});
  CHECK(first_byte(*some, 2) == 4);
  CHECK(contains(some->place(some->columns()[0], 1).file, "cat/2.png"));
  CHECK(failure(opened->train->read(std::vector<int64_t>{4})) == 605);
  // A folder named train among others is a class.
  Folder vehicles;
  put(vehicles, "train/1.png", gray(1));
  put(vehicles, "plane/2.png", gray(2));
  CHECK(labels(load(vehicles.path)->train) == std::vector<int32_t>{0, 1});
}

TEST_CASE("pictures of other sizes and forms, empty classes and damaged files are refused by name") {
  if (skipped()) return;
  Folder f;
  put(f, "a.png", gray(1));
  put(f, "b.png", gray(1, 3, 2));
  auto r = load(f.path);
  CHECK(failure(r) == 305);
  CHECK(contains(failure_text(r), "b.png"));
  CHECK(contains(failure_text(r), "3 x 2 (width x height)"));
  CHECK(contains(failure_text(r), "a.png is 2 x 2"));
  // When it is opened, before a row is wanted.
  CHECK(failure(open_data(f.path, options())) == 305);
  put(f, "b.png", "no picture");
  CHECK(failure(load(f.path)) == 302);
  put(f, "b.png", gray(1).substr(0, 50));
  CHECK(failure(load(f.path)) == 302);
  CHECK(contains(failure_text(load(f.path)), "b.png"));
  put(f, "b.png", gray(2));
  CHECK(load(f.path));
  put(f, "c.webp", "x");
  CHECK(failure(load(f.path)) == 302);
  CHECK(contains(failure_text(load(f.path)), "c.webp"));
  fs::remove(f / "c.webp");
  fs::create_directory(f / "class");
  CHECK(failure(load(f.path)) == 302);
  Folder classes;
  put(classes, "a/1.png", gray(1));
  fs::create_directory(classes / "b");
  CHECK(failure(load(classes.path)) == 301);
  // Gone, or another size, between being listed and being read.
  fs::remove(classes / "b");
  put(classes, "a/2.png", gray(1));
  auto opened = open_data(classes.path, options());
  REQUIRE(opened);
  put(classes, "a/2.png", gray(1, 5, 5));
  CHECK(failure(opened->train->read(std::vector<int64_t>{1})) == 305);
  fs::remove(classes / "a/2.png");
  CHECK(failure(opened->train->read(std::vector<int64_t>{1})) == 401);
  CHECK(opened->train->read(std::vector<int64_t>{0}));
}

TEST_CASE("a build without libraries names what it lacks, before it reads pictures") {
  Folder f;
  put(f, "a.png", gray(1));
  const auto r = load_data(f.path);
  CHECK(failure(r) == 505);
  CHECK(contains(failure_text(r), "libpng"));
}
