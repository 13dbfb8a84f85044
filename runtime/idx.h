// IDX files, the form of MNIST: magic 00 00 type rank, big-endian 32-bit extents, then big-endian elements;
// plain or gzip. u8, i32, f32 and f64 are read in their own type (u8 pixels stay u8), i8 and i16 become i32.
// The extents are checked against the bytes that can follow before anything is allocated. T302: damaged,
// truncated, longer than declared, or of an unknown type.
#pragma once

#include <string>

#include "runtime/data.h"
#include "runtime/file.h"

namespace tenon::runtime {

support::Result<support::Array> read_idx(const std::string& path);
support::Result<support::Array> read_idx(InputFile file);

// True where the folder holds a file of images by one of the usual names.
bool is_idx_folder(const std::string& folder);
// train-images-idx3-ubyte, train-labels-idx1-ubyte, and the same with t10k- (or test-) for the held-out rows;
// also with a dot for the second dash, and each with .gz or without. Columns: `image`, as stored, and
// `label`, i32. Training files must be there (T401); test files may be missing, both of them.
support::Result<TrainTest> load_idx_folder(const std::string& folder);

}  // namespace tenon::runtime
