#include "driver/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

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

double element(const Array& a, int64_t i) {
  double out = 0;
  with_dtype(a.dtype(), [&]<class T>() { out = static_cast<double>(a.as<T>()[static_cast<size_t>(i)]); });
  return out;
}

bool is_step(const EntryInfo& e) {
  return e.interface->writes_state && !e.interface->loops && e.interface->name != "init";
}

// Name of the dimension that counts the rows of a call; empty where there is none.
std::string batch_dim(const EntryInfo& e) {
  for (const ir::Type& t : e.inputs)
    if (!t.is_scalar())
      if (const auto symbol = t.shape[0].as_symbol()) return *symbol;
  return {};
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

// Names the row that makes a step fail: single rows are tried through the loss. Only after a failure.
Errors explain_failure(Session& session, const EntryInfo& step, const DataSet& data, Errors errors) {
  const Code code = errors.code();
  const EntryInfo* loss = find_loss(*session.program(), step);
  if ((code != Code::label_range && code != Code::index_range) || loss == nullptr) return errors;
  Result<DataSet> prepared = prepare_data(*loss, data);
  if (!prepared) return errors;
  for (int64_t row = 0; row < prepared->rows(); ++row) {
    Result<DataSet> one = prepared->slice(row, row + 1);
    if (!one) return errors;
    std::vector<const Array*> inputs;
    for (const Column& c : one->columns()) inputs.push_back(c.array.get());
    Result<std::vector<Array>> out = session.run(loss->interface->name, inputs);
    if (out || out.errors().code() != code) continue;
    Diagnostic& d = errors.list.front();
    for (size_t i = 0; i < loss->inputs.size(); ++i) {
      if (!is_int(loss->inputs[i].dtype) || loss->inputs[i].rank() != 1) continue;
      const Column& column = prepared->columns()[i];
      const auto value = static_cast<int64_t>(element(*one->columns()[i].array, 0));
      d.message = (code == Code::label_range ? "label " : "index ") + std::to_string(value) + " at row " +
                  std::to_string(row) + " of " + column.name + " is out of range";
      const Column* origin = data.find(column.name);
      for (const std::string_view other : {"y", "label"})
        if (origin == nullptr) origin = data.find(other);
      if (origin != nullptr) {
        const runtime::Place place = data.place(*origin, row);
        d.file = place.file;
        d.line = place.line;
        d.within = "column " + quote(origin->name);
      }
      break;
    }
    return errors;
  }
  return errors;
}

class Fit {
 public:
  Fit(Session& session, const EntryInfo& step, const DataSet& data, const DataSet& rows,
      const FitOptions& options)
      : session_(session), step_(step), data_(data), rows_(rows), options_(options) {
    outputs_ = scalar_outputs(step);
    dim_ = batch_dim(step);
    steps_per_epoch_ = (rows.rows() + options.batch - 1) / options.batch;
    runtime::ProgressOptions progress;
    progress.mode = options.progress;
    progress_.emplace(progress);
  }

  Result<FitResult> run() {
    if (!options_.history.empty()) {
      TENON_ASSIGN(history_, runtime::History::to_file(options_.history));
    }
    progress_->begin(static_cast<uint64_t>(options_.epochs), static_cast<uint64_t>(steps_per_epoch_));
    const EntryInfo* native = session_.program()->find(epochs_name(step_.interface->name));
    const bool use_native =
        native != nullptr && !options_.in_order && !options_.shuffle && is_native(*native);
    const bool between = options_.validate != nullptr || !options_.until.empty() || options_.on_epoch ||
                         !options_.history.empty() || progress_->mode() != runtime::ProgressMode::off;
    int64_t done = 0;
    while (done < options_.epochs && !stop_) {
      if (use_native) {
        const int64_t n = between ? 1 : options_.epochs;
        TENON_TRY(run_native(*native, done, n));
        done += n;
      } else {
        TENON_TRY(run_steps(done));
        ++done;
      }
    }
    return std::move(result_);
  }

 private:
  bool is_native(const EntryInfo& native) const {
    return native.inputs.size() == step_.inputs.size() && native.input_names == step_.input_names;
  }

  Status run_native(const EntryInfo& native, int64_t first, int64_t epochs) {
    ir::DimBindings given{{dim_, options_.batch}};
    for (const kernel::DimSlot& d : native.interface->dims)
      if (d.name != dim_ && d.name.starts_with("epochs")) given[d.name] = epochs;
    std::vector<const Array*> inputs;
    for (const Column& c : rows_.columns()) inputs.push_back(c.array.get());
    const double start = seconds_now();
    Result<std::vector<Array>> out = session_.run(native.interface->name, inputs, given);
    if (!out) {
      result_.steps += static_cast<uint64_t>(session_.last_progress());
      return explain_failure(session_, step_, data_, out.take_errors());
    }
    const double seconds = (seconds_now() - start) / static_cast<double>(epochs);
    // Outputs of the loop are those of the step, stacked; the step's scalars come back by name.
    for (int64_t e = 0; e < epochs; ++e) {
      Means means;
      for (size_t i = 0; i < outputs_.size(); ++i) {
        const std::string& name = step_.output_names[outputs_[i]];
        const auto at = std::find(native.output_names.begin(), native.output_names.end(), name);
        if (at == native.output_names.end()) continue;
        const Array& stacked = (*out)[static_cast<size_t>(at - native.output_names.begin())];
        for (int64_t s = 0; s < steps_per_epoch_; ++s)
          means.add(i, element(stacked, e * steps_per_epoch_ + s), static_cast<double>(rows_of(s)));
      }
      TENON_TRY(epoch_done(first + e, record_of(step_, outputs_, means), seconds));
    }
    return Ok{};
  }

  int64_t rows_of(int64_t step) const {
    return std::min(options_.batch, rows_.rows() - step * options_.batch);
  }

  // One epoch, step by step; calls are bound once for full batches and once for the last one.
  Status run_steps(int64_t epoch) {
    runtime::BatchOptions order;
    if (!options_.in_order) order.shuffle = options_.shuffle.value_or(0);
    order.epoch = static_cast<uint32_t>(epoch);
    TENON_ASSIGN(const runtime::Batches batches, rows_.batches(options_.batch, order));
    std::vector<Array> outputs;
    std::unique_ptr<Session::Bound> bound;
    int64_t bound_rows = -1;
    Means means;
    const double start = seconds_now();
    for (int64_t s = 0; s < batches.count(); ++s) {
      const runtime::Batch batch = batches.at(s);
      std::vector<std::vector<int64_t>> shapes;
      Call call;
      for (const Column& c : batch.data.columns()) {
        shapes.push_back(c.array->shape());
        call.inputs.push_back(c.array->data());
      }
      if (batch.data.rows() != bound_rows) {
        TENON_ASSIGN(call.dims, step_.bind_dims(shapes, {}));
        const ir::DimBindings dims = step_.bindings(call.dims);
        outputs.clear();
        for (const ir::Type& t : step_.outputs) {
          TENON_ASSIGN(std::vector<int64_t> shape, ir::evaluate_shape(t.shape, dims));
          outputs.emplace_back(t.dtype, std::move(shape));
        }
        for (Array& a : outputs) call.outputs.push_back(a.data());
        TENON_ASSIGN(bound, session_.bind(step_.interface->name, call));
        bound_rows = batch.data.rows();
      }
      for (size_t i = 0; i < call.inputs.size(); ++i) bound->set_input(i, call.inputs[i]);
      if (Status status = bound->run(); !status)
        return explain_failure(session_, step_, data_, status.take_errors());
      for (size_t i = 0; i < outputs_.size(); ++i)
        means.add(i, element(outputs[outputs_[i]], 0), static_cast<double>(bound_rows));
      const EpochRecord so_far = record_of(step_, outputs_, means);
      progress_->step(static_cast<uint64_t>(epoch + 1), static_cast<uint64_t>(s + 1), so_far.loss,
                      so_far.metrics);
    }
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
      TENON_ASSIGN(const Evaluation test, evaluate(session_, *options_.validate, options));
      record.metrics.emplace_back("test loss", test.loss);
      for (const auto& [name, value] : test.metrics) record.metrics.emplace_back("test " + name, value);
    }
    if (!options_.until.empty()) {
      bool found = options_.until == "loss" && options_.validate == nullptr;
      double value = record.loss;
      const std::string wanted = (options_.validate != nullptr ? "test " : "") + options_.until;
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
      result_.reached =
          options_.until == "loss" ? value <= options_.until_value : value >= options_.until_value;
      stop_ = stop_ || result_.reached;
    }
    progress_->epoch_done(record);
    TENON_TRY(history_.add(record));
    if (options_.on_epoch && !options_.on_epoch(record)) stop_ = true;
    result_.records.push_back(std::move(record));
    return Ok{};
  }

  Session& session_;
  const EntryInfo& step_;
  const DataSet &data_, &rows_;
  const FitOptions& options_;
  std::vector<size_t> outputs_;  // of the step: loss, then metrics
  std::string dim_;
  int64_t steps_per_epoch_ = 0;
  std::optional<runtime::Progress> progress_;
  runtime::History history_;
  FitResult result_;
  bool stop_ = false;
};

}  // namespace

