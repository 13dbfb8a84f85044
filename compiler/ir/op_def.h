// OpDef: the one declaration of an operation (design decision 2). It tells the name, documentation, operands,
// attributes, the shape rule, the derivative rule, and what the operation *is*, its Form. Printer, parser,
// verifier, builders, evaluators, lowering, gradient test, fuzzer and reference are driven by it; nothing
// else in the project knows an operation by name, except the transforms that emit operations themselves.
//
// Declarations are constinit tables in compiler/ops/, one family per file, found by file name.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ir/attr.h"
#include "ir/graph.h"
#include "ir/iteration.h"

namespace tenon::kernel {
class Builder;
struct ExprId;
}  // namespace tenon::kernel

namespace tenon::ir {

class Builder;

// --- Declared vocabulary ---------------------------------------------------------------------------------

// Sets of element types an operand may have.
enum class DTypes : uint8_t {
  any,
  floats,
  ints,
  numbers /* floats and ints */,
  bools,
  index /* any int type */
};
bool dtype_in(DType d, DTypes set);

struct OperandDef {
  std::string_view name, doc;
  DTypes dtypes = DTypes::any;
  bool variadic = false;  // last operand only: zero or more
  bool optional = false;  // last operands only
};

// Sees operand types and attributes; may fill attributes that were not given; yields result types.
struct InferContext {
  const OpDef* op = nullptr;
  std::vector<Type> operands;
  Attrs* attrs = nullptr;
  std::vector<const Graph*> regions;
  std::vector<Type> results;       // out
  const Module* module = nullptr;  // for `call`; else may be null

  const Attr& attr(std::string_view name) const;
  template <class T>
  const T& get(std::string_view name) const {
    const T* v = std::get_if<T>(&attr(name));
    TENON_CHECK(v != nullptr);
    return *v;
  }
  bool has(std::string_view name) const { return attr(name).index() != 0; }
  void set(std::string_view name, Attr value);
  Errors fail(Code code, std::string message, std::string help = {}) const;  // "name: message"
};

struct AttrDef {
  std::string_view name;
  AttrKind kind = AttrKind::integer;
  std::string_view doc;
  // Text of the default value; empty: required, unless `derive` stands.
  std::string_view preset = {};
  std::string_view choices = {};  // for text: "mean|sum|none"
  // Value computed from operand types where not given (orders of reductions and contractions, full slices).
  // The printer leaves out an attribute that equals its preset or derived value.
  Attr (*derive)(const InferContext&) = nullptr;
};

// --- Forms: what an operation is -------------------------------------------------------------------------

// One output element is a scalar function of the operands' elements at the same position.
// All operands have one shape. Functions exist per element type; a null entry: type not supported.
struct ElementwiseForm {
  static constexpr size_t max_operands = 3;
  // exact: computes `n` elements in declared dtype and rounding. `in[i]` are dense arrays of the operands'
  // dtypes. Keyed by the dtype of operand `key` (select: operand 1; else 0).
  using Exact = void (*)(const void* const* in, void* out, int64_t n);
  // The same scalar expression on kernel expressions.
  using Kernel = kernel::ExprId (*)(kernel::Builder& builder, const kernel::ExprId* in);
  // Wide: an independent computation on (value, error bound) pairs; see ops/wide.h. One element a call.
  using Wide = void (*)(const void* in, void* out);
  struct PerType {
    Exact exact = nullptr;
    Kernel kernel = nullptr;
  };
  std::array<PerType, dtype_count> types{};
  uint8_t key = 0;
  Wide wide32 = nullptr, wide64 = nullptr;  // wide32: f32 and ints on the narrower carrier; wide64: f64
  double ulp = 0.5;    // declared bound of one evaluation, in units in the last place, all arguments
  uint16_t flops = 1;  // counted once per element
  bool cheap = true;   // worth recomputing instead of storing
  // cast picks its functions by both types; null for all others.
  PerType (*by_types)(DType from, DType to) = nullptr;
};

// An output element comes from the first piece whose guards hold. Guard: low <= output index[axis] < high.
struct IndexPiece {
  uint32_t operand = 0;
  std::vector<AffineIndex> index;  // one per operand dimension; empty for a rank-0 operand (a fill value)
  struct Guard {
    uint32_t axis;
    Dim low, high;
    // (index - low) must be a multiple of it (interior padding). Where it is not 1, the piece's affine
    // indices see (index - low) / stride in place of this axis' index.
    Dim stride = 1;
  };
  std::vector<Guard> guards;  // empty: always
};
// Output elements are input elements at affine positions: broadcast, transpose, slice, pad, concat, reverse.
struct IndexMapForm {
  std::vector<IndexPiece> (*pieces)(const Node& node, const std::vector<Type>& operands, const Type& result);
};
// Same elements in row-major order under another shape.
struct ViewForm {};

// One output element is a function of its own position (and of scalar operands): const, iota, extent, random.
enum class Generator : uint8_t {
  constant,
  iota,
  extent,
  random_uniform,
  random_normal,
  random_bernoulli,
  permutation
};
struct GenerateForm {
  Generator what;
};

// loop, cond, call: see ops/control.cpp. They are the only operations with regions or callees.
enum class Control : uint8_t { loop, cond, call, apply };
struct ControlForm {
  Control what;
};
// Checks that commit nothing on failure: result = operand 0, status `code` where any condition element is
// false.
struct CheckForm {};

// Builds the body of a composite: b's graph has one input per operand, in order; returns the result values.
struct BodyContext {
  Builder& b;
  const Node& node;               // attributes
  std::vector<ValueId> operands;  // in b
};
struct CompositeForm {
  std::vector<ValueId> (*body)(BodyContext&);
};

// Closed: a form more is a decision, and every dispatch over them is exhaustive.
using Form = std::variant<const ElementwiseForm*, const IndexMapForm*, const ViewForm*, const GenerateForm*,
                          const IterationForm*, const ControlForm*, const CheckForm*, const CompositeForm*>;

// --- Derivatives -----------------------------------------------------------------------------------------

// Reverse rule: from the cotangents of the results, add cotangents of operands. Ops are emitted into `b`.
struct VjpContext {
  Builder& b;
  const Node& node;
  std::vector<ValueId> operands;    // in b
  std::vector<ValueId> results;     // in b
  std::vector<ValueId> cotangents;  // per result; never invalid (zeros are materialized)
  std::vector<bool> wanted;         // per operand
  std::vector<ValueId> out;         // per operand; leave invalid where no gradient flows (integers, …)
};

// Training-form rule (dropout, batch_norm): replaces the node under a mode.
struct ModeContext {
  Builder& b;
  const Node& node;
  std::vector<ValueId> operands;
  bool training = false;
  // Random stream: rank-0 i64 values {seed, counter...}; a fresh stream number for this node's scoped name.
  std::vector<ValueId> rng;
  int64_t stream = 0;
};

// --- Tests -----------------------------------------------------------------------------------------------

// Where random operand values are drawn from in the fuzzer and the gradient check (uniform in [low, high]).
struct Domain {
  double low = -2, high = 2;
};

struct OpDef {
  std::string_view name, doc;
  std::span<const OperandDef> operands = {};
  std::span<const AttrDef> attrs = {};
  Form form = {};

