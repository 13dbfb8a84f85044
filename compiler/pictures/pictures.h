// The codec of pictures that this build has: PNG where libpng was found when configuring, JPEG where libjpeg
// was. What it reads and refuses stands in runtime/picture.h. JPEGs are decoded with the slow and exact
// transform, whose bits do not depend on the processor, and written at quality 95 without subsampling.
#pragma once

#include "runtime/picture.h"

namespace tenon::pictures {

const runtime::PictureCodec& codec();

}  // namespace tenon::pictures
