// Runs kernels built by hand: through an entry that calls them, compiled for each target this CPU runs, and
// through the evaluator of kernel IR, on equal memory; the bytes must be equal.
#pragma once

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "kernel/builder.h"
#include "kernel/evaluate.h"
#include "object/object.h"
#include "runtime/abi.h"

namespace tenon::object_test {
using namespace kernel;
using support::DType;

struct HostArgument {
  std::vector<std::byte> bytes;  // buffer
  uint64_t scalar = 0;
  bool buffer = false;
};
template <class T>
HostArgument buffer_of(const std::vector<T>& values) {
  HostArgument a;
  a.buffer = true;
  a.bytes.resize(values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(a.bytes.data(), values.data(), a.bytes.size());
  return a;
}
inline HostArgument scalar_of(int64_t value) {
  HostArgument a;
  a.scalar = static_cast<uint64_t>(value);
  return a;
}
inline HostArgument scalar_of(float value) {
  HostArgument a;
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  a.scalar = bits;
  return a;
}

// Adds an entry of the given name whose body is one call of the kernel, with the same parameters.
inline void add_call_entry(Module& module, const Function& kernel, const std::string& name) {
  Function f;
  f.name = "entry_" + name;
  f.entry = true;
  Builder b(f);
  Entry entry;
  entry.name = name;
  entry.function = f.name;
  std::vector<ExprId> args;
  for (VarId p : kernel.params) {
    const Var& v = kernel.var(p);
    EntryParam param;
    param.name = v.name;
    param.dtype = v.dtype;
    if (v.kind == VarKind::buffer) {
      args.push_back(b.address(b.buffer(v.name, v.dtype), b.index(0), v.dtype));
      param.role = v.written ? ParamRole::output : ParamRole::input;
    } else {
      args.push_back(b.use(b.scalar(v.name, v.dtype)));
      param.role = v.dtype == DType::i64 ? ParamRole::dim : ParamRole::hyper;
      if (param.role == ParamRole::dim) entry.dims.push_back({v.name, 0, int64_t{1} << 40});
    }
    entry.params.push_back(std::move(param));
  }
  b.call(kernel.name, args);
  module.functions.push_back(std::move(f));
  module.entries.push_back(std::move(entry));
}

struct Outcome {
  std::vector<HostArgument> arguments;
  runtime::CallStatus status{};
};

// Memory that ends at a page no access may touch: an access past a buffer's end ends the test.
class Guarded {
 public:
  explicit Guarded(const std::vector<std::byte>& bytes);
  ~Guarded();
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  std::byte* data() const { return data_; }

 private:
  void* base_ = nullptr;
  size_t mapped_ = 0;
  std::byte* data_ = nullptr;
};

Outcome run_entry(const object::Loaded& loaded, const std::string& symbol,
                  std::vector<HostArgument> arguments, const runtime::Parallel* parallel = nullptr);
// REQUIREs that the kernel computes the evaluator's bytes on every target of this CPU.
void check_kernel(const Function& kernel, const std::vector<HostArgument>& arguments,
                  const std::vector<Function>& callees = {});
// The same for a whole module and one of its entries, alone and under hostile schedules.
void check_entry(const Module& module, const std::string& entry, const std::vector<HostArgument>& arguments);

}  // namespace tenon::object_test
