// PNG and JPEG by their libraries: known pixels, what is refused, and what comes back from what was written.
#include <cstdlib>

#include "common/picture_bytes.h"
#include "pictures/pictures.h"
#include "unit/runtime/files.h"

using namespace tenon::runtime;
using namespace tenon::test;
using tenon::pictures::codec;
using tenon::support::Array;
using tenon::support::DType;
using tenon::support::Result;

namespace {

bool missing(PictureForm form) {
  if (codec().has(form)) return false;
  WARN("skipped: this build has no " << (form == PictureForm::png ? "libpng" : "libjpeg"));
  return true;
}

Result<Array> decoded(const std::string& bytes) {
  TENON_ASSIGN(const PictureHeader header, read_picture_header(InputFile::of_memory(bytes, "a.png")));
  return codec().decode(header, bytes, "a.png");
}

Array pattern(int64_t height, int64_t width, int64_t channels) {
  Array out(DType::u8, {height, width, channels});
  for (size_t i = 0; i < out.bytes(); ++i) out.as<uint8_t>()[i] = static_cast<uint8_t>(i * 37 + i / 11);
  return out;
}

}  // namespace

TEST_CASE("PNG of every kind has the pixels that were stored") {
  if (missing(PictureForm::png)) return;
  CHECK(*decoded(png(3, 2, png_gray, "\1\2\3\4\5\xff")) ==
        Array::of<uint8_t>({2, 3, 1}, {1, 2, 3, 4, 5, 255}));
  CHECK(*decoded(png(2, 1, png_rgb, "\1\2\3\4\5\6")) == Array::of<uint8_t>({1, 2, 3}, {1, 2, 3, 4, 5, 6}));
  // One bit and four: the largest value is white.
  CHECK(*decoded(png(3, 1, png_gray, "\xa0", 1)) == Array::of<uint8_t>({1, 3, 1}, {255, 0, 255}));
  CHECK(*decoded(png(2, 1, png_gray, "\x1f", 4)) == Array::of<uint8_t>({1, 2, 1}, {17, 255}));
  const std::string palette = png_chunk("PLTE", std::string("\1\2\3\4\5\6", 6));
  CHECK(*decoded(png(2, 1, png_palette, std::string("\1\0", 2), 8, palette)) ==
        Array::of<uint8_t>({1, 2, 3}, {4, 5, 6, 1, 2, 3}));
  // Nothing transparent: the channel says nothing.
  CHECK(*decoded(png(2, 1, png_gray_alpha, "\7\xff\x08\xff")) == Array::of<uint8_t>({1, 2, 1}, {7, 8}));
  CHECK(*decoded(png(1, 1, png_rgb_alpha, "\1\2\3\xff")) == Array::of<uint8_t>({1, 1, 3}, {1, 2, 3}));
  // Gamma and profiles change no pixel.
  const std::string gamma = png_chunk("gAMA", big32(100000));
  CHECK(*decoded(png(1, 1, png_gray, "\x40", 8, gamma)) == Array::of<uint8_t>({1, 1, 1}, {64}));
  // Filters: each row says how it is told by its neighbours (1: left, 2: above).
  CHECK(*decoded(png_of_rows(png_header(3, 2, 8, png_gray), std::string("\1\5\1\1\2\1\1\1", 8))) ==
        Array::of<uint8_t>({2, 3, 1}, {5, 6, 7, 6, 7, 8}));
  // Interlaced, 2 x 2: passes 1, 6 and 7 have pixels.
  CHECK(*decoded(png_of_rows(png_header(2, 2, 8, png_gray, 1), std::string("\0\1\0\2\0\3\4", 7))) ==
        Array::of<uint8_t>({2, 2, 1}, {1, 2, 3, 4}));
}

