// Pictures: arrays u8 [height, width, channels] with 1 channel (gray) or 3 (red, green, blue), and the PNG
// and JPEG files that hold them. Pixels are the bytes as stored: profiles, gamma and Exif's orientation are
// not applied. Gray from colours is 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601), rounded; colours
// from gray are three times the same.
//
// Headers are read here, and what they declare is held against the file before anything is allocated for it.
// Compressing and decompressing takes libpng and libjpeg, which nothing below the driver links: a
// PictureCodec that has them is lent by the caller.
// T302: damaged, truncated, or neither of both. T305: of a kind that would lose something (16 bits a sample,
// transparent pixels, four inks) or too large. T505: this build lacks the library.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/file.h"
#include "support/array.h"

namespace tenon::runtime {

enum class PictureForm : uint8_t { png, jpeg };
// By the end of a name: .png, .jpg, .jpeg, in capitals or not.
std::optional<PictureForm> picture_form(std::string_view path);

struct PictureHeader {
  PictureForm form = PictureForm::png;
  int64_t height = 0, width = 0, channels = 1;
};
// By the file's first bytes, whatever its name.
support::Result<PictureHeader> read_picture_header(const InputFile& file);
// "32 x 48" (width x height), as people say it.
std::string size_text(const PictureHeader& header);

class PictureCodec {
 public:
  virtual ~PictureCodec() = default;
  virtual bool has(PictureForm form) const = 0;
  // A file of a header that was checked; `path` is for errors.
  virtual support::Result<support::Array> decode(const PictureHeader& header, std::string_view bytes,
                                                 const std::string& path) const = 0;
  virtual support::Result<std::string> encode(PictureForm form, const support::Array& picture,
                                              const std::string& path) const = 0;
};
// T505 where the codec (null: none) lacks the form.
support::Status check_codec(const PictureCodec* codec, PictureForm form, const std::string& path);

support::Result<support::Array> read_picture(const std::string& path, const PictureCodec* codec);
// The bytes of a file, in the form that its name tells.
support::Result<std::string> encode_picture(const std::string& path, const support::Array& picture,
                                            const PictureCodec* codec);

// u8 [..., channels] with another number of channels, 1 or 3.
support::Array with_channels(const support::Array& pixels, int64_t channels);

// A value as a picture. u8 as it is, floats from 0 to 1 as 255 times that, rounded; [h,w], [h,w,1] and
// [h,w,3] are one, [n,h,w], [n,h,w,1] and [n,h,w,3] a sheet of n in rows of `columns` (0: as many as make it
// about square), two white pixels apart. A rank of 3 is one picture where its last extent is 1 or 3.
// T305: another shape or type. T304: a float outside 0..1.
support::Result<support::Array> picture_of(const support::Array& value, int64_t columns,
                                           const std::string& name);

}  // namespace tenon::runtime
