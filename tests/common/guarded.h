// Memory that ends at a page which no access may touch (and begins behind one): an access past its end ends
// the test.
#pragma once

#include <cstddef>

namespace tenon::test {

class Guarded {
 public:
  explicit Guarded(size_t bytes, int fill = 0);
  ~Guarded();
  Guarded(Guarded&& other) noexcept;
  Guarded& operator=(Guarded&&) = delete;
  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void* base_ = nullptr;
  size_t mapped_ = 0, bytes_ = 0;
  std::byte* data_ = nullptr;
};

}  // namespace tenon::test
