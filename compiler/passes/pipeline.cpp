// The pipeline, as data. Each row says why it stands where it does.
#include "passes/passes.h"
#include "support/text.h"

namespace tenon::passes {

const std::vector<const Pass*>& all() {
  static const std::vector<const Pass*> passes{&inline_calls, &expand, &canonicalize, &fold, &simplify,
                                               &cse,          &motion, &invariants,   &dce};
  return passes;
}

const std::vector<const Pass*>& pipeline() {
  static const std::vector<const Pass*> passes{
      &inline_calls,  // first: a callee may hold composites, and nothing is optimized across a call
      &expand,  // rules know primitives only; forward and gradient share work only once both are primitives
      &dce,     // what expansion and derivation left unused would cost every later pass
      &canonicalize,  // fold, simplify and cse look for constants in one place
      &fold,          // before simplify: folded constants are what its rules match
      &simplify,      // before cse: different spellings become equal
      &cse,           // merges what composites and their derivatives both compute
      &motion,        // after cse: it moves only through values with one user, and merging changes users
      &simplify,      // chains that motion brought together
      &invariants,    // before cse: a loop and that of its gradient may compute the same
      &cse,           // equal moves that came from different places, and what regions made equal
      &dce,           // last: nothing dead reaches fusion, whose decisions count users
  };
  return passes;
}

std::string pipeline_text() {
  std::vector<std::string> names;
  for (const Pass* p : pipeline()) names.emplace_back(p->name);
  return join(names, ",");
}

}  // namespace tenon::passes
