#include "driver/command/training.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "driver/train/trainer.h"
#include "runtime/file.h"
#include "runtime/load.h"
#include "runtime/safetensors.h"
#include "support/text.h"

namespace tenon::command {

void DataOptions::declare(Options& options, bool required) {
  options.text("--data", &spec,
               "a folder (MNIST's files, train.csv and test.csv, .npy columns), a file, or a generator: "
               "regression:rows=100,features=1,noise=0.1,seed=7, classification:..., digits:rows=5000,seed=1",
               required);
  options.number("--label-offset", &label_offset, "added to the column y or label");
}

Result<runtime::TrainTest> DataOptions::load(const runtime::Cuts& cuts,
                                             const runtime::TableForm* form) const {
  TENON_ASSIGN(runtime::TrainTest data, runtime::load_raw(spec, cuts, form));
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
      bool fits = true;
      with_dtype(a.dtype(), [&]<class From>() {
        const std::span<const From> labels = a.as<From>();
        for (size_t i = 0; i < labels.size(); ++i) {
          if constexpr (std::is_floating_point_v<From>) {
            moved.as<From>()[i] = labels[i] + static_cast<From>(label_offset);
          } else {
            fits = !__builtin_add_overflow(static_cast<int64_t>(labels[i]), label_offset,
                                           &moved.as<int64_t>()[i]) &&
                   fits;
          }
        }
      });
      if (!fits)
        return usage_error("--label-offset " + std::to_string(label_offset) + ": a label of column " +
                           quote(column.name) + " passes the range of i64");
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

std::map<std::string, std::string> KeptData::metadata() const {
  std::map<std::string, std::string> out;
  if (form) out["data_form"] = form->text();
  if (!held_out.empty()) out["held_out"] = held_out;
  return out;
}

Result<KeptData> KeptData::read(const std::string& params) {
  KeptData out;
  if (params.empty()) return out;
  TENON_ASSIGN(const runtime::Tensors tensors, runtime::read_safetensors(params));
  if (const auto found = tensors.metadata.find("data_form"); found != tensors.metadata.end()) {
    TENON_ASSIGN(out.form, runtime::TableForm::parse(found->second));
  }
  if (const auto found = tensors.metadata.find("held_out"); found != tensors.metadata.end())
    out.held_out = found->second;
  return out;
}

Result<std::pair<runtime::DataSet, runtime::DataSet>> divide(const runtime::DataSet& data,
                                                             const std::string& held_out) {
  std::map<std::string_view, std::string_view> keys;
  for (const std::string_view part : split(held_out, ',')) {
    const size_t equal = part.find('=');
    if (equal != std::string_view::npos) keys[part.substr(0, equal)] = part.substr(equal + 1);
  }
  const auto seed = parse_unsigned(keys["seed"]);
  const auto rows = parse_int(keys["rows"]);
  const std::string_view fold = keys["fold"];
  const auto fraction = parse_double(keys["fraction"]);
  const size_t slash = fold.find('/');
  const auto part = parse_int(fold.substr(0, slash));
  const auto folds = slash == std::string_view::npos ? std::nullopt : parse_int(fold.substr(slash + 1));
  if (!seed || !rows || (!fraction && !(part && folds)))
    return error(Code::file_corrupt, "the rows held out are not told: " + quote(held_out));
  if (data.rows() != *rows)
    return error(Code::data_shape,
                 "the rows held out are of " + std::to_string(*rows) + " rows, the data has " +
                     std::to_string(data.rows()),
                 "name the data that was trained on");
  if (part) return data.fold(*part, *folds, *seed);
  TENON_ASSIGN(auto parts, data.split(*fraction, *seed));
  return std::pair<runtime::DataSet, runtime::DataSet>(std::move(parts.second), std::move(parts.first));
}

Host::Host(int64_t threads) {
  if (threads == 1) return;
  pool_ = std::make_unique<runtime::Pool>(static_cast<uint32_t>(threads));
  parallel_ = pool_->parallel();
}

Errors with_label_mend(Errors errors) {
  for (Diagnostic& d : errors.list)
    if (std::find(d.notes.begin(), d.notes.end(), driver::counts_from_one) != d.notes.end())
      d.help = "--label-offset -1" + (d.help.empty() ? "" : ". " + d.help);
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
