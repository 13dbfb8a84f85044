// Graph IR: modules of functions over tensors in SSA form with value semantics.
//
// Invariants (verify.h checks them):
//  - A Graph is isolated: its nodes use only its own values. A region (body of loop, branch of cond) gets
//    everything it needs from outside as explicit arguments; nothing refers outward.
//  - Nodes stand in an order in which every operand is defined before its use; that order is the program's
//    text order. There are no cycles and no recursion among functions.
//  - Every result type is the one the operation's declaration infers; written types only confirm it.
//  - Parameters, state and hyper-parameters enter a function as arguments of kind `global`, one per name;
//    they denote the value at entry. Writes stand in Function::writes and land together at exit.
//  - Every operation rounds to its declared dtype; the order of reductions and contractions is an attribute.
//    Floating point follows IEEE 754 (round to nearest even, NaN payloads unspecified); integers wrap.
//  - Graph algorithms iterate over the node order; none recurses over depth (nesting of regions is bounded by
//    max_region_depth, and recursion over that nesting is allowed).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ir/attr.h"
#include "ir/role.h"
#include "ir/type.h"
#include "support/id.h"
#include "support/named.h"
#include "support/number.h"

namespace tenon::ir {

struct OpDef;
class Graph;

using ValueId = Id<struct ValueTag>;
using NodeId = Id<struct NodeTag>;
inline constexpr size_t max_region_depth = 32;

// Place in a source text or C++ file; file is an index into Module::files.
struct Location {
  uint32_t file = ~0u, line = 0, column = 0;
  bool known() const { return file != ~0u; }
};

enum class ArgKind : uint8_t {
  none,     // not an argument: a node's result
  input,    // function argument
  global,   // entry value of a parameter, state or hyper-parameter; Value::name is its name
  carry,    // loop: value carried from one iteration to the next
  slice,    // loop: row i of an operand (its leading dimension removed)
  capture,  // loop, cond: a value of the enclosing graph, unchanged
  index,    // loop: the iteration number, i64[]
};

struct Value {
  Type type;
  NodeId node;          // producer; invalid for arguments
  uint32_t result = 0;  // which result of the producer; for arguments, the position in Graph::args
  ArgKind arg = ArgKind::none;
  std::string name;  // unique within the graph where not empty; survives passes
};

struct Node {
  const OpDef* op = nullptr;
  std::vector<ValueId> operands;
  std::vector<ValueId> results;
  Attrs attrs;                                  // same length as op->attrs
  std::vector<std::unique_ptr<Graph>> regions;  // loop: {body}; cond: {then, else}; composite: {} or {body}
  Location location;
  std::string scope;  // "encoder/layer0": dotted path of the enclosing modules

  const Attr& attr(std::string_view name) const;
  // Typed access by name; the attribute must exist and hold that alternative.
  template <class T>
  const T& get(std::string_view name) const;
};

class Graph {
 public:
  Graph() = default;
  Graph(Graph&&) = default;
  Graph& operator=(Graph&&) = default;
  Graph(const Graph& other);  // deep copy, ids kept
  Graph& operator=(const Graph& other);

  std::vector<ValueId> args;
  std::vector<ValueId> results;  // function: returned values, then written values; body: yielded values

  const Value& value(ValueId id) const { return values_[id.index]; }
  Value& value(ValueId id) { return values_[id.index]; }
  const Type& type(ValueId id) const { return values_[id.index].type; }
  const Node& node(NodeId id) const { return nodes_[id.index]; }
  Node& node(NodeId id) { return nodes_[id.index]; }
  const Node* producer(ValueId id) const {
    NodeId n = values_[id.index].node;
    return n.valid() ? &nodes_[n.index] : nullptr;
  }
  size_t value_count() const { return values_.size(); }
  size_t node_count() const { return nodes_.size(); }
  // Node ids are 0..node_count()-1 in program order.

