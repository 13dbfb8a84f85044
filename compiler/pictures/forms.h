// The two forms. Each stands in a file that is built only where its library is there. libpng and libjpeg
// leave by longjmp: between setjmp and the calls below it stands nothing that a destructor would have to
// clean up.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/picture.h"

namespace tenon::pictures {

// Where each row of a picture's pixels [height, width, channels] begins, as both libraries want it told.
inline std::vector<unsigned char*> row_pointers(support::Array& pixels) {
  const auto height = static_cast<size_t>(pixels.shape()[0]);
  std::vector<unsigned char*> out(height);
  for (size_t y = 0; y < height; ++y)
    out[y] = reinterpret_cast<unsigned char*>(pixels.data()) + y * (pixels.bytes() / height);
  return out;
}

support::Result<support::Array> decode_png(const runtime::PictureHeader& header, std::string_view bytes,
                                           const std::string& path);
support::Result<std::string> encode_png(const support::Array& picture, const std::string& path);
support::Result<support::Array> decode_jpeg(const runtime::PictureHeader& header, std::string_view bytes,
                                            const std::string& path);
support::Result<std::string> encode_jpeg(const support::Array& picture, const std::string& path);

}  // namespace tenon::pictures
