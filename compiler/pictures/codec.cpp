#include "pictures/forms.h"
#include "pictures/pictures.h"

// Set by CMake to 0 or 1.
#if !defined(TENON_PNG) || !defined(TENON_JPEG)
#error "TENON_PNG and TENON_JPEG say which forms of pictures are built"
#endif

namespace tenon::pictures {

using runtime::PictureForm;
using runtime::PictureHeader;
using support::Array;
using support::Result;

namespace {

class Codec : public runtime::PictureCodec {
 public:
  bool has(PictureForm form) const override {
    return form == PictureForm::png ? TENON_PNG != 0 : TENON_JPEG != 0;
  }
  Result<Array> decode(const PictureHeader& header, std::string_view bytes,
                       const std::string& path) const override {
    TENON_TRY(runtime::check_codec(this, header.form, path));
#if TENON_PNG
    if (header.form == PictureForm::png) return decode_png(header, bytes, path);
#endif
#if TENON_JPEG
    if (header.form == PictureForm::jpeg) return decode_jpeg(header, bytes, path);
#endif
    TENON_CHECK(bytes.empty(), "a form that is there is read");
    return Array();
  }
  Result<std::string> encode(PictureForm form, const Array& picture, const std::string& path) const override {
    TENON_TRY(runtime::check_codec(this, form, path));
#if TENON_PNG
    if (form == PictureForm::png) return encode_png(picture, path);
#endif
#if TENON_JPEG
    if (form == PictureForm::jpeg) return encode_jpeg(picture, path);
#endif
    TENON_CHECK(picture.count() == 0, "a form that is there is written");
    return std::string();
  }
};

}  // namespace

const runtime::PictureCodec& codec() {
  static const Codec one;
  return one;
}

}  // namespace tenon::pictures
