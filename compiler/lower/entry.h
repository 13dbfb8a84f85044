// Entries: the sequence of phases that runs a function. Builds leaf kernels (equal ones once), calls them
// with the places of the plan, cuts large ones into parallel chunks, and runs large loops phase by phase.
// A function that others apply becomes a procedure, which is given its parameters and states; its own entry,
// where it has one, gives it those of the state.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include "lower/emit.h"
#include "lower/lower.h"

namespace tenon::lower {

inline constexpr int64_t alignment = 64;  // of blocks of an arena, and of what is state

// Leaf kernels that a module has so far, by name: their number among its functions.
using Kernels = std::unordered_map<std::string, size_t>;

class EntryEmitter {
 public:
  EntryEmitter(const ScheduledModule& module, const ScheduledFunction& function, const Plan& plan,
               const Layout& layout, const Options& options, kernel::Module* out, Kernels* kernels);
  // Appends leaf kernels, the arena function and the entry to the kernel module.
  void run();
  // Appends leaf kernels and the procedure.
  void run_procedure();
  // Of a function that stands as a procedure: appends the arena function and an entry that calls it.
  void run_caller();

 private:
  void interface();
  void procedure_parameters();
  void add_dims(bool listed);
  void arena_function();
  void arena_offsets();
  void body();
  void test_sizes();
  void scope(const Scope& s);
  void group(const Scope& s, int32_t number);
  void loop(const Scope& s, int32_t number);
  void apply(const Scope& s, int32_t number);
  void call_procedure(const Application& a);
  void serial_kernels(const Scope& s);
  void copy(const Copy& c);
  // Outlines what `body` emits into a leaf kernel and calls it; `work` cuts it into chunks.
  void outline(const std::string& comment, const Work& work,
               const std::function<void(Frame&, ExprId, ExprId)>& body);
  ExprId argument(const FrameArgument& a, const std::array<ExprId, 4>& bounds);
  ExprId address(const Place& place);
  ExprId dim(const Dim& d);

  const ir::Module& module_;
  const ir::Function& function_;
  const Graph& graph_;
  const Plan& plan_;
  const Layout& layout_;
  const Options& options_;
  const Sizes& sizes_;
  kernel::Module* out_;
  Kernels* kernels_;
  const std::vector<SizeGuard>& guards_;
  kernel::Function entry_;
  kernel::Entry interface_;
  kernel::Builder b_;
  std::map<std::string, ExprId, std::less<>> dims_;
  std::map<uint32_t, ExprId> loops_;
  VarId state_, arena_, constants_;
  std::vector<VarId> inputs_, globals_, outputs_;
  std::map<uint32_t, VarId> hypers_;    // by root
  std::map<uint32_t, ExprId> offsets_;  // arena roots: bytes
};

// The names of dimensions that a graph uses, in its regions too.
void collect_dims(const Graph& graph, std::set<std::string>* names);
// Estimated vector cycles of one run of a scope at usual sizes, loops counted once.
double scope_cycles(const Sizes& sizes, const Scope& scope);
// Estimates of each item's code, of the regions in it as well.
struct CodeSize {
  uint64_t instructions, reads;  // reads: of values in memory, each by its own load
};
std::vector<CodeSize> code_sizes(const Scope& scope);
// Statements of the items `first` to before `last` of a scope, serial, into one kernel.
void emit_scope(Frame& frame, const Scope& scope, size_t first, size_t last);
inline void emit_scope(Frame& frame, const Scope& scope) { emit_scope(frame, scope, 0, scope.items.size()); }
void emit_loop(Frame& frame, const Scope& scope, int32_t group);
void emit_control(Frame& frame, const Scope& scope, int32_t group);
// The name of the kernel function that a procedure becomes.
inline std::string procedure_name(const ir::Function& function) { return "procedure_" + function.name; }
// The dimensions that the code of a function names, in the order of their declarations: those of its graph,
// and what those that it applies get for theirs.
std::vector<std::string> dims_of(const ir::Module& module, const Graph& graph, const Plan& plan);
bool uses_constants(const Plan& plan);
// Byte offsets of the arena roots (in Plan::arena order) and the total, as expressions of `dim`.
std::vector<ExprId> arena_layout(kernel::Builder& b, const Plan& plan,
                                 const std::function<ExprId(const Dim&)>& dim);

}  // namespace tenon::lower
