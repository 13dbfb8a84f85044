// The options that verbs on models share, and how a model is read.
#pragma once

#include <map>

#include "driver/command/options.h"
#include "driver/compile/compile.h"
#include "driver/program/program.h"

namespace tenon::command {

struct ModelOptions {
  std::string path;
  std::vector<std::string> bind;
  std::string cpu = "native";
  bool isolate = false;

  void declare(Options& options, bool compiles = true);
  Result<driver::Unit> read() const;
  // With `bind` and `cpu`.
  Result<driver::CompileOptions> compile() const;
};

// "name=value" pairs; T610 where one is malformed.
Result<std::vector<std::pair<std::string, std::string>>> pairs(const std::vector<std::string>& texts,
                                                               const std::string& option);
Result<std::vector<std::pair<std::string, Number>>> numbers(const std::vector<std::string>& texts,
                                                            const std::string& option);
// "dim=N" pairs; T610 where one is malformed or a name is given twice.
Result<ir::DimBindings> whole_numbers(const std::vector<std::string>& texts, const std::string& option);
// The graph of a unit; T610 where it is kernels already (`verb` names who wants it).
Result<ir::Module> graph_of(driver::Unit unit, const std::string& verb);
// The function of that name, with the nearest one in the error (T103).
Result<const ir::Function*> function_of(const ir::Module& module, const std::string& name);
// A module of these functions and those they call: as written where the source has them, else as they are
// derived, calls inlined and modes resolved. T103.
Result<ir::Module> only_functions(const ir::Module& module, const std::vector<std::string>& functions,
                                  driver::CompileOptions options);

// A state made by init with the seed, or loaded from a file where `params` is not empty.
Result<std::shared_ptr<driver::State>> make_state(const std::shared_ptr<const driver::Program>& program,
                                                  uint64_t seed, const std::string& params, bool partial,
                                                  Context& context);

// --partial says how to read the file of --params: T610 without one.
Status check_partial(bool partial, const std::string& params);

// "x=@file.npy" or "x=[[1, 2], [3, 4]]": arrays of the inputs, in order. Dimensions that only a scalar
// literal's shape would tell come from `dims`.
Result<std::vector<Array>> read_inputs(const driver::EntryInfo& entry, const std::vector<std::string>& texts,
                                       const ir::DimBindings& dims);
// A literal's nested lists as an array of the type; T202 where it is malformed, T303 where it is ragged.
Result<Array> parse_literal(const std::string& text, DType dtype, const std::string& name);
std::string shape_text(std::span<const int64_t> shape);  // "[64,784]"

}  // namespace tenon::command
