#include "unit/object/kernel_run.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <random>
#include <thread>

#include "kernel/print.h"
#include "unit/catch.h"

namespace tenon::object_test {

Guarded::Guarded(const std::vector<std::byte>& bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t body = (bytes.size() + page - 1) / page * page;
  mapped_ = body + 2 * page;
  base_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(base_ != MAP_FAILED);
  std::byte* start = static_cast<std::byte*>(base_);
  REQUIRE(mprotect(start, page, PROT_NONE) == 0);
  REQUIRE(mprotect(start + page + body, page, PROT_NONE) == 0);
  data_ = start + page + body - bytes.size();
  std::copy(bytes.begin(), bytes.end(), data_);
}
Guarded::~Guarded() {
  if (base_ != nullptr) munmap(base_, mapped_);
}

Outcome run_entry(const object::Loaded& loaded, const std::string& symbol,
                  std::vector<HostArgument> arguments, const runtime::Parallel* parallel) {
  auto* entry = reinterpret_cast<runtime::EntryFunction>(loaded.lookup(symbol));
  REQUIRE(entry != nullptr);
  std::vector<std::unique_ptr<Guarded>> memory;
  std::vector<uint64_t> slots;
  for (const HostArgument& a : arguments) {
    if (!a.buffer) {
      slots.push_back(a.scalar);
      continue;
    }
    memory.push_back(std::make_unique<Guarded>(a.bytes));
    slots.push_back(reinterpret_cast<uint64_t>(memory.back()->data()));
  }
  Outcome outcome;
  const uint32_t code = entry(slots.data(), parallel, &outcome.status);
  REQUIRE(code == outcome.status.code);
  size_t i = 0;
  for (HostArgument& a : arguments)
    if (a.buffer) {
      const std::byte* data = memory[i++]->data();
      std::copy(data, data + a.bytes.size(), a.bytes.begin());
    }
  outcome.arguments = std::move(arguments);
  return outcome;
}

namespace {

// Hosts that lend threads in unfriendly ways.
struct Host {
  uint64_t seed = 0;
  uint32_t workers = 1;
};
void run_reversed(void*, uint32_t n, runtime::TaskFunction task, void* arg) {
  for (uint32_t i = n; i-- > 0;) task(arg, i, 0);
}
void run_shuffled(void* ctx, uint32_t n, runtime::TaskFunction task, void* arg) {
  std::vector<uint32_t> order(n);
  for (uint32_t i = 0; i < n; ++i) order[i] = i;
  std::mt19937_64 random(++static_cast<Host*>(ctx)->seed);
  std::shuffle(order.begin(), order.end(), random);
  for (uint32_t i : order) task(arg, i, i % 2);
}
void run_threads(void* ctx, uint32_t n, runtime::TaskFunction task, void* arg) {
  const uint32_t workers = static_cast<Host*>(ctx)->workers;
  std::vector<std::thread> pool;
  for (uint32_t w = 0; w < workers; ++w)
    pool.emplace_back([=] {
      for (uint32_t i = w; i < n; i += workers) task(arg, i, w);
    });
  for (std::thread& t : pool) t.join();
}
void team_threads(void* ctx, runtime::BodyFunction body, void* arg) {
  const uint32_t workers = static_cast<Host*>(ctx)->workers;
  std::vector<std::thread> pool;
  for (uint32_t w = 1; w < workers; ++w) pool.emplace_back([=] { body(arg, w); });
  body(arg, 0);
  for (std::thread& t : pool) t.join();
}

struct Expected {
  EvaluateResult result;
  std::vector<HostArgument> arguments;
};
Expected evaluate_on(const Module& module, const Function& function, std::vector<HostArgument> arguments) {
  std::vector<kernel::Argument> call;
  for (HostArgument& a : arguments) {
    kernel::Argument k;
    k.pointer = a.buffer ? a.bytes.data() : nullptr;
    k.bytes = a.bytes.size();
    k.scalar = a.scalar;
    call.push_back(k);
  }
  auto r = kernel::evaluate(module, function, call);
  if (!r) FAIL(r.errors().text() << print(function));
  return {*r, std::move(arguments)};
}

// Byte for byte, but that any NaN stands for any other: payloads are unspecified.
template <class T>
void unify_nans(std::vector<std::byte>& bytes) {
  for (size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    if (value == value) continue;
    value = std::numeric_limits<T>::quiet_NaN();
    std::memcpy(bytes.data() + at, &value, sizeof value);
  }
}
std::vector<std::byte> comparable(std::vector<std::byte> bytes, DType dtype) {
  if (dtype == DType::f32) unify_nans<float>(bytes);
  if (dtype == DType::f64) unify_nans<double>(bytes);
  return bytes;
}

void compare(const Expected& expected, const Outcome& outcome, const Function& function,
             const std::string& where) {
  INFO(where << "\n" << print(function));
  REQUIRE(outcome.status.code == expected.result.status);
  if (outcome.status.code != 0) REQUIRE(outcome.status.detail == expected.result.detail);
  REQUIRE(outcome.status.progress == expected.result.progress);
  for (size_t i = 0; i < expected.arguments.size(); ++i) {
    const DType dtype = function.var(function.params[i]).dtype;
    const std::vector<std::byte> a = comparable(expected.arguments[i].bytes, dtype);
    const std::vector<std::byte> b = comparable(outcome.arguments[i].bytes, dtype);
    const auto at = std::mismatch(a.begin(), a.end(), b.begin()).first - a.begin();
    INFO("argument " << i << " differs at byte " << at << " of " << a.size());
    REQUIRE(a == b);
  }
}

}  // namespace

void check_kernel(const Function& kernel, const std::vector<HostArgument>& arguments,
                  const std::vector<Function>& callees) {
  Module module;
  module.name = "test";
  module.functions = callees;
  module.functions.push_back(kernel);
  const Function copy = kernel;
  add_call_entry(module, copy, "run");
  const Expected expected = evaluate_on(module, copy, arguments);
  int targets = 0;
  for (const target::Target* t : target::all_targets()) {
    if (!t->runs_here()) continue;
    ++targets;
    module.target = std::string(t->name);
    auto object = object::compile(module, *t);
    if (!object) FAIL(object.errors().text() << print(copy));
    auto loaded = object::Loaded::load(object->elf);
    if (!loaded) FAIL(loaded.errors().text());
    compare(expected, run_entry(**loaded, "tenon$entry.run", arguments), copy, std::string(t->name));
  }
  REQUIRE(targets > 0);
}

void check_entry(const Module& module, const std::string& name, const std::vector<HostArgument>& arguments) {
  const auto entry = std::find_if(module.entries.begin(), module.entries.end(),
                                  [&](const Entry& e) { return e.name == name; });
  REQUIRE(entry != module.entries.end());
  const Function* function = module.find(entry->function);
  REQUIRE(function != nullptr);
  const Expected expected = evaluate_on(module, *function, arguments);
  for (const target::Target* t : target::all_targets()) {
    if (!t->runs_here()) continue;
    auto object = object::compile(module, *t);
    if (!object) FAIL(object.errors().text());
    auto loaded = object::Loaded::load(object->elf);
    if (!loaded) FAIL(loaded.errors().text());
    const std::string symbol = "tenon$entry." + name, where(t->name);
    compare(expected, run_entry(**loaded, symbol, arguments), *function, where + " alone");
    Host host{1, 3};
    const runtime::Parallel reversed{&host, 2, run_reversed, nullptr},
        shuffled{&host, 2, run_shuffled, nullptr}, threads{&host, 3, run_threads, nullptr},
        team{&host, 3, run_threads, team_threads}, one{&host, 1, run_reversed, nullptr};
    compare(expected, run_entry(**loaded, symbol, arguments, &one), *function, where + " one worker");
    compare(expected, run_entry(**loaded, symbol, arguments, &reversed), *function, where + " reversed");
    for (int i = 0; i < 3; ++i)
      compare(expected, run_entry(**loaded, symbol, arguments, &shuffled), *function, where + " shuffled");
    for (int i = 0; i < 5; ++i)
      compare(expected, run_entry(**loaded, symbol, arguments, &threads), *function, where + " threads");
    for (int i = 0; i < 20; ++i)
      compare(expected, run_entry(**loaded, symbol, arguments, &team), *function, where + " team");
  }
}

}  // namespace tenon::object_test
