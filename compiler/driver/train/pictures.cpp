// Columns of pictures as inputs of an entry.
#include <algorithm>
#include <cstring>

#include "driver/train/parts.h"
#include "runtime/picture.h"

namespace tenon::driver {

using runtime::Column;
using runtime::DataSet;

namespace {

// What an input declares of a picture; -1: any.
struct Wanted {
  int64_t height = -1, width = -1, channels = 1;
  bool channels_first = false;

  bool fits(std::span<const int64_t> found) const {
    return (height < 0 || height == found[0]) && (width < 0 || width == found[1]);
  }
};

int64_t extent(const ir::Dim& dim) { return dim.is_constant() ? dim.constant() : -1; }
bool is_channels(const ir::Dim& dim) { return extent(dim) == 1 || extent(dim) == 3; }

// By the extents behind the rows, for pictures of this size. Where the channels may stand last or first, they
// stand first only if nothing else has the size.
std::optional<Wanted> wanted(std::span<const ir::Dim> dims, std::span<const int64_t> found) {
  if (dims.size() == 2) return Wanted{extent(dims[0]), extent(dims[1]), 1, false};
  if (dims.size() == 3) {
    std::optional<Wanted> last, first;
    if (is_channels(dims[2])) last = {extent(dims[0]), extent(dims[1]), extent(dims[2]), false};
    if (is_channels(dims[0])) first = {extent(dims[1]), extent(dims[2]), extent(dims[0]), true};
    if (last && (last->fits(found) || !first || !first->fits(found))) return last;
    if (first) return first;
    if (!dims[2].is_constant() && !dims[0].is_constant())
      return Wanted{extent(dims[0]), extent(dims[1]), found[2], false};
    return std::nullopt;
  }
  const int64_t pixels = found[0] * found[1];
  if (dims.size() == 1 && pixels > 0 && (extent(dims[0]) == pixels || extent(dims[0]) == 3 * pixels))
    return Wanted{found[0], found[1], extent(dims[0]) / pixels, false};
  return std::nullopt;
}

// [rows..., height, width, channels] as [rows..., channels, height, width].
Array channels_first(const Array& from) {
  std::vector<int64_t> shape = from.shape();
  const size_t at = shape.size() - 3;
  const auto pixels = static_cast<size_t>(shape[at] * shape[at + 1]),
             channels = static_cast<size_t>(shape[at + 2]);
  std::rotate(shape.begin() + static_cast<ptrdiff_t>(at), shape.end() - 1, shape.end());
  Array out(from.dtype(), shape);
  with_dtype(from.dtype(), [&]<class T>() {
    const T* p = from.as<T>().data();
    T* to = out.as<T>().data();
    for (const T* const end = p + from.count(); p != end; to += pixels * channels)
      for (size_t i = 0; i < pixels; ++i)
        for (size_t c = 0; c < channels; ++c) to[c * pixels + i] = *p++;
  });
  return out;
}

}  // namespace

Result<runtime::ArrayPtr> lay_out(const Column& column, const ir::Type& type,
                                  const std::vector<uint32_t>& axes, const std::string& what,
                                  const std::string& file) {
  const Array& from = *column.array;
  const size_t rows = from.rank() - 3;
  auto refused = [&](std::string message, std::string help) {
    return runtime::at_file(Code::data_shape, file, std::move(message), std::move(help));
  };
  const std::span<const int64_t> found = std::span(from.shape()).subspan(rows);
  std::optional<Wanted> want;
  const bool by_rows = axes == std::vector<uint32_t>{0};
  if (rows == (by_rows ? 1 : 0) && (by_rows || axes.empty()) && type.rank() >= rows)
    want = wanted(std::span(type.shape).subspan(rows), found);
  if (!want)
    return refused(
        what + ": a picture is height, width and channels",
        "declare [height,width,channels], [channels,height,width], [height,width] or all in one extent");
  if (!want->fits(found)) {
    auto text = [](int64_t height, int64_t width) {
      return (width < 0 ? "any" : std::to_string(width)) + " x " +
             (height < 0 ? "any" : std::to_string(height));
    };
    return refused("the picture is " + text(found[0], found[1]) + " (width x height), the model wants " +
                       text(want->height, want->width) + ": " + what,
                   "scale the pictures, or declare their size");
  }
  runtime::ArrayPtr out = column.array;
  if (want->channels != found[2]) {
    if (from.dtype() != DType::u8)
      return refused(what, "colours become gray, and gray colours, where pixels are u8");
    out = std::make_shared<const Array>(runtime::with_channels(*out, want->channels));
  }
  if (want->channels_first && out->count() != 0) out = std::make_shared<const Array>(channels_first(*out));
  if (out->rank() == type.rank()) return out;
  // Gray without its channel, or all in one extent.
  std::vector<int64_t> shape(out->shape().begin(), out->shape().begin() + static_cast<ptrdiff_t>(rows));
  if (type.rank() == rows + 2) {
    shape.insert(shape.end(), {found[0], found[1]});
  } else {
    shape.push_back(found[0] * found[1] * want->channels);
  }
  Array flat(out->dtype(), shape);
  std::memcpy(flat.data(), out->data(), out->bytes());
  return std::make_shared<const Array>(std::move(flat));
}

Result<Array> prepare_picture(const EntryInfo& entry, size_t input, const Array& picture,
                              const std::string& file) {
  const ir::Type& type = entry.inputs[input];
  // Whether the input takes rows: it says so, or it has more extents than one picture.
  const bool one =
      type.rank() == 2 || (type.rank() == 3 && (is_channels(type.shape[2]) || is_channels(type.shape[0])));
  const bool rows = entry.interface->batch.empty() ? !one : !entry.cuts[input].empty();
  Column column;
  column.name = entry.input_names[input];
  column.file = file;
  column.picture = true;
  column.axes.clear();
  std::vector<int64_t> shape = picture.shape();
  if (rows) {
    column.axes = {0};
    shape.insert(shape.begin(), 1);
  }
  Array array(picture.dtype(), shape);
  std::memcpy(array.data(), picture.data(), picture.bytes());
  column.array = std::make_shared<const Array>(std::move(array));
  DataSet data;
  TENON_TRY(data.add(column));
  TENON_ASSIGN(const Column fitted, fit_column(entry, input, column.axes, column, data));
  return Array(*fitted.array);
}

}  // namespace tenon::driver
