// What an operation does over a domain of axes, said once in its declaration: the evaluators run it, fusion
// lines it up with its neighbours, lowering makes loops of it. Reductions, products, positions of extremes,
// rows taken and rows added to are iterations; so is whatever else combines elements that lie at affine or
// chosen places.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ir/dim.h"

namespace tenon::ir {

struct Node;
struct Type;

// Affine index of one dimension: constant + sum coefficient * index[axis].
struct AffineIndex {
  Dim constant;
  struct Part {
    uint32_t axis;
    Dim coefficient;
  };
  std::vector<Part> parts;
};
AffineIndex affine_axis(uint32_t axis);
AffineIndex affine_constant(Dim c);

enum class Combiner : uint8_t { sum, prod, max, min, any, all };

// What is done with the elements of a point of the domain.
enum class Accumulate : uint8_t {
  copy,      // the element is the result's
  combine,   // total = total (combiner) element
  multiply,  // total = fma(element, other element, total): a sum of products. Integers wrap
};

struct Axis {
  enum class Role : uint8_t {
    kept,     // points along it are independent of each other
    reduced,  // their elements are combined, in the order that `lanes` and `block` name
    ordered,  // one after the other: a point sees what the one before left
  };
  Dim extent;
  Role role = Role::kept;
};

// Where the elements of one operand, or of the results, lie over the axes.
struct Access {
  std::vector<AffineIndex> index;  // one per dimension
  // The element of `operand` (rank and place as its own access says) is the index of `dimension`. Outside of
  // the extent: status T605.
  struct Chosen {
    uint32_t dimension, operand;
  };
  std::vector<Chosen> chosen = {};
  // Dimensions whose index may lie outside of the extent: there the operand reads as the identity of the
  // combination, as if it were padded with it. Products with what is outside are left out of their sum: an
  // infinite or NaN factor beside it has no effect.
  std::vector<uint32_t> guarded = {};
  // Guarded dimensions whose index is the affine one divided by a number, where that leaves no rest; where it
  // does, the element is outside.
  struct Divided {
    uint32_t dimension;
    int64_t by;
  };
  std::vector<Divided> divided = {};
};

// Order of combination (design decision 3), fixed at graph level: the reduced elements, in row-major order of
// the reduced axes, are cut into blocks of `block`; within a block element r goes to logical lane r mod
// `lanes`; each lane combines its elements in order from the identity; lanes are combined by halving (lane l
// with lane l + lanes/2, then lanes/4, …); block results are combined in order, starting from the first.
// Identities: sum +0, prod 1, max -inf or the lowest integer, min likewise, any false, all true. max and min
// propagate NaN.
struct Order {
  int64_t lanes = 1, block = int64_t{1} << 20;
};

struct Iteration {
  std::vector<Axis> axes;
  std::vector<Access> operands;    // one per operand
  Access result;                   // none of its axes is reduced
  std::vector<uint32_t> elements;  // the operands whose elements enter; two where they are multiplied
  std::optional<uint32_t> base;    // the operand that the result is before the first point
};

// What the results are. A position is the number (i64) of the first extreme element, of max or min, in the
// order of the reduced axes; a NaN is ahead of every number.
enum class Yields : uint8_t { value, position, value_and_position };

// An operation that is an iteration: what no node of it changes, and its axes and places under a node's
// types.
struct IterationForm {
  Accumulate step = Accumulate::combine;
  Combiner combiner = Combiner::sum;
  Yields yields = Yields::value;
  bool gathers = false;   // an operand's place is chosen by another
  bool scatters = false;  // the result's place is: axes that choose it are ordered
  bool scans = false;     // the result holds what every point of an ordered axis has come to
  Iteration (*describe)(const Node& node, const std::vector<Type>& operands, const Type& result) = nullptr;
  Order (*order)(const Node& node) = [](const Node&) { return Order{}; };
};

}  // namespace tenon::ir
