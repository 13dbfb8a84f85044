// Parser: recursive descent over the lexer's tokens, one member function per rule of docs/ir.md. It recurses
// only over nested regions, literals and option groups, all bounded. Private to parse*.cpp.
//
// Functions return false after they have reported an error; the statement or declaration is then skipped to
// its line's end. A name whose definition failed stays known with an invalid id ("poisoned"), and what uses
// it fails silently, so that one mistake is reported once.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/builder.h"
#include "ir/lexer.h"
#include "ir/parse.h"

namespace tenon::ir {

class Parser {
 public:
  Parser(std::string_view text, const ParseOptions& options)
      : lexer_(text, options.file), options_(options) {}
  Result<Module> run();
  Result<Attrs> run_attributes(const OpDef& op, const Module& module);
  Result<std::vector<Option>> run_options();

 private:
  // The names of one graph: a function's, or a region's with its enclosing one.
  struct Scope {
    Scope(Graph& g, const Module* module, Scope* up) : graph(g), builder(g, module), parent(up) {}
    Graph& graph;
    Builder builder;
    Scope* parent;
    Function* function = nullptr;  // whose body it is; null in regions
    size_t depth = 0;
    std::unordered_map<std::string, ValueId> names;     // defined here or captured; invalid: poisoned
    std::unordered_map<std::string, ValueId> implicit;  // else branch: captured by the then branch
    std::vector<ValueId>* captured = nullptr;  // region: enclosing values captured without being listed
    std::vector<std::string>* captured_names = nullptr;
    std::vector<uint32_t> lines;  // of definitions, by ValueId
    bool failed = false;
  };
  struct Operand {
    Token token;
    ValueId value;
    bool literal = false, negative = false;
  };
  struct Literal {  // a constant as written: elements in row-major order
    struct Element {
      std::string_view text;
      bool negative;
      size_t offset;
      uint32_t line, column;
    };
    std::vector<Element> elements;
    std::vector<int64_t> shape;
    bool is_data = false;
    std::string hash;
    Token start;
  };
  struct Statement {
    std::vector<Token> defs;
    Token op_token;
    const OpDef* op = nullptr;
    std::vector<Operand> operands;
    Attrs attrs;
    std::vector<std::pair<size_t, Token>> attr_tokens;  // attribute index, its name in the text
    std::vector<std::pair<Type, Token>> types;
    std::vector<std::unique_ptr<Graph>> regions;
    std::string scope;
    Location location;
    bool poisoned = false;
  };
  struct RegionArg {
    Token name;
    ValueId outer;  // invalid: poisoned, or the index
    ArgKind kind;
  };

  // parse.cpp: the module's declarations
  bool header();
  bool declaration();
  bool dim();
  bool hyper();
  bool global(GlobalKind kind);
  bool init(const Type& type, Init* out);
  bool derive();
  void declared_at(const Token& named, Location* out);
  bool option_name(std::string* out);
  bool options(std::vector<Option>* out, size_t depth);
  bool number(Number* out, Token* at = nullptr);
  bool fits(const Number& number, DType dtype, const Token& at);
  // parse_function.cpp
  bool function(bool procedure);
  bool function_rest(Function f, bool fresh);
  bool function_batch(Function* f);
  bool function_results(Function* f, std::vector<Type>* types);
  bool block(Scope& scope, const std::vector<Type>* types);
  bool finish(Scope& scope, const std::vector<Type>* types);
  bool set(Scope& scope);
  void write(Scope& scope, const std::string& target, ValueId value);
  bool writes_of_call(Scope& scope, const Statement& s, std::vector<ValueId>* results);
  bool name_list(Scope& scope, std::vector<Operand>* out);
  // parse_statement.cpp
  bool statement(Scope& scope);
  bool statement_body(Scope& scope, Statement& s);
  bool operand(Scope& scope, Operand* out);
  bool operands(Scope& scope, Statement& s);
  bool attributes(Statement& s);
  bool attribute_value(const AttrDef& def, Attr* out);
  bool types_and_tail(Statement& s);
  bool emit(Scope& scope, Statement& s);
  // parse_region.cpp
  bool loop(Scope& scope, Statement& s);
  bool cond(Scope& scope, Statement& s);
  bool call(Scope& scope, Statement& s);
  bool derived_callee(const std::string& callee, const Token& token, bool* failed);
  bool loop_sections(Scope& scope, std::vector<RegionArg>* args);
  bool region_item(Scope& scope, ArgKind kind, std::vector<RegionArg>* args);
  bool region_body(Scope& outer, Scope& inner, Statement& s);
  bool add_region_arg(Scope& outer, Scope& inner, const RegionArg& arg);
  bool opens_block();
  // parse_literal.cpp
  bool literal(Literal* out);
  bool literal_array(const Literal& literal, const Type& type, const Token& type_token,
                     std::shared_ptr<const Array>* out);
  bool scalar_array(const Operand& operand, DType dtype, std::shared_ptr<const Array>* out);
  bool store_element(const Literal::Element& element, DType dtype, std::byte* out);
  bool literal_operands(Scope& scope, Statement& s);
  // parse_support.cpp: names, types, dimension expressions, diagnostics
  const ValueId* lookup(Scope& scope, const std::string& name);
  bool define(Scope& scope, const Token& name, ValueId value);
  bool type(Type* out, Token* token);
  bool dim_expression(std::string_view stops, Dim* out);
  bool dim_list(std::vector<Dim>* out);
  bool name(std::string_view what, Token* out);
  bool expect(std::string_view punct);
  bool line_end();
  bool integer(int64_t* out);
  bool location(Location* out);
  bool fail(Code code, std::string message, const Token& at, std::string help = {});
  bool fail(Diagnostic d);
  bool unexpected(std::string_view wanted);
  std::string near_value(Scope& scope, const std::string& name);
  void explain(Scope& scope, const Statement& s, Errors errors);
  std::string other_operand(Scope& scope, const Statement& s, size_t position);
  static std::string name_of(const Token& t) {
    return t.kind == Token::Kind::string ? t.value : std::string(t.text);
  }

  Lexer lexer_;
  const ParseOptions& options_;
  Module module_;
  Errors errors_;
  std::string comment_;  // above the declaration that is read
  uint32_t file_ = ~0u;  // index of this text in module_.files, once one is needed
  std::unordered_map<std::string, size_t> globals_, functions_;
  std::string function_;                              // whose body is read
  std::unordered_set<std::string> written_;           // by the function that is read
  std::unordered_set<std::string> failed_functions_;  // named, but their first line could not be read
  std::vector<uint32_t> global_lines_;  // of declarations in this text; 0: its declaration failed
};

}  // namespace tenon::ir
