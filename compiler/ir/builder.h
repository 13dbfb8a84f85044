// Builder: appends nodes to a graph, inferring result types from the declarations. Used by the parser, the
// public API, derivative rules, composite bodies and passes.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "ir/op_def.h"

namespace tenon::ir {

struct NamedAttr {
  std::string_view name;
  Attr value;
};

class Builder {
 public:
  explicit Builder(Graph& graph, const Module* module = nullptr) : graph_(graph), module_(module) {}

  Graph& graph() { return graph_; }
  const Module* module() const { return module_; }
  const Type& type(ValueId v) const { return graph_.type(v); }
  void set_location(Location location) { location_ = location; }
  void set_scope(std::string scope) { scope_ = std::move(scope); }

  // User-facing path: checks everything, returns located errors. Elementwise operands of different shapes are
  // broadcast against each other (trailing dimensions aligned, extents equal or 1), which inserts explicit
  // broadcast nodes.
  Result<std::vector<ValueId>> try_emit(const OpDef& op, std::vector<ValueId> operands, Attrs attrs,
                                        std::vector<std::unique_ptr<Graph>> regions = {});
  // Internal path for rules and passes: a failure is our bug (TENON_CHECK).
  std::vector<ValueId> emit_all(const OpDef& op, std::vector<ValueId> operands, Attrs attrs,
                                std::vector<std::unique_ptr<Graph>> regions = {});
  ValueId emit(const OpDef& op, std::vector<ValueId> operands, std::initializer_list<NamedAttr> attrs = {});
  ValueId emit(std::string_view op, std::vector<ValueId> operands,
               std::initializer_list<NamedAttr> attrs = {});

  // A rank-0 constant of the dtype (value rounded once), or one broadcast to a shape.
  ValueId constant(DType dtype, double value);
  ValueId constant_like(ValueId like, double value);
  ValueId constant(std::shared_ptr<const Array> array);
  // A number that fits the type (Number::check).
  ValueId constant(DType dtype, const Number& number);

  // Gives a value a name, made unique within the graph by a suffix (".1") where it is taken.
  void set_name(ValueId value, std::string_view name);
  // Keeps a name from values that are named before it is released.
  void reserve_name(std::string_view name);
  void release_name(std::string_view name);

  // Copies a node of another graph, operands replaced through `map` (indexed by old ValueId).
  std::vector<ValueId> copy(const Graph& from, const Node& node, const std::vector<ValueId>& map);
  // Copies all nodes of `from`, whose arguments are already in `map`; extends `map`; returns mapped results.
  std::vector<ValueId> inline_graph(const Graph& from, std::vector<ValueId>& map);

 private:
  void know_names();
  Graph& graph_;
  const Module* module_;
  Location location_;
  std::string scope_;
  // Names in use; filled from the graph at first need.
  bool names_known_ = false;
  std::unordered_set<std::string> names_;
  std::unordered_map<std::string, uint32_t> next_suffix_;
};

// Default and derived attributes filled, unknown ones refused; then the declaration's infer rule.
Status infer_types(InferContext& context);
// An attribute's preset as a value; monostate where it has none.
Attr preset_value(const AttrDef& def);
// Turns a value into the alternative that the kind holds, where that loses nothing (integer to number,
// integers to dims, ...); false where it does not fit.
bool fit_attr(AttrKind kind, Attr* value);
std::string_view attr_kind_name(AttrKind kind);
// Shape that two operands of an elementwise operation broadcast to (numpy: trailing dimensions aligned,
// extents equal or 1); false where there is none.
bool broadcast_shapes(const Shape& a, const Shape& b, Shape* out);

}  // namespace tenon::ir
