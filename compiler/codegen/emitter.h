// Emission of one LLVM function from kernel statements. A kernel value is uniform (one scalar), affine in the
// lane (an integer base and a constant stride, made into a vector only where one is needed) or a vector in
// parts of the target's width. Every value knows the scope it was placed in: pure expressions are emitted at
// the outermost loop in which their operands stand, never out of a branch, and shared while they hold.
#pragma once

#include <llvm/Analysis/InstSimplifyFolder.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include "codegen/analysis.h"
#include "codegen/codegen.h"
#include "codegen/symbols.h"

namespace tenon::codegen {

// Functions of more parameters read each from a record where it is used. As arguments all of them would be
// alive from the entry on, and the register allocator is quadratic in what is alive at once.
inline constexpr size_t most_arguments = 64;
inline bool takes_record(const kernel::Function& function) { return function.params.size() > most_arguments; }
// Reads of the record never wait for a write: no chain between each read and each write of a block.
inline void mark_record(llvm::Argument* record, size_t slots) {
  llvm::LLVMContext& context = record->getContext();
  record->addAttr(llvm::Attribute::getWithAlignment(context, llvm::Align(8)));
  record->addAttr(llvm::Attribute::getWithDereferenceableBytes(context, 8 * slots));
}

// State of one LLVM module under construction. Kernels are <prefix>.<name>, what is made beside them
// <prefix>$<name>: the text form has names of the first kind only.
struct ModuleEmitter {
  const kernel::Module& module;
  const target::Target& target;
  const Options& options;
  const ModuleFacts& facts;
  llvm::LLVMContext& context;
  llvm::Module& llvm_module;
  Errors errors;

  int part_lanes() const { return target.vector_bytes / 4; }
  void refuse(const kernel::Function& function, const std::string& what);

  llvm::Type* register_type(DType dtype);  // bool: i1
  llvm::Type* memory_type(DType dtype);    // bool: i8
  llvm::Type* parameter_type(const kernel::Var& var);
  llvm::Function* new_function(const std::string& name, llvm::FunctionType* type, bool exported);
  // A kernel takes its parameters as arguments or, where they are many, in a record of 8 bytes each; then the
  // call's status, where it needs it. A procedure takes what was lent (Lent) as well.
  llvm::Function* declare_kernel(const kernel::Function& function);
  llvm::GlobalVariable* constants_block(bool define);
  llvm::Function* record_failure();  // void (CallStatus*, i32 code, i32 place, i64 detail)
  llvm::Constant* dummy();           // readable zeros for loads whose lanes are all off
};

// What a host has lent to an entry, as values of the function at hand.
struct Lent {
  llvm::Value* parallel = nullptr;  // Parallel*
  llvm::Value* team = nullptr;      // frame of the team, or null: phases go through the host's `run`
  llvm::Value* many = nullptr;      // i1: there are several workers
};

struct Value {
  enum class Shape : uint8_t { uniform, affine, vector } shape = Shape::uniform;
  llvm::SmallVector<llvm::Value*, 4> parts;  // uniform, affine: one scalar
  int64_t stride = 0;                        // affine: lane l holds parts[0] + stride * l
  uint32_t depth = 0, scope = 0;  // where it stands: index into the scope stack, and that scope's id

  bool uniform() const { return shape == Shape::uniform; }
  llvm::Value* scalar() const { return parts[0]; }
};

class FunctionEmitter {
 public:
  FunctionEmitter(ModuleEmitter& m, const kernel::Function& f, const Analysis& a, llvm::Function* fn);

  // Binds variables to what stands for them in this LLVM function.
  void bind(kernel::VarId var, llvm::Value* value);
  void bind_elements(kernel::VarId var, std::vector<llvm::Value*> values);
  // Binds a scalar or a buffer to a place in a record of 8 bytes each, and reads it where it is used.
  void bind_slot(kernel::VarId var, llvm::Value* record, uint64_t slot);
  void emit(const std::vector<kernel::Stmt>& body);
  // Binds the parameters of a kernel or procedure to the arguments of its LLVM function.
  void bind_parameters(llvm::Function* fn);
  void emit_body();  // all of the function, parameters bound
  llvm::IRBuilderBase& builder() { return builder_; }
  llvm::AllocaInst* alloca_bytes(uint64_t bytes, uint64_t align);
  // What is passed on: a value at hand, or what a slot of a record holds; bytes are added to pointers only.
  struct Passed {
    llvm::Value* base = nullptr;
    bool in_record = false;
    uint64_t slot = 0, offset = 0;
  };
  Passed passed(kernel::VarId scalar_or_buffer);
  Passed passed(kernel::ExprId argument);
  // Writes slot after slot of a record. Those that come from one place are copied by a loop over a table:
  // straight code for a thousand of them would be one block, in which LLVM's scheduler looks at every pair.
  void fill_record(llvm::Value* record, std::span<const Passed> values);

