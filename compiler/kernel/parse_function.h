// Parser of one kernel function: parameters, statements, expressions. Types are checked where they are read,
// so that a mistake is shown in its place; what concerns the whole (static bounds, lanes) is the verifier's.
#pragma once

#include <unordered_map>

#include "kernel/builder.h"
#include "kernel/cursor.h"

namespace tenon::kernel {

class FunctionParser {
 public:
  FunctionParser(Cursor& cursor, Function& function) : c_(cursor), f_(function), b_(function) {}
  // From the word `kernel`, `procedure` or `entry` to the closing brace.
  void function();

 private:
  // An operand: an expression, or a literal whose type its surroundings tell.
  struct Value {
    ExprId expr;
    bool literal = false, negative = false;
    bool bad = false;  // stands behind an error: its type says nothing
    Token token;       // where it starts; of a literal: its number
  };
  struct Name {
    VarId var;
    bool open = true;  // in scope
    bool bad = false;  // its type is not known
  };

  // parse_function.cpp: statements
  void parameters();
  bool scratch();
  void fixed();
  void block(std::vector<Stmt>& body, std::vector<Fold>* folds);
  bool statement(Stmt& s, const Token& at);
  bool assignment(Stmt& s, const Token& name);
  bool branch(Stmt& s);
  bool local(Stmt& s);
  bool let(Stmt& s);
  bool prefetch(Stmt& s);
  void loop(Stmt& s, std::string_view keyword);
  void body(Stmt& s, size_t declared_before);
  void fail(Stmt& s);
  void call(Stmt& s);
  void fold(std::vector<Fold>& folds);
  void define();
  VarId declare(VarKind kind, DType dtype, const Token& name, std::vector<ExprId> extents = {});
  VarId lookup(const Token& name);
  bool dtype(DType* out, std::string_view where);

  // parse_expr.cpp: expressions
  Value expression(int precedence = 0);
  Value operand();
  Value primary();
  Value named(const Token& name);
  Value operation(Op op, const Token& name);
  Value typed_literal(DType dtype, const Token& name);
  Value make(Op op, DType wanted, std::vector<Value> args, size_t typed_from, const Token& at);
  std::vector<ExprId> subscripts();
  ExprId typed(const Value& value, DType want);  // a literal takes the type; anything else must have it
  ExprId any(const Value& value);                // a literal must be an integer: i64
  ExprId literal(const Value& value, DType dtype);
  ExprId index() { return typed(expression(), DType::i64); }
  ExprId condition() { return typed(expression(), DType::bool_); }
  Value placeholder(const Token& at);  // after an error
  void unify(std::vector<Value>& values, size_t from);

  Cursor& c_;
  Function& f_;
  Builder b_;
  std::unordered_map<std::string_view, Name> names_;
  std::vector<std::string_view> declared_;  // in order, to close scopes
  std::vector<ExprId> defined_;             // $1, $2, ...
  int depth_ = 0, nesting_ = 0;
};

// A literal's bits; false where the text is no number of the dtype, or out of its range. `negative` applies
// to numbers and inf.
bool literal_bits(std::string_view text, bool negative, DType dtype, uint64_t* bits);

}  // namespace tenon::kernel
