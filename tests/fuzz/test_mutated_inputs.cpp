// Changed models, dumps and data: each is refused with errors, or runs; nothing ends by a signal, hangs, or
// takes memory without bound. Compiled code runs between guard pages, so that what leaves its buffers is a
// signal.
#include <unistd.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "catch.h"
#include "common/guarded.h"
#include "common/picture_bytes.h"
#include "driver/compile/compile.h"
#include "driver/program/program.h"
#include "fuzz/mutated_inputs.h"
#include "pictures/pictures.h"
#include "runtime/cifar.h"
#include "runtime/csv.h"
#include "runtime/file.h"
#include "runtime/history.h"
#include "runtime/idx.h"
#include "runtime/npy.h"
#include "runtime/safetensors.h"
#include "support/check.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;

namespace {

// Small models of every kind of kernel: products, reductions, gathers, random numbers, loops, steps.
constexpr const char* models[] = {
    R"(tenon 1
module product
dim n = 1..40
param w : f32[5,9] = glorot_uniform
func f(x: f32[n,5]) -> y: f32[n,9] {
  p = dot x, w
  y = tanh p
  return y
}
)",
    R"(tenon 1
module rows
dim n = 1..40
func f(x: f32[n,5], y: f64[3]) -> r: f32[5], s: f64[] {
  t = mul x, 0.5
  r = reduce_sum t {axes = [0]}
  u = reduce_max y {axes = [0]}
  s = exp u
  return r, s
}
)",
    R"(tenon 1
module chosen
dim n = 1..40
func f(x: f32[n,5], i: i32[7]) -> y: f32[7,5] {
  t = transpose x {perm = [1, 0]}
  u = transpose t {perm = [1, 0]}
  y = take u, i
  return y
}
)",
    R"(tenon 1
module shuffled
dim n = 1..40
func f(x: f32[n,5], seed: i64[]) -> y: f32[n,5] {
  o = permutation seed {n = n}
  y = take x, o
  return y
}
)",
    R"(tenon 1
module scan
dim n = 1..12
param w : f32[4] = ones
func f(x: f32[n,4], p: bool[]) -> y: f32[4], all: f32[n,4] {
  a, all = loop (c = w; z in x; ; i) : f32[4], f32[n,4] {
    d = mul c, z
    e = add d, w
    yield e, d
  }
  y = cond p (a) : f32[4] {
    b = neg a
    yield b
  } else {
    yield a
  }
  return y, all
}
)",
    R"(tenon 1
module linear
dim batch = 1..64
hyper lr = 0.01 : f32
param w : f32[3,1] = glorot_uniform
param b : f32[1] = zeros
func loss(x: f32[batch,3], y: f32[batch,1]) -> loss: f32[] {
  p = dense x, w, b
  l = mse p, y
  return l
}
derive train = step loss {with = sgd {lr = lr}}
)",
};

driver::CompileOptions compile_options() {
  driver::CompileOptions options;
  options.threads = 1;
  options.epochs = false;
  return options;
}

