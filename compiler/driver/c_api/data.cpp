// C API: data sets and their batches.
#include <numeric>

#include "driver/c_api/c_api.h"
#include "pictures/pictures.h"
#include "runtime/load.h"
#include "support/text.h"

using namespace tenon::driver;
using namespace tenon::driver::c_api;
using tenon::runtime::Column;
using tenon::runtime::DataSet;
using tenon::runtime::Source;

namespace {

Result<const Column*> column_of(const DataSet& data, std::string_view name) {
  if (const Column* c = data.find(name)) return c;
  std::vector<std::string_view> names;
  for (const Column& c : data.columns()) names.push_back(c.name);
  const std::string_view near = nearest(name, names);
  std::string all;
  for (std::string_view n : names) all += (all.empty() ? "" : ", ") + std::string(n);
  return error(Code::data_missing, "the data has no column " + quote(name),
               near.empty() ? "columns: " + all : "did you mean " + std::string(near) + "?");
}

// A column as f32, each element times `scale`.
Result<DataSet> scaled_rows(const DataSet& rows, const std::string& column, double scale) {
  TENON_ASSIGN(const Column* found, column_of(rows, column));
  DataSet out;
  for (const Column& c : rows.columns()) {
    Column copy = c;
    if (&c == found) {
      auto array = std::make_shared<Array>(DType::f32, c.array->shape());
      float* to = array->as<float>().data();
      with_dtype(c.array->dtype(), [&]<class T>() {
        for (const T v : c.array->as<T>()) *to++ = static_cast<float>(static_cast<double>(v) * scale);
      });
      copy.array = std::move(array);
      copy.classes.clear();
    }
    TENON_TRY(out.add(std::move(copy)));
  }
  return out;
}

// From here on blocks, which the first row stands for.
Result<std::unique_ptr<tenon_data>> in_blocks(std::shared_ptr<const Source> source, int64_t memory) {
  const int64_t first[] = {0};
  TENON_ASSIGN(DataSet row, source->read(first));
  return std::make_unique<tenon_data>(tenon_data{std::move(row), std::move(source), memory});
}

// The rows with something done to them.
Result<std::unique_ptr<tenon_data>> changed(const tenon_data& data, tenon::runtime::RowsChange change) {
  if (data.blocks != nullptr)
    return in_blocks(tenon::runtime::changed_rows(data.blocks, std::move(change)), data.memory);
  TENON_ASSIGN(DataSet rows, change(data.data));
  return std::make_unique<tenon_data>(tenon_data{std::move(rows)});
}

// Some of the rows.
Result<std::unique_ptr<tenon_data>> taken(const tenon_data& data, std::vector<int64_t> rows) {
  if (data.blocks != nullptr) {
    TENON_ASSIGN(std::shared_ptr<const Source> part, tenon::runtime::take_rows(data.blocks, std::move(rows)));
    return in_blocks(std::move(part), data.memory);
  }
  TENON_ASSIGN(DataSet part, data.data.take(rows));
  return std::make_unique<tenon_data>(tenon_data{std::move(part)});
}

tenon::runtime::LoadOptions load_options() {
  tenon::runtime::LoadOptions out;
  out.pictures = &tenon::pictures::codec();
  return out;
}

}  // namespace

Status tenon::driver::c_api::need_memory(const tenon_data& data, std::string_view what) {
  if (data.blocks == nullptr) return Ok{};
  return error(Code::bad_option, std::string(what) + " wants data in memory, these are read in blocks",
               "load them, or take a slice that fits");
}

extern "C" {

tenon_status tenon_data_load(const char* spec, tenon_data** train, tenon_data** test, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(spec);
    TENON_NEED(train);
    TENON_ASSIGN(tenon::runtime::TrainTest loaded, tenon::runtime::load_data(spec, load_options()));
    auto first = std::make_unique<tenon_data>(tenon_data{std::move(loaded.train)});
    if (test != nullptr) *test = loaded.test ? new tenon_data{std::move(*loaded.test)} : nullptr;
    *train = first.release();
    return Ok{};
  });
}

tenon_status tenon_data_open(const char* spec, int64_t memory, tenon_data** train, tenon_data** test,
                             tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(spec);
    TENON_NEED(train);
    if (memory < 0) return tenon::support::error(Code::bad_option, "memory is below 0");
    if (memory == 0) memory = tenon::runtime::default_memory;
    TENON_ASSIGN(tenon::runtime::Sources opened, tenon::runtime::open_data(spec, load_options()));
    TENON_ASSIGN(auto first, in_blocks(std::move(opened.train), memory));
    std::unique_ptr<tenon_data> second;
    if (opened.test != nullptr && test != nullptr) {
      TENON_ASSIGN(second, in_blocks(std::move(opened.test), memory));
    }
    if (test != nullptr) *test = second.release();
    *train = first.release();
    return Ok{};
  });
}

tenon_status tenon_data_new(const char* const* names, const tenon_tensor* columns, uint32_t count,
                            tenon_data** data, tenon_error** error) {
  return tenon_data_new_cut(names, columns, nullptr, count, data, error);
}

tenon_status tenon_data_new_cut(const char* const* names, const tenon_tensor* columns, const uint32_t* cuts,
                                uint32_t count, tenon_data** data, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(data);
    if (count != 0) {
      TENON_NEED(names);
      TENON_NEED(columns);
    }
    DataSet set;
    for (uint32_t i = 0; i < count; ++i) {
      TENON_NEED(names[i]);
      TENON_ASSIGN(Array array, array_of(columns[i]));
      Column column{names[i], std::make_shared<const Array>(std::move(array)), "", {}};
      if (cuts != nullptr) {
        column.axes.clear();
        for (uint32_t axis = 0; axis < 32; ++axis)
          if ((cuts[i] >> axis & 1) != 0) column.axes.push_back(axis);
      }
      TENON_TRY(set.add(std::move(column)));
    }
    *data = new tenon_data{std::move(set)};
    return Ok{};
  });
}

