#include "runtime/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "runtime/gzip.h"
#include "support/text.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::Diagnostic;
using support::DType;
using support::Errors;
using support::Ok;
using support::Result;
using support::Status;

namespace {

constexpr size_t max_errors = 10;
constexpr size_t max_columns = size_t{1} << 20;
constexpr size_t max_classes = size_t{1} << 20;

// Cuts text into records of fields. A field is a view of the text, or of `decoded` where quotes had to be
// undone.
class Records {
 public:
  Records(std::string_view text, char separator) : text_(text), separator_(separator) {
    if (text_.substr(0, 3) == "\xEF\xBB\xBF") at_ = 3;
  }
  enum class Next { record, end, broken };

  // The next record that is not a blank line.
  Next next() {
    while (at_ < text_.size()) {
      fields_.clear();
      decoded_.clear();
      line_ = next_line_;
      const Next n = record();
      if (n == Next::broken || fields_.size() != 1 || !support::trim(field(0)).empty() || quoted_) return n;
    }
    return Next::end;
  }
  size_t size() const { return fields_.size(); }
  std::string_view field(size_t i) const {
    const Field& f = fields_[i];
    return (f.decoded ? std::string_view(decoded_) : text_).substr(f.begin, f.size);
  }
  uint32_t line() const { return line_; }
  uint32_t broken_line() const { return broken_line_; }
  const char* problem() const { return problem_; }