// The models, or their dumps.
std::vector<std::string> texts(driver::Stage stage) {
  std::vector<std::string> out;
  for (const std::string text : models) {
    auto unit = driver::read_unit(text, "model");
    if (!unit) FAIL(unit.errors().text() + text);
    const driver::CompileOptions options = compile_options();
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

// Small numbers: indices among them are inside, mostly.
void fill(const Guarded& memory, DType dtype) {
  with_dtype(dtype, [&]<class T>() {
    if constexpr (std::is_arithmetic_v<T>)
      for (size_t i = 0; i < memory.bytes() / sizeof(T); ++i) {
        const T value = static_cast<T>(std::is_floating_point_v<T> ? 0.25 * static_cast<double>(i % 7) - 0.5
                                                                   : static_cast<double>(i % 2));
        std::memcpy(memory.data() + i * sizeof(T), &value, sizeof(T));
      }
  });
}

// Its status, and what it wrote where it did not fail.
std::string run_entry(const driver::Program& program, const driver::EntryInfo& entry, const Guarded& state,
                      bool larger) {
  std::vector<int64_t> dims;
  for (const kernel::DimSlot& d : entry.interface->dims)
    dims.push_back(std::min(d.high, std::max<int64_t>(d.low, larger ? 5 : 1)));
  std::vector<size_t> in, out;
  const ir::DimBindings bindings = entry.bindings(dims);
  if (!sizes_of(entry.inputs, bindings, &in) || !sizes_of(entry.outputs, bindings, &out)) return {};
  const int64_t arena_bytes = entry.arena(dims.data());
  if (arena_bytes < 0 || arena_bytes > most_bytes) return {};
  const Guarded arena(static_cast<size_t>(arena_bytes), 0xff);
  std::vector<Guarded> memory;
  for (size_t i = 0; i < in.size(); ++i) {
    memory.emplace_back(in[i]);
    fill(memory.back(), entry.inputs[i].dtype);
  }
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
  std::string result = std::to_string(status.code) + ";";
  if (status.code != 0) {
    (void)program.describe(entry, status);
    return result;
  }
  for (size_t i = in.size(); i < memory.size(); ++i)
    result.append(reinterpret_cast<const char*>(memory[i].data()), memory[i].bytes());
  result.append(reinterpret_cast<const char*>(state.data()), state.bytes());
  return result;
}

std::string run_all(const driver::Program& p) {
  const Guarded state(p.kernels().state_bytes);
  std::string result;
  for (const bool larger : {false, true})
    for (const driver::EntryInfo& e : p.entries()) result += run_entry(p, e, state, larger);
  return result;
}

// Refused with errors, or compiled and run; true where it ran.
bool survive(const std::string& text, bool quick) {
  auto unit = driver::read_unit(text, "mutant.tenon");
  if (!unit) {
    if (unit.errors().text().empty()) std::abort();
    return false;
  }
  driver::CompileOptions options = compile_options();
  options.quick = quick;
  auto program = driver::Program::compile(std::move(*unit), options);
  if (!program) {
    if (program.errors().text().empty()) std::abort();
    // A bug of ours is not an answer.
    if (program.errors().code() == Code::internal) std::abort();
    return false;
  }
  const driver::Program& p = **program;
  if (p.kernels().state_bytes > static_cast<uint64_t>(most_bytes)) return true;
  (void)run_all(p);
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

// How often each model is taken, of 16: what compiles long is taken seldom.
constexpr size_t shares[] = {2, 4, 4, 2, 3, 1};
static_assert(std::size(shares) == std::size(models));

std::string mutant(const std::vector<std::string>& all, uint64_t seed) {
  size_t taken = 0;
  for (uint64_t left = seed % 16; left >= shares[taken]; ++taken) left -= shares[taken];
  return mutated_text(all[taken], seed, all[(seed / 16) % all.size()]);
}

// What is asked is what kernels do, not how well their instructions are chosen: code of every 32nd is as
// users get it, that of the others is made in a fraction of the time.
void try_texts(const char* what, driver::Stage stage, uint64_t count) {
  constexpr uint64_t careful = 32;
  const std::vector<std::string> all = texts(stage);
  const TrialOptions options = options_of(count);
  check(what,
        try_inputs(options,
                   [&](uint64_t seed) { return survive(mutant(all, seed), seed / 16 % careful != 0); }),
        options);
}

// Each chunk of a PNG that is there whole gets the sum that its bytes have.
void mend_sums(std::string* bytes) {
  for (size_t at = 8; at + 12 <= bytes->size();) {
    uint32_t length = 0;
    for (size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<uint8_t>((*bytes)[at + i]);
    if (length > bytes->size() - at - 12) return;
    const auto sum = static_cast<uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(bytes->data() + at + 4), static_cast<uInt>(length + 4)));
    bytes->replace(at + 8 + length, 4, big32(sum));
    at += 12 + length;
  }
}

// Pictures of each kind, decoded where their libraries are there; and the records of CIFAR, from a file.
void try_pictures(const TrialOptions& options) {
  std::string slope;
  for (int i = 0; i < 16 * 12 * 3; ++i) slope += static_cast<char>(i);
  const std::string pngs[] = {png(16, 12, png_rgb, slope), png(8, 8, png_gray, std::string(8, '\x5a'), 1),
                              png(4, 4, png_palette, std::string(16, '\1'), 8,
                                  png_chunk("PLTE", "abcdef") + png_chunk("tRNS", "\xff\xff")),
                              png(4, 4, png_gray_alpha, std::string(32, '\xff'))};
  const std::string jpegs[] = {jpeg(2, 2, {1, 250, 30, 99}),
                               jpeg(1, 1, {128}, jpeg_segment(0xfe, "comment"))};
  const auto decoded = [](const std::string& bytes) {
    const runtime::InputFile file = runtime::InputFile::of_memory(bytes, "mutant");
    const auto header = runtime::read_picture_header(file);
    if (!header || !pictures::codec().has(header->form)) return static_cast<bool>(header);
    return static_cast<bool>(pictures::codec().decode(*header, bytes, "mutant"));
  };
  check("png",
        try_inputs(options,
                   [&](uint64_t seed) {
                     // The sums of chunks keep changes from what lies behind them: mostly they are put right.
                     std::string bytes = mutated_bytes(pngs[seed / 4 % std::size(pngs)], seed);
                     if (seed % 4 != 0) mend_sums(&bytes);
                     return decoded(bytes);
                   }),
        options);
  check("jpeg",
        try_inputs(options, [&](uint64_t seed) { return decoded(mutated_bytes(jpegs[seed % 2], seed)); }),
        options);
  const std::string records = cifar_record(0, "\1") + cifar_record(1, "\2");
  check("cifar",
        try_inputs(options,
                   [&](uint64_t seed) {
                     const std::string path = (std::filesystem::temp_directory_path() /
                                               ("tenon_mutant_" + std::to_string(::getpid()) + ".bin"))
                                                  .string();
                     std::ofstream(path, std::ios::binary) << mutated_bytes(records, seed);
                     const auto opened = runtime::open_cifar_file(path);
                     const bool read = opened && runtime::read_all(**opened);
                     std::filesystem::remove(path);
                     return read;
                   }),
        options);
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
  const std::string history =
      "{\"epoch\":1,\"steps\":9,\"loss\":0.5,\"accuracy\":0.25}\n{\"epoch\":2,\"loss\":null}\n";
  check("history",
        try_inputs(options,
                   [&](uint64_t seed) {
                     const std::string bytes =
                         seed % 2 == 0 ? mutated_bytes(history, seed) : mutated_text(history, seed);
                     return static_cast<bool>(runtime::parse_history(bytes, "mutant"));
                   }),
        options);
  try_pictures(options);
}

}  // namespace

// No guard is wrong about a program that stays inside.
TEST_CASE("a dump of kernels without its seal gives the bits of its source") {
  const std::vector<std::string> dumps = texts(driver::Stage::kernel);
  for (size_t i = 0; i < dumps.size(); ++i) {
    auto compiled = [&](const std::string& text, bool quick = false) {
      auto unit = driver::read_unit(text, "model");
      if (!unit) FAIL(unit.errors().text());
      driver::CompileOptions options = compile_options();
      options.quick = quick;
      auto program = driver::Program::compile(std::move(*unit), options);
      if (!program) FAIL(program.errors().text());
      return *program;
    };
    INFO(models[i]);
    const size_t seal = dumps[i].rfind("\nseal ");
    REQUIRE(seal != std::string::npos);
    const auto plain = compiled(models[i]), sealed = compiled(dumps[i]),
               open = compiled(dumps[i].substr(0, seal));
    CHECK(sealed->object().elf == plain->object().elf);
    CHECK(open->object().elf != plain->object().elf);
    const std::string expected = run_all(*plain);
    CHECK(expected.size() > 16);
    CHECK(run_all(*open) == expected);
    const auto quick = compiled(models[i], true);
    CHECK(quick->object().elf != plain->object().elf);
    CHECK(run_all(*quick) == expected);
  }
}

TEST_CASE("changed models are refused, or run") { try_texts("graph", driver::Stage::graph, 100); }
TEST_CASE("changed dumps of optimized graphs are refused, or run") {
  try_texts("optimized", driver::Stage::optimized, 60);
}
TEST_CASE("changed dumps of kernels are refused, or run inside their buffers") {
  try_texts("kernel", driver::Stage::kernel, 100);
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

// The mutant of one seed, to be looked at: TENON_MUTANT_FIRST, TENON_MUTANT_STAGE. Or a file, to be tried.
TEST_CASE("one mutant", "[.]") {
  if (const char* file = std::getenv("TENON_MUTANT_FILE")) {
    std::ifstream in(file, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    const std::string bytes = text.str();
    TrialOptions options;
    options.count = 1;
    check(file, try_inputs(options, [&](uint64_t) { return survive(bytes, false); }), options);
    return;
  }
  const char* stage = std::getenv("TENON_MUTANT_STAGE");
  const std::string_view name = stage == nullptr ? "kernel" : stage;
  const std::string text = mutant(texts(name == "graph"       ? driver::Stage::graph
                                        : name == "optimized" ? driver::Stage::optimized
                                                              : driver::Stage::kernel),
                                  options_of(1).first);
  std::printf("%s", text.c_str());
}
