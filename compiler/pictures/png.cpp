// PNG by libpng. Chunks beside the pixels, palette and transparency are not looked at: what they say of
// colours is not applied, and what they hold takes no memory.
#include <png.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "pictures/forms.h"

namespace tenon::pictures {

using runtime::at_file;
using runtime::PictureHeader;
using support::Array;
using support::Code;
using support::DType;
using support::Result;

namespace {

// Of a call into libpng: what it reads or writes, and why it ended.
struct Work {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const char* from = nullptr;
  size_t left = 0;
  std::string* to = nullptr;
  char why[160] = "no memory";
};

void fail(png_structp png, png_const_charp text) {
  auto* work = static_cast<Work*>(png_get_error_ptr(png));
  std::snprintf(work->why, sizeof work->why, "%s", text);
  png_longjmp(png, 1);
}
void ignore(png_structp, png_const_charp) {}

void give_bytes(png_structp png, png_bytep to, size_t bytes) {
  auto* work = static_cast<Work*>(png_get_io_ptr(png));
  if (bytes > work->left) png_error(png, "the data ends in the middle");
  std::memcpy(to, work->from, bytes);
  work->from += bytes;
  work->left -= bytes;
}
void take_bytes(png_structp png, png_bytep from, size_t bytes) {
  auto* work = static_cast<Work*>(png_get_io_ptr(png));
  bool taken = true;
  try {
    work->to->append(reinterpret_cast<const char*>(from), bytes);
  } catch (...) {
    taken = false;
  }
  if (!taken) png_error(png, "no memory");
}
void flush(png_structp) {}

struct Reading : Work {
  Reading() {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, static_cast<Work*>(this), fail, ignore);
    if (png != nullptr) info = png_create_info_struct(png);
  }
  ~Reading() { png_destroy_read_struct(&png, &info, nullptr); }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
};
struct Writing : Work {
  Writing() {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, static_cast<Work*>(this), fail, ignore);
    if (png != nullptr) info = png_create_info_struct(png);
  }
  ~Writing() { png_destroy_write_struct(&png, &info); }
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
};

// Up to the pixels, which will come with 8 bits a sample, and with alpha where some may be transparent.
bool read_info(Work& work, png_uint_32 width, png_uint_32 height) {
  if (setjmp(png_jmpbuf(work.png)) != 0) return false;
  png_set_read_fn(work.png, &work, give_bytes);
  png_set_user_limits(work.png, width, height);
  png_set_keep_unknown_chunks(work.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_set_crc_action(work.png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_benign_errors(work.png, 0);
  png_read_info(work.png, work.info);
  png_set_expand(work.png);
  png_set_interlace_handling(work.png);
  png_read_update_info(work.png, work.info);
  return true;
}
bool read_rows(Work& work, png_bytepp rows) {
  if (setjmp(png_jmpbuf(work.png)) != 0) return false;
  png_read_image(work.png, rows);
  png_read_end(work.png, nullptr);
  return true;
}
bool write_rows(Work& work, png_uint_32 width, png_uint_32 height, int colour, png_bytepp rows) {
  if (setjmp(png_jmpbuf(work.png)) != 0) return false;
  png_set_write_fn(work.png, &work, take_bytes, flush);
  png_set_user_limits(work.png, 0x7fffffff, 0x7fffffff);
  png_set_IHDR(work.png, work.info, width, height, 8, colour, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(work.png, work.info);
  png_write_image(work.png, rows);
  png_write_end(work.png, nullptr);
  return true;
}

}  // namespace

Result<Array> decode_png(const PictureHeader& header, std::string_view bytes, const std::string& path) {
  Reading work;
  work.from = bytes.data();
  work.left = bytes.size();
  auto broken = [&] {
    return at_file(Code::data_format, path, std::string("png: ") + work.why,
                   "the file is damaged or was not copied whole: fetch it again");
  };
  if (work.png == nullptr || work.info == nullptr) return support::out_of_memory();
  if (!read_info(work, static_cast<png_uint_32>(header.width), static_cast<png_uint_32>(header.height)))
    return broken();
  const int64_t channels = png_get_channels(work.png, work.info);
  TENON_CHECK(png_get_bit_depth(work.png, work.info) == 8 && channels - header.channels >= 0 &&
                  channels - header.channels <= 1,
              path);
  Array read(DType::u8, {header.height, header.width, channels});
  std::vector<unsigned char*> rows = row_pointers(read);
  if (!read_rows(work, rows.data())) return broken();
  if (channels == header.channels) return read;
  Array out(DType::u8, {header.height, header.width, header.channels});
  const uint8_t* from = read.as<uint8_t>().data();
  uint8_t* to = out.as<uint8_t>().data();
  int64_t transparent = 0;
  for (int64_t pixel = 0; pixel < header.height * header.width; ++pixel) {
    for (int64_t c = 0; c < header.channels; ++c) *to++ = *from++;
    transparent += *from++ != 255;
  }
  if (transparent == 0) return out;
  return at_file(Code::data_shape, path,
                 "png: " + std::to_string(transparent) +
                     " pixels are transparent, what shows through them is "
                     "not said",
                 "put it on a background and store it without transparency");
}

Result<std::string> encode_png(const Array& picture, const std::string& path) {
  Writing work;
  std::string out;
  work.to = &out;
  if (work.png == nullptr || work.info == nullptr) return support::out_of_memory();
  // libpng wants pointers to what it only reads.
  std::vector<unsigned char*> rows = row_pointers(const_cast<Array&>(picture));
  if (!write_rows(work, static_cast<png_uint_32>(picture.shape()[1]),
                  static_cast<png_uint_32>(picture.shape()[0]),
                  picture.shape()[2] == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, rows.data()))
    return at_file(Code::data_shape, path, std::string("png: ") + work.why);
  return out;
}

}  // namespace tenon::pictures
