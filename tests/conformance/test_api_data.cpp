// Data of the C++ layer: CIFAR, pictures, and data that are read in blocks.
#include <filesystem>
#include <fstream>
#include <tenon/tenon.hpp>

#include "catch.h"
#include "common/picture_bytes.h"
#include "conformance/command_runner.h"

namespace tn = tenon;
namespace tt = tenon::test;

namespace {

bool has_png() {
  const tt::Folder folder;
  const tn::Array pixel = tn::Array::of<uint8_t>({1, 1}, {7});
  const auto saved = pixel.try_save_picture(folder.path("a.png"));
  if (saved) return true;
  CHECK(saved.error().code() == 505);
  WARN("skipped: this build has no libpng");
  return false;
}

std::string records(size_t count) {
  std::string out;
  for (size_t row = 0; row < count; ++row)
    out += tt::cifar_record(row, std::string(1, static_cast<char>(row % 10)));
  return out;
}

// A linear classifier of whatever shape.
tn::Program classifier(const std::vector<tn::Dim>& shape, tn::Model& m, tn::Dim batch, int64_t features) {
  std::vector<tn::Dim> dims{batch};
  dims.insert(dims.end(), shape.begin(), shape.end());
  const tn::Value image = m.input<float>("image", dims), label = m.input<int32_t>("label", {batch});
  const tn::Value z = tn::dense(tn::reshape(image, {batch, features}), 10, {.name = "fc"});
  m.function("predict", {{"z", z}});
  m.step("train", tn::cross_entropy(z, label), tn::sgd({.lr = 0.1}));
  return tn::compile(m);
}

}  // namespace

TEST_CASE("tn::cifar gives pictures channels last, labels and the names of classes") {
  const tt::Folder folder;
  folder.write("data_batch_1.bin", records(12));
  folder.write("test_batch.bin", records(3));
  folder.write("batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n");
  const tn::Data bytes = tn::cifar(folder.path(), {.bytes = true});
  CHECK(bytes.rows() == 12);
  CHECK(bytes.shape("image") == std::vector<int64_t>{12, 32, 32, 3});
  CHECK(bytes.column<uint8_t>("image")[(32 * 32 * 2 + 5 * 32 + 9) * 3 + 1] == tt::cifar_pixel(2, 5, 9, 1));
  CHECK(bytes.column<int32_t>("label")[11] == 1);
  CHECK(bytes.classes("label").size() == 10);
  CHECK(bytes.classes("label")[9] == "j");
  CHECK(bytes.classes("image").empty());
  const tn::Data held = tn::cifar(folder.path(), {.test = true});
  CHECK(held.rows() == 3);
  CHECK(held.column<float>("image")[4] == static_cast<float>(tt::cifar_pixel(0, 0, 1, 1) / 255.0));
  CHECK_FALSE(tn::try_cifar(folder.path("absent.bin")));
}

TEST_CASE("data in blocks fit and evaluate with the bits of data in memory") {
  const tt::Folder folder;
  folder.write("data_batch_1.bin", records(50));
  folder.write("test_batch.bin", records(7));
  const tn::TrainTest whole = tn::load_data(folder.path());
  const tn::TrainTest blocks = tn::open_data(folder.path(), {.memory = 200000});
  REQUIRE(blocks.test.has_value());
  CHECK(blocks.train.rows() == 50);
  CHECK(blocks.train.columns() == whole.train.columns());
  uint64_t hash[2] = {};
  double loss[2] = {};
  const tn::TrainTest* both[] = {&whole, &blocks};
  for (int i = 0; i < 2; ++i) {
    tn::Model m("m");
    const tn::Dim batch = m.dim("batch", 1, 64);
    const tn::Program program = classifier({3, 32, 32}, m, batch, 3072);
    const tn::State state = program.init(7);
    tn::Session session(program, state);
    // Also scaled, renamed, split and cut, which blocks are as well.
    const tn::Data scaled = both[i]->train.scaled("image", 1.0 / 255).renamed("label", "y");
    const auto [train, held] = scaled.split(0.8, 3);
    session.fit(train, {.batch = 8, .epochs = 2, .validate = &held});
    session.fit(scaled.slice(5, 30), {.batch = 8});
    hash[i] = state.hash();
    loss[i] = session.evaluate(*both[i]->test, {.batch = 3}).loss;
  }
  CHECK(hash[0] == hash[1]);
  CHECK(loss[0] == loss[1]);
  CHECK(blocks.train.try_column<uint8_t>("image").error().code() == 610);
  CHECK(blocks.train.try_batches(4).error().code() == 610);
  CHECK(tn::try_open_data("regression:rows=4").error().code() == 610);
  CHECK(tn::try_open_data(folder.path(), {.memory = -1}).error().code() == 610);
  CHECK(blocks.train.try_slice(0, 51).error().code() == 605);
}

TEST_CASE("tn::pictures reads folders, and arrays come and go as pictures") {
  if (!has_png()) return;
  const tt::Folder folder;
  for (const char* name : {"cat", "dog"}) std::filesystem::create_directory(folder.path(name));
  folder.write("cat/1.png", tt::png(2, 1, tt::png_gray, "\x33\xff"));
  folder.write("dog/2.png", tt::png(2, 1, tt::png_rgb, "abcdef"));
  const tn::Data data = tn::pictures(folder.path());
  CHECK(data.shape("image") == std::vector<int64_t>{2, 1, 2, 3});
  CHECK(data.column<float>("image")[0] == static_cast<float>(0x33 / 255.0));
  CHECK(data.column<int32_t>("label")[1] == 1);
  CHECK(data.classes("label") == std::vector<std::string>{"cat", "dog"});
  const tn::Array one = tn::Array::load_picture(folder.path("dog/2.png"));
  CHECK(one.shape() == std::vector<int64_t>{1, 2, 3});
  CHECK(one.as<uint8_t>()[5] == 'f');
  one.save_picture(folder.path("again.png"));
  const tn::Array again = tn::Array::load_picture(folder.path("again.png"));
  CHECK(std::equal(again.as<uint8_t>().begin(), again.as<uint8_t>().end(), one.as<uint8_t>().begin()));
  // A batch as a sheet of one column.
  tn::Array::of<float>({2, 1, 1, 1}, {0.0f, 1.0f}).save_picture(folder.path("sheet.png"), 1);
  CHECK(tn::Array::load_picture(folder.path("sheet.png")).shape() == std::vector<int64_t>{4, 1, 1});
  CHECK(one.try_save_picture(folder.path("x.gif")).error().code() == 610);
  CHECK(one.try_save_picture(folder.path("absent/x.png")).error().code() == 404);
  CHECK(tn::Array::of<float>({1, 1}, {2.0f}).try_save_picture(folder.path("x.png")).error().code() == 304);
  CHECK(tn::Array::try_load_picture(folder.path("absent.png")).error().code() == 401);
}
