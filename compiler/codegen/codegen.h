// Code generation: kernel IR -> LLVM IR, statement by statement. Emits vector IR of the target's width with
// explicit fma, structured SSA (phis for assigned variables) and no allocas on hot paths; LLVM runs no IR
// passes over it. Knows no operation and no schedule.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "kernel/kernel.h"
#include "target/target.h"

namespace llvm {
class LLVMContext;
class Module;
}  // namespace llvm

namespace tenon::codegen {
using namespace support;

struct ModuleEmitter;  // emitter.h

struct Options {
  std::string prefix = "tenon";  // exported symbols are <prefix>_…; kernels are local or hidden
  // With the constants: what else the module defines.
  std::function<void(ModuleEmitter&)> beside;
};

// Generates the named functions of a verified module (all where empty). Leaf kernels get hidden visibility,
// so that functions generated into different LLVM modules can call each other and still leave no public
// symbol. With `constants`, the constants block is defined too (else declared).
Result<std::unique_ptr<llvm::Module>> generate(const kernel::Module& module,
                                               std::span<const kernel::Function* const> functions,
                                               bool constants, const target::Target& target,
                                               llvm::LLVMContext& context, const Options& options);

}  // namespace tenon::codegen
