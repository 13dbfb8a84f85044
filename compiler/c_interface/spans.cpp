#include "c_interface/spans.h"

#include <llvm/IR/Intrinsics.h>

#include "c_interface/interface.h"

namespace tenon::c_interface {
namespace {

using llvm::BasicBlock;
using Word = llvm::Value;

// A function of rows and their number, under construction. Its variables are words in memory: it is called
// where a call has dozens of arguments, and its steps are few beside what those cost.
class RowFunction {
 public:
  RowFunction(ModuleEmitter& m, llvm::Function* function)
      : b(m.context), rows(function->getArg(0)), count(function->getArg(1)), function_(function) {
    b.SetInsertPoint(block("entry"));
  }

  llvm::IRBuilder<> b;
  Word *rows, *count;

  BasicBlock* block(const char* name) { return BasicBlock::Create(b.getContext(), name, function_); }
  Word* variable(Word* initial) {
    Word* slot = b.CreateAlloca(b.getInt64Ty());
    set(slot, initial);
    return slot;
  }
  Word* get(Word* variable) { return b.CreateAlignedLoad(b.getInt64Ty(), variable, llvm::Align(8)); }
  void set(Word* variable, Word* value) { b.CreateAlignedStore(value, variable, llvm::Align(8)); }
  Word* word(uint64_t n) { return b.getInt64(n); }

  Word* at(Word* row, uint64_t column) {
    Word* index = b.CreateAdd(b.CreateMul(row, word(span_words)), word(column));
    return b.CreateGEP(b.getInt64Ty(), rows, index);
  }
  Word* read(Word* row, uint64_t column) { return get(at(row, column)); }
  void exchange(Word* a, Word* c) {
    for (uint64_t column = 0; column < span_words; ++column) {
      Word *at_a = at(a, column), *at_c = at(c, column), *old = get(at_a);
      set(at_a, get(at_c));
      set(at_c, old);
    }
  }
  // body(row) for each; code goes on behind.
  template <class F>
  void each_row(F&& body) {
    BasicBlock *head = block("rows"), *inside = block("row"), *after = block("done");
    Word* i = variable(word(0));
    b.CreateBr(head);
    b.SetInsertPoint(head);
    b.CreateCondBr(b.CreateICmpULT(get(i), count), inside, after);
    b.SetInsertPoint(inside);
    Word* row = get(i);
    body(row);
    set(i, b.CreateAdd(row, word(1)));
    b.CreateBr(head);
    b.SetInsertPoint(after);
  }
  void sort_by_start();

