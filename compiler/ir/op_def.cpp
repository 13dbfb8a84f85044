#include "ir/op_def.h"

namespace tenon::ir {

bool dtype_in(DType d, DTypes set) {
  switch (set) {
    case DTypes::any:
      return true;
    case DTypes::floats:
      return is_float(d);
    case DTypes::ints:
      return is_int(d);
    case DTypes::numbers:
      return !is_bool(d);
    case DTypes::bools:
      return is_bool(d);
    case DTypes::index:
      return is_int(d);
  }
  return false;
}

const AttrDef* OpDef::find_attr(std::string_view wanted) const {
  for (const AttrDef& a : attrs)
    if (a.name == wanted) return &a;
  return nullptr;
}

size_t OpDef::attr_index(std::string_view wanted) const {
  const AttrDef* a = find_attr(wanted);
  TENON_CHECK(a != nullptr, std::string(name) + " has no attribute " + std::string(wanted));
  return static_cast<size_t>(a - attrs.data());
}

const Attr& InferContext::attr(std::string_view name) const { return (*attrs)[op->attr_index(name)]; }

void InferContext::set(std::string_view name, Attr value) {
  (*attrs)[op->attr_index(name)] = std::move(value);
}

Errors InferContext::fail(Code code, std::string message, std::string help) const {
  return error(code, std::string(op->name) + ": " + message, std::move(help));
}

}  // namespace tenon::ir
