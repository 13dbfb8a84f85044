// Runs the passes that options name on a module, or the default pipeline.
#pragma once

#include "driver/compile.h"

namespace tenon::driver {

Status run_pipeline(ir::Module& module, const CompileOptions& options, CompileReport* report);

}  // namespace tenon::driver
