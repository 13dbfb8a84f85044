// One call of a C function of an exported object, as a C program makes it.
#pragma once

#include "driver/command/engine.h"

namespace tenon::command {

// Calls <prefix>_<entry> on copies. The object was exported with `callers`. Outcome::status.code is a value
// of <prefix>_status (c_interface::CStatus). T503 where the object lacks the function.
Result<Outcome> run_c_function(const driver::Program& program, const driver::EntryInfo& entry,
                               const LinkedObject& object, const std::string& prefix,
                               const evaluate::Inputs& inputs, const runtime::Parallel* parallel);

}  // namespace tenon::command
