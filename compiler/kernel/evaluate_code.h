// One function prepared for evaluation: each expression that a statement uses as a flat postorder list, and
// which values differ between lanes.
#pragma once

#include <memory>
#include <vector>

#include "kernel/kernel.h"
#include "kernel/scalar.h"

namespace tenon::kernel {

struct CodeNode {
  Op op;
  DType dtype;
  bool varying = false;  // one value a lane, else one value
  uint8_t bytes = 0;     // load: element size
  ApplyFn apply = nullptr;
  VarId var;
  uint64_t bits = 0;
  uint32_t args[3] = {};  // positions in the list
  std::vector<uint32_t> subscripts;
};

struct FunctionCode {
  const Function* function = nullptr;
  std::vector<std::unique_ptr<std::vector<CodeNode>>> roots;  // by ExprId; null where no statement uses it
  std::vector<bool> varying;                                  // by VarId
  size_t longest = 0;                                         // of the lists
};

// Of a verified function.
FunctionCode prepare(const Function& function);

}  // namespace tenon::kernel
