// What code generation must know of a kernel function before it emits anything: which variables an expression
// reads, which variables may differ between lanes, which a statement list assigns. No LLVM here.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "kernel/kernel.h"

namespace tenon::codegen {
using namespace support;

struct Analysis {
  std::vector<std::vector<uint32_t>> reads;  // per expression: indices of the variables it reads, sorted
  std::vector<bool> loads;                   // per expression: it contains a load
  std::vector<bool> varying;                 // per variable: may differ between lanes
};
Analysis analyse(const kernel::Function& function);

// Variables assigned in a body (folds included) that are not declared in it, sorted.
std::vector<uint32_t> assigned_variables(const std::vector<kernel::Stmt>& body);
// Variables that a body reads or writes and does not declare, sorted.
std::vector<uint32_t> used_variables(const kernel::Function& function, const Analysis& analysis,
                                     const std::vector<kernel::Stmt>& body);
bool accesses_bytes(const kernel::Function& function, const std::vector<kernel::Stmt>& body);

// Facts over all functions of a module.
struct ModuleFacts {
  std::unordered_map<std::string, const kernel::Function*> functions;
  std::unordered_map<const kernel::Function*, bool>
      status;  // it takes the call's status: fails, leaves or counts, itself or by call
  std::unordered_map<const kernel::Function*, bool> phases;           // it runs phases, itself or by call
  std::unordered_map<const kernel::Function*, uint32_t> first_place;  // number of its first fail statement
};
ModuleFacts module_facts(const kernel::Module& module);

}  // namespace tenon::codegen