Result<const EntryInfo*> find_step(const Program& program, const std::string& name) {
  std::vector<std::string_view> steps;
  const EntryInfo* only = nullptr;
  for (const EntryInfo& e : program.entries()) {
    if (!is_step(e)) continue;
    steps.push_back(e.interface->name);
    only = &e;
  }
  const std::string wanted = name.empty() ? "train" : name;
  if (const EntryInfo* e = program.find(wanted); e != nullptr && is_step(*e)) return e;
  if (name.empty() && steps.size() == 1) return only;
  std::string all;
  for (std::string_view s : steps) all += (all.empty() ? "" : ", ") + std::string(s);
  return error(Code::undefined_name,
               name.empty() ? "the program has several steps, none named train" : "no step is named " + name,
               all.empty() ? "the program has no step: derive one" : "steps: " + all);
}

const EntryInfo* find_loss(const Program& program, const EntryInfo& step) {
  const std::string& origin = step.interface->origin;
  if (origin.starts_with("step(") && origin.ends_with(")"))
    if (const EntryInfo* e = program.find(std::string_view(origin).substr(5, origin.size() - 6))) return e;
  return program.find("loss");
}

Result<FitResult> fit(Session& session, const DataSet& data, const FitOptions& options) {
  TENON_ASSIGN(const EntryInfo* step, find_step(*session.program(), options.step));
  if (options.batch < 1 || options.epochs < 1)
    return error(Code::bad_option, "batch and epochs must be at least 1");
  TENON_ASSIGN(const DataSet rows, prepare_data(*step, data));
  if (batch_dim(*step).empty() && options.batch != rows.rows())
    return error(Code::bad_option, step->interface->name + " takes batches of one fixed size",
                 "give its inputs a named first dimension");
  return Fit(session, *step, data, rows, options).run();
}

