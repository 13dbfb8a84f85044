// Program, State, Session. A Program is compiled code: immutable, shared among threads. A State holds the
// values; copies of a State object are the same state (`copy` makes another). A Session is a thread's use of
// both.
#pragma once

#include <functional>
#include <map>

#include "tenon/data.hpp"

TENON_NAMESPACE_BEGIN

struct CompileOptions {
  /// Entries; empty: all.
  std::vector<std::string> functions = {};
  /// native, x86-64-v3, x86-64-v4, ...
  std::string cpu = "native";
  /// Dimensions that become constants. It only specializes: results keep their bits.
  std::map<std::string, int64_t> bind = {};
  /// Patterns of parameters, and of state that no function compiled writes, that become constants.
  std::vector<std::string> baked = {};
  /// A safetensors file with the values of what is baked; those of a state come before it.
  std::string params = {};
  /// Factors for each channel behind products and convolutions, as of normalizations, go into their baked
  /// weights: faster, and results differ by the rounding of a weight.
  bool fold_scales = false;
  /// Let fit compile the native training loop of a step, when it first needs it.
  bool epochs = true;
  /// Of exported symbols; empty: the file's name.
  std::string prefix = {};
  /// Of code generation; 0: one per processor.
  int threads = 0;
  /// Passes that are left out.
  std::vector<std::string> disable = {};
  /// Code generation in a process of its own, for where memory is short: see tenon_options_set.
  bool isolate = false;
};

namespace detail {

inline std::string comma_list(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ",") + item;
  return out;
}

class Options {
 public:
  Result<void> fill(const CompileOptions& o, const tenon_state* baked_from) {
    tenon_options* made = nullptr;
    TENON_PASS(checked([&](tenon_error** e) { return tenon_options_new(&made, e); }));
    options_.reset(made);
    std::string bind;
    for (const auto& [name, size] : o.bind)
      bind += (bind.empty() ? "" : ",") + name + "=" + std::to_string(size);
    const std::pair<const char*, std::string> settings[] = {{"cpu", o.cpu},
                                                            {"functions", comma_list(o.functions)},
                                                            {"bind", bind},
                                                            {"bake", comma_list(o.baked)},
                                                            {"fold_scales", o.fold_scales ? "true" : "false"},
                                                            {"epochs", o.epochs ? "true" : "false"},
                                                            {"threads", std::to_string(o.threads)},
                                                            {"isolate", o.isolate ? "true" : "false"},
                                                            {"disable", comma_list(o.disable)}};
    for (const auto& [key, value] : settings)
      TENON_PASS(checked([&, k = key, v = &value](tenon_error** e) {
        return tenon_options_set(options_.get(), k, v->c_str(), e);
      }));
    if (!o.prefix.empty())
      TENON_PASS(checked(
          [&](tenon_error** e) { return tenon_options_set(options_.get(), "prefix", o.prefix.c_str(), e); }));
    if (!o.params.empty())
      TENON_PASS(checked(
          [&](tenon_error** e) { return tenon_options_set(options_.get(), "params", o.params.c_str(), e); }));
    if (baked_from != nullptr)
      TENON_PASS(
          checked([&](tenon_error** e) { return tenon_options_state(options_.get(), baked_from, e); }));
    return {};
  }
  const tenon_options* get() const { return options_.get(); }

 private:
  std::unique_ptr<tenon_options, void (*)(tenon_options*)> options_{nullptr, tenon_options_free};
};

}  // namespace detail

/// The values of a program.
class State {
 public:
  explicit State(tenon_state* state) : state_(state, tenon_state_free) {}
  tenon_state* handle() const { return state_.get(); }

