#include "runtime/described.h"

#include "runtime/generate.h"

namespace tenon::runtime {

using support::Code;
using support::error;
using support::Result;

Result<TrainTest> load_tables(const std::string& train_path, const std::string& test_path, CsvOptions options,
                              const std::string& said) {
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

namespace {

std::vector<std::string> names(const std::string* list) {
  std::vector<std::string> out;
  if (list != nullptr)
    for (std::string_view part : support::split(*list, '+')) out.emplace_back(support::trim(part));
  return out;
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

}  // namespace

Result<TrainTest> load_described(std::string_view name, Keys keys, const TableForm* form) {
  if (name == "csv") return load_csv_spec(std::move(keys), form);
  if (name == "digits") {
    DigitsOptions o;
    TENON_TRY(keys.take("rows", &o.rows));
    TENON_TRY(keys.take("test", &o.test));
    TENON_TRY(keys.take("seed", &o.seed));
    TENON_TRY(keys.done());
    return make_digits(o);
  }
  if (name == "shapes") {
    ShapesOptions o;
    TENON_TRY(keys.take("rows", &o.rows));
    TENON_TRY(keys.take("test", &o.test));
    TENON_TRY(keys.take("size", &o.size));
    TENON_TRY(keys.take("classes", &o.classes));
    TENON_TRY(keys.take("objects", &o.objects));
    TENON_TRY(keys.take("seed", &o.seed));
    TENON_TRY(keys.done());
    return make_shapes(o);
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

}  // namespace tenon::runtime
