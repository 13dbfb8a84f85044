// Printer: names, attributes, constants and single statements.
#include <algorithm>
#include <unordered_map>

#include "ir/builder.h"
#include "ir/lexer.h"
#include "ir/print_detail.h"
#include "support/text.h"

namespace tenon::ir {
namespace {

template <class T>
std::string element_text(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_floating_point_v<T>) {
    return format_float(value);
  } else {
    return std::to_string(value);
  }
}

// Nested lists by the extents, without recursion: brackets open and close where an index rolls over.
template <class T>
void append_elements(const Array& array, std::string* out) {
  std::span<const T> data = array.as<T>();
  const std::vector<int64_t>& shape = array.shape();
  if (shape.empty()) {
    *out += element_text<T>(data[0]);
    return;
  }
  if (data.empty()) {
    *out += "[]";
    return;
  }
  std::vector<int64_t> block(shape.size(), 1);  // elements of one list at each depth
  int64_t n = 1;
  for (size_t d = shape.size(); d-- > 0;) block[d] = n *= shape[d];
  for (size_t i = 0; i < data.size(); ++i) {
    int64_t at = static_cast<int64_t>(i);
    if (i != 0) *out += ", ";
    for (int64_t b : block)
      if (at % b == 0) *out += "[";
    *out += element_text<T>(data[i]);
    for (int64_t b : block)
      if ((at + 1) % b == 0) *out += "]";
  }
}

template <class T>
std::string list_text(const std::vector<T>& list) {
  std::string out = "[";
  for (size_t i = 0; i < list.size(); ++i) {
    if (i != 0) out += ", ";
    if constexpr (std::is_same_v<T, Dim>) {
      out += list[i].text();
    } else {
      out += std::to_string(list[i]);
    }
  }
  return out + "]";
}

}  // namespace

std::string array_text(const Array& array) {
  std::string out;
  if (!dtype_computes(array.dtype())) return "<" + std::string(dtype_name(array.dtype())) + ">";
  with_dtype(array.dtype(), [&]<class T>() { append_elements<T>(array, &out); });
  return out;
}

std::string array_hash(const Array& array) {
  Hasher h;
  h.add(static_cast<uint64_t>(array.dtype())).add(uint64_t{array.rank()});
  for (int64_t extent : array.shape()) h.add(static_cast<uint64_t>(extent));
  h.add(std::string_view(reinterpret_cast<const char*>(array.data()), array.bytes()));
  return h.hex();
}

std::string name_text(std::string_view name) { return is_plain_name(name) ? std::string(name) : quote(name); }

std::string attr_text(const Attr& attr) {
  if (auto* v = std::get_if<bool>(&attr)) return *v ? "true" : "false";
  if (auto* v = std::get_if<int64_t>(&attr)) return std::to_string(*v);
  if (auto* v = std::get_if<double>(&attr)) return format_float(*v);
  if (auto* v = std::get_if<std::string>(&attr)) return name_text(*v);
  if (auto* v = std::get_if<std::vector<int64_t>>(&attr)) return list_text(*v);
  if (auto* v = std::get_if<Dim>(&attr)) return v->text();
  if (auto* v = std::get_if<std::vector<Dim>>(&attr)) return list_text(*v);
  if (auto* v = std::get_if<DType>(&attr)) return std::string(dtype_name(*v));
  if (auto* v = std::get_if<std::shared_ptr<const Array>>(&attr); v != nullptr && *v != nullptr)
    return array_text(**v);
  return "none";
}

namespace {
bool names_callee(const OpDef& op) {
  const ControlForm* control = op.control();
  return control != nullptr && (control->what == Control::call || control->what == Control::apply);
}
}  // namespace

size_t positional_attr(const OpDef& op) {
  if (names_callee(op)) return op.attr_index("callee");
  if (op.operands.empty())
    for (size_t i = 0; i < op.attrs.size(); ++i)
      if (op.attrs[i].kind == AttrKind::array) return i;
  return op.attrs.size();
}

std::vector<std::string> value_names(const Graph& graph, const std::vector<std::string>* arg_names) {
  std::vector<std::string> names(graph.value_count());
  std::unordered_set<std::string> used;
  used.reserve(graph.value_count());
  std::unordered_map<std::string, uint32_t> suffix;
  auto claim = [&](size_t index, const std::string& wanted) {
    std::string name = wanted;
    while (!used.insert(name).second) name = wanted + "." + std::to_string(++suffix[wanted]);
    names[index] = std::move(name);
  };
  // Globals first: they must read as what they are. Then arguments, then results in program order.
  for (size_t i = 0; i < graph.value_count(); ++i)
    if (graph.value(ValueId(i)).arg == ArgKind::global) claim(i, graph.value(ValueId(i)).name);
  for (size_t a = 0; a < graph.args.size(); ++a) {
    size_t i = graph.args[a].index;
    const std::string& own =
        arg_names != nullptr && a < arg_names->size() ? (*arg_names)[a] : graph.value(graph.args[a]).name;
    if (names[i].empty() && !own.empty()) claim(i, own);
  }
  for (size_t i = 0; i < graph.value_count(); ++i)
    if (names[i].empty() && !graph.value(ValueId(i)).name.empty()) claim(i, graph.value(ValueId(i)).name);
  size_t next = 0;
  for (size_t i = 0; i < graph.value_count(); ++i) {
    if (!names[i].empty()) continue;
    do names[i] = "v" + std::to_string(next++);
    while (!used.insert(names[i]).second);
  }
  return names;
}