  Result<State> try_copy() const {
    tenon_state* out = nullptr;
    TENON_PASS(detail::checked([&](tenon_error** e) { return tenon_state_copy(handle(), &out, e); }));
    return State(out);
  }
  /// safetensors, written whole or not at all.
  Result<void> try_save(const std::string& path) const {
    return detail::checked([&](tenon_error** e) { return tenon_state_save(handle(), path.c_str(), e); });
  }
  /// Every tensor must be there and fit, else nothing is loaded.
  Result<void> try_load(const std::string& path) const {
    return detail::checked(
        [&](tenon_error** e) { return tenon_state_load(handle(), path.c_str(), 0, nullptr, e); });
  }
  /// Loads what fits; the names of the others.
  Result<std::vector<std::string>> try_load_partial(const std::string& path) const {
    char* text = nullptr;
    TENON_PASS(detail::checked(
        [&](tenon_error** e) { return tenon_state_load(handle(), path.c_str(), 1, &text, e); }));
    const std::string lines = detail::owned(text);
    std::vector<std::string> out;
    for (size_t at = 0; at < lines.size();) {
      const size_t end = std::min(lines.find('\n', at), lines.size());
      out.push_back(lines.substr(at, end - at));
      at = end + 1;
    }
    return out;
  }
  Result<Array> try_get(const std::string& tensor) const {
    tenon_array* out = nullptr;
    TENON_PASS(
        detail::checked([&](tenon_error** e) { return tenon_state_get(handle(), tensor.c_str(), &out, e); }));
    return Array(out);
  }
  Result<void> try_set(const std::string& tensor, const Tensor& value) const {
    const tenon_tensor t = value.c();
    return detail::checked([&](tenon_error** e) { return tenon_state_set(handle(), tensor.c_str(), &t, e); });
  }
#if TENON_EXCEPTIONS
  State copy() const { return detail::take(try_copy()); }
  void save(const std::string& path) const { detail::take(try_save(path)); }
  void load(const std::string& path) const { detail::take(try_load(path)); }
  std::vector<std::string> load_partial(const std::string& path) const {
    return detail::take(try_load_partial(path));
  }
  Array get(const std::string& tensor) const { return detail::take(try_get(tensor)); }
  void set(const std::string& tensor, const Tensor& value) const { detail::take(try_set(tensor, value)); }
#endif
  /// Equal bits, equal hash.
  uint64_t hash() const { return tenon_state_hash(handle()); }

 private:
  std::shared_ptr<tenon_state> state_;
};

class Program {
 public:
  explicit Program(tenon_program* program) : program_(program, tenon_program_free) {}
  const tenon_program* handle() const { return program_.get(); }

  /// A new state, its values drawn from the seed.
  Result<State> try_init(uint64_t seed) const {
    tenon_state* out = nullptr;
    TENON_PASS(detail::checked([&](tenon_error** e) { return tenon_state_init(handle(), seed, &out, e); }));
    return State(out);
  }
  /// The source it was compiled of.
  Result<Module> try_module() const {
    tenon_module* out = nullptr;
    TENON_PASS(detail::checked([&](tenon_error** e) { return tenon_program_module(handle(), &out, e); }));
    return Module(out);
  }
  /// Writes <path>.o, <path>.h and <path>_example.c, which link into a C program without Tenon.
  Result<void> try_export_object(const std::string& path, const CompileOptions& options = {}) const {
    Result<Module> module = try_module();
    TENON_PASS(module);
    detail::Options o;
    TENON_PASS(o.fill(options, nullptr));
    return detail::checked(
        [&](tenon_error** e) { return tenon_export_object(module->handle(), o.get(), path.c_str(), e); });
  }
#if TENON_EXCEPTIONS
  State init(uint64_t seed) const { return detail::take(try_init(seed)); }
  Module module() const { return detail::take(try_module()); }
  void export_object(const std::string& path, const CompileOptions& options = {}) const {
    detail::take(try_export_object(path, options));
  }
#endif
  struct Slot {
    std::string name, type;
  };
  struct Entry {
    std::string name;
    std::vector<Slot> inputs, outputs;
  };
  std::vector<Entry> entries() const {
    std::vector<Entry> out;
    for (uint32_t i = 0; i < tenon_program_entries(handle()); ++i) {
      Entry entry{tenon_program_entry(handle(), i), {}, {}};
      for (uint32_t k = 0; k < tenon_program_inputs(handle(), i); ++k)
        entry.inputs.push_back(
            {tenon_program_input(handle(), i, k), tenon_program_input_type(handle(), i, k)});
      for (uint32_t k = 0; k < tenon_program_outputs(handle(), i); ++k)
        entry.outputs.push_back(
            {tenon_program_output(handle(), i, k), tenon_program_output_type(handle(), i, k)});
      out.push_back(std::move(entry));
    }
    return out;
  }
  /// Parameters, optimizer slots, counters.
  std::vector<Slot> tensors() const {
    std::vector<Slot> out;
    for (uint32_t i = 0; i < tenon_program_tensors(handle()); ++i)
      out.push_back({tenon_program_tensor(handle(), i), tenon_program_tensor_type(handle(), i)});
    return out;
  }
  uint64_t state_bytes() const { return tenon_program_state_bytes(handle()); }

