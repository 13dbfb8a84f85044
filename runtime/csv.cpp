#include "runtime/csv.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <span>
#include <utility>

#include "runtime/csv_records.h"
#include "runtime/gzip.h"
#include "support/number.h"
#include "support/text.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::Diagnostic;
using support::DType;
using support::Errors;
using support::Fit;
using support::Ok;
using support::read_number;
using support::Result;
using support::Status;

namespace {

constexpr size_t max_errors = 10;
constexpr size_t max_classes = size_t{1} << 20;

// The first of a list's words, and how many more there are.
std::string some_of(const std::vector<std::string>& words) {
  constexpr size_t shown = 8;
  const size_t n = std::min(words.size(), shown);
  std::string out = support::join(std::span(words).first(n), ", ");
  if (words.size() > n) out += " and " + std::to_string(words.size() - n) + " more";
  return out;
}

char detect_separator(std::string_view text) {
  const std::string_view first = text.substr(0, text.find_first_of("\r\n"));
  char best = ',';
  ptrdiff_t most = 0;
  for (char c : {',', ';', '\t'}) {
    const ptrdiff_t n = std::count(first.begin(), first.end(), c);
    if (n > most) best = c, most = n;
  }
  return best;
}

// Whether a field is a number, of any size.
bool is_number(std::string_view field) {
  float ignored;
  const Fit fit = read_number(support::trim(field), &ignored);
  return fit == Fit::fits || fit == Fit::small || fit == Fit::large;
}

// Digits alone, as a number that stands for a name is written.
bool is_plain_number(std::string_view field) {
  return !field.empty() && field.find_first_not_of("0123456789") == std::string_view::npos;
}

bool missing_number(std::string_view field) {
  field = support::trim(field);
  for (std::string_view word : {"", "?", "NA", "N/A", "nan", "NaN", "null"})
    if (field == word) return true;
  return false;
}

struct Source {
  size_t field = 0;  // index within a record
  bool text = false;
  std::vector<std::string> classes;  // for text; sorted, unless they are given
  bool given = false;                // what it holds is settled
};

class Loader {
 public:
  Loader(std::string_view text, const std::string& name, const CsvOptions& options)
      : text_(text), name_(name), options_(options) {
    separator_ = options.separator != 0 ? options.separator : detect_separator(text);
  }

  Result<DataSet> load() {
    TENON_TRY(read_header());
    TENON_TRY(choose());
    TENON_TRY(survey());
    return fill();
  }

 private:
  Diagnostic at(Code code, uint32_t line, std::string message, std::string help = {}) const {
    return at_file(code, name_, std::move(message), std::move(help), line);
  }
  std::string column_name(size_t field) const {
    return field < names_.size() && !names_[field].empty() ? names_[field] : std::to_string(field + 1);
  }
  Diagnostic value_error(uint32_t line, size_t field, std::string message, std::string help) {
    Diagnostic d = at(Code::data_value, line, std::move(message), std::move(help));
    const bool named = field < names_.size() && !names_[field].empty();
    d.excerpt = "column " + (named ? support::quote(names_[field]) : std::to_string(field + 1));
    if (!std::exchange(rule_told_, true) && !rule_.empty()) d.notes.push_back(rule_);
    return d;
  }
  // False once enough are collected.
  bool report(Diagnostic d) {
    errors_.add(std::move(d));
    if (errors_.list.size() < max_errors) return true;
    errors_.list.back().notes.push_back("reading stopped after " + std::to_string(max_errors) + " errors");
    return false;
  }
  Diagnostic broken(const Records& records) const {
    return at(Code::data_format, records.broken_line(), std::string("csv: ") + records.problem());
  }

  // Skips what stands before the data rows; the columns' names and number come from it.
  Records start() const {
    Records records(text_, separator_);
    if (has_header_) records.next();
    return records;
  }

