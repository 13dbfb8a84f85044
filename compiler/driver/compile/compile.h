// The way of a module: source graph -> derived functions -> optimized graph -> schedules -> kernels ->
// object. Every stage can be printed, and compilation resumes from any stage's dump.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ir/graph.h"
#include "kernel/kernel.h"
#include "lower/lower.h"
#include "object/object.h"
#include "pass/pass.h"
#include "target/target.h"

namespace tenon::driver {
using namespace support;

enum class Stage : uint8_t { graph, optimized, scheduled, kernel };
using Scheduled = std::shared_ptr<const lower::ScheduledModule>;

// A program at one of its stages.
struct Unit {
  std::variant<ir::Module, Scheduled, kernel::Module> code;
  Stage stage = Stage::graph;
};

// Reads a dump or a hand-written model; its first lines tell the stage. Side files lie beside it
// (<hash>.safetensors).
Result<Unit> read_unit(std::string_view text, const std::string& file);
// Prints it; large constants go to `side_directory` where that is not empty, else they print in full.
Result<std::string> print_unit(const Unit& unit, const std::string& side_directory = {});

struct CompileOptions {
  std::string cpu = "native";          // a name of target/
  std::vector<std::string> functions;  // entries; empty: all functions, and init
  // Native training loops, `<step>.epochs`, are derived where they are asked for: named among `functions`, by
  // `step_loops`, or by a program that fits (Program::loop_of). false: never.
  bool epochs = true;
  // For C: a step among `functions` brings its native loop along, and `<step>.epochs.order`, the same loop in
  // an order of the caller's.
  bool step_loops = false;
  // The state's slots of a program that stands already, which this one works on: nothing is to be
  // initialized.
  const std::vector<kernel::StateSlot>* state_like = nullptr;
  // For objects: where functions are chosen, the state holds what they read or write, and nothing else.
  bool own_state = false;
  ir::DimBindings bind;            // dimensions specialized to constants
  std::vector<std::string> baked;  // patterns of parameters that become constants; needs `state` values
  const std::map<std::string, Array>* values = nullptr;  // of baked parameters
  std::string passes;  // textual pipeline; empty: the default one, of graphs and of lowering
  std::vector<std::string> disabled;
  std::string stop_after;
  // Factors behind sums of products go into baked ones (passes/fold_scales.cpp): other bits.
  bool fold_scales = false;
  bool verify_each = false;  // also verify and hash after every pass
  bool fuse = true, in_place = true, parallel = true;
  double chunk_cycles = 0, inline_cycles = -1;  // of lower::Options; 0 and -1: its defaults
  int threads = 0;                              // of code generation
  bool isolate = false;                         // it runs in a process of its own (object::Options)
  bool quick = false;                           // fast to make, slow to run (object::Options)
  std::string prefix = "tenon";
  bool c_functions = true;  // also the C functions of the generated header
  // After each pass: the text of the program as it is then, made where it is asked for.
  std::function<void(const std::function<std::string()>& text, const pass::Record&)> after_pass;
  std::string reproducer_directory;  // where a failing pass leaves its input; empty: nowhere
};

struct CompileReport {
  std::vector<pass::Record> passes;
  std::vector<lower::Explanation> edges;
  double seconds_graph = 0, seconds_lower = 0, seconds_object = 0;
  size_t kernels = 0;
};

// The derived training loop of a step: "train.epochs".
std::string epochs_name(std::string_view step);
// The entries of `functions`, and with `step_loops` the native loops of the steps among them; none: all.
std::vector<std::string> entries_of(const kernel::Module& module, const CompileOptions& options);
// The source form that the evaluators judge by: derives expanded, calls inlined, modes resolved, parameters
// baked and dimensions bound, the functions asked for kept; no pass has run.
Result<ir::Module> derive(ir::Module module, const CompileOptions& options);
// Derives expanded, modes resolved, default passes run: the stage `optimized`.
Result<ir::Module> optimize(ir::Module module, const CompileOptions& options,
                            CompileReport* report = nullptr);
// What runs as one kernel, how, and where values lie; of a graph, or of a dump of the stage. As far as the
// passes go that options name.
Result<Scheduled> to_scheduled(Unit unit, const CompileOptions& options, CompileReport* report = nullptr);
// A dump of kernels is sound, and no option asks for what only its source can give (T610).
Status check_kernels(const kernel::Module& module, const CompileOptions& options);
// From any stage to kernels, verified; edited dumps of kernels with guards (kernel/guard.h).
Result<kernel::Module> to_kernels(Unit unit, const CompileOptions& options, CompileReport* report = nullptr);
Result<object::Object> to_object(const kernel::Module& module, const CompileOptions& options,
                                 CompileReport* report = nullptr);

}  // namespace tenon::driver
