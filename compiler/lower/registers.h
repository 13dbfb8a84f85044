// Registers: small values that a loop inside one kernel carries, or makes and uses up in every iteration, are
// kept in register variables instead of memory. A store and the load behind it cost a dozen cycles, which is
// most of an iteration of a small recurrence.
//
// Groups that touch such a value run unrolled, one element after the other at constant indices (scalar
// groups), unless the value has one element. The order within an element is that of the vector schedules, so
// bits do not depend on the choice.
#pragma once

#include <vector>

#include "lower/emit.h"

namespace tenon::lower {

// A group small enough to be unrolled element by element: pointwise, or a reduction of few elements.
bool scalar_group(const Scope& scope, int32_t group);
void emit_scalar_pointwise(Frame& frame, const Scope& scope, int32_t group);
void emit_scalar_reduce(Frame& frame, const Scope& scope, int32_t group);

struct RegisterRoot {
  RootId root;
  bool inside = false;  // only this loop uses it: neither read from memory before nor written after
};
// What the body of a loop can keep in registers.
std::vector<RegisterRoot> register_roots(const Frame& frame, const Scope& body);

// Whether a value of so many elements can be kept in registers at all.
bool fits_registers(const Dim& elements);

// How often each root is named: by groups, copies and loops of a scope and the scopes in it.
void count_uses(const Scope& scope, std::vector<uint32_t>* uses);

}  // namespace tenon::lower