 private:
  llvm::Function* function_;
};

// Heapsort: the heap grows from the middle down to row 0, then its greatest go behind it, one by one.
void RowFunction::sort_by_start() {
  BasicBlock *step = block("step"), *some = block("some"), *grow = block("grow"), *take = block("take");
  BasicBlock *sink = block("sink"), *child_there = block("child"), *deeper = block("deeper");
  BasicBlock* sorted = block("sorted");
  Word *start = variable(b.CreateLShr(count, word(1))), *end = variable(count), *root = variable(word(0));
  b.CreateBr(step);
  b.SetInsertPoint(step);
  b.CreateCondBr(b.CreateICmpUGT(get(end), word(1)), some, sorted);
  b.SetInsertPoint(some);
  b.CreateCondBr(b.CreateICmpNE(get(start), word(0)), grow, take);
  b.SetInsertPoint(grow);
  set(start, b.CreateSub(get(start), word(1)));
  set(root, get(start));
  b.CreateBr(sink);
  b.SetInsertPoint(take);
  set(end, b.CreateSub(get(end), word(1)));
  exchange(get(end), word(0));
  set(root, word(0));
  b.CreateBr(sink);

  b.SetInsertPoint(sink);
  Word* left = b.CreateAdd(b.CreateShl(get(root), word(1)), word(1));
  b.CreateCondBr(b.CreateICmpULT(left, get(end)), child_there, step);
  b.SetInsertPoint(child_there);
  Word* right = b.CreateAdd(left, word(1));
  right = b.CreateSelect(b.CreateICmpULT(right, get(end)), right, left);
  Word* further = b.CreateICmpULT(read(left, span_start), read(right, span_start));
  Word* child = b.CreateSelect(further, right, left);
  Word* less = b.CreateICmpULT(read(get(root), span_start), read(child, span_start));
  b.CreateCondBr(less, deeper, step);
  b.SetInsertPoint(deeper);
  exchange(get(root), child);
  set(root, child);
  b.CreateBr(sink);
  b.SetInsertPoint(sorted);
}

llvm::Function* declare(ModuleEmitter& m, const std::string& name, llvm::Type* result, bool* fresh) {
  const std::string full = own_symbol(m.options.prefix, name);
  llvm::Function* f = m.llvm_module.getFunction(full);
  *fresh = f == nullptr;
  if (f != nullptr) return f;
  llvm::Type* params[] = {llvm::PointerType::getUnqual(m.context), llvm::Type::getInt64Ty(m.context)};
  f = m.new_function(full, llvm::FunctionType::get(result, params, false), false);
  f->setLinkage(llvm::GlobalValue::InternalLinkage);
  f->addFnAttr(llvm::Attribute::NoInline);
  return f;
}

}  // namespace

llvm::Function* pointers_function(ModuleEmitter& m) {
  bool fresh = false;
  llvm::Function* f = declare(m, "test_pointers", llvm::Type::getInt32Ty(m.context), &fresh);
  if (!fresh) return f;
  RowFunction r(m, f);
  llvm::IRBuilder<>& b = r.b;
  Word *missing = r.variable(r.word(0)), *crooked = r.variable(r.word(0));
  r.each_row([&](Word* row) {
    Word *start = r.read(row, span_start), *kind = r.read(row, span_kind);
    Word* optional = b.CreateICmpNE(b.CreateAnd(kind, r.word(span_optional)), r.word(0));
    Word* null = b.CreateICmpEQ(start, r.word(0));
    // Where it may be null there is nothing that others could overlap.
    Word* bytes = b.CreateSelect(null, r.word(0), r.read(row, span_bytes));
    r.set(r.at(row, span_bytes), bytes);
    Word* bad = b.CreateZExt(b.CreateAnd(null, b.CreateNot(optional)), b.getInt64Ty());
    r.set(missing, b.CreateOr(r.get(missing), bad));
    r.set(crooked, b.CreateOr(r.get(crooked), b.CreateAnd(start, b.CreateLShr(kind, span_alignment))));
  });
  const auto status = [&](CStatus s) { return b.getInt32(static_cast<uint32_t>(s)); };
  Word* aligned = b.CreateICmpEQ(r.get(crooked), r.word(0));
  Word* rest = b.CreateSelect(aligned, status(CStatus::ok), status(CStatus::align));
  Word* none = b.CreateICmpEQ(r.get(missing), r.word(0));
  b.CreateRet(b.CreateSelect(none, rest, status(CStatus::null)));
  return f;
}

llvm::Function* overlaps_function(ModuleEmitter& m) {
  bool fresh = false;
  llvm::Function* f = declare(m, "find_overlap", llvm::Type::getInt1Ty(m.context), &fresh);
  if (!fresh) return f;
  RowFunction r(m, f);
  llvm::IRBuilder<>& b = r.b;
  // Where the rows of each kind that were met end, the furthest: what begins before shares a byte with one.
  Word *ends[span_kinds], *found = r.variable(r.word(0));
  for (Word*& end : ends) end = r.variable(r.word(0));
  const auto most = [&](Word* x, Word* y) { return b.CreateBinaryIntrinsic(llvm::Intrinsic::umax, x, y); };
  r.sort_by_start();
  r.each_row([&](Word* row) {
    Word *start = r.read(row, span_start), *bytes = r.read(row, span_bytes);
    Word* kind = b.CreateAnd(r.read(row, span_kind), r.word(3));
    const auto is = [&](uint64_t k) { return b.CreateICmpEQ(kind, r.word(k)); };
    Word* alone = r.get(ends[span_alone]);
    Word* written = most(alone, r.get(ends[span_written]));
    Word* any = most(written, r.get(ends[span_read]));
    Word* limit = b.CreateSelect(is(span_read), alone, b.CreateSelect(is(span_written), written, any));
    Word* some = b.CreateICmpNE(bytes, r.word(0));
    Word* bad = b.CreateAnd(some, b.CreateICmpULT(start, limit));
    r.set(found, b.CreateOr(r.get(found), b.CreateZExt(bad, b.getInt64Ty())));
    for (uint64_t k = 0; k < span_kinds; ++k) {
      Word* old = r.get(ends[k]);
      Word* end = b.CreateAdd(start, bytes);
      r.set(ends[k], b.CreateSelect(b.CreateAnd(some, is(k)), most(old, end), old));
    }
  });
  b.CreateRet(b.CreateICmpNE(r.get(found), r.word(0)));
  return f;
}

}  // namespace tenon::c_interface
