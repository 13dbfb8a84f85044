// Functions that test a table of the pointers that a C function was given. Private to this folder.
#pragma once

#include "codegen/emitter.h"

namespace tenon::c_interface {
using namespace codegen;

// A row, in words of 64 bits.
inline constexpr uint64_t span_start = 0, span_bytes = 1, span_kind = 2, span_words = 3;
// The kind of a row: what it may overlap, whether it may be null, and the bits that its address has not.
//   read: others that are read, and what is written in its own way. written: nothing but what is read.
//   alone: nothing.
inline constexpr uint64_t span_read = 0, span_written = 1, span_alone = 2, span_kinds = 3;
inline constexpr uint64_t span_optional = 4;
inline constexpr unsigned span_alignment = 8;

// i32 (rows, number of rows): CStatus::null, CStatus::align or CStatus::ok.
llvm::Function* pointers_function(ModuleEmitter& m);
// i1 (rows, number of rows): whether two rows share a byte that may not. Sorts the rows, n log n steps.
llvm::Function* overlaps_function(ModuleEmitter& m);

}  // namespace tenon::c_interface