  Status read_header() {
    Records records(text_, separator_);
    const auto first = records.next();
    if (first == Records::Next::broken) return broken(records);
    if (first == Records::Next::end) return at(Code::data_missing, 0, "the file has no rows");
    width_ = records.size();
    header_line_ = records.line();
    std::vector<std::string> row;
    for (size_t i = 0; i < width_; ++i) row.emplace_back(support::trim(records.field(i)));
    if (options_.header == CsvOptions::Header::detect) {
      TENON_TRY(detect_header(row, records));
    } else {
      has_header_ = options_.header == CsvOptions::Header::yes;
    }
    if (has_header_) names_ = std::move(row);
    return Ok{};
  }

  // The rule of CsvOptions::Header::detect. `rule_` tells how it came out.
  Status detect_header(const std::vector<std::string>& row, Records& records) {
    const auto word = [](std::string_view field) { return !is_number(field) && !missing_number(field); };
    bool names = true, counted = row.size() > 2;
    size_t first = row[0].empty() ? 1 : 0;
    for (size_t i = 0; i < row.size(); ++i) {
      names = names && (!is_number(row[i]) || is_plain_number(row[i]));
      counted = counted && (i < first || row[i] == std::to_string(i - first));
    }
    const std::string line = "line " + std::to_string(header_line_);
    const auto second = records.next();
    if (second == Records::Next::broken) return broken(records);
    if (second == Records::Next::end) {
      // A single row of words can only be a header.
      has_header_ = std::all_of(row.begin(), row.end(), word);
      return Ok{};
    }
    if (counted && first == 1) {
      // An array with its index, as pandas writes it.
      has_header_ = true;
      rule_ = line + " is taken as the header: it is empty in front and then counts 0, 1, 2, ... header=no " +
              "reads it as a row";
      return Ok{};
    }
    if (counted)
      return at(
          Code::data_format, header_line_,
          "csv: the row counts 0, 1, 2, ...: names of columns as pandas writes them, or a row of numbers",
          "csv:path=" + name_ + ",header=yes takes it as names, header=no as numbers");
    size_t column = width_;
    for (size_t i = 0; names && i < std::min(width_, records.size()) && column == width_; ++i)
      if (word(row[i]) && is_number(records.field(i))) column = i;
    has_header_ = column != width_;
    rule_ = has_header_ ? line + " is taken as the header: it has the word " + support::quote(row[column]) +
                              " where line " + std::to_string(records.line()) +
                              " has a number. header=no reads it as a row"
                        : line + " is taken as a row: a header has a word where the next row has a number, " +
                              "and words and plain whole numbers beside it. header=yes reads it as names";
    return Ok{};
  }

  Result<size_t> field_of(const std::string& wanted, const char* option) const {
    std::vector<std::string_view> known(names_.begin(), names_.end());
    size_t found = width_;
    for (size_t i = 0; i < names_.size(); ++i)
      if (names_[i] == wanted) {
        if (found != width_)
          return at(Code::data_format, header_line_, "csv: two columns are named " + support::quote(wanted),
                    "name it by its number");
        found = i;
      }
    if (found != width_) return found;
    const auto number = support::parse_int(wanted);
    if (number && *number >= 1 && *number <= static_cast<int64_t>(width_))
      return static_cast<size_t>(*number - 1);
    const std::string_view near = support::nearest(wanted, known);
    std::string help = near.empty() ? "" : "did you mean " + support::quote(near) + "? ";
    if (names_.empty()) {
      help += "it has columns 1.." + std::to_string(width_) + " and no header";
    } else {
      std::vector<std::string> some(names_.begin(),
                                    names_.begin() + std::min<ptrdiff_t>(12, std::ssize(names_)));
      if (some.size() < names_.size()) some.emplace_back("...");
      help += "it has " + support::join(some, ", ");
    }
    return at(Code::bad_option, has_header_ ? header_line_ : 0,
              std::string("csv: ") + option + " " + support::quote(wanted) + " names no column", help);
  }

