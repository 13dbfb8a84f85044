// Iterations under known sizes: which elements meet at each point of the domain. Both evaluators walk it;
// what they do with the elements is theirs.
#pragma once

#include "evaluate/walker.h"
#include "ir/op_def.h"

namespace tenon::evaluate {

// A point: one number for the axes of each role, in row-major order of those axes.
struct Point {
  size_t kept = 0, ordered = 0, reduced = 0;
};

// What an affine expression of the axes adds up to.
struct AxisSum {
  std::vector<int64_t> kept, ordered, reduced;  // per number; the constant is in `kept`

  int64_t outer(const Point& p) const { return kept[p.kept] + ordered[p.ordered]; }
  int64_t at(const Point& p) const { return outer(p) + reduced[p.reduced]; }
};

// Where the elements of an operand, or of the result, are.
struct AccessPlan {
  AxisSum element;  // row-major number, less what is chosen
  struct Guard {
    AxisSum index;
    int64_t extent;
    int64_t by = 1,
            stride = 0;  // a divided index: its quotient's share of the element number is not in `element`
  };
  std::vector<Guard> guards;
  struct Chosen {
    uint32_t operand;
    int64_t stride, extent;
  };
  std::vector<Chosen> chosen;

  bool inside(const Point& p) const {
    for (const Guard& g : guards) {
      const int64_t i = g.index.at(p);
      if (i < 0 || i % g.by != 0 || i / g.by >= g.extent) return false;
    }
    return true;
  }
  // The element number of a point that is inside, less what is chosen.
  int64_t number(const Point& p) const {
    int64_t at = element.at(p);
    for (const Guard& g : guards) at += g.index.at(p) / g.by * g.stride;
    return at;
  }
};

struct IterationPlan {
  ir::Iteration form;
  ir::Order order;
  size_t kept = 1, ordered = 1, reduced = 1;  // numbers of points
  bool in_order = false;                      // some axis is ordered
  bool single = false;                        // a point's element enters as it is: no axis is reduced
  std::vector<AccessPlan> operands;           // empty ones for the base
  AccessPlan result;
};
// T112 on sizes that do not evaluate.
Result<IterationPlan> plan_iteration(const NodeContext& c);

}  // namespace tenon::evaluate