 private:
  std::shared_ptr<tenon_program> program_;
};

inline Result<Program> try_compile(const Module& module, const CompileOptions& options = {},
                                   const State* baked_from = nullptr) {
  detail::Options o;
  TENON_PASS(o.fill(options, baked_from == nullptr ? nullptr : baked_from->handle()));
  tenon_program* out = nullptr;
  TENON_PASS(
      detail::checked([&](tenon_error** e) { return tenon_compile(module.handle(), o.get(), &out, e); }));
  return Program(out);
}
inline Result<Program> try_compile(const Model& model, const CompileOptions& options = {},
                                   const State* baked_from = nullptr) {
  Result<Module> module = model.try_finish();
  TENON_PASS(module);
  return try_compile(*module, options, baked_from);
}
#if TENON_EXCEPTIONS
inline Program compile(const Module& module, const CompileOptions& options = {},
                       const State* baked_from = nullptr) {
  return detail::take(try_compile(module, options, baked_from));
}
inline Program compile(const Model& model, const CompileOptions& options = {},
                       const State* baked_from = nullptr) {
  return detail::take(try_compile(model, options, baked_from));
}
#endif

/// What an epoch or an evaluation reported.
struct Report {
  uint64_t epoch = 0, steps = 0;
  double loss = 0, seconds = 0;
  std::map<std::string, double> metrics = {};

  Report() = default;
  explicit Report(const tenon_report& r) : epoch(r.epoch), steps(r.steps), loss(r.loss), seconds(r.seconds) {
    for (uint32_t i = 0; i < r.metrics; ++i) metrics[r.names[i]] = r.values[i];
  }
  /// A metric; NaN where there is none of that name.
  double operator[](const std::string& metric) const {
    const auto found = metrics.find(metric);
    return found == metrics.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
  }
};

/// What training reported, an epoch each. A report is made when it is asked for; copies share what they hold.
class History {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;  // a report is a value, not a place
    using value_type = Report;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = Report;
    Iterator() = default;
    Iterator(const History* history, size_t at) : history_(history), at_(at) {}
    Report operator*() const { return (*history_)[at_]; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    Iterator operator++(int) {
      Iterator was = *this;
      ++at_;
      return was;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

   private:
    const History* history_ = nullptr;
    size_t at_ = 0;
  };

  History() = default;
  explicit History(tenon_history* history) : history_(history, tenon_history_free) {}
  size_t size() const { return tenon_history_count(history_.get()); }
  bool empty() const { return size() == 0; }
  /// Zeros past the end.
  Report operator[](size_t i) const {
    return Report(tenon_history_at(history_.get(), static_cast<uint32_t>(i)));
  }
  Report front() const { return (*this)[0]; }
  Report back() const { return (*this)[size() - 1]; }
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size()}; }

 private:
  std::shared_ptr<tenon_history> history_;
};

