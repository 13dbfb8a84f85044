// Changed models, dumps and data: each is refused with errors, or runs; nothing ends by a signal, hangs, or
// takes memory without bound. Compiled code runs between guard pages, so that what leaves its buffers is a
// signal.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "common/guarded.h"
#include "driver/compile.h"
#include "driver/program.h"
#include "fuzz/mutated_inputs.h"
#include "paths.h"
#include "runtime/csv.h"
#include "runtime/file.h"
#include "runtime/idx.h"
#include "runtime/npy.h"
#include "runtime/safetensors.h"
#include "support/check.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;

namespace {

// Small models of every kind of kernel: products, reductions, loops, random numbers, steps.
const std::vector<std::string>& models() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> out;
    for (const char* file : {"/tests/ir/roundtrip/control.tenon", "/tests/ir/roundtrip/mlp.tenon",
                             "/examples/linear_regression/linear.tenon"}) {
      std::ifstream in(std::string(TENON_SOURCE_DIR) + file, std::ios::binary);
      std::stringstream text;
      text << in.rdbuf();
      out.push_back(text.str());
    }
    out.push_back(R"(tenon 1
module pieces
dim n = 1..40
param w : f32[5,9] = glorot_uniform
func product(x: f32[n,5]) -> y: f32[n,9] {
  p = dot_general x, w {contract = [[1],[0]]}
  y = tanh p
  return y
}
func rows(x: f32[n,5]) -> y: f32[n] {
  t = transpose x {permutation = [1, 0]}
  y = reduce_sum t {axes = [0]}
  return y
}
func chosen(x: f32[n,5], i: i32[7]) -> y: f32[7,5] {
  y = take x, i
  return y
}
func shuffled(x: f32[n,5], seed: i64[]) -> y: f32[n,5] {
  o = permutation seed {n = n}
  y = take x, o
  return y
}
)");
    return out;
  }();
  return all;
}

// The models, or their dumps. A dump of kernels is taken with its seal and without it.
std::vector<std::string> texts(driver::Stage stage) {
  std::vector<std::string> out;
  for (const std::string& text : models()) {
    auto unit = driver::read_unit(text, "model");
    if (!unit) FAIL(unit.errors().text() + text);
    driver::CompileOptions options;
    if (stage == driver::Stage::optimized) {
      auto module = driver::optimize(std::get<ir::Module>(unit->code), options);
      if (!module) FAIL(module.errors().text());
      unit->code = std::move(*module);
    } else if (stage == driver::Stage::kernel) {
      auto module = driver::to_kernels(std::move(*unit), options);
      if (!module) FAIL(module.errors().text());
      unit->code = std::move(*module);
    }
    unit->stage = stage;
    auto dump = stage == driver::Stage::graph ? Result<std::string>(text) : driver::print_unit(*unit);
    if (!dump) FAIL(dump.errors().text());
    out.push_back(std::move(*dump));
  }
  return out;
}

constexpr size_t runs = 0, failures = 1;  // counters

constexpr int64_t most_bytes = int64_t{64} << 20;

// Bytes of each argument at these sizes; false where they are too many to try.
bool sizes_of(const std::vector<ir::Type>& types, const ir::DimBindings& dims, std::vector<size_t>* out) {
  int64_t total = 0;
  for (const ir::Type& type : types) {
    const auto shape = ir::evaluate_shape(type.shape, dims);
    int64_t count = 0, bytes = 0;
    if (!shape || !checked_bytes(type.dtype, *shape, &count, &bytes) || bytes > most_bytes - total)
      return false;
    total += bytes;
    out->push_back(static_cast<size_t>(bytes));
  }
  return true;
}

