// Columns of a data set as inputs of an entry.
#include <cmath>
#include <cstring>
#include <limits>

#include "driver/trainer.h"
#include "support/text.h"

namespace tenon::driver {

using runtime::Column;
using runtime::DataSet;

namespace {

const Column* find_column(const DataSet& data, const std::string& name, size_t position) {
  if (const Column* c = data.find(name)) return c;
  static constexpr std::string_view first[] = {"x", "image"}, second[] = {"y", "label"};
  if (position < 2)
    for (const std::string_view other : position == 0 ? first : second)
      if (const Column* c = data.find(other)) return c;
  return nullptr;
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string out = "[rows";
  for (size_t i = 1; i < shape.size(); ++i) out += "," + std::to_string(shape[i]);
  return out + "]";
}

// Whether every value of one type is one of the other.
bool widens(DType from, DType to) {
  if (from == to) return true;
  if (is_bool(from)) return false;
  if (is_float(to)) return from == DType::u8 || (from == DType::f32 && to == DType::f64);
  return from == DType::u8 && !is_bool(to);
}

template <class To, class From>
bool convert_all(std::span<const From> from, std::span<To> to, size_t* bad) {
  for (size_t i = 0; i < from.size(); ++i) {
    if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
      // Whole numbers in range only: labels of a table of numbers.
      const double value = static_cast<double>(from[i]);
      constexpr double low = static_cast<double>(std::numeric_limits<To>::lowest());
      constexpr double high = static_cast<double>(std::numeric_limits<To>::max());
      if (!(value >= low && value <= high) || value >= 0x1p63 || std::trunc(value) != value) {
        *bad = i;
        return false;
      }
    }
    to[i] = static_cast<To>(from[i]);
    if constexpr (std::is_floating_point_v<To> && std::is_floating_point_v<From>) {
      // Rounding is no loss that matters; an infinity is.
      if (std::isfinite(from[i]) && !std::isfinite(to[i])) {
        *bad = i;
        return false;
      }
    }
    if constexpr (std::is_integral_v<To> && std::is_integral_v<From>) {
      if (static_cast<From>(to[i]) != from[i] || ((to[i] < To{}) != (from[i] < From{}))) {
        *bad = i;
        return false;
      }
    }
  }
  return true;
}

}  // namespace

Result<DataSet> prepare_data(const EntryInfo& entry, const DataSet& data) {
  DataSet out;
  const std::string& name = entry.interface->name;
  for (size_t i = 0; i < entry.inputs.size(); ++i) {
    const ir::Type& type = entry.inputs[i];
    const std::string& input = entry.input_names[i];
    const Column* column = find_column(data, input, i);
    if (column == nullptr) {
      std::string all;
      for (const Column& c : data.columns()) all += (all.empty() ? "" : ", ") + c.name;
      return error(Code::data_missing, name + ": the data has no column " + input,
                   "columns: " + (all.empty() ? "none" : all));
    }
    const Array& from = *column->array;
    const std::string what = column->name + " holds " + std::string(dtype_name(from.dtype())) +
                             shape_text(from.shape()) + ", " + name + " wants " + input + ": " + type.text();
    if (type.is_scalar()) return error(Code::data_shape, what, "a data set feeds inputs with a row each");
    // Rows: the same shape, or the same number of elements where that is known.
    std::vector<int64_t> shape{from.shape()[0]};
    bool same = from.rank() == type.rank();
    for (size_t d = 1; same && d < type.rank(); ++d)
      same = !type.shape[d].is_constant() || type.shape[d].constant() == from.shape()[d];
    if (same) {
      shape = from.shape();
    } else {
      int64_t wanted = 1, found = 1;
      for (size_t d = 1; d < type.rank(); ++d) {
        if (!type.shape[d].is_constant()) return error(Code::data_shape, what);
        wanted *= type.shape[d].constant();
        shape.push_back(type.shape[d].constant());
      }
      for (size_t d = 1; d < from.rank(); ++d) found *= from.shape()[d];
      if (wanted != found) return error(Code::data_shape, what);
    }
    Column made = *column;
    made.name = input;
    if (from.dtype() != type.dtype || from.shape() != shape) {
      if (!dtype_computes(from.dtype())) return error(Code::data_shape, what);
      const bool narrows = !widens(from.dtype(), type.dtype);
      const bool allowed = !narrows || (is_float(from.dtype()) && is_float(type.dtype)) ||
                           (!is_bool(from.dtype()) && is_int(type.dtype));
      if (!allowed) return error(Code::data_shape, what);
      auto array = std::make_shared<Array>(type.dtype, shape);
      size_t bad = 0;
      bool fits = true;
      with_dtype(from.dtype(), [&]<class From>() {
        with_dtype(type.dtype, [&]<class To>() {
          fits = convert_all<To, From>(from.as<From>(), array->template as<To>(), &bad);
        });
      });
      if (!fits) {
        const int64_t row = static_cast<int64_t>(bad) / std::max<int64_t>(1, from.count() / from.shape()[0]);
        Diagnostic d;
        d.code = Code::data_value;
        d.message = "row " + std::to_string(row) + " of " + column->name + " does not fit " +
                    std::string(dtype_name(type.dtype));
        const runtime::Place place = data.place(*column, row);
        d.file = place.file;
        d.line = place.line;
        return d;
      }
      made.array = std::move(array);
    }
    TENON_TRY(out.add(std::move(made)));
  }
  if (out.rows() == 0) return error(Code::data_missing, "the data has no rows");
  return out;
}

}  // namespace tenon::driver
