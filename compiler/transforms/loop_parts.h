// The parts of a loop by count: operands and arguments are carries, slices, captures (and then the index,
// which no operand stands for); results are carries, then stacked values (see ops/control.cpp).
#pragma once

#include "ir/op_def.h"

namespace tenon::transforms {

struct LoopParts {
  size_t carries = 0, slices = 0, captures = 0;
  bool index = false;

  explicit LoopParts(const ir::Node& loop) {
    const ir::Graph& body = *loop.regions[0];
    for (ir::ValueId a : body.args) {
      switch (body.value(a).arg) {
        case ir::ArgKind::carry:
          ++carries;
          break;
        case ir::ArgKind::slice:
          ++slices;
          break;
        case ir::ArgKind::index:
          index = true;
          break;
        default:
          ++captures;
          break;
      }
    }
  }
  size_t first_capture() const { return carries + slices; }
  size_t operands() const { return carries + slices + captures; }
};

}  // namespace tenon::transforms