  // Set by the emitter of entries.
  llvm::Value* status = nullptr;      // CallStatus*, where the function may fail
  const Lent* lent = nullptr;         // for the procedures that are called; null: nothing
  llvm::BasicBlock* leave = nullptr;  // target of stop_on_failure
  std::function<void(const kernel::Stmt&, FunctionEmitter&)> on_parallel;

  // The LLVM values of a variable, scalars only; for captures.
  std::vector<llvm::Value*> scalars_of(kernel::VarId var);
  llvm::Value* scalar(kernel::ExprId e);
  const kernel::Function& function() const { return f_; }
  const Analysis& analysis() const { return a_; }
  ModuleEmitter& module() { return m_; }
  void memory_changed() { memory_stamp_ = ++clock_; }
  // Count-controlled loop around code that assigns no variable: body(i) for i in 0..n (i64).
  void plain_loop(llvm::Value* n, const std::function<void(llvm::Value*)>& body);

 private:
  using Builder = llvm::IRBuilder<llvm::InstSimplifyFolder>;

  struct Scope {
    uint32_t id = 0;
    bool branch = false;                // code must not be moved out of it
    llvm::Instruction* fork = nullptr;  // terminator in the enclosing scope that leads here
  };
  struct Variable {
    std::vector<Value> elements;
    std::vector<int64_t> extents;
    uint64_t stamp = 0;
    int predicates = 0;  // varying ifs around the declaration
    bool bound = false;
    llvm::Value* record = nullptr;  // of bind_slot: where it lies, and the block in which it is read last
    uint64_t slot = 0;
    llvm::BasicBlock* block = nullptr;
    llvm::Value* read = nullptr;
  };
  struct Memo {
    Value value;
    uint64_t stamp = 0;  // 0: none
  };
  struct Lanes {
    int width = 0, part_lanes = 0, parts = 0;
    std::vector<llvm::Value*> mask;  // per part; empty: all lanes on
    int predicates = 0;
  };

  // scopes.cpp
  uint32_t depth() const { return static_cast<uint32_t>(scopes_.size()) - 1; }
  void push_scope(bool branch, llvm::Instruction* fork);
  void pop_scope();
  bool holds(const Value& v) const { return v.depth < scopes_.size() && scopes_[v.depth].id == v.scope; }
  Value at(uint32_t depth, Value v) const;
  Value here(llvm::Value* scalar) const;
  uint32_t floor_depth() const;
  template <class F>
  auto place(uint32_t target, F&& f) {
    if (target >= depth()) return f();
    llvm::IRBuilderBase::InsertPointGuard guard(builder_);
    builder_.SetInsertPoint(scopes_[target + 1].fork);
    const bool outer = std::exchange(elsewhere_, true);
    auto result = f();
    elsewhere_ = outer;
    return result;
  }
  struct Join {  // values of assigned variables on the edges into one block
    std::vector<uint32_t> variables;
    std::vector<std::pair<llvm::BasicBlock*, std::vector<Value>>> edges;
  };
  std::vector<uint32_t> live_assigned(const std::vector<kernel::Stmt>& body) const;
  std::vector<Value> snapshot(const std::vector<uint32_t>& variables);
  void restore(const std::vector<uint32_t>& variables, const std::vector<Value>& values);
  void merge(Join& join);  // phis in the current block; assigns the variables
  void assign_element(Variable& v, size_t element, Value value);

  // expressions.cpp
  Value evaluate(kernel::ExprId e);
  bool fresh(kernel::ExprId e) const;
  Value compute(kernel::ExprId e);
  Value compute_pure(const kernel::Expr& x, std::span<const Value> args);
  std::optional<Value> compute_affine(const kernel::Expr& x, std::span<const Value> args, uint32_t target);
  int64_t static_index(kernel::ExprId e);
  size_t element_index(const kernel::Var& var, const Variable& v, std::span<const kernel::ExprId> subscripts);
  llvm::Value* splat(llvm::Value* scalar, uint32_t depth, uint32_t scope, int64_t stride, int part);
  llvm::Value* part(const Value& v, int p);  // part p as a vector
  Value to_vector(const Value& v);
  Value to_scalar(const Value& v, const char* what);
  Value current(kernel::VarId var, size_t element);

  // arithmetic.cpp: scalars and vectors alike
  llvm::Value* arithmetic(kernel::Op op, DType operand, DType result, llvm::ArrayRef<llvm::Value*> a);
  llvm::Value* divide(bool remainder, bool is_signed, llvm::Value* a, llvm::Value* b);
  llvm::Value* shift(kernel::Op op, llvm::Value* a, llvm::Value* b);
  llvm::Value* convert(DType from, DType to, llvm::Value* a);
  llvm::Value* combine(kernel::FoldOp op, DType dtype, llvm::Value* a, llvm::Value* b);

