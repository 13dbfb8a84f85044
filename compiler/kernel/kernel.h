// Kernel IR: what runs. A module of leaf kernels (loop nests over buffers) and entries (sequences of phases).
// A procedure is a sequence of phases that entries share: the step that the loops over batches call.
//
// It is a small structured language, written as scalar code in which some loops are `lanes` loops: their
// iterations are independent and execute many at a time in vector lanes. The schedule is visible: tile sizes
// are named static integers, blocking is loops, register tiles are arrays of variables, masks come from the
// bounds of a lanes loop, parallel chunks are phases of an entry. Code generation adds nothing to it and
// knows no operation: it maps statements to LLVM IR one by one.
//
// Meaning, settled here:
//  - Expressions are pure. Float arithmetic is IEEE 754 binary, round to nearest even, one rounding an
//    operation; `fma` rounds once; nothing is contracted or reassociated. Integers wrap. Division and
//    remainder of integers by zero give 0 and the dividend (lowest / -1 gives lowest, remainder 0); shifts
//    by the width or more give 0 (arithmetic right: the sign). Float to integer casts truncate, saturate, and
//    give 0 for NaN. `bool` is one byte, 0 or 1.
//  - Index expressions have dtype i64. Buffers are typed pointers; a load or store names an element index.
//    No two accesses may be assumed not to alias.
//  - lanes i in lo..hi width W: the body runs for every i of lo..hi, in blocks of W consecutive values that
//    execute in lockstep; only the last block may be partial (its missing lanes are masked off). Iterations
//    do not see each other's stores within a block. Variables declared inside are one per lane. A variable
//    declared outside may not be assigned inside, except by the folds that end the body.
//  - fold s = op(x): after a block, the value x of the block's W lanes (absent lanes: the combiner's
//  identity)
//    is combined by halving (lane l with l + W/2, then W/4, ...) into one scalar, then s = op(s, that). W is
//    a power of two. It stands only at the end of a lanes body. op(a, b) of float min is NaN where a or b is,
//    else as IEEE 754-2019 minimum and maximum (of two zeros, +0 is the larger). Identities: add of floats
//    -0.0, min and max of floats +inf and -inf.
//  - exchange v: in lanes of width W, an array of n registers, 1 <= n <= W, is transposed: as n rows of W
//    elements it becomes W rows of n, which lie one after the other in the registers. Element l of register r
//    becomes what element (r W + l) / n of register (r W + l) % n was. Elements of lanes that are off count
//    as zero. W is a power of two.
//  - for loops run their iterations in order; bounds and steps are evaluated once; step > 0.
//  - unroll loops have static bounds and expand; their variable is static in the body.
//  - specialize r in a..b = e: runs the body with the static r equal to the run-time value of e; values
//  outside
//    a..b skip it.
//  - `if` on a lane-varying condition predicates its body per lane: loads under it do not touch memory in
//  lanes
//    that are off, stores neither, assignments keep the old value there.
//  - Variables are assigned; arrays of variables are indexed by static expressions only.
//  - fail code, detail: records the first failure in the status word of the call; execution goes on (loads
//    stay in bounds by construction); the entry tests it before the first write of state.
//  - A parallel phase runs its chunks in any order, on any thread; chunks write disjoint elements, or each
//  its
//    own copy. The number of chunks depends on sizes only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ir/role.h"
#include "support/array.h"
#include "support/diagnostic.h"
#include "support/dtype.h"
#include "support/hash.h"
#include "support/id.h"
#include "support/named.h"

