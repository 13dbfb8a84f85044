// Inlining of calls: every `call` of a function, in the graph and in its regions, is replaced by the callee's
// nodes.
//
// The callee's globals become arguments of the function, one per name; inside regions they are captures. Two
// calls of one function with the same operands are one value, but for functions that draw random numbers by
// name (dropout): each call draws on its own, and what draws is named after the call, "site/name". Callees
// that call are inlined first, in module order (a function is declared before its use), without recursion
// over the depth of calls. An `apply` is a pure function of its operands: it is replaced where it is asked
// for, at the sizes of its operands.
#pragma once

#include <functional>
#include <string_view>

#include "ir/graph.h"

namespace tenon::ir {

// Whether the applications of a function are inlined as well; none: they stay.
using InlineApplied = std::function<bool(std::string_view function)>;

// T103 where a callee does not exist; T502 where the graph would pass 2^20 operations.
Status inline_calls(const Module& module, Graph& graph, const InlineApplied& applied = {});
bool has_calls(const Graph& graph);
// T502 where a function that is wanted (none given: any) would pass 2^20 operations once its calls are put
// in. Linear.
Status check_inlined_sizes(const Module& module, const std::function<bool(const Function&)>& wanted = {});

}  // namespace tenon::ir
