// C API: versions, errors, texts, arrays.
#include "driver/c_api/c_api.h"

#include <cstdlib>
#include <cstring>
#include <exception>

#include "pictures/pictures.h"
#include "runtime/npy.h"
#include "support/bytes.h"

namespace tenon::driver::c_api {

tenon_status report(tenon_error** error, Errors errors) noexcept {
  const auto code = static_cast<tenon_status>(code_number(errors.code()));
  if (error == nullptr) return code;
  try {
    std::string text = errors.text();
    *error = new tenon_error{std::move(errors), std::move(text)};
  } catch (...) {
    *error = nullptr;  // no memory for the words; the number stands
  }
  return code;
}

tenon_status report_caught(tenon_error** error) noexcept {
  try {
    try {
      throw;
    } catch (const std::bad_alloc&) {
      return report(error, out_of_memory());
    } catch (const InternalError& e) {
      return report(error, support::error(Code::internal, e.message));
    } catch (const std::exception& e) {
      return report(error, support::error(Code::internal, e.what()));
    } catch (...) {
      return report(error, support::error(Code::internal, "an unknown exception"));
    }
  } catch (...) {  // no memory for the words; the number stands
    if (error != nullptr) *error = nullptr;
    return static_cast<tenon_status>(code_number(Code::memory));
  }
}

Errors null_argument(std::string_view name) {
  return error(Code::null_argument, std::string(name) + " is NULL");
}

char* give_text(std::string_view text) {
  char* out = static_cast<char*>(std::malloc(text.size() + 1));
  if (out == nullptr) throw std::bad_alloc();
  copy_bytes(out, text.data(), text.size());
  out[text.size()] = '\0';
  return out;
}

DType dtype_of_c(tenon_dtype dtype) { return static_cast<DType>(dtype); }

// The C numbers are the C++ ones.
static_assert(TENON_F64 == static_cast<int>(DType::f64) && TENON_F32 == static_cast<int>(DType::f32) &&
              TENON_I32 == static_cast<int>(DType::i32) && TENON_U8 == static_cast<int>(DType::u8) &&
              TENON_U32 == static_cast<int>(DType::u32) && TENON_BOOL == static_cast<int>(DType::bool_) &&
              static_cast<int>(TENON_BOOL) + 1 == static_cast<int>(dtype_count));

Result<std::vector<int64_t>> shape_of(const tenon_tensor& tensor) {
  if (tensor.dtype < 0 || static_cast<size_t>(tensor.dtype) >= dtype_count)
    return error(Code::dtype_mismatch,
                 "a tensor's dtype is no element type: " + std::to_string(static_cast<int>(tensor.dtype)));
  const DType dtype = dtype_of_c(tensor.dtype);
  if (!dtype_computes(dtype))
    return error(Code::dtype_unsupported,
                 std::string(dtype_name(dtype)) + " is declared, but does not compute in this version");
  if (tensor.rank > max_tensor_rank)
    return error(Code::rank_mismatch, "a tensor has rank " + std::to_string(tensor.rank) + ", at most 8");
  if (tensor.rank != 0 && tensor.shape == nullptr) return null_argument("a tensor's shape");
  std::vector<int64_t> shape(tensor.shape, tensor.shape + tensor.rank);
  int64_t count = 0, bytes = 0;
  if (!checked_bytes(dtype, shape, &count, &bytes))
    return error(Code::data_shape, "a tensor's extents are negative or too large");
  if (bytes != 0 && tensor.data == nullptr) return null_argument("a tensor's data");
  return shape;
}

Result<Array> array_of(const tenon_tensor& tensor) {
  TENON_ASSIGN(std::vector<int64_t> shape, shape_of(tensor));
  Array out(dtype_of_c(tensor.dtype), std::move(shape));
  copy_bytes(out.data(), tensor.data, out.bytes());
  return out;
}

}  // namespace tenon::driver::c_api

using namespace tenon::driver;
using namespace tenon::driver::c_api;

namespace {
const Diagnostic* part(const tenon_error* e, uint32_t index) {
  return e != nullptr && index < e->errors.list.size() ? &e->errors.list[index] : nullptr;
}
}  // namespace

