#include "runtime/picture.h"

#include <limits>

#include "common/picture_bytes.h"
#include "files.h"

using namespace tenon::runtime;
using namespace tenon::test;
using tenon::support::Array;
using tenon::support::DType;

namespace {

auto header(const std::string& bytes) { return read_picture_header(InputFile::of_memory(bytes, "a.png")); }

// A codec that has nothing, and one that lends its bytes as they are.
struct Empty : PictureCodec {
  bool has(PictureForm) const override { return false; }
  tenon::support::Result<Array> decode(const PictureHeader&, std::string_view,
                                       const std::string&) const override {
    return Array();
  }
  tenon::support::Result<std::string> encode(PictureForm, const Array&, const std::string&) const override {
    return std::string();
  }
};

}  // namespace

TEST_CASE("headers of PNG and JPEG tell form, size and channels") {
  const struct {
    std::string bytes;
    PictureForm form;
    int64_t height, width, channels;
  } cases[] = {{png(3, 2, png_gray, std::string(6, 'x')), PictureForm::png, 2, 3, 1},
               {png(3, 2, png_rgb, std::string(18, 'x')), PictureForm::png, 2, 3, 3},
               {png(3, 2, png_palette, std::string(6, '\0')), PictureForm::png, 2, 3, 3},
               {png(3, 2, png_gray_alpha, std::string(12, 'x')), PictureForm::png, 2, 3, 1},
               {png(3, 2, png_rgb_alpha, std::string(24, 'x')), PictureForm::png, 2, 3, 3},
               {png(3, 2, png_gray, std::string(2, 'x'), 1), PictureForm::png, 2, 3, 1},
               {jpeg(2, 1, {7, 200}), PictureForm::jpeg, 8, 16, 1},
               // Behind a comment, filled up with 0xff.
               {jpeg(2, 1, {7, 200}, jpeg_segment(0xfe, std::string(300, 'c')) + "\xff\xff"),
                PictureForm::jpeg, 8, 16, 1}};
  for (const auto& c : cases) {
    const auto h = header(c.bytes);
    REQUIRE(h);
    CHECK(h->form == c.form);
    CHECK(h->height == c.height);
    CHECK(h->width == c.width);
    CHECK(h->channels == c.channels);
  }
  const auto colours = header("\xff\xd8" + jpeg_frame(5, 6, 3, 0xc2) + std::string(100, 'x'));
  REQUIRE(colours);
  CHECK(colours->channels == 3);
  CHECK(size_text(*colours) == "5 x 6");
}

TEST_CASE("what no picture is, what is cut off, and sizes that no file holds are refused before allocating") {
  CHECK(failure(header("")) == 302);
  CHECK(failure(header("GIF89a")) == 302);
  const std::string good = png(3, 2, png_gray, std::string(6, 'x')), jpg = jpeg(1, 1, {9});
  for (size_t n = 0; n < 33; ++n) CHECK(failure(header(good.substr(0, n))) == 302);
  const size_t frame = jpg.find("\xff\xc0");
  for (size_t n = 0; n < frame + 10; ++n) CHECK(failure(header(jpg.substr(0, n))) == 302);
  // 2^31-1 pixels a side in 60 bytes; what 1 GiB does not hold, in a file that might.
  CHECK(failure(header(png_header(0x7fffffff, 0x7fffffff, 8, png_rgb))) == 305);
  CHECK(failure(header(png_header(30000, 30000, 8, png_gray))) == 302);
  CHECK(contains(failure_text(header(png_header(30000, 30000, 8, png_gray))), "bytes cannot hold"));
  CHECK(failure(header(png_header(0, 4, 8, png_gray))) == 302);
  CHECK(failure(header(png_header(4, 0x80000000u, 8, png_gray))) == 302);
  CHECK(failure(header(png_header(4, 4, 8, 1))) == 302);
  CHECK(failure(header(png_header(4, 4, 4, png_rgb))) == 302);
  CHECK(failure(header(png_header(4, 4, 16, png_rgb) + std::string(100, 'x'))) == 305);
  CHECK(failure(header("\xff\xd8" + jpeg_frame(65535, 65535))) == 305);
  CHECK(failure(header("\xff\xd8" + jpeg_frame(20000, 20000))) == 302);
  CHECK(failure(header("\xff\xd8" + jpeg_frame(0, 8) + std::string(99, 'x'))) == 302);
  CHECK(failure(header("\xff\xd8" + jpeg_frame(8, 8, 4) + std::string(99, 'x'))) == 305);
  CHECK(failure(header("\xff\xd8" + jpeg_frame(8, 8, 1, 0xc9) + std::string(99, 'x'))) == 305);
  CHECK(failure(header("\xff\xd8\xff\xd9" + std::string(99, 'x'))) == 302);
  // Segments without end.
  std::string many = "\xff\xd8";
  for (int i = 0; i < 20000; ++i) many += jpeg_segment(0xfe, "");
  CHECK(failure(header(many)) == 302);
}

