// Rebuild: the frame of passes that walk a graph in program order and write a new one. The visitor sees each
// node with its operands mapped, regions rewritten already, and replaces it or lets it be copied.
#pragma once

#include <functional>

#include "ir/builder.h"
#include "passes/passes.h"

namespace tenon::passes {

// A node about to be appended to the new graph.
struct Candidate {
  const ir::Graph& from;
  ir::NodeId id;
  const ir::Node& node;               // in `from`; its regions are superseded by those below
  std::vector<ir::ValueId> operands;  // in b's graph
  std::vector<std::unique_ptr<ir::Graph>> regions;
  ir::Builder& b;
};

// A replacement: one value of the new graph per result. Nothing: the node is copied.
using Visitor = std::function<std::optional<std::vector<ir::ValueId>>(Candidate&)>;
struct RebuildOptions {
  // Called where a graph (the function's, or a region) is begun and ended: tables of one graph's values.
  std::function<void(ir::Graph&)> enter, leave;
  // After a node was copied.
  std::function<void(ir::Graph&, ir::NodeId)> copied;
};

// Regions are rebuilt before the node that holds them. Composites' bodies are left alone.
ir::Graph rebuild(const ir::Module& module, const ir::Graph& graph, const Visitor& visit,
                  const RebuildOptions& options = {});

// Every function's graph replaced by what `pass` makes of it; true where one changed.
Result<bool> over_functions(ir::Module& module, const std::function<Result<bool>(ir::Graph&)>& pass);

}  // namespace tenon::passes
