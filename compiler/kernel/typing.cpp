#include "kernel/typing.h"

#include "kernel/scalar.h"
#include "kernel/syntax.h"

namespace tenon::kernel {
namespace {

std::string text(DType d) { return std::string(dtype_name(d)); }

bool compares(Op op) { return op == Op::eq || op == Op::ne || op == Op::lt || op == Op::le; }

}  // namespace

DType result_type(Op op, const DType* args, size_t count, DType wanted) {
  if (op == Op::cast || op == Op::bitcast) return wanted;
  if (compares(op)) return DType::bool_;
  if (op == Op::select) return count > 1 ? args[1] : wanted;
  return count > 0 ? args[0] : wanted;
}

std::string operand_error(Op op, DType result, const DType* args, size_t count) {
  const std::string name(op_name(op));
  const auto wanted = static_cast<size_t>(operand_count(op));
  if (count != wanted)
    return name + ": takes " + std::to_string(wanted) + " operands, has " + std::to_string(count);
  for (size_t i = 0; i < count; ++i)
    if (!dtype_computes(args[i])) return name + ": " + text(args[i]) + " is not computed with";
  size_t first = 0;
  if (op == Op::select) {
    if (!is_bool(args[0])) return "select: the condition is " + text(args[0]) + ", expected bool";
    first = 1;
  }
  for (size_t i = first + 1; i < count; ++i)
    if (args[i] != args[first])
      return name + ": operands are " + text(args[first]) + " and " + text(args[i]) + ", expected one type";
  if (op == Op::bitcast) {
    if (!dtype_computes(result) || dtype_bytes(result) != dtype_bytes(args[0]) ||
        is_bool(result) != is_bool(args[0]))
      return "bitcast: from " + text(args[0]) + " to " + text(result) +
             ", expected types of one size, none of them bool";
    return {};
  }
  if (op == Op::cast)
    return dtype_computes(result) ? std::string() : "cast: " + text(result) + " is not computed with";
  if (!op_takes(op, args[first])) return name + ": does not take " + text(args[first]);
  if (const DType given = result_type(op, args, count, result); given != result)
    return name + ": the result is " + text(result) + ", expected " + text(given);
  return {};
}

}  // namespace tenon::kernel
