// Tables in text: csv, and the same with semicolons or tabs. RFC 4180 quoting (doubled quotes, line breaks
// inside quotes), LF or CRLF, an UTF-8 byte order mark, blank lines skipped, plain or gzip. Numbers do not
// depend on the locale (a point, never a comma).
//
// Result: column `x` f32 [rows, features] and column `y`: numbers as f32 [rows, 1], classes as i32 [rows]. A
// number becomes the nearest of f32, however many digits it has; a whole number that f32 would change makes
// both columns f64, and one that f64 would change is T304, as is what passes the range.
// Every row remembers its line, and `y` what the table calls it, so later errors can name them. Errors, up to
// ten at once, each with file:line and column name: T303 a row with another number of fields, T304 a field
// that is empty or no finite number, T302 broken quoting, T301 no rows, T610 an option that names no column.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/data.h"
#include "runtime/file.h"

namespace tenon::runtime {

struct CsvOptions {
  enum class Header : uint8_t { detect, yes, no };
  enum class Missing : uint8_t { refuse, drop, nan };
  enum class Text : uint8_t { refuse, classes, onehot, skip };
  enum class Target : uint8_t { detect, number, classes, none };

  char separator = 0;  // 0: the one of , ; and tab that the first line has most of
  // detect: the first row is a header if it has a word in a column where the second row has a number, and
  // beside it only words, empty fields (an index without a name) and plain whole numbers; if it is empty in
  // front and then counts 0, 1, 2, ...; or if it is the only row, and all words. Another first row that
  // counts 0, 1, 2, ... may be either, and is refused (T302). The first error of a table says how it was
  // read.
  Header header = Header::detect;
  // A field is missing when it is empty or one of ? NA N/A nan NaN null (numbers), or empty (text).
  Missing missing = Missing::refuse;
  // Feature columns whose first field is no number: an error, their class index as a number (onehot: to
  // become columns of 0 and 1, see runtime/table_form.h), or left out.
  Text text = Text::refuse;
  // Feature columns by name or 1-based number, in this order; empty: all but the target and `without`.
  std::vector<std::string> columns;
  std::vector<std::string> without;
  // The target by name or 1-based number; empty: the last column.
  std::string target;
  // detect: classes when its first field is no number. classes: texts become indices of the sorted texts,
  // whole numbers stay as they are. none: every column is a feature, and there is no `y`.
  Target target_kind = Target::detect;
  // The target's classes in order, where a file must use another file's; empty: those found, sorted by bytes.
  std::vector<std::string> classes;
  // Numbers scaled to mean 0 and deviation 1 when the rows are shaped.
  bool standardize = false;
  // The form that other rows of this kind had: it settles columns, target and classes; what the options above
  // say of these is not looked at. A table without the form's target has no `y`.
  const TableForm* form = nullptr;
  std::string x_name = "x", y_name = "y";
  uint64_t max_bytes = uint64_t{4} << 30;  // of the text, decompressed
};

support::Result<DataSet> load_csv(const std::string& path, const CsvOptions& options = {});
// The text itself; name stands for the path in errors.
support::Result<DataSet> parse_csv(std::string_view text, const std::string& name,
                                   const CsvOptions& options = {});

}  // namespace tenon::runtime
