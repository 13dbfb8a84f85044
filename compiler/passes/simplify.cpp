// simplify: the rules of rules_arithmetic.cpp and rules_structure.cpp and those of canonicalize, to a fixed
// point. All keep bits for all inputs under the conditions that stand in their rows. Running it twice changes
// nothing.
#include "passes/match.h"
#include "passes/rebuild.h"
#include "rewrite/engine.h"

namespace tenon::passes {
namespace {

Result<bool> run(ir::Module& module, pass::Counts& counts) {
  static const Rules rules{canonical_rules(), arithmetic_rules(), structure_rules()};
  return over_functions(module, [&](ir::Graph& graph) -> Result<bool> {
    const rewrite::FixedPoint out =
        rewrite::run_to_fixed_point([&] { return apply_rules(module, graph, rules, counts); });
    TENON_CHECK(out.settled, "rules of simplify undo each other");
    return out.changed;
  });
}

}  // namespace

const Pass simplify{"simplify", "algebraic rules that keep bits, to a fixed point", run};

}  // namespace tenon::passes