  Status choose() {
    if (options_.form != nullptr) return choose_by(*options_.form);
    have_target_ = options_.target_kind != CsvOptions::Target::none;
    target_.field = width_ - 1;
    if (have_target_ && !options_.target.empty()) {
      TENON_ASSIGN(target_.field, field_of(options_.target, "target"));
    }
    std::vector<bool> out(width_, false);
    if (have_target_) out[target_.field] = true;
    for (const std::string& name : options_.without) {
      TENON_ASSIGN(const size_t f, field_of(name, "without"));
      out[f] = true;
    }
    if (options_.columns.empty()) {
      for (size_t i = 0; i < width_; ++i)
        if (!out[i]) features_.push_back({i, false, {}});
    }
    for (const std::string& name : options_.columns) {
      TENON_ASSIGN(const size_t f, field_of(name, "column"));
      features_.push_back({f, false, {}});
    }
    return Ok{};
  }

  Status choose_by(const TableForm& form) {
    for (const TableForm::Feature& f : form.features) {
      TENON_ASSIGN(const size_t field, field_of(f.name, "the data form's column"));
      features_.push_back({field, !f.classes.empty(), f.classes, true});
    }
    have_target_ = !form.target.empty() &&
                   (names_.empty() || std::find(names_.begin(), names_.end(), form.target) != names_.end());
    if (!have_target_) return Ok{};
    const bool text = !form.target_classes.empty();
    TENON_ASSIGN(const size_t field, field_of(form.target, "the data form's target"));
    target_ = {field, text, form.target_classes, text};
    return Ok{};
  }

  TableForm form() const {
    if (options_.form != nullptr) return *options_.form;
    TableForm out;
    out.standardize = options_.standardize;
    for (const Source& s : features_) {
      TableForm::Feature f;
      f.name = column_name(s.field);
      f.classes = s.classes;
      f.onehot = options_.text == CsvOptions::Text::onehot && !s.classes.empty();
      out.features.push_back(std::move(f));
    }
    if (have_target_) {
      out.target = column_name(target_.field);
      out.target_classes = target_.classes;
    }
    return out;
  }

  // Counts the rows and checks their widths, finds which columns hold text, and collects their classes.
  Status survey() {
    Records records = start();
    bool first = true;
    std::vector<Source*> undecided;
    std::map<std::string, int, std::less<>> target_seen;
    std::vector<std::map<std::string, int, std::less<>>> seen(features_.size());
    for (Source& s : features_)
      if (!s.given) undecided.push_back(&s);
    if (have_target_ && !target_.given) undecided.push_back(&target_);
    const bool collect =
        options_.text == CsvOptions::Text::classes || options_.text == CsvOptions::Text::onehot;
    for (auto n = records.next(); n != Records::Next::end; n = records.next()) {
      if (n == Records::Next::broken) {
        errors_.add(broken(records));
        return std::move(errors_);
      }
      if (records.size() != width_) {
        const std::string base = has_header_ ? "the header has " : "the first row has ";
        if (!report(at(
                Code::data_ragged, records.line(),
                "the row has " + std::to_string(records.size()) + " fields, " + base + std::to_string(width_),
                "add or remove separators, or quote a field that holds one")))
          return std::move(errors_);
        continue;
      }
      first = false;
      // The first field that is not missing settles whether a column is text.
      std::erase_if(undecided, [&](Source* s) {
        const std::string_view field = records.field(s->field);
        if (missing_number(field)) return false;
        s->text = !is_number(field);
        return true;
      });
      ++records_;
      for (size_t i = 0; i < features_.size(); ++i)
        if (features_[i].text && !features_[i].given && collect &&
            !note_class(records.field(features_[i].field), &seen[i], records.line(), features_[i].field))
          return std::move(errors_);
      if (have_target_ && target_.text && !target_.given && options_.classes.empty() &&
          !note_class(records.field(target_.field), &target_seen, records.line(), target_.field))
        return std::move(errors_);
    }
    if (first && errors_.empty())
      errors_.add(at(Code::data_missing, 0,
                     has_header_ ? "the table has a header and no rows" : "the table has no rows"));
    if (!errors_.empty()) return std::move(errors_);
    for (size_t i = 0; i < features_.size(); ++i)
      for (auto& [word, count] : seen[i]) features_[i].classes.push_back(word);
    for (auto& [word, count] : target_seen) target_.classes.push_back(word);
    if (!options_.classes.empty() && !target_.given) {
      target_.classes = options_.classes;
      target_.given = true;
    }
    if (options_.text == CsvOptions::Text::skip)
      std::erase_if(features_, [](const Source& s) { return s.text && !s.given; });
    return Ok{};
  }

