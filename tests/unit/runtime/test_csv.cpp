#include "runtime/csv.h"

#include <cmath>
#include <cstdlib>

#include "files.h"

using namespace tenon::runtime;
using tenon::support::Array;

namespace {

auto parse(const std::string& text, const CsvOptions& options = {}) {
  return parse_csv(text, "t.csv", options);
}
std::vector<float> floats(const DataSet& d, const char* name) {
  auto s = d.find(name)->array->as<float>();
  return {s.begin(), s.end()};
}
std::vector<int32_t> ints(const DataSet& d, const char* name) {
  auto s = d.find(name)->array->as<int32_t>();
  return {s.begin(), s.end()};
}
CsvOptions text_as_classes() {
  CsvOptions o;
  o.text = CsvOptions::Text::classes;
  return o;
}
using F = std::vector<float>;
using I = std::vector<int32_t>;

}  // namespace

TEST_CASE("a table with a header, the last column as target") {
  for (const char* text : {"a,b,c\n1,2,3\n4,5,6\n", "a,b,c\r\n1,2,3\r\n4,5,6",
                           "\xEF\xBB\xBF"
                           "a;b;c\n\n1;2;3\n\n4;5;6\n\n",
                           "\"a\",\"b\",\"c\"\n\"1\",2,3\n 4 ,+5,6e0\n", "1\t2\t3\n4\t5\t6\n"}) {
    auto d = parse(text);
    CAPTURE(text, failure_text(d));
    REQUIRE(d);
    CHECK(d->rows() == 2);
    CHECK(d->find("x")->array->shape() == std::vector<int64_t>{2, 2});
    CHECK(d->find("y")->array->shape() == std::vector<int64_t>{2, 1});
    CHECK(floats(*d, "x") == F{1, 2, 4, 5});
    CHECK(floats(*d, "y") == F{3, 6});
  }
}

TEST_CASE("columns are chosen by name or number") {
  const std::string text = "id,a,b,label\n1,10,20,0\n2,30,40,1\n";
  CsvOptions o;
  o.target = "a";
  o.without = {"id"};
  auto d = parse(text, o);
  REQUIRE(d);
  CHECK(floats(*d, "x") == F{20, 0, 40, 1});
  CHECK(floats(*d, "y") == F{10, 30});
  o = {};
  o.columns = {"b", "2"};
  o.target = "4";
  o.target_kind = CsvOptions::Target::classes;
  d = parse(text, o);
  REQUIRE(d);
  CHECK(floats(*d, "x") == F{20, 10, 40, 30});
  CHECK(ints(*d, "y") == I{0, 1});
  o = {};
  o.target_kind = CsvOptions::Target::none;
  d = parse(text, o);
  REQUIRE(d);
  CHECK(d->columns().size() == 1);
  CHECK(d->find("x")->array->shape()[1] == 4);
  o.target_kind = CsvOptions::Target::detect;
  o.target = "lable";
  auto bad = parse(text, o);
  CHECK(failure(bad) == 610);
  CHECK(contains(failure_text(bad), "did you mean \"label\""));
  o.target = "5";
  CHECK(failure(parse(text, o)) == 610);
  o.target = "a";
  CHECK(failure(parse("a,a\n1,2\n", o)) == 302);
}

TEST_CASE("text becomes class indices, in the order of the sorted texts") {
  const std::string text = "1,red\n2,blue\n3,red\n4,green\n";
  auto d = parse(text);
  REQUIRE(d);
  CHECK(ints(*d, "y") == I{2, 0, 2, 1});
  CHECK(d->find("y")->classes == std::vector<std::string>{"blue", "green", "red"});
  CsvOptions o;
  o.classes = {"red", "green", "blue"};
  d = parse(text, o);
  REQUIRE(d);
  CHECK(ints(*d, "y") == I{0, 2, 0, 1});
  o.classes = {"red", "green"};
  auto unknown = parse(text, o);
  CHECK(failure(unknown) == 304);
  CHECK(contains(failure_text(unknown), "t.csv:2"));
  // As a feature: refused, an index, or left out.
  o = {};
  o.target = "1";
  CHECK(failure(parse(text, o)) == 304);
  o.text = CsvOptions::Text::classes;
  d = parse(text, o);
  REQUIRE(d);
  CHECK(floats(*d, "x") == F{2, 0, 2, 1});
  o.text = CsvOptions::Text::skip;
  d = parse(text, o);
  REQUIRE(d);
  CHECK(d->find("x") == nullptr);
  o = {};
  o.target_kind = CsvOptions::Target::number;
  CHECK(failure(parse(text, o)) == 304);
  o.target_kind = CsvOptions::Target::classes;
  CHECK(failure(parse("1,0.5\n", o)) == 304);
}

