#include "runtime/load.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "runtime/cifar.h"
#include "runtime/described.h"
#include "runtime/idx.h"
#include "runtime/npy.h"
#include "runtime/picture_folder.h"
#include "support/text.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::error;
using support::Result;
namespace fs = std::filesystem;

namespace {

bool exists(const fs::path& path) {
  std::error_code code;
  return fs::exists(path, code);
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

Column column_of(std::string name, Array array, const std::string& path, const Cuts& cuts) {
  Column out{std::move(name), std::make_shared<const Array>(std::move(array)), path, {}};
  if (const auto found = cuts.find(out.name); found != cuts.end()) out.axes = found->second;
  return out;
}

Result<TrainTest> one_column(Result<Array> array, const std::string& path, const Cuts& cuts) {
  TENON_ASSIGN(Array a, std::move(array));
  TrainTest out;
  TENON_TRY(out.train.add(column_of("x", std::move(a), path, cuts)));
  if (out.train.rows() == 0) return at_file(Code::data_missing, path, "the file has no rows");
  return out;
}

std::string column_name(const std::string& file) { return fs::path(file).stem().string(); }

Result<TrainTest> load_npy_folder(const std::string& folder, const std::vector<std::string>& files,
                                  const Cuts& cuts) {
  TrainTest out;
  for (const std::string& file : files) {
    TENON_ASSIGN(Array a, read_npy(file));
    TENON_TRY(out.train.add(column_of(column_name(file), std::move(a), file, cuts)));
  }
  if (out.train.rows() == 0) return at_file(Code::data_missing, folder, "the arrays have no rows");
  return out;
}

// What a path names.
enum class Kind : uint8_t { idx_folder, cifar_folder, table, npy_folder, picture_folder, npy, idx, cifar };
struct Named {
  Kind kind;
  std::vector<std::string> files = {};  // table: train and test; npy_folder: its arrays, by name
};

Result<Named> find_in_folder(const std::string& folder) {
  if (is_idx_folder(folder)) return Named{Kind::idx_folder};
  if (is_cifar_folder(folder)) return Named{Kind::cifar_folder};
  for (const char* form : {".csv", ".csv.gz", ".tsv"}) {
    const std::string train = (fs::path(folder) / (std::string("train") + form)).string();
    const std::string test = (fs::path(folder) / (std::string("test") + form)).string();
    if (exists(train)) return Named{Kind::table, {train, exists(test) ? test : ""}};
  }
  Named arrays{Kind::npy_folder};
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
    if (it->path().extension() == ".npy") arrays.files.push_back(it->path().string());
  if (code) return at_file(Code::file_read, folder, "cannot read the folder");
  std::sort(arrays.files.begin(), arrays.files.end());
  if (!arrays.files.empty()) return arrays;
  if (is_picture_folder(folder)) return Named{Kind::picture_folder};
  return at_file(Code::data_missing, folder, "the folder holds no data that is known",
                 "expected train-images-idx3-ubyte(.gz) and its labels, data_batch_1.bin, train.csv, *.npy, "
                 "or pictures, in it or in a folder for each class");
}

Result<Named> find_by_name(const std::string& path) {
  if (ends_with(path, ".npy")) return Named{Kind::npy};
  for (const char* form : {".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz"})
    if (ends_with(path, form)) return Named{Kind::table, {path, ""}};
  if (ends_with(path, "-ubyte") || ends_with(path, "-ubyte.gz")) return Named{Kind::idx};
  if (ends_with(path, ".bin") || ends_with(path, ".bin.gz")) return Named{Kind::cifar};
  if (picture_form(path))
    return at_file(Code::data_format, path, "a picture by itself is no data set",
                   "name the folder that it is in; run takes one picture as --input image=@" + path);
  return at_file(Code::data_format, path, "the form of this file is not known by its name",
                 "known: .npy, .csv, .tsv, .txt (plain or .gz), -ubyte and .bin of CIFAR (plain or .gz); "
                 "csv:path=" +
                     path + " reads it as a table");
}

Result<TrainTest> in_memory(Result<Sources> opened) {
  if (!opened) return opened.take_errors();
  TrainTest out;
  TENON_ASSIGN(out.train, read_all(*opened->train));
  if (opened->test != nullptr) {
    TENON_ASSIGN(out.test, read_all(*opened->test));
  }
  return out;
}

// A file as one part, of which none is held out.
Result<Sources> one_part(Result<std::shared_ptr<const Source>> opened) {
  if (!opened) return opened.take_errors();
  return Sources{std::move(*opened), nullptr};
}

Result<Sources> open_named(const std::string& path, const Named& named, const LoadOptions& options) {
  switch (named.kind) {
    case Kind::idx_folder:
      return open_idx_folder(path);
    case Kind::cifar_folder:
      return open_cifar_folder(path);
    case Kind::picture_folder:
      return open_picture_folder(path, options.pictures, options.classes);
    case Kind::npy_folder: {
      std::vector<NpyColumn> columns;
      for (const std::string& file : named.files) columns.push_back({column_name(file), file});
      return one_part(open_npy(columns, options.cuts));
    }
    case Kind::npy:
      return one_part(open_npy({{"x", path}}, options.cuts));
    case Kind::idx:
      return one_part(open_idx(path, options.cuts));
    case Kind::cifar:
      return one_part(open_cifar_file(path));
    case Kind::table:
      break;
  }
  return at_file(Code::bad_option, path, "a table is read whole: it cannot be read in blocks",
                 "leave the bound of memory out, or store the columns as .npy");
}

Result<TrainTest> load_named(const std::string& path, const Named& named, const LoadOptions& options) {
  switch (named.kind) {
    case Kind::idx_folder:
      return load_idx_folder(path);
    case Kind::cifar_folder:
    case Kind::picture_folder:
    case Kind::cifar:
      return in_memory(open_named(path, named, options));
    case Kind::npy_folder:
      return load_npy_folder(path, named.files, options.cuts);
    case Kind::npy:
      return one_column(read_npy(path), path, options.cuts);
    case Kind::idx:
      return one_column(read_idx(path), path, options.cuts);
    case Kind::table:
      break;
  }
  CsvOptions csv;
  csv.form = options.form;
  return load_tables(named.files[0], named.files[1], csv);
}

Result<Sources> open_cifar(Cifar kind, Keys keys) {
  const std::string* path = keys.take("path");
  TENON_TRY(keys.done());
  const std::string name = kind == Cifar::ten ? "cifar10" : "cifar100";
  if (path == nullptr) return error(Code::bad_option, name + ": path is missing", name + ":path=data.bin");
  std::error_code code;
  if (fs::is_directory(*path, code)) return open_cifar_folder(*path);
  return one_part(open_cifar_file(*path, kind));
}

// What a data description says: a path with what it names, or a name with its keys.
struct Described {
  std::optional<Named> path;
  std::string name;
  Keys keys;

  std::optional<Cifar> cifar() const {
    if (name == "cifar10") return Cifar::ten;
    if (name == "cifar100") return Cifar::hundred;
    return std::nullopt;
  }
};

Result<Described> describe(const std::string& spec) {
  Described out;
  if (spec.empty())
    return error(Code::bad_option, "--data is empty", "name a folder, a file, or digits:rows=5000");
  std::error_code code;
  if (fs::is_directory(spec, code)) {
    TENON_ASSIGN(out.path, find_in_folder(spec));
    return out;
  }
  if (exists(spec)) {
    TENON_ASSIGN(out.path, find_by_name(spec));
    return out;
  }
  static constexpr std::string_view known[] = {"regression", "classification", "digits",  "shapes",
                                               "csv",        "cifar10",        "cifar100"};
  const size_t colon = spec.find(':');
  const std::string_view name = std::string_view(spec).substr(0, colon);
  if (std::find(std::begin(known), std::end(known), name) == std::end(known)) {
    const std::string_view near = support::nearest(name, known);
    return at_file(Code::file_missing, spec, "there is no such file or folder",
                   near.empty()
                       ? "name a folder, a file, or a generator: regression, classification, digits, shapes"
                       : "did you mean " + std::string(near) + ":? ");
  }
  out.name = name;
  TENON_ASSIGN(out.keys,
               Keys::parse(name, colon == std::string::npos ? "" : std::string_view(spec).substr(colon + 1)));
  return out;
}

}  // namespace

Result<TrainTest> load_data(const std::string& spec, const LoadOptions& options) {
  TENON_ASSIGN(TrainTest raw, load_raw(spec, options));
  return shape_data(std::move(raw));
}

Result<TrainTest> shape_data(TrainTest raw, const TableForm* kept) {
  if (raw.train.form() == nullptr) return raw;
  const TableForm form = kept != nullptr ? *kept : fit_form(*raw.train.form(), raw.train);
  TENON_ASSIGN(raw.train, shape_rows(form, raw.train));
  raw.train.set_form(form);
  if (raw.test) {
    TENON_ASSIGN(raw.test, shape_rows(form, *raw.test));
    raw.test->set_form(form);
  }
  return raw;
}

Result<TrainTest> load_raw(const std::string& spec, const LoadOptions& options) {
  TENON_ASSIGN(Described data, describe(spec));
  if (data.path) return load_named(spec, *data.path, options);
  if (const auto kind = data.cifar()) return in_memory(open_cifar(*kind, std::move(data.keys)));
  return load_described(data.name, std::move(data.keys), options.form);
}

Result<Sources> open_data(const std::string& spec, const LoadOptions& options) {
  TENON_ASSIGN(Described data, describe(spec));
  if (data.path) return open_named(spec, *data.path, options);
  if (const auto kind = data.cifar()) return open_cifar(*kind, std::move(data.keys));
  return error(
      Code::bad_option,
      data.name + (data.name == "csv" ? " is read" : " is made") + " whole: it cannot be read in blocks",
      "leave the bound of memory out");
}

}  // namespace tenon::runtime