  bool note_class(std::string_view field, std::map<std::string, int, std::less<>>* seen, uint32_t line,
                  size_t index) {
    field = support::trim(field);
    if (field.empty() || seen->find(field) != seen->end()) return true;
    if (seen->size() >= max_classes) {
      report(value_error(line, index, "the column has more than 2^20 different texts", "leave it out"));
      return false;
    }
    seen->emplace(std::string(field), 0);
    return true;
  }

  // One field as a number. False: the row is dropped; an error, if any, is reported.
  template <class T>
  bool value(const Records& records, const Source& s, T* out) {
    constexpr bool classes = std::is_same_v<T, int32_t>;
    const std::string_view field = support::trim(records.field(s.field));
    if (s.text ? field.empty() : missing_number(field)) {
      if constexpr (!classes)
        if (options_.missing == CsvOptions::Missing::nan) {
          *out = std::numeric_limits<T>::quiet_NaN();
          return true;
        }
      if (options_.missing != CsvOptions::Missing::drop)
        stop_ = !report(
            value_error(records.line(), s.field, "the field is missing",
                        classes ? "missing=drop leaves such rows out"
                                : "missing=drop leaves such rows out, missing=nan keeps them as NaN"));
      return false;
    }
    if (s.text) {
      const bool listed = s.given;
      const auto found = listed ? std::find(s.classes.begin(), s.classes.end(), field)
                                : std::lower_bound(s.classes.begin(), s.classes.end(), field);
      if (found != s.classes.end() && *found == field) {
        *out = static_cast<T>(found - s.classes.begin());
        return true;
      }
      stop_ = !report(listed ? value_error(records.line(), s.field,
                                           support::quote(field.substr(0, 80)) + " is none of the column's " +
                                               std::to_string(s.classes.size()) + " classes",
                                           "known are " + some_of(s.classes) +
                                               ": correct the field, or leave the row out")
                             : value_error(records.line(), s.field, support::quote(field) + " is no number",
                                           "text=classes reads texts as class numbers, text=skip leaves the "
                                           "column out"));
      return false;
    }
    return number(records.line(), s.field, field, out);
  }

  template <class T>
  bool number(uint32_t line, size_t index, std::string_view field, T* out) {
    const auto refuse = [&](const std::string& message, const std::string& help) {
      stop_ = !report(value_error(line, index, message, help));
      return false;
    };
    const std::string shown = support::quote(field.substr(0, 80));
    Fit fit = read_number(field, out);
    if (fit == Fit::none) {
      const bool comma = separator_ != ',' && field.find(',') != std::string_view::npos;
      return refuse(shown + " is no number", comma ? "write a point, not a comma, in numbers"
                                                   : "correct the field, or leave the column out");
    }
    if (fit == Fit::fraction)
      return refuse(shown + " is no class number", "classes are whole numbers or texts");
    if constexpr (std::is_floating_point_v<T>) {
      if (fit != Fit::large && !std::isfinite(*out)) fit = Fit::large;
      // Whole numbers may be numbers of things: those that f32 rounds are kept as f64, those that f64 rounds
      // are refused. With a point or an exponent, rounding is meant.
      int64_t whole = 0;
      if (fit == Fit::fits && std::abs(*out) < T(0x1p63) &&
          field.find_first_of(".eE") == std::string_view::npos && read_number(field, &whole) == Fit::fits &&
          static_cast<int64_t>(*out) != whole) {
        if (std::is_same_v<T, double>)
          return refuse(shown + " is a whole number that f64 would round",
                        "leave the column out, or write a point behind the number where rounding is meant");
        inexact_ = true;
      }
    }
    if (fit == Fit::large)
      return refuse(support::misfit_text(field, fit, support::dtype_of<T>::value),
                    "scale the column, or correct the field");
    return true;
  }

