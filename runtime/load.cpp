#include "runtime/load.h"

#include <algorithm>
#include <filesystem>
#include <span>
#include <system_error>

#include "runtime/csv.h"
#include "runtime/generate.h"
#include "runtime/idx.h"
#include "runtime/npy.h"
#include "support/text.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::error;
using support::Ok;
using support::Result;
using support::Status;
namespace fs = std::filesystem;

namespace {

// The key=value pairs behind a generator's name. Each key is taken by its reader; what is left over is
// unknown.
class Keys {
 public:
  static Result<Keys> parse(std::string_view name, std::string_view text) {
    Keys k;
    k.name_ = name;
    if (text.empty()) return k;
    for (std::string_view part : support::split(text, ',')) {
      const size_t equal = part.find('=');
      if (equal == std::string_view::npos || equal == 0)
        return error(Code::bad_option, k.name_ + ": " + support::quote(part) + " is not key=value",
                     "write " + k.name_ + ":key=value,key=value");
      Pair pair{std::string(support::trim(part.substr(0, equal))),
                std::string(support::trim(part.substr(equal + 1))), false};
      // A separator of `,` cuts itself in two: csv's default needs no key.
      for (const Pair& other : k.pairs_)
        if (other.key == pair.key)
          return error(Code::bad_option, k.name_ + ": " + support::quote(pair.key) + " is given twice");
      k.pairs_.push_back(std::move(pair));
    }
    return k;
  }
  const std::string* take(std::string_view key) {
    known_.push_back(key);
    for (Pair& p : pairs_)
      if (p.key == key) {
        p.taken = true;
        return &p.value;
      }
    return nullptr;
  }
  Status take(std::string_view key, int64_t* out) {
    const std::string* v = take(key);
    if (v == nullptr) return Ok{};
    const auto number = support::parse_int(*v);
    if (!number) return bad(key, *v, "a whole number");
    *out = *number;
    return Ok{};
  }
  Status take(std::string_view key, uint64_t* out) {
    const std::string* v = take(key);
    if (v == nullptr) return Ok{};
    const auto number = support::parse_unsigned(*v);
    if (!number) return bad(key, *v, "a whole number from 0 to 18446744073709551615");
    *out = *number;
    return Ok{};
  }
  Status take(std::string_view key, double* out) {
    const std::string* v = take(key);
    if (v == nullptr) return Ok{};
    const auto number = support::parse_double(*v);
    if (!number) return bad(key, *v, "a number");
    *out = *number;
    return Ok{};
  }
  // One of several words, as its index.
  template <class E>
  Status take(std::string_view key, std::initializer_list<std::pair<std::string_view, E>> words, E* out) {
    const std::string* v = take(key);
    if (v == nullptr) return Ok{};
    std::string all;
    for (const auto& [word, value] : words) {
      if (word == *v) {
        *out = value;
        return Ok{};
      }
      all += (all.empty() ? "" : " or ") + std::string(word);
    }
    return bad(key, *v, all);
  }
  // Those of the keys that are given, as text.
  std::string said(std::span<const std::string_view> keys) const {
    std::string out;
    for (const std::string_view key : keys)
      for (const Pair& p : pairs_)
        if (p.key == key) out += (out.empty() ? "" : ",") + p.key + "=" + p.value;
    return out;
  }
  Status done() const {
    for (const Pair& p : pairs_) {
      if (p.taken) continue;
      const std::string_view near = support::nearest(p.key, known_);
      std::string list;
      for (std::string_view k : known_) list += (list.empty() ? "" : ", ") + std::string(k);
      return error(Code::bad_option, name_ + ": there is no " + support::quote(p.key),
                   (near.empty() ? "" : "did you mean " + support::quote(near) + "? ") + "known: " + list);
    }
    return Ok{};
  }

