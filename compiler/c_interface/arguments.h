// The arguments of a C function: their values, and what is tested of them. Of few each stands in a register
// and is tested where it is. Many are kept in a record, a few of them alive at once; those that are pointers
// stand in a table with their sizes, which is sorted to find what overlaps. Code and the work of a call then
// grow with their number and not with that of their pairs.
#pragma once

#include "c_interface/function.h"

namespace tenon::c_interface {

// A stretch of memory.
struct Span {
  llvm::Value *start, *bytes;
};

class CArguments {
 public:
  // At the function's beginning.
  CArguments(CFunction& f, ModuleEmitter& m, const CEntry& e);

  // To be called in this order; each leaves with its status where it fails.
  void test_pointers(llvm::Value* state);  // none is null, all are aligned
  void test_ranges();                      // of dimensions
  // No output shares a byte with an input, another output or the state, and none of them with the arena, nor
  // what is written with the struct of arguments.
  void test_overlaps(llvm::Value* state, const Span& arena);

  // An argument's value here; of a dimension, after test_ranges, as i64.
  llvm::Value* value(size_t field);
  void replace(size_t field, llvm::Value* value);
  // Of a pointer's tensor.
  llvm::Value* bytes(size_t field);
  const std::vector<size_t>& dims() const { return dims_; }  // fields that are dimensions, in order
  // The call record of an entry, of which each parameter is a field by its role and name.
  void fill_slots(const kernel::Entry& entry, llvm::Value* state, llvm::Value* arena, llvm::Value* slots);

 private:
  bool is_pointer(size_t field) const;
  bool is_output(size_t field) const;
  llvm::Type* type(size_t field) const;
  Span argument_struct();
  void compare_pairs(llvm::Value* state, const Span& arena);
  void list_spans();
  void list_span(const Span& span, uint64_t kind);

  CFunction& f_;
  ModuleEmitter& m_;
  const CEntry& e_;
  const bool many_;
  CFunction::Sizes sizes_;
  std::map<std::string, size_t> dim_fields_;
  std::vector<size_t> dims_;
  std::vector<llvm::Value*> values_;  // of few
  std::vector<llvm::Value*> given_;   // of few: before any was replaced
  llvm::Value* record_ = nullptr;     // of many: 8 bytes each
  llvm::Value* spans_ = nullptr;      // of many
  uint64_t listed_ = 0;
};

llvm::Type* c_type(ModuleEmitter& m, const kernel::EntryParam& p);

}  // namespace tenon::c_interface
