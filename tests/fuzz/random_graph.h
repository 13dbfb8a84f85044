// Random graphs made from the table of operations alone: forms, operand sets, domains and sample hooks. No
// operation is named here, so an operation that is added is drawn as well.
//
// Every value is computed while the graph grows (by the exact evaluator), so that operands lie in their
// domains and sizes stay small. Equal seeds give equal graphs.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "evaluate/evaluate.h"
#include "ir/graph.h"
#include "ir/op_def.h"
#include "runtime/random.h"

namespace tenon::test {
using namespace support;

struct RandomGraph {
  uint64_t seed = 0;
  ir::Module module;                          // calls inlined, modes resolved; one function
  std::map<std::string, ir::Domain> domains;  // of arguments and globals, by name
  ir::DimBindings dims;                       // at which it was made
  std::map<std::string, Array> values;        // of arguments, where the shrinker knows them
  // What was drawn, before calls were inlined and modes resolved.
  std::map<std::string, int> operations;
  std::map<DType, int> dtypes;

  ir::Function& function() { return module.functions[0]; }
  const ir::Function& function() const { return module.functions[0]; }
  std::string text() const;
};

struct GraphOptions {
  int nodes = 12;
  bool control = true, symbolic = true;
  // Where not null: one operation on fresh operands, results returned. Used to show that operations of a
  // table are drawn.
  const ir::OpDef* only = nullptr;
  DType dtype = DType::f32;  // with `only`
};

RandomGraph random_graph(uint64_t seed, const GraphOptions& options = {});

// Values for the function's arguments and the module's globals. wild: integers may leave their domains.
evaluate::Inputs random_inputs(const RandomGraph& graph, const ir::Module& module,
                               const ir::DimBindings& dims, uint64_t seed, bool wild = false);

// Removes results, nodes and operands as long as `fails` holds; returns the smallest graph found.
RandomGraph shrink(RandomGraph graph, const std::function<bool(const RandomGraph&)>& fails, int budget = 400);

// Names of all operations of a graph, regions included, with the element types of their results and operands.
void count_operations(const ir::Graph& graph, std::map<std::string, int>* ops, std::map<DType, int>* dtypes);

}  // namespace tenon::test
