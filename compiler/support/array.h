// Array: a dense, row-major host tensor (element type, extents, bytes aligned to 64). It carries constants of
// the graph, evaluator values, data sets and state files. Copies are deep; use shared_ptr to share.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "support/check.h"
#include "support/dtype.h"

namespace tenon::support {

class Array {
 public:
  Array() = default;  // a placeholder without elements, not the scalar; so is an array that was moved from
  Array(const Array&) = default;
  Array& operator=(const Array&) = default;
  Array(Array&& other) noexcept { swap(other); }
  Array& operator=(Array&& other) noexcept {
    Array taken(std::move(other));
    swap(taken);
    return *this;
  }
  void swap(Array& other) noexcept {
    std::swap(dtype_, other.dtype_);
    shape_.swap(other.shape_);
    std::swap(count_, other.count_);
    bytes_.swap(other.bytes_);
  }
  // Zero-filled. The caller has checked that the byte count does not overflow (see checked_bytes).
  Array(DType dtype, std::vector<int64_t> shape);

  DType dtype() const { return dtype_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  size_t rank() const { return shape_.size(); }
  int64_t count() const { return count_; }
  size_t bytes() const { return static_cast<size_t>(count_) * dtype_bytes(dtype_); }
  std::byte* data() { return bytes_.data(); }
  const std::byte* data() const { return bytes_.data(); }

  template <class T>
  std::span<T> as() {
    TENON_CHECK(dtype_of<T>::value == dtype_);
    return {reinterpret_cast<T*>(data()), static_cast<size_t>(count_)};
  }
  template <class T>
  std::span<const T> as() const {
    return const_cast<Array*>(this)->as<T>();
  }
  template <class T>
  static Array of(std::vector<int64_t> shape, std::initializer_list<T> values) {
    Array a(dtype_of<T>::value, std::move(shape));
    TENON_CHECK(static_cast<int64_t>(values.size()) == a.count());
    std::copy(values.begin(), values.end(), a.as<T>().begin());
    return a;
  }
  template <class T>
  static Array scalar(T value) {
    return of<T>({}, {value});
  }
  // Same type, extents and bits (NaN payloads included).
  friend bool operator==(const Array& a, const Array& b);

 private:
  // std::vector with 64-byte aligned storage.
  template <class T>
  struct Aligned {
    using value_type = T;
    Aligned() = default;
    template <class U>
    Aligned(const Aligned<U>&) {}
    T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{64})); }
    void deallocate(T* p, size_t) { ::operator delete(p, std::align_val_t{64}); }
    friend bool operator==(const Aligned&, const Aligned&) { return true; }
  };

  DType dtype_ = DType::f32;
  std::vector<int64_t> shape_;
  int64_t count_ = 0;
  std::vector<std::byte, Aligned<std::byte>> bytes_;
};

// Product of extents and element size; false where an extent is negative or the product passes 2^62.
bool checked_bytes(DType dtype, std::span<const int64_t> shape, int64_t* count, int64_t* bytes);

}  // namespace tenon::support
