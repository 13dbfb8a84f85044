#include "ir/builder.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::ir {
namespace {

const OpDef& find_op(std::string_view name) {
  const OpDef* op = op_table().find(name);
  TENON_CHECK(op != nullptr, "no operation is named " + std::string(name));
  return *op;
}

// Position of the first attribute of a kind: what `const` and `broadcast` are about, whatever they call it.
size_t attr_of_kind(const OpDef& op, AttrKind kind) {
  for (size_t i = 0; i < op.attrs.size(); ++i)
    if (op.attrs[i].kind == kind) return i;
  TENON_CHECK(false, std::string(op.name) + " lacks an attribute");
  return 0;
}

template <class T>
T round_to(double value) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(value);
  } else if constexpr (std::is_same_v<T, bool>) {
    return value != 0;
  } else {
    // The nearest value that the type holds; a double outside it would be undefined behaviour.
    if (std::isnan(value)) return 0;
    if (value <= static_cast<double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
    if (value >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
    return static_cast<T>(value);
  }
}

}  // namespace

bool broadcast_shapes(const Shape& a, const Shape& b, Shape* out) {
  size_t rank = std::max(a.size(), b.size());
  Shape result(rank);
  for (size_t i = 0; i < rank; ++i) {
    // Counted from the last dimension; a missing one is 1.
    Dim x = i < a.size() ? a[a.size() - 1 - i] : Dim(1);
    Dim y = i < b.size() ? b[b.size() - 1 - i] : Dim(1);
    if (x != y && x != Dim(1) && y != Dim(1)) return false;
    result[rank - 1 - i] = x == Dim(1) ? y : x;
  }
  *out = std::move(result);
  return true;
}

Result<std::vector<ValueId>> Builder::try_emit(const OpDef& op, std::vector<ValueId> operands, Attrs attrs,
                                               std::vector<std::unique_ptr<Graph>> regions) {
  auto located = [&](Errors errors) {
    for (Diagnostic& d : errors.list) {
      if (!d.file.empty() || module_ == nullptr || !location_.known()) continue;
      d.file = module_->files[location_.file];
      d.line = location_.line;
      d.column = location_.column;
    }
    return errors;
  };
  for (ValueId v : operands)
    TENON_CHECK(v.valid() && v.index < graph_.value_count(),
                std::string(op.name) + ": operand does not exist");
  if (op.elementwise() != nullptr && operands.size() > 1) {
    Shape shape = graph_.type(operands[0]).shape;
    for (size_t i = 1; i < operands.size(); ++i) {
      const Shape& other = graph_.type(operands[i]).shape;
      if (!broadcast_shapes(shape, other, &shape)) {
        auto operand_name = [&](size_t at) {
          return std::string(op.operands[std::min(at, op.operands.size() - 1)].name);
        };
        return located(error(Code::shape_mismatch,
                             std::string(op.name) + ": " + operand_name(i) + " has shape " +
                                 shape_text(other) + ", which does not broadcast with " + shape_text(shape) +
                                 (i == 1 ? " of " + operand_name(0) : std::string()),
                             "extents must be equal or 1, counted from the last dimension"));
      }
    }
    for (ValueId& v : operands) {
      if (graph_.type(v).shape == shape) continue;
      const OpDef& broadcast = find_op("broadcast");
      Attrs given(broadcast.attrs.size());
      given[attr_of_kind(broadcast, AttrKind::dims)] = shape;
      Result<std::vector<ValueId>> wide = try_emit(broadcast, {v}, std::move(given));
      if (!wide) return wide.take_errors();
      v = (*wide)[0];
    }
  }
  InferContext context;
  context.op = &op;
  context.attrs = &attrs;
  context.module = module_;
  context.operands.reserve(operands.size());
  for (ValueId v : operands) context.operands.push_back(graph_.type(v));
  for (const std::unique_ptr<Graph>& r : regions) context.regions.push_back(r.get());
  if (Status s = infer_types(context); !s) return located(s.take_errors());
  NodeId node = graph_.add_node(&op, std::move(operands), std::move(attrs), context.results,
                                std::move(regions), location_, scope_);
  return graph_.node(node).results;
}

std::vector<ValueId> Builder::emit_all(const OpDef& op, std::vector<ValueId> operands, Attrs attrs,
                                       std::vector<std::unique_ptr<Graph>> regions) {
  Result<std::vector<ValueId>> out = try_emit(op, std::move(operands), std::move(attrs), std::move(regions));
  TENON_CHECK(static_cast<bool>(out), out.errors().text());
  return std::move(*out);
}

ValueId Builder::emit(const OpDef& op, std::vector<ValueId> operands,
                      std::initializer_list<NamedAttr> attrs) {
  Attrs given(op.attrs.size());
  for (const NamedAttr& a : attrs) given[op.attr_index(a.name)] = a.value;
  std::vector<ValueId> out = emit_all(op, std::move(operands), std::move(given));
  TENON_CHECK(out.size() == 1, std::string(op.name) + " has several results");
  return out[0];
}

