// Passes graph -> graph: they keep meaning, and but for fold_scales bits (see each file). All are near-linear
// in the number of nodes, iterate over program order, and recurse over the nesting of regions only.
#pragma once

#include <map>
#include <span>

#include "ir/graph.h"
#include "pass/pass.h"

namespace tenon::passes {
using namespace support;

using Pass = pass::Pass<ir::Module>;

extern const Pass bind_dims;     // bind.cpp
extern const Pass inline_calls;  // inline.cpp
extern const Pass expand;        // expand.cpp
extern const Pass procedures;    // procedures.cpp
extern const Pass order;         // order.cpp
extern const Pass canonicalize;  // canonicalize.cpp
extern const Pass fold;          // fold.cpp
extern const Pass simplify;      // simplify.cpp
extern const Pass cse;           // cse.cpp
extern const Pass motion;        // motion.cpp
extern const Pass invariants;    // invariants.cpp
extern const Pass dce;           // dce.cpp
extern const Pass fold_scales;   // fold_scales.cpp

// All passes by name, for parse_pipeline.
const std::vector<const Pass*>& all();
// What compiling runs, in this order; the reasons stand beside the rows in pipeline.cpp. `fold_scales`: also
// that pass, the only one to change bits.
std::vector<pass::Step<ir::Module>> pipeline(bool fold_scales = false);
std::string pipeline_text();  // "inline,expand,..."
// docs/passes.md: every pass, the order with its reasons, every rule with its algebra.
std::string reference();
std::string rules_reference();  // its last part, simplify.cpp

// Specializes named dimensions to constants: T112 outside the declared range, T103 on an unknown name. Orders
// of reductions and contractions stay as they were resolved, so bits do not change.
Status bind(ir::Module& module, const std::map<std::string, int64_t, std::less<>>& dims);

}  // namespace tenon::passes