TEST_CASE("a build without a library says so by its name, and reads no further") {
  Folder f;
  put_file(f / "a.png", png(1, 1, png_gray, "x"));
  put_file(f / "a.jpg", jpeg(1, 1, {1}));
  const Empty empty;
  for (const PictureCodec* codec :
       {static_cast<const PictureCodec*>(nullptr), static_cast<const PictureCodec*>(&empty)}) {
    CHECK(failure(read_picture(f / "a.png", codec)) == 505);
    CHECK(contains(failure_text(read_picture(f / "a.png", codec)), "libpng"));
    CHECK(contains(failure_text(read_picture(f / "a.jpg", codec)), "libjpeg62-turbo-dev"));
    CHECK(failure(encode_picture("b.PNG", Array(DType::u8, {1, 1, 1}), codec)) == 505);
  }
  CHECK(picture_form("x.JPeG") == PictureForm::jpeg);
  CHECK_FALSE(picture_form("png").has_value());
  CHECK_FALSE(picture_form(".png").has_value());
  CHECK_FALSE(picture_form("x.png.npy").has_value());
}

TEST_CASE("gray from colours by BT.601, and back to what it was") {
  const Array rgb = Array::of<uint8_t>({5, 3}, {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 1, 2, 3});
  // 76.245, 149.685, 29.07, 255, 1.815
  CHECK(with_channels(rgb, 1) == Array::of<uint8_t>({5, 1}, {76, 150, 29, 255, 2}));
  Array gray(DType::u8, {256, 1});
  for (size_t i = 0; i < 256; ++i) gray.as<uint8_t>()[i] = static_cast<uint8_t>(i);
  CHECK(with_channels(with_channels(gray, 3), 1) == gray);
  CHECK(with_channels(gray, 3).as<uint8_t>()[3 * 77 + 1] == 77);
}

TEST_CASE("values become pictures, batches sheets") {
  const Array flat = Array::of<uint8_t>({2, 3}, {1, 2, 3, 4, 5, 6});
  auto one = picture_of(flat, 0, "x");
  REQUIRE(one);
  CHECK(*one == Array::of<uint8_t>({2, 3, 1}, {1, 2, 3, 4, 5, 6}));
  // 0.5 * 255 = 127.5 is rounded up; every byte comes back from its 255th.
  const Array floats = Array::of<float>({1, 2, 2, 1}, {0, 0.5f, 1, 1.0f / 255});
  one = picture_of(floats, 0, "x");
  REQUIRE(one);
  CHECK(*one == Array::of<uint8_t>({2, 2, 1}, {0, 128, 255, 1}));
  for (int v = 0; v < 256; ++v) {
    const auto again = picture_of(Array::of<float>({1, 1}, {static_cast<float>(v) / 255}), 0, "x");
    REQUIRE(again);
    REQUIRE(again->as<uint8_t>()[0] == v);
  }
  CHECK(picture_of(Array::of<double>({1, 1, 3}, {0, 1, 1}), 0, "x")->shape() ==
        std::vector<int64_t>{1, 1, 3});
  // Three of 1 x 2 in two columns: white between, and where the fourth would be.
  const Array batch = Array::of<uint8_t>({3, 1, 2, 1}, {1, 2, 3, 4, 5, 6});
  auto sheet = picture_of(batch, 2, "x");
  REQUIRE(sheet);
  constexpr uint8_t w = 255;
  CHECK(*sheet == Array::of<uint8_t>({4, 6, 1}, {1, 2, w, w, 3, 4,  //
                                                 w, w, w, w, w, w,  //
                                                 w, w, w, w, w, w,  //
                                                 5, 6, w, w, w, w}));
  CHECK(picture_of(batch, 0, "x")->shape() == std::vector<int64_t>{4, 6, 1});
  CHECK(picture_of(batch, 9, "x")->shape() == std::vector<int64_t>{1, 10, 1});
  CHECK(picture_of(Array(DType::u8, {5, 4, 4}), 5, "x")->shape() == std::vector<int64_t>{4, 28, 1});
  CHECK(picture_of(Array(DType::u8, {5, 4, 3}), 0, "x")->shape() == std::vector<int64_t>{5, 4, 3});
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{}, {4}, {2, 4, 4, 2}, {1, 2, 4, 4, 3}, {0, 4, 4, 3}, {4, 0}})
    CHECK(failure(picture_of(Array(DType::u8, shape), 0, "x")) == 305);
  CHECK(failure(picture_of(Array(DType::i32, {4, 4}), 0, "x")) == 305);
  for (const float v : {-0.01f, 1.01f, std::numeric_limits<float>::quiet_NaN()}) {
    const auto bad = picture_of(Array::of<float>({2, 2}, {0, 1, v, 0}), 0, "y");
    CHECK(failure(bad) == 304);
    CHECK(contains(failure_text(bad), "y as a picture: element [1,0]"));
  }
  CHECK(failure(picture_of(Array(DType::u8, {1, 40000, 1}), 0, "x")) == 0);
}
