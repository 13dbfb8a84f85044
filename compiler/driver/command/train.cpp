// tenon train: fits a model to data and saves what it learned.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "driver/command/training.h"
#include "driver/train/trainer.h"
#include "runtime/load.h"
#include "support/text.h"

namespace tenon::command {
namespace {

// The first SIGINT or SIGTERM asks training to end; the handler is gone then, so that a second one ends the
// process.
volatile int32_t ended_by = 0;  // written by the thread that is interrupted, whichever it is: atomically
int ending_signal() { return __atomic_load_n(&ended_by, __ATOMIC_RELAXED); }
class Signals {
 public:
  Signals() {
    struct sigaction action{};
    action.sa_handler = [](int number) {
      __atomic_store_n(&ended_by, number, __ATOMIC_RELAXED);
      signal(SIGINT, SIG_DFL);
      signal(SIGTERM, SIG_DFL);
    };
    action.sa_flags = SA_RESTART;
    for (const int number : {SIGINT, SIGTERM}) {
      struct sigaction before{};
      // Ignored by whoever started us (nohup, &): it stays so.
      if (sigaction(number, nullptr, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(number, &action, nullptr);
    }
  }
};

// The state in a folder of its own below $TMPDIR or /tmp, for when it cannot be written where it was to go.
Errors rescue(const driver::State& state, const KeptData& kept, const std::string& output, Errors failed) {
  const char* temporary = getenv("TMPDIR");
  for (std::string folder : {std::string(temporary == nullptr ? "" : temporary), std::string("/tmp")}) {
    if (folder.empty()) continue;
    folder += "/tenon-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) continue;
    const std::string path = folder + "/" + output.substr(output.rfind('/') + 1);
    if (state.save(path, kept.metadata())) {
      failed.list.front().notes.push_back("the trained state was written to " + path);
      return failed;
    }
    rmdir(folder.c_str());
  }
  failed.list.front().notes.push_back("the trained state could not be written anywhere else either");
  return failed;
}

class Train : public Verb {
 public:
  std::string_view name() const override { return "train"; }
  std::string_view about() const override { return "fit a model to data, save its state"; }
  std::string_view examples() const override {
    return "  tenon train mlp.tenon --data mnist/ --epochs 5 --batch 64 --set lr=2e-3 -o w.safetensors\n"
           "  tenon train linear.tenon --data regression:rows=100,noise=0.1,seed=7 --epochs 1000\n"
           "  tenon train mlp.tenon --data digits:rows=5000,seed=1 --until accuracy=0.99 --epochs 50 "
           "--threads 2\n"
           "  tenon train mlp.tenon --data train.csv --validate 0.1 --params w.safetensors -o "
           "w2.safetensors\n"
           "  tenon train mlp.tenon --data csv:path=t.csv,standardize=yes,text=onehot --folds 5\n"
           "  tenon train cnn.tenon --data pictures/ --memory 2G --history run.jsonl -o w.safetensors\n";
  }
  void declare(Options& options) override {
    model_.declare(options);
    data_.declare(options, true, true);
    options.number("--epochs", &epochs_, "passes over the data; 1 where left out");
    options.number("--batch", &batch_, "rows of a step; 32 where left out");
    options.texts("--set", &set_, "lr=2e-3: a hyper-parameter");
    options.seed(&seed_, "of first values, order of rows and dropout; 0 where left out");
    options.real("--validate", &validate_, "fraction of the rows held out, evaluated after each epoch");
    options.number("--folds", &folds_,
                   "cross-validation: trains once for each fold, evaluates on it; saves nothing");
    options.text("--fold", &fold_, "I/K: trains on the rows outside fold I of K, which is held out");
    options.text("--until", &until_,
                 "metric=value: stops when it is reached (loss: or less; others: or more)");
    options.number("--threads", &threads_,
                   "workers; 1 where left out, 0: all processors. Bits do not depend on it");
    options.text("--step", &step_, "the step; train, or the only one, where left out");
    options.text("--params", &params_, "safetensors to go on from");
    options.flag("--partial", &partial_, "take the tensors of --params that fit, name the rest");
    options.flag("--in-order", &in_order_, "rows in their order, not shuffled");
    options.flag(
        "--no-epochs", &no_epochs_,
        "steps called one by one, shuffled by --seed; starts sooner, as no loop over epochs is compiled");
    options.text("--history", &history_, "a file that gets one JSON line an epoch");
    options.flag("--quiet", &quiet_, "no progress");
    options.text("-o,--output", &output_, "safetensors of the state");
  }

  Result<Exit> run(Context& c) override {
    TENON_ASSIGN(driver::CompileOptions options, model_.compile());
    options.epochs = !no_epochs_ && !in_order_;
    TENON_ASSIGN(const auto hypers, numbers(set_, "--set"));
    TENON_TRY(check_options());
    TENON_ASSIGN(driver::FitOptions fit, fit_options());
    TENON_ASSIGN(fit.memory, data_.bytes());
    TENON_TRY(check_writable(output_));
    TENON_TRY(check_writable(history_));
    if (!history_.empty() && history_ == output_)
      return usage_error("--history and -o name one file: " + output_);
    TENON_TRY(check_partial(partial_, params_));
    TENON_ASSIGN(driver::Unit unit, model_.read());
    TENON_ASSIGN(const KeptData before, KeptData::read(params_));
    TENON_ASSIGN(runtime::Sources raw, data_.open(driver::data_cuts(unit, step_), before));
    KeptData kept;
    // A table's form has its classes.
    if (form_of(*raw.train) == nullptr) {
      TENON_ASSIGN(kept.classes, class_names(*raw.train));
    }
    const std::string of = ",seed=" + std::to_string(seed_) + ",rows=" + std::to_string(raw.train->rows());
    if (validate_ != 0) kept.held_out = "fraction=" + format_float(validate_) + of;
    if (!fold_.empty()) kept.held_out = "fold=" + fold_ + of;
    TENON_ASSIGN(const std::shared_ptr<const driver::Program> program,
                 driver::Program::compile(std::move(unit), options));
    const Host host(threads_);
    if (folds_) return cross_validate(c, program, host, hypers, fit, raw, before);
    TENON_ASSIGN(const runtime::Sources data, divided(std::move(raw), kept.held_out, before));
    if (const runtime::TableForm* form = form_of(*data.train)) kept.form = *form;
    TENON_ASSIGN(const std::shared_ptr<driver::State> state,
                 make_state(program, seed_, params_, partial_, c));
    driver::Session session(program, state, host.parallel());
    for (const auto& [name, value] : hypers) TENON_TRY(session.set_hyper(name, value));
    fit.validate = data.test.get();
    fit.history = history_;
    fit.progress = quiet_ ? runtime::ProgressMode::off : runtime::ProgressMode::detect;
    const Signals signals;
    fit.cancel = &ended_by;
    Result<driver::FitResult> fitted = driver::fit(session, *data.train, fit);
    if (!fitted) return with_label_mend(fitted.take_errors());
    const driver::FitResult& result = *fitted;
    if (!output_.empty())
      if (Status saved = state->save(output_, kept.metadata()); !saved)
        return rescue(*state, kept, output_, saved.take_errors());
    if (result.history_lost) {
      Errors lost = *result.history_lost;
      if (!output_.empty()) lost.list.front().notes.push_back("the trained state was written to " + output_);
      return lost;
    }
    report(c, result, data, *state);
    if (result.cancelled) return cancelled(c);
    if (!until_.empty() && !result.reached) c.print(until_ + " was not reached\n");
    return Exit::done;
  }

 private:
  // What the values of options tell by themselves, before a file is read.
  Status check_options() const {
    if (threads_ < 0 || threads_ > 1024) return usage_error("--threads is 0 to 1024");
    if (epochs_ < 1) return usage_error("--epochs is 1 or more");
    if (batch_ < 1) return usage_error("--batch is 1 or more");
    if (validate_ != 0 && !(validate_ > 0 && validate_ < 1))
      return usage_error("--validate is a fraction between 0 and 1");
    if ((validate_ != 0) + (folds_.has_value()) + (!fold_.empty()) > 1)
      return usage_error("--validate, --folds and --fold each hold rows out", "give one of them");
    if (folds_ && *folds_ < 2)
      return usage_error("--folds is 2 or more: one fold is held out, the others are trained on");
    if (folds_ && !(output_.empty() && history_.empty()))
      return usage_error("--folds trains " + std::to_string(*folds_) + " networks and keeps none",
                         "--fold 1/" + std::to_string(*folds_) + " trains the first of them, and saves it");
    return Ok{};
  }

  // What the fits of all folds are given as well; history, progress and signals are for one that is kept.
  Result<driver::FitOptions> fit_options() const {
    driver::FitOptions fit;
    if (!until_.empty()) {
      TENON_ASSIGN(const auto until, numbers({until_}, "--until"));
      fit.until = until[0].first;
      fit.until_value = until[0].second.approximate();
    }
    fit.step = step_;
    fit.batch = batch_;
    fit.epochs = epochs_;
    fit.in_order = in_order_;
    if (no_epochs_ && !in_order_) fit.shuffle = seed_;
    return fit;
  }

  void report(Context& c, const driver::FitResult& result, const runtime::Sources& data,
              const driver::State& state) const {
    Json& r = c.report();
    r["rows"] = data.train->rows();
    r["test_rows"] = data.test ? data.test->rows() : 0;
    r["in_memory"] = data.train->in_memory() != nullptr;
    r["steps"] = result.steps;
    if (!until_.empty()) r["reached"] = result.reached;
    r["epochs"] = Json::array();
    for (size_t i = 0; c.json && i < result.records.size(); ++i) {
      const runtime::EpochRecord e = result.records[i];
      Json one{{"epoch", e.epoch}, {"steps", e.steps}, {"seconds", e.seconds}};
      one.update(metrics_json(e.loss, e.metrics));
      r["epochs"].push_back(std::move(one));
    }
    char hash[20];
    std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(state.hash()));
    r["state_hash"] = hash;
    if (!output_.empty()) r["output"] = output_;
    const runtime::EpochRecord last = result.records.empty() ? runtime::EpochRecord{} : result.records.back();
    c.print(grouped(static_cast<int64_t>(result.steps)) + " steps  " + metrics_text(last.loss, last.metrics) +
            (output_.empty() ? "" : "  -> " + output_) + "\n");
  }

  static Exit cancelled(Context& c) {
    const int number = ending_signal();
    c.report()["signal"] = number;
    c.print(std::string("ended by ") + (number == SIGINT ? "SIGINT" : "SIGTERM") + "\n");
    return static_cast<Exit>(128 + number);
  }
  // The rows to train on and those held out, shaped as the first of them fit.
  static Result<runtime::Sources> divided(runtime::Sources raw, const std::string& held_out,
                                          const KeptData& before) {
    if (!held_out.empty()) {
      TENON_ASSIGN(raw, divide(raw.train, held_out));
    }
    return shaped(std::move(raw), before.known());
  }

  Result<Exit> cross_validate(Context& c, const std::shared_ptr<const driver::Program>& program,
                              const Host& host, const std::vector<std::pair<std::string, Number>>& hypers,
                              const driver::FitOptions& fit, const runtime::Sources& raw,
                              const KeptData& before) const {
    std::vector<std::string> names{"loss"};
    std::vector<std::vector<double>> columns(1);
    Json& r = c.report();
    r["folds"] = Json::array();
    for (int64_t k = 1; k <= *folds_; ++k) {
      const std::string fold = std::to_string(k) + "/" + std::to_string(*folds_);
      TENON_ASSIGN(const runtime::Sources data, divided(raw,
                                                        "fold=" + fold + ",seed=" + std::to_string(seed_) +
                                                            ",rows=" + std::to_string(raw.train->rows()),
                                                        before));
      TENON_ASSIGN(const std::shared_ptr<driver::State> state,
                   make_state(program, seed_, params_, partial_, c));
      driver::Session session(program, state, host.parallel());
      for (const auto& [name, value] : hypers) TENON_TRY(session.set_hyper(name, value));
      Result<driver::FitResult> fitted = driver::fit(session, *data.train, fit);
      if (!fitted) return with_label_mend(fitted.take_errors());
      if (fitted->cancelled) return cancelled(c);
      driver::EvaluateOptions options;
      options.step = step_;
      options.memory = fit.memory;
      Result<driver::Evaluation> held = driver::evaluate(session, *data.test, options);
      if (!held) return with_label_mend(held.take_errors());
      columns[0].push_back(held->loss);
      columns.resize(1 + held->metrics.size());
      names.resize(1);
      for (size_t i = 0; i < held->metrics.size(); ++i) {
        names.push_back(held->metrics[i].first);
        columns[i + 1].push_back(held->metrics[i].second);
      }
      Json one{{"fold", k}, {"rows", held->rows}};
      one.update(metrics_json(held->loss, held->metrics));
      r["folds"].push_back(std::move(one));
      c.print("fold " + fold + "  " + grouped(held->rows) + " rows  " +
              metrics_text(held->loss, held->metrics) + "\n");
    }
    std::string line = "mean";
    for (size_t i = 0; i < names.size(); ++i) {
      double sum = 0, squares = 0;
      const double n = static_cast<double>(columns[i].size());
      for (const double v : columns[i]) sum += v;
      for (const double v : columns[i]) squares += (v - sum / n) * (v - sum / n);
      const double deviation = std::sqrt(squares / (n - 1));
      r["mean"][names[i]] = sum / n;
      r["deviation"][names[i]] = deviation;
      line += "  " + names[i] + " " + short_text(sum / n) + " +- " + short_text(deviation);
    }
    c.print(line + "\n");
    return Exit::done;
  }

  ModelOptions model_;
  DataOptions data_;
  std::vector<std::string> set_;
  std::string until_, step_, params_, history_, output_, fold_;
  std::optional<int64_t> folds_;
  int64_t epochs_ = 1, batch_ = 32, threads_ = 1;
  uint64_t seed_ = 0;
  double validate_ = 0;
  bool partial_ = false, in_order_ = false, quiet_ = false, no_epochs_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_train() { return std::make_unique<Train>(); }

}  // namespace tenon::command