TEST_CASE("quoted fields may hold separators, quotes and line breaks") {
  auto d = parse("n,k\n1,\"a,b\"\n2,\"say \"\"hi\"\"\"\n3,\"two\nlines\"\n4,\"a,b\"\n");
  REQUIRE(d);
  CHECK(d->find("y")->classes == std::vector<std::string>{"a,b", "say \"hi\"", "two\nlines"});
  CHECK(d->place(d->columns()[0], 2).line == 4);
  CHECK(d->place(d->columns()[0], 3).line == 6);
  auto open = parse("1,\"a\n2,b\n");
  CHECK(failure(open) == 302);
  CHECK(contains(failure_text(open), "t.csv:1"));
  CHECK(failure(parse("1,\"a\"b\n")) == 302);
  CHECK(failure(parse(std::string("1,\0\n", 4))) == 302);
}

TEST_CASE("ragged rows are named by their lines, all of them") {
  auto r = parse("a,b\n1,2\n3\n4,5,6\n7,8\n");
  CHECK(failure(r) == 303);
  REQUIRE(r.errors().list.size() == 2);
  CHECK(contains(failure_text(r), "error[T303]"));
  CHECK(contains(failure_text(r), "t.csv:3\n"));
  CHECK(contains(failure_text(r), "t.csv:4\n"));
  std::string many = "1,2\n";
  for (int i = 0; i < 100; ++i) many += "1\n";
  CHECK(parse(many).errors().list.size() == 10);
}

TEST_CASE("a bad value is named by line and column") {
  auto r = parse("a,b\n1,2\nx,4\n5,6y\n");
  CHECK(failure(r) == 304);
  REQUIRE(r.errors().list.size() == 2);
  CHECK(contains(failure_text(r), " --> t.csv:3   column \"a\""));
  CHECK(contains(failure_text(r), " --> t.csv:4   column \"b\""));
  CHECK(contains(failure_text(r), "help: "));
  CHECK(failure(parse("1,2\n3,inf\n")) == 304);
  CHECK(failure(parse("1,2\n3,1e39\n")) == 304);
  CHECK(failure(parse("1,2\n3,1e999\n")) == 304);
  CHECK(failure(parse("1,2\n3,1e-999\n")) == 0);
  auto comma = parse("a;b\n1.5;2\n3,5;4\n");
  CHECK(failure(comma) == 304);
  CHECK(contains(failure_text(comma), "not a comma"));
}

TEST_CASE("missing fields are refused, dropped or kept") {
  const std::string text = "a,b\n1,2\n,4\n5,NA\n7,8\n";
  auto r = parse(text);
  CHECK(failure(r) == 304);
  CHECK(r.errors().list.size() == 2);
  CsvOptions o;
  o.missing = CsvOptions::Missing::drop;
  auto d = parse(text, o);
  REQUIRE(d);
  CHECK(floats(*d, "x") == F{1, 7});
  CHECK(d->place(d->columns()[0], 1).line == 5);
  o.missing = CsvOptions::Missing::nan;
  d = parse(text, o);
  REQUIRE(d);
  CHECK(d->rows() == 4);
  CHECK(std::isnan(floats(*d, "x")[1]));
  CHECK(std::isnan(floats(*d, "y")[2]));
  o.missing = CsvOptions::Missing::drop;
  CHECK(failure(parse("a,b\n,1\n,2\n", o)) == 301);
}

