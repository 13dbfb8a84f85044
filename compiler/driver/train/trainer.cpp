#include "driver/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "driver/program/watch.h"
#include "driver/train/feed.h"
#include "driver/train/parts.h"
#include "runtime/file.h"
#include "support/text.h"

namespace tenon::driver {

using runtime::Column;
using runtime::DataSet;
using runtime::EpochRecord;
using runtime::Metrics;

namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Means over rows, of results that are one float a step.
class Means {
 public:
  void add(size_t which, double value, double rows) {
    if (which >= sums_.size()) {
      sums_.resize(which + 1);
      weights_.resize(which + 1);
    }
    sums_[which] += value * rows;
    weights_[which] += rows;
  }
  void clear() {
    std::fill(sums_.begin(), sums_.end(), 0.0);
    std::fill(weights_.begin(), weights_.end(), 0.0);
  }
  double mean(size_t which) const {
    return which < sums_.size() && weights_[which] > 0 ? sums_[which] / weights_[which] : 0;
  }

 private:
  std::vector<double> sums_, weights_;
};

std::vector<size_t> scalar_outputs(const EntryInfo& step) {
  std::vector<size_t> out;
  for (size_t i = 0; i < step.outputs.size(); ++i)
    if (step.outputs[i].is_scalar() && is_float(step.outputs[i].dtype)) out.push_back(i);
  return out;
}

EpochRecord record_of(const EntryInfo& step, const std::vector<size_t>& outputs, const Means& means) {
  EpochRecord r;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (i == 0) {
      r.loss = means.mean(0);
    } else {
      r.metrics.emplace_back(step.output_names[outputs[i]], means.mean(i));
    }
  }
  return r;
}

bool has_dim(const EntryInfo& e, const std::string& name) {
  for (const kernel::DimSlot& d : e.interface->dims)
    if (d.name == name) return true;
  return false;
}

class Fit {
 public:
  Fit(Session& session, const EntryInfo& step, const runtime::Source& data, Feed feed,
      const FitOptions& options)
      : session_(session), step_(step), data_(data), feed_(std::move(feed)), options_(options) {
    outputs_ = scalar_outputs(step);
    dim_ = row_count(step).dim;
    steps_per_epoch_ = (feed_.rows() + options.batch - 1) / options.batch;
    runtime::ProgressOptions progress;
    progress.mode = options.progress;
    progress_.emplace(progress);
  }

  Result<FitResult> run() {
    progress_->begin(static_cast<uint64_t>(options_.epochs), static_cast<uint64_t>(steps_per_epoch_));
    // The native loop has a step for the rows that are left; called one by one, a bound step has none.
    if (row_count(step_).fixed == 0) TENON_TRY(check_batches(step_, feed_.rows(), options_.batch));
    const EntryInfo* native = nullptr;
    const bool shuffled = !options_.in_order && !options_.shuffle;
    if (shuffled && feed_.in_memory() != nullptr) {
      TENON_ASSIGN(native, session_.loop_of(step_));
    }
    const bool use_native = native != nullptr && is_native(*native);
    // The state tells the order of rows where the native loop has it, or would have it if it could run.
    const bool by_state = use_native || (shuffled && feed_.in_memory() == nullptr && would_be_native());
    if (!use_native) TENON_TRY(check_batches(step_, feed_.rows(), options_.batch));
    stops_between_ = options_.validate != nullptr || !options_.until.empty() || options_.on_epoch ||
                     !options_.history.empty() || progress_->mode() != runtime::ProgressMode::off;
    between_ = stops_between_ || options_.cancel != nullptr ||
               (use_native && epochs_at_once(*native, options_.epochs) < options_.epochs);
    int64_t done = 0;
    while (done < options_.epochs && !stop_ && !cancelled()) {
      const double start = seconds_now();
      int64_t n = 1;
      if (use_native && !goes_by_steps()) {
        n = epochs_at_once(*native, options_.epochs - done);
        TENON_TRY(run_native(*native, done, n));
      } else if (by_state) {
        TENON_ASSIGN(const std::vector<int64_t> order,
                     loop_order(*session_.program(), *session_.state(), feed_.rows()));
        TENON_TRY(run_steps(done, &order));
      } else {
        TENON_TRY(run_steps(done, nullptr));
      }
      epoch_seconds_ = (seconds_now() - start) / static_cast<double>(n);
      done += n;
    }
    result_.cancelled = result_.cancelled || (cancelled() && done < options_.epochs);
    return std::move(result_);
  }

