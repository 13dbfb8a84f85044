#include "runtime/picture.h"

#include <algorithm>
#include <cstring>

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::Diagnostic;
using support::Errors;
using support::Ok;
using support::Result;
using support::Status;

namespace {

constexpr uint64_t max_pixel_bytes = uint64_t{1} << 30, max_file = uint64_t{1} << 30;
constexpr std::string_view png_magic = "\x89PNG\r\n\x1a\n", jpeg_magic = "\xff\xd8";

std::string_view form_name(PictureForm form) { return form == PictureForm::png ? "png" : "jpeg"; }

// A name in small letters.
bool ends_so(std::string_view path, std::string_view end) {
  if (path.size() <= end.size()) return false;
  path.remove_prefix(path.size() - end.size());
  return std::equal(path.begin(), path.end(), end.begin(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

class HeaderReader {
 public:
  explicit HeaderReader(const InputFile& file) : file_(file) {}

  Result<PictureHeader> read() {
    unsigned char start[8] = {};
    const size_t n = static_cast<size_t>(std::min<uint64_t>(sizeof start, file_.size()));
    TENON_TRY(file_.read(0, start, n));
    const std::string_view got(reinterpret_cast<const char*>(start), n);
    if (got == png_magic) return png();
    if (got.starts_with(jpeg_magic)) return jpeg();
    return at_file(Code::data_format, file_.path(), "the file is neither a PNG nor a JPEG picture",
                   "save it as one of these");
  }

 private:
  Diagnostic broken(PictureForm form, std::string what) const {
    return at_file(Code::data_format, file_.path(), std::string(form_name(form)) + ": " + std::move(what),
                   "the file is damaged or was not copied whole: fetch it again");
  }
  Diagnostic other_kind(PictureForm form, std::string what, std::string mend) const {
    return at_file(Code::data_shape, file_.path(), std::string(form_name(form)) + ": " + std::move(what),
                   std::move(mend));
  }
  static uint32_t big(const unsigned char* p, size_t bytes) {
    uint32_t out = 0;
    for (size_t i = 0; i < bytes; ++i) out = out << 8 | p[i];
    return out;
  }

  // `least_bits`: no file of the form describes so many pixels in fewer bits.
  Result<PictureHeader> bounded(const PictureHeader& h, uint64_t bits_a_pixel, uint64_t tightest) const {
    const auto height = static_cast<uint64_t>(h.height), width = static_cast<uint64_t>(h.width);
    const std::string size = size_text(h) + " pixels";
    if (height * width > max_pixel_bytes / static_cast<uint64_t>(h.channels))
      return other_kind(h.form, "the header declares " + size + ", pictures up to 1 GiB are read",
                        "cut or scale it");
    if ((height * width * bits_a_pixel / 8) / tightest > file_.size())
      return broken(h.form, "the header declares " + size + ", which " + std::to_string(file_.size()) +
                                " bytes cannot hold");
    return h;
  }

  Result<PictureHeader> png() const {
    constexpr PictureForm form = PictureForm::png;
    unsigned char ihdr[25];
    if (file_.size() < 8 + sizeof ihdr) return broken(form, "the header is cut off");
    TENON_TRY(file_.read(8, ihdr, sizeof ihdr));
    if (big(ihdr, 4) != 13 || std::memcmp(ihdr + 4, "IHDR", 4) != 0)
      return broken(form, "the file does not start with its header");
    const uint32_t width = big(ihdr + 8, 4), height = big(ihdr + 12, 4);
    const unsigned depth = ihdr[16], type = ihdr[17];
    const bool narrow = depth == 1 || depth == 2 || depth == 4;
    const bool known = (depth == 8 || depth == 16 || narrow) &&
                       (type == 0 || type == 2 || type == 3 || type == 4 || type == 6);
    if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX || !known ||
        (narrow && type != 0 && type != 3) || (depth == 16 && type == 3))
      return broken(form, "the header declares no picture");
    if (depth == 16)
      return other_kind(form, "16 bits a sample, pictures are read with 8", "store it with 8 bits a sample");
    PictureHeader h{form, height, width, type == 0 || type == 4 ? 1 : 3};
    static constexpr uint64_t samples[] = {1, 0, 3, 1, 2, 0, 4};
    return bounded(h, depth * samples[type], 1032);  // deflate packs no tighter
  }

  Result<PictureHeader> jpeg() const {
    constexpr PictureForm form = PictureForm::jpeg;
    constexpr int max_segments = 10000;
    uint64_t at = 2;
    for (int segment = 0; segment < max_segments; ++segment) {
      unsigned char head[4];
      if (file_.size() - at < sizeof head) return broken(form, "the header is cut off");
      TENON_TRY(file_.read(at, head, sizeof head));
      if (head[0] != 0xff) return broken(form, "the file is damaged before its header");
      const unsigned marker = head[1];
      if (marker == 0xff) {  // markers may be filled up
        ++at;
        continue;
      }
      const uint64_t length = big(head + 2, 2);
      const bool frame =
          marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
      // Without a length (restarts, a second start), or behind the header.
      if (marker <= 0x01 || (marker >= 0xd0 && marker <= 0xda) || length < 2 ||
          length > file_.size() - at - 2)
        return broken(form, "the header is missing or cut off");
      if (!frame) {
        at += 2 + length;
        continue;
      }
      unsigned char sof[6];
      if (length < 2 + sizeof sof) return broken(form, "the header is cut off");
      TENON_TRY(file_.read(at + 4, sof, sizeof sof));
      const uint32_t height = big(sof + 1, 2), width = big(sof + 3, 2);
      const unsigned components = sof[5];
      if (marker > 0xc2 || sof[0] != 8)
        return other_kind(form, "of a rare kind (lossless, arithmetic or more than 8 bits a sample)",
                          "store it as a baseline or progressive JPEG");
      if (components != 1 && components != 3)
        return other_kind(form, std::to_string(components) + " colour components, 1 or 3 are read",
                          "store it as gray or RGB");
      if (width == 0 || height == 0) return broken(form, "the header declares no picture");
      PictureHeader h{form, height, width, components};
      // A block of 64 samples takes a bit, and a component has a 16th of the picture's samples or more.
      return bounded(h, 8, 64 * 16 * 8);
    }
    return broken(form, "no header in its first " + std::to_string(max_segments) + " segments");
  }

  const InputFile& file_;
};

}  // namespace

std::optional<PictureForm> picture_form(std::string_view path) {
  if (ends_so(path, ".png")) return PictureForm::png;
  if (ends_so(path, ".jpg") || ends_so(path, ".jpeg")) return PictureForm::jpeg;
  return std::nullopt;
}

std::string size_text(const PictureHeader& header) {
  return std::to_string(header.width) + " x " + std::to_string(header.height);
}

Result<PictureHeader> read_picture_header(const InputFile& file) { return HeaderReader(file).read(); }

Status check_codec(const PictureCodec* codec, PictureForm form, const std::string& path) {
  if (codec != nullptr && codec->has(form)) return Ok{};
  const bool png = form == PictureForm::png;
  return at_file(Code::not_yet, path,
                 std::string("this build of Tenon reads and writes no ") + (png ? "PNG" : "JPEG") +
                     " pictures: " + (png ? "libpng" : "libjpeg") + " was not there when it was built",
                 std::string("apt-get install ") + (png ? "libpng-dev" : "libjpeg62-turbo-dev") +
                     ", configure and build again");
}

Result<Array> read_picture(const std::string& path, const PictureCodec* codec) {
  TENON_ASSIGN(const InputFile file, InputFile::open(path));
  TENON_ASSIGN(const PictureHeader header, read_picture_header(file));
  TENON_TRY(check_codec(codec, header.form, path));
  if (file.size() > max_file)
    return at_file(Code::file_read, path, "the file has more than " + std::to_string(max_file) + " bytes");
  std::string bytes(static_cast<size_t>(file.size()), '\0');
  TENON_TRY(file.read(0, bytes.data(), bytes.size()));
  return codec->decode(header, bytes, path);
}

Result<std::string> encode_picture(const std::string& path, const Array& picture, const PictureCodec* codec) {
  const std::optional<PictureForm> form = picture_form(path);
  TENON_CHECK(form.has_value(), path);
  TENON_TRY(check_codec(codec, *form, path));
  if (*form == PictureForm::jpeg && (picture.shape()[0] > 65500 || picture.shape()[1] > 65500))
    return at_file(Code::data_shape, path, "jpeg: a side has at most 65,500 pixels", "write a .png");
  return codec->encode(*form, picture, path);
}

}  // namespace tenon::runtime