void tenon_data_free(tenon_data* data) { delete data; }
int64_t tenon_data_rows(const tenon_data* data) { return data == nullptr ? 0 : data->rows().rows(); }
uint32_t tenon_data_columns(const tenon_data* data) {
  return data == nullptr ? 0 : static_cast<uint32_t>(data->data.columns().size());
}
const char* tenon_data_column(const tenon_data* data, uint32_t column) {
  return column < tenon_data_columns(data) ? data->data.columns()[column].name.c_str() : nullptr;
}

uint32_t tenon_data_classes(const tenon_data* data, const char* column) {
  const Column* found = data == nullptr || column == nullptr ? nullptr : data->data.find(column);
  return found == nullptr ? 0 : static_cast<uint32_t>(found->classes.size());
}
const char* tenon_data_class(const tenon_data* data, const char* column, uint32_t index) {
  return index < tenon_data_classes(data, column) ? data->data.find(column)->classes[index].c_str() : nullptr;
}

tenon_status tenon_data_view(const tenon_data* data, const char* column, tenon_tensor* view,
                             tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(data);
    TENON_NEED(column);
    TENON_NEED(view);
    TENON_TRY(need_memory(*data, "a view"));
    TENON_ASSIGN(const Column* found, column_of(data->data, column));
    const Array& a = *found->array;
    *view = {const_cast<std::byte*>(a.data()), static_cast<tenon_dtype>(a.dtype()),
             static_cast<uint32_t>(a.rank()), a.shape().data()};
    return Ok{};
  });
}

tenon_status tenon_data_rename(const tenon_data* data, const char* from, const char* to, tenon_data** renamed,
                               tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(data);
    TENON_NEED(from);
    TENON_NEED(to);
    TENON_NEED(renamed);
    TENON_ASSIGN(auto made, changed(*data,
                                    [from = std::string(from),
                                     to = std::string(to)](const DataSet& rows) -> Result<DataSet> {
                                      DataSet copy = rows;
                                      TENON_TRY(copy.rename(from, to));
                                      return copy;
                                    }));
    *renamed = made.release();
    return Ok{};
  });
}

tenon_status tenon_data_scale(const tenon_data* data, const char* column, double scale, tenon_data** scaled,
                              tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(data);
    TENON_NEED(column);
    TENON_NEED(scaled);
    TENON_ASSIGN(auto made, changed(*data, [column = std::string(column), scale](const DataSet& rows) {
                   return scaled_rows(rows, column, scale);
                 }));
    *scaled = made.release();
    return Ok{};
  });
}

tenon_status tenon_data_slice(const tenon_data* data, int64_t begin, int64_t end, tenon_data** slice,
                              tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(data);
    TENON_NEED(slice);
    const int64_t rows = tenon_data_rows(data);
    if (begin < 0 || end < begin || end > rows)
      return tenon::support::error(Code::index_range, "rows " + std::to_string(begin) + ".." +
                                                          std::to_string(end) + " of a set of " +
                                                          std::to_string(rows));
    std::vector<int64_t> numbers(static_cast<size_t>(end - begin));
    std::iota(numbers.begin(), numbers.end(), begin);
    TENON_ASSIGN(auto made, taken(*data, std::move(numbers)));
    *slice = made.release();
    return Ok{};
  });
}

tenon_status tenon_data_split(const tenon_data* data, double fraction, uint64_t seed, tenon_data** first,
                              tenon_data** second, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(data);
    TENON_NEED(first);
    TENON_NEED(second);
    TENON_ASSIGN(tenon::runtime::RowParts parts,
                 tenon::runtime::split_rows(tenon_data_rows(data), fraction, seed));
    TENON_ASSIGN(auto a, taken(*data, std::move(parts.first)));
    TENON_ASSIGN(auto b, taken(*data, std::move(parts.second)));
    *second = b.release();
    *first = a.release();
    return Ok{};
  });
}

tenon_status tenon_batches_new(const tenon_data* data, const tenon_batch_options* options,
                               tenon_batches** batches, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(data);
    TENON_NEED(options);
    TENON_NEED(batches);
    TENON_ASSIGN(const tenon_batch_options given,
                 sized(*options, batch_options_first, "tenon_batch_options"));
    tenon::runtime::BatchOptions o;
    if (given.shuffle != 0) o.shuffle = given.seed;
    o.epoch = given.epoch;
    o.drop_last = given.drop_last != 0;
    TENON_TRY(need_memory(*data, "an own loop over batches"));
    TENON_ASSIGN(tenon::runtime::Batches made, data->data.batches(given.size, o));
    *batches = new tenon_batches{std::move(made)};
    return Ok{};
  });
}

void tenon_batches_free(tenon_batches* batches) { delete batches; }
int64_t tenon_batches_count(const tenon_batches* batches) {
  return batches == nullptr ? 0 : batches->batches.count();
}

tenon_status tenon_batches_at(const tenon_batches* batches, int64_t index, tenon_data** batch,
                              tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(batches);
    TENON_NEED(batch);
    if (index < 0 || index >= batches->batches.count())
      return tenon::support::error(Code::index_range, "there is no batch " + std::to_string(index) + " of " +
                                                          std::to_string(batches->batches.count()));
    *batch = new tenon_data{batches->batches.at(index).data};
    return Ok{};
  });
}

}  // extern "C"