 private:
  bool is_native(const EntryInfo& native) const {
    return native.inputs.size() == step_.inputs.size() && native.input_names == step_.input_names;
  }

  // Of data in memory.
  bool would_be_native() const {
    const Program& program = *session_.program();
    const EntryInfo* own = program.find(epochs_name(step_.interface->name));
    return own != nullptr ? is_native(*own) : program.has_loop(step_);
  }

  // A signal handler sets it, or another thread: a plain read would race with its write.
  bool cancelled() const {
    return options_.cancel != nullptr && __atomic_load_n(options_.cancel, __ATOMIC_RELAXED) != 0;
  }

  // An epoch of the native loop cannot be left in its middle: where cancelling would have to wait for it, its
  // steps are called one by one, in the order of the loop and with its bits.
  bool goes_by_steps() const {
    if (options_.cancel == nullptr || epoch_seconds_ <= longest_wait) return false;
    const int64_t last = rows_of(steps_per_epoch_ - 1);
    if (dim_.empty()) return last == options_.batch;
    for (const kernel::DimSlot& d : step_.interface->dims)
      if (d.name == dim_) return last >= d.low && options_.batch <= d.high;
    return false;
  }
  // Epochs of the next call of the native loop.
  int64_t epochs_at_once(const EntryInfo& native, int64_t left) const {
    if (stops_between_) return 1;
    for (const kernel::DimSlot& d : native.interface->dims)
      if (d.name != dim_ && d.name.starts_with("epochs")) left = std::min(left, d.high);
    if (options_.cancel == nullptr) return left;
    const double wait = longest_wait / std::max(epoch_seconds_, 1e-9);
    return std::max<int64_t>(1, std::min(left, static_cast<int64_t>(std::min(wait, 1e6))));
  }

