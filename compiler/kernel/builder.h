// Builder of one kernel function: expressions with local simplification (constants folded exactly, x+0 and
// x*1 for index arithmetic only: floats are never rewritten), common subexpressions shared, statements
// appended to the innermost open block.
#pragma once

#include <cstring>
#include <initializer_list>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernel/kernel.h"

namespace tenon::kernel {

class Builder {
 public:
  // Names and expressions that the function already has are known: building goes on where it ended.
  explicit Builder(Function& function);
  Function& function() { return function_; }

  // Parameters and static integers.
  VarId buffer(std::string name, DType dtype, uint32_t align = 0, bool read = true, bool written = true);
  VarId scalar(std::string name, DType dtype = DType::i64);
  VarId fixed(std::string name, int64_t value);
  // Memory of the function's own, aligned to 64 bytes.
  VarId scratch(std::string name, DType dtype, int64_t elements);

  // Expressions. Both operands of arithmetic have one dtype.
  ExprId constant(DType dtype, uint64_t bits);
  ExprId index(int64_t value);  // i64 constant
  template <class T>
  ExprId literal(T value);  // constant of T's dtype
  ExprId use(VarId var, std::vector<ExprId> subscripts = {});
  ExprId load(VarId buffer, ExprId index);
  ExprId address(VarId base, ExprId byte_offset, DType element);
  ExprId unary(Op op, ExprId a);
  ExprId binary(Op op, ExprId a, ExprId b);
  ExprId fma(ExprId a, ExprId b, ExprId c);
  ExprId select(ExprId condition, ExprId a, ExprId b);
  ExprId cast(ExprId a, DType to);
  ExprId bitcast(ExprId a, DType to);
  ExprId add(ExprId a, ExprId b) { return binary(Op::add, a, b); }
  ExprId sub(ExprId a, ExprId b) { return binary(Op::sub, a, b); }
  ExprId mul(ExprId a, ExprId b) { return binary(Op::mul, a, b); }
  DType dtype(ExprId e) const { return function_.expr(e).dtype; }
  // An expression as it is, shared with its equals but not simplified: for parsers and rewriters.
  ExprId intern(Expr expr);
  // A variable without a statement, for parsers; the name is made unique.
  VarId variable(Var var);
  // Value of an expression that is constant; nullptr otherwise.
  const int64_t* as_index(ExprId e) const;
  std::optional<bool> as_bool(ExprId e) const;

  // Statements. Names are made unique by a suffix.
  VarId declare(std::string name, DType dtype, ExprId initial, std::vector<ExprId> extents = {});
  ExprId let(std::string name, ExprId value);  // returns the use; a leaf is returned as it is
  void assign(VarId var, ExprId value, std::vector<ExprId> subscripts = {});
  void store(VarId buffer, ExprId index, ExprId value);
  void fail(uint16_t code, ExprId condition, ExprId detail);
  void prefetch(VarId buffer, ExprId index, bool write);
  void exchange(VarId array);
  void call(std::string callee, std::vector<ExprId> args);
  void stop_on_failure();
  void exit_if(ExprId condition);
  void progress(ExprId steps);
  void comment(std::string text);  // on the next statement

  // Blocks: begin_… opens, end() closes; the loop variable's use is returned.
  ExprId begin_for(std::string name, ExprId lo, ExprId hi, ExprId step);
  ExprId begin_lanes(std::string name, ExprId lo, ExprId hi, ExprId width);
  ExprId begin_unroll(std::string name, ExprId lo, ExprId hi);
  ExprId begin_specialize(std::string name, ExprId lo, ExprId hi, ExprId value);
  ExprId begin_parallel(std::string name, ExprId count);
  void begin_if(ExprId condition);
  void begin_else();                                 // only while the innermost block is the body of an if
  void fold(VarId target, FoldOp op, ExprId value);  // only while the innermost block is a lanes body
  void end();

 private:
  Stmt& append(StmtKind kind);
  Stmt& open();  // the statement of the innermost block
  ExprId begin_loop(StmtKind kind, std::string name, ExprId lo, ExprId hi, ExprId step, ExprId value);
  ExprId index_arithmetic(Op op, ExprId a, ExprId b);  // invalid where nothing simplifies
  ExprId folded(Op op, DType dtype, std::initializer_list<ExprId> args);

  Function& function_;
  std::vector<std::vector<Stmt>*> blocks_;
  std::vector<std::vector<Stmt>*> parents_;  // of each open block: where its statement stands (last)
  std::unordered_multimap<uint64_t, ExprId> interned_;
  std::unordered_map<std::string, uint32_t> names_;
  std::string comment_;
};

template <class T>
ExprId Builder::literal(T value) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return constant(dtype_of<T>::value, bits);
}

}  // namespace tenon::kernel