/// Ends training when a metric reaches a value.
struct Until {
  std::string metric = {};
  double value = 0;
};
struct FitOptions {
  uint32_t batch = 32, epochs = 1;
  /// The program's one step, or `train`.
  std::string step = {};
  /// Rows in order; else shuffled, by a seed or by the state's random counter.
  bool in_order = false;
  std::optional<uint64_t> shuffle = std::nullopt;
  /// Evaluated after each epoch.
  const Data* validate = nullptr;
  Until until = {};
  /// Show it on stderr: a bar on a terminal, else a line an epoch.
  bool progress = false;
  /// File that receives one JSON line an epoch.
  std::string history = {};
  /// Called after each epoch; false ends training. May use the session and the state, which no other thread
  /// can write meanwhile.
  std::function<bool(const Report&)> on_epoch = {};
  /// Where it becomes other than 0, by another thread or a signal handler, training ends once the running
  /// step is committed.
  const volatile int32_t* cancel = nullptr;
};
struct EvaluateOptions {
  uint32_t batch = 32;
  std::string step = {};
};
struct SessionOptions {
  /// Workers lent to the calls; 0: one per processor, 1: the caller alone. The bits do not depend on it.
  uint32_t threads = 0;
};

/// What a call returned, by name and in order.
struct Outputs {
  std::vector<std::pair<std::string, Array>> list = {};
  /// The output called `loss`, else the first, as a number; NaN where there is none.
  double loss = std::numeric_limits<double>::quiet_NaN();

  /// Null where there is none of that name.
  const Array* find(std::string_view name) const {
    for (const auto& [n, a] : list)
      if (n == name) return &a;
    return nullptr;
  }
#if TENON_EXCEPTIONS
  const Array& operator[](std::string_view name) const {
    if (const Array* a = find(name)) return *a;
    throw Error(103, "no output is named " + std::string(name));
  }
#endif
};

struct Input {
  std::string name;
  Tensor tensor;
};

/// A call whose sizes and pointers are checked once. Its session, inputs and outputs must outlive it.
class BoundCall {
 public:
  explicit BoundCall(tenon_call* call) : call_(call) {}
  Result<void> try_run() {
    return detail::checked([&](tenon_error** e) { return tenon_call_run(call_.get(), e); });
  }
#if TENON_EXCEPTIONS
  void run() {
    if (tenon_call_run(call_.get(), nullptr) == 0) [[likely]]
      return;
    detail::take(try_run());
  }
#endif

 private:
  struct Free {
    void operator()(tenon_call* call) const { tenon_call_free(call); }
  };
  std::unique_ptr<tenon_call, Free> call_;
};

class Session {
 public:
  static Result<Session> try_make(const Program& program, const State& state,
                                  const SessionOptions& options = {}) {
    tenon_session* out = nullptr;
    TENON_PASS(detail::checked([&](tenon_error** e) {
      return tenon_session_new(program.handle(), state.handle(), options.threads, &out, e);
    }));
    return Session(program, state, out);
  }
#if TENON_EXCEPTIONS
  Session(const Program& program, const State& state, const SessionOptions& options = {})
      : Session(detail::take(try_make(program, state, options))) {}
#endif
  tenon_session* handle() const { return session_.get(); }
  const State& state() const { return state_; }
  const Program& program() const { return program_; }

