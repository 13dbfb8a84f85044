// Substitution of dimensions: named dims are replaced in all types and attributes of a graph, regions
// included. Attributes that were derived before (orders of reductions and contractions) stay as they are, so
// that bits do not change.
#pragma once

#include <map>
#include <string>

#include "ir/graph.h"

namespace tenon::ir {

void substitute_dims(Graph& graph, const std::map<std::string, Dim, std::less<>>& values);

}  // namespace tenon::ir