TEST_CASE("headers are told from rows, or said") {
  CHECK(parse("1,2\n3,4\n")->rows() == 2);
  CHECK(parse("a,b\n3,4\n")->rows() == 1);
  CHECK(ints(*parse("x,o\no,x\n", text_as_classes()), "y") == I{0, 1});
  CsvOptions o;
  o.header = CsvOptions::Header::yes;
  CHECK(parse("1,2\n3,4\n", o)->rows() == 1);
  for (const char* text : {"", "\n\n", "a,b\n"}) CHECK(failure(parse(text)) == 301);
}

TEST_CASE("tables as pandas writes them") {
  // An index without a name is a column like the others; it can be left out by its number.
  auto d = parse(",a,b,y\n0,1.0,2.0,0\n1,3.0,4.0,1\n");
  REQUIRE(d);
  CHECK(d->rows() == 2);
  CHECK(floats(*d, "x") == F{0, 1, 2, 1, 3, 4});
  CsvOptions o;
  o.without = {"1"};
  CHECK(floats(*parse(",a,b,y\n0,1.0,2.0,0\n1,3.0,4.0,1\n", o), "x") == F{1, 2, 3, 4});
  // Names that are numbers.
  d = parse("0,1,2,label\n10,20,30,7\n40,50,60,3\n");
  REQUIRE(d);
  CHECK(d->rows() == 2);
  CHECK(floats(*d, "y") == F{7, 3});
  CHECK(d->find("y")->classes.empty());
  d = parse(",0,1\n0,5,6\n1,7,8\n");
  REQUIRE(d);
  CHECK(floats(*d, "y") == F{6, 8});
  // May be either: told, and settled by the option.
  auto either = parse("0,1,2\n5,6,7\n");
  CHECK(failure(either) == 302);
  CHECK(contains(failure_text(either), "header=yes"));
  o = {};
  o.header = CsvOptions::Header::no;
  CHECK(parse("0,1,2\n5,6,7\n", o)->rows() == 2);
  o.header = CsvOptions::Header::yes;
  CHECK(parse("0,1,2\n5,6,7\n", o)->rows() == 1);
  CHECK(parse("0,1\n5,6\n")->rows() == 2);
  // Numbers that are no names, and words that stand above words, are rows.
  CHECK(parse("1,2,cat\n3,4,dog\n")->rows() == 2);
  CHECK(failure(parse("1.5,abc,2\n3,4,5\n")) == 304);
}

TEST_CASE("the first error of a table says how its first line was taken") {
  auto d = parse("a,y\n1,2\nx,3\nz,4\n");
  CHECK(failure(d) == 304);
  CHECK(contains(failure_text(d),
                 "line 1 is taken as the header: it has the word \"a\" where line 2 has a number"));
  CHECK(d.errors().list[0].notes.size() == 1);
  CHECK(d.errors().list[1].notes.empty());
  d = parse("1,2\nx,3\n");
  CHECK(contains(failure_text(d), "line 1 is taken as a row"));
}

TEST_CASE("numbers of a table of any length are read right, or told") {
  const std::string zeros(400, '0'), threes(300, '3');
  auto d = parse("0." + threes + ",1\n1" + zeros + "e-400,2\n0." + zeros + "1,3\n1e-60,4\n");
  CAPTURE(failure_text(d));
  REQUIRE(d);
  CHECK(floats(*d, "x") == F{1.0f / 3, 1, 0, 0});
  CHECK(floats(*parse("3.4028235e38,1\n"), "x") == F{3.4028235e38f});
  d = parse("1" + zeros + "e-10,1\n");  // 1e390
  CHECK(failure(d) == 304);
  CHECK(contains(failure_text(d), "is out of the range of f32"));
  CHECK(d.errors().text().size() < 800);
  CHECK(failure(parse("inf,1\n")) == 304);
  // Whole numbers are exact: f64 where f32 rounds them, refused where f64 does.
  d = parse("1,16777217\n0.1,3\n");
  REQUIRE(d);
  CHECK(d->find("y")->array->as<double>()[0] == 16777217);
  CHECK(d->find("x")->array->as<double>()[1] == 0.1);
  CHECK(failure(parse("1,9007199254740993\n")) == 304);
  CHECK(parse("1,9007199254740993.0\n"));
  CsvOptions o;
  o.target_kind = CsvOptions::Target::classes;
  CHECK(ints(*parse("1,16777217\n2,2e0\n", o), "y") == I{16777217, 2});
  CHECK(failure(parse("1,3000000000\n", o)) == 304);
  CHECK(failure(parse("1,0.5\n", o)) == 304);
}

