// Tenon for C++20: header-only over the C API. A model is declared once; the rest is derived from it.
//
//   model.hpp    dimensions, values, models, steps        ops.hpp      a function per operation (generated)
//   layers.hpp   layers with parameters                   optimizers.hpp  optimizers, schedules (generated)
//   control.hpp  loops and conditions                     data.hpp     arrays, data sets, batches
//   program.hpp  compile, program, state, session         error.hpp    Error, Result
#pragma once

#include "tenon/control.hpp"
#include "tenon/data.hpp"
#include "tenon/error.hpp"
#include "tenon/layers.hpp"
#include "tenon/model.hpp"
#include "tenon/ops.hpp"
#include "tenon/optimizers.hpp"
#include "tenon/program.hpp"
