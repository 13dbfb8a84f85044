// Data: arrays, data sets, and batches of them. All are immutable and cheap to copy.
#pragma once

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <span>
#include <vector>

#include "tenon/model.hpp"

TENON_NAMESPACE_BEGIN

namespace detail {

/// The elements of a view as T; T105 where they are of another type.
template <class T>
Result<std::span<const T>> elements(const tenon_tensor& t) {
  const auto found = static_cast<DType>(t.dtype);
  if (found != dtype_of<T>::value)
    return Error(105, "the elements are " + std::string(dtype_name(found)) + ", asked for as " +
                          std::string(dtype_name(dtype_of<T>::value)));
  size_t count = 1;
  for (uint32_t i = 0; i < t.rank; ++i) count *= static_cast<size_t>(t.shape[i]);
  return std::span<const T>(static_cast<const T*>(t.data), count);
}

}  // namespace detail

/// A view of a dense, row-major tensor that someone else owns.
struct Tensor {
  void* data = nullptr;
  DType dtype = DType::f32;
  std::vector<int64_t> shape = {};

  tenon_tensor c() const {
    return {data, static_cast<tenon_dtype>(dtype), static_cast<uint32_t>(shape.size()), shape.data()};
  }
};
/// The elements of a vector or array as a tensor of a shape.
template <class T>
Tensor view(std::span<T> elements, std::vector<int64_t> shape) {
  return {const_cast<std::remove_const_t<T>*>(elements.data()), dtype_of<std::remove_const_t<T>>::value,
          std::move(shape)};
}
template <class T>
Tensor view(std::vector<T>& elements, std::vector<int64_t> shape) {
  return view(std::span<T>(elements), std::move(shape));
}
/// One number, as a scalar.
template <class T>
  requires std::is_arithmetic_v<T>
Tensor view(T& number) {
  return view(std::span<T>(&number, 1), {});
}

/// A dense tensor that the library owns.
class Array {
 public:
  explicit Array(tenon_array* array) : array_(array, tenon_array_free) {}

  template <class T>
  static Result<Array> try_of(const std::vector<int64_t>& shape, std::span<const T> elements) {
    int64_t count = 1;
    for (const int64_t extent : shape) count *= extent;
    if (count != static_cast<int64_t>(elements.size()))
      return Error(107, "the shape holds " + std::to_string(count) + " elements, " +
                            std::to_string(elements.size()) + " are given");
    const tenon_tensor t{const_cast<T*>(elements.data()), static_cast<tenon_dtype>(dtype_of<T>::value),
                         static_cast<uint32_t>(shape.size()), shape.data()};
    tenon_array* array = nullptr;
    TENON_PASS(detail::checked([&](tenon_error** e) { return tenon_array_new(&t, &array, e); }));
    return Array(array);
  }
  static Result<Array> try_load(const std::string& npy) {
    tenon_array* array = nullptr;
    TENON_PASS(detail::checked([&](tenon_error** e) { return tenon_array_load(npy.c_str(), &array, e); }));
    return Array(array);
  }
  Result<void> try_save(const std::string& npy) const {
    return detail::checked([&](tenon_error** e) { return tenon_array_save(handle(), npy.c_str(), e); });
  }
  /// A PNG or JPEG picture: u8 [height, width, channels], 1 channel (gray) or 3.
  static Result<Array> try_load_picture(const std::string& path) {
    tenon_array* array = nullptr;
    TENON_PASS(detail::checked([&](tenon_error** e) { return tenon_picture_load(path.c_str(), &array, e); }));
    return Array(array);
  }
  /// u8, or floats in 0..1, of shape [h,w], [h,w,1] or [h,w,3] as a .png or .jpg; [n,h,w] or [n,h,w,c] as a
  /// sheet of n, in rows of `columns` (0: about square).
  Result<void> try_save_picture(const std::string& path, uint32_t columns = 0) const {
    return detail::checked(
        [&](tenon_error** e) { return tenon_picture_save(handle(), path.c_str(), columns, e); });
  }
  template <class T>
  Result<std::span<const T>> try_as() const {
    return detail::elements<T>(tenon_array_view(handle()));
  }
#if TENON_EXCEPTIONS
  template <class T>
  static Array of(const std::vector<int64_t>& shape, std::span<const T> elements) {
    return detail::take(try_of<T>(shape, elements));
  }
  template <class T>
  static Array of(const std::vector<int64_t>& shape, std::initializer_list<T> elements) {
    return of<T>(shape, std::span<const T>(elements.begin(), elements.size()));
  }
  static Array load(const std::string& npy) { return detail::take(try_load(npy)); }
  void save(const std::string& npy) const { detail::take(try_save(npy)); }
  static Array load_picture(const std::string& path) { return detail::take(try_load_picture(path)); }
  void save_picture(const std::string& path, uint32_t columns = 0) const {
    detail::take(try_save_picture(path, columns));
  }
  /// The elements in row-major order.
  template <class T>
  std::span<const T> as() const {
    return detail::take(try_as<T>());
  }
#endif
  DType dtype() const { return static_cast<DType>(tenon_array_view(handle()).dtype); }
  std::vector<int64_t> shape() const {
    const tenon_tensor t = tenon_array_view(handle());
    return {t.shape, t.shape + t.rank};
  }
  /// The one element of a scalar, or the first, as a double; NaN where there is none.
  double number() const;
  const tenon_array* handle() const { return array_.get(); }