  // memory.cpp
  llvm::Value* pointer(kernel::VarId buffer);
  llvm::Value* read_slot(kernel::VarId var);
  llvm::Value* element_address(kernel::VarId buffer, llvm::Value* index);
  Value load(const kernel::Expr& x, const Value& index);
  const std::vector<llvm::Value*>& lane_scalars(llvm::Value* indices);
  llvm::Value* load_lanes(const kernel::Expr& x, const Value& index, int p, llvm::Value* mask);
  void store(const kernel::Stmt& s);
  void cut_block();
  llvm::Value* any_lane();  // i1: some lane is on
  llvm::Value* full_mask() const;
  llvm::Value* from_memory(DType dtype, llvm::Value* raw);
  llvm::Value* to_memory(DType dtype, llvm::Value* value);

  // statements.cpp
  void statement(const kernel::Stmt& s);
  void declare(const kernel::Stmt& s);
  void assign(const kernel::Stmt& s);
  void emit_for(const kernel::Stmt& s);
  // Whether a number is known to be at most another: a loop's variable, or what lies a step behind it.
  bool is_at_most(llvm::Value* x, llvm::Value* limit) const;
  void own_pointers(const std::vector<kernel::Stmt>& body);
  void emit_unroll(const kernel::Stmt& s);
  void emit_specialize(const kernel::Stmt& s);
  void emit_if(const kernel::Stmt& s);
  void emit_fail(const kernel::Stmt& s);
  void emit_call(const kernel::Stmt& s);
  void emit_stop();
  void emit_progress(const kernel::Stmt& s);
  void bind_loop(kernel::VarId var, Value value);
  struct Loop {  // a `for` that exit_if may leave
    llvm::BasicBlock* exit = nullptr;
    const std::vector<uint32_t>* assigned = nullptr;
    int predicates = 0;
    std::vector<std::pair<llvm::BasicBlock*, std::vector<Value>>> edges;
  };
  // body(i) with i from lo below hi; the variables' phis are made and merged here.
  void counted_loop(const Value& lo, const Value& hi, const Value& step,
                    const std::vector<uint32_t>& assigned, bool nonempty, bool no_wrap,
                    const std::function<void(llvm::Value*)>& body, Loop* left_early = nullptr);
  void emit_exit(const kernel::Stmt& s);
  llvm::BasicBlock* block(const char* name);

  // lanes.cpp
  void emit_lanes(const kernel::Stmt& s);
  void lanes_block(const kernel::Stmt& s, llvm::Value* base, int width, llvm::Value* count);
  void lanes_tail_one_by_one(const kernel::Stmt& s, llvm::Value* base, llvm::Value* count, int width);
  void emit_exchange(const kernel::Stmt& s);
  // Of the parts of each register; lanes that are off are zero already.
  void exchange_square(std::vector<std::vector<llvm::Value*>>& rows);
  void exchange_narrow(std::vector<std::vector<llvm::Value*>>& rows);
  llvm::Value* fold_tree(kernel::FoldOp op, DType dtype, std::vector<llvm::Value*> parts);
  llvm::Constant* fold_identity(kernel::FoldOp op, DType dtype);

  friend struct EntryEmitter;

  ModuleEmitter& m_;
  const kernel::Function& f_;
  const Analysis& a_;
  llvm::Function* fn_;
  Builder builder_;
  std::vector<Scope> scopes_;
  uint32_t next_scope_ = 0;
  uint64_t clock_ = 0, memory_stamp_ = 0;
  std::vector<Variable> variables_;
  std::vector<Memo> memo_;
  std::map<std::tuple<llvm::Value*, int64_t, int, int>, Value>
      splats_;  // scalar, stride, part, lanes of a part
  std::optional<Lanes> lanes_;
  bool elsewhere_ = false;                               // the insertion point is in an outer scope
  std::map<kernel::VarId, llvm::Value*> loop_pointers_;  // see own_pointers
  std::map<llvm::Value*, int64_t> highest_;              // of variables of loops whose bounds are known
  // By index vector: the block in which its lanes stand as scalars, and they.
  std::map<llvm::Value*, std::pair<llvm::BasicBlock*, std::vector<llvm::Value*>>> lane_scalars_;
  Loop* loop_ = nullptr;                      // innermost
  llvm::BasicBlock* stored_block_ = nullptr;  // see cut_block
  int stores_ = 0;
  llvm::AllocaInst* record_ = nullptr;              // of arguments, as large as the largest call's
  std::map<const kernel::Stmt*, uint32_t> places_;  // fail statements
};

// entries.cpp: the exported functions of an entry, and its arena function.
void emit_entry(ModuleEmitter& m, const kernel::Entry& entry, const kernel::Function& function);
// procedures.cpp
void emit_procedure(ModuleEmitter& m, const kernel::Function& function);
void emit_arena(ModuleEmitter& m, const kernel::Entry& entry, const kernel::Function& function);

}  // namespace tenon::codegen
