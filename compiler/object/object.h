// The one object path: kernel IR -> relocatable ELF object. The JIT loads exactly this object, AOT writes it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/kernel.h"
#include "target/target.h"

namespace tenon::object {
using namespace support;

struct Options {
  std::string prefix = "tenon";  // of every exported symbol
  bool c_functions = true;  // also the C functions of the generated header (init, check, tensors, entries)
  bool callers = false;     // and a function that calls each of them by its symbol (codegen/symbols.h)
  int threads = 0;          // code generation threads; 0: one per CPU. The object does not depend on it
  // Code generation in a process of its own, so that a failing allocation of LLVM's cannot end this one.
  bool isolate = false;
  // Instructions are chosen fast rather than well: the same values, in code that is several times slower. For
  // tests that compile much and run little.
  bool quick = false;
};

struct Object {
  std::vector<std::byte> elf;
  size_t kernels = 0;  // distinct kernels generated
  double seconds = 0;  // code generation time, wall
};

// T502 past a limit, T611 where LLVM may need more memory than there is, T503 where the back end refuses.
// Checks that undefined symbols are at most memcpy, memmove and memset. Deterministic: equal modules give
// equal bytes.
Result<Object> compile(const kernel::Module& module, const target::Target& target,
                       const Options& options = {});

// Text for people: LLVM IR or assembly of the same code.
Result<std::string> llvm_text(const kernel::Module& module, const target::Target& target,
                              const Options& options = {});
Result<std::string> assembly_text(const kernel::Module& module, const target::Target& target,
                                  const Options& options = {});

// Loads an object in process. No process symbols are visible to it but memcpy, memmove, memset.
class Loaded {
 public:
  static Result<std::unique_ptr<Loaded>> load(std::span<const std::byte> elf);
  virtual ~Loaded() = default;
  // Address of an exported symbol, or null.
  virtual void* lookup(std::string_view symbol) const = 0;
};

}  // namespace tenon::object