 private:
  std::shared_ptr<tenon_array> array_;
};

inline double Array::number() const {
  const tenon_tensor t = tenon_array_view(handle());
  for (uint32_t i = 0; i < t.rank; ++i)
    if (t.shape[i] == 0) return std::numeric_limits<double>::quiet_NaN();
  switch (static_cast<DType>(t.dtype)) {
    case DType::f64:
      return *static_cast<const double*>(t.data);
    case DType::f32:
      return static_cast<double>(*static_cast<const float*>(t.data));
    case DType::i32:
      return *static_cast<const int32_t*>(t.data);
    case DType::i64:
      return static_cast<double>(*static_cast<const int64_t*>(t.data));
    case DType::u8:
      return *static_cast<const uint8_t*>(t.data);
    case DType::u32:
      return *static_cast<const uint32_t*>(t.data);
    case DType::bool_:
      return *static_cast<const bool*>(t.data) ? 1 : 0;
    case DType::f16:
    case DType::bf16:
    case DType::i8:
    case DType::i16:
    case DType::u16:
    case DType::u64:
      break;  // no array holds them
  }
  return std::numeric_limits<double>::quiet_NaN();
}

struct BatchOptions {
  /// Seed of the order; none: rows in order.
  std::optional<uint64_t> shuffle = std::nullopt;
  /// Each epoch of one seed has an order of its own.
  uint32_t epoch = 0;
  /// Leave out a last batch that is shorter.
  bool drop_last = false;
};

class Batches;

/// Named columns of equally many rows.
class Data {
 public:
  explicit Data(tenon_data* data) : data_(data, tenon_data_free) {}