 private:
  struct Field {
    size_t begin, size;
    bool decoded;
  };
  Next fail(const char* what, uint32_t line) {
    problem_ = what;
    broken_line_ = line;
    return Next::broken;
  }
  bool at_break() const { return at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r'); }

  Next record() {
    quoted_ = false;
    while (true) {
      if (fields_.size() >= max_columns) return fail("the row has more than 2^20 fields", next_line_);
      if (at_ < text_.size() && text_[at_] == '"') {
        quoted_ = true;
        const uint32_t opened = next_line_;
        const size_t begin = decoded_.size();
        while (true) {
          const size_t end = text_.find('"', at_ + 1);
          if (end == std::string_view::npos) return fail("a quote is opened and never closed", opened);
          const std::string_view part = text_.substr(at_ + 1, end - at_ - 1);
          next_line_ += static_cast<uint32_t>(std::count(part.begin(), part.end(), '\n'));
          decoded_ += part;
          at_ = end + 1;
          if (at_ >= text_.size() || text_[at_] != '"') break;
          decoded_ += '"';  // a doubled quote
        }
        fields_.push_back({begin, decoded_.size() - begin, true});
        if (at_ < text_.size() && text_[at_] != separator_ && !at_break())
          return fail("text follows a closing quote", next_line_);
      } else {
        const size_t begin = at_;
        while (at_ < text_.size() && text_[at_] != separator_ && !at_break()) {
          if (text_[at_] == '\0') return fail("a zero byte: this is no text", next_line_);
          ++at_;
        }
        fields_.push_back({begin, at_ - begin, false});
      }
      if (at_ < text_.size() && text_[at_] == separator_) {
        ++at_;
        continue;
      }
      if (at_ < text_.size() && text_[at_] == '\r') ++at_;
      if (at_ < text_.size() && text_[at_] == '\n') ++at_;
      ++next_line_;
      return Next::record;
    }
  }

  std::string_view text_;
  char separator_;
  size_t at_ = 0;
  uint32_t line_ = 1, next_line_ = 1, broken_line_ = 0;
  const char* problem_ = "";
  std::vector<Field> fields_;
  std::string decoded_;
  bool quoted_ = false;
};

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

// Whole-field number; anything from_chars takes, with a plus sign too.
bool parse_number(std::string_view field, double* out) {
  field = support::trim(field);
  if (!field.empty() && field[0] == '+' && field.size() > 1 && field[1] != '-') field.remove_prefix(1);
  const char* end = field.data() + field.size();
  const auto [stop, code] = std::from_chars(field.data(), end, *out);
  if (stop != end || field.empty()) return false;
  if (code == std::errc::result_out_of_range) {
    // Too large is an error for the caller to name; too small rounds to zero, as a literal would.
    const size_t e = field.find_first_of("eE");
    const bool tiny = e != std::string_view::npos && field.substr(e + 1, 1) == "-";
    *out = tiny ? 0 : std::numeric_limits<double>::infinity();
    return true;
  }
  return code == std::errc{};
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
  std::vector<std::string> classes;  // sorted, for text
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
    return field < names_.size() ? names_[field] : std::to_string(field + 1);
  }
  Diagnostic value_error(uint32_t line, size_t field, std::string message, std::string help) const {
    Diagnostic d = at(Code::data_value, line, std::move(message), std::move(help));
    d.excerpt = field < names_.size() ? "column " + support::quote(names_[field])
                                      : "column " + std::to_string(field + 1);
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
    bool all_words = true;
    double ignored;
    for (size_t i = 0; i < width_; ++i) {
      row.emplace_back(support::trim(records.field(i)));
      all_words = all_words && !row.back().empty() && !parse_number(row.back(), &ignored);
    }
    if (options_.header == CsvOptions::Header::detect) {
      if (all_words) {
        const auto second = records.next();
        if (second == Records::Next::broken) return broken(records);
        // A single row of words can only be a header.
        has_header_ = second == Records::Next::end;
        for (size_t i = 0; second == Records::Next::record && i < records.size(); ++i)
          has_header_ = has_header_ || parse_number(records.field(i), &ignored);
      }
    } else {
      has_header_ = options_.header == CsvOptions::Header::yes;
    }
    if (has_header_) names_ = std::move(row);
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

  // Counts the rows and checks their widths, finds which columns hold text, and collects their classes.
  Status survey() {
    Records records = start();
    bool first = true;
    std::vector<Source*> undecided;
    std::map<std::string, int, std::less<>> target_seen;
    std::vector<std::map<std::string, int, std::less<>>> seen(features_.size());
    for (Source& s : features_) undecided.push_back(&s);
    if (have_target_) undecided.push_back(&target_);
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
        double ignored;
        if (missing_number(field)) return false;
        s->text = !parse_number(field, &ignored);
        return true;
      });
      ++records_;
      for (size_t i = 0; i < features_.size(); ++i)
        if (features_[i].text && options_.text == CsvOptions::Text::classes &&
            !note_class(records.field(features_[i].field), &seen[i], records.line(), features_[i].field))
          return std::move(errors_);
      if (have_target_ && target_.text && options_.classes.empty() &&
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
    if (!options_.classes.empty()) target_.classes = options_.classes;
    if (options_.text == CsvOptions::Text::skip)
      std::erase_if(features_, [](const Source& s) { return s.text; });
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
  bool value(const Records& records, const Source& s, bool classes, double* out) {
    const std::string_view field = support::trim(records.field(s.field));
    if (s.text ? field.empty() : missing_number(field)) {
      if (options_.missing == CsvOptions::Missing::nan && !classes) {
        *out = std::numeric_limits<double>::quiet_NaN();
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
      const bool listed = !options_.classes.empty() && &s == &target_;
      const auto found = listed ? std::find(s.classes.begin(), s.classes.end(), field)
                                : std::lower_bound(s.classes.begin(), s.classes.end(), field);
      if (found != s.classes.end() && *found == field) {
        *out = static_cast<double>(found - s.classes.begin());
        return true;
      }
      stop_ = !report(
          value_error(records.line(), s.field, support::quote(field) + " is no number",
                      listed ? "it is none of the classes given"
                             : "text=classes reads texts as class numbers, text=skip leaves the column out"));
      return false;
    }
    double v = 0;
    if (!parse_number(field, &v)) {
      const bool comma = separator_ != ',' && field.find(',') != std::string_view::npos;
      stop_ = !report(value_error(
          records.line(), s.field, support::quote(field.substr(0, 80)) + " is no number",
          comma ? "write a point, not a comma, in numbers" : "correct the field, or leave the column out"));
      return false;
    }
    if (!(std::abs(v) <= std::numeric_limits<float>::max())) {
      stop_ = !report(value_error(records.line(), s.field,
                                  support::quote(field.substr(0, 80)) + " passes the range of f32",
                                  "scale the column, or correct the field"));
      return false;
    }
    if (classes && (v != std::floor(v) || std::abs(v) > 2147483647.0)) {
      stop_ = !report(value_error(records.line(), s.field,
                                  support::quote(field.substr(0, 80)) + " is no class number",
                                  "classes are whole numbers or texts"));
      return false;
    }
    *out = v;
    return true;
  }

  Result<DataSet> fill() {
    const size_t width = features_.size();
    const bool classes =
        have_target_ && (options_.target_kind == CsvOptions::Target::classes ||
                         (options_.target_kind == CsvOptions::Target::detect && target_.text));
    if (width == 0 && !have_target_) return at(Code::data_missing, 0, "the table has no column to read");
    std::vector<float> x;
    x.reserve(records_ * width);
    std::vector<double> y;
    if (have_target_) y.reserve(records_);
    std::vector<uint32_t> lines;
    Records records = start();
    for (auto n = records.next(); n == Records::Next::record && !stop_; n = records.next()) {
      const size_t before = x.size();
      bool keep = true;
      double v = 0;
      for (size_t i = 0; i < width && !stop_; ++i) {
        // Every field is looked at, so that all errors of a row are named.
        if (value(records, features_[i], false, &v)) {
          x.push_back(static_cast<float>(v));
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
        } else if (!value(records, target_, classes, &v)) {
          keep = false;
        }
      }
      if (!keep) {
        x.resize(before);
        continue;
      }
      if (have_target_) y.push_back(v);
      lines.push_back(records.line());
    }
    if (!errors_.empty()) return std::move(errors_);
    if (lines.empty())
      return at(Code::data_missing, 0, "no row is left after dropping those with missing fields");

    const int64_t rows = static_cast<int64_t>(lines.size());
    DataSet set;
    if (width != 0) {
      Array a(DType::f32, {rows, static_cast<int64_t>(width)});
      std::copy(x.begin(), x.end(), a.as<float>().begin());
      TENON_TRY(set.add({options_.x_name, std::make_shared<const Array>(std::move(a)), name_, {}}));
    }
    if (have_target_) {
      Array a = classes ? Array(DType::i32, {rows}) : Array(DType::f32, {rows, 1});
      for (size_t i = 0; i < y.size(); ++i) {
        if (classes) {
          a.as<int32_t>()[i] = static_cast<int32_t>(y[i]);
        } else {
          a.as<float>()[i] = static_cast<float>(y[i]);
        }
      }
      TENON_TRY(set.add({options_.y_name, std::make_shared<const Array>(std::move(a)), name_, target_.classes,
                         column_name(target_.field)}));
    }
    set.set_lines(std::move(lines));
    return set;
  }

  std::string_view text_;
  const std::string& name_;
  const CsvOptions& options_;
  char separator_;
  bool has_header_ = false, have_target_ = true, stop_ = false;
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