  // In f32, or again in f64 where f32 would change a whole number.
  Result<DataSet> fill() {
    inexact_ = false;
    Result<DataSet> narrow = fill_as<float>();
    return narrow && inexact_ ? fill_as<double>() : std::move(narrow);
  }

  template <class T>
  Result<DataSet> fill_as() {
    const size_t width = features_.size();
    const bool classes =
        have_target_ &&
        ((options_.form == nullptr && options_.target_kind == CsvOptions::Target::classes) ||
         (target_.text && (options_.form != nullptr || options_.target_kind == CsvOptions::Target::detect)));
    if (width == 0 && !have_target_) return at(Code::data_missing, 0, "the table has no column to read");
    std::vector<T> x, y;
    std::vector<int32_t> labels;
    x.reserve(records_ * width);
    if (have_target_ && !classes) y.reserve(records_);
    std::vector<uint32_t> lines;
    Records records = start();
    for (auto n = records.next(); n == Records::Next::record && !stop_; n = records.next()) {
      const size_t before = x.size();
      bool keep = true;
      T v = 0;
      int32_t label = 0;
      for (size_t i = 0; i < width && !stop_; ++i) {
        // Every field is looked at, so that all errors of a row are named.
        if (value(records, features_[i], &v)) {
          x.push_back(v);
        } else {
          keep = false;
        }
      }
      if (have_target_ && !stop_) {
        if (target_.text && !classes) {
          stop_ = !report(
              value_error(records.line(), target_.field,
                          support::quote(support::trim(records.field(target_.field))) + " is no number",
                          "labels=classes reads texts as class numbers"));
          keep = false;
        } else {
          keep = (classes ? value(records, target_, &label) : value(records, target_, &v)) && keep;
        }
      }
      if (!keep) {
        x.resize(before);
        continue;
      }
      if (classes) labels.push_back(label);
      if (have_target_ && !classes) y.push_back(v);
      lines.push_back(records.line());
    }
    if (!errors_.empty()) return std::move(errors_);
    if (lines.empty())
      return at(Code::data_missing, 0, "no row is left after dropping those with missing fields");

    const int64_t rows = static_cast<int64_t>(lines.size());
    DataSet set;
    const DType dtype = support::dtype_of<T>::value;
    if (width != 0) {
      Array a(dtype, {rows, static_cast<int64_t>(width)});
      std::copy(x.begin(), x.end(), a.as<T>().begin());
      TENON_TRY(set.add({options_.x_name, std::make_shared<const Array>(std::move(a)), name_, {}}));
    }
    if (have_target_) {
      Array a = classes ? Array(DType::i32, {rows}) : Array(dtype, {rows, 1});
      if (classes)
        std::copy(labels.begin(), labels.end(), a.as<int32_t>().begin());
      else
        std::copy(y.begin(), y.end(), a.as<T>().begin());
      TENON_TRY(set.add({options_.y_name, std::make_shared<const Array>(std::move(a)), name_, target_.classes,
                         column_name(target_.field)}));
    }
    set.set_lines(std::move(lines));
    set.set_form(form());
    return set;
  }

  std::string_view text_;
  const std::string& name_;
  const CsvOptions& options_;
  char separator_;
  bool has_header_ = false, have_target_ = true, stop_ = false;
  bool inexact_ = false;  // a whole number is not the one that was read
  std::string rule_;      // how the header was detected, for the first error
  bool rule_told_ = false;
  size_t width_ = 0, records_ = 0;
  uint32_t header_line_ = 1;
  std::vector<std::string> names_;  // of the header
  std::vector<Source> features_;
  Source target_;
  Errors errors_;
};

}  // namespace

Result<DataSet> parse_csv(std::string_view text, const std::string& name, const CsvOptions& options) {
  return Loader(text, name, options).load();
}

Result<DataSet> load_csv(const std::string& path, const CsvOptions& options) {
  TENON_ASSIGN(InputFile file, InputFile::open(path));
  TENON_ASSIGN(ByteStream stream, ByteStream::open(std::move(file)));
  TENON_ASSIGN(const std::string text, stream.read_all(options.max_bytes));
  return parse_csv(text, path, options);
}

}  // namespace tenon::runtime
