// Text form of the scheduled stage: the module as graphs print, the target, and a section for each function
// with its groups and how they run.
//
//   target x86-64-v3
//   schedule f {
//     contract h, y {cut = rows, right = in_place, left = in_place, blocks = one, tile = 8 x 2 x 8, …}
//     loop r {
//       body {
//         pointwise d {lanes = 64, exchange = none}
//       }
//     }
//   }
//
// A group is named by the first results of its operations; where what it makes lies stands behind it as a
// comment. What may be edited: the fields, and which operations stand together; a section without groups is
// fused anew. A group that cannot be, or cannot run so, is an error at its line (T506); any
// other schedule gives the same bits. parse(print(m)) prints as m.
#pragma once

#include <string>

#include "ir/parse.h"
#include "ir/print.h"
#include "lower/schedule.h"

namespace tenon::lower {

std::string print(const ScheduledModule& module, const ir::PrintOptions& options = {});
// The fields of one schedule, "{lanes = 64, exchange = none}"; empty where there are none.
std::string schedule_text(const Schedule& schedule);

Result<ScheduledModule> parse_scheduled(std::string_view text, const ir::ParseOptions& options,
                                        const Options& lowering = {});

std::string_view kind_name(GroupKind kind);
// How a section names an operation: by its first result, or by its number where it has none.
std::string node_name(const Graph& graph, NodeId node, const std::vector<std::string>& names);

}  // namespace tenon::lower
