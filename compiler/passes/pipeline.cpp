// The pipeline, as data: each row says why it stands where it does; docs/passes.md is made of it.
#include "passes/passes.h"
#include "support/text.h"

namespace tenon::passes {
namespace {

struct Row {
  const Pass* pass;
  std::string_view why;
  bool asked_for = false;  // it runs only then
};

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      {&inline_calls, "first: a callee may hold composites, and nothing is optimized across a call"},
      {&expand, "rules know primitives only; forward and gradient share work only once both are primitives"},
      {&procedures, "by what functions do; before all that works across what they are put into"},
      {&dce, "what expansion and derivation left unused would cost every later pass"},
      {&order, "the passes behind it see the graph, not the order of statements or of emission"},
      {&canonicalize, "fold, simplify and cse look for constants in one place"},
      {&fold, "before simplify: folded constants are what its rules match"},
      {&fold_scales, "where it is asked for; behind fold, which makes constants of what parameters come to",
       true},
      {&simplify, "before cse: different spellings become equal"},
      {&cse, "merges what composites and their derivatives both compute"},
      {&motion, "after cse: it moves only through values with one user, and merging changes users"},
      {&simplify, "chains that motion brought together"},
      {&invariants, "before cse: a loop and that of its gradient may compute the same"},
      {&cse, "equal moves that came from different places, and what regions made equal"},
      {&dce, "nothing dead reaches fusion, whose decisions count users"},
      {&order, "last: dumps are the same whatever order rules emitted nodes in"},
  };
  return all;
}

}  // namespace

const std::vector<const Pass*>& all() {
  static const std::vector<const Pass*> passes{
      &bind_dims, &inline_calls, &expand, &procedures, &order, &canonicalize, &fold,
      &simplify,  &cse,          &motion, &invariants, &dce,   &fold_scales};
  return passes;
}

std::vector<pass::Step<ir::Module>> pipeline(bool fold_scales) {
  std::vector<pass::Step<ir::Module>> out;
  for (const Row& row : rows())
    if (!row.asked_for || fold_scales) out.push_back(row.pass);
  return out;
}

std::string pipeline_text() {
  std::vector<std::string> names;
  for (const pass::Step<ir::Module>& step : pipeline()) names.emplace_back(step.pass->name);
  return join(names, ",");
}

std::string reference() {
  std::string out =
      "# Passes\n\n"
      "Graph to graph: they keep the meaning of a program, and its bits, but for `fold_scales`, which runs "
      "where it is asked for. This page is made from the code, by "
      "the test\n"
      "that compares them (`TENON_BLESS=1` with `test_unit` and `[passes-reference]` writes it anew). What "
      "runs behind them, groups and\n"
      "schedules, stands in [schedule.md](schedule.md); `tenon opt MODEL` runs passes, shows what each "
      "changed, how long it took and\n"
      "which rules fired: `--passes` chooses them, `--disable` leaves one out, `--stop-after` ends behind "
      "one.\n\n"
      "| pass | what it needs, and what it guarantees |\n| --- | --- |\n";
  for (const Pass* p : all()) out += "| `" + std::string(p->name) + "` | " + std::string(p->about) + " |\n";
  out += "\n## The order\n\n| pass | why it stands there |\n| --- | --- |\n";
  for (const Row& row : rows())
    out += "| `" + std::string(row.pass->name) + "` | " + std::string(row.why) + " |\n";
  out +=
      "\n`bind` is not among them, for it takes values: `--passes=bind{n=8},inline,…`, or `--bind n=8` "
      "before all.\n\n"
      "## Rules\n\nEach keeps the bits of all values under its condition, those of `fold_scales` excepted; "
      "what "
      "does not (`x * 0` is not 0 where x is infinite) is no rule.\n";
  return out + rules_reference();
}

}  // namespace tenon::passes
