// Dimension expressions: canonical form, algebra, text, values and bounds.
#include <vector>

#include "catch.h"
#include "ir/dim.h"

using namespace tenon::ir;

namespace {

const DimRanges known = {{"a", {0, 9}}, {"b", {1, 7}}, {"c", {2, 5}}};

Dim dim(std::string_view text) {
  Result<Dim> d = parse_dim(text, &known);
  INFO(text);
  REQUIRE(d);
  return *d;
}

Code code_of(std::string_view text) {
  Result<Dim> d = parse_dim(text, &known);
  INFO(text);
  REQUIRE_FALSE(d);
  return d.errors().code();
}

// A small deterministic source of random numbers.
struct Random {
  uint64_t state = 1;
  int64_t draw(int64_t low, int64_t high) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return low + static_cast<int64_t>((state >> 33) % static_cast<uint64_t>(high - low + 1));
  }
};

// An expression with its value under bindings, computed beside Dim by plain integers.
struct Sample {
  Dim dim;
  int64_t value = 0;
  bool defined = true;
};

int64_t floor_of(int64_t x, int64_t y) { return x / y - (x % y != 0 && (x < 0) != (y < 0) ? 1 : 0); }

Sample sample(Random& random, const DimBindings& bindings, int depth) {
  if (depth == 0 || random.draw(0, 4) == 0) {
    if (random.draw(0, 1) == 0) {
      int64_t v = random.draw(-6, 6);
      return {v, v};
    }
    std::string name(1, static_cast<char>('a' + random.draw(0, 2)));
    return {Dim::symbol(name), bindings.at(name)};
  }
  Sample x = sample(random, bindings, depth - 1), y = sample(random, bindings, depth - 1);
  bool defined = x.defined && y.defined;
  switch (random.draw(0, 3)) {
    case 0:
      return {x.dim + y.dim, x.value + y.value, defined};
    case 1:
      return {x.dim - y.dim, x.value - y.value, defined};
    case 2:
      return {x.dim * y.dim, x.value * y.value, defined};
    default: {
      // A quotient has a value only where its divisor is positive over the whole range.
      if (y.dim.range(known).low < 1) return {x.dim, x.value, defined};
      return {Dim::floor_div(x.dim, y.dim), floor_of(x.value, y.value), defined};
    }
  }
}

}  // namespace

TEST_CASE("equal dimension expressions have equal texts") {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"2*b+1", "1+b+b"},         {"a*b", "b*a"},
      {"(a+b)*(a-b)", "a*a-b*b"}, {"a-a", "0"},
      {"(2*a+4)/2", "a+2"},       {"(4*a+2)/6", "(2*a+1)/3"},
      {"(4*a+1)/6", "2*a/3"},     {"a/2/3", "a/6"},
      {"(a/2+1)/3", "(a+2)/6"},   {"(a+7)/2", "(a+1)/2+3"},
      {"(a-3)/2+1", "(a+1)/2-1"}, {"a*b/b", "a"},
      {"(a*b+2*b)/b", "a+2"},     {"2*a/(2*b)", "a/b"},
      {"(a*a-b*b)/(a+b)", "a-b"}, {"a/(0-2)", "(0-a)/2"},
  };
  for (const auto& [left, right] : rows) {
    INFO(left << " and " << right);
    CHECK(dim(left) == dim(right));
    CHECK(dim(left).text() == dim(right).text());
  }
  CHECK(dim("a") != dim("b"));
  CHECK(dim("a/2") != dim("(a+1)/2"));
}

TEST_CASE("dimension texts") {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"b*2+1", "2*b+1"},
      {"a/b", "a/b"},
      {"-a", "-a"},
      {"1-a*2", "-2*a+1"},
      {"3*(a/2)", "3*(a/2)"},
      {"a*a+a", "a*a+a"},
      {"(a+1)/b", "(a+1)/b"},
      {"a/(b+c)", "a/(b+c)"},
      {"-(a/2)", "-(a/2)"},
      {"a/2+b/2", "a/2+b/2"},
      {"(a/b)/c", "(a/b)/c"},
      {" a +  b ", "a+b"},
      {"(a/b)*(a/c)", "(a/b)*(a/c)"},
      {"0", "0"},
      {"-3", "-3"},
  };
  for (const auto& [in, out] : rows) CHECK(dim(in).text() == out);
}

TEST_CASE("bounds of quotients follow from what is divided") {
  struct Row {
    const char* text;
    int64_t low, high;
  };
  // a = 2..64, b = 1..8, c = 3..3
  const DimRanges ranges = {{"a", {2, 64}}, {"b", {1, 8}}, {"c", {3, 3}}};
  const Row rows[] = {
      {"a-a/2", 1, 33},
      {"a-a/3*3", 0, 2},
      {"a-(a-1)/b*b", 1, 8},
      {"2*a-2*(a-1)/b*b", 2, 126},
      {"a-(a-1)/c*c", 1, 3},
      {"2*(a-(a-1)/b*b)-1", 1, 15},
      {"(a+1)/2-a/2", 0, 1},
      {"a-1-(a-1)/2", 0, 32},
      {"(a-(a-1)/b*b-1)/2", 0, 3},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const DimRange range = dim(row.text).range(ranges);
    CHECK(range.low >= row.low);
    CHECK(range.high <= row.high);
    for (int64_t a = 2; a <= 64; ++a)
      for (int64_t b = 1; b <= 8; ++b) {
        const int64_t value = *(dim(row.text) + 1000).evaluate({{"a", a}, {"b", b}, {"c", 3}}) - 1000;
        CHECK((range.low <= value && value <= range.high));
      }
  }
}

