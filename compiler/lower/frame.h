// Frame: one kernel function under construction, and what it asks of its caller. A leaf kernel gets a buffer
// parameter per place it touches and a scalar per dimension it needs; the entry passes exactly those.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernel/builder.h"
#include "lower/plan.h"

namespace tenon::lower {
using kernel::ExprId;
using kernel::VarId;

// Of a chunk: the indices of the axis that is cut, and of a second one where two are.
enum class Bound : uint8_t { begin, end, across_begin, across_end };

// What the caller passes for one parameter of a leaf kernel.
struct FrameArgument {
  enum class Kind : uint8_t { place, dim, hyper, loop, span, number } kind;
  Place place = {};  // place: root and the steps of loops outside this frame
  Dim dim = {};      // dim: an expression
  RootId hyper = {};
  LoopId loop = {};            // loop: iteration number of a loop outside
  Bound bound = Bound::begin;  // span: of a chunk
  int64_t number = 0;
};

class Frame : public Sizes {
 public:
  Frame(kernel::Function& function, const ir::Module& module, const Plan& plan, const Sizes& sizes)
      : Sizes(sizes), b(function), module_(module), plan_(plan) {}

  kernel::Builder b;
  std::vector<FrameArgument> arguments;

  const ir::Module& module() const { return module_; }
  const Plan& plan() const { return plan_; }

  // Value of a dimension expression: an i64 parameter, unless it is constant.
  ExprId dim(const Dim& d);
  // A number that is known, as a parameter: kernels that differ in it alone are one.
  ExprId number(std::string_view name, int64_t value);
  // Loops that this function itself runs.
  void enter(LoopId loop, ExprId iteration) { loops_[loop.index] = iteration; }
  void leave(LoopId loop) { loops_.erase(loop.index); }
  ExprId iteration(LoopId loop);

  // Element access; `element` counts within the place.
  ExprId load(const Place& place, DType dtype, ExprId element);
  void store(const Place& place, DType dtype, ExprId element, ExprId value);
  void prefetch(const Place& place, DType dtype, ExprId element, bool write);

  // Values in registers (see lower/registers.h): from here on loads and stores of the root's elements, at
  // constant indices, are those of register variables.
  void keep(RootId root, bool from_memory);
  void release(RootId root, bool to_memory);
  bool keeps(RootId root) const { return root.valid() && registers_.count(root.index) != 0; }
  int64_t kept() const { return kept_; }

  // Scratch buffers of the kernel, one for each type and number of elements asked for; groups that follow
  // each other use the same. None where they do not fit beside those there are.
  struct ScratchSize {
    DType dtype;
    int64_t elements;
  };
  std::optional<std::vector<VarId>> scratch(const std::vector<ScratchSize>& sizes);

  // A chunk's bound, as a parameter.
  ExprId bound(Bound which);
  // The chunk's indices of a second axis that is cut; none: all of them.
  std::optional<std::pair<ExprId, ExprId>> across;

 private:
  std::vector<ExprId> subscript(RootId root, ExprId element) const;
  std::pair<VarId, ExprId> resolve(const Place& place, DType dtype, ExprId element, bool write);

  const ir::Module& module_;
  const Plan& plan_;
  std::map<std::string, ExprId> dims_;
  std::map<uint32_t, ExprId> loops_;
  std::map<std::string, VarId> buffers_;
  std::map<uint32_t, VarId> registers_;
  int64_t kept_ = 0;
  std::map<uint32_t, ExprId> hypers_, outer_loops_;
  std::map<int64_t, ExprId> numbers_;
  ExprId bounds_[4];
  std::map<DType, std::vector<VarId>> scratch_;
};

// Value of an affine index, with the value of each axis.
ExprId affine_value(Frame& frame, const AffineIndex& a, const std::vector<ExprId>& axes);

}  // namespace tenon::lower
