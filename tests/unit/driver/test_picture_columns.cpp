// Pictures as inputs: the layout that is declared, channels, sizes; and never a silent rearrangement.
#include "conformance/models.h"
#include "driver/train/trainer.h"

namespace tenon::test {
namespace {

// A function of one input, and one more result so that nothing is left out.
std::shared_ptr<const driver::Program> takes(const std::string& type) {
  const std::string text =
      "tenon 1\nmodule m\ndim batch = 1..64\ndim h = 1..64\ndim w = 1..64\nfunc f(image: " + type +
      ") -> y: " + type + " {\n  y = add image, image\n  return y\n}\n";
  auto unit = driver::read_unit(text, "m.tenon");
  if (!unit) FAIL(unit.errors().text());
  auto program = driver::Program::compile(std::move(*unit), {});
  if (!program) FAIL(program.errors().text());
  return *program;
}

// 2 pictures of 2 x 3 with colours, each byte another.
runtime::DataSet colours() {
  Array a(DType::u8, {2, 2, 3, 3});
  for (size_t i = 0; i < 36; ++i) a.as<uint8_t>()[i] = static_cast<uint8_t>(i);
  runtime::DataSet out;
  runtime::Column c{"image", std::make_shared<const Array>(std::move(a)), "folder", {}};
  c.picture = true;
  REQUIRE(out.add(std::move(c)));
  out.set_files({"a.png", "b.png"});
  return out;
}
runtime::DataSet grays() {
  runtime::DataSet out;
  runtime::Column c{
      "image", std::make_shared<const Array>(Array::of<uint8_t>({1, 1, 2, 1}, {7, 9})), "folder", {}};
  c.picture = true;
  REQUIRE(out.add(std::move(c)));
  return out;
}

Result<Array> prepared(const std::string& type, const runtime::DataSet& data) {
  const auto program = takes(type);
  TENON_ASSIGN(const runtime::DataSet rows, driver::prepare_data(*program->find("f"), data));
  return Array(*rows.columns()[0].array);
}

Array floats(const Array& a) {
  Array out(DType::f32, a.shape());
  for (size_t i = 0; i < a.bytes(); ++i) out.as<float>()[i] = static_cast<float>(a.as<uint8_t>()[i]);
  return out;
}

}  // namespace

TEST_CASE("pictures take the layout that the input declares") {
  const runtime::DataSet data = colours();
  const Array& as_read = *data.columns()[0].array;
  auto r = prepared("f32[batch,2,3,3]", data);
  REQUIRE(r);
  CHECK(*r == floats(as_read));
  r = prepared("f32[batch,3,2,3]", data);
  REQUIRE(r);
  for (size_t n = 0; n < 2; ++n)
    for (size_t c = 0; c < 3; ++c)
      for (size_t p = 0; p < 6; ++p)
        REQUIRE(r->as<float>()[(n * 3 + c) * 6 + p] == static_cast<float>(n * 18 + p * 3 + c));
  r = prepared("u8[batch,18]", data);
  REQUIRE(r);
  CHECK(std::equal(r->data(), r->data() + 36, as_read.data()));
  // Of what is symbolic the picture tells the size.
  r = prepared("f32[batch,h,w,3]", data);
  REQUIRE(r);
  CHECK(*r == floats(as_read));
}

TEST_CASE("gray from colours, colours from gray, by what the input declares") {
  // 0.299 r + 0.587 g + 0.114 b of (3i, 3i + 1, 3i + 2) is 3i + 0.815.
  for (const char* type : {"f32[batch,2,3]", "f32[batch,2,3,1]", "f32[batch,1,2,3]", "f32[batch,6]"}) {
    CAPTURE(type);
    const auto r = prepared(type, colours());
    REQUIRE(r);
    REQUIRE(r->count() == 12);
    for (size_t i = 0; i < 12; ++i) REQUIRE(r->as<float>()[i] == static_cast<float>(3 * i + 1));
  }
  const auto last = prepared("f32[batch,1,2,3]", grays());
  REQUIRE(last);
  CHECK(*last == Array::of<float>({1, 1, 2, 3}, {7, 7, 7, 9, 9, 9}));
  const auto first = prepared("f32[batch,3,1,2]", grays());
  REQUIRE(first);
  CHECK(*first == Array::of<float>({1, 3, 1, 2}, {7, 9, 7, 9, 7, 9}));
}

TEST_CASE(
    "pictures of another size or layout are refused with the file, what is expected and what is found") {
  auto r = prepared("u8[batch,4,3,3]", colours());
  REQUIRE_FALSE(r);
  CHECK(r.errors().code() == Code::data_shape);
  CHECK(r.errors().list[0].file == "a.png");
  CHECK(r.errors().list[0].message.find("3 x 2 (width x height), the model wants 3 x 4") !=
        std::string::npos);
  // As many elements, and yet no picture: rows of a table would be reshaped here.
  for (const char* type : {"u8[batch,3,3,2]", "u8[batch,2,9]", "u8[batch,6,3]", "u8[batch,2,3,3,1]",
                           "u8[batch,36]", "u8[batch]"}) {
    CAPTURE(type);
    r = prepared(type, colours());
    REQUIRE_FALSE(r);
    CHECK(r.errors().code() == Code::data_shape);
    CHECK(r.errors().list[0].message.find("image holds u8[rows,2,3,3]") != std::string::npos);
  }
}

TEST_CASE("one picture is an input by itself, or the only row of a batch") {
  const Array picture = Array::of<uint8_t>({1, 2, 3}, {0, 1, 2, 3, 4, 5});
  const std::pair<const char*, std::vector<int64_t>> cases[] = {
      {"u8[1,2,3]", {1, 2, 3}},          {"u8[h,w,3]", {1, 2, 3}},
      {"u8[3,1,2]", {3, 1, 2}},          {"u8[h,w]", {1, 2}},
      {"u8[1,h,w,3]", {1, 1, 2, 3}},     {"u8[batch,1,2,3]", {1, 1, 2, 3}},
      {"u8[batch,3,1,2]", {1, 3, 1, 2}}, {"f32[batch,1,2]", {1, 1, 2}}};
  for (const auto& [type, shape] : cases) {
    CAPTURE(type);
    const auto program = takes(type);
    const auto r = driver::prepare_picture(*program->find("f"), 0, picture, "a.png");
    if (!r) FAIL(r.errors().text());
    CHECK(r->shape() == shape);
  }
  const auto program = takes("u8[8,8,3]");
  const auto r = driver::prepare_picture(*program->find("f"), 0, picture, "a.png");
  REQUIRE_FALSE(r);
  CHECK(r.errors().list[0].file == "a.png");
}

}  // namespace tenon::test
