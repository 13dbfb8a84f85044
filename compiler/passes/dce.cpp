// dce: drops what nothing needs (see ir/compact.h). Operations that may fail stay: a status is an effect.
#include "ir/apply.h"
#include "ir/compact.h"

#include "passes/rebuild.h"

namespace tenon::passes {
namespace {

Result<bool> run(ir::Module& module, const pass::Options& /*options*/, pass::Counts& counts) {
  // What a function reads, those who apply it give.
  std::set<std::string> applied;
  for (const ir::Function& f : module.functions) ir::collect_applied(f.graph, &applied);
  std::set<const ir::Graph*> given;
  for (const ir::Function& f : module.functions)
    if (applied.contains(f.name)) given.insert(&f.graph);
  return over_functions(module, [&](ir::Graph& graph) -> Result<bool> {
    const size_t before = ir::count_nodes(graph);
    if (!ir::compact(module, graph, given.contains(&graph))) return false;
    counts["dropped node"] += before - ir::count_nodes(graph);
    return true;
  });
}

}  // namespace

const Pass dce{{"dce", "drops dead nodes, results, carries and captures; operations that may fail stay"},
               run};

}  // namespace tenon::passes
