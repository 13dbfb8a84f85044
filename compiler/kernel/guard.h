// Accesses of edited programs. What Tenon lowers stays in its buffers by construction; what a person edits in
// a dump does so only where something tests it. guard() gives a program in which everything is tested that
// could leave its buffer, and which is otherwise the one it was given:
//  - every function learns how many elements lie behind each of its buffers, from its callers; entries know
//  it
//    from the state, the constants, the arena function and the declared shapes;
//  - a load outside its buffer gives 0 and a store outside does nothing; either records T605, with the place;
//  - an address outside its buffer, in the state's header, or less aligned than its callee declares counts as
//    one of no elements;
//  - nests of loops that would work for many seconds, however few elements their buffers have, and phases of
//    more than 2^23 chunks record T601 and do not run, and loops leave the function once a failure is
//    recorded.
// An access that is seen to be inside (a constant index, mostly) stays as it is.
#pragma once

#include "kernel/kernel.h"

namespace tenon::kernel {

// Of a verified module. Refused, with what is wrong: interfaces that do not fit their entries, state, inputs
// or constants written that the interface says are not, arena functions that are more than an expression of
// sizes, loads among the statements of a phase.
Result<Module> guard(Module module);

}  // namespace tenon::kernel
