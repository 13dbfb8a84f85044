// Program, State, Session: compiled code, values, and a thread's use of both (design decision 5).
//
// Program: immutable, shareable among threads. State: the values in canonical layout; many sessions may share
// one; one writer at a time, a second one gets T607. Session: arena and status; one per thread.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "driver/compile/compile.h"
#include "runtime/abi.h"
#include "support/array.h"

namespace tenon::driver {

class State;
struct SourceOperations;  // program.cpp

// One entry of a loaded program.
struct EntryInfo {
  const kernel::Entry* interface = nullptr;
  std::vector<ir::Type> inputs, outputs;  // in order; `names` beside them
  std::vector<std::string> input_names, output_names;
  // Of each input: the axes along which data are cut into batches; none: it is the same for every batch.
  std::vector<std::vector<uint32_t>> cuts;
  runtime::EntryFunction run = nullptr;
  runtime::ArenaFunction arena = nullptr;
  // Dimension of the entry (in the order of interface->dims) -> value, from the extents of inputs; T305, T601
  // with the name, the range and the value.
  Result<std::vector<int64_t>> bind_dims(std::span<const std::vector<int64_t>> input_shapes,
                                         const ir::DimBindings& given) const;
  // T601 where one lies outside its range.
  Status check_dims(std::span<const int64_t> dims) const;
  ir::DimBindings bindings(std::span<const int64_t> dims) const;
};

// An input of a call as it lies in memory.
struct InputView {
  const void* data = nullptr;
  std::span<const int64_t> shape;
};

class Program : public std::enable_shared_from_this<Program> {
 public:
  static Result<std::shared_ptr<const Program>> compile(Unit unit, const CompileOptions& options,
                                                        CompileReport* report = nullptr);
  const kernel::Module& kernels() const { return kernels_; }
  const EntryInfo* find(std::string_view entry) const;
  std::span<const EntryInfo> entries() const { return entries_; }
  // Default values of hyper-parameters by name.
  const std::map<std::string, Array>& hypers() const { return hypers_; }
  uint64_t layout_hash() const { return layout_; }
  // Runs the entry `init`.
  Result<std::shared_ptr<State>> init(uint64_t seed) const;
  uint64_t compile_count() const { return compiles_; }  // code generations of this program, ever
  // Whether loop_of gives a program.
  bool has_loop(const EntryInfo& step) const;
  // The program of a step's native loop, whose state is laid out as this one's: compiled when it is first
  // asked for, by one thread at a time. Null: the step has no loop, or the program is one of its own stage's
  // dump.
  Result<std::shared_ptr<const Program>> loop_of(const EntryInfo& step) const;
  // What a failing call means: the operation and its source line (CallStatus::place), and the element of an
  // input that made it fail, where one of `inputs` holds it.
  Diagnostic describe(const EntryInfo& entry, const runtime::CallStatus& status,
                      std::span<const InputView> inputs = {}) const;
  // How far training has come whose step of this number, from 1, has failed.
  static std::string kept_before(uint64_t step) {
    return "step " + std::to_string(step) + " was not committed, those before it were";
  }
  // The whole object that is loaded.
  const object::Object& object() const { return object_; }

 private:
  friend class State;
  // What native loops are made from.
  struct Source {
    Unit unit;
    CompileOptions options;
    std::map<std::string, Array> values;  // of options.baked
    std::mutex mutex;
    std::map<std::string, std::shared_ptr<const Program>, std::less<>> loops;  // by step
  };
  std::unique_ptr<Source> source_;
  kernel::Module kernels_;
  object::Object object_;
  std::unique_ptr<object::Loaded> loaded_;
  std::vector<EntryInfo> entries_;
  std::map<std::string, Array> hypers_;
  uint64_t layout_ = 0;
  uint64_t compiles_ = 0;
  // What fails at a fail statement: "take -> h", and its source line.
  struct Place {
    std::string operation, file;
    uint32_t line = 0;
    std::vector<std::string> operands;  // their names in the source
  };
  static Place place_of(const std::string& text, const SourceOperations& operations);
  std::vector<Place> places_;  // of fail statements, in module order
};

// The state of an object as the bytes that its C functions take: header, then the tensors of a safetensors
// file. T402 where one is missing or does not fit; files may hold more.
Result<Array> state_bytes(const kernel::Module& kernels, const std::string& file);

class State {
 public:
  explicit State(std::shared_ptr<const Program> program);  // all zeros
  State(const State& other);                               // a copy of the values
  const std::shared_ptr<const Program>& program() const { return program_; }
  const kernel::StateSlot* find(std::string_view tensor) const;
  std::byte* block() { return block_.data(); }
  const std::byte* block() const { return block_.data(); }
  uint64_t bytes() const;
  // FNV-1a over the block (header and padding included; both are canonical).
  uint64_t hash() const;
  Result<Array> get(std::string_view tensor) const;         // T402 with the nearest name
  Status set(std::string_view tensor, const Array& value);  // T402 on a wrong type or shape
  // safetensors, written atomically, with what else is to be kept beside the tensors.
  Status save(const std::string& file, const std::map<std::string, std::string>& kept = {}) const;
  // All tensors of the state must be there and fit, else nothing is loaded (T402, as on the surface page);
  // `partial`: those that fit are loaded, the rest is named in `missing`.
  Status load(const std::string& file, bool partial, std::vector<std::string>* missing);