void run_entry(const driver::Program& program, const driver::EntryInfo& entry, const Guarded& state,
               bool larger) {
  std::vector<int64_t> dims;
  for (const kernel::DimSlot& d : entry.interface->dims)
    dims.push_back(std::min(d.high, std::max<int64_t>(d.low, larger ? 5 : 1)));
  std::vector<size_t> in, out;
  const ir::DimBindings bindings = entry.bindings(dims);
  if (!sizes_of(entry.inputs, bindings, &in) || !sizes_of(entry.outputs, bindings, &out)) return;
  const int64_t arena_bytes = entry.arena(dims.data());
  if (arena_bytes < 0 || arena_bytes > most_bytes) return;
  const Guarded arena(static_cast<size_t>(arena_bytes), 0xff);
  std::vector<Guarded> memory;
  for (size_t i = 0; i < in.size(); ++i) memory.emplace_back(in[i], larger ? 1 : 0);
  for (const size_t bytes : out) memory.emplace_back(bytes, 0xee);
  std::vector<uint64_t> slots;
  size_t input = 0, output = in.size(), dim = 0;
  for (const kernel::EntryParam& p : entry.interface->params) {
    const auto pointer = [&](const Guarded& g) { slots.push_back(reinterpret_cast<uint64_t>(g.data())); };
    switch (p.role) {
      case kernel::ParamRole::state:
        pointer(state);
        break;
      case kernel::ParamRole::arena:
        pointer(arena);
        break;
      case kernel::ParamRole::constants:
        break;
      case kernel::ParamRole::input:
        pointer(memory[input++]);
        break;
      case kernel::ParamRole::output:
        pointer(memory[output++]);
        break;
      case kernel::ParamRole::hyper:
        slots.push_back(p.bits);
        break;
      case kernel::ParamRole::dim:
        slots.push_back(static_cast<uint64_t>(dims[dim++]));
        break;
    }
  }
  runtime::CallStatus status{};
  entry.run(slots.data(), nullptr, &status);
  count(runs);
  count(failures, status.code != 0);
  if (status.code != 0) (void)program.describe(entry, status).text();
}

// Refused with errors, or compiled and run; true where it ran.
bool survive(const std::string& text) {
  auto unit = driver::read_unit(text, "mutant.tenon");
  if (!unit) {
    if (unit.errors().text().empty()) std::abort();
    return false;
  }
  auto program = driver::Program::compile(std::move(*unit), {.threads = 1});
  if (!program) {
    if (program.errors().text().empty()) std::abort();
    // A bug of ours is not an answer.
    if (program.errors().code() == Code::internal) std::abort();
    return false;
  }
  const driver::Program& p = **program;
  if (p.kernels().state_bytes > static_cast<uint64_t>(most_bytes)) return true;
  const Guarded state(p.kernels().state_bytes);
  for (const bool larger : {false, true})
    for (const driver::EntryInfo& e : p.entries()) run_entry(p, e, state, larger);
  return true;
}

void check(const char* what, const Trial& trial, const TrialOptions& options) {
  std::string faults;
  for (const std::string& f : trial.faults) faults += f + "\n";
  INFO(what << ":\n" << faults);
  std::printf("%s: %llu inputs, %llu accepted, %llu runs, %llu of them end with a status\n", what,
              static_cast<unsigned long long>(trial.tried), static_cast<unsigned long long>(trial.accepted),
              static_cast<unsigned long long>(trial.counted[runs]),
              static_cast<unsigned long long>(trial.counted[failures]));
  CHECK(trial.faults.empty());
  CHECK(trial.tried + trial.faults.size() >= options.count);
}

// TENON_MUTANT_FIRST and TENON_MUTANT_COUNT choose others.
TrialOptions options_of(uint64_t count) {
  TrialOptions options;
  options.count = count;
  if (const char* n = std::getenv("TENON_MUTANT_COUNT")) options.count = std::strtoull(n, nullptr, 10);
  if (const char* n = std::getenv("TENON_MUTANT_FIRST")) options.first = std::strtoull(n, nullptr, 10);
  return options;
}

std::string mutant(const std::vector<std::string>& all, uint64_t seed) {
  return mutated_text(all[seed % all.size()], seed, all[(seed / all.size()) % all.size()]);
}

void try_texts(const char* what, driver::Stage stage, uint64_t count) {
  const std::vector<std::string> all = texts(stage);
  const TrialOptions options = options_of(count);
  check(what, try_inputs(options, [&](uint64_t seed) { return survive(mutant(all, seed)); }), options);
}