 private:
  struct Pair {
    std::string key, value;
    bool taken;
  };
  Status bad(std::string_view key, const std::string& value, const std::string& want) const {
    return error(Code::bad_option, name_ + ": " + std::string(key) + "=" + value + " is not " + want);
  }
  std::string name_;
  std::vector<Pair> pairs_;
  std::vector<std::string_view> known_;
};

std::vector<std::string> names(const std::string* list) {
  std::vector<std::string> out;
  if (list != nullptr)
    for (std::string_view part : support::split(*list, '+')) out.emplace_back(support::trim(part));
  return out;
}

bool exists(const fs::path& path) {
  std::error_code code;
  return fs::exists(path, code);
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// `said`: the keys that chose columns, classes and scale.
Result<TrainTest> load_tables(const std::string& train_path, const std::string& test_path, CsvOptions options,
                              const std::string& said = {}) {
  TENON_ASSIGN(DataSet train, load_csv(train_path, options));
  if (options.form == nullptr) {
    TableForm form = *train.form();
    form.said = said;
    train.set_form(std::move(form));
  }
  TrainTest out{std::move(train), std::nullopt};
  if (!test_path.empty()) {
    // The same columns, and texts with the numbers that the training rows gave them.
    const std::shared_ptr<const TableForm> form = out.train.form();
    options.form = form.get();
    TENON_ASSIGN(DataSet test, load_csv(test_path, options));
    out.test = std::move(test);
  }
  return out;
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

Result<TrainTest> load_npy_folder(const std::string& folder, std::vector<std::string> files,
                                  const Cuts& cuts) {
  TrainTest out;
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    TENON_ASSIGN(Array a, read_npy(file));
    TENON_TRY(out.train.add(column_of(fs::path(file).stem().string(), std::move(a), file, cuts)));
  }
  if (out.train.rows() == 0) return at_file(Code::data_missing, folder, "the arrays have no rows");
  return out;
}

Result<TrainTest> load_folder(const std::string& folder, const Cuts& cuts, const CsvOptions& options) {
  if (is_idx_folder(folder)) return load_idx_folder(folder);
  for (const char* form : {".csv", ".csv.gz", ".tsv"}) {
    const std::string train = (fs::path(folder) / (std::string("train") + form)).string();
    const std::string test = (fs::path(folder) / (std::string("test") + form)).string();
    if (exists(train)) return load_tables(train, exists(test) ? test : "", options);
  }
  std::vector<std::string> arrays;
  std::error_code code;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
    if (it->path().extension() == ".npy") arrays.push_back(it->path().string());
  if (code) return at_file(Code::file_read, folder, "cannot read the folder");
  if (!arrays.empty()) return load_npy_folder(folder, std::move(arrays), cuts);
  return at_file(Code::data_missing, folder, "the folder holds no data that is known",
                 "expected train-images-idx3-ubyte(.gz) and its labels, or train.csv, or *.npy");
}

Result<TrainTest> load_file(const std::string& path, const Cuts& cuts, const CsvOptions& options) {
  if (ends_with(path, ".npy")) return one_column(read_npy(path), path, cuts);
  for (const char* form : {".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz"})
    if (ends_with(path, form)) return load_tables(path, "", options);
  if (ends_with(path, "-ubyte") || ends_with(path, "-ubyte.gz"))
    return one_column(read_idx(path), path, cuts);
  return at_file(Code::data_format, path, "the form of this file is not known by its name",
                 "known: .npy, .csv, .tsv, .txt (plain or .gz), -ubyte (plain or .gz); csv:path=" + path +
                     " reads it as a table");
}

Result<TrainTest> load_csv_spec(Keys keys, const TableForm* form) {
  CsvOptions o;
  o.form = form;
  const std::string* path = keys.take("path");
  const std::string* test = keys.take("test");
  if (path == nullptr) return error(Code::bad_option, "csv: path is missing", "csv:path=train.csv");
  if (const std::string* v = keys.take("target")) o.target = *v;
  o.columns = names(keys.take("columns"));
  o.without = names(keys.take("without"));
  o.classes = names(keys.take("classes"));
  if (const std::string* v = keys.take("separator")) {
    if (*v == "tab") {
      o.separator = '\t';
    } else if (v->size() == 1 && *v != "\"") {
      o.separator = (*v)[0];
    } else {
      return error(Code::bad_option, "csv: separator=" + *v + " is not one character or tab");
    }
  }
  using H = CsvOptions::Header;
  TENON_TRY(keys.take<H>("header", {{"detect", H::detect}, {"yes", H::yes}, {"no", H::no}}, &o.header));
  using M = CsvOptions::Missing;
  TENON_TRY(keys.take<M>("missing", {{"refuse", M::refuse}, {"drop", M::drop}, {"nan", M::nan}}, &o.missing));
  using T = CsvOptions::Text;
  TENON_TRY(keys.take<T>(
      "text", {{"refuse", T::refuse}, {"classes", T::classes}, {"onehot", T::onehot}, {"skip", T::skip}},
      &o.text));
  TENON_TRY(keys.take<bool>("standardize", {{"yes", true}, {"no", false}}, &o.standardize));
  using L = CsvOptions::Target;
  TENON_TRY(keys.take<L>(
      "labels", {{"detect", L::detect}, {"number", L::number}, {"classes", L::classes}, {"none", L::none}},
      &o.target_kind));
  TENON_TRY(keys.done());
  static constexpr std::string_view choosing[] = {"target", "columns", "without",    "classes",
                                                  "text",   "labels",  "standardize"};
  const std::string said = keys.said(choosing);
  if (form != nullptr && !said.empty() && said != form->said)
    return error(Code::bad_option,
                 "csv: " + said + ", but the parameters were trained with " +
                     (form->said.empty() ? "none of these keys" : form->said),
                 "leave them out: the data form kept with the parameters says them");
  return load_tables(*path, test != nullptr ? *test : "", o, said);
}

Result<TrainTest> generate(std::string_view name, Keys keys, const TableForm* form) {
  if (name == "csv") return load_csv_spec(std::move(keys), form);
  if (name == "digits") {
    DigitsOptions o;
    TENON_TRY(keys.take("rows", &o.rows));
    TENON_TRY(keys.take("test", &o.test));
    TENON_TRY(keys.take("seed", &o.seed));
    TENON_TRY(keys.done());
    return make_digits(o);
  }
  TrainTest out;
  if (name == "regression") {
    RegressionOptions o;
    TENON_TRY(keys.take("rows", &o.rows));
    TENON_TRY(keys.take("features", &o.features));
    TENON_TRY(keys.take("noise", &o.noise));
    TENON_TRY(keys.take("seed", &o.seed));
    TENON_TRY(keys.done());
    TENON_ASSIGN(out.train, make_regression(o));
  } else {
    ClassificationOptions o;
    TENON_TRY(keys.take("rows", &o.rows));
    TENON_TRY(keys.take("features", &o.features));
    TENON_TRY(keys.take("classes", &o.classes));
    TENON_TRY(keys.take("separation", &o.separation));
    TENON_TRY(keys.take("seed", &o.seed));
    TENON_TRY(keys.done());
    TENON_ASSIGN(out.train, make_classification(o));
  }
  return out;
}

}  // namespace

Result<TrainTest> load_data(const std::string& spec, const Cuts& cuts) {
  TENON_ASSIGN(TrainTest raw, load_raw(spec, cuts));
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

Result<TrainTest> load_raw(const std::string& spec, const Cuts& cuts, const TableForm* form) {
  CsvOptions options;
  options.form = form;
  if (spec.empty())
    return error(Code::bad_option, "--data is empty", "name a folder, a file, or digits:rows=5000");
  std::error_code code;
  if (fs::is_directory(spec, code)) return load_folder(spec, cuts, options);
  if (exists(spec)) return load_file(spec, cuts, options);
  static constexpr std::string_view generators[] = {"regression", "classification", "digits", "csv"};
  const size_t colon = spec.find(':');
  const std::string_view name = std::string_view(spec).substr(0, colon);
  for (std::string_view g : generators)
    if (g == name) {
      TENON_ASSIGN(
          Keys keys,
          Keys::parse(g, colon == std::string::npos ? "" : std::string_view(spec).substr(colon + 1)));
      return generate(g, std::move(keys), form);
    }
  const std::string_view near = support::nearest(name, generators);
  return at_file(Code::file_missing, spec, "there is no such file or folder",
                 near.empty() ? "name a folder, a file, or a generator: regression, classification, digits"
                              : "did you mean " + std::string(near) + ":? ");
}

}  // namespace tenon::runtime
