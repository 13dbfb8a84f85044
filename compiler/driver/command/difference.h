// What changed between two texts, line by line.
#pragma once

#include <string>
#include <string_view>

namespace tenon::command {

// The lines that went ("- ") and came ("+ "), in their order, each run of changes below the line that opens
// the function it stands in and with one line of what stayed on either side. Blanks
// that only align a line do not count. Empty where nothing changed.
// The script is a shortest one (Myers, "An O(ND) difference algorithm", 1986) up to 2,000 changes; texts that
// differ in more are shown as all lines gone and all lines come.
// O((N + M) D) time and O(D^2) space.
std::string difference(std::string_view before, std::string_view after);

}  // namespace tenon::command
