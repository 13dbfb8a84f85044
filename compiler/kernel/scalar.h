// The meaning of every operation on one element, as bits: what the builder folds with and the evaluator runs
// on. A value is the element's bytes, zero-extended to 64 bits.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "kernel/kernel.h"

namespace tenon::kernel {

template <class T>
uint64_t to_bits(T value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}
template <class T>
T from_bits(uint64_t bits) {
  if constexpr (std::is_same_v<T, bool>) {
    return (bits & 0xff) != 0;
  } else {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
}

// Number of operands of an operation that has no variable; 0 for leaves, loads and addresses.
int operand_count(Op op);
// What an operation takes: floats, integers, bool. Casts take all that compute; bitcasts all but bool.
bool op_takes(Op op, DType operand);

// An operation over `count` elements; `from` is the dtype of the (first value) operand, `to` of the result.
// A stride of 0 repeats element 0. `out` may be one of the operands.
struct Operand {
  const uint64_t* data = nullptr;
  size_t stride = 1;
};
using ApplyFn = void (*)(uint64_t* out, const Operand* args, size_t count);
// nullptr where the combination has no meaning (what the verifier refuses).
ApplyFn find_apply(Op op, DType from, DType to);

// One element; false where the combination has no meaning.
bool apply(Op op, DType from, DType to, const uint64_t* args, uint64_t* out);

// s = op(s, x) of a fold, and its identity.
uint64_t fold_identity(FoldOp op, DType dtype);
uint64_t fold_apply(FoldOp op, DType dtype, uint64_t a, uint64_t b);

}  // namespace tenon::kernel
