// What the processor of this process offers, by LLVM feature name; and the choice of a target from such
// answers, apart from the machine so that it can be tested on any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "target/target.h"

namespace tenon::target {

// False for names it does not know: an unknown need is never taken as met.
bool host_has_feature(std::string_view feature);
std::vector<std::string> missing_features(const Target& target, bool (*host_has)(std::string_view feature));
Result<const Target*> best_target(bool (*host_has)(std::string_view feature));

}  // namespace tenon::target