std::vector<std::string> value_names(const Graph& graph) { return value_names(graph, nullptr); }

std::string Printer::constant(const Array& array) {
  if (options_.side == nullptr || array.count() < static_cast<int64_t>(options_.large_constant))
    return array_text(array);
  std::string hash = array_hash(array);
  if (sides_.insert(hash).second) options_.side(hash, array);
  return "data(" + quote(hash) + ")";
}

// True where leaving the attribute out infers the same value: rules may rewrite a preset (axis -1 becomes 2).
bool Printer::defaulted(const Graph& graph, const Node& node, size_t attr) const {
  InferContext context;
  Attrs attrs = node.attrs;
  attrs[attr] = std::monostate{};
  context.op = node.op;
  context.attrs = &attrs;
  context.module = module_;
  for (ValueId v : node.operands) context.operands.push_back(graph.type(v));
  for (const std::unique_ptr<Graph>& r : node.regions) context.regions.push_back(r.get());
  return infer_types(context) && attr_equal(attrs[attr], node.attrs[attr]);
}

std::string Printer::attributes(const Graph& graph, const Node& node, size_t positional) {
  InferContext context;
  context.op = node.op;
  Attrs attrs;
  bool ready = false;
  std::string out;
  for (size_t i = 0; i < node.attrs.size(); ++i) {
    const AttrDef& def = node.op->attrs[i];
    const Attr& value = node.attrs[i];
    if (i == positional || value.index() == 0) continue;
    if (attr_equal(value, preset_value(def))) continue;
    if (def.derive != nullptr) {
      if (!ready) {
        ready = true;
        attrs = node.attrs;
        for (ValueId v : node.operands) context.operands.push_back(graph.type(v));
        for (const std::unique_ptr<Graph>& r : node.regions) context.regions.push_back(r.get());
        context.module = module_;
      }
      // Derived from the others: it must not see its own value, nor what was derived after it.
      attrs = node.attrs;
      for (size_t j = i; j < attrs.size(); ++j)
        if (node.op->attrs[j].derive != nullptr) attrs[j] = std::monostate{};
      context.attrs = &attrs;
      if (attr_equal(value, def.derive(context))) continue;
    }
    if (!def.preset.empty() && defaulted(graph, node, i)) continue;
    out += out.empty() ? " {" : ", ";
    out += std::string(def.name) + " = ";
    if (auto* a = std::get_if<std::shared_ptr<const Array>>(&value); a != nullptr && *a != nullptr) {
      std::vector<Dim> shape((*a)->shape().begin(), (*a)->shape().end());
      out += Type{(*a)->dtype(), std::move(shape)}.text() + " " + constant(**a);
    } else {
      out += attr_text(value);
    }
  }
  return out.empty() ? out : out + "}";
}

std::string Printer::operation(const Graph& graph, const Node& node, const std::vector<std::string>& names,
                               const std::vector<std::string>* literals) {
  const OpDef& op = *node.op;
  std::string out(op.name);
  size_t positional = positional_attr(op);
  auto operand_list = [&](size_t from) {
    std::string list;
    for (size_t i = from; i < node.operands.size(); ++i) {
      if (i != from) list += ", ";
      bool literal = literals != nullptr && !(*literals)[i].empty();
      list += literal ? (*literals)[i] : name_text(names[node.operands[i].index]);
    }
    return list;
  };
  if (op.control() != nullptr && !names_callee(op)) {
    out += " " + sections(graph, node, names);
  } else if (op.control() != nullptr) {
    out += " " + attr_text(node.attrs[positional]) + "(" + operand_list(0) + ")";
  } else if (positional < op.attrs.size()) {
    auto* a = std::get_if<std::shared_ptr<const Array>>(&node.attrs[positional]);
    out += " " + (a != nullptr && *a != nullptr ? constant(**a) : std::string("none"));
  } else if (!node.operands.empty()) {
    out += " " + operand_list(0);
  }
  return out + attributes(graph, node, positional);
}

std::string node_text(const Graph& graph, NodeId id, const std::vector<std::string>& names) {
  const Node& node = graph.node(id);
  PrintOptions options;
  options.side = [](const std::string&, const Array&) {};
  std::string out, types;
  for (ValueId r : node.results) {
    if (!types.empty()) out += ", ", types += ", ";
    out += name_text(names[r.index]);
    types += graph.type(r).text();
  }
  if (!node.results.empty()) out += " = ";
  out += Printer(nullptr, options).operation(graph, node, names);
  return types.empty() ? out : out + " : " + types;
}

std::string node_text(const Graph& graph, NodeId id) { return node_text(graph, id, value_names(graph)); }

}  // namespace tenon::ir