  /// Trains; what each epoch reported.
  Result<History> try_fit(const Data& data, const FitOptions& options = {}) {
    tenon_fit_options o{};
    o.size_of = sizeof o;
    o.batch = options.batch;
    o.epochs = options.epochs;
    o.progress = options.progress ? 1 : 0;
    o.step = options.step.empty() ? nullptr : options.step.c_str();
    o.in_order = options.in_order ? 1 : 0;
    o.shuffle = options.shuffle ? 1 : 0;
    o.seed = options.shuffle.value_or(0);
    o.validate = options.validate == nullptr ? nullptr : options.validate->handle();
    o.until = options.until.metric.empty() ? nullptr : options.until.metric.c_str();
    o.until_value = options.until.value;
    o.history = options.history.empty() ? nullptr : options.history.c_str();
    o.cancel = options.cancel;
    Watcher watcher{&options, {}};
    if (options.on_epoch) {
      o.on_epoch = &Watcher::call;
      o.context = &watcher;
    }
    tenon_history* history = nullptr;
    const Result<void> done = detail::checked(
        [&](tenon_error** e) { return tenon_session_fit(handle(), data.handle(), &o, &history, e); });
    History out(history);
#if TENON_EXCEPTIONS
    if (watcher.thrown) std::rethrow_exception(watcher.thrown);
#endif
    TENON_PASS(done);
    return out;
  }
  /// Loss and metrics over all rows, weighted by rows, in inference mode.
  Result<Report> try_evaluate(const Data& data, const EvaluateOptions& options = {}) {
    tenon_history* history = nullptr;
    TENON_PASS(detail::checked([&](tenon_error** e) {
      return tenon_session_evaluate(handle(), data.handle(),
                                    options.step.empty() ? nullptr : options.step.c_str(), options.batch,
                                    &history, e);
    }));
    const std::unique_ptr<tenon_history, void (*)(tenon_history*)> owner(history, tenon_history_free);
    return Report(tenon_history_at(history, 0));
  }
  /// Runs an entry on inputs given by name, which are copied.
  Result<Outputs> try_run(const std::string& entry, const std::vector<Input>& inputs) {
    std::vector<const char*> names;
    std::vector<tenon_tensor> tensors;
    for (const Input& i : inputs) {
      names.push_back(i.name.c_str());
      tensors.push_back(i.tensor.c());
    }
    return outputs(entry, [&](tenon_array** out, uint32_t capacity, tenon_error** e) {
      return tenon_session_run(handle(), entry.c_str(), names.data(), tensors.data(),
                               static_cast<uint32_t>(names.size()), out, capacity, nullptr, e);
    });
  }
  /// The same on the columns of a data set.
  Result<Outputs> try_run(const std::string& entry, const Data& data) {
    return outputs(entry, [&](tenon_array** out, uint32_t capacity, tenon_error** e) {
      return tenon_session_run_data(handle(), entry.c_str(), data.handle(), out, capacity, nullptr, e);
    });
  }
  /// Inputs and outputs in the entry's order, by pointer.
  Result<BoundCall> try_bind(const std::string& entry, const std::vector<Tensor>& inputs,
                             const std::vector<Tensor>& outputs) {
    std::vector<tenon_tensor> in, out;
    for (const Tensor& t : inputs) in.push_back(t.c());
    for (const Tensor& t : outputs) out.push_back(t.c());
    tenon_call* call = nullptr;
    TENON_PASS(detail::checked([&](tenon_error** e) {
      return tenon_call_new(handle(), entry.c_str(), in.data(), static_cast<uint32_t>(in.size()), out.data(),
                            static_cast<uint32_t>(out.size()), &call, e);
    }));
    return BoundCall(call);
  }
  /// A hyper-parameter, from now on: exact, or refused (T202).
  Result<void> try_set(const std::string& hyper, const detail::Scalar& value) {
    return detail::checked([&](tenon_error** e) {
      return value.text.empty() ? tenon_session_set(handle(), hyper.c_str(), value.value, e)
                                : tenon_session_set_text(handle(), hyper.c_str(), value.text.c_str(), e);
    });
  }
  Result<double> try_get(const std::string& hyper) const {
    double value = 0;
    TENON_PASS(detail::checked(
        [&](tenon_error** e) { return tenon_session_get(handle(), hyper.c_str(), &value, e); }));
    return value;
  }

