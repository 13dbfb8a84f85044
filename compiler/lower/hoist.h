// Moves what does not depend on inner axes out of inner loops: emits those terms now, into the block that is
// open, so that later uses find them.
#pragma once

#include <functional>
#include <vector>

#include "lower/emit.h"

namespace tenon::lower {

// `outer(axis)`: the axis has a value already.
void hoist(TermEmitter& emitter, const TermGraph& terms, const std::vector<TermId>& roots,
           const std::function<bool(uint32_t)>& outer);

}  // namespace tenon::lower