  int64_t rows() const { return tenon_data_rows(handle()); }
  std::vector<std::string> columns() const {
    std::vector<std::string> out;
    for (uint32_t i = 0; i < tenon_data_columns(handle()); ++i)
      out.emplace_back(tenon_data_column(handle(), i));
    return out;
  }
  /// What the numbers of a column of classes are called; empty where they are numbers.
  std::vector<std::string> classes(const std::string& column) const {
    std::vector<std::string> out;
    for (uint32_t i = 0; i < tenon_data_classes(handle(), column.c_str()); ++i)
      out.emplace_back(tenon_data_class(handle(), column.c_str(), i));
    return out;
  }
  template <class T>
  Result<std::span<const T>> try_column(const std::string& name) const {
    tenon_tensor t{};
    TENON_PASS(
        detail::checked([&](tenon_error** e) { return tenon_data_view(handle(), name.c_str(), &t, e); }));
    return detail::elements<T>(t);
  }
  Result<std::vector<int64_t>> try_shape(const std::string& name) const {
    tenon_tensor t{};
    TENON_PASS(
        detail::checked([&](tenon_error** e) { return tenon_data_view(handle(), name.c_str(), &t, e); }));
    return std::vector<int64_t>(t.shape, t.shape + t.rank);
  }
  /// Rows begin .. end-1.
  Result<Data> try_slice(int64_t begin, int64_t end) const {
    tenon_data* out = nullptr;
    TENON_PASS(
        detail::checked([&](tenon_error** e) { return tenon_data_slice(handle(), begin, end, &out, e); }));
    return Data(out);
  }
  /// round(fraction * rows) rows drawn by the seed, and the others.
  Result<std::pair<Data, Data>> try_split(double fraction, uint64_t seed) const {
    tenon_data *a = nullptr, *b = nullptr;
    TENON_PASS(detail::checked(
        [&](tenon_error** e) { return tenon_data_split(handle(), fraction, seed, &a, &b, e); }));
    return std::pair(Data(a), Data(b));
  }
  Result<Data> try_renamed(const std::string& from, const std::string& to) const {
    tenon_data* out = nullptr;
    TENON_PASS(detail::checked(
        [&](tenon_error** e) { return tenon_data_rename(handle(), from.c_str(), to.c_str(), &out, e); }));
    return Data(out);
  }
  /// A column as f32, each element times `scale`.
  Result<Data> try_scaled(const std::string& column, double scale) const {
    tenon_data* out = nullptr;
    TENON_PASS(detail::checked(
        [&](tenon_error** e) { return tenon_data_scale(handle(), column.c_str(), scale, &out, e); }));
    return Data(out);
  }
  inline Result<Batches> try_batches(int64_t size, const BatchOptions& options = {}) const;
#if TENON_EXCEPTIONS
  template <class T>
  std::span<const T> column(const std::string& name) const {
    return detail::take(try_column<T>(name));
  }
  std::vector<int64_t> shape(const std::string& name) const { return detail::take(try_shape(name)); }
  Data slice(int64_t begin, int64_t end) const { return detail::take(try_slice(begin, end)); }
  std::pair<Data, Data> split(double fraction, uint64_t seed) const {
    return detail::take(try_split(fraction, seed));
  }
  Data renamed(const std::string& from, const std::string& to) const {
    return detail::take(try_renamed(from, to));
  }
  Data scaled(const std::string& column, double scale) const {
    return detail::take(try_scaled(column, scale));
  }
  inline Batches batches(int64_t size, const BatchOptions& options = {}) const;
#endif
  const tenon_data* handle() const { return data_.get(); }

 private:
  std::shared_ptr<tenon_data> data_;
};

/// Some rows of a data set, gathered.
struct Batch {
  Data data;
  int64_t index = 0;  // within the epoch
  int64_t rows() const { return data.rows(); }
};

/// One epoch's batches, gathered one by one as a loop comes to them.
class Batches {
 public:
  explicit Batches(tenon_batches* batches) : batches_(batches, tenon_batches_free) {}
  int64_t count() const { return tenon_batches_count(batches_.get()); }
  Result<Batch> try_at(int64_t index) const {
    tenon_data* data = nullptr;
    TENON_PASS(
        detail::checked([&](tenon_error** e) { return tenon_batches_at(batches_.get(), index, &data, e); }));
    return Batch{Data(data), index};
  }
#if TENON_EXCEPTIONS
  class Iterator {
   public:
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    Iterator(const Batches* batches, int64_t index) : batches_(batches), index_(index) {}
    Batch operator*() const { return detail::take(batches_->try_at(index_)); }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    Iterator operator++(int) {
      const Iterator old = *this;
      ++index_;
      return old;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.index_ == b.index_; }

   private:
    const Batches* batches_ = nullptr;
    int64_t index_ = 0;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, count()}; }
#endif

 private:
  std::shared_ptr<tenon_batches> batches_;
};

inline Result<Batches> Data::try_batches(int64_t size, const BatchOptions& options) const {
  tenon_batch_options o{};
  o.size_of = sizeof o;
  o.size = size;
  o.epoch = options.epoch;
  o.shuffle = options.shuffle ? 1 : 0;
  o.seed = options.shuffle.value_or(0);
  o.drop_last = options.drop_last ? 1 : 0;
  tenon_batches* out = nullptr;
  TENON_PASS(detail::checked([&](tenon_error** e) { return tenon_batches_new(handle(), &o, &out, e); }));
  return Batches(out);
}
#if TENON_EXCEPTIONS
inline Batches Data::batches(int64_t size, const BatchOptions& options) const {
  return detail::take(try_batches(size, options));
}
#endif

