// Combiners of iterations (ir/iteration.h) as operations of the table.
#pragma once

#include <string_view>

#include "ir/iteration.h"

namespace tenon::ops {

// The elementwise operation that combines two values: "add" for sums.
std::string_view combining_operation(ir::Combiner combiner);

}  // namespace tenon::ops
