// order: puts nodes into the order that follows from the graph (see ir/canonical.h). Passes walk a graph in
// its order, and rules that fire first may keep others from firing: what they make is so the same however the
// program was written, and whatever compiler built Tenon.
#include "ir/canonical.h"
#include "passes/rebuild.h"

namespace tenon::passes {
namespace {

Result<bool> run(ir::Module& module, const pass::Options& /*options*/, pass::Counts& /*counts*/) {
  return over_functions(module, [](ir::Graph& graph) -> Result<bool> { return ir::order_nodes(graph); });
}

}  // namespace

const Pass order{
    {"order", "puts nodes into the order that follows from the graph, not from the text or the build"}, run};

}  // namespace tenon::passes
