#include "runtime/table_form.h"

#include <cmath>

#include "runtime/csv_records.h"
#include "runtime/data.h"
#include "support/array.h"
#include "support/number.h"
#include "support/text.h"

namespace tenon::runtime {

using support::Array;
using support::Code;
using support::DType;
using support::error;
using support::Errors;
using support::Result;

namespace {

constexpr std::string_view header = "table form";

std::string field_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += c;
    out += c;
  }
  return out + "\"";
}

void line(std::string* out, std::initializer_list<std::string_view> fields,
          const std::vector<std::string>& more = {}) {
  std::string row;
  for (const std::string_view f : fields) row += (row.empty() ? "" : ",") + field_text(f);
  for (const std::string& f : more) row += "," + field_text(f);
  *out += row + "\n";
}

Errors malformed() {
  return error(Code::file_corrupt, "the data form kept with the parameters is malformed",
               "save the parameters again");
}

template <class T>
Array shaped(const TableForm& form, const Array& x, int64_t width) {
  const int64_t rows = x.shape()[0], given = x.shape()[1];
  Array out(x.dtype(), {rows, width});
  const T* from = x.as<T>().data();
  T* to = out.as<T>().data();
  for (int64_t r = 0; r < rows; ++r, from += given)
    for (size_t f = 0; f < form.features.size(); ++f) {
      const TableForm::Feature& feature = form.features[f];
      if (feature.onehot) {
        for (size_t c = 0; c < feature.classes.size(); ++c) *to++ = from[f] == static_cast<T>(c) ? 1 : 0;
      } else {
        // In double, so that the same number becomes the same bits whatever the other rows are.
        *to++ = static_cast<T>((static_cast<double>(from[f]) - feature.mean) / feature.deviation);
      }
    }
  return out;
}

}  // namespace

bool TableForm::shapes() const {
  for (const Feature& f : features)
    if (f.onehot || f.mean != 0 || f.deviation != 1) return true;
  return false;
}

std::string TableForm::text() const {
  std::string out;
  line(&out, {header, "1"});
  line(&out, {"said", said});
  line(&out, {"standardize", standardize ? "yes" : "no"});
  for (const Feature& f : features) {
    if (f.classes.empty())
      line(&out, {"number", f.name, support::format_float(f.mean), support::format_float(f.deviation)});
    else
      line(&out, {f.onehot ? "onehot" : "classes", f.name}, f.classes);
  }
  if (!target.empty()) line(&out, {"target", target}, target_classes);
  return out;
}

Result<TableForm> TableForm::parse(std::string_view text) {
  TableForm out;
  Records records(text, ',');
  bool first = true;
  Records::Next n;
  for (n = records.next(); n == Records::Next::record; n = records.next()) {
    std::vector<std::string> fields;
    for (size_t i = 0; i < records.size(); ++i) fields.emplace_back(records.field(i));
    if (fields.size() < 2 || first != (fields[0] == header)) return malformed();
    first = false;
    const std::vector<std::string> rest(fields.begin() + 2, fields.end());
    if (fields[0] == header) {
      if (fields[1] != "1") return malformed();
    } else if (fields[0] == "said") {
      out.said = fields[1];
    } else if (fields[0] == "standardize") {
      out.standardize = fields[1] == "yes";
    } else if (fields[0] == "target") {
      out.target = fields[1];
      out.target_classes = rest;
    } else if (fields[0] == "number" && rest.size() == 2) {
      Feature f;
      f.name = fields[1];
      const auto mean = support::parse_double(rest[0]), deviation = support::parse_double(rest[1]);
      if (!mean || !deviation || !std::isfinite(*mean) || !(*deviation > 0)) return malformed();
      f.mean = *mean;
      f.deviation = *deviation;
      out.features.push_back(std::move(f));
    } else if ((fields[0] == "classes" || fields[0] == "onehot") && !rest.empty()) {
      Feature f;
      f.name = fields[1];
      f.classes = rest;
      f.onehot = fields[0] == "onehot";
      out.features.push_back(std::move(f));
    } else {
      return malformed();
    }
  }
  if (n == Records::Next::broken || first) return malformed();
  return out;
}

TableForm fit_form(const TableForm& form, const DataSet& rows) {
  TableForm out = form;
  const Column* x = rows.find("x");
  if (!form.standardize || x == nullptr) return out;
  const Array& a = *x->array;
  const auto width = static_cast<size_t>(a.rank() == 2 ? a.shape()[1] : 0);
  support::with_dtype(a.dtype(), [&]<class T>() {
    const std::span<const T> all = a.as<T>();
    for (size_t f = 0; f < std::min(width, out.features.size()); ++f) {
      TableForm::Feature& feature = out.features[f];
      if (!feature.classes.empty()) continue;
      double sum = 0, squares = 0, count = 0;
      for (size_t i = f; i < all.size(); i += width)
        if (const double v = static_cast<double>(all[i]); !std::isnan(v)) sum += v, ++count;
      feature.mean = count > 0 ? sum / count : 0;
      for (size_t i = f; i < all.size(); i += width)
        if (const double v = static_cast<double>(all[i]); !std::isnan(v))
          squares += (v - feature.mean) * (v - feature.mean);
      const double deviation = count > 0 ? std::sqrt(squares / count) : 0;
      feature.deviation = deviation > 0 && std::isfinite(deviation) ? deviation : 1;
    }
  });
  return out;
}

Result<DataSet> shape_rows(const TableForm& form, const DataSet& rows) {
  if (!form.shapes()) return rows;
  const Column* x = rows.find("x");
  int64_t width = 0;
  for (const TableForm::Feature& f : form.features)
    width += f.onehot ? static_cast<int64_t>(f.classes.size()) : 1;
  if (x == nullptr || x->array->rank() != 2 ||
      x->array->shape()[1] != static_cast<int64_t>(form.features.size()))
    return error(Code::data_shape, "the rows do not have the " + std::to_string(form.features.size()) +
                                       " columns of the data form");
  Array out = x->array->dtype() == DType::f64 ? shaped<double>(form, *x->array, width)
                                              : shaped<float>(form, *x->array, width);
  DataSet set = rows;
  TENON_TRY(set.replace("x", std::move(out)));
  return set;
}

}  // namespace tenon::runtime
