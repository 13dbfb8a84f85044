// Guards of one function: every statement again, with tests before those that may leave a buffer.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "kernel/builder.h"

namespace tenon::kernel {

// What is known of a buffer.
struct Extent {
  ExprId elements;         // accessible from its pointer on
  ExprId bytes;            // entries and procedures: the same for addresses
  int64_t first_byte = 0;  // entries: addresses begin here
  uint32_t align = 1;      // entries: of the pointer
  bool written = false;    // out: stored to, here or in a callee
};

class FunctionGuard {
 public:
  // Callees stand before the function and are guarded already. `closed`: functions that are not called.
  FunctionGuard(Function& function, const Module& module, const std::unordered_set<std::string_view>& closed);

  Builder& builder() { return b_; }
  Extent& extent(VarId buffer) { return extents_[buffer.index]; }
  // A named value before the first statement that is guarded next; leaves stay what they are.
  ExprId let(std::string name, ExprId value);
  Errors run();

 private:
  using Block = std::vector<Stmt>;
  Block block(const Block& body);
  void statement(Stmt s);
  Stmt& emit(StmtKind kind);
  void refuse(const Stmt& at, std::string message);
  // The expression with its loads guarded; what they need is emitted.
  ExprId rewrite(ExprId root);
  ExprId load(Expr x);
  void store(Stmt s);
  // Whether the element lies in the buffer; valid only where that is not known. Records T605 where it does
  // not.
  ExprId inside(VarId buffer, ExprId at);
  void loop(Stmt s);
  ExprId trips(ExprId lo, ExprId hi, ExprId per);
  ExprId bounded(ExprId lo, ExprId hi, ExprId count, ExprId most);
  ExprId work();
  void call(Stmt s);
  void fail(Code code, ExprId condition, ExprId detail);

  Function& f_;
  const Module& m_;
  const std::unordered_set<std::string_view>& closed_;
  Builder b_;
  std::vector<Extent> extents_;  // by variable
  std::vector<bool> loads_;      // by expression of the text: it or an operand is a load
  std::unordered_map<uint32_t, ExprId> rewritten_;
  Block first_;
  Block* out_ = &first_;
  const Stmt* at_ = nullptr;
  Errors errors_;
  ExprId nest_;  // trips of the loops around, at least 1
  ExprId work_;  // see work()
  int64_t lane_width_ = 1;
  bool in_phase_ = false;
};

}  // namespace tenon::kernel
