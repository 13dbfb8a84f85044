// tenon eval: loss and metrics over data, and which classes are taken for which.
#include <nlohmann/json.hpp>

#include "driver/command/confusion.h"
#include "driver/command/training.h"
#include "driver/train/trainer.h"
#include "runtime/file.h"

namespace tenon::command {
namespace {

class Eval : public Verb {
 public:
  std::string_view name() const override { return "eval"; }
  std::string_view about() const override { return "loss, metrics and confusion over data"; }
  std::string_view examples() const override {
    return "  tenon eval mlp.tenon --params w.safetensors --data mnist/\n"
           "  tenon eval linear.tenon --params w.safetensors --data regression:rows=100,seed=7 --json\n"
           "  tenon eval cnn.tenon --params w.safetensors --data cifar10/ --confusion confusion.svg\n";
  }
  void declare(Options& options) override {
    model_.declare(options);
    data_.declare(options, true, true);
    options.text("--params", &params_, "safetensors of the state; drawn by init where left out");
    options.flag("--partial", &partial_, "take the tensors that fit, name the rest");
    options.flag("--held-out", &held_out_, "the rows that training held out: train --validate or --fold");
    options.flag("--train", &on_train_, "the training rows, where the data holds test rows as well");
    options.text("--confusion", &confusion_,
                 "a file for the counts of labels and predictions: .svg draws them, .csv lists them");
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
    if (!confusion_.empty() && !confusion_.ends_with(".svg") && !confusion_.ends_with(".csv"))
      return usage_error("--confusion " + confusion_ + ": is drawn or listed", "name a .svg or a .csv");
    TENON_TRY(check_writable(confusion_));
    driver::EvaluateOptions evaluate;
    TENON_ASSIGN(evaluate.memory, data_.bytes());
    TENON_ASSIGN(driver::Unit unit, model_.read());
    TENON_ASSIGN(const KeptData kept, KeptData::read(params_));
    TENON_ASSIGN(runtime::Sources raw, data_.open(driver::data_cuts(unit, step_), kept));
    if (held_out_) {
      if (kept.held_out.empty())
        return usage_error("--held-out: the parameters tell of no rows that were held out",
                           "train --validate or --fold holds some out, and -o keeps which");
      TENON_ASSIGN(raw, divide(raw.train, kept.held_out));
    }
    TENON_ASSIGN(const runtime::Sources data, shaped(std::move(raw), kept.known()));
    options.epochs = false;
    TENON_ASSIGN(const std::shared_ptr<const driver::Program> program,
                 driver::Program::compile(std::move(unit), options));
    TENON_ASSIGN(const std::shared_ptr<driver::State> state,
                 make_state(program, seed_, params_, partial_, c));
    const Host host(threads_);
    driver::Session session(program, state, host.parallel());
    const bool test = data.test != nullptr && !on_train_;
    const runtime::Source& rows = test ? *data.test : *data.train;
    evaluate.step = step_;
    evaluate.batch = batch_;
    evaluate.confusion = true;
    Result<driver::Evaluation> evaluated = driver::evaluate(session, rows, evaluate);
    if (!evaluated) return with_label_mend(evaluated.take_errors());
    const driver::Evaluation& result = *evaluated;
    Json& r = c.report();
    r["rows"] = result.rows;
    r["of"] = test ? "test" : "train";
    r.update(metrics_json(result.loss, result.metrics));
    c.print(grouped(result.rows) + (test ? " test rows  " : " rows  ") +
            metrics_text(result.loss, result.metrics) + "\n");
    TENON_TRY(tell_confusion(c, rows, result));
    return Exit::done;
  }

 private:
  Status tell_confusion(Context& c, const runtime::Source& rows, const driver::Evaluation& result) const {
    if (result.confusion.empty()) {
      if (confusion_.empty()) return Ok{};
      return error(Code::bad_option, "--confusion: the model has no scores of classes, or no labels of them",
                   "a function that returns f32[batch,classes], and a loss that takes y: i32[batch]");
    }
    Confusion confusion{result.confusion, {}};
    TENON_ASSIGN(confusion.classes, class_names(rows));
    if (confusion.classes.size() != confusion.size()) confusion.classes.clear();
    Json& r = c.report();
    r["confusion"] = confusion.counts;
    if (!confusion.classes.empty()) r["classes"] = confusion.classes;
    r["per_class"] = confusion_json(confusion);
    c.print("\n" + confusion_text(confusion));
    if (confusion_.empty()) return Ok{};
    r["confusion_file"] = confusion_;
    return runtime::write_file_atomic(
        confusion_, confusion_.ends_with(".svg") ? confusion_svg(confusion) : confusion_csv(confusion));
  }

  ModelOptions model_;
  DataOptions data_;
  std::string params_, step_, confusion_;
  int64_t batch_ = 256, threads_ = 1;
  uint64_t seed_ = 0;
  bool partial_ = false, on_train_ = false, held_out_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_eval() { return std::make_unique<Eval>(); }

}  // namespace tenon::command
