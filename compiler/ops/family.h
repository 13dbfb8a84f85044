// Families: how a file below compiler/ops puts its declarations into the table of operations.
//
// A family file holds a constant table of OpDefs and ends with one line that starts at the left margin:
//
//   namespace tenon::ops {
//   namespace {
//   constexpr ir::OpDef defs[] = {{.name = "reshape", ...}, ...};
//   }
//   TENON_OP_FAMILY(reshape) = defs;
//   }  // namespace tenon::ops
//
// The build searches the folder for such lines and writes "ops/families.inc", one X(stem) each; registry.cpp
// includes it. So an operation is one file, and no other line names it. The table is a constant expression:
// there is no static constructor, nothing the linker drops, and two files with one stem do not link.
#pragma once

#include <span>

#include "ir/op_def.h"

// Inside namespace tenon::ops. The stem is the name of the file, which is unique below compiler/ops.
#define TENON_OP_FAMILY(stem)                                       \
  extern const ::std::span<const ::tenon::ir::OpDef> family_##stem; \
  constinit const ::std::span<const ::tenon::ir::OpDef> family_##stem
