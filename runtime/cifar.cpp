#include "runtime/cifar.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "runtime/records.h"
#include "support/text.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::DType;
using support::Result;
namespace fs = std::filesystem;

namespace {

constexpr size_t side = 32, plane = side * side, channels = 3;

struct Form {
  size_t labels;
  int64_t classes[2];  // of each label byte
  std::string_view columns[2], names[2];
  size_t record() const { return labels + channels * plane; }
};
constexpr Form forms[] = {
    {1, {10, 0}, {"label", ""}, {"batches.meta.txt", ""}},
    {2, {20, 100}, {"coarse", "label"}, {"coarse_label_names.txt", "fine_label_names.txt"}}};
const Form& form_of(Cifar kind) { return forms[static_cast<size_t>(kind)]; }

// The lines of a file of names; empty where it is not there or names another number of classes.
std::vector<std::string> class_names(const std::string& file, int64_t count) {
  std::vector<std::string> out;
  if (::access(file.c_str(), R_OK) != 0) return out;
  const Result<std::string> text = read_file(file, uint64_t{1} << 20);
  if (!text) return out;
  for (const std::string_view line : support::split(*text, '\n'))
    if (const std::string_view name = support::trim(line); !name.empty()) out.emplace_back(name);
  if (static_cast<int64_t>(out.size()) != count) out.clear();
  return out;
}

class CifarSource : public Source {
 public:
  static Result<std::shared_ptr<const Source>> open(const std::vector<std::string>& paths, Cifar kind) {
    auto out = std::make_shared<CifarSource>();
    out->form_ = &form_of(kind);
    for (const std::string& path : paths) {
      TENON_ASSIGN(RecordFile file, RecordFile::open(path, "cifar", 0, out->form_->record()));
      out->rows_ += file.count();
      out->ends_.push_back(out->rows_);
      out->files_.push_back(std::move(file));
    }
    if (out->rows_ == 0) return at_file(Code::data_missing, paths.front(), "cifar: the file has no rows");
    const std::string folder = fs::path(paths.front()).parent_path().string();
    for (size_t i = 0; i < out->form_->labels; ++i)
      out->classes_[i] = class_names(
          (folder.empty() ? "." : folder) + "/" + std::string(out->form_->names[i]), out->form_->classes[i]);
    return std::shared_ptr<const Source>(std::move(out));
  }

  int64_t rows() const override { return rows_; }

  Result<DataSet> read(std::span<const int64_t> rows) const override {
    const auto count = static_cast<int64_t>(rows.size());
    const Form& form = *form_;
    Array image(DType::u8, {count, side, side, channels});
    Array labels[2] = {Array(DType::i32, {count}), Array(DType::i32, {count})};
    std::vector<std::string> files(rows.size());
    // A piece at a time: the records as they are take no more memory than that.
    constexpr size_t piece = 1024;
    std::vector<std::byte> raw(std::min(piece, rows.size()) * form.record());
    for (size_t begin = 0; begin < rows.size(); begin += piece) {
      const std::span<const int64_t> part = rows.subspan(begin, std::min(piece, rows.size() - begin));
      TENON_TRY(read_records(part, raw.data()));
      for (size_t i = 0; i < part.size(); ++i) {
        const std::byte* record = raw.data() + i * form.record();
        const RecordFile& file = files_[file_of(part[i])];
        files[begin + i] = file.path();
        for (size_t l = 0; l < form.labels; ++l) {
          const auto label = static_cast<int32_t>(record[l]);
          if (label >= form.classes[l])
            return at_file(Code::data_format, file.path(),
                           "cifar: row " + std::to_string(part[i] - first_of(file_of(part[i]))) +
                               " has label " + std::to_string(label) + " of " +
                               std::to_string(form.classes[l]) + " classes",
                           "the file is damaged, or of another form");
          labels[l].as<int32_t>()[begin + i] = label;
        }
        uint8_t* to = image.as<uint8_t>().data() + (begin + i) * channels * plane;
        for (size_t c = 0; c < channels; ++c)
          for (size_t p = 0; p < plane; ++p)
            to[p * channels + c] = static_cast<uint8_t>(record[form.labels + c * plane + p]);
      }
    }
    return columns(std::move(image), labels, std::move(files));
  }

