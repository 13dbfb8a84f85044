// First and second derivatives of every elementwise rule at special points: zeros of both signs, infinities,
// NaN, ties, the largest and the smallest numbers. Expected values were derived by hand and evaluated in 420
// digits; where no limit from the right exists, the row states the convention of docs/ir.md.
#include <cmath>
#include <set>

#include "ops/run.h"
#include "ops/special_points.h"
#include "transforms/transforms.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;

namespace {

ir::ValueId derivative(ir::Builder& b, ir::ValueId of, ir::ValueId wrt) {
  auto out = transforms::grad(b.graph(), *b.module(), of, {wrt});
  INFO((out ? std::string() : out.errors().text()));
  REQUIRE(out);
  return (*out)[0];
}

bool near(double found, double expected, double absolute) {
  if (std::isnan(expected)) return std::isnan(found);
  if (std::isinf(expected) || found == expected) return found == expected;
  return std::fabs(found - expected) <= 1e-14 * std::fabs(expected) + absolute;
}

constexpr Unary unary[] = {
    {"abs", 0.0, 0.0, 0.0},
    {"abs", -0.0, 0.0, 0.0},
    {"abs", inf, 1.0, 0.0},
    {"abs", -inf, -1.0, 0.0},
    {"abs", qnan, qnan, 0.0},
    {"abs", most, 1.0, 0.0},
    {"abs", -most, -1.0, 0.0},
    {"abs", least, 1.0, 0.0},
    {"abs", -least, -1.0, 0.0},
    {"abs", 1.0, 1.0, 0.0},
    {"abs", -2.0, -1.0, 0.0},
    {"abs", 30.5, 1.0, 0.0},
    {"neg", 0.0, -1.0, 0.0},
    {"neg", -0.0, -1.0, 0.0},
    {"neg", inf, -1.0, 0.0},
    {"neg", -inf, -1.0, 0.0},
    {"neg", qnan, -1.0, 0.0},
    {"neg", most, -1.0, 0.0},
    {"neg", -most, -1.0, 0.0},
    {"neg", least, -1.0, 0.0},
    {"neg", -least, -1.0, 0.0},
    {"neg", 1.0, -1.0, 0.0},
    {"neg", -2.0, -1.0, 0.0},
    {"neg", 30.5, -1.0, 0.0},
    {"cos", 0.0, 0.0, -1.0},
    {"cos", -0.0, 0.0, -1.0},
    {"cos", inf, qnan, qnan},
    {"cos", -inf, qnan, qnan},
    {"cos", qnan, qnan, qnan},
    {"cos", most, -0.004961954789184062, 0.9999876894265599},
    {"cos", -most, 0.004961954789184062, 0.9999876894265599},
    {"cos", least, -least, -1.0},
    {"cos", -least, least, -1.0},
    {"cos", 1.0, -0.8414709848078965, -0.5403023058681398},
    {"cos", -2.0, 0.9092974268256817, 0.4161468365471424},
    {"cos", 30.5, 0.7931272394572851, -0.6090559761063562},
    {"sin", 0.0, 1.0, 0.0},
    {"sin", -0.0, 1.0, 0.0},
    {"sin", inf, qnan, qnan},
    {"sin", -inf, qnan, qnan},
    {"sin", qnan, qnan, qnan},
    {"sin", most, -0.9999876894265599, -0.004961954789184062},
    {"sin", -most, -0.9999876894265599, 0.004961954789184062},
    {"sin", least, 1.0, -least},
    {"sin", -least, 1.0, least},
    {"sin", 1.0, 0.5403023058681398, -0.8414709848078965},
    {"sin", -2.0, -0.4161468365471424, 0.9092974268256817},
    {"sin", 30.5, 0.6090559761063562, 0.7931272394572851},
    {"exp", 0.0, 1.0, 1.0},
    {"exp", -0.0, 1.0, 1.0},
    {"exp", inf, inf, inf},
    {"exp", -inf, 0.0, 0.0},
    {"exp", qnan, qnan, qnan},
    {"exp", most, inf, inf},
    {"exp", -most, 0.0, 0.0},
    {"exp", least, 1.0, 1.0},
    {"exp", -least, 1.0, 1.0},
    {"exp", 1.0, 2.718281828459045, 2.718281828459045},
    {"exp", -2.0, 0.1353352832366127, 0.1353352832366127},
    {"exp", 30.5, 17619017951355.633, 17619017951355.633},
    {"erf", 0.0, 1.1283791670955126, 0.0},
    {"erf", -0.0, 1.1283791670955126, 0.0},
    {"erf", inf, 0.0, 0.0},
    {"erf", -inf, 0.0, 0.0},
    {"erf", qnan, qnan, qnan},
    {"erf", most, 0.0, 0.0},
    {"erf", -most, 0.0, 0.0},
    {"erf", least, 1.1283791670955126, -1e-323},
    {"erf", -least, 1.1283791670955126, 1e-323},
    {"erf", 1.0, 0.4151074974205947, -0.8302149948411894},
    {"erf", -2.0, 0.020666985354092053, 0.08266794141636821},
    {"erf", 30.5, 0.0, -0.0},
    {"erfc", 0.0, -1.1283791670955126, 0.0},
    {"erfc", -0.0, -1.1283791670955126, 0.0},
    {"erfc", inf, 0.0, 0.0},
    {"erfc", -inf, 0.0, 0.0},
    {"erfc", qnan, qnan, qnan},
    {"erfc", most, 0.0, 0.0},
    {"erfc", -most, 0.0, 0.0},
    {"erfc", least, -1.1283791670955126, 1e-323},
    {"erfc", -least, -1.1283791670955126, -1e-323},
    {"erfc", 1.0, -0.4151074974205947, 0.8302149948411894},
    {"erfc", -2.0, -0.020666985354092053, -0.08266794141636821},
    {"erfc", 30.5, -0.0, 0.0},
    {"tanh", 0.0, 1.0, 0.0},
    {"tanh", -0.0, 1.0, 0.0},
    {"tanh", inf, 0.0, 0.0},
    {"tanh", -inf, 0.0, 0.0},
    {"tanh", qnan, qnan, qnan},
    {"tanh", most, 0.0, 0.0},
    {"tanh", -most, 0.0, 0.0},
    {"tanh", least, 1.0, -1e-323},
    {"tanh", -least, 1.0, 1e-323},
    {"tanh", 1.0, 0.4199743416140261, -0.6397000084492245},
    {"tanh", -2.0, 0.07065082485316447, 0.13621868742711304},
    {"tanh", 30.5, 1.2885361143970064e-26, -2.5770722287940127e-26},
    {"sigmoid", 0.0, 0.25, 0.0},
    {"sigmoid", -0.0, 0.25, 0.0},
    {"sigmoid", inf, 0.0, 0.0},
    {"sigmoid", -inf, 0.0, 0.0},
    {"sigmoid", qnan, qnan, qnan},
    {"sigmoid", most, 0.0, 0.0},
    {"sigmoid", -most, 0.0, 0.0},
    {"sigmoid", least, 0.25, -0.0},
    {"sigmoid", -least, 0.25, 0.0},
    {"sigmoid", 1.0, 0.19661193324148185, -0.09085774767294841},
    {"sigmoid", -2.0, 0.10499358540350652, 0.07996250105615306},
    {"sigmoid", 30.5, 5.6756852326320784e-14, -5.675685232631434e-14},
    {"log", 0.0, inf, -inf},
    {"log", -0.0, -inf, -inf},
    {"log", inf, 0.0, 0.0},
    {"log", -inf, 0.0, 0.0},
    {"log", qnan, qnan, qnan},
    {"log", most, 5.562684646268003e-309, -0.0},
    {"log", -most, -5.562684646268003e-309, -0.0},
    {"log", least, inf, -inf},
    {"log", -least, -inf, -inf},
    {"log", 1.0, 1.0, -1.0},
    {"log", -2.0, -0.5, -0.25},
    {"log", 30.5, 0.03278688524590164, -0.0010749798441279225},
    {"sqrt", 0.0, inf, -inf},
    {"sqrt", -0.0, -inf, inf},
    {"sqrt", inf, 0.0, 0.0},
    {"sqrt", -inf, qnan, qnan},
    {"sqrt", qnan, qnan, qnan},
    {"sqrt", most, 3.7291703656001034e-155, -0.0},
    {"sqrt", -most, qnan, qnan},
    {"sqrt", least, 2.2494568972715982e+161, -inf},
    {"sqrt", -least, qnan, qnan},
    {"sqrt", 1.0, 0.5, -0.25},
    {"sqrt", -2.0, qnan, qnan},
    {"sqrt", 30.5, 0.09053574604251853, -0.0014841925580740742},
    {"rsqrt", 0.0, -inf, inf},
    {"rsqrt", -0.0, -inf, -inf},
    {"rsqrt", inf, 0.0, 0.0},
    {"rsqrt", -inf, qnan, qnan},
    {"rsqrt", qnan, qnan, qnan},
    {"rsqrt", most, -0.0, 0.0},
    {"rsqrt", -most, qnan, qnan},
    {"rsqrt", least, -inf, inf},
    {"rsqrt", -least, qnan, qnan},
    {"rsqrt", 1.0, -0.5, 0.75},
    {"rsqrt", -2.0, qnan, qnan},
    {"rsqrt", 30.5, -0.0029683851161481484, 0.00014598615325318764},
};

// Beyond the domain of a rule its formula stands. At x = 0 the mixed derivatives of pow exist for y > 1 only.
constexpr Binary binary[] = {
    {"add", inf, -inf, 1, 1, 0, 0, 0, 0},
    {"add", qnan, 1, 1, 1, 0, 0, 0, 0},
    {"sub", inf, inf, 1, -1, 0, 0, 0, 0},
    {"mul", 0, 0, 0, 0, 0, 1, 1, 0},
    {"mul", 0, inf, inf, 0, 0, 1, 1, 0},
    {"mul", most, most, most, most, 0, 1, 1, 0},
    {"mul", least, -least, -least, least, 0, 1, 1, 0},
    {"div", 1, 0, inf, -inf, 0, -inf, -inf, inf},
    {"div", 0, 0, inf, qnan, 0, -inf, -inf, qnan},
    {"div", 0, 2, 0.5, 0, 0, -0.25, -0.25, 0},
    {"div", 1, inf, 0, 0, 0, 0, 0, 0},
    {"div", 1, most, 1 / most, 0, 0, 0, 0, 0},
    {"div", inf, 2, 0.5, -inf, 0, -0.25, -0.25, inf},
    {"div", inf, inf, 0, qnan, 0, 0, 0, qnan},
    {"div", most, 2, 0.5, -most / 4, 0, -0.25, -0.25, most / 4},
    {"div", 3, qnan, qnan, qnan, 0, qnan, qnan, qnan},
    {"max", 1, 1, 0.5, 0.5, 0, 0, 0, 0},
    {"max", 2, 1, 1, 0, 0, 0, 0, 0},
    {"max", 1, 2, 0, 1, 0, 0, 0, 0},
    {"max", 0.0, -0.0, 0.5, 0.5, 0, 0, 0, 0},
    {"max", inf, inf, 0.5, 0.5, 0, 0, 0, 0},
    {"max", -inf, 0, 0, 1, 0, 0, 0, 0},
    {"max", qnan, 1, 0, 0, 0, 0, 0, 0},
    {"max", 1, qnan, 0, 0, 0, 0, 0, 0},
    {"min", 1, 1, 0.5, 0.5, 0, 0, 0, 0},
    {"min", 2, 1, 0, 1, 0, 0, 0, 0},
    {"min", least, 0, 0, 1, 0, 0, 0, 0},
    {"min", -inf, -inf, 0.5, 0.5, 0, 0, 0, 0},
    {"min", most, inf, 1, 0, 0, 0, 0, 0},
    {"min", qnan, 1, 0, 0, 0, 0, 0, 0},
    {"pow", 0, 0, 0, 0, 0, 0, 0, 0},
    {"pow", 0, 2, 0, 0, 2, 0, 0, 0},
    {"pow", 0, 3, 0, 0, 0, 0, 0, 0},
    {"pow", -0.0, 2, 0, 0, 2, 0, 0, 0},
    {"pow", -0.0, 3, 0, 0, 0, 0, 0, 0},
    {"pow", 0, 2.5, 0, 0, 0, 0, 0, 0},
    {"pow", 3, 0, 0, 1.0986122886681098, 0, 1.0 / 3, 1.0 / 3, 1.2069489608125821},
    {"pow", 3, 1, 1, 3.295836866004329, 0, 2.0986122886681098, 2.0986122886681098, 3.6208468824377464},
    {"pow", -3, 0, 0, qnan, 0, qnan, qnan, qnan},
    {"pow", -2, 3, 12, qnan, -12, qnan, qnan, qnan},
    {"pow", -2, 2, -4, qnan, 2, qnan, qnan, qnan},
    {"pow", inf, -1, 0, 0, 0, 0, 0, 0},
    {"pow", most, -2, 0, 0, 0, 0, 0, 0},
    {"pow", qnan, 0, 0, qnan, 0, 0, qnan, qnan},
    {"pow", 1, qnan, qnan, 0, qnan, qnan, qnan, 0},
};
// Of the mixed ones at the border of their domain nothing is said.
constexpr Binary at_border[] = {
    {"pow", 0, 0.5, inf, 0, -inf, 0, 0, 0},     {"pow", 0, 1, 1, 0, 0, 0, 0, 0},
    {"pow", 0, -1, -inf, -inf, inf, 0, 0, inf}, {"pow", inf, 0, 0, inf, 0, 0, 0, inf},
    {"pow", inf, 1, 1, inf, 0, 0, 0, inf},      {"pow", inf, 2, inf, inf, 2, 0, 0, inf},
    {"pow", 1e-200, 2, 2e-200, 0, 2, 0, 0, 0}};

struct Found {
  double d[6];
};
Found differentiate(const Binary& row, bool mixed) {
  Found out{};
  const std::vector<Array> in{Array::scalar(row.x), Array::scalar(row.y)};
  const evaluate::Outputs all = run_ok(in, [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
    const ir::ValueId value = b.emit(row.op, args);
    const ir::ValueId dx = derivative(b, value, args[0]), dy = derivative(b, value, args[1]);
    std::vector<ir::ValueId> r{dx, dy, derivative(b, dx, args[0]), derivative(b, dy, args[1])};
    if (mixed) {
      r.push_back(derivative(b, dx, args[1]));
      r.push_back(derivative(b, dy, args[0]));
    }
    return r;
  });
  for (size_t i = 0; i < all.returned.size(); ++i) out.d[i] = all.returned[i].as<double>()[0];
  return out;
}

void check_pair(const Binary& row, bool mixed) {
  const Found f = differentiate(row, mixed);
  const double expected[] = {row.dx, row.dy, row.xx, row.yy, row.xy, row.yx};
  const char* names[] = {"dx", "dy", "xx", "yy", "xy", "yx"};
  for (size_t i = 0; i < (mixed ? 6 : 4); ++i) {
    INFO(row.op << "(" << row.x << ", " << row.y << ") " << names[i] << ": " << f.d[i] << ", expected "
                << expected[i]);
    CHECK(near(f.d[i], expected[i], 0));
  }
}

void check_point(const Unary& row) {
  const evaluate::Outputs out =
      run_ok({Array::scalar(row.x)}, [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
        const ir::ValueId first = derivative(b, b.emit(row.op, {args[0]}), args[0]);
        return std::vector<ir::ValueId>{first, derivative(b, first, args[0])};
      });
  const double first = out.returned[0].as<double>()[0], second = out.returned[1].as<double>()[0];
  // From the result r, 1 - r^2 and r (1 - r) are right to a unit of 1, not of themselves.
  const bool saturates = std::string_view(row.op) == "tanh" || std::string_view(row.op) == "sigmoid";
  const double absolute = saturates ? 1e-15 : 4 * least;
  INFO(row.op << "(" << row.x << "): " << first << ", " << second << "; expected " << row.first << ", "
              << row.second);
  CHECK(near(first, row.first, absolute));
  CHECK(near(second, row.second, absolute));
}

}  // namespace

TEST_CASE("derivatives at special points: functions of one argument, both orders", "[ops]") {
  for (const Unary& row : unary) check_point(row);
  for (const Unary& row : function_points) check_point(row);
}

TEST_CASE("derivatives at special points: functions of two arguments, both orders", "[ops]") {
  for (const Binary& row : binary) check_pair(row, true);
  for (const Binary& row : at_border) check_pair(row, false);
  for (const Binary& row : pair_points) check_pair(row, true);
}

TEST_CASE("every elementwise operation with a derivative has its special points here", "[ops]") {
  // Choices and conversions have no slope of their own; clamp's are in test_rule_gradients.cpp.
  std::set<std::string_view> known{"select", "cast", "clamp"};
  for (const Unary& row : unary) known.insert(row.op);
  for (const Binary& row : binary) known.insert(row.op);
  for (const Unary& row : function_points) known.insert(row.op);
  for (const Binary& row : pair_points) known.insert(row.op);
  for (const ir::OpDef* op : ir::op_table().all()) {
    if (op->elementwise() == nullptr || op->vjp == nullptr) continue;
    INFO(op->name);
    CHECK(known.contains(op->name));
  }
}
