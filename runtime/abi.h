// The binary interface between compiled entries and their host: JIT sessions and the C functions of an AOT
// object go through the same one. Plain C layout; no allocation, no globals.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenon::runtime {

// Callbacks with which a host lends threads (same layout as <prefix>_parallel in generated headers).
// `run` calls task(arg, chunk, worker) once for every chunk 0..n-1, in any order, on any threads, and returns
// when all have returned; worker < workers. `team`, where not null, calls body(arg, worker) once on each of
// `workers` threads, all running at once, and returns when all have returned. A team takes the chunks of its
// phases by itself; `chunks`, where not null, is one number per worker to which it adds those each has run.
extern "C" {
typedef void (*TaskFunction)(void* arg, uint32_t chunk, uint32_t worker);
typedef void (*BodyFunction)(void* arg, uint32_t worker);
struct Parallel {
  void* ctx;
  uint32_t workers;
  void (*run)(void* ctx, uint32_t n, TaskFunction task, void* arg);
  void (*team)(void* ctx, BodyFunction body, void* arg);
  uint64_t* chunks = nullptr;
};

// Written by an entry, which clears it first: the first failure (an error code number of
// support/error_codes.h, 0: none), its detail (row or index), and the number of steps committed. Where
// several statements fail, the one with the least (place, detail) stays, so that the report does not depend
// on the order of chunks. `place` counts the fail statements of the module's functions in their order.
struct CallStatus {
  uint32_t code;
  uint32_t place;  // which fail statement of the program (index into Program's table of places)
  int64_t detail;
  int64_t progress;
};

// slots: one 8-byte slot per parameter of the entry (kernel::Entry::params without the role `constants`), in
// order: a pointer, or a scalar's bits (zero-extended). parallel may be null: everything runs on the caller.
// Returns status->code.
typedef uint32_t (*EntryFunction)(const uint64_t* slots, const Parallel* parallel, CallStatus* status);
// dims in the order of kernel::Entry::dims -> bytes of arena, exact; checks nothing.
typedef int64_t (*ArenaFunction)(const int64_t* dims);
}

// The first 64 bytes of a state block; tensors follow at StateSlot::offset, each 64-byte aligned.
struct StateHeader {
  uint64_t magic;        // state_magic
  uint64_t layout;       // low half of the hash of names, dtypes, shapes and offsets
  uint64_t bytes;        // of the whole block
  uint64_t version;      // of this layout
  uint64_t reserved[4];  // zero
};
static_assert(sizeof(StateHeader) == 64);
inline constexpr uint64_t state_magic = 0x3154534e4f4e4554ull;  // "TENONST1"
inline constexpr uint64_t state_version = 1;
inline constexpr size_t block_alignment = 64;

}  // namespace tenon::runtime