  std::span<const std::string_view> results = {};  // names of several; empty: one, without a name
  Status (*infer)(InferContext&) = nullptr;
  // Null: no derivative exists (comparisons, integers): the cotangent stops silently iff `zero_gradient`,
  // else T113. Composites without a rule are differentiated through their body.
  void (*vjp)(VjpContext&) = nullptr;
  bool zero_gradient = false;
  std::vector<ValueId> (*mode)(ModeContext&) = nullptr;

  bool may_fail = false;  // can set a status: never speculated, never dropped as dead unless proven
  std::span<const Domain> domains = {};  // one per operand, the last repeats; empty: Domain{}
  // Draws attributes and operand types for the fuzzer and the gradient check from a random source, where the
  // generic generator (equal shapes for elementwise; axes, permutations, … by attribute name) does not fit.
  // Null: generic. See tests' fuzz generator for the contract.
  void (*sample)(struct SampleContext&) = nullptr;

  // The form, where it is that one; else null.
  const ElementwiseForm* elementwise() const { return as<ElementwiseForm>(); }
  const IndexMapForm* index_map() const { return as<IndexMapForm>(); }
  const ViewForm* view() const { return as<ViewForm>(); }
  const GenerateForm* generate() const { return as<GenerateForm>(); }
  const IterationForm* iteration() const { return as<IterationForm>(); }
  const ControlForm* control() const { return as<ControlForm>(); }
  const CheckForm* check() const { return as<CheckForm>(); }
  const CompositeForm* composite() const { return as<CompositeForm>(); }

  const AttrDef* find_attr(std::string_view name) const;
  size_t attr_index(std::string_view name) const;  // must exist

 private:
  template <class T>
  const T* as() const {
    const T* const* p = std::get_if<const T*>(&form);
    return p == nullptr ? nullptr : *p;
  }
};

// What passes ask of an iteration; false of every other form.
inline bool multiplies(const OpDef& op) {
  return op.iteration() != nullptr && op.iteration()->step == Accumulate::multiply;
}
// Combines elements along axes into their sum, their largest, ...
inline bool reduces(const OpDef& op) {
  const IterationForm* form = op.iteration();
  return form != nullptr && form->step == Accumulate::combine && form->yields == Yields::value &&
         !form->scatters && !form->scans;
}
inline bool finds_position(const OpDef& op) {
  return op.iteration() != nullptr && op.iteration()->yields != Yields::value;
}
inline bool gathers(const OpDef& op) { return op.iteration() != nullptr && op.iteration()->gathers; }
inline bool scatters(const OpDef& op) { return op.iteration() != nullptr && op.iteration()->scatters; }
inline bool scans(const OpDef& op) { return op.iteration() != nullptr && op.iteration()->scans; }

// Asked by a declaration's `sample`: draws are uniform, inclusive, deterministic per seed.
struct SampleContext {
  std::vector<Type> operands;  // out
  Attrs attrs;                 // out, same length as op->attrs
  DType dtype = DType::f32;    // wanted main type
  int64_t (*draw)(void* state, int64_t low, int64_t high) = nullptr;
  void* state = nullptr;
  Dim (*draw_dim)(void* state) = nullptr;  // a small constant, sometimes symbolic, sometimes 0 or 1
};

// The table of all operations, in name order within a family; filled by compiler/ops (registry.cpp).
class OpTable {
 public:
  virtual const OpDef* find(std::string_view name) const = 0;
  virtual std::span<const OpDef* const> all() const = 0;

 protected:
  ~OpTable() = default;
};
// Defined in compiler/ops/registry.cpp; ir/ only declares it, so that the parser can find declarations.
const OpTable& op_table();

}  // namespace tenon::ir
