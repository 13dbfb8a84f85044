// The two evaluators that judge (design decision 4). Both run graph IR; neither includes anything of kernel/,
// lower/ or codegen/.
//   exact: declared dtype and order, one scalar at a time. JIT and AOT must equal it bit for bit.
//   wide:  independent arithmetic in a wider type with a running error bound; may answer "undecided".
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "support/array.h"

namespace tenon::evaluate {
using namespace support;

struct Inputs {
  std::vector<Array> arguments;          // in the order of the function's input arguments
  std::map<std::string, Array> globals;  // entry values of parameters, state, hyper-parameters
  ir::DimBindings dims;  // bindings of symbolic dimensions; those that shapes tell may be left out
};

struct Outputs {
  std::vector<Array> returned;
  std::map<std::string, Array> written;  // empty where a check failed: nothing is committed
  uint16_t status = 0;                   // error code number of the first failed check
  int64_t detail = 0;
};

// Errors: T305 on arguments that do not fit, T601 on sizes out of range.
Result<Outputs> exact(const ir::Module& module, const ir::Function& function, const Inputs& inputs);

// One element of a wide result: value and a bound on |true - computed by the declared arithmetic|, or
// undecided (infinite bound) where a comparison fell within the bound.
struct WideArray {
  std::vector<int64_t> shape;
  std::vector<double> value, bound;  // rounded outwards from the wide type
};
struct WideOutputs {
  std::vector<WideArray> returned;
  std::map<std::string, WideArray> written;
  bool undecided_control = false;  // a predicate could not be decided
};
Result<WideOutputs> wide(const ir::Module& module, const ir::Function& function, const Inputs& inputs);

// Exact evaluation of one node on arrays: constant folding.
Result<std::vector<Array>> exact_node(const ir::Graph& graph, ir::NodeId node,
                                      const std::vector<const Array*>& operands, const ir::DimBindings& dims);

}  // namespace tenon::evaluate