namespace {

// Runs an entry over all rows; visit(outputs, rows, batch) sees each batch.
template <class F>
Status over_batches(Session& session, const EntryInfo& entry, const DataSet& data, int64_t batch, F&& visit) {
  TENON_ASSIGN(const DataSet rows, prepare_data(entry, data));
  const std::string dim = batch_dim(entry);
  for (const kernel::DimSlot& d : entry.interface->dims)
    if (d.name == dim) batch = std::min(batch, d.high);
  if (batch < 1) batch = 1;
  TENON_ASSIGN(const runtime::Batches batches, rows.batches(batch));
  for (int64_t i = 0; i < batches.count(); ++i) {
    const runtime::Batch b = batches.at(i);
    std::vector<const Array*> inputs;
    for (const Column& c : b.data.columns()) inputs.push_back(c.array.get());
    Result<std::vector<Array>> out = session.run(entry.interface->name, inputs);
    if (!out) return out.take_errors();
    visit(*out, b);
  }
  return Ok{};
}

bool feeds(const EntryInfo& entry, const EntryInfo& like) {
  for (const std::string& name : entry.input_names)
    if (std::find(like.input_names.begin(), like.input_names.end(), name) == like.input_names.end())
      return false;
  return !entry.inputs.empty();
}

bool returns_one_float(const EntryInfo& e) {
  return !e.interface->writes_state && e.outputs.size() == 1 && e.outputs[0].is_scalar() &&
         is_float(e.outputs[0].dtype);
}

}  // namespace

