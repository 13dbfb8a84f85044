#include "common/engines.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "common/guarded.h"
#include "kernel/evaluate.h"
#include "runtime/parallel.h"
#include "runtime/random.h"

namespace tenon::test {
namespace {

using kernel::ParamRole;

void run_reversed(void*, uint32_t n, runtime::TaskFunction task, void* arg) {
  for (uint32_t i = n; i-- > 0;) task(arg, i, i % 2);
}
void run_shuffled(void* ctx, uint32_t n, runtime::TaskFunction task, void* arg) {
  std::vector<uint32_t> order(n);
  for (uint32_t i = 0; i < n; ++i) order[i] = i;
  std::mt19937_64 random(++*static_cast<uint64_t*>(ctx));
  std::shuffle(order.begin(), order.end(), random);
  for (const uint32_t i : order) task(arg, i, i % 2);
}

Array draw_array(DType dtype, std::vector<int64_t> shape, std::mt19937_64& random, uint64_t integers) {
  Array a(dtype, std::move(shape));
  with_dtype(dtype, [&]<class T>() {
    for (T& x : a.template as<T>()) {
      if constexpr (std::is_floating_point_v<T>) {
        x = static_cast<T>(static_cast<double>(random() % 4001) / 1000.0 - 2.0);
      } else if constexpr (std::is_same_v<T, bool>) {
        x = random() % 2 != 0;
      } else {
        x = static_cast<T>(random() % integers);
      }
    }
  });
  return a;
}

}  // namespace

runtime::Parallel reversed_host() { return {nullptr, 2, run_reversed, nullptr}; }
runtime::Parallel shuffled_host(uint64_t seed) {
  static thread_local uint64_t counter;
  counter = seed;
  return {&counter, 2, run_shuffled, nullptr};
}

std::string array_difference(const Array& expected, const Array& found) {
  if (expected.dtype() != found.dtype() || expected.shape() != found.shape()) return "another type or shape";
  const size_t bytes = dtype_bytes(expected.dtype());
  size_t count = 0;
  std::string first;
  with_dtype(expected.dtype(), [&]<class T>() {
    for (int64_t i = 0; i < expected.count(); ++i) {
      const size_t at = static_cast<size_t>(i) * bytes;
      if (std::memcmp(expected.data() + at, found.data() + at, bytes) == 0) continue;
      T e, f;
      std::memcpy(&e, expected.data() + at, bytes);
      if constexpr (std::is_same_v<T, bool>) {
        unsigned char raw;
        std::memcpy(&raw, found.data() + at, 1);
        if (count++ == 0)
          first = "[" + std::to_string(i) + "]: " + (e ? "true" : "false") + " expected, byte " +
                  std::to_string(raw) + " found";
        continue;
      } else {
        std::memcpy(&f, found.data() + at, bytes);
        if constexpr (std::is_floating_point_v<T>) {
          if (std::isnan(e) && std::isnan(f)) continue;
        }
        if (count++ != 0) continue;
        if constexpr (std::is_floating_point_v<T>) {
          char text[96];
          std::snprintf(text, sizeof text, "%.9g expected, %.9g found", static_cast<double>(e),
                        static_cast<double>(f));
          first = "[" + std::to_string(i) + "]: " + text;
        } else {
          first = "[" + std::to_string(i) + "]: " + std::to_string(e) + " expected, " + std::to_string(f) +
                  " found";
        }
      }
    }
  });
  if (count == 0) return {};
  return first + " (" + std::to_string(count) + " of " + std::to_string(expected.count()) + " differ)";
}

Result<std::unique_ptr<Engines>> Engines::make(std::string_view text, const std::string& function,
                                               const EngineOptions& options) {
  TENON_ASSIGN(driver::Unit unit, driver::read_unit(text, "<test>"));
  return make(std::move(std::get<ir::Module>(unit.code)), function, options);
}

Result<std::unique_ptr<Engines>> Engines::make(ir::Module source, const std::string& function,
                                               const EngineOptions& options) {
  auto engines = std::make_unique<Engines>();
  engines->name_ = function;
  engines->options_ = options;
  driver::CompileOptions compile = options.compile;
  compile.functions = {function};
  compile.c_functions = false;
  TENON_ASSIGN(engines->source_, driver::derive(source, compile));
  driver::Unit unit;
  unit.code = std::move(source);
  if (options.edit) {
    TENON_ASSIGN(unit.code, driver::to_scheduled(std::move(unit), compile));
    unit.stage = driver::Stage::scheduled;
    TENON_ASSIGN(const std::string dump, driver::print_unit(unit));
    TENON_ASSIGN(unit, driver::read_unit(options.edit(dump), "<edited>"));
  }
  TENON_ASSIGN(engines->program_, driver::Program::compile(std::move(unit), compile));
  engines->entry_ = engines->program_->find(function);
  TENON_CHECK(engines->entry_ != nullptr, function);
  return engines;
}

evaluate::Inputs Engines::draw(const ir::DimBindings& dims, uint64_t seed) const {
  std::mt19937_64 random(seed);
  evaluate::Inputs inputs;
  inputs.dims = dims;
  for (ir::ValueId a : function().graph.args) {
    const ir::Value& arg = function().graph.value(a);
    if (arg.arg != ir::ArgKind::input) continue;
    inputs.arguments.push_back(draw_array(arg.type.dtype, *ir::evaluate_shape(arg.type.shape, dims), random,
                                          static_cast<uint64_t>(options_.integers)));
  }
  for (const ir::Global& g : source_.globals) {
    Array value = draw_array(g.type.dtype, *ir::evaluate_shape(g.type.shape, {}), random,
                             static_cast<uint64_t>(options_.integers));
    if (g.kind == ir::GlobalKind::hyper && !g.init.args.empty())
      with_dtype(g.type.dtype, [&]<class T>() { value.as<T>()[0] = g.init.args[0].as<T>(); });
    // Second moments and counters are never negative.
    if (g.kind == ir::GlobalKind::state && is_float(g.type.dtype))
      with_dtype(g.type.dtype, [&]<class T>() {
        if constexpr (std::is_floating_point_v<T>)
          for (T& x : value.as<T>()) x = std::abs(x);
      });
    inputs.globals.emplace(g.name, std::move(value));
  }
  return inputs;
}

std::vector<int64_t> Engines::dims(const evaluate::Inputs& inputs) const {
  std::vector<std::vector<int64_t>> shapes;
  for (const Array& a : inputs.arguments) shapes.push_back(a.shape());
  return *entry_->bind_dims(shapes, inputs.dims);
}

Array Engines::state_block(const evaluate::Inputs& inputs) const {
  driver::State state(program_);
  for (const kernel::StateSlot& s : program_->kernels().state)
    if (const auto found = inputs.globals.find(s.name); found != inputs.globals.end())
      TENON_CHECK(static_cast<bool>(state.set(s.name, found->second)), s.name);
  Array block(DType::u8, {static_cast<int64_t>(state.bytes())});
  std::memcpy(block.data(), state.block(), block.bytes());
  return block;
}

namespace {

Guarded guarded_copy(const void* data, size_t bytes) {
  Guarded out(bytes);
  if (bytes != 0) std::memcpy(out.data(), data, bytes);
  return out;
}

}  // namespace

Engines::Outcome Engines::run_compiled(const evaluate::Inputs& inputs,
                                       const runtime::Parallel* parallel) const {
  const std::vector<int64_t> sizes = dims(inputs);
  const ir::DimBindings bindings = entry_->bindings(sizes);
  const Array block = state_block(inputs);
  const Guarded state = guarded_copy(block.data(), block.bytes());
  const Guarded arena(static_cast<size_t>(entry_->arena(sizes.data())), 0xff);
  std::vector<Guarded> in, out;
  for (const Array& a : inputs.arguments) in.push_back(guarded_copy(a.data(), a.bytes()));
  Outcome outcome;
  for (const ir::Type& type : entry_->outputs) {
    outcome.outputs.emplace_back(type.dtype, *ir::evaluate_shape(type.shape, bindings));
    out.emplace_back(outcome.outputs.back().bytes(), 0xee);
  }
  std::vector<uint64_t> slots;
  size_t i = 0, o = 0, d = 0;
  auto pointer = [](const Guarded& g) { return reinterpret_cast<uint64_t>(g.data()); };
  for (const kernel::EntryParam& p : entry_->interface->params) {
    uint64_t bits = 0;
    switch (p.role) {
      case ParamRole::constants:
        continue;
      case ParamRole::state:
        bits = pointer(state);
        break;
      case ParamRole::arena:
        bits = pointer(arena);
        break;
      case ParamRole::input:
        bits = pointer(in[i++]);
        break;
      case ParamRole::output:
        bits = pointer(out[o++]);
        break;
      case ParamRole::hyper:
        std::memcpy(&bits, inputs.globals.at(p.name).data(), dtype_bytes(p.dtype));
        break;
      case ParamRole::dim:
        bits = static_cast<uint64_t>(sizes[d++]);
        break;
    }
    slots.push_back(bits);
  }
  entry_->run(slots.data(), parallel, &outcome.status);
  for (size_t k = 0; k < out.size(); ++k)
    if (out[k].bytes() != 0) std::memcpy(outcome.outputs[k].data(), out[k].data(), out[k].bytes());
  for (size_t k = 0; k < in.size(); ++k)
    TENON_CHECK(
        in[k].bytes() == 0 || std::memcmp(in[k].data(), inputs.arguments[k].data(), in[k].bytes()) == 0,
        "compiled code wrote its input " + entry_->input_names[k]);
  outcome.state = Array(DType::u8, {static_cast<int64_t>(state.bytes())});
  std::memcpy(outcome.state.data(), state.data(), state.bytes());
  return outcome;
}

Result<Engines::Outcome> Engines::run_kernels(const evaluate::Inputs& inputs, int order) const {
  const kernel::Module& module = program_->kernels();
  const std::vector<int64_t> sizes = dims(inputs);
  const ir::DimBindings bindings = entry_->bindings(sizes);
  Outcome outcome;
  outcome.state = state_block(inputs);
  Array arena(DType::u8, {entry_->arena(sizes.data())});
  if (arena.bytes() != 0) std::memset(arena.data(), 0xff, arena.bytes());
  Array constants(DType::u8, {static_cast<int64_t>(module.constant_bytes)});
  for (const kernel::Constant& c : module.constants)
    if (c.array->bytes() != 0) std::memcpy(constants.data() + c.offset, c.array->data(), c.array->bytes());
  for (const ir::Type& type : entry_->outputs) {
    outcome.outputs.emplace_back(type.dtype, *ir::evaluate_shape(type.shape, bindings));
    Array& a = outcome.outputs.back();
    if (a.bytes() != 0) std::memset(a.data(), 0xee, a.bytes());
  }
  std::vector<Array> in = inputs.arguments;
  std::vector<kernel::Argument> arguments;
  size_t i = 0, o = 0, d = 0;
  for (const kernel::EntryParam& p : entry_->interface->params) {
    kernel::Argument a;
    auto buffer = [&](Array& array) {
      a.pointer = array.data();
      a.bytes = array.bytes();
    };
    switch (p.role) {
      case ParamRole::constants:
        buffer(constants);
        break;
      case ParamRole::state:
        buffer(outcome.state);
        break;
      case ParamRole::arena:
        buffer(arena);
        break;
      case ParamRole::input:
        buffer(in[i++]);
        break;
      case ParamRole::output:
        buffer(outcome.outputs[o++]);
        break;
      case ParamRole::hyper:
        std::memcpy(&a.scalar, inputs.globals.at(p.name).data(), dtype_bytes(p.dtype));
        break;
      case ParamRole::dim:
        a.scalar = static_cast<uint64_t>(sizes[d++]);
        break;
    }
    arguments.push_back(a);
  }
  kernel::EvaluateOptions options;
  using Chunks = kernel::EvaluateOptions::Chunks;
  options.chunks = order == 0 ? Chunks::forward : order == 1 ? Chunks::reversed : Chunks::shuffled;
  options.seed = static_cast<uint64_t>(order);
  TENON_ASSIGN(const kernel::EvaluateResult result,
               kernel::evaluate(module, *module.find(entry_->interface->function), arguments, options));
  outcome.status.code = result.status;
  outcome.status.detail = result.detail;
  outcome.status.progress = result.progress;
  return outcome;
}

std::string Engines::difference(const evaluate::Inputs& inputs, const Outcome& outcome) const {
  if (outcome.status.code != expected_.status)
    return "status " + std::to_string(expected_.status) + " expected, " +
           std::to_string(outcome.status.code) + " found";
  if (expected_.status == 0) {
    for (size_t i = 0; i < expected_.returned.size(); ++i) {
      std::string text = array_difference(expected_.returned[i], outcome.outputs[i]);
      if (!text.empty()) return entry_->output_names[i] + text;
    }
  } else if (entry_->interface->loops) {
    return {};  // steps before the failing one are committed; the exact evaluator does not tell them
  }
  for (const kernel::StateSlot& s : program_->kernels().state) {
    const auto written = expected_.written.find(s.name);
    const Array& want = written != expected_.written.end() ? written->second : inputs.globals.at(s.name);
    Array found(s.dtype, s.shape);
    if (s.bytes != 0) std::memcpy(found.data(), outcome.state.data() + s.offset, s.bytes);
    std::string text = array_difference(want, found);
    if (!text.empty())
      return "state " + s.name + text + (written == expected_.written.end() ? ", not to be written" : "");
  }
  return {};
}

std::string Engines::compare(const ir::DimBindings& dims, uint64_t seed) { return compare(draw(dims, seed)); }

std::string Engines::compare(const evaluate::Inputs& inputs) {
  Result<evaluate::Outputs> expected = evaluate::exact(source_, function(), inputs);
  if (!expected) return "exact: " + expected.errors().text();
  expected_ = std::move(*expected);
  auto judge = [&](const std::string& engine, const Outcome& outcome) {
    std::string text = difference(inputs, outcome);
    return text.empty() ? text : engine + ": " + text;
  };
  std::string text = judge("jit", run_compiled(inputs, nullptr));
  if (!text.empty()) {
    // The kernel evaluator tells whether lowering or code generation is wrong.
    Result<Outcome> kernels = run_kernels(inputs, 0);
    if (!kernels) return text + "\nkernels: " + kernels.errors().text();
    const std::string own = difference(inputs, *kernels);
    return text + "\nkernels: " + (own.empty() ? "as expected" : own);
  }
  if (options_.pools) {
    static runtime::Pool pool(2);
    const runtime::Parallel hosts[] = {pool.parallel(), pool.parallel_without_team(), reversed_host(),
                                       shuffled_host(1)};
    static constexpr const char* names[] = {"jit with a team", "jit on a pool", "jit, chunks reversed",
                                            "jit, chunks shuffled"};
    for (size_t h = 0; h < 4; ++h) {
      text = judge(names[h], run_compiled(inputs, &hosts[h]));
      if (!text.empty()) return text;
    }
  }
  double size = static_cast<double>(entry_->arena(dims(inputs).data()));
  for (const Array& a : inputs.arguments) size += static_cast<double>(a.bytes());
  for (const Array& a : expected_.returned) size += static_cast<double>(a.bytes());
  if (!options_.kernel_evaluator || size > options_.evaluator_limit) return {};
  for (int order = 0; order < 3; ++order) {
    Result<Outcome> kernels = run_kernels(inputs, order);
    if (!kernels) return "kernels: " + kernels.errors().text();
    text = judge("kernels", *kernels);
    if (!text.empty()) return text;
  }
  return {};
}

}  // namespace tenon::test
