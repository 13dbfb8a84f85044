// C API: training and evaluation.
#include "driver/c_api/c_api.h"
#include "driver/train/trainer.h"

using namespace tenon::driver;
using namespace tenon::driver::c_api;
using tenon::runtime::EpochRecord;

namespace {

using tenon::runtime::History;

tenon_history* give_history(History records) {
  auto out = std::make_unique<tenon_history>();
  out->records = std::move(records);
  for (const std::string& name : out->records.metric_names()) out->names.push_back(name.c_str());
  return out.release();
}

Result<FitOptions> fit_options(const tenon_fit_options* options,
                               const tenon::support::FloatEnvironment::Host& host) {
  FitOptions out;
  if (options == nullptr) return out;
  TENON_ASSIGN(const tenon_fit_options given, sized(*options, fit_options_first, "tenon_fit_options"));
  if (given.step != nullptr) out.step = given.step;
  if (given.batch != 0) out.batch = given.batch;
  if (given.epochs != 0) out.epochs = given.epochs;
  out.in_order = given.in_order != 0;
  if (given.shuffle != 0) out.shuffle = given.seed;
  if (given.validate != nullptr) out.validate = &given.validate->rows();
  if (given.until != nullptr) out.until = given.until;
  out.until_value = given.until_value;
  if (given.progress != 0) out.progress = tenon::runtime::ProgressMode::detect;
  out.cancel = given.cancel;
  if (given.history != nullptr) out.history = given.history;
  if (given.on_epoch != nullptr) {
    out.on_epoch = [call = given.on_epoch, context = given.context, &host](const EpochRecord& record) {
      std::vector<const char*> names;
      std::vector<double> values;
      for (const auto& [name, value] : record.metrics) {
        names.push_back(name.c_str());
        values.push_back(value);
      }
      const auto metrics = static_cast<uint32_t>(names.size());
      const tenon_report report{record.epoch, record.steps, record.loss,  record.seconds,
                                metrics,      names.data(), values.data()};
      return host.lend([&] { return call(context, &report) == 0; });
    };
  }
  return out;
}

}  // namespace

extern "C" {

tenon_status tenon_session_fit(tenon_session* session, const tenon_data* data,
                               const tenon_fit_options* options, tenon_history** history,
                               tenon_error** error) {
  const tenon::support::FloatEnvironment::Host host;
  return guarded<Stack::caller>(error, [&]() -> Status {
    TENON_NEED(session);
    TENON_NEED(data);
    TENON_ASSIGN(FitOptions o, fit_options(options, host));
    o.memory = data->memory;
    TENON_ASSIGN(FitResult result, fit(*session->session, data->rows(), o));
    if (history != nullptr) *history = give_history(std::move(result.records));
    if (result.history_lost) return *std::move(result.history_lost);
    return Ok{};
  });
}

tenon_status tenon_session_evaluate(tenon_session* session, const tenon_data* data, const char* step,
                                    uint32_t batch, tenon_history** result, tenon_error** error) {
  return guarded<Stack::caller>(error, [&]() -> Status {
    TENON_NEED(session);
    TENON_NEED(data);
    TENON_NEED(result);
    EvaluateOptions o;
    if (step != nullptr) o.step = step;
    if (batch != 0) o.batch = batch;
    o.memory = data->memory;
    TENON_ASSIGN(Evaluation evaluation, evaluate(*session->session, data->rows(), o));
    std::vector<std::string> names;
    for (const auto& metric : evaluation.metrics) names.push_back(metric.first);
    History records(0, std::move(names), 0);
    records.add({0, 0, evaluation.loss, 0, std::move(evaluation.metrics)});
    *result = give_history(std::move(records));
    return Ok{};
  });
}

void tenon_history_free(tenon_history* history) { delete history; }
uint32_t tenon_history_count(const tenon_history* history) {
  return history == nullptr ? 0 : static_cast<uint32_t>(history->records.size());
}
tenon_report tenon_history_at(const tenon_history* history, uint32_t index) {
  if (index >= tenon_history_count(history)) return tenon_report{};
  const History& h = history->records;
  return tenon_report{h.epoch(index),
                      h.steps_per_epoch(),
                      h.loss(index),
                      h.seconds(index),
                      static_cast<uint32_t>(history->names.size()),
                      history->names.data(),
                      h.metrics(index).data()};
}

}  // extern "C"
