// Which process this is: a number that a child of `fork` does not share with its parent. What belongs to
// threads is gone in the child; whoever keeps threads keeps the number beside them.
#pragma once

#include <cstdint>

namespace tenon::support {

// One load; equal as long as the process is.
uint64_t process_number() noexcept;

}  // namespace tenon::support
