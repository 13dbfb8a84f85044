// simplify: the rules of rules_arithmetic.cpp and rules_structure.cpp and those of canonicalize, to a fixed
// point. All keep bits for all inputs under the conditions that stand in their rows. Running it twice changes
// nothing.
#include "passes/fold_scales.h"
#include "passes/rebuild.h"
#include "rewrite/engine.h"

namespace tenon::passes {
namespace {

Result<bool> run(ir::Module& module, const pass::Options& /*options*/, pass::Counts& counts) {
  static const Rules rules{canonical_rules(), arithmetic_rules(), structure_rules()};
  return over_functions(module, [&](ir::Graph& graph) -> Result<bool> {
    const rewrite::FixedPoint out =
        rewrite::run_to_fixed_point([&] { return apply_rules(module, graph, rules, counts); });
    TENON_CHECK(out.settled, "rules of simplify undo each other");
    return out.changed;
  });
}

}  // namespace

namespace {

template <class Row>
std::string table(std::string_view title, std::span<const Row> rows) {
  auto cell = [](std::string_view text) {
    std::string plain;
    for (const char c : text) plain += c == '|' ? std::string("\\|") : std::string(1, c);
    return plain;
  };
  std::string out =
      "\n### " + std::string(title) + "\n\n| rule | of | algebra | holds |\n| --- | --- | --- | --- |\n";
  for (const Row& r : rows)
    out += "| `" + std::string(r.name) + "` | `" + std::string(r.key) + "` | `" + cell(r.algebra) + "` | " +
           cell(r.conditions) + " |\n";
  return out;
}

}  // namespace

std::string rules_reference() {
  return table("Canonical forms (`canonicalize`, `simplify`)", canonical_rules()) +
         table("Arithmetic and logic (`simplify`)", arithmetic_rules()) +
         table("Moves of elements (`simplify`)", structure_rules()) +
         table("Factors behind sums of products (`fold_scales`)", scale_rules());
}

const Pass simplify{{"simplify", "algebraic rules that keep bits, to a fixed point"}, run};

}  // namespace tenon::passes
