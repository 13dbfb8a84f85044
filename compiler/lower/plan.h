// Plan: where every stored value lives, and in which order groups run.
//
// A root is a block of memory known to the program: a state slot, a constant, an input, an output, or a piece
// of the arena. A place is a root, or the row of a root that the iteration of surrounding loops selects.
// Values that a graph writes into state or carries go straight into their old value's place where the order
// of reads allows it; otherwise they are made elsewhere and copied at the end. Overlap in the arena follows
// from liveness; offsets are expressions of dimensions, exact for every binding.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/apply.h"
#include "kernel/kernel.h"
#include "lower/schedule.h"

namespace tenon::lower {

using RootId = Id<struct RootTag>;
using LoopId = Id<struct LoopTag>;

enum class RootBase : uint8_t { state, arena, constants, input, global, output, hyper };

struct Root {
  RootBase base = RootBase::arena;
  DType dtype = DType::f32;
  Dim count = {};  // elements
  std::string name = {};
  uint64_t offset = 0;             // state, constants: bytes
  uint32_t slot = 0;               // input, global, output: which one
  uint32_t first = ~0u, last = 0;  // arena: positions at which it is live
};

struct Step {
  LoopId loop;
  Dim stride;  // elements an iteration
};
struct Place {
  RootId root;
  Dim offset = {};  // elements before it: a contiguous slice lies in what it is a slice of
  std::vector<Step> steps;
  LoopId index;  // the value is this loop's iteration number; no memory

  bool none() const { return !root.valid() && !index.valid(); }
};

bool same_place(const Place& a, const Place& b);

struct Plan;
// A function that others apply: what its callers must know of it.
struct Procedure {
  const ir::Function* function = nullptr;
  const Plan* plan = nullptr;
};
using Procedures = std::map<std::string, Procedure, std::less<>>;

// Where a procedure is applied: what it is given.
struct Application {
  const Procedure* procedure = nullptr;
  ir::AppliedSizes sizes;                       // of its dimensions, those that are others here
  std::vector<Place> inputs, globals, outputs;  // by slot of its roots; a global that it writes is both
  std::map<std::string, RootId> hypers;
  RootId arena;
};

struct Scope;
struct Copy {
  Place from, to;
  ir::Type type;
};
// One step of a scope: a group, or a copy.
struct Item {
  int32_t group = -1;
  Copy copy;
  bool writes_old = false;  // overwrites state or a carry: failures are tested before the first such item
};

// What a group reads or writes in memory.
struct Touch {
  Place place;
  Dim elements;  // of the value
  bool written = false;
  bool dynamic = false;   // read at an index known only when it runs
  bool constant = false;  // read at indices that are constants
};

struct Loop {
  Dim trip;
  bool predicate = false, reverse = false, commit = false;
  std::string name;
};

struct Scope {
  explicit Scope(const ScheduledGraph& g)
      : graph(g.graph), fusion(g.fusion), composed(g.composed), schedules(g.schedules) {}

  const Graph* graph;
  const Fusion& fusion;
  const std::vector<Composed>& composed;
  const std::vector<Schedule>& schedules;
  // Per group that computes: how it is cut, and the copy of a right factor before it.
  std::vector<Work> works;
  std::vector<std::optional<Work>> packs;
  std::vector<Place> places;  // per value; none where only recomputed
  std::vector<Item> items;
  std::vector<std::vector<std::unique_ptr<Scope>>> regions;  // per group: loop {body}, cond {then, else}
  LoopId loop;                                               // of a loop body
  std::vector<std::pair<Place, Place>> carries;     // of a loop body: first value, and where the carry lives
  std::vector<std::pair<Place, ir::Type>> cleared;  // stacked results that a predicate may leave unwritten
  Place go_on;                                      // of a loop with a predicate: where the body puts it
  std::vector<std::vector<RootId>> scratch;         // per group
  // Per group that applies a procedure; and what is copied before it: values into the places it updates.
  std::vector<std::optional<Application>> applications;
  std::vector<std::vector<Copy>> moves;
  std::vector<std::vector<Touch>> touches;  // per group; control flow: none of its own
  std::vector<RootId> panels;  // per group: a contraction's constant right factor, laid out in panels
  std::vector<int32_t> sums;   // per group: the output where a contraction may keep partial sums; -1: none
  bool may_fail = false;
};

// What lowering needs to know of one function.
struct Plan {
  std::vector<Root> roots;
  std::vector<Loop> loops;
  std::unique_ptr<Scope> scope;
  std::vector<ValueId> inputs;       // graph arguments that are inputs, in order
  std::vector<std::string> globals;  // of a procedure: parameters and states that it is given, by slot
  // Placement order: root and its bytes; those of a procedure's arena follow from its plan at these sizes.
  struct Block {
    RootId root;
    Dim bytes;
    const Application* application = nullptr;
  };
  std::vector<Block> arena;
  std::vector<uint32_t> uses;  // of each root, see count_uses
};

// Where the module's globals lie; made once a module.
struct Layout {
  std::vector<kernel::StateSlot> state;
  uint64_t state_bytes = 0;
  std::vector<kernel::Constant> constants;
  uint64_t constant_bytes = 0;

  const kernel::StateSlot* find(const std::string& name) const;
  // Offset of a constant in the constants block; equal contents share one.
  uint64_t constant_offset(const std::shared_ptr<const Array>& array);

  std::unordered_map<std::string, size_t> slot_of, constant_of;  // by name, by hash
};
// `like`: slots that stand already, of a program whose state is to be shared.
Layout layout_state(const ir::Module& module, const std::vector<kernel::StateSlot>* like = nullptr);

// `graph`: the function's; it outlives the plan. `procedures`: those that stand before the function.
// `procedure`: parameters and states are given by the caller, in memory of any place.
Plan plan(const ir::Module& module, const ir::Function& function, const ScheduledGraph& graph,
          const Sizes& sizes, Layout* layout, const Procedures& procedures, bool procedure,
          const PlanOptions& options);

// Where everything of a module lies.
struct Places {
  Layout layout;
  std::vector<std::unique_ptr<const Plan>> plans;  // of each function
  std::vector<bool> procedures;                    // whether others apply it
  Procedures applied;
};
Places place_module(const ScheduledModule& module, const Options& options);

}  // namespace tenon::lower
