// C API: training and evaluation.
#include "driver/c_api.h"
#include "driver/trainer.h"

using namespace tenon::driver;
using namespace tenon::driver::c_api;
using tenon::runtime::EpochRecord;

namespace {

tenon_history::Row row_of(EpochRecord record) {
  tenon_history::Row row;
  row.record = std::move(record);
  return row;
}

// Names are taken where the records lie for good.
void fill_names(tenon_history& history) {
  for (tenon_history::Row& row : history.rows)
    for (const auto& [name, value] : row.record.metrics) {
      row.names.push_back(name.c_str());
      row.values.push_back(value);
    }
}

tenon_report view_of(const EpochRecord& record, const std::vector<const char*>& names,
                     const std::vector<double>& values) {
  tenon_report out{};
  out.epoch = record.epoch;
  out.steps = record.steps;
  out.loss = record.loss;
  out.seconds = record.seconds;
  out.metrics = static_cast<uint32_t>(names.size());
  out.names = names.data();
  out.values = values.data();
  return out;
}

Result<FitOptions> fit_options(const tenon_fit_options* options) {
  FitOptions out;
  if (options == nullptr) return out;
  TENON_ASSIGN(const tenon_fit_options given, sized(*options, fit_options_first, "tenon_fit_options"));
  if (given.step != nullptr) out.step = given.step;
  if (given.batch != 0) out.batch = given.batch;
  if (given.epochs != 0) out.epochs = given.epochs;
  out.in_order = given.in_order != 0;
  if (given.shuffle != 0) out.shuffle = given.seed;
  if (given.validate != nullptr) out.validate = &given.validate->data;
  if (given.until != nullptr) out.until = given.until;
  out.until_value = given.until_value;
  if (given.progress != 0) out.progress = tenon::runtime::ProgressMode::detect;
  if (given.history != nullptr) out.history = given.history;
  if (given.on_epoch != nullptr) {
    out.on_epoch = [call = given.on_epoch, context = given.context](const EpochRecord& record) {
      std::vector<const char*> names;
      std::vector<double> values;
      for (const auto& [name, value] : record.metrics) {
        names.push_back(name.c_str());
        values.push_back(value);
      }
      const tenon_report report = view_of(record, names, values);
      return call(context, &report) == 0;
    };
  }
  return out;
}

}  // namespace

extern "C" {

tenon_status tenon_session_fit(tenon_session* session, const tenon_data* data,
                               const tenon_fit_options* options, tenon_history** history,
                               tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(session);
    TENON_NEED(data);
    TENON_ASSIGN(const FitOptions o, fit_options(options));
    TENON_ASSIGN(FitResult result, fit(*session->session, data->data, o));
    if (history == nullptr) return Ok{};
    auto out = std::make_unique<tenon_history>();
    out->rows.reserve(result.records.size());
    for (EpochRecord& record : result.records) out->rows.push_back(row_of(std::move(record)));
    fill_names(*out);
    *history = out.release();
    return Ok{};
  });
}

tenon_status tenon_session_evaluate(tenon_session* session, const tenon_data* data, const char* step,
                                    uint32_t batch, tenon_history** result, tenon_error** error) {
  return guarded(error, [&]() -> Status {
    TENON_NEED(session);
    TENON_NEED(data);
    TENON_NEED(result);
    EvaluateOptions o;
    if (step != nullptr) o.step = step;
    if (batch != 0) o.batch = batch;
    TENON_ASSIGN(Evaluation evaluation, evaluate(*session->session, data->data, o));
    EpochRecord record;
    record.loss = evaluation.loss;
    record.metrics = std::move(evaluation.metrics);
    auto out = std::make_unique<tenon_history>();
    out->rows.push_back(row_of(std::move(record)));
    fill_names(*out);
    *result = out.release();
    return Ok{};
  });
}

void tenon_history_free(tenon_history* history) { delete history; }
uint32_t tenon_history_count(const tenon_history* history) {
  return history == nullptr ? 0 : static_cast<uint32_t>(history->rows.size());
}
tenon_report tenon_history_at(const tenon_history* history, uint32_t index) {
  if (index >= tenon_history_count(history)) return tenon_report{};
  const tenon_history::Row& row = history->rows[index];
  return view_of(row.record, row.names, row.values);
}

}  // extern "C"
