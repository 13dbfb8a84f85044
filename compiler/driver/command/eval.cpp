// tenon eval: loss and metrics over data, and which classes are taken for which.
#include <nlohmann/json.hpp>

#include "driver/command/training.h"
#include "driver/train/trainer.h"
#include "runtime/load.h"

namespace tenon::command {
namespace {

class Eval : public Verb {
 public:
  std::string_view name() const override { return "eval"; }
  std::string_view about() const override { return "loss, metrics and confusion over data"; }
  std::string_view examples() const override {
    return "  tenon eval mlp.tenon --params w.safetensors --data mnist/\n"
           "  tenon eval linear.tenon --params w.safetensors --data regression:rows=100,seed=7 --json\n";
  }
  void declare(Options& options) override {
    model_.declare(options);
    data_.declare(options);
    options.text("--params", &params_, "safetensors of the state; drawn by init where left out");
    options.flag("--partial", &partial_, "take the tensors that fit, name the rest");
    options.flag("--held-out", &held_out_, "the rows that training held out: train --validate or --fold");
    options.flag("--train", &on_train_, "the training rows, where the data holds test rows as well");
    options.number("--batch", &batch_, "rows of a call; 256 where left out");
    options.seed(&seed_, "of init");
    options.number("--threads", &threads_, "workers; 1 where left out, 0: all processors");
    options.text("--step", &step_, "whose loss; train, or the only step, where left out");
  }

  Result<Exit> run(Context& c) override {
    TENON_ASSIGN(driver::CompileOptions options, model_.compile());
    if (threads_ < 0 || threads_ > 1024) return usage_error("--threads is 0 to 1024");
    if (batch_ < 1) return usage_error("--batch is 1 or more");
    if (held_out_ && (params_.empty() || on_train_))
      return usage_error(on_train_ ? "--held-out and --train name different rows"
                                   : "--held-out needs --params, which tell the rows");
    TENON_TRY(check_partial(partial_, params_));
    TENON_ASSIGN(driver::Unit unit, model_.read());
    TENON_ASSIGN(const KeptData kept, KeptData::read(params_));
    TENON_ASSIGN(runtime::TrainTest raw, data_.load(driver::data_cuts(unit, step_), kept.known()));
    if (held_out_) {
      if (kept.held_out.empty())
        return usage_error("--held-out: the parameters tell of no rows that were held out",
                           "train --validate or --fold holds some out, and -o keeps which");
      TENON_ASSIGN(auto parts, divide(raw.train, kept.held_out));
      raw.test = std::move(parts.second);
    }
    TENON_ASSIGN(const runtime::TrainTest data, runtime::shape_data(std::move(raw), kept.known()));
    options.epochs = false;
    TENON_ASSIGN(const std::shared_ptr<const driver::Program> program,
                 driver::Program::compile(std::move(unit), options));
    TENON_ASSIGN(const std::shared_ptr<driver::State> state,
                 make_state(program, seed_, params_, partial_, c));
    const Host host(threads_);
    driver::Session session(program, state, host.parallel());
    const bool test = data.test.has_value() && !on_train_;
    driver::EvaluateOptions evaluate;
    evaluate.step = step_;
    evaluate.batch = batch_;
    evaluate.confusion = true;
    Result<driver::Evaluation> evaluated =
        driver::evaluate(session, test ? *data.test : data.train, evaluate);
    if (!evaluated) return with_label_mend(evaluated.take_errors());
    const driver::Evaluation& result = *evaluated;
    Json& r = c.report();
    r["rows"] = result.rows;
    r["of"] = test ? "test" : "train";
    r.update(metrics_json(result.loss, result.metrics));
    c.print(grouped(result.rows) + (test ? " test rows  " : " rows  ") +
            metrics_text(result.loss, result.metrics) + "\n");
    if (result.confusion.empty()) return Exit::done;
    r["confusion"] = result.confusion;
    const std::vector<std::string> classes =
        class_names(test ? *data.test : data.train, result.confusion.size());
    if (!classes.empty()) r["classes"] = classes;
    const auto named = [&](size_t i) { return classes.empty() ? std::to_string(i) : classes[i]; };
    std::vector<std::vector<std::string>> rows{{"label"}};
    for (size_t i = 0; i < result.confusion.size(); ++i) rows[0].push_back(named(i));
    rows[0].push_back("right");
    for (size_t label = 0; label < result.confusion.size(); ++label) {
      std::vector<std::string> row{named(label)};
      int64_t total = 0;
      for (const int64_t n : result.confusion[label]) {
        total += n;
        row.push_back(std::to_string(n));
      }
      const double share =
          total > 0 ? 100.0 * static_cast<double>(result.confusion[label][label]) / static_cast<double>(total)
                    : 0;
      row.push_back(total > 0 ? short_text(share) + "%" : "");
      rows.push_back(std::move(row));
    }
    c.print("\nlabels down, predictions across\n" + table(rows));
    return Exit::done;
  }

 private:
  // What the table called the classes; empty where they were numbers.
  static std::vector<std::string> class_names(const runtime::DataSet& data, size_t count) {
    std::vector<std::string> out;
    for (const runtime::Column& column : data.columns())
      if (!column.classes.empty()) out = column.classes;
    return out.size() == count ? out : std::vector<std::string>();
  }

  ModelOptions model_;
  DataOptions data_;
  std::string params_, step_;
  int64_t batch_ = 256, threads_ = 1;
  uint64_t seed_ = 0;
  bool partial_ = false, on_train_ = false, held_out_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_eval() { return std::make_unique<Eval>(); }

}  // namespace tenon::command