  // A writer holds the state from begin_write to end_write; false: another one does.
  bool begin_write() { return !writing_.exchange(true, std::memory_order_acquire) || held_here(); }
  void end_write() {
    if (!held_here()) writing_.store(false, std::memory_order_release);
  }
  // Whether this thread holds the state for longer (class Holding): its writers come in, and release nothing.
  bool held_here() const {
    const std::thread::id holder = holder_.load(std::memory_order_relaxed);
    return holder != std::thread::id() && holder == std::this_thread::get_id();
  }

 private:
  friend class Holding;
  std::shared_ptr<const Program> program_;
  Array block_;
  std::atomic<bool> writing_{false};
  std::atomic<std::thread::id> holder_{};
};

// A writer's hold on a state, given back at the end of the scope.
class Writing {
 public:
  explicit Writing(State& state) : state_(state.begin_write() ? &state : nullptr) {}
  ~Writing() {
    if (state_ != nullptr) state_->end_write();
  }
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
  explicit operator bool() const { return state_ != nullptr; }

 private:
  State* state_;
};
// A hold for many calls of this thread, such as a whole fit with what it calls between epochs: writers of
// other threads are refused all the while.
class Holding {
 public:
  explicit Holding(State& state);
  ~Holding();
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;
  explicit operator bool() const { return ok_; }

 private:
  State* state_ = nullptr;  // to be released; null where an outer hold does that
  bool ok_ = false;
};
Errors busy_error();  // T607

// Pointers of one call, in the order of the entry's inputs and outputs.
struct Call {
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  std::vector<int64_t> dims;             // in the order of EntryInfo's dims
  std::map<std::string, Number> hypers;  // overrides of this session's values
};

class Session {
 public:
  // A state of another program is taken where the layouts are equal; else every call gives T604.
  Session(std::shared_ptr<const Program> program, std::shared_ptr<State> state,
          const runtime::Parallel* parallel = nullptr);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Runs an entry on arrays: checks dtypes and shapes, allocates outputs, grows the arena where needed.
  Result<std::vector<Array>> run(std::string_view entry, std::span<const Array* const> inputs,
                                 const ir::DimBindings& dims = {});
  // The bare call: everything bound and checked before. A Bound must not outlive its Session.
  class Bound;
  Result<std::unique_ptr<Bound>> bind(std::string_view entry, const Call& call);

  // Applies to Bounds that stand already as well, but for those that override it.
  // T103, and T202 where its type cannot hold the number.
  Status set_hyper(std::string_view name, const Number& value);
  Result<Number> hyper(std::string_view name) const;
  // The native loop of a step, from here on one of the entries that the session runs; null: it has none.
  Result<const EntryInfo*> loop_of(const EntryInfo& step);
  // Steps committed by the last call, or, seen from another thread, by the one that runs.
  const runtime::CallStatus& last_status() const { return status_; }
  int64_t last_progress() const { return __atomic_load_n(&status_.progress, __ATOMIC_RELAXED); }
  const std::shared_ptr<State>& state() const { return state_; }
  const std::shared_ptr<const Program>& program() const { return program_; }

 private:
  friend class Bound;
  // An entry, and the program it is of; null: there is none.
  std::pair<const EntryInfo*, const Program*> find(std::string_view entry) const;
  std::shared_ptr<const Program> program_;
  std::shared_ptr<State> state_;
  const runtime::Parallel* parallel_;
  bool foreign_ = false;                               // the state does not belong to the program
  std::vector<std::shared_ptr<const Program>> loops_;  // native loops, whose entries are run as well
  std::shared_ptr<Array> arena_;
  std::map<std::string, uint64_t, std::less<>> hypers_;  // bits
  std::vector<Bound*> bounds_;
  runtime::CallStatus status_{};
};

// Slots filled once; run() is the entry call, the test of its status and, for an entry that writes, one
// atomic exchange.
class Session::Bound {
 public:
  ~Bound();
  Bound(const Bound&) = delete;
  Bound& operator=(const Bound&) = delete;

  Status run() {
    if (dirty_) [[unlikely]] {
      if (Status s = check_pointers(); !s) return s;
    }
    if (call() == 0) [[likely]]
      return Ok{};
    return error();
  }
  // The same without a Status: the failing code's number, 0 for none. Pointers that were set are not checked.
  uint32_t call() {
    if (writes_ && !state_->begin_write()) [[unlikely]] {
      status_->code = static_cast<uint32_t>(Code::busy);
      return status_->code;
    }
    const uint32_t code = entry_->run(slots_.data(), parallel_, status_);
    if (writes_) state_->end_write();
    return code;
  }
  // Pointers may be changed between runs; sizes may not. The next run() checks them.
  void set_input(size_t index, const void* pointer);
  void set_output(size_t index, void* pointer);
  Status error() const;  // of the last run, with the failing code, detail and operation

 private:
  friend class Session;
  Bound() = default;
  Status check_pointers();

  const EntryInfo* entry_ = nullptr;
  const Program* program_ = nullptr;  // of the entry
  const runtime::Parallel* parallel_ = nullptr;
  runtime::CallStatus* status_ = nullptr;
  State* state_ = nullptr;
  std::vector<uint64_t> slots_;
  bool writes_ = false, dirty_ = true;
  Session* session_ = nullptr;
  std::vector<size_t> input_slots_, output_slots_;
  std::vector<size_t> input_bytes_, output_bytes_;
  std::vector<std::vector<int64_t>> input_shapes_;
  std::map<std::string, size_t, std::less<>> hyper_slots_;  // those that follow the session
  std::shared_ptr<Array> arena_;
};

}  // namespace tenon::driver
