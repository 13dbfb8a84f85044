// Families: how a file below transforms/optimizers or transforms/schedules puts its rows into the tables of
// optimizers and schedules, as ops/family.h does for operations. The build searches these folders for lines
// that begin with the macro and writes "transforms/optimizers.inc" and "transforms/schedules.inc", one
// X(stem) for each; registry.cpp includes them. No other line names an optimizer.
#pragma once

#include <span>

// Inside namespace tenon::transforms, at the left margin. The stem is the name of the file.
#define TENON_OPTIMIZER_FAMILY(stem)                                                \
  extern const ::std::span<const ::tenon::transforms::Optimizer> optimizers_##stem; \
  constinit const ::std::span<const ::tenon::transforms::Optimizer> optimizers_##stem
#define TENON_SCHEDULE_FAMILY(stem)                                               \
  extern const ::std::span<const ::tenon::transforms::Schedule> schedules_##stem; \
  constinit const ::std::span<const ::tenon::transforms::Schedule> schedules_##stem
