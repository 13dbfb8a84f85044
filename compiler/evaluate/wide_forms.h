// Wide evaluation of each form: arithmetic in a wider type with a bound on what the declared arithmetic may
// compute. Orders of summation are not followed: a bound covers every order with the declared depth.
#pragma once

#include "evaluate/exact_forms.h"
#include "ops/wide.h"

namespace tenon::evaluate {

template <class W>
class WideTensor {
 public:
  WideTensor() = default;
  WideTensor(DType dtype, std::vector<int64_t> shape)
      : dtype_(dtype),
        shape_(std::move(shape)),
        data_(static_cast<size_t>(element_count(shape_)), ops::Wide<W>{0, 0, dtype}) {}
  DType dtype() const { return dtype_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  int64_t count() const { return static_cast<int64_t>(data_.size()); }
  ops::Wide<W>& operator[](int64_t i) { return data_[static_cast<size_t>(i)]; }
  const ops::Wide<W>& operator[](int64_t i) const { return data_[static_cast<size_t>(i)]; }

  // Exactly the array's elements.
  static WideTensor of(const Array& array) {
    WideTensor t(array.dtype(), array.shape());
    with_dtype(array.dtype(), [&]<class T>() {
      for (int64_t i = 0; i < t.count(); ++i) {
        const T x = array.as<T>()[static_cast<size_t>(i)];
        // An integer that W cannot hold is not known.
        const W w = static_cast<W>(x);
        t[i] = std::is_integral_v<T> && !(std::abs(w) <= W(9007199254740992.0)) && sizeof(W) == 8
                   ? ops::wide::undecided<W>(array.dtype())
                   : ops::Wide<W>{w, 0, array.dtype()};
      }
    });
    return t;
  }

 private:
  DType dtype_ = DType::f32;
  std::vector<int64_t> shape_;
  std::vector<ops::Wide<W>> data_;
};

template <class W>
using WideOperands = std::vector<const WideTensor<W>*>;

// Bound on the relative error of `depth` roundings one after another.
inline double rounding_growth(DType d, double depth) {
  const double nu = depth * half_unit(d);
  return nu < 0.5 ? nu / (1 - nu) : std::numeric_limits<double>::infinity();
}

template <class W>
Result<WideTensor<W>> wide_generate(const NodeContext& c, const WideOperands<W>& in);
template <class W>
Result<bool> wide_iteration(const NodeContext& c, const WideOperands<W>& in, std::vector<WideTensor<W>>* out,
                            Failure* failure);

}  // namespace tenon::evaluate
