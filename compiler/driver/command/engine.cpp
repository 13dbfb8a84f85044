#include "driver/command/engine.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "runtime/file.h"
#include "runtime/random.h"
#include "support/hash.h"
#include "support/text.h"

extern char** environ;

namespace tenon::command {

Result<std::map<std::string, Array>> initial_globals(const ir::Module& derived, uint64_t seed) {
  std::map<std::string, Array> out;
  for (const ir::Global& g : derived.globals) {
    TENON_ASSIGN(std::vector<int64_t> shape, ir::evaluate_shape(g.type.shape, {}));
    Array value(g.type.dtype, std::move(shape));
    if (g.kind == ir::GlobalKind::hyper && !g.init.args.empty())
      with_dtype(g.type.dtype, [&]<class T>() { value.as<T>()[0] = g.init.args[0].as<T>(); });
    out.emplace(g.name, std::move(value));
  }
  if (const ir::Function* init = derived.find_function("init")) {
    evaluate::Inputs inputs;
    inputs.arguments.push_back(Array::scalar<int64_t>(static_cast<int64_t>(seed)));
    inputs.globals = out;
    TENON_ASSIGN(evaluate::Outputs made, evaluate::exact(derived, *init, inputs));
    for (auto& [name, value] : made.written) out[name] = std::move(value);
  }
  return out;
}

Result<Array> draw(const ir::Type& type, const ir::DimBindings& dims, uint64_t seed, int limit) {
  TENON_ASSIGN(const std::vector<int64_t> shape, ir::evaluate_shape(type.shape, dims));
  Array out(type.dtype, shape);
  runtime::Random random(seed);
  with_dtype(type.dtype, [&]<class T>() {
    for (T& x : out.as<T>()) {
      if constexpr (std::is_floating_point_v<T>) {
        x = static_cast<T>(random.normal());
      } else if constexpr (std::is_same_v<T, bool>) {
        x = random.bits() % 2 != 0;
      } else if constexpr (std::is_same_v<T, uint8_t>) {
        x = static_cast<T>(random.bits() % (limit > 2 ? 256u : static_cast<uint32_t>(limit)));
      } else {
        x = static_cast<T>(random.bits() % static_cast<uint32_t>(limit));
      }
    }
  });
  return out;
}

Result<std::vector<Array>> draw_inputs(const ir::Graph& graph, const ir::DimBindings& dims, uint64_t seed,
                                       int limit) {
  std::vector<Array> out;
  for (const ir::ValueId a : graph.args) {
    if (graph.value(a).arg != ir::ArgKind::input) continue;
    TENON_ASSIGN(Array drawn, draw(graph.type(a), dims, seed + a.index, limit));
    out.push_back(std::move(drawn));
  }
  return out;
}

Result<ir::DimBindings> choose_sizes(const ir::DimRanges& ranges, const ir::Function& function,
                                     const std::vector<std::string>& given, int64_t preferred) {
  std::vector<ir::Type> types;
  for (const ir::ValueId a : function.graph.args) types.push_back(function.graph.type(a));
  return choose_sizes(ranges, types, given, preferred);
}

Result<ir::DimBindings> choose_sizes(const ir::DimRanges& ranges, std::span<const ir::Type> inputs,
                                     const std::vector<std::string>& given, int64_t preferred) {
  TENON_ASSIGN(const ir::DimBindings sizes, whole_numbers(given, "--size"));
  ir::DimBindings out;
  std::vector<std::string> used;
  for (const ir::Type& type : inputs)
    for (const ir::Dim& d : type.shape) d.collect_symbols(&used);
  // Dimensions that no input tells (the number of epochs) stand in results or loops only.
  for (const auto& [name, range] : ranges) {
    if (range.value != nullptr) continue;
    const bool in_inputs = std::find(used.begin(), used.end(), name) != used.end();
    out[name] = std::clamp(in_inputs ? preferred : std::min<int64_t>(preferred, 2), range.low, range.high);
  }
  for (const auto& [name, number] : sizes) {
    const auto range = ranges.find(name);
    if (range == ranges.end()) {
      std::vector<std::string_view> names;
      for (const auto& r : ranges) names.push_back(r.first);
      const std::string_view near = nearest(name, names);
      return error(Code::undefined_name, "no dimension is named " + name,
                   near.empty() ? "" : "did you mean " + std::string(near) + "?");
    }
    if (range->second.value != nullptr)
      return usage_error("--size " + name + ": it is computed, " + range->second.value->text());
    if (number < range->second.low || number > range->second.high)
      return error(Code::size_range, name + " is " + std::to_string(number) + ", takes " +
                                         std::to_string(range->second.low) + " to " +
                                         std::to_string(range->second.high));
    out[name] = number;
  }
  return out;
}

Result<PreparedCall> prepare_call(const driver::Program& program, const driver::EntryInfo& entry,
                                  const evaluate::Inputs& inputs) {
  std::vector<std::vector<int64_t>> shapes;
  for (const Array& a : inputs.arguments) shapes.push_back(a.shape());
  TENON_ASSIGN(std::vector<int64_t> sizes, entry.bind_dims(shapes, inputs.dims));
  const ir::DimBindings bindings = entry.bindings(sizes);
  auto state = std::make_unique<driver::State>(program.shared_from_this());
  for (const kernel::StateSlot& s : program.kernels().state)
    if (const auto found = inputs.globals.find(s.name); found != inputs.globals.end())
      TENON_TRY(state->set(s.name, found->second));
  const int64_t bytes = entry.arena(sizes.data());
  if (bytes < 0) return error(Code::size_range, entry.interface->name + ": sizes overflow");
  Array arena(DType::u8, {std::max<int64_t>(bytes, 64)});
  std::memset(arena.data(), 0xff, arena.bytes());
  Outcome outcome;
  for (const ir::Type& type : entry.outputs) {
    TENON_ASSIGN(std::vector<int64_t> shape, ir::evaluate_shape(type.shape, bindings));
    outcome.outputs.emplace_back(type.dtype, std::move(shape));
  }
  return PreparedCall{std::move(sizes), std::move(state), std::move(arena), std::move(outcome)};
}

Result<Outcome> run_entry(const driver::Program& program, const driver::EntryInfo& entry,
                          runtime::EntryFunction code, const evaluate::Inputs& inputs,
                          const runtime::Parallel* parallel) {
  TENON_ASSIGN(PreparedCall call, prepare_call(program, entry, inputs));
  auto& [sizes, state, arena, outcome] = call;
  std::vector<uint64_t> slots;
  size_t input = 0, output = 0, dim = 0;
  auto pointer = [](const void* p) { return reinterpret_cast<uint64_t>(p); };
  for (const kernel::EntryParam& p : entry.interface->params) {
    uint64_t bits = 0;
    switch (p.role) {
      case kernel::ParamRole::constants:
        continue;
      case kernel::ParamRole::state:
        bits = pointer(state->block());
        break;
      case kernel::ParamRole::arena:
        bits = pointer(arena.data());
        break;
      case kernel::ParamRole::input:
        bits = pointer(inputs.arguments[input++].data());
        break;
      case kernel::ParamRole::output:
        bits = pointer(outcome.outputs[output++].data());
        break;
      case kernel::ParamRole::hyper:
        bits = p.bits;
        if (const auto found = inputs.globals.find(p.name); found != inputs.globals.end())
          std::memcpy(&bits, found->second.data(), found->second.bytes());
        break;
      case kernel::ParamRole::dim:
        bits = static_cast<uint64_t>(sizes[dim++]);
        break;
    }
    slots.push_back(bits);
  }
  code(slots.data(), parallel, &outcome.status);
  for (const kernel::StateSlot& s : program.kernels().state) {
    TENON_ASSIGN(Array value, state->get(s.name));
    outcome.state.emplace(s.name, std::move(value));
  }
  return std::move(outcome);
}

namespace {

bool link_shared(const std::string& from, const std::string& to) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const int fd : {0, 1, 2}) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  std::string words[] = {"cc", "-shared", "-nostartfiles", "-o", to, from};
  char* argv[7] = {};
  for (size_t i = 0; i < 6; ++i) argv[i] = words[i].data();
  pid_t child = 0;
  const int failed = posix_spawnp(&child, "cc", &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return false;
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

Result<std::unique_ptr<LinkedObject>> LinkedObject::link(std::span<const std::byte> elf) {
  std::unique_ptr<LinkedObject> out(new LinkedObject);
  const char* folder = getenv("TMPDIR");
  std::string path = std::string(folder != nullptr && *folder != 0 ? folder : "/tmp") + "/tenon-XXXXXX";
  if (mkdtemp(path.data()) != nullptr) {
    const std::string object = path + "/a.o", library = path + "/a.so";
    const std::string_view bytes(reinterpret_cast<const char*>(elf.data()), elf.size());
    if (runtime::write_file_atomic(object, bytes) && link_shared(object, library))
      out->library_ = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    unlink(object.c_str());
    unlink(library.c_str());
    rmdir(path.c_str());
  }
  if (out->library_ == nullptr) {
    TENON_ASSIGN(out->loaded_, object::Loaded::load(elf));
  }
  return out;
}

LinkedObject::~LinkedObject() {
  if (library_ != nullptr) dlclose(library_);
}

void* LinkedObject::lookup(const std::string& symbol) const {
  return library_ != nullptr ? dlsym(library_, symbol.c_str()) : loaded_->lookup(symbol);
}

}  // namespace tenon::command
