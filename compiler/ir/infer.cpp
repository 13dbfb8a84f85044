// Inference common to all operations: attributes (given, preset, derived), operand counts and element types,
// then the declaration's own rule.
#include "ir/builder.h"
#include "support/text.h"

namespace tenon::ir {
namespace {

std::string_view dtypes_name(DTypes set) {
  switch (set) {
    case DTypes::any:
      return "any type";
    case DTypes::floats:
      return "a float type";
    case DTypes::ints:
      return "an integer type";
    case DTypes::numbers:
      return "a number type";
    case DTypes::bools:
      return "bool";
    case DTypes::index:
      return "an integer type";
  }
  return "";
}

bool chosen(std::string_view choices, std::string_view word) {
  if (choices.empty()) return true;
  for (std::string_view c : split(choices, '|'))
    if (c == word) return true;
  return false;
}

Status check_attr(const InferContext& c, const AttrDef& def, Attr* value) {
  std::string name(def.name);
  if (!fit_attr(def.kind, value))
    return c.fail(Code::bad_attribute,
                  "attribute " + name + " is not " + std::string(attr_kind_name(def.kind)));
  if (auto* word = std::get_if<std::string>(value); word != nullptr && !chosen(def.choices, *word)) {
    std::vector<std::string_view> choices = split(def.choices, '|');
    std::string_view near = nearest(*word, choices);
    return c.fail(Code::bad_attribute,
                  "attribute " + name + " is " + *word + ", wants " + std::string(def.choices),
                  near.empty() ? "" : "did you mean " + std::string(near) + "?");
  }
  bool overflowed = false;
  if (auto* d = std::get_if<Dim>(value)) overflowed = d->overflowed();
  if (auto* ds = std::get_if<std::vector<Dim>>(value))
    for (const Dim& d : *ds) overflowed |= d.overflowed();
  if (overflowed) return c.fail(Code::dim_range, "attribute " + name + " is too large to compute with");
  return Ok{};
}

Status check_operands(const InferContext& c) {
  const std::span<const OperandDef> defs = c.op->operands;
  size_t least = 0;
  bool variadic = !defs.empty() && defs.back().variadic;
  for (const OperandDef& d : defs) least += d.optional || d.variadic ? 0 : 1;
  size_t found = c.operands.size();
  if (found < least || (!variadic && found > defs.size())) {
    std::string wants = std::to_string(least);
    if (variadic) {
      wants = "at least " + wants;
    } else if (defs.size() != least) {
      wants += " to " + std::to_string(defs.size());
    }
    std::string names;
    for (const OperandDef& d : defs) {
      names += names.empty() ? " " : ", ";
      names += d.name;
      if (d.variadic) names += "...";
      if (d.optional) names += "?";
    }
    return c.fail(
        Code::operand_count,
        "has " + std::to_string(found) + (found == 1 ? " operand" : " operands") + ", wants " + wants,
        defs.empty() ? "" : "operands: " + std::string(c.op->name) + names);
  }
  Errors errors;
  for (size_t i = 0; i < found; ++i) {
    const OperandDef& d = defs[std::min(i, defs.size() - 1)];
    if (!dtype_in(c.operands[i].dtype, d.dtypes))
      errors.append(c.fail(Code::dtype_mismatch, std::string(d.name) + " is " + c.operands[i].text() +
                                                     ", wants " + std::string(dtypes_name(d.dtypes))));
  }
  if (!errors.empty()) return errors;
  return Ok{};
}

}  // namespace

std::string_view attr_kind_name(AttrKind kind) {
  switch (kind) {
    case AttrKind::boolean:
      return "true or false";
    case AttrKind::integer:
      return "an integer";
    case AttrKind::number:
      return "a number";
    case AttrKind::text:
      return "a word";
    case AttrKind::integers:
      return "a list of integers";
    case AttrKind::dim:
      return "a dimension expression";
    case AttrKind::dims:
      return "a list of dimension expressions";
    case AttrKind::dtype:
      return "an element type";
    case AttrKind::array:
      return "a constant";
  }
  return "";
}

bool fit_attr(AttrKind kind, Attr* value) {
  switch (kind) {
    case AttrKind::boolean:
      return std::holds_alternative<bool>(*value);
    case AttrKind::integer:
      if (auto* d = std::get_if<Dim>(value); d != nullptr && d->is_constant()) *value = d->constant();
      return std::holds_alternative<int64_t>(*value);
    case AttrKind::number:
      if (auto* i = std::get_if<int64_t>(value)) *value = static_cast<double>(*i);
      return std::holds_alternative<double>(*value);
    case AttrKind::text:
      return std::holds_alternative<std::string>(*value);
    case AttrKind::integers:
      if (auto* dims = std::get_if<std::vector<Dim>>(value)) {
        std::vector<int64_t> out;
        for (const Dim& d : *dims) {
          if (!d.is_constant()) return false;
          out.push_back(d.constant());
        }
        *value = std::move(out);
      }
      return std::holds_alternative<std::vector<int64_t>>(*value);
    case AttrKind::dim:
      if (auto* i = std::get_if<int64_t>(value)) *value = Dim(*i);
      return std::holds_alternative<Dim>(*value);
    case AttrKind::dims:
      if (auto* ints = std::get_if<std::vector<int64_t>>(value)) {
        std::vector<Dim> out(ints->begin(), ints->end());
        *value = std::move(out);
      }
      return std::holds_alternative<std::vector<Dim>>(*value);
    case AttrKind::dtype:
      return std::holds_alternative<DType>(*value);
    case AttrKind::array: {
      auto* a = std::get_if<std::shared_ptr<const Array>>(value);
      return a != nullptr && *a != nullptr;
    }
  }
  return false;
}

Attr preset_value(const AttrDef& def) {
  std::string_view text = trim(def.preset);
  if (text.empty()) return std::monostate{};
  auto list = [&] {
    TENON_CHECK(text.size() >= 2 && text.front() == '[' && text.back() == ']',
                "preset of " + std::string(def.name));
    std::vector<Dim> out;
    std::string_view inner = trim(text.substr(1, text.size() - 2));
    if (inner.empty()) return out;
    for (std::string_view part : split(inner, ',')) out.push_back(*parse_dim(part, nullptr));
    return out;
  };
  Attr value;
  switch (def.kind) {
    case AttrKind::boolean:
      value = text == "true";
      break;
    case AttrKind::integer:
      value = parse_int(text).value_or(0);
      break;
    case AttrKind::number:
      value = parse_double(text).value_or(0);
      break;
    case AttrKind::text:
      value = std::string(text);
      break;
    case AttrKind::integers:
    case AttrKind::dims:
      value = list();
      break;
    case AttrKind::dim:
      value = *parse_dim(text, nullptr);
      break;
    case AttrKind::dtype:
      value = parse_dtype(text).value_or(DType::f32);
      break;
    case AttrKind::array:
      return std::monostate{};
  }
  TENON_CHECK(fit_attr(def.kind, &value), "preset of " + std::string(def.name));
  return value;
}

Status infer_types(InferContext& c) {
  const OpDef& op = *c.op;
  TENON_CHECK(op.infer != nullptr, std::string(op.name) + " declares no shape rule");
  TENON_CHECK(c.attrs->size() <= op.attrs.size());
  c.attrs->resize(op.attrs.size());
  c.results.clear();
  TENON_TRY(check_operands(c));
  Errors errors;
  for (size_t i = 0; i < op.attrs.size(); ++i) {
    Attr& value = (*c.attrs)[i];
    const AttrDef& def = op.attrs[i];
    if (value.index() == 0) {
      value = preset_value(def);
      if (value.index() == 0 && def.preset.empty() && def.derive == nullptr)
        errors.append(
            c.fail(Code::bad_attribute, "attribute " + std::string(def.name) + " is missing",
                   "give {" + std::string(def.name) + " = " + std::string(attr_kind_name(def.kind)) + "}"));
    } else if (Status s = check_attr(c, def, &value); !s) {
      errors.append(s.take_errors());
    }
  }
  if (!errors.empty()) return errors;
  for (size_t i = 0; i < op.attrs.size(); ++i) {
    Attr& value = (*c.attrs)[i];
    if (value.index() == 0 && op.attrs[i].derive != nullptr) value = op.attrs[i].derive(c);
  }
  TENON_TRY(op.infer(c));
  for (const Type& t : c.results) {
    if (t.rank() > max_rank)
      return c.fail(Code::rank_mismatch, "result " + t.text() + " has " + std::to_string(t.rank()) +
                                             " dimensions, at most " + std::to_string(max_rank) +
                                             " are possible");
    for (const Dim& d : t.shape) {
      if (d.overflowed())
        return c.fail(Code::dim_range, "an extent of the result is too large to compute with");
      if (d.is_constant() && d.constant() < 0)
        return c.fail(Code::dim_range, "result " + t.text() + " has a negative extent");
    }
  }
  return Ok{};
}

}  // namespace tenon::ir