  Status run_native(const EntryInfo& native, int64_t first, int64_t epochs) {
    ir::DimBindings given;
    if (!dim_.empty()) given[dim_] = options_.batch;
    for (const kernel::DimSlot& d : native.interface->dims)
      if (d.name.starts_with("epochs") && !has_dim(step_, d.name)) given[d.name] = epochs;
    std::vector<const Array*> inputs;
    for (const Column& c : feed_.in_memory()->columns()) inputs.push_back(c.array.get());
    const double start = seconds_now();
    Result<std::vector<Array>> out = [&] {
      std::optional<Watch> watch;
      if (progress_->mode() == runtime::ProgressMode::bar) watch.emplace([&] { show_bar(first); });
      return session_.run(native.interface->name, inputs, given);
    }();
    if (!out) {
      result_.steps += static_cast<uint64_t>(session_.last_progress());
      return explain_failure(session_, step_, data_, {}, out.take_errors());
    }
    const double seconds = (seconds_now() - start) / static_cast<double>(epochs);
    // Outputs of the loop are those of the step, stacked; the step's scalars come back by name.
    std::vector<const Array*> stacked(outputs_.size(), nullptr);
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const std::string& name = step_.output_names[outputs_[i]];
      const auto at = std::find(native.output_names.begin(), native.output_names.end(), name);
      if (at != native.output_names.end())
        stacked[i] = &(*out)[static_cast<size_t>(at - native.output_names.begin())];
    }
    runtime::History seen(static_cast<uint64_t>(steps_per_epoch_), step_metrics());
    seen.add(static_cast<size_t>(epochs), seconds);
    for (size_t i = 0; i < outputs_.size(); ++i)
      if (stacked[i] != nullptr) add_means(*stacked[i], i, &seen);
    if (!between_) {
      result_.steps += static_cast<uint64_t>(epochs * steps_per_epoch_);
      result_.records = std::move(seen);
      return Ok{};
    }
    for (int64_t e = 0; e < epochs; ++e)
      TENON_TRY(epoch_done(first + e, seen[static_cast<size_t>(e)], seconds));
    return Ok{};
  }

  // Of one result a step, over the rows of each epoch of a native loop.
  void add_means(const Array& stacked, size_t figure, runtime::History* seen) const {
    const double full = static_cast<double>(options_.batch);
    const double last = static_cast<double>(rows_of(steps_per_epoch_ - 1));
    with_dtype(stacked.dtype(), [&]<class T>() {
      const T* values = stacked.as<T>().data();
      for (size_t e = 0; e < seen->size(); ++e, values += steps_per_epoch_) {
        double sum = 0;
        for (int64_t s = 0; s + 1 < steps_per_epoch_; ++s) sum += static_cast<double>(values[s]) * full;
        sum += static_cast<double>(values[steps_per_epoch_ - 1]) * last;
        seen->figures(e)[figure] = sum / static_cast<double>(feed_.rows());
      }
    });
  }

  // Runs beside the native loop of one epoch, whose losses are there when it has ended.
  void show_bar(int64_t epoch) {
    const int64_t done = session_.last_progress();
    // The whole epoch: it ends just now, or this is the count of the one before.
    if (done > 0 && done < steps_per_epoch_)
      progress_->step(static_cast<uint64_t>(epoch + 1), static_cast<uint64_t>(done));
  }

  std::vector<std::string> step_metrics() const {
    std::vector<std::string> names;
    for (size_t i = 1; i < outputs_.size(); ++i) names.push_back(step_.output_names[outputs_[i]]);
    return names;
  }

  int64_t rows_of(int64_t step) const {
    return std::min(options_.batch, feed_.rows() - step * options_.batch);
  }

  // One epoch, step by step; calls are bound once for full batches and once for the last one.
  Status run_steps(int64_t epoch, const std::vector<int64_t>* rows) {
    runtime::BatchOptions order;
    order.order = rows;
    if (!options_.in_order) order.shuffle = options_.shuffle.value_or(0);
    order.epoch = static_cast<uint32_t>(epoch);
    feed_.begin(runtime::row_order(feed_.rows(), order), options_.batch);
    std::vector<Array> outputs;
    std::unique_ptr<Session::Bound> bound;
    int64_t bound_rows = -1;
    Means means;
    const double start = seconds_now();
    for (int64_t s = 0; s < steps_per_epoch_; ++s) {
      TENON_ASSIGN(const DataSet batch, feed_.next());
      std::vector<std::vector<int64_t>> shapes;
      Call call;
      for (const Column& c : batch.columns()) {
        shapes.push_back(c.array->shape());
        call.inputs.push_back(c.array->data());
      }
      if (batch.rows() != bound_rows) {
        TENON_ASSIGN(call.dims, step_.bind_dims(shapes, {}));
        const ir::DimBindings dims = step_.bindings(call.dims);
        outputs.clear();
        for (const ir::Type& t : step_.outputs) {
          TENON_ASSIGN(std::vector<int64_t> shape, ir::evaluate_shape(t.shape, dims));
          outputs.emplace_back(t.dtype, std::move(shape));
        }
        for (Array& a : outputs) call.outputs.push_back(a.data());
        TENON_ASSIGN(bound, session_.bind(step_.interface->name, call));
        bound_rows = batch.rows();
      }
      for (size_t i = 0; i < call.inputs.size(); ++i) bound->set_input(i, call.inputs[i]);
      if (Status status = bound->run(); !status) {
        Errors errors = status.take_errors();
        if (errors.code() != Code::busy)
          errors.list.front().help = Program::kept_before(result_.steps + static_cast<uint64_t>(s) + 1);
        return explain_failure(session_, step_, data_, feed_.end(), std::move(errors));
      }
      for (size_t i = 0; i < outputs_.size(); ++i)
        means.add(i, element(outputs[outputs_[i]], 0), static_cast<double>(bound_rows));
      const EpochRecord so_far = record_of(step_, outputs_, means);
      progress_->step(static_cast<uint64_t>(epoch + 1), static_cast<uint64_t>(s + 1), so_far.loss,
                      so_far.metrics);
      if (cancelled() && s + 1 < steps_per_epoch_) {
        result_.steps += static_cast<uint64_t>(s + 1);
        result_.cancelled = stop_ = true;
        return Ok{};
      }
    }
    feed_.end();
    return epoch_done(epoch, record_of(step_, outputs_, means), seconds_now() - start);
  }

  Status epoch_done(int64_t epoch, EpochRecord record, double seconds) {
    record.epoch = static_cast<uint64_t>(epoch + 1);
    record.steps = static_cast<uint64_t>(steps_per_epoch_);
    record.seconds = seconds;
    result_.steps += record.steps;
    if (options_.validate != nullptr) {
      EvaluateOptions options;
      options.step = step_.interface->name;
      options.batch = options_.batch;
      options.memory = options_.memory;
      TENON_ASSIGN(const Evaluation test, evaluate(session_, *options_.validate, options));
      record.metrics.emplace_back("test loss", test.loss);
      for (const auto& [name, value] : test.metrics) record.metrics.emplace_back("test " + name, value);
    }
    if (!options_.until.empty()) {
      bool found = options_.until == "loss" && options_.validate == nullptr;
      double value = record.loss;
      // Of the test rows, where there are some; their names in records are taken as well.
      const bool test = options_.validate != nullptr && !options_.until.starts_with("test ");
      const std::string wanted = (test ? "test " : "") + options_.until;
      for (const auto& [name, v] : record.metrics)
        if (name == wanted) {
          found = true;
          value = v;
        }
      if (!found) {
        std::vector<std::string_view> names{"loss"};
        for (const auto& m : record.metrics) names.push_back(m.first);
        const std::string_view near = nearest(options_.until, names);
        return error(Code::bad_option, "until: no metric is named " + options_.until,
                     near.empty() ? "" : "did you mean " + std::string(near) + "?");
      }
      const bool is_loss = options_.until == "loss" || options_.until == "test loss";
      result_.reached = is_loss ? value <= options_.until_value : value >= options_.until_value;
      stop_ = stop_ || result_.reached;
    }
    if (progress_->mode() != runtime::ProgressMode::off) progress_->epoch_done(record);
    if (!options_.history.empty()) keep_line(record);
    if (options_.on_epoch && !options_.on_epoch(record)) stop_ = true;
    if (result_.records.empty()) {
      std::vector<std::string> names;
      for (const auto& m : record.metrics) names.push_back(m.first);
      result_.records = runtime::History(record.steps, std::move(names));
    }
    result_.records.add(record);
    return Ok{};
  }

  // Training does not end where its record cannot be written.
  void keep_line(const EpochRecord& record) {
    Status kept = [&]() -> Status {
      // Made when there is something to keep: training that fails before leaves an older file as it was.
      if (!file_) {
        TENON_ASSIGN(file_, runtime::HistoryFile::create(options_.history));
      }
      return file_->add(record);
    }();
    if (kept) return;
    Errors why = kept.take_errors();
    if (++lines_lost_ == 1) progress_->note(why.text());
    why.list.front().message +=
        "; the lines of " + std::to_string(lines_lost_) + " epochs are missing, training went on";
    result_.history_lost = std::move(why);
  }

  static constexpr double longest_wait = 0.1;  // seconds

  Session& session_;
  const EntryInfo& step_;
  const runtime::Source& data_;
  Feed feed_;
  const FitOptions& options_;
  std::vector<size_t> outputs_;  // of the step: loss, then metrics
  std::string dim_;
  int64_t steps_per_epoch_ = 0;
  std::optional<runtime::Progress> progress_;
  std::optional<runtime::HistoryFile> file_;
  FitResult result_;
  bool stops_between_ = false;  // whether anything is to happen after each epoch
  bool between_ = false;        // whether records are made epoch by epoch
  double epoch_seconds_ = std::numeric_limits<double>::infinity();  // of the last one
  uint64_t lines_lost_ = 0;
  bool stop_ = false;
};

}  // namespace

