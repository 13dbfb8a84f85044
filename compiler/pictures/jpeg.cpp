// JPEG by libjpeg. What the library only warns of (data that ends early, is damaged, or is not used) is an
// error.
#include <cstddef>
#include <cstdio>
#include <cstdlib>
// libjpeg's header wants the two above.
#include <jpeglib.h>
#include <setjmp.h>

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

constexpr int quality = 95;
// Each scan goes over the whole picture: a small file of many would take hours.
constexpr int max_scans = 100;

struct Failing {
  jpeg_error_mgr manager;  // first: the library gives a pointer to it
  jmp_buf back;
  char why[JMSG_LENGTH_MAX];
  int max_scans;
};

void fail(j_common_ptr info) {
  auto* failing = reinterpret_cast<Failing*>(info->err);
  info->err->format_message(info, failing->why);
  longjmp(failing->back, 1);
}
void warn(j_common_ptr info, int level) {
  if (level >= 0) return;
  if (info->err->num_warnings++ == 0)
    info->err->format_message(info, reinterpret_cast<Failing*>(info->err)->why);
}
void say_nothing(j_common_ptr) {}
void watch(j_common_ptr info) {
  auto* failing = reinterpret_cast<Failing*>(info->err);
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= failing->max_scans) return;
  std::snprintf(failing->why, sizeof failing->why, "more than %d scans", failing->max_scans);
  longjmp(failing->back, 1);
}

void begin(Failing& failing) {
  jpeg_std_error(&failing.manager);
  failing.manager.error_exit = fail;
  failing.manager.emit_message = warn;
  failing.manager.output_message = say_nothing;
  failing.max_scans = max_scans;
  std::snprintf(failing.why, sizeof failing.why, "no memory");
}

// A library's struct, which is destroyed whatever it came to.
struct Decompress {
  Failing failing;
  jpeg_progress_mgr progress{};
  jpeg_decompress_struct info{};
  ~Decompress() { jpeg_destroy_decompress(&info); }
};
struct Compress {
  Failing failing;
  jpeg_compress_struct info{};
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  ~Compress() {
    jpeg_destroy_compress(&info);
    std::free(bytes);
  }
};

bool read_rows(Decompress& d, std::string_view bytes, const PictureHeader& header, JSAMPARRAY rows) {
  if (setjmp(d.failing.back) != 0) return false;
  jpeg_create_decompress(&d.info);
  d.progress.progress_monitor = watch;
  d.info.progress = &d.progress;
  jpeg_mem_src(&d.info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&d.info, TRUE);
  if (d.info.image_width != header.width || d.info.image_height != header.height) {
    std::snprintf(d.failing.why, sizeof d.failing.why, "it has two headers that differ");
    return false;
  }
  d.info.out_color_space = header.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  d.info.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&d.info);
  while (d.info.output_scanline < d.info.output_height)
    jpeg_read_scanlines(&d.info, rows + d.info.output_scanline,
                        d.info.output_height - d.info.output_scanline);
  jpeg_finish_decompress(&d.info);
  return d.failing.manager.num_warnings == 0;
}

bool write_rows(Compress& c, JDIMENSION width, JDIMENSION height, int channels, JSAMPARRAY rows) {
  if (setjmp(c.failing.back) != 0) return false;
  jpeg_create_compress(&c.info);
  jpeg_mem_dest(&c.info, &c.bytes, &c.size);
  c.info.image_width = width;
  c.info.image_height = height;
  c.info.input_components = channels;
  c.info.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&c.info);
  jpeg_set_quality(&c.info, quality, TRUE);
  c.info.comp_info[0].h_samp_factor = c.info.comp_info[0].v_samp_factor = 1;
  c.info.dct_method = JDCT_ISLOW;
  c.info.optimize_coding = TRUE;
  jpeg_start_compress(&c.info, TRUE);
  while (c.info.next_scanline < c.info.image_height)
    jpeg_write_scanlines(&c.info, rows + c.info.next_scanline, c.info.image_height - c.info.next_scanline);
  jpeg_finish_compress(&c.info);
  return true;
}

}  // namespace

Result<Array> decode_jpeg(const PictureHeader& header, std::string_view bytes, const std::string& path) {
  Array out(DType::u8, {header.height, header.width, header.channels});
  std::vector<unsigned char*> rows = row_pointers(out);
  Decompress d;
  begin(d.failing);
  d.info.err = &d.failing.manager;
  if (!read_rows(d, bytes, header, rows.data()))
    return at_file(Code::data_format, path, std::string("jpeg: ") + d.failing.why,
                   "the file is damaged or was not copied whole: fetch it again");
  return out;
}

Result<std::string> encode_jpeg(const Array& picture, const std::string& path) {
  std::vector<unsigned char*> rows = row_pointers(const_cast<Array&>(picture));
  Compress c;
  begin(c.failing);
  c.info.err = &c.failing.manager;
  if (!write_rows(c, static_cast<JDIMENSION>(picture.shape()[1]), static_cast<JDIMENSION>(picture.shape()[0]),
                  static_cast<int>(picture.shape()[2]), rows.data()))
    return at_file(Code::data_shape, path, std::string("jpeg: ") + c.failing.why);
  return std::string(reinterpret_cast<const char*>(c.bytes), c.size);
}

}  // namespace tenon::pictures
