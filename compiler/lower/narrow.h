// Rows of so few elements that a full reduction reads them across memory all the same: as many rows as there
// are lanes are read along memory, and exchanged in registers (reduce_spread.cpp). Wider ones are transposed
// and stored before (fusion does not join them with the reduction).
#pragma once

#include <cstdint>

namespace tenon::lower {

inline constexpr int64_t narrow_row = 7;

}  // namespace tenon::lower