Result<FitResult> fit(Session& session, const runtime::Source& data, const FitOptions& options) {
  TENON_ASSIGN(const EntryInfo* step, find_step(*session.program(), options.step));
  if (options.batch < 1 || options.epochs < 1)
    return error(Code::bad_option, "batch and epochs must be at least 1");
  if (!options.history.empty()) TENON_TRY(runtime::can_write(options.history));
  TENON_ASSIGN(Feed feed, Feed::make(*step, data, options.memory));
  const RowCount count = row_count(*step);
  if (count.dim.empty() && count.fixed == 0)
    return error(Code::bad_option, step->interface->name + " does not tell how many rows it takes",
                 "give its inputs one named dimension, x: f32[batch,8], or name it: derive " +
                     step->interface->name + " = step ... {batch = n, same = [inputs that have none]}");
  if (count.dim.empty() && count.fixed != options.batch)
    return error(Code::bad_option,
                 step->interface->name + " takes " + std::to_string(count.fixed) +
                     " rows a call, the batch is " + std::to_string(options.batch),
                 "batch " + std::to_string(count.fixed) + ", or leave the batch dimension unbound");
  const Holding holding(*session.state());
  if (!holding) return busy_error();
  return Fit(session, *step, data, std::move(feed), options).run();
}

}  // namespace tenon::driver