Result<Evaluation> evaluate(Session& session, const DataSet& data, const EvaluateOptions& options) {
  const Program& program = *session.program();
  const EntryInfo* step = nullptr;
  if (Result<const EntryInfo*> found = find_step(program, options.step); found) step = *found;
  const EntryInfo* loss = step != nullptr ? find_loss(program, *step) : program.find("loss");
  if (loss == nullptr)
    return error(Code::undefined_name, "the program has no function that computes the loss",
                 "compile the function that the step was derived from as well");
  Evaluation out;
  double sum = 0;
  Status status = over_batches(session, *loss, data, options.batch,
                               [&](const std::vector<Array>& results, const runtime::Batch& b) {
                                 sum += element(results[0], 0) * static_cast<double>(b.data.rows());
                                 out.rows += b.data.rows();
                               });
  if (!status)
    return step != nullptr ? explain_failure(session, *step, data, status.take_errors())
                           : status.take_errors();
  out.loss = sum / static_cast<double>(out.rows);
  for (const EntryInfo& e : program.entries()) {
    if (&e == loss || !returns_one_float(e) || !feeds(e, *loss)) continue;
    bool is_loss = false;  // of another step
    for (const EntryInfo& other : program.entries())
      is_loss = is_loss || (is_step(other) && find_loss(program, other) == &e);
    if (is_loss) continue;
    double total = 0;
    TENON_TRY(over_batches(session, e, data, options.batch,
                           [&](const std::vector<Array>& results, const runtime::Batch& b) {
                             total += element(results[0], 0) * static_cast<double>(b.data.rows());
                           }));
    out.metrics.emplace_back(e.interface->name, total / static_cast<double>(out.rows));
  }
  if (!options.confusion) return out;
  // Classes: an entry that returns one row of scores a row, and an input of labels beside it.
  const EntryInfo* scores = nullptr;
  for (const EntryInfo& e : program.entries()) {
    if (e.interface->writes_state || e.outputs.empty() || !feeds(e, *loss)) continue;
    const ir::Type& t = e.outputs[0];
    if (t.rank() == 2 && is_float(t.dtype) && t.shape[1].is_constant() && t.shape[1].constant() > 1 &&
        (scores == nullptr || e.interface->name == "predict"))
      scores = &e;
  }
  size_t label = loss->inputs.size();
  for (size_t i = 0; i < loss->inputs.size(); ++i)
    if (is_int(loss->inputs[i].dtype) && loss->inputs[i].rank() == 1) label = i;
  if (scores == nullptr || label == loss->inputs.size()) return out;
  TENON_ASSIGN(const DataSet prepared, prepare_data(*loss, data));
  const Array& labels = *prepared.columns()[label].array;
  const auto classes = static_cast<size_t>(scores->outputs[0].shape[1].constant());
  out.confusion.assign(classes, std::vector<int64_t>(classes, 0));
  int64_t row = 0;
  TENON_TRY(over_batches(session, *scores, data, options.batch,
                         [&](const std::vector<Array>& results, const runtime::Batch& b) {
                           for (int64_t r = 0; r < b.data.rows(); ++r, ++row) {
                             size_t best = 0;
                             const int64_t first = r * static_cast<int64_t>(classes);
                             for (size_t c = 1; c < classes; ++c)
                               if (element(results[0], first + static_cast<int64_t>(c)) >
                                   element(results[0], first + static_cast<int64_t>(best)))
                                 best = c;
                             const double truth = element(labels, row);
                             if (truth >= 0 && truth < static_cast<double>(classes))
                               ++out.confusion[static_cast<size_t>(truth)][best];
                           }
                         }));
  return out;
}

}  // namespace tenon::driver
