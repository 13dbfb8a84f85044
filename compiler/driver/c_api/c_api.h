// What the C API's handles hold, and its one border: nothing is thrown across it, every failure becomes a
// status and, where asked for, an error. Private to c_api*.cpp.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "driver/compile/compile.h"
#include "driver/model/model.h"
#include "driver/program/program.h"
#include "runtime/history.h"
#include "runtime/parallel.h"
#include "runtime/source.h"
#include "support/float_environment.h"
#include "support/thread.h"
#include "tenon/tenon.h"

struct tenon_error {
  tenon::support::Errors errors;
  std::string text;
};

struct tenon_module {
  std::shared_ptr<const tenon::driver::Unit> unit;
};

struct tenon_options {
  tenon::driver::CompileOptions options;
  bool prefix_set = false;
  // Where baked values come from: a file, then a state, which the options keep alive.
  std::string params;
  std::shared_ptr<const tenon::driver::State> state;
};

struct tenon_program {
  std::shared_ptr<const tenon::driver::Program> program;
  std::shared_ptr<const tenon::driver::Unit> unit;
  // Texts that queries give out, by entry.
  std::vector<std::vector<std::string>> input_types, output_types;
  std::vector<std::string> tensor_types;
};

struct tenon_state {
  std::shared_ptr<tenon::driver::State> state;
};

struct tenon_array {
  std::shared_ptr<const tenon::support::Array> array;
};

struct tenon_data {
  tenon::runtime::DataSet data;  // all rows; of data read in blocks the first, which tells the columns
  std::shared_ptr<const tenon::runtime::Source> blocks = nullptr;  // null: in memory
  int64_t memory = tenon::runtime::default_memory;                 // bytes of blocks

  const tenon::runtime::Source& rows() const {
    return blocks != nullptr ? *blocks : static_cast<const tenon::runtime::Source&>(data);
  }
};

struct tenon_batches {
  tenon::runtime::Batches batches;
};

struct tenon_session {
  std::unique_ptr<tenon::runtime::Pool> pool;
  tenon::runtime::Parallel parallel{};
  std::unique_ptr<tenon::driver::Session> session;
};

struct tenon_call {
  std::unique_ptr<tenon::driver::Session::Bound> bound;
};

struct tenon_history {
  tenon::runtime::History records;
  std::vector<const char*> names;  // of their metrics
};

namespace tenon::driver::c_api {

// Gives the errors to the caller; never throws.
tenon_status report(tenon_error** error, Errors errors) noexcept;
// The exception in flight as a status: T611 where memory is short, else T901.
tenon_status report_caught(tenon_error** error) noexcept;
Errors null_argument(std::string_view name);
// T610 where the data are read in blocks; `what` wants them in memory.
Status need_memory(const tenon_data& data, std::string_view what);
// A copy for the caller, freed by tenon_text_free.
char* give_text(std::string_view text);

inline constexpr uint32_t max_tensor_rank = 8;
// T608, T105, T106, T305: a view that names no tensor.
Result<Array> array_of(const tenon_tensor& tensor);
// The same checks, without the copy: extents and bytes.
Result<std::vector<int64_t>> shape_of(const tenon_tensor& tensor);
DType dtype_of_c(tenon_dtype dtype);
// Options with the values that baking needs, which `values` owns; null: the defaults.
Result<CompileOptions> complete(const tenon_options* options, std::map<std::string, Array>* values);

// An option struct of the caller's, which may be older or newer than this library: what an older one lacks is
// zero, what a newer one adds is not looked at. Fields are only ever added at the end; `first` is the size of
// the first version. T610 where the size is below it.
template <class T>
Result<T> sized(const T& given, size_t first, std::string_view name) {
  if (given.size_of < first)
    return error(Code::bad_option, std::string(name) + ".size_of is not its size",
                 "set it to sizeof(" + std::string(name) + ")");
  T out{};
  std::memcpy(&out, &given, std::min<size_t>(given.size_of, sizeof(T)));
  return out;
}
inline constexpr size_t fit_options_first = 88, batch_options_first = 32;
static_assert(sizeof(tenon_fit_options) >= fit_options_first &&
              sizeof(tenon_batch_options) >= batch_options_first);

// Where the work of a function runs. `caller`: what calls back, or is bound to its thread; nothing deep.
// `roomy`: the caller's stack, unless that is a small one. `deep`: always the same large stack, so that what
// compiles does not depend on the host's threads.
enum class Stack : uint8_t { caller, roomy, deep };
constexpr size_t stack_needed(Stack stack) {
  return stack == Stack::caller ? 0 : stack == Stack::roomy ? support::roomy_stack : support::deep_stack;
}

// Runs f, which returns Status or Result, in a floating-point environment of our own, and turns what it fails
// with into a status.
template <Stack stack = Stack::roomy, class F>
tenon_status guarded(tenon_error** error, F&& f) noexcept {
  if (error != nullptr) *error = nullptr;
  const support::FloatEnvironment environment;
  try {
    Status status = stack == Stack::caller ? Status(f()) : support::on_stack(stack_needed(stack), f);
    if (status) return 0;
    return report(error, status.take_errors());
  } catch (...) {
    return report_caught(error);
  }
}

// T202 for text that is no number.
Result<Number> parse_number(std::string_view text);

}  // namespace tenon::driver::c_api

// TENON_NEED(pointer): T608 from the enclosing function where it is null.
#define TENON_NEED(pointer)                                                           \
  do {                                                                                \
    if ((pointer) == nullptr) return ::tenon::driver::c_api::null_argument(#pointer); \
  } while (false)
