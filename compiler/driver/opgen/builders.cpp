// The builder functions of the C++ layer, one per operation.
//
// An operation `op(x, y) {a, b = 1}` becomes `Value op(x, y, a, OpOptions{b})`: attributes without a preset
// are arguments, the others members of an option struct in which every member has a default. Derived
// attributes are std::optional and left to the compiler. Operations with regions and constants of any shape
// are written by hand in control.hpp.
#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "driver/opgen/opgen.h"

namespace tenon::driver {
namespace {

using ir::AttrDef;
using ir::AttrKind;
using ir::OpDef;
using ir::OperandDef;

// Words that no C++ name may be; a builder of that name ends in an underscore.
const std::set<std::string_view> reserved = {"and",   "or",   "not",    "xor",   "const", "default", "double",
                                             "float", "int",  "switch", "union", "if",    "while",   "for",
                                             "new",   "else", "do",     "case",  "this",  "return"};

std::string safe(std::string_view name) {
  std::string out(name);
  if (reserved.count(name) != 0) out += '_';
  return out;
}

bool by_hand(const OpDef& op) {
  if (op.control() != nullptr) return true;
  for (const AttrDef& a : op.attrs)
    if (a.kind == AttrKind::array) return true;
  return false;
}

bool is_argument(const AttrDef& a) { return a.preset.empty() && a.derive == nullptr; }

std::string_view member_type(AttrKind kind) {
  switch (kind) {
    case AttrKind::boolean:
      return "bool";
    case AttrKind::integer:
      return "int64_t";
    case AttrKind::number:
      return "double";
    case AttrKind::integers:
      return "std::vector<int64_t>";
    case AttrKind::dim:
      return "Dim";
    case AttrKind::dims:
      return "std::vector<Dim>";
    case AttrKind::dtype:
      return "DType";
    default:
      return "std::string";
  }
}

std::string parameter_type(AttrKind kind) {
  const std::string type(member_type(kind));
  switch (kind) {
    case AttrKind::boolean:
    case AttrKind::integer:
    case AttrKind::number:
    case AttrKind::dtype:
      return type + " ";
    case AttrKind::text:
      return "std::string_view ";
    default:
      return "const " + type + "& ";
  }
}

// The preset as a C++ initializer.
std::string initial(const AttrDef& a) {
  if (a.preset.empty()) return "";
  std::string p(a.preset);
  switch (a.kind) {
    case AttrKind::text:
      return " = \"" + p + "\"";
    case AttrKind::dtype:
      return " = DType::" + safe(p == "bool" ? "bool_" : p);
    case AttrKind::integers:
    case AttrKind::dims:
      return " = {" + p.substr(1, p.size() - 2) + "}";
    default:
      return " = " + p;
  }
}

// Where a literal may stand, another operand tells its type: elementwise operations and fills.
bool takes_literals(const OpDef& op) {
  if (op.operands.size() < 2) return false;
  for (const OperandDef& o : op.operands)
    if (o.variadic || o.optional) return false;
  return op.elementwise() != nullptr || op.name == "pad";
}

void options_struct(std::string* out, const OpDef& op) {
  *out += "struct " + options_name(op.name) + " {\n";
  for (const AttrDef& a : op.attrs) {
    if (is_argument(a)) continue;
    std::string doc(a.doc);
    if (!a.choices.empty()) doc += " (" + std::string(a.choices) + ")";
    if (a.preset.empty()) doc += "; left out: derived";
    comment(out, "  ", doc);
    const std::string type(member_type(a.kind));
    if (a.preset.empty() && (a.kind == AttrKind::integers || a.kind == AttrKind::dims)) {
      *out += "  OptionalList<" + std::string(a.kind == AttrKind::dims ? "Dim" : "int64_t") + "> " +
              safe(a.name) + " = {};\n";
      continue;
    }
    *out += "  " + (a.preset.empty() ? "std::optional<" + type + ">" : type) + " " + safe(a.name) +
            (a.preset.empty() ? " = std::nullopt" : initial(a)) + ";\n";
  }
  *out += "  /// of the result, to fetch it and read it in dumps\n  std::string name = {};\n};\n";
}

void function(std::string* out, const OpDef& op) {
  const bool literals = takes_literals(op);
  comment(out, "", op.doc);
  for (const OperandDef& o : op.operands) comment(out, "", std::string(o.name) + ": " + std::string(o.doc));
  for (const AttrDef& a : op.attrs)
    if (is_argument(a)) comment(out, "", std::string(a.name) + ": " + std::string(a.doc));
  const size_t results = std::max<size_t>(1, op.results.size());
  if (results > 1) {
    std::string names;
    for (const std::string_view r : op.results) names += (names.empty() ? "" : ", ") + std::string(r);
    comment(out, "", "returns: " + names);
  }
  const std::string type = results == 1 ? "Value" : "std::array<Value, " + std::to_string(results) + ">";
  *out += "inline " + type + " " + safe(op.name) + "(";
  if (op.operands.empty()) *out += "Model& model, ";
  size_t last_needed = 0;  // operands after which defaults may stand
  for (size_t i = 0; i < op.operands.size(); ++i)
    if (!op.operands[i].optional) last_needed = i + 1;
  bool arguments = false;
  for (const AttrDef& a : op.attrs) arguments = arguments || is_argument(a);
  for (size_t i = 0; i < op.operands.size(); ++i) {
    const OperandDef& o = op.operands[i];
    *out += o.variadic ? "const std::vector<Value>& " : literals ? "const Operand& " : "const Value& ";
    *out += safe(o.name);
    if (i >= last_needed && !arguments) *out += " = {}";
    *out += ", ";
  }
  for (const AttrDef& a : op.attrs)
    if (is_argument(a)) *out += parameter_type(a.kind) + safe(a.name) + ", ";
  *out += "const " + options_name(op.name) + "& options = {},\n";
  *out += "    std::source_location where = std::source_location::current()) {\n";
  *out += "  detail::Call call(\"" + std::string(op.name) + "\", where);\n";
  if (op.operands.empty()) *out += "  call.in(model);\n";
  for (const OperandDef& o : op.operands) {
    const bool is_bool = o.dtypes == ir::DTypes::bools;
    *out += "  call." +
            std::string(o.variadic   ? "operands"
                        : o.optional ? "optional"
                        : is_bool    ? "condition"
                                     : "operand") +
            "(" + safe(o.name) + ");\n";
  }
  for (const AttrDef& a : op.attrs)
    *out += "  call.attribute(\"" + std::string(a.name) + "\", " + (is_argument(a) ? "" : "options.") +
            safe(a.name) + ");\n";
  *out += results == 1 ? "  return call.emit(options.name);\n}\n"
                       : "  return call.emit_all<" + std::to_string(results) + ">(options.name);\n}\n";
}

}  // namespace

// log_softmax -> LogSoftmaxOptions
std::string options_name(std::string_view name) {
  std::string out;
  bool upper = true;
  for (const char c : name) {
    if (c == '_') {
      upper = true;
    } else {
      out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
      upper = false;
    }
  }
  return out + "Options";
}

void comment(std::string* out, std::string_view indent, std::string_view text) {
  const std::string begin = std::string(indent) + "///";
  std::string line = begin;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = text.find(' ', at);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view word = text.substr(at, end - at);
    if (line.size() + 1 + word.size() > 110 && line != begin) {
      *out += line + "\n";
      line = begin;
    }
    line += ' ';
    line += word;
    at = end + 1;
  }
  *out += line + "\n";
}

std::string builders() {
  std::string out =
      "// Builder functions of all operations, made from the operation table by tenon_opgen. Do not edit.\n"
      "#pragma once\n\n#include \"tenon/model.hpp\"\n\nTENON_NAMESPACE_BEGIN\n";
  for (const OpDef* op : ir::op_table().all()) {
    if (by_hand(*op)) continue;
    out += "\n";
    options_struct(&out, *op);
    function(&out, *op);
  }
  return out + "\nTENON_NAMESPACE_END\n";
}

}  // namespace tenon::driver