  ValueId add_arg(Type type, ArgKind kind, std::string name);
  // Appends a node; one new value per result type. Operands must exist already.
  NodeId add_node(const OpDef* op, std::vector<ValueId> operands, Attrs attrs,
                  const std::vector<Type>& results, std::vector<std::unique_ptr<Graph>> regions = {},
                  Location location = {}, std::string scope = {});
  // One more result of a node that stands already: a loop or cond whose regions were given one more yield.
  // Its id is above those of later nodes' values, so order by nodes, not by value ids.
  ValueId add_result(NodeId node, Type type, std::string name = {});

 private:
  std::vector<Value> values_;
  std::vector<Node> nodes_;
};

// Number of uses of each value, results included.
std::vector<uint32_t> count_uses(const Graph& graph);

// How a parameter or state gets its first value. `init` is a name of ops/init (constant, zeros, ones,
// uniform, normal, glorot_uniform, glorot_normal, he_uniform, he_normal) with its numbers, as they were
// given.
struct Init {
  std::string name = "zeros";
  std::vector<Number> args;
  friend bool operator==(const Init&, const Init&) = default;
};

inline constexpr std::string_view init_names[] = {"constant",      "zeros",      "ones",
                                                  "uniform",       "normal",     "glorot_uniform",
                                                  "glorot_normal", "he_uniform", "he_normal"};

enum class GlobalKind : uint8_t { param, state, hyper };

struct Global {
  GlobalKind kind = GlobalKind::param;
  std::string name;
  Type type;
  Init init;            // hyper: its default value as constant
  bool frozen = false;  // param only: not trained
  Location location;
  std::string comment = {};  // lines above the declaration, without their slashes
};

struct Write {
  std::string global;  // param or state
  // The written value is Graph::results[Function::returns + i] for writes[i].
};

enum class Mode : uint8_t { unresolved, inference, training };

// How data are cut for a function (ir/batch.h): along every axis of an input that has the batch dimension.
struct BatchInput {
  std::string name;
  std::vector<uint32_t> axes;  // none: the same for every batch
  friend bool operator==(const BatchInput&, const BatchInput&) = default;
};
struct Batch {
  std::string dim;  // also where it is bound by now; empty: unknown
  std::vector<BatchInput> inputs;
  friend bool operator==(const Batch&, const Batch&) = default;
};

struct Function {
  std::string name;
  Graph graph;
  size_t returns = 0;                     // how many of graph.results are returned; the rest are written
  std::vector<std::string> result_names;  // one per returned value; may be empty strings
  std::vector<Write> writes;
  Mode mode = Mode::unresolved;
  Origin origin;           // where a directive made it
  Batch batch;             // where it does not follow from the inputs' types
  bool procedure = false;  // other functions apply it, and nobody else calls it
  Location location;
  std::string comment = {};
};

// Options of a derive directive: words, numbers, lists of names and nested groups.
struct Option {
  std::string name;               // in `with = adam {lr = lr}`: "with"
  std::string word;               // "adam", or a name or number as written
  std::vector<std::string> list;  // [fc1.*, fc2.*]
  bool is_list = false;
  std::vector<Option> group;  // {lr = lr}
};

// `derive train = step loss {over = [fc1.*], with = adam {lr = lr}}`
struct Derive {
  std::string name, kind, source;  // "train", "step", "loss"
  std::vector<Option> options;
  Location location;
  std::string comment = {};
};

struct Module {
  std::string name = "module";
  std::string stage = "graph";         // what a dump's header names: graph, optimized, ...
  std::string from;                    // the source file named in the header, for locations `@n`
  std::vector<std::string> files;      // files[0] is `from` where given
  std::vector<std::string> dim_order;  // names in declaration order
  DimRanges dims;
  Named<Global> globals;  // in declaration order
  Named<Function> functions;
  std::vector<Derive> derives;

  const Global* find_global(std::string_view wanted) const { return globals.find(wanted); }
  const Function* find_function(std::string_view wanted) const { return functions.find(wanted); }
  Function* find_function(std::string_view wanted) { return functions.find(wanted); }
  uint32_t file_index(std::string_view file);  // finds or adds
};

template <class T>
const T& Node::get(std::string_view name) const {
  const T* value = std::get_if<T>(&attr(name));
  TENON_CHECK(value != nullptr, "attribute " + std::string(name) + " has another kind or is not given");
  return *value;
}

}  // namespace tenon::ir