ValueId Builder::emit(std::string_view op, std::vector<ValueId> operands,
                      std::initializer_list<NamedAttr> attrs) {
  return emit(find_op(op), std::move(operands), attrs);
}

ValueId Builder::constant(DType dtype, double value) {
  TENON_CHECK(dtype_computes(dtype), std::string(dtype_name(dtype)) + " constants are not computed with");
  auto array = std::make_shared<Array>(dtype, std::vector<int64_t>{});
  with_dtype(dtype, [&]<class T>() { array->template as<T>()[0] = round_to<T>(value); });
  return constant(std::shared_ptr<const Array>(std::move(array)));
}

ValueId Builder::constant(DType dtype, const Number& number) {
  auto array = std::make_shared<Array>(dtype, std::vector<int64_t>{});
  with_dtype(dtype, [&]<class T>() { array->template as<T>()[0] = number.as<T>(); });
  return constant(std::shared_ptr<const Array>(std::move(array)));
}

ValueId Builder::constant_like(ValueId like, double value) {
  Type type = graph_.type(like);
  ValueId scalar = constant(type.dtype, value);
  if (type.is_scalar()) return scalar;
  const OpDef& broadcast = find_op("broadcast");
  Attrs given(broadcast.attrs.size());
  given[attr_of_kind(broadcast, AttrKind::dims)] = std::move(type.shape);
  return emit_all(broadcast, {scalar}, std::move(given))[0];
}

ValueId Builder::constant(std::shared_ptr<const Array> array) {
  const OpDef& op = find_op("const");
  Attrs given(op.attrs.size());
  given[attr_of_kind(op, AttrKind::array)] = std::move(array);
  return emit_all(op, {}, std::move(given))[0];
}

void Builder::know_names() {
  if (std::exchange(names_known_, true)) return;
  for (size_t i = 0; i < graph_.value_count(); ++i)
    if (const std::string& n = graph_.value(ValueId(i)).name; !n.empty()) names_.insert(n);
}

void Builder::set_name(ValueId value, std::string_view name) {
  know_names();
  std::string wanted(name);
  Value& v = graph_.value(value);
  if (wanted.empty() || v.name == wanted) return;
  std::string chosen = wanted;
  while (!names_.insert(chosen).second) chosen = wanted + "." + std::to_string(++next_suffix_[wanted]);
  v.name = std::move(chosen);
}

void Builder::reserve_name(std::string_view name) {
  know_names();
  if (!name.empty()) names_.emplace(name);
}

void Builder::release_name(std::string_view name) { names_.erase(std::string(name)); }

std::vector<ValueId> Builder::copy(const Graph& from, const Node& node, const std::vector<ValueId>& map) {
  std::vector<ValueId> operands;
  operands.reserve(node.operands.size());
  bool same_types = true;
  for (ValueId v : node.operands) {
    ValueId to = map[v.index];
    TENON_CHECK(to.valid() && to.index < graph_.value_count(),
                std::string(node.op->name) + ": operand is not mapped");
    same_types = same_types && graph_.type(to) == from.type(v);
    operands.push_back(to);
  }
  std::vector<std::unique_ptr<Graph>> regions;
  for (const std::unique_ptr<Graph>& r : node.regions) regions.push_back(std::make_unique<Graph>(*r));
  Attrs attrs = node.attrs;
  // `from` may be this very graph, whose nodes move when one is added: nothing is read from it afterwards.
  std::vector<std::string> names;
  for (ValueId r : node.results) names.push_back(from.value(r).name);
  std::vector<Type> types;
  if (same_types) {
    for (ValueId r : node.results) types.push_back(from.type(r));
  } else {
    InferContext context;
    context.op = node.op;
    context.attrs = &attrs;
    context.module = module_;
    for (ValueId v : operands) context.operands.push_back(graph_.type(v));
    for (const std::unique_ptr<Graph>& r : regions) context.regions.push_back(r.get());
    Status s = infer_types(context);
    TENON_CHECK(static_cast<bool>(s), s.errors().text());
    types = std::move(context.results);
  }
  NodeId id = graph_.add_node(node.op, std::move(operands), std::move(attrs), types, std::move(regions),
                              node.location, node.scope);
  std::vector<ValueId> results = graph_.node(id).results;
  for (size_t i = 0; i < results.size() && i < names.size(); ++i) set_name(results[i], names[i]);
  return results;
}

std::vector<ValueId> Builder::inline_graph(const Graph& from, std::vector<ValueId>& map) {
  map.resize(from.value_count());
  for (size_t i = 0; i < from.node_count(); ++i) {
    const Node& node = from.node(NodeId(i));
    std::vector<ValueId> results = copy(from, node, map);
    for (size_t r = 0; r < results.size(); ++r) map[node.results[r].index] = results[r];
  }
  std::vector<ValueId> out;
  out.reserve(from.results.size());
  for (ValueId v : from.results) out.push_back(map[v.index]);
  return out;
}

}  // namespace tenon::ir
