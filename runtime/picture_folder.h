// Folders of pictures (runtime/picture.h) as rows: a flat folder, or a folder with one for each class.
//
// Columns: `image` u8 [rows, height, width, channels], with 3 channels where any of the pictures has colours;
// where there are classes also `label` i32, the position of the sub-folder among all, in the order of their
// names. A folder that holds `train` and at most `test` beside it is taken as two of these. Files of other
// kinds and hidden ones are passed over, but what is a picture of a form that is not read is refused.
// Pictures are decoded when they are read, so that only those asked for take memory; the header of each is
// read when the folder is opened.
// T305: pictures of different sizes. T301: a folder, or a class, without pictures. T302, T505: see picture.h.
// T304: a sub-folder of `test` that is none of the classes.
#pragma once

#include <string>
#include <vector>

#include "runtime/picture.h"
#include "runtime/source.h"

namespace tenon::runtime {

// True where the folder, or a folder in it, or in its `train`, holds a picture.
bool is_picture_folder(const std::string& folder);
// `classes`: the sub-folders' names in the order of their numbers, where they are settled (by weights that
// were trained on them); empty: as they are found. The codec must outlive the sources.
support::Result<Sources> open_picture_folder(const std::string& folder, const PictureCodec* codec,
                                             const std::vector<std::string>& classes = {});

}  // namespace tenon::runtime