TEST_CASE("dimension expressions keep their value, their text and their bounds") {
  Random random;
  size_t checked = 0;
  for (int i = 0; i < 4000; ++i) {
    DimBindings bindings = {{"a", random.draw(0, 9)}, {"b", random.draw(1, 7)}, {"c", random.draw(2, 5)}};
    Sample s = sample(random, bindings, 4);
    if (s.dim.overflowed()) continue;
    INFO(s.dim.text());
    CHECK(dim(s.dim.text()) == s.dim);
    DimRange range = s.dim.range(known);
    CHECK(range.low <= s.value);
    CHECK(s.value <= range.high);
    Result<int64_t> v = s.dim.evaluate(bindings);
    if (s.value >= 0) {
      // Simplification may drop a quotient that has no value, never add one.
      if (v) {
        CHECK(*v == s.value);
        ++checked;
      }
    } else {
      REQUIRE_FALSE(v);
      CHECK(v.errors().code() == Code::dim_range);
    }
    std::map<std::string, Dim, std::less<>> values;
    for (const auto& [name, value] : bindings) values.emplace(name, value);
    Dim constant = s.dim.substitute(values);
    if (v) {
      REQUIRE(constant.is_constant());
      CHECK(constant.constant() == s.value);
    }
  }
  CHECK(checked > 1000);
}

TEST_CASE("dimension arithmetic saturates and is refused") {
  Dim big = int64_t{1} << 62;
  CHECK((big + big).overflowed());
  CHECK((big * Dim(4)).overflowed());
  CHECK((Dim::symbol("a") * big * Dim(2)).overflowed());
  CHECK((big + big - big).overflowed());
  CHECK((Dim(INT64_MIN) - Dim(1)).overflowed());
  CHECK(Dim::floor_div(INT64_MIN, -1).overflowed());
  CHECK(Dim::floor_div(5, 0).overflowed());
  CHECK((big + big).text() == "<overflow>");
  REQUIRE_FALSE((big + big).evaluate({}));
  Dim n = Dim::symbol("n");
  Result<int64_t> v = (n * n).evaluate({{"n", int64_t{1} << 40}});
  REQUIRE_FALSE(v);
  CHECK(v.errors().code() == Code::dim_range);
  CHECK((n * n).range({{"n", {0, int64_t{1} << 40}}}).high == INT64_MAX);
}

TEST_CASE("dimension expressions stay bounded in size") {
  // Each step doubles the text: without a bound, 60 steps would fill all memory.
  Dim d = Dim::symbol("a");
  int steps = 0;
  while (!d.overflowed() && steps < 60) {
    d = Dim::floor_div(d * d + Dim(1), Dim(3));
    ++steps;
  }
  CHECK(d.overflowed());
  d = Dim::symbol("a");
  for (int i = 0; i < 100000; ++i) d = Dim::floor_div(d + Dim(1), Dim::symbol("b"));
  CHECK(d.overflowed());
}

TEST_CASE("malformed dimension expressions") {
  CHECK(code_of("") == Code::syntax);
  CHECK(code_of("a+") == Code::syntax);
  CHECK(code_of("(a") == Code::syntax);
  CHECK(code_of("a b") == Code::syntax);
  CHECK(code_of("a/0") == Code::dim_range);
  CHECK(code_of("a/(b-b)") == Code::dim_range);
  CHECK(code_of("rows") == Code::undefined_name);
  CHECK(code_of("99999999999999999999") == Code::bad_literal);
  CHECK(code_of("9223372036854775807*a*a+9223372036854775807*a*a") == Code::dim_range);
  CHECK(code_of(std::string(100000, '(') + "a") == Code::text_limit);
  CHECK(parse_dim(std::string(100001, '-') + "a", &known));
  Result<Dim> d = parse_dim("a+rows", &known);
  REQUIRE_FALSE(d);
  CHECK(d.errors().list[0].column == 3);
  CHECK(d.errors().list[0].length == 4);
}

TEST_CASE("symbols of a dimension expression") {
  std::vector<std::string> names;
  dim("c*b+(a+1)/(b+1)").collect_symbols(&names);
  CHECK(names == std::vector<std::string>{"a", "b", "c"});
  CHECK(dim("b").as_symbol() == "b");
  CHECK_FALSE(dim("2*b").as_symbol());
  CHECK_FALSE(dim("b+1").as_symbol());
}