extern "C" {

uint32_t tenon_api_version(void) { return TENON_API_VERSION; }
const char* tenon_version(void) { return "0.1.0"; }
void tenon_text_free(char* text) { std::free(text); }

const char* tenon_code_meaning(int32_t code) {
  switch (code) {
#define X(name, number, text) \
  case number:                \
    return text;
    TENON_ERROR_CODES(X)
#undef X
    default:
      return nullptr;
  }
}

void tenon_error_free(tenon_error* error) { delete error; }
int32_t tenon_error_code(const tenon_error* error) {
  return error == nullptr ? 0 : code_number(error->errors.code());
}
uint32_t tenon_error_count(const tenon_error* error) {
  return error == nullptr ? 0 : static_cast<uint32_t>(error->errors.list.size());
}
const char* tenon_error_text(const tenon_error* error) { return error == nullptr ? "" : error->text.c_str(); }
const char* tenon_error_message(const tenon_error* error, uint32_t index) {
  const Diagnostic* d = part(error, index);
  return d == nullptr ? "" : d->message.c_str();
}
const char* tenon_error_help(const tenon_error* error, uint32_t index) {
  const Diagnostic* d = part(error, index);
  return d == nullptr ? "" : d->help.c_str();
}
const char* tenon_error_file(const tenon_error* error, uint32_t index) {
  const Diagnostic* d = part(error, index);
  return d == nullptr ? "" : d->file.c_str();
}
uint32_t tenon_error_line(const tenon_error* error, uint32_t index) {
  const Diagnostic* d = part(error, index);
  return d == nullptr ? 0 : d->line;
}
uint32_t tenon_error_column(const tenon_error* error, uint32_t index) {
  const Diagnostic* d = part(error, index);
  return d == nullptr ? 0 : d->column;
}

tenon_status tenon_array_new(const tenon_tensor* tensor, tenon_array** array, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(tensor);
    TENON_NEED(array);
    TENON_ASSIGN(Array copy, array_of(*tensor));
    *array = new tenon_array{std::make_shared<const Array>(std::move(copy))};
    return Ok{};
  });
}
void tenon_array_free(tenon_array* array) { delete array; }
tenon_tensor tenon_array_view(const tenon_array* array) {
  if (array == nullptr) return {nullptr, TENON_F32, 0, nullptr};
  const Array& a = *array->array;
  return {const_cast<std::byte*>(a.data()), static_cast<tenon_dtype>(a.dtype()),
          static_cast<uint32_t>(a.rank()), a.shape().data()};
}
tenon_status tenon_array_load(const char* path, tenon_array** array, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(path);
    TENON_NEED(array);
    TENON_ASSIGN(Array read, tenon::runtime::read_npy(std::string(path)));
    *array = new tenon_array{std::make_shared<const Array>(std::move(read))};
    return Ok{};
  });
}
tenon_status tenon_picture_load(const char* path, tenon_array** array, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(path);
    TENON_NEED(array);
    TENON_ASSIGN(Array read, tenon::runtime::read_picture(path, &tenon::pictures::codec()));
    *array = new tenon_array{std::make_shared<const Array>(std::move(read))};
    return Ok{};
  });
}
tenon_status tenon_picture_save(const tenon_array* array, const char* path, uint32_t columns,
                                tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(array);
    TENON_NEED(path);
    if (!tenon::runtime::picture_form(path))
      return tenon::runtime::at_file(Code::bad_option, path,
                                     "the name of a picture ends in .png, .jpg or .jpeg");
    TENON_ASSIGN(const Array picture, tenon::runtime::picture_of(*array->array, columns, "the array"));
    TENON_ASSIGN(const std::string bytes,
                 tenon::runtime::encode_picture(path, picture, &tenon::pictures::codec()));
    return tenon::runtime::write_file_atomic(path, bytes);
  });
}
tenon_status tenon_array_save(const tenon_array* array, const char* path, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(array);
    TENON_NEED(path);
    return tenon::runtime::write_npy(path, *array->array);
  });
}

}  // extern "C"