namespace tenon::kernel {
using namespace support;

struct ExprId : Id<struct ExprTag> {
  using Id::Id;
};
using VarId = Id<struct VarTag>;

enum class Op : uint8_t {
  // leaves
  constant,  // `bits` in the dtype's representation
  variable,  // `var`, args: static subscripts of an array variable
  load,      // `var` is a buffer parameter; args: {element index}
  address,   // entries and procedures only: pointer value; `var` base buffer (u8), args: {byte offset}
  // arithmetic (dtype of the operands)
  add,
  sub,
  mul,
  div,
  rem,
  neg,
  fma,  // a*b+c, one rounding
  sqrt,
  floor,
  ceil,
  trunc,
  round_even,
  abs,
  min,
  max,  // integers, and index arithmetic; floats use compare and select (NaN rules stand in the ops)
  band,
  bor,
  bxor,
  bnot,
  shl,
  lshr,
  ashr,
  mulhi,  // u32: high half of the product
  // comparison: bool; float comparisons are ordered (false on NaN), ne is unordered
  eq,
  ne,
  lt,
  le,
  select,   // (bool, a, b)
  cast,     // to `dtype`, value-converting
  bitcast,  // to `dtype` of the same size
};

struct Expr {
  Op op;
  DType dtype;        // of the result; address: element type pointed to
  VarId var = {};     // variable, load, address
  uint64_t bits = 0;  // constant
  std::vector<ExprId> args = {};
};

enum class VarKind : uint8_t {
  buffer,  // parameter or scratch: pointer to elements of dtype
  scalar,  // parameter: run-time scalar (sizes, strides, hyper-parameters)
  fixed,   // named static integer of the kernel, `MR = 8`: the schedule's knobs
  loop,    // variable of for, lanes, unroll, specialize, parallel
  local,   // register variable, assigned
  let,     // named value, assigned once at its declaration
};

struct Var {
  VarKind kind;
  DType dtype = DType::i64;
  std::string name;   // unique in the function
  int64_t value = 0;  // fixed; scratch: its elements
  std::vector<ExprId> extents =
      {};              // local, let: static extents of an array of registers; empty: one register
  uint32_t align = 0;  // buffer: known alignment of the pointer in bytes; 0: the element's
  bool read = true, written = true;  // buffer
};

enum class StmtKind : uint8_t {
  declare,          // var, value (initial value, of every element of an array)
  let,              // var, value
  assign,           // var, subscripts, value
  store,            // var (buffer), index, value
  for_,             // var, lo, hi, step; body
  lanes,            // var, lo, hi, width (static expression); body, then folds
  unroll,           // var, lo, hi; body
  specialize,       // var, lo, hi (inclusive), value; body
  if_,              // value; body, other
  fail,             // code, value: condition that means failure; detail (i64 expression)
  prefetch,         // var (buffer), index, write
  call,             // callee, args (scalars and addresses)
  parallel,         // a phase, in entries and procedures: var (chunk), hi (count); body: calls and lets
  stop_on_failure,  // leaves the function where a failure is recorded; not inside parallel
  progress,         // value (i64) is added to the number of committed steps; not inside lanes or parallel
  exit_if,          // leaves the innermost `for` where value (uniform bool) holds; not inside lanes between
  exchange,         // var: an array of registers declared in the lanes around, no more than they are wide
};

enum class FoldOp : uint8_t { add, mul, min, max, band, bor };  // min, max: NaN-propagating

struct Fold {
  VarId target;
  FoldOp op;
  ExprId value;
};

struct Stmt {
  StmtKind kind;
  VarId var;
  ExprId lo, hi, step;       // lanes: step is the width
  ExprId value, index;       // fail: index is the detail
  std::vector<ExprId> args;  // subscripts; call arguments
  uint16_t code = 0;         // fail: error code number
  bool write = false;        // prefetch for writing
  std::string callee;
  std::vector<Stmt> body, other;
  std::vector<Fold> folds;
  std::string comment;  // printed as a trailing `// …`
};

// What an entry's parameters are, in the order of the call record (see object/abi.h).
struct Function {
  std::string name;        // kernels: from content, "k_" + 12 hex digits, or given by hand in a dump
  bool entry = false;      // hosts call it
  bool procedure = false;  // entries and procedures call it, outside of phases
  bool runs_phases() const { return entry || procedure; }
  std::string_view word() const { return entry ? "entry" : procedure ? "procedure" : "kernel"; }
  std::vector<VarId> params;        // buffers and scalars, in call order
  std::vector<VarId> scratch = {};  // buffers of its own, on the stack; what was not written is not known
  std::vector<VarId> fixed;         // static integers
  std::vector<Expr> exprs;
  std::vector<Var> vars;
  std::vector<Stmt> body;
  std::string comment;  // what it computes: printed above

  const Expr& expr(ExprId e) const { return exprs[e.index]; }
  const Var& var(VarId v) const { return vars[v.index]; }
};

// One named dimension of an entry: its index in the call record and its range.
struct DimSlot {
  std::string name;
  int64_t low = 0, high = 0;
};

// What a host passes to an entry, beside the state: in the order of Function::params.
enum class ParamRole : uint8_t { state, arena, constants, input, output, hyper, dim };
struct EntryParam {
  ParamRole role = ParamRole::input;
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::string> shape;  // extents as dimension expressions ("batch", "784")
  uint64_t bits = 0;               // hyper: its default value
  std::vector<uint32_t> cut =
      {};  // input: the axes along which data are cut into batches; none: handed whole
};

// Interface of one entry: params parallel to Function::params; exact arena bytes as a function of dims.
struct Entry {
  std::string name;            // "train"
  std::string function;        // kernel function with entry = true
  std::string arena_function;  // kernel function: dims -> stores bytes to its one i64 output buffer
  std::vector<EntryParam> params;
  std::vector<DimSlot> dims;
  bool writes_state = false;
  bool loops = false;  // an `epochs` entry: reports progress
  ir::Origin origin;   // where a directive made it; of use to hosts only
  std::string batch;   // its batch dimension, also where that is bound; empty: it has none. For hosts too
};

// Where each parameter and state tensor lies in the state block.
struct StateSlot {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  uint64_t offset = 0, bytes = 0;
  std::string kind;  // param, state, or what a state of random numbers is: seed, steps
};

struct Constant {
  std::string hash;     // content hash
  uint64_t offset = 0;  // in the constants block
  std::shared_ptr<const Array> array;
};

// A compiled program before LLVM: the last stage's dump, from which compilation can resume.
struct Module {
  std::string name;
  std::string target;  // name in target/ that the schedule was made for
  std::vector<StateSlot> state;
  uint64_t state_bytes = 0;  // with the 64-byte header (see object/abi.h)
  std::vector<Constant> constants;
  uint64_t constant_bytes = 0;
  Named<Function>
      functions;  // callees before their callers; leaf kernels, arena functions, procedures, entries
  std::vector<Entry> entries;
  // Read from a text that is not word for word Tenon's own (see seal): nothing vouches for its accesses, so
  // it is compiled as guard() makes it.
  bool edited = false;

  const Function* find(std::string_view function) const;
};

// Of names, types, shapes and offsets of the state: what a state block's header carries (runtime/abi.h).
uint64_t layout_hash(const Module& module);

}  // namespace tenon::kernel
