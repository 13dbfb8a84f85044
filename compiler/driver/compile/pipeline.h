// Runs the passes that options name, or the default ones: those on graphs, then those of lowering.
#pragma once

#include "driver/compile/compile.h"

namespace tenon::driver {

// A pipeline's two parts, by what their passes work on.
struct Pipeline {
  std::vector<pass::Step<ir::Module>> graph;
  std::vector<pass::Step<lower::ScheduledModule>> lowering;
  bool lowers = false;  // names a pass of lowering: its result is a scheduled module
};
// Of the options' passes, and those switched off or stopped at; parts that are not named are the default
// ones. T504 on unknown names, and on passes of graphs behind those of lowering.
Result<Pipeline> pipeline_of(const CompileOptions& options);

Status run_pipeline(ir::Module& module, const CompileOptions& options, CompileReport* report);
Status run_lowering(lower::ScheduledModule& module, const CompileOptions& options, CompileReport* report);

}  // namespace tenon::driver
