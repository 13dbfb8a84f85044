// Values as pictures, and pictures with other channels.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/picture.h"
#include "support/text.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::DType;
using support::error;
using support::Result;

Array with_channels(const Array& pixels, int64_t channels) {
  std::vector<int64_t> shape = pixels.shape();
  const int64_t from = shape.back();
  TENON_CHECK((from == 1 || from == 3) && (channels == 1 || channels == 3), "channels of pictures");
  if (from == channels) return pixels;
  shape.back() = channels;
  Array out(DType::u8, std::move(shape));
  const std::span<const uint8_t> p = pixels.as<uint8_t>();
  const std::span<uint8_t> to = out.as<uint8_t>();
  if (channels == 3) {
    for (size_t i = 0; i < to.size(); ++i) to[i] = p[i / 3];
    return out;
  }
  // Weights of 65,536 that add up to it: what is gray stays what it is.
  for (size_t i = 0; i < to.size(); ++i)
    to[i] = static_cast<uint8_t>(
        (19595u * p[3 * i] + 38470u * p[3 * i + 1] + 7471u * p[3 * i + 2] + 32768u) >> 16);
  return out;
}

namespace {

std::string type_text(const Array& value) {
  std::string out(support::dtype_name(value.dtype()));
  for (size_t d = 0; d < value.rank(); ++d) out += (d == 0 ? "[" : ",") + std::to_string(value.shape()[d]);
  return out + (value.rank() == 0 ? "[]" : "]");
}

struct Layout {
  int64_t count, height, width, channels;
};

std::optional<Layout> layout_of(const std::vector<int64_t>& s) {
  const bool channels = !s.empty() && (s.back() == 1 || s.back() == 3);
  std::optional<Layout> out;
  if (s.size() == 2) out = {1, s[0], s[1], 1};
  if (s.size() == 3) out = channels ? Layout{1, s[0], s[1], s[2]} : Layout{s[0], s[1], s[2], 1};
  if (s.size() == 4 && channels) out = {s[0], s[1], s[2], s[3]};
  if (out && (out->count < 1 || out->height < 1 || out->width < 1)) out.reset();
  return out;
}

Result<Array> bytes_of(const Array& value, const std::string& name) {
  if (value.dtype() == DType::u8) return value;
  Array out(DType::u8, value.shape());
  int64_t bad = -1;
  double found = 0;
  with_dtype(value.dtype(), [&]<class T>() {
    if constexpr (std::is_floating_point_v<T>) {
      const std::span<const T> from = value.as<T>();
      for (size_t i = 0; i < from.size() && bad < 0; ++i) {
        if (!(from[i] >= 0 && from[i] <= 1)) {
          bad = static_cast<int64_t>(i);
          found = static_cast<double>(from[i]);
          break;
        }
        out.as<uint8_t>()[i] = static_cast<uint8_t>(static_cast<double>(from[i]) * 255 + 0.5);
      }
    }
  });
  if (bad < 0) return out;
  std::string place;
  std::vector<int64_t> at(value.rank());
  for (size_t d = value.rank(); d-- > 0; bad /= value.shape()[d]) at[d] = bad % value.shape()[d];
  for (size_t d = 0; d < at.size(); ++d) place += (d == 0 ? "[" : ",") + std::to_string(at[d]);
  return error(Code::data_value,
               name + " as a picture: element " + place + "] is " + support::format_float(found) +
                   ", floats of pictures lie in 0..1",
               "scale it in the model, or cut it off there: clamp " + name + ", 0.0, 1.0");
}

}  // namespace

Result<Array> picture_of(const Array& value, int64_t columns, const std::string& name) {
  const std::optional<Layout> layout = layout_of(value.shape());
  if (!layout || (value.dtype() != DType::u8 && !support::is_float(value.dtype())))
    return error(Code::data_shape, name + " as a picture: it is " + type_text(value),
                 "u8 or floats in 0..1, of shape [h,w], [h,w,1] or [h,w,3]; [n,h,w] or [n,h,w,c] is a sheet "
                 "of n");
  const auto [count, height, width, channels] = *layout;
  TENON_ASSIGN(Array bytes, bytes_of(value, name));
  if (columns == 0) columns = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  columns = std::min(columns, count);
  constexpr int64_t gap = 2;
  const int64_t rows = (count + columns - 1) / columns;
  const std::vector<int64_t> shape = {rows * height + (rows - 1) * gap, columns * width + (columns - 1) * gap,
                                      channels};
  int64_t total = 0;
  if (!support::checked_bytes(DType::u8, shape, nullptr, &total) || total > int64_t{1} << 30)
    return error(Code::data_shape, name + " as a picture: the sheet would pass 1 GiB",
                 "fewer rows, or more columns");
  Array out(DType::u8, shape);
  uint8_t* const to = out.as<uint8_t>().data();
  std::fill_n(to, out.bytes(), uint8_t{255});
  const uint8_t* from = bytes.as<uint8_t>().data();
  const int64_t line = width * channels;
  for (int64_t i = 0; i < count; ++i)
    for (int64_t y = 0; y < height; ++y, from += line)
      std::memcpy(
          to + ((i / columns * (height + gap) + y) * shape[1] + i % columns * (width + gap)) * channels, from,
          static_cast<size_t>(line));
  return out;
}

}  // namespace tenon::runtime
