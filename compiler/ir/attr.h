// Attributes: compile-time arguments of an operation, in the order its declaration lists them.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "ir/type.h"
#include "support/array.h"

namespace tenon::ir {

enum class AttrKind : uint8_t {
  boolean,   // true | false
  integer,   // 3
  number,    // 0.2
  text,      // a word, from `choices` where those are given: mean
  integers,  // [0, 2]
  dim,       // one dimension expression: 2*batch
  dims,      // [batch, 784]
  dtype,     // f32
  array,     // a constant: scalar literal, nested lists, or a reference to a side file by hash
};

using Attr = std::variant<std::monostate, bool, int64_t, double, std::string, std::vector<int64_t>, Dim,
                          std::vector<Dim>, DType, std::shared_ptr<const Array>>;
using Attrs = std::vector<Attr>;

// Equality of values; arrays by content. monostate: not given (its default or derived value applies).
bool attr_equal(const Attr& a, const Attr& b);
uint64_t attr_hash(const Attr& a);

}  // namespace tenon::ir
