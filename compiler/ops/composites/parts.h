// Parts that several composites are made of, and checks of their attributes.
#pragma once

#include "ops/expr.h"
#include "ops/rules.h"

namespace tenon::ops {

// log(1 + e) for e in [0, 1], without the loss of a small e: the logarithm of the rounded sum, and what
// rounding took from the sum (exactly, as 1 is not below e) times the slope 1 / (1 + e). Two units in the
// last place. Derivatives are not taken through it: an operation that uses it has a rule of its own.
V log_one_plus(V e);

// e^x - 1 for x <= 0, without the loss of a small x: 2t / (1 - t) with t = tanh(x / 2), where 1 - t cancels
// nothing. Six units in the last place. Derivatives are not taken through it, as 1 - t^2 has lost e^x where
// tanh saturates.
V exp_minus_one(V x);

// The composite: log(1 + e^x), with sigmoid as its slope.
V softplus(V x);

// x within low .. high; a NaN stays. Chosen, not max and min: at both corners the slope is 0, as relu's is.
V clamp(V x, double low, double high);

// Attribute `name` is a number above 0, and still is one in operand 0's element type (T108).
Status want_positive(const InferContext& c, std::string_view name);
// Attribute `name` lies in low .. high, both allowed (T108).
Status want_between(const InferContext& c, std::string_view name, double low, double high);

}  // namespace tenon::ops
