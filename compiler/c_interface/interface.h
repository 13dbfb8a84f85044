// The C functions that an object offers to C programs (the surface of its generated header): their shape,
// derived from the module alone, so that code and header cannot part. All checks of a call stand here, in the
// order null, alignment, range, space, state, overlap; the entry behind runs unchecked. Only init and check
// ask for the processor, before anything else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/made_names.h"
#include "kernel/kernel.h"

namespace tenon::codegen {
struct ModuleEmitter;
}

namespace tenon::c_interface {
using namespace support;

// Values of <prefix>_status.
enum class CStatus : uint8_t { ok, null, range, space, align, state, label, nonfinite, cpu, overlap };
CStatus c_status(uint16_t code);

// One parameter of an entry as C sees it.
struct CField {
  const kernel::EntryParam* param = nullptr;
  std::string name;
  bool optional = false;      // a pointer that may be null
  uint64_t offset = 0;        // in the args struct, of an entry that loops
  int64_t low = 0, high = 0;  // dims
};

// A loop whose name is another's with this behind it, and that takes one array of row numbers beside what the
// other takes, is the other one in an order of the caller's: both are one C function.
inline constexpr std::string_view given_order = "order", given_order_suffix = ir::order_ending;

// An entry's C function. What a loop returns may be null: it then goes to the arena, behind what is needed
// there. Fields stand in the order inputs, dims, hyper-parameters, outputs. An entry that
// loops takes them in a struct, with the number of committed steps at `done`.
struct CEntry {
  const kernel::Entry* entry = nullptr;
  const kernel::Entry* given = nullptr;       // the same loop in a given order, where there is one
  const kernel::EntryParam* order = nullptr;  // what `given` takes beside the rest
  std::string name;                           // after the prefix
  std::string arena_bytes, args, macro;       // whole names: the size function, the struct, the constant
  // Parameters and the field that the interface adds; they make way for the model's names.
  std::string state, record, arena, bytes, parallel_name, done_name, workers;
  std::vector<CField> fields;
  uint64_t done = 0;       // offset in the args struct
  bool parallel = false;   // takes const <prefix>_parallel *
  int64_t arena_high = 0;  // arena bytes where all dims are at their upper bound
};

// A dimension: constants <macro>_MIN and <macro>_MAX.
struct CDim {
  std::string macro;
  int64_t low = 0, high = 0;
};

struct CInterface {
  std::string prefix;
  std::vector<CDim> dims;
  std::vector<CEntry> entries;          // all but init
  const kernel::Entry* init = nullptr;  // the entry that fills a state from a seed, where there is one
  int64_t init_arena = 0;               // its arena; larger than init_stack: given by the caller
};
inline constexpr int64_t init_stack = 16384;

// `prefix`: a C identifier. Names of the model keep their spelling as far as C and C++ let them (names.h);
// where one needs a _ behind it, the header says whose it is.
Result<CInterface> interface_of(const kernel::Module& module, const std::string& prefix);
// Defines them in the module that is generated (codegen::Options::beside). `callers`: and for each a function
// that calls it by its symbol (codegen/symbols.h).
void emit_functions(codegen::ModuleEmitter& m, bool callers);
// The exact arena bytes of an entry for dims in its order.
Result<int64_t> arena_bytes(const kernel::Module& module, const kernel::Entry& entry,
                            const std::vector<int64_t>& dims);

}  // namespace tenon::c_interface