/// Rows to train on, and rows held out where the source has them.
struct TrainTest {
  Data train;
  std::optional<Data> test = std::nullopt;
};

/// What the command's --data takes: a folder, a file, or a generator with its settings.
inline Result<TrainTest> try_load_data(const std::string& spec) {
  tenon_data *train = nullptr, *test = nullptr;
  TENON_PASS(
      detail::checked([&](tenon_error** e) { return tenon_data_load(spec.c_str(), &train, &test, e); }));
  TrainTest out{Data(train), std::nullopt};
  if (test != nullptr) out.test = Data(test);
  return out;
}

struct OpenOptions {
  /// Bytes of rows that are held at once; 0: 256 MiB.
  int64_t memory = 0;
};
/// The same rows, read in blocks while steps run on them, for files of IDX, CIFAR, .npy and pictures: they
/// fit and evaluate with the bits of data in memory. What wants all rows at once is refused.
inline Result<TrainTest> try_open_data(const std::string& spec, const OpenOptions& options = {}) {
  tenon_data *train = nullptr, *test = nullptr;
  TENON_PASS(detail::checked(
      [&](tenon_error** e) { return tenon_data_open(spec.c_str(), options.memory, &train, &test, e); }));
  TrainTest out{Data(train), std::nullopt};
  if (test != nullptr) out.test = Data(test);
  return out;
}

struct ColumnView {
  std::string name;
  Tensor tensor;
  /// The axes along which the rows lie; none: the same for every batch.
  std::vector<uint32_t> axes = {0};
};
/// Columns from memory, copied.
inline Result<Data> try_make_data(const std::vector<ColumnView>& columns) {
  std::vector<const char*> names;
  std::vector<tenon_tensor> tensors;
  std::vector<uint32_t> cuts;
  for (const ColumnView& c : columns) {
    names.push_back(c.name.c_str());
    tensors.push_back(c.tensor.c());
    cuts.push_back(0);
    for (const uint32_t axis : c.axes) cuts.back() |= axis < 32 ? uint32_t{1} << axis : 0;
  }
  tenon_data* out = nullptr;
  TENON_PASS(detail::checked([&](tenon_error** e) {
    return tenon_data_new_cut(names.data(), tensors.data(), cuts.data(), static_cast<uint32_t>(names.size()),
                              &out, e);
  }));
  return Data(out);
}

struct RegressionOptions {
  int64_t samples = 100, features = 1;
  double noise = 0.1;
  uint64_t seed = 0;
};
/// x f32 [samples, features] and y f32 [samples, 1]: a random affine function with normal noise.
inline Result<Data> try_make_regression(const RegressionOptions& o = {}) {
  Result<TrainTest> r = try_load_data(
      "regression:rows=" + std::to_string(o.samples) + ",features=" + std::to_string(o.features) +
      ",noise=" + detail::number_text(o.noise) + ",seed=" + std::to_string(o.seed));
  TENON_PASS(r);
  return r->train;
}
struct ClassificationOptions {
  int64_t samples = 200, features = 2, classes = 2;
  double separation = 4;
  uint64_t seed = 0;
};
/// x f32 [samples, features] and y i32 [samples]: one normal cloud per class.
inline Result<Data> try_make_classification(const ClassificationOptions& o = {}) {
  Result<TrainTest> r =
      try_load_data("classification:rows=" + std::to_string(o.samples) +
                    ",features=" + std::to_string(o.features) + ",classes=" + std::to_string(o.classes) +
                    ",separation=" + detail::number_text(o.separation) + ",seed=" + std::to_string(o.seed));
  TENON_PASS(r);
  return r->train;
}
struct DigitsOptions {
  int64_t samples = 5000;
  uint64_t seed = 0;
};
/// Drawn digits: image u8 [samples, 28, 28] and label i32 [samples], with a fifth as many held out.
inline Result<TrainTest> try_make_digits(const DigitsOptions& o = {}) {
  return try_load_data("digits:rows=" + std::to_string(o.samples) + ",seed=" + std::to_string(o.seed));
}

