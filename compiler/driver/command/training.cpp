#include "driver/command/training.h"

#include <nlohmann/json.hpp>

#include "runtime/file.h"
#include "runtime/load.h"

namespace tenon::command {

void DataOptions::declare(Options& options) {
  options.text("--data", &spec,
               "a folder (MNIST's files, train.csv and test.csv, .npy columns), a file, or a generator: "
               "regression:rows=100,features=1,noise=0.1,seed=7, classification:..., digits:rows=5000,seed=1",
               true);
  options.number("--label-offset", &label_offset, "added to the column y or label");
}

Result<runtime::TrainTest> DataOptions::load() const {
  TENON_ASSIGN(runtime::TrainTest data, runtime::load_data(spec));
  if (label_offset == 0) return data;
  auto shifted = [&](const runtime::DataSet& from) -> Result<runtime::DataSet> {
    runtime::DataSet out = from;
    for (const runtime::Column& column : from.columns()) {
      const Array& a = *column.array;
      const bool target = column.name == "y" || column.name == "label";
      if (!target || !dtype_computes(a.dtype()) || is_bool(a.dtype()) || a.count() != from.rows()) continue;
      // Signed and wide: what is out of range must not wrap into it.
      const DType dtype = is_float(a.dtype()) ? a.dtype() : DType::i64;
      Array moved(dtype, a.shape());
      with_dtype(a.dtype(), [&]<class From>() {
        with_dtype(dtype, [&]<class To>() {
          for (int64_t i = 0; i < a.count(); ++i)
            moved.as<To>()[static_cast<size_t>(i)] = static_cast<To>(
                static_cast<To>(a.as<From>()[static_cast<size_t>(i)]) + static_cast<To>(label_offset));
        });
      });
      TENON_TRY(out.replace(column.name, std::move(moved)));
    }
    return out;
  };
  TENON_ASSIGN(data.train, shifted(data.train));
  if (data.test) {
    TENON_ASSIGN(data.test, shifted(*data.test));
  }
  return data;
}

Host::Host(int64_t threads) {
  if (threads == 1) return;
  pool_ = std::make_unique<runtime::Pool>(static_cast<uint32_t>(threads));
  parallel_ = pool_->parallel();
}

Errors with_label_mend(Errors errors) {
  for (Diagnostic& d : errors.list)
    if (d.code == Code::label_range)
      d.help = "labels that count from 1? --label-offset -1" + (d.help.empty() ? "" : ". " + d.help);
  return errors;
}

Json metrics_json(double loss, const runtime::Metrics& metrics) {
  Json out{{"loss", loss}};
  for (const auto& [name, value] : metrics) out[name] = value;
  return out;
}

std::string metrics_text(double loss, const runtime::Metrics& metrics) {
  std::string out = "loss " + short_text(loss);
  for (const auto& [name, value] : metrics) out += "  " + name + " " + short_text(value);
  return out;
}

Status check_writable(const std::string& path) {
  return path.empty() ? Status(Ok{}) : runtime::can_write(path);
}

}  // namespace tenon::command
