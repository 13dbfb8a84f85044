// docs/operations.md, from the declarations alone: operations by what they are, each with its operands,
// attributes, element types, derivative and, of a composite, its body.
#include "driver/opgen/opgen.h"
#include "ir/builder.h"
#include "support/text.h"

namespace tenon::driver {
namespace {

using ir::AttrDef;
using ir::DType;
using ir::OpDef;

struct Form {
  std::string_view title, what;
  bool (*is)(const OpDef&);
};

constexpr Form forms[] = {
    {"Elementwise", "One element of the result is a function of the operands' elements at its place.",
     [](const OpDef& op) { return op.elementwise() != nullptr; }},
    {"Elements at other places", "One element of the result is an element of an operand, or a fill value.",
     [](const OpDef& op) { return op.index_map() != nullptr || op.view() != nullptr; }},
    {"Values from nothing", "One element of the result is a function of its place, and of a random stream.",
     [](const OpDef& op) { return op.generate() != nullptr; }},
    {"Reductions",
     "Combine along dimensions, in an order that is part of the operation: blocks, lanes and a fixed tree.",
     [](const OpDef& op) { return ir::reduces(op) || ir::finds_position(op) || ir::scans(op); }},
    {"Contractions",
     "Sums of products, in an order that is part of the operation: each block is a chain of fused "
     "multiply-adds, and block sums are added in order.",
     [](const OpDef& op) { return ir::multiplies(op); }},
    {"By index", "Rows are taken or added by index; an index out of range is a status.",
     [](const OpDef& op) { return ir::gathers(op) || ir::scatters(op); }},
    {"Checks", "Pass a value on, or fail with a status before anything is committed.",
     [](const OpDef& op) { return op.check() != nullptr; }},
    {"Control", "Operations with regions or callees; [ir.md](ir.md) shows how they are written.",
     [](const OpDef& op) { return op.control() != nullptr; }},
    {"Composites",
     "Operations with a body of others. They print folded; the pass `expand` puts the body in their place, "
     "which is shown here for sizes `n`, `m`, ...",
     [](const OpDef& op) { return op.composite() != nullptr; }},
};

std::string types_of(ir::DTypes set) {
  std::string out;
  for (size_t i = 0; i < support::dtype_count; ++i) {
    const DType t = static_cast<DType>(i);
    if (ir::dtype_computes(t) && ir::dtype_in(t, set))
      out += (out.empty() ? "" : " ") + std::string(dtype_name(t));
  }
  return out;
}

// Where types have functions of their own, only those count.
std::string types_of(const OpDef& op, const ir::OperandDef& operand) {
  const bool keyed = op.elementwise() != nullptr && op.elementwise()->by_types == nullptr &&
                     &operand == &op.operands[op.elementwise()->key];
  if (!keyed) return types_of(operand.dtypes);
  std::string out;
  for (size_t i = 0; i < support::dtype_count; ++i) {
    const DType t = static_cast<DType>(i);
    if (ir::dtype_in(t, operand.dtypes) && op.elementwise()->types[i].exact != nullptr)
      out += (out.empty() ? "" : " ") + std::string(dtype_name(t));
  }
  return out;
}

bool is_required(const AttrDef& a) { return a.preset.empty() && a.derive == nullptr; }

std::string signature(const OpDef& op) {
  std::string out(op.name);
  for (size_t i = 0; i < op.operands.size(); ++i) {
    const ir::OperandDef& o = op.operands[i];
    const std::string text = (i == 0 ? " " : ", ") + std::string(o.name) + (o.variadic ? "..." : "");
    out += o.optional ? "[" + text + "]" : text;
  }
  std::string attrs;
  for (const AttrDef& a : op.attrs) {
    const std::string value = is_required(a) ? "..." : a.preset.empty() ? "" : std::string(a.preset);
    if (!value.empty()) attrs += (attrs.empty() ? "" : ", ") + std::string(a.name) + " = " + value;
  }
  return attrs.empty() ? out : out + " {" + attrs + "}";
}

std::string attribute(const AttrDef& a) {
  std::string out = "- `" + std::string(a.name) + "`, " + std::string(ir::attr_kind_name(a.kind)) + ": " +
                    std::string(a.doc);
  if (!a.choices.empty()) {
    std::string words;
    for (const std::string_view word : support::split(a.choices, '|'))
      words += (words.empty() ? "`" : ", `") + std::string(word) + "`";
    out += " (" + words + ")";
  }
  if (!a.preset.empty()) return out + ". Default `" + std::string(a.preset) + "`.\n";
  return out + (is_required(a) ? ". Required.\n" : ". Left out: derived.\n");
}

std::string_view derivative(const OpDef& op) {
  if (op.vjp != nullptr) return "yes";
  if (op.control() != nullptr) return "yes, through its regions or callee";
  if (op.composite() != nullptr && !op.zero_gradient) return "yes, through its body";
  return op.zero_gradient ? "zero: no gradient passes" : "none: a gradient that would pass is an error";
}

void operation(std::string* out, const OpDef& op) {
  *out += "\n### " + std::string(op.name) + "\n\n" + std::string(op.doc) + "\n\n```text\n" + signature(op) +
          "\n```\n\n";
  for (const ir::OperandDef& o : op.operands)
    *out += "- `" + std::string(o.name) + "`: " + std::string(o.doc) + ". " + types_of(op, o) +
            (o.optional   ? ". May be left out"
             : o.variadic ? ". Any number"
                          : "") +
            ".\n";
  for (const AttrDef& a : op.attrs) *out += attribute(a);
  if (!op.results.empty()) {
    *out += "- Results: ";
    for (size_t i = 0; i < op.results.size(); ++i)
      *out += (i == 0 ? "`" : ", `") + std::string(op.results[i]) + "`";
    *out += ".\n";
  }
  *out += "- Derivative: " + std::string(derivative(op)) + ".";
  if (op.may_fail) *out += " Can fail with a status.";
  if (op.elementwise() != nullptr) {
    const ir::ElementwiseForm& form = *op.elementwise();
    if (form.ulp > 0.5) *out += " Error at most " + support::format_float(form.ulp) + " ulp.";
    *out += " Counts as " + std::to_string(form.flops) + (form.flops == 1 ? " operation" : " operations") +
            " an element.";
  }
  if (op.mode != nullptr) *out += " Has a training and an inference form.";
  *out += "\n";
  if (op.composite() == nullptr) return;
  if (const std::string body = example_body(op); !body.empty()) *out += "\n```text\n" + body + "```\n";
}

}  // namespace

std::string reference() {
  std::string out =
      "# Operations\n\n"
      "Made from the declarations in `compiler/ops/` by `tenon_opgen`; do not edit. `TENON_BLESS=1` with the "
      "test `ops.reference`\nwrites it anew. What is common to all operations stands in [ir.md](ir.md).\n\n"
      "Elementwise operands of different shapes are broadcast against each other. The results' types follow "
      "from operands and\nattributes. No element type is converted but by `cast`.\n\n";
  for (const Form& form : forms) {
    std::string names;
    for (const OpDef* op : ir::op_table().all())
      if (form.is(*op))
        names +=
            (names.empty() ? "" : ", ") + ("[" + std::string(op->name) + "](#" + std::string(op->name) + ")");
    out += "- " + std::string(form.title) + ": " + names + "\n";
  }
  for (const Form& form : forms) {
    out += "\n## " + std::string(form.title) + "\n\n" + std::string(form.what) + "\n";
    for (const OpDef* op : ir::op_table().all())
      if (form.is(*op)) operation(&out, *op);
  }
  return out;
}

}  // namespace tenon::driver