TEST_CASE("a table cut anywhere gives rows or an error, never a crash") {
  const std::string text = "a,\"b\nb\",c\n1,\"2\",3\n-4e1,5,\"6\"\n";
  for (size_t n = 0; n <= text.size(); ++n) {
    auto r = parse(text.substr(0, n));
    if (!r) {
      const int code = failure(r);
      CAPTURE(n, code);
      REQUIRE((code == 301 || code == 302 || code == 303 || code == 304));
    }
  }
  uint32_t state = 1;
  for (int round = 0; round < 2000; ++round) {
    std::string noise;
    for (int i = 0; i < 40; ++i)
      noise += ",\"\n;1.e-x\r\t"[(state = state * 1664525u + 1013904223u) >> 24 & 7];
    auto r = parse(noise);
    if (r) REQUIRE(r->rows() > 0);
  }
}

TEST_CASE("csv files, plain and gzipped") {
  Folder f;
  put_file(f / "t.csv", "a,b\n1,2\n");
  put_file(f / "t.csv.gz", gzip("a,b\n1,2\n"));
  CHECK(load_csv(f / "t.csv")->rows() == 1);
  CHECK(load_csv(f / "t.csv.gz")->rows() == 1);
  CHECK(failure(load_csv(f / "none.csv")) == 401);
  CsvOptions o;
  o.max_bytes = 4;
  CHECK(failure(load_csv(f / "t.csv", o)) == 405);
}

TEST_CASE("the real tables read as described") {
  const char* root = std::getenv("TENON_DATA");
  if (root == nullptr) {
    WARN("skipped: the real tables read as described (TENON_DATA is not set)");
    return;
  }
  const std::string tabular = std::string(root) + "/tabular/";
  CsvOptions o;
  o.target = "median_house_value";
  o.text = CsvOptions::Text::classes;
  auto strict = load_csv(tabular + "california_housing.csv", o);
  CHECK(failure(strict) == 304);
  CHECK(contains(failure_text(strict), "total_bedrooms"));
  o.missing = CsvOptions::Missing::drop;
  auto housing = load_csv(tabular + "california_housing.csv", o);
  REQUIRE(housing);
  CHECK(housing->rows() == 20640 - 207);
  CHECK(housing->find("x")->array->shape()[1] == 9);
  auto iris = load_csv(tabular + "iris.csv");
  REQUIRE(iris);
  CHECK(iris->rows() == 150);
  CHECK(iris->find("y")->classes.size() == 3);
  CsvOptions wdbc;
  wdbc.target = "2";
  wdbc.without = {"1"};
  auto cancer = load_csv(tabular + "breast_cancer_wdbc.csv", wdbc);
  REQUIRE(cancer);
  CHECK(cancer->find("x")->array->shape() == std::vector<int64_t>{569, 30});
  CHECK(cancer->find("y")->classes == std::vector<std::string>{"B", "M"});
  CsvOptions squares;
  squares.text = CsvOptions::Text::classes;
  auto game = load_csv(tabular + "tic_tac_toe.csv", squares);
  REQUIRE(game);
  CHECK(game->rows() == 958);
  CsvOptions digits;
  digits.target_kind = CsvOptions::Target::classes;
  auto train = load_csv(tabular + "optdigits_train.csv", digits);
  REQUIRE(train);
  CHECK(train->find("x")->array->shape() == std::vector<int64_t>{3823, 64});
  auto diabetes = load_csv(tabular + "diabetes.csv");
  REQUIRE(diabetes);
  double sum = 0;
  for (float v : floats(*diabetes, "y")) sum += static_cast<double>(v);
  CHECK(sum / 442 == Approx(152.1335).epsilon(1e-6));
}