struct ShapesOptions {
  int64_t samples = 2000;
  /// Pixels both ways.
  int64_t size = 32;
  /// Figures there are, at most 10: disc, square, triangle, cross, ring, two kinds of bars, board, crescent,
  /// corner.
  int64_t classes = 10;
  /// Figures in a picture, at most.
  int64_t objects = 1;
  uint64_t seed = 0;
};
/// Figures of chance colours, places and sizes on darker ground: image u8 [samples, size, size, 3], label i32
/// [samples], of the figure in front, and mask u8 [samples, size, size], 0 on the ground and the class plus 1
/// on a figure; with a fifth as many held out.
inline Result<TrainTest> try_make_shapes(const ShapesOptions& o = {}) {
  return try_load_data("shapes:rows=" + std::to_string(o.samples) + ",size=" + std::to_string(o.size) +
                       ",classes=" + std::to_string(o.classes) + ",objects=" + std::to_string(o.objects) +
                       ",seed=" + std::to_string(o.seed));
}

struct ImageOptions {
  /// The rows held out, not those to train on.
  bool test = false;
  /// Pixels as the files have them, 0..255 in u8; else f32 in 0..1.
  bool bytes = false;
};
using MnistOptions = ImageOptions;
namespace detail {
inline Result<Data> images(const std::string& spec, const ImageOptions& options) {
  Result<TrainTest> r = try_load_data(spec);
  TENON_PASS(r);
  if (options.test && !r->test) return Error(301, spec + ": holds no test rows");
  const Data data = options.test ? *r->test : r->train;
  return options.bytes ? Result<Data>(data) : data.try_scaled("image", 1.0 / 255);
}
}  // namespace detail
/// A folder with MNIST's IDX files: image [rows, 28, 28] and label i32 [rows].
inline Result<Data> try_mnist(const std::string& folder, const MnistOptions& options = {}) {
  return detail::images(folder, options);
}
/// A folder or file of CIFAR-10's or CIFAR-100's binary form: image [rows, 32, 32, 3], channels last, and
/// label i32 [rows]; of CIFAR-100 also coarse i32 [rows]. A model that declares [batch, 3, 32, 32] gets its
/// channels first.
inline Result<Data> try_cifar(const std::string& path, const ImageOptions& options = {}) {
  return detail::images(path, options);
}
/// A folder of PNG and JPEG pictures of one size: image [rows, height, width, channels], and where they lie
/// in a folder for each class label i32 [rows], numbered in the order of the folders' names.
inline Result<Data> try_pictures(const std::string& folder, const ImageOptions& options = {}) {
  return detail::images(folder, options);
}
/// A table of numbers with its last column as target, or as `csv:path=...,target=...` names it.
inline Result<Data> try_csv(const std::string& path) {
  Result<TrainTest> r = try_load_data(path);
  TENON_PASS(r);
  return r->train;
}

#if TENON_EXCEPTIONS
inline TrainTest load_data(const std::string& spec) { return detail::take(try_load_data(spec)); }
inline Data make_data(const std::vector<ColumnView>& columns) { return detail::take(try_make_data(columns)); }
inline Data make_regression(const RegressionOptions& o = {}) { return detail::take(try_make_regression(o)); }
inline Data make_classification(const ClassificationOptions& o = {}) {
  return detail::take(try_make_classification(o));
}
inline TrainTest make_digits(const DigitsOptions& o = {}) { return detail::take(try_make_digits(o)); }
inline TrainTest make_shapes(const ShapesOptions& o = {}) { return detail::take(try_make_shapes(o)); }
inline Data mnist(const std::string& folder, const MnistOptions& options = {}) {
  return detail::take(try_mnist(folder, options));
}
inline Data cifar(const std::string& path, const ImageOptions& options = {}) {
  return detail::take(try_cifar(path, options));
}
inline Data pictures(const std::string& folder, const ImageOptions& options = {}) {
  return detail::take(try_pictures(folder, options));
}
inline TrainTest open_data(const std::string& spec, const OpenOptions& options = {}) {
  return detail::take(try_open_data(spec, options));
}
inline Data csv(const std::string& path) { return detail::take(try_csv(path)); }
#endif

TENON_NAMESPACE_END
