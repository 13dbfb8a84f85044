// Targets as data: what lowering and code generation must know of a CPU family.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "support/diagnostic.h"

namespace tenon::target {
using namespace support;

// What the processors of an instruction set share, as code generation asks it.
struct Family {
  std::string_view name;                 // "x86-64"
  std::string_view triple, data_layout;  // LLVM's
  // The floating-point control word: the LLVM intrinsics that store it to and load it from 32 bits of memory,
  // its value where generated code runs (to nearest, nothing flushed, no traps), and the bits that operations
  // raise meanwhile.
  std::string_view store_float_control, load_float_control;
  uint32_t float_control = 0, float_flags = 0;
  std::string_view pause;  // intrinsic of a loop that waits
};

struct Target {
  std::string_view name;      // "x86-64-v4": the option --cpu, and the name in kernel dumps
  std::string_view llvm_cpu;  // CPU name for LLVM, and the complete feature list beside it
  std::string_view features;  // "+avx2,+fma,…": a CPU name implies features that a virtual machine may hide
  const Family* family = nullptr;
  int vector_bytes = 32;    // widest vector register
  int registers = 16;       // vector registers
  bool lane_masks = false;  // masked loads and stores of every element size
  // Some of its processors run a whole vector as two halves: half a vector costs them half as much.
  bool runs_halves = false;
  int tile_rows = 6, tile_vectors = 2;  // accumulators of the contraction micro-kernel
  // A right factor that is read in place: so many products ahead its rows are asked for.
  int64_t rows_ahead = 6;
  // So many rows make up for a copy in panels of a right factor that could be read in place; 0: none do.
  int64_t copied_rows = 0;
  int64_t l1_bytes = 32 << 10, l2_bytes = 1 << 20;
  bool runs_here() const;  // the CPU this process runs on has all features

  int lanes(size_t element_bytes) const { return vector_bytes / static_cast<int>(element_bytes); }
};

std::span<const Target* const> all_targets();
const Target* find_target(std::string_view name);
// The best target this CPU runs, "native"; T501 below x86-64-v3, naming the missing features.
Result<const Target*> host_target();

}  // namespace tenon::target
