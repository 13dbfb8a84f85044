// Typing rules of expressions: one place for parser and verifier.
#pragma once

#include <string>

#include "kernel/kernel.h"

namespace tenon::kernel {

// What is wrong with an operation on operands of these types; empty where nothing is. Leaves are not judged.
std::string operand_error(Op op, DType result, const DType* args, size_t count);
// The type that the operation gives (cast and bitcast: `wanted`); meaningful where operand_error is empty.
DType result_type(Op op, const DType* args, size_t count, DType wanted);

}  // namespace tenon::kernel
