#include "driver/command/training.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "driver/train/trainer.h"
#include "pictures/pictures.h"
#include "runtime/file.h"
#include "runtime/load.h"
#include "runtime/safetensors.h"
#include "support/text.h"

namespace tenon::command {

void DataOptions::declare(Options& options, bool required, bool blocks) {
  options.text(
      "--data", &spec,
      "a folder (MNIST's or CIFAR's files, train.csv and test.csv, .npy columns, pictures), a file, or "
      "a generator: regression:rows=100,features=1,noise=0.1,seed=7, classification:..., "
      "digits:rows=5000,seed=1, shapes:rows=2000,seed=1",
      required);
  options.number("--label-offset", &label_offset, "added to the column y or label");
  if (blocks)
    options.text(
        "--memory", &memory,
        "512M: data that take more are read in blocks, ahead of what is computed; the bits stay. Read "
        "whole where left out");
}

namespace {

// "512M" as bytes; nothing where it is none.
std::optional<int64_t> parse_bytes(std::string_view text) {
  static constexpr std::string_view units = "KMGT";
  const size_t unit = text.empty() ? std::string_view::npos : units.find(text.back());
  if (unit != std::string_view::npos) text.remove_suffix(1);
  const std::optional<int64_t> number = parse_int(text);
  const int shift = unit == std::string_view::npos ? 0 : static_cast<int>(10 * (unit + 1));
  if (!number || *number < 1 || *number > (INT64_MAX >> shift)) return std::nullopt;
  return *number << shift;
}

// The column y or label with something added to it.
Result<runtime::DataSet> shift_labels(const runtime::DataSet& from, int64_t offset) {
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
          moved.as<From>()[i] = labels[i] + static_cast<From>(offset);
        } else {
          fits = !__builtin_add_overflow(static_cast<int64_t>(labels[i]), offset, &moved.as<int64_t>()[i]) &&
                 fits;
        }
      }
    });
    if (!fits)
      return usage_error("--label-offset " + std::to_string(offset) + ": a label of column " +
                         quote(column.name) + " passes the range of i64");
    TENON_TRY(out.replace(column.name, std::move(moved)));
  }
  return out;
}

std::shared_ptr<const runtime::Source> whole(runtime::DataSet data) {
  return std::make_shared<const runtime::DataSet>(std::move(data));
}

// In memory, where all rows take no more than `bytes`.
Result<std::shared_ptr<const runtime::Source>> bounded(std::shared_ptr<const runtime::Source> data,
                                                       int64_t bytes) {
  const int64_t first[] = {0};
  TENON_ASSIGN(const runtime::DataSet row, data->read(first));
  if (data->rows() > bytes / std::max<int64_t>(1, runtime::row_bytes(row))) return data;
  TENON_ASSIGN(runtime::DataSet all, runtime::read_all(*data));
  return whole(std::move(all));
}

}  // namespace

Result<int64_t> DataOptions::bytes() const {
  if (memory.empty()) return runtime::default_memory;
  if (const std::optional<int64_t> given = parse_bytes(memory)) return *given;
  return usage_error("--memory " + memory + " is no number of bytes", "--memory 512M, or 2G");
}

Result<runtime::Sources> DataOptions::open(const runtime::Cuts& cuts, const KeptData& kept) const {
  runtime::LoadOptions options;
  options.cuts = cuts;
  options.form = kept.known();
  options.classes = kept.classes;
  options.pictures = &pictures::codec();
  TENON_ASSIGN(const int64_t bound, bytes());
  runtime::Sources out;
  if (memory.empty()) {
    TENON_ASSIGN(runtime::TrainTest raw, runtime::load_raw(spec, options));
    out.train = whole(std::move(raw.train));
    if (raw.test) out.test = whole(std::move(*raw.test));
  } else {
    TENON_ASSIGN(out, runtime::open_data(spec, options));
    for (std::shared_ptr<const runtime::Source>* part : {&out.train, &out.test})
      if (*part != nullptr) {
        TENON_ASSIGN(*part, bounded(*part, bound));
      }
  }
  if (label_offset == 0) return out;
  for (std::shared_ptr<const runtime::Source>* part : {&out.train, &out.test}) {
    if (*part == nullptr) continue;
    if (const runtime::DataSet* all = (*part)->in_memory()) {
      TENON_ASSIGN(runtime::DataSet shifted, shift_labels(*all, label_offset));
      *part = whole(std::move(shifted));
    } else {
      *part = runtime::changed_rows(*part, [offset = label_offset](const runtime::DataSet& rows) {
        return shift_labels(rows, offset);
      });
    }
  }
  return out;
}

std::map<std::string, std::string> KeptData::metadata() const {
  std::map<std::string, std::string> out;
  if (form) out["data_form"] = form->text();
  if (!classes.empty()) out["classes"] = Json(classes).dump(-1, ' ', false, Json::error_handler_t::replace);
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
  if (const auto found = tensors.metadata.find("classes"); found != tensors.metadata.end()) {
    const Json names = Json::parse(found->second, nullptr, false);
    bool texts = names.is_array();
    for (const Json& name : names) texts = texts && name.is_string();
    if (!texts) return error(Code::file_corrupt, params + ": the classes kept are no list of names");
    out.classes = names.get<std::vector<std::string>>();
  }
  if (const auto found = tensors.metadata.find("held_out"); found != tensors.metadata.end())
    out.held_out = found->second;
  return out;
}

Result<runtime::Sources> divide(const std::shared_ptr<const runtime::Source>& data,
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
  if (data->rows() != *rows)
    return error(Code::data_shape,
                 "the rows held out are of " + std::to_string(*rows) + " rows, the data has " +
                     std::to_string(data->rows()),
                 "name the data that was trained on");
  // What is drawn first of a fraction is held out.
  Result<runtime::RowParts> parts =
      part ? runtime::fold_rows(*rows, *part, *folds, *seed) : runtime::split_rows(*rows, *fraction, *seed);
  if (!parts) return parts.take_errors();
  if (!part) std::swap(parts->first, parts->second);
  runtime::Sources out;
  TENON_ASSIGN(out.train, runtime::take_rows(data, std::move(parts->first)));
  TENON_ASSIGN(out.test, runtime::take_rows(data, std::move(parts->second)));
  return out;
}

Result<runtime::Sources> shaped(runtime::Sources raw, const runtime::TableForm* kept) {
  const runtime::DataSet* train = raw.train->in_memory();
  if (train == nullptr || train->form() == nullptr) return raw;
  runtime::TrainTest tables{*train, std::nullopt};
  if (raw.test != nullptr) tables.test = *raw.test->in_memory();
  TENON_ASSIGN(tables, runtime::shape_data(std::move(tables), kept));
  raw.train = whole(std::move(tables.train));
  if (tables.test) raw.test = whole(std::move(*tables.test));
  return raw;
}

const runtime::TableForm* form_of(const runtime::Source& data) {
  const runtime::DataSet* all = data.in_memory();
  return all == nullptr ? nullptr : all->form().get();
}

Result<std::vector<std::string>> class_names(const runtime::Source& data) {
  const int64_t first[] = {0};
  TENON_ASSIGN(const runtime::DataSet row, data.read(first));
  for (const runtime::Column& column : row.columns())
    if (!column.classes.empty() && (column.name == "y" || column.name == "label")) return column.classes;
  return std::vector<std::string>();
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
