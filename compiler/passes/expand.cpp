// expand: inlines the bodies of composites, those inside bodies too. Needs modes resolved (an operation with
// two forms is refused by name). Afterwards only primitives are left. No lowering asks for a composite as a
// whole so far; one that does will be named here by its declaration.
#include "ir/op_def.h"
#include "passes/rebuild.h"
#include "rewrite/engine.h"

namespace tenon::passes {
namespace {

using ir::ValueId;

Result<bool> run(ir::Module& module, const pass::Options& /*options*/, pass::Counts& counts) {
  return over_functions(module, [&](ir::Graph& graph) -> Result<bool> {
    Errors errors;
    // Each round inlines one level; bodies nest a few deep.
    const rewrite::FixedPoint out = rewrite::run_to_fixed_point([&] {
      bool changed = false;
      ir::Graph next = rebuild(module, graph, [&](Candidate& c) -> std::optional<std::vector<ValueId>> {
        const ir::OpDef& op = *c.node.op;
        if (op.composite() == nullptr) return std::nullopt;
        if (op.mode != nullptr) {
          errors.append(
              error(Code::graph_invalid,
                    std::string(op.name) + ": its training and inference forms are not resolved yet",
                    "run resolve_mode before expand"));
          return std::nullopt;
        }
        changed = true;
        ++counts[std::string(op.name)];
        if (!c.regions.empty()) {
          const ir::Graph& body = *c.regions[0];
          std::vector<ValueId> map(body.value_count());
          for (size_t i = 0; i < body.args.size(); ++i) map[body.args[i].index] = c.operands[i];
          return c.b.inline_graph(body, map);
        }
        ir::BodyContext context{c.b, c.node, c.operands};
        return op.composite()->body(context);
      });
      if (!errors.empty()) return false;
      if (changed) graph = std::move(next);
      return changed;
    });
    if (!errors.empty()) return errors;
    return out.changed;
  });
}

}  // namespace

const Pass expand{
    {"expand", "needs modes resolved; puts in the bodies of composites, so that only primitives are left"},
    run};

}  // namespace tenon::passes
