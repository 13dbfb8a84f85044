// Values that lie inside others' memory: what a slice or a concat would copy stays where it is.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "lower/index.h"

namespace tenon::lower {

// Elements of a slice's operand before the slice, where the slice is contiguous in it; nullopt where the node
// is something else.
std::optional<Dim> offset_in_operand(const Graph& graph, const Node& node);

// A value that lies inside another one.
struct Part {
  ValueId value;  // what holds its elements: see storage_of
  Dim offset;     // elements of the whole before it
};

// What concats, and concats of concats, put together to `whole`, where every part is contiguous in it; none
// where they are not. `inner`: whether the parts of a node count in place of its result.
std::vector<Part> parts_of(const Graph& graph, ValueId whole, const std::function<bool(NodeId)>& inner);

// Whether a node lays its operands whole, one behind the other, along one axis.
bool joins_operands(const Graph& graph, const Node& node);

}  // namespace tenon::lower