void try_data(uint64_t count) {
  namespace fs = std::filesystem;
  const std::string path =
      (fs::temp_directory_path() / ("tenon_mutants_" + std::to_string(::getpid()))).string();
  auto bytes_of = [&] {
    std::ifstream in(path, std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    return bytes.str();
  };
  Array array(DType::f32, {3, 4});
  for (size_t i = 0; i < 12; ++i) array.as<float>()[i] = static_cast<float>(i);
  REQUIRE(runtime::write_npy(path, array));
  const std::string npy = bytes_of();
  runtime::TensorView view{.name = "w", .dtype = DType::f32, .shape = array.shape(), .bytes = {}};
  view.bytes = {reinterpret_cast<const char*>(array.data()), array.bytes()};
  runtime::TensorView other = view;
  other.name = "b";
  REQUIRE(runtime::write_safetensors(path, {view, other}));
  const std::string safetensors = bytes_of();
  fs::remove(path);
  const std::string idx("\0\0\x08\x02\0\0\0\2\0\0\0\3abcdef", 18);
  const std::string csv = "a,b,\"c d\",label\n1,2.5,3e-2,cat\n4,,6,dog\n-7,8,\"9\",\"c\"\"at\"\n";
  const TrialOptions options = options_of(count);
  const auto file = [](const std::string& bytes) { return runtime::InputFile::of_memory(bytes, "mutant"); };
  check("npy",
        try_inputs(options,
                   [&](uint64_t seed) {
                     const std::string bytes = mutated_bytes(npy, seed);
                     return static_cast<bool>(runtime::read_npy(file(bytes)));
                   }),
        options);
  check("safetensors",
        try_inputs(options,
                   [&](uint64_t seed) {
                     const std::string bytes = mutated_bytes(safetensors, seed);
                     return static_cast<bool>(runtime::read_safetensors(file(bytes)));
                   }),
        options);
  check("idx",
        try_inputs(options,
                   [&](uint64_t seed) {
                     const std::string bytes = mutated_bytes(idx, seed);
                     return static_cast<bool>(runtime::read_idx(file(bytes)));
                   }),
        options);
  check("csv",
        try_inputs(options,
                   [&](uint64_t seed) {
                     const std::string bytes =
                         seed % 2 == 0 ? mutated_bytes(csv, seed) : mutated_text(csv, seed);
                     runtime::CsvOptions o;
                     o.missing = static_cast<runtime::CsvOptions::Missing>(seed / 2 % 3);
                     o.text = static_cast<runtime::CsvOptions::Text>(seed / 6 % 3);
                     return static_cast<bool>(runtime::parse_csv(bytes, "mutant", o));
                   }),
        options);
}

}  // namespace

TEST_CASE("changed models are refused, or run") { try_texts("graph", driver::Stage::graph, 60); }
TEST_CASE("changed dumps of optimized graphs are refused, or run") {
  try_texts("optimized", driver::Stage::optimized, 40);
}
TEST_CASE("changed dumps of kernels are refused, or run inside their buffers") {
  try_texts("kernel", driver::Stage::kernel, 60);
}
TEST_CASE("changed data files are refused, or read") { try_data(3000); }

constexpr uint64_t all_mutants = 200000;
TEST_CASE("200,000 changed models", "[long]") { try_texts("graph", driver::Stage::graph, all_mutants); }
TEST_CASE("200,000 changed dumps of optimized graphs", "[long]") {
  try_texts("optimized", driver::Stage::optimized, all_mutants);
}
TEST_CASE("200,000 changed dumps of kernels", "[long]") {
  try_texts("kernel", driver::Stage::kernel, all_mutants);
}
TEST_CASE("200,000 changed data files of each kind", "[long]") { try_data(all_mutants); }

// The mutant of one seed, to be looked at: TENON_MUTANT_FIRST, TENON_MUTANT_STAGE.
TEST_CASE("one mutant", "[.]") {
  const char* stage = std::getenv("TENON_MUTANT_STAGE");
  const std::string_view name = stage == nullptr ? "kernel" : stage;
  const std::string text = mutant(texts(name == "graph"       ? driver::Stage::graph
                                        : name == "optimized" ? driver::Stage::optimized
                                                              : driver::Stage::kernel),
                                  options_of(1).first);
  std::printf("%s", text.c_str());
}
