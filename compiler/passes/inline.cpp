// inline: replaces every call by the callee's nodes. Needs nothing; afterwards no `call` is left, so that
// every later pass and the lowering see whole functions. Bits are kept: the same operations run in the same
// order.
#include "ir/inline_calls.h"
#include "passes/rebuild.h"

namespace tenon::passes {
namespace {

Result<bool> run(ir::Module& module, const pass::Options& /*options*/, pass::Counts& counts) {
  bool changed = false;
  // Before the work that would be in vain: what doubles at every level is as long to make as it is large.
  TENON_TRY(ir::check_inlined_sizes(module));
  // Callees keep their calls until their own turn: ir::inline_calls resolves through them.
  for (ir::Function& f : module.functions) {
    if (!ir::has_calls(f.graph)) continue;
    TENON_TRY(ir::inline_calls(module, f.graph));
    ++counts["inlined function"];
    changed = true;
  }
  return changed;
}

}  // namespace

const Pass inline_calls{
    {"inline", "needs nothing; afterwards no call is left, so that every later pass sees whole functions"},
    run};

}  // namespace tenon::passes
