// Questions about values that several passes ask.
#pragma once

#include <optional>

#include "ir/op_def.h"

namespace tenon::passes {
using namespace support;

inline const Array* constant_array(const ir::Graph& graph, ir::ValueId v) {
  const ir::Node* n = graph.producer(v);
  if (n == nullptr || n->op->generate() == nullptr || n->op->generate()->what != ir::Generator::constant)
    return nullptr;
  return n->get<std::shared_ptr<const Array>>("value").get();
}

// The value behind broadcasts and reshapes, which repeat and rearrange but do not compute.
inline ir::ValueId spread_source(const ir::Graph& graph, ir::ValueId v) {
  for (const ir::Node* n = graph.producer(v); n != nullptr; n = graph.producer(v)) {
    if (n->op->name != "broadcast" && n->op->view() == nullptr) break;
    v = n->operands[0];
  }
  return v;
}

// The array whose every element the value is: a constant with one element, however spread.
inline const Array* uniform_constant(const ir::Graph& graph, ir::ValueId v) {
  const Array* a = constant_array(graph, spread_source(graph, v));
  return a != nullptr && a->count() == 1 ? a : nullptr;
}

// Every element has the bits of this number in its type; a zero's sign counts.
bool is_uniform(const ir::Graph& graph, ir::ValueId v, double number);

}  // namespace tenon::passes