 private:
  size_t file_of(int64_t row) const {
    return static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), row) - ends_.begin());
  }
  int64_t first_of(size_t file) const { return file == 0 ? 0 : ends_[file - 1]; }

  // Runs of rows in one file are read from it together.
  support::Status read_records(std::span<const int64_t> rows, std::byte* to) const {
    for (size_t begin = 0; begin < rows.size();) {
      if (rows[begin] < 0 || rows[begin] >= rows_)
        return support::error(Code::index_range, "row " + std::to_string(rows[begin]) + " of " +
                                                     std::to_string(rows_) + " rows");
      const size_t file = file_of(rows[begin]);
      std::vector<int64_t> numbers;
      while (begin + numbers.size() < rows.size() && rows[begin + numbers.size()] >= first_of(file) &&
             rows[begin + numbers.size()] < ends_[file])
        numbers.push_back(rows[begin + numbers.size()] - first_of(file));
      TENON_TRY(files_[file].read(numbers, to + begin * form_->record()));
      begin += numbers.size();
    }
    return support::Ok{};
  }

  Result<DataSet> columns(Array image, Array (&labels)[2], std::vector<std::string> files) const {
    DataSet out;
    Column pictures{"image", std::make_shared<const Array>(std::move(image)), files_.front().path(), {}};
    pictures.picture = true;
    TENON_TRY(out.add(std::move(pictures)));
    // The label that is learned first: it feeds a model's second input by its name.
    for (size_t l = form_->labels; l-- > 0;)
      TENON_TRY(
          out.add(Column{std::string(form_->columns[l]), std::make_shared<const Array>(std::move(labels[l])),
                         files_.front().path(), classes_[l]}));
    out.set_files(std::move(files));
    return out;
  }

  const Form* form_ = nullptr;
  std::vector<RecordFile> files_;
  std::vector<int64_t> ends_;  // rows up to the end of each file
  int64_t rows_ = 0;
  std::vector<std::string> classes_[2];
};

// Files of the folder whose names begin so and end in .bin or .bin.gz, in the order of their names.
std::vector<std::string> batches(const std::string& folder, std::string_view start) {
  std::vector<std::string> out;
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, code)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(start) && (name.ends_with(".bin") || name.ends_with(".bin.gz")))
      out.push_back(entry.path().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}
// The one file of that name, plain or compressed.
std::vector<std::string> one(const std::string& folder, const std::string& name) {
  for (const char* end : {".bin", ".bin.gz"})
    if (const fs::path path = fs::path(folder) / (name + end); ::access(path.c_str(), F_OK) == 0)
      return {path.string()};
  return {};
}

// Whether the labels of the file's first rows are those of this form.
Result<bool> labels_fit(const RecordFile& file, const Form& form) {
  const int64_t looked = std::min<int64_t>(file.count(), 256);
  std::vector<std::byte> raw(static_cast<size_t>(looked) * form.record());
  TENON_TRY(file.read(row_order(looked, {}), raw.data()));
  for (int64_t i = 0; i < looked; ++i)
    for (size_t l = 0; l < form.labels; ++l)
      if (static_cast<int64_t>(raw[static_cast<size_t>(i) * form.record() + l]) >= form.classes[l])
        return false;
  return true;
}

Result<Cifar> kind_of(const std::string& path) {
  TENON_ASSIGN(const RecordFile bytes, RecordFile::open(path, "cifar", 0, 1));
  std::optional<Cifar> found;
  for (const Cifar kind : {Cifar::ten, Cifar::hundred}) {
    const size_t record = form_of(kind).record();
    if (bytes.count() == 0 || static_cast<size_t>(bytes.count()) % record != 0) continue;
    TENON_ASSIGN(const RecordFile file, RecordFile::open(path, "cifar", 0, record));
    TENON_ASSIGN(const bool fits, labels_fit(file, form_of(kind)));
    if (!fits) continue;
    if (found)
      return at_file(Code::data_format, path, "cifar: the file may be of CIFAR-10 or CIFAR-100",
                     "cifar10:path=" + path + " or cifar100:path=" + path);
    found = kind;
  }
  if (found) return *found;
  return at_file(Code::data_format, path,
                 "the file is neither of CIFAR-10 (records of 3073 bytes with labels 0..9) nor of CIFAR-100 "
                 "(3074 bytes, labels 0..19 and 0..99)",
                 "the file is truncated, or of another form");
}

}  // namespace

bool is_cifar_folder(const std::string& folder) {
  return !batches(folder, "data_batch").empty() || !one(folder, "train").empty() ||
         !batches(folder, "test_batch").empty();
}

Result<Sources> open_cifar_folder(const std::string& folder) {
  std::vector<std::string> train = batches(folder, "data_batch"), test = batches(folder, "test_batch");
  const bool ten = !train.empty() || !test.empty();
  if (!ten) train = one(folder, "train"), test = one(folder, "test");
  const Cifar kind = ten ? Cifar::ten : Cifar::hundred;
  if (train.empty())
    return at_file(Code::file_missing, folder, "the folder has no data_batch*.bin or data_batch*.bin.gz",
                   "copy the files there, or name one file");
  Sources out;
  TENON_ASSIGN(out.train, CifarSource::open(train, kind));
  if (!test.empty()) {
    TENON_ASSIGN(out.test, CifarSource::open(test, kind));
  }
  return out;
}

Result<std::shared_ptr<const Source>> open_cifar_file(const std::string& path, std::optional<Cifar> kind) {
  if (!kind) {
    TENON_ASSIGN(kind, kind_of(path));
  }
  return CifarSource::open({path}, *kind);
}

}  // namespace tenon::runtime
