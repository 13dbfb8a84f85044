// Safetensors files: an 8-byte little-endian length, a JSON header naming each tensor's type, shape and byte
// range, then the bytes. Tenon keeps parameters, states and large constants in them.
//
// Reading checks everything before it allocates for a tensor: the header's length (within the file, at most
// 100 MB), its JSON (the form below and nothing else, no name twice), extents whose product matches the
// range, and ranges that cover the data without gap or overlap. T403: broken in any of these, or truncated;
// T401, T405 as file.h. f8 types, which Tenon does not know, are T403 by name; every type of support/dtype.h
// is read and written. Writing is atomic (T404); the tensors stand in order of falling element size, then by
// name, so each is aligned.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "runtime/file.h"
#include "support/array.h"

namespace tenon::runtime {

struct Tensors {
  std::map<std::string, support::Array> arrays;
  std::map<std::string, std::string> metadata;
};

support::Result<Tensors> read_safetensors(const std::string& path);
support::Result<Tensors> read_safetensors(const InputFile& file);

// Names and values to write, without copying the arrays. A name or metadata key that is not UTF-8, or the
// name
// `__metadata__`, is refused (T403).
struct TensorView {
  std::string name;
  support::DType dtype = support::DType::f32;
  std::vector<int64_t> shape;
  std::string_view bytes;
};
support::Status write_safetensors(const std::string& path, std::vector<TensorView> tensors,
                                  const std::map<std::string, std::string>& metadata = {});
support::Status write_safetensors(const std::string& path, const Tensors& tensors);

}  // namespace tenon::runtime