TEST_CASE("PNG with transparent pixels, or damaged anywhere, is refused") {
  if (missing(PictureForm::png)) return;
  const auto half = decoded(png(2, 1, png_rgb_alpha, std::string("\1\2\3\xff\4\5\6\x80", 8)));
  CHECK(failure(half) == 305);
  CHECK(contains(failure_text(half), "1 pixels are transparent"));
  CHECK(failure(decoded(png(1, 1, png_gray, "\7", 8, png_chunk("tRNS", std::string("\0\7", 2))))) == 305);
  CHECK(failure(decoded(png(1, 1, png_palette, std::string(1, '\0')))) == 302);
  const std::string good = png(16, 16, png_rgb, std::string(768, '\x55'));
  REQUIRE(decoded(good));
  for (size_t n = 0; n + 12 < good.size(); ++n) {
    CAPTURE(n);
    REQUIRE(failure(decoded(good.substr(0, n))) == 302);
  }
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    CAPTURE(at);
    // Whatever the header then says, no byte is without a check.
    REQUIRE_FALSE(decoded(bad));
  }
  // More and less data than the header says.
  CHECK(failure(decoded(png_of_rows(png_header(4, 4, 8, png_gray), std::string(10, '\0')))) == 302);
  // A bomb beside the pixels takes nothing.
  std::string text(40'000'000, 'a');
  uLongf size = compressBound(text.size());
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(text.data()),
           text.size());
  packed.resize(size);
  CHECK(decoded(png(1, 1, png_gray, "x", 8, png_chunk("zTXt", std::string("k\0\0", 3) + packed))));
}

TEST_CASE("JPEG has the values of its blocks") {
  if (missing(PictureForm::jpeg)) return;
  const int values[] = {0, 255, 128, 7, 200, 129};
  const auto r = decoded(jpeg(3, 2, {values, values + 6}));
  REQUIRE(r);
  REQUIRE(r->shape() == std::vector<int64_t>{16, 24, 1});
  for (size_t y = 0; y < 16; ++y)
    for (size_t x = 0; x < 24; ++x) REQUIRE(r->as<uint8_t>()[y * 24 + x] == values[y / 8 * 3 + x / 8]);
}

TEST_CASE("JPEG that ends early, is damaged, or has scans without end is refused") {
  if (missing(PictureForm::jpeg)) return;
  const std::string good = jpeg(4, 4, {1, 2, 3, 4, 5, 6, 7, 8, 9, 250, 11, 12, 13, 140, 15, 16});
  REQUIRE(decoded(good));
  for (size_t n = 0; n < good.size(); ++n) {
    CAPTURE(n);
    REQUIRE(failure(decoded(good.substr(0, n))) == 302);
  }
  // A progressive picture whose scans tell nothing: 2 KB that would be gone over a thousand times.
  const size_t frame = good.find("\xff\xc0"), scan = good.find("\xff\xda");
  std::string many = good;
  many[frame + 1] = '\xc2';
  many.resize(scan);
  for (int i = 0; i < 1000; ++i)
    many += jpeg_segment(0xda, std::string("\1\1\0\1\x3f\0", 6)) + std::string(2, '\0');
  const auto r = decoded(many + "\xff\xd9");
  CHECK(failure(r) == 302);
  CHECK(contains(failure_text(r), "more than 100 scans"));
}

TEST_CASE("what is written comes back") {
  for (const PictureForm form : {PictureForm::png, PictureForm::jpeg}) {
    if (missing(form)) continue;
    for (const int64_t channels : {1, 3})
      for (const auto& [height, width] : {std::pair<int64_t, int64_t>{1, 1}, {7, 5}, {16, 33}}) {
        CAPTURE(height, width, channels);
        Array picture = pattern(height, width, channels);
        // What JPEG keeps well: a slope.
        if (form == PictureForm::jpeg)
          for (int64_t i = 0; i < picture.count(); ++i)
            picture.as<uint8_t>()[static_cast<size_t>(i)] =
                static_cast<uint8_t>(40 + 3 * (i / channels % width) + 5 * (i / channels / width));
        const auto bytes = codec().encode(form, picture, "a");
        REQUIRE(bytes);
        const auto back = decoded(*bytes);
        REQUIRE(back);
        REQUIRE(back->shape() == picture.shape());
        if (form == PictureForm::png) {
          CHECK(*back == picture);
          continue;
        }
        for (size_t i = 0; i < picture.bytes(); ++i)
          REQUIRE(std::abs(int{back->as<uint8_t>()[i]} - int{picture.as<uint8_t>()[i]}) <= 4);
      }
  }
}

TEST_CASE("the pictures of Set5 read whole") {
  const char* root = std::getenv("TENON_DATA");
  if (root == nullptr) {
    WARN("skipped: the pictures of Set5 read whole (TENON_DATA is not set)");
    return;
  }
  if (missing(PictureForm::png)) return;
  const std::pair<const char*, std::vector<int64_t>> sizes[] = {{"baby", {512, 512, 3}},
                                                                {"woman", {344, 228, 3}}};
  for (const auto& [name, shape] : sizes) {
    const auto r = read_picture(std::string(root) + "/superres/Set5/" + name + ".png", &codec());
    REQUIRE(r);
    CHECK(r->shape() == shape);
  }
}
