// NumPy's .npy files, format versions 1, 2 and 3. Read: f64, f32, i64, i32, u32, u8 and bool, either byte
// order (converted), C or Fortran order (rearranged to row-major). Written: little-endian, C order,
// version 1.0, or 2.0 where the header is longer than 65,535 bytes.
//
// Everything the header declares is checked before anything is allocated: its length, the rank (at most 32),
// and the product of the extents against the bytes that follow, which must match exactly. T302: not an npy
// file, damaged, truncated, or of a type that holds no numbers (pickled objects, text, records, complex).
// T111: a number type that Tenon declares and does not compute with yet.
#pragma once

#include <string>
#include <string_view>

#include "runtime/file.h"
#include "runtime/source.h"

namespace tenon::runtime {

support::Result<support::Array> read_npy(const std::string& path);
support::Result<support::Array> read_npy(const InputFile& file);
// Files as columns, by name and path, of which rows are read when they are wanted. T610 where one is stored
// in Fortran order, whose rows lie scattered.
struct NpyColumn {
  std::string name, path;
};
support::Result<std::shared_ptr<const Source>> open_npy(const std::vector<NpyColumn>& files,
                                                        const Cuts& cuts);
// Written atomically (T404).
support::Status write_npy(const std::string& path, const support::Array& array);
// The bytes in front of the data.
support::Result<std::string> npy_header(const support::Array& array);

}  // namespace tenon::runtime