  /// The same as text: whole numbers exactly, where a double may not hold them.
  Result<std::string> try_get_text(const std::string& hyper) const {
    char* text = nullptr;
    TENON_PASS(detail::checked(
        [&](tenon_error** e) { return tenon_session_get_text(handle(), hyper.c_str(), &text, e); }));
    return detail::owned(text);
  }

#if TENON_EXCEPTIONS
  History fit(const Data& data, const FitOptions& options = {}) {
    return detail::take(try_fit(data, options));
  }
  Report evaluate(const Data& data, const EvaluateOptions& options = {}) {
    return detail::take(try_evaluate(data, options));
  }
  Outputs run(const std::string& entry, const std::vector<Input>& inputs) {
    return detail::take(try_run(entry, inputs));
  }
  Outputs run(const std::string& entry, const Data& data) { return detail::take(try_run(entry, data)); }
  BoundCall bind(const std::string& entry, const std::vector<Tensor>& inputs,
                 const std::vector<Tensor>& outputs) {
    return detail::take(try_bind(entry, inputs, outputs));
  }

  /// An entry as a function of batches. The session must outlive it.
  class Entry {
   public:
    Entry(Session& session, std::string name) : session_(&session), name_(std::move(name)) {}
    Outputs operator()(const Batch& batch) const { return session_->run(name_, batch.data); }
    Outputs operator()(const Data& data) const { return session_->run(name_, data); }

   private:
    Session* session_;
    std::string name_;
  };
  Entry entry(const std::string& name) {
    if (!index_of(name)) throw Error(103, "the program has no entry " + name);
    return {*this, name};
  }
  /// A hyper-parameter as a number that may be assigned. The session must outlive it.
  class Hyper {
   public:
    Hyper(Session& session, std::string name) : session_(&session), name_(std::move(name)) {}
    Hyper& operator=(const detail::Scalar& value) {
      detail::take(session_->try_set(name_, value));
      return *this;
    }
    std::string text() const { return detail::take(session_->try_get_text(name_)); }
    operator double() const { return detail::take(session_->try_get(name_)); }

   private:
    Session* session_;
    std::string name_;
  };
  Hyper hyper(const std::string& name) {
    detail::take(try_get(name));
    return {*this, name};
  }
#endif

 private:
  struct Watcher {
    const FitOptions* options;
    std::exception_ptr thrown;
    static int32_t call(void* context, const tenon_report* report) {
      auto* self = static_cast<Watcher*>(context);
#if TENON_EXCEPTIONS
      try {
        return self->options->on_epoch(Report(*report)) ? 0 : 1;
      } catch (...) {  // nothing is thrown through the library
        self->thrown = std::current_exception();
        return 1;
      }
#else
      return self->options->on_epoch(Report(*report)) ? 0 : 1;
#endif
    }
  };
  struct Free {
    void operator()(tenon_session* session) const { tenon_session_free(session); }
  };

  Session(const Program& program, const State& state, tenon_session* session)
      : program_(program), state_(state), session_(session) {}
  std::optional<uint32_t> index_of(const std::string& entry) const {
    for (uint32_t i = 0; i < tenon_program_entries(program_.handle()); ++i)
      if (entry == tenon_program_entry(program_.handle(), i)) return i;
    return std::nullopt;
  }
  template <class F>
  Result<Outputs> outputs(const std::string& entry, F&& call) {
    const std::optional<uint32_t> index = index_of(entry);
    const uint32_t count = index ? tenon_program_outputs(program_.handle(), *index) : 0;
    std::vector<tenon_array*> arrays(count, nullptr);
    TENON_PASS(detail::checked([&](tenon_error** e) { return call(arrays.data(), count, e); }));
    Outputs out;
    for (uint32_t i = 0; i < count; ++i)
      out.list.emplace_back(tenon_program_output(program_.handle(), *index, i), Array(arrays[i]));
    if (const Array* loss = out.find("loss"))
      out.loss = loss->number();
    else if (!out.list.empty())
      out.loss = out.list.front().second.number();
    return out;
  }

  Program program_;
  State state_;
  std::unique_ptr<tenon_session, Free> session_;
};

TENON_NAMESPACE_END
