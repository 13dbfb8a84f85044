// Columns of a data set as inputs of an entry.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "driver/train/parts.h"
#include "support/text.h"
#include "transforms/transforms.h"

namespace tenon::driver {

using runtime::Column;
using runtime::DataSet;

namespace {

// What the column of an input is called, where it is not called as the input is.
std::span<const std::string_view> other_names(size_t position) {
  static constexpr std::string_view first[] = {"x", "image"}, second[] = {"y", "label"};
  if (position >= 2) return {};
  return position == 0 ? first : second;
}

const Column* find_column(const DataSet& data, const std::string& name, size_t position) {
  if (const Column* c = data.find(name)) return c;
  for (const std::string_view other : other_names(position))
    if (const Column* c = data.find(other)) return c;
  return nullptr;
}

std::string shape_text(std::span<const int64_t> shape, const std::vector<uint32_t>& axes) {
  std::string out;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool rows = std::find(axes.begin(), axes.end(), i) != axes.end();
    out += (i == 0 ? "" : ",") + (rows ? "rows" : std::to_string(shape[i]));
  }
  return "[" + out + "]";
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

runtime::Cuts data_cuts(const Unit& unit, const std::string& step) {
  runtime::Cuts out;
  // A column may have another name than the input that it feeds (find_column).
  auto add = [&](const std::string& input, size_t position, const std::vector<uint32_t>& axes) {
    out.try_emplace(input, axes);
    for (const std::string_view other : other_names(position)) out.try_emplace(std::string(other), axes);
  };
  if (const auto* kernels = std::get_if<kernel::Module>(&unit.code)) {
    for (const kernel::Entry& e : kernels->entries) {
      if (e.batch.empty() || !e.writes_state || (!step.empty() && e.name != step)) continue;
      size_t position = 0;
      for (const kernel::EntryParam& p : e.params)
        if (p.role == kernel::ParamRole::input) add(p.name, position++, p.cut);
    }
    return out;
  }
  const Scheduled* scheduled = std::get_if<Scheduled>(&unit.code);
  const ir::Module& module = scheduled != nullptr ? *(*scheduled)->module : std::get<ir::Module>(unit.code);
  std::vector<std::string> steps;
  for (const ir::Derive& d : module.derives) steps.push_back(d.name);
  for (const ir::Function& f : module.functions)
    if (!f.writes.empty()) steps.push_back(f.name);
  for (const std::string& name : steps) {
    if (!step.empty() && name != step) continue;
    const std::optional<ir::Batch> batch = transforms::step_batch(module, name).batch;
    for (size_t i = 0; batch && i < batch->inputs.size(); ++i)
      add(batch->inputs[i].name, i, batch->inputs[i].axes);
  }
  return out;
}

Result<Column> fit_column(const EntryInfo& entry, size_t input, const std::vector<uint32_t>& axes,
                          const Column& given, const DataSet& data) {
  const ir::Type& type = entry.inputs[input];
  const std::string& name = entry.interface->name;
  Column column = given;
  const std::string what = given.name + " holds " + std::string(dtype_name(given.array->dtype())) +
                           shape_text(given.array->shape(), axes) + ", " + name + " wants " +
                           entry.input_names[input] + ": " + type.text();
  if (column.picture) {
    TENON_ASSIGN(column.array, lay_out(column, type, axes, what, data.place(column, 0).file));
  }
  const Array& from = *column.array;
  std::vector<int64_t> shape = from.shape();
  bool same = from.rank() == type.rank();
  for (size_t d = 0; same && d < type.rank(); ++d)
    same = std::find(axes.begin(), axes.end(), d) != axes.end() || !type.shape[d].is_constant() ||
           type.shape[d].constant() == from.shape()[d];
  if (!same) {
    // As many elements, where that is known, behind the rows that stand first.
    const size_t first = axes.empty() ? 0 : 1;
    if (axes.size() > 1 || (!axes.empty() && axes[0] != 0) || from.rank() < first)
      return error(Code::data_shape, what);
    shape.resize(first);
    int64_t wanted = 1, found = 1;
    for (size_t d = first; d < type.rank(); ++d) {
      if (!type.shape[d].is_constant()) return error(Code::data_shape, what);
      wanted *= type.shape[d].constant();
      shape.push_back(type.shape[d].constant());
    }
    for (size_t d = first; d < from.rank(); ++d) found *= from.shape()[d];
    if (wanted != found)
      return error(Code::data_shape, what, axes.empty() ? "the input is the same for every batch" : "");
  }
  column.name = entry.input_names[input];
  column.axes = axes;
  column.picture = false;
  if (from.dtype() == type.dtype && from.shape() == shape) return column;
  if (!dtype_computes(from.dtype())) return error(Code::data_shape, what);
  const bool allowed =
      from.dtype() == type.dtype ||
      (!is_bool(from.dtype()) && (is_lossless(from.dtype(), type.dtype) || is_int(type.dtype) ||
                                  (is_float(from.dtype()) && is_float(type.dtype))));
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
    int64_t row = static_cast<int64_t>(bad);
    for (size_t d = from.rank(); !axes.empty() && d-- > axes[0] + 1;)
      row /= std::max<int64_t>(1, from.shape()[d]);
    if (!axes.empty()) row %= std::max<int64_t>(1, from.shape()[axes[0]]);
    Diagnostic d;
    d.code = Code::data_value;
    d.message = "row " + std::to_string(row) + " of " + given.name + " does not fit " +
                std::string(dtype_name(type.dtype));
    const runtime::Place place = data.place(given, row);
    d.file = place.file;
    d.line = place.line;
    return d;
  }
  column.array = std::move(array);
  return column;
}

Result<DataSet> prepare_data(const EntryInfo& entry, const DataSet& data) {
  DataSet out;
  for (size_t i = 0; i < entry.inputs.size(); ++i) {
    const Column* column = find_column(data, entry.input_names[i], i);
    if (column == nullptr) {
      std::string all;
      for (const Column& c : data.columns()) all += (all.empty() ? "" : ", ") + c.name;
      return error(Code::data_missing,
                   entry.interface->name + ": the data has no column " + entry.input_names[i],
                   "columns: " + (all.empty() ? "none" : all));
    }
    TENON_ASSIGN(Column fitted, fit_column(entry, i, entry.cuts[i], *column, data));
    TENON_TRY(out.add(std::move(fitted)));
  }
  if (out.rows() == 0) return error(Code::data_missing, "the data has no rows");
  return out;
}

}  // namespace tenon::driver
