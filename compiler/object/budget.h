// Memory for LLVM. An allocation of LLVM's that fails ends the process, and its handler belongs to whoever
// else in the process uses LLVM. So what a call of LLVM may take is estimated, generously, before it begins,
// and asked of the system as one piece: a call over it is refused.
#pragma once

#include <cstddef>
#include <string_view>

#include "support/diagnostic.h"

namespace tenon::object {

// T611 with the numbers where the process cannot get `bytes` more; `what` is to take them: "loading". They
// are not kept: other threads of the host may take them meanwhile (Options::isolate).
support::Status afford(size_t bytes, std::string_view what);
// The same as a plain answer.
bool can_afford(size_t bytes) noexcept;

}  // namespace tenon::object
