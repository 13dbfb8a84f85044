// Exact evaluation of each form: declared dtype and order, one scalar at a time.
#pragma once

#include "evaluate/index_map.h"
#include "evaluate/walker.h"
#include "support/array.h"

namespace tenon::evaluate {

using Operands = std::vector<const Array*>;

Result<Array> exact_elementwise(const NodeContext& c, const Operands& in);
Result<Array> exact_generate(const NodeContext& c, const Operands& in);
Result<bool> exact_iteration(const NodeContext& c, const Operands& in, std::vector<Array>* out,
                             Failure* failure);

}  // namespace tenon::evaluate
