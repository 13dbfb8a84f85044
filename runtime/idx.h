// IDX files, the form of MNIST: magic 00 00 type rank, big-endian 32-bit extents, then big-endian elements;
// plain or gzip. u8, i32, f32 and f64 are read in their own type (u8 pixels stay u8), i8 and i16 become i32.
// The extents are checked against the bytes that can follow before anything is allocated. T302: damaged,
// truncated, longer than declared, or of an unknown type.
#pragma once

#include <string>

#include "runtime/file.h"
#include "runtime/gzip.h"
#include "runtime/source.h"

namespace tenon::runtime {

support::Result<support::Array> read_idx(const std::string& path);
support::Result<support::Array> read_idx(InputFile file);

// What a header says: the type that elements become, how many bytes each takes in the file.
struct IdxHeader {
  support::DType dtype = support::DType::u8;
  size_t stored_bytes = 1, header_bytes = 4;
  std::vector<int64_t> shape;
};
support::Result<IdxHeader> read_idx_header(ByteStream& in);
// Stored elements, most significant byte first, as elements of the header's type.
void idx_elements(const IdxHeader& header, const std::byte* stored, int64_t count, std::byte* to);

// True where the folder holds a file of images by one of the usual names.
bool is_idx_folder(const std::string& folder);
// train-images-idx3-ubyte, train-labels-idx1-ubyte, and the same with t10k- (or test-) for the held-out rows;
// also with a dot for the second dash, and each with .gz or without. Columns: `image`, as stored, and
// `label`, i32. Training files must be there (T401); test files may be missing, both of them.
support::Result<TrainTest> load_idx_folder(const std::string& folder);
// The same files, of which rows are read when they are wanted.
support::Result<Sources> open_idx_folder(const std::string& folder);
support::Result<std::shared_ptr<const Source>> open_idx(const std::string& path, const Cuts& cuts);

}  // namespace tenon::runtime
