// Activations: values, first and second derivatives, known and at the ends of the range.
#include <cmath>
#include <limits>

#include "ops/slopes.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;

namespace {

struct Row {
  const char* op;
  double x, value, first, second;
};

// From their formulas in 300 digits and more: elu with alpha = 0.5, celu with alpha = 2, the others as they
// are.
constexpr Row smooth[] = {
    {"softplus", -10000, 0, 0, 0},
    {"softplus", -100, 3.720075976020836e-44, 3.720075976020836e-44, 3.720075976020836e-44},
    {"softplus", -20, 2.061153620314381e-09, 2.0611536181902037e-09, 2.061153613941849e-09},
    {"softplus", -3, 0.04858735157374206, 0.04742587317756678, 0.04517665973091213},
    {"softplus", -1, 0.3132616875182228, 0.2689414213699951, 0.19661193324148185},
    {"softplus", -0x1p-20, 0.6931467037229008, 0.4999997615814209, 0.24999999999994316},
    {"softplus", 0x1p-20, 0.6931476573972172, 0.5000002384185791, 0.24999999999994316},
    {"softplus", 1, 1.3132616875182228, 0.7310585786300049, 0.19661193324148185},
    {"softplus", 3, 3.048587351573742, 0.9525741268224333, 0.04517665973091213},
    {"softplus", 20, 20.000000002061153, 0.9999999979388464, 2.061153613941849e-09},
    {"softplus", 100, 100, 1, 3.720075976020836e-44},
    {"softplus", 10000, 10000, 1, 0},
    {"log_sigmoid", -10000, -10000, 1, 0},
    {"log_sigmoid", -100, -100, 1, -3.720075976020836e-44},
    {"log_sigmoid", -20, -20.000000002061153, 0.9999999979388464, -2.061153613941849e-09},
    {"log_sigmoid", -3, -3.048587351573742, 0.9525741268224333, -0.04517665973091213},
    {"log_sigmoid", -1, -1.3132616875182228, 0.7310585786300049, -0.19661193324148185},
    {"log_sigmoid", -0x1p-20, -0.6931476573972172, 0.5000002384185791, -0.24999999999994316},
    {"log_sigmoid", 0x1p-20, -0.6931467037229008, 0.4999997615814209, -0.24999999999994316},
    {"log_sigmoid", 1, -0.3132616875182228, 0.2689414213699951, -0.19661193324148185},
    {"log_sigmoid", 3, -0.04858735157374206, 0.04742587317756678, -0.04517665973091213},
    {"log_sigmoid", 20, -2.061153620314381e-09, 2.0611536181902037e-09, -2.061153613941849e-09},
    {"log_sigmoid", 100, -3.720075976020836e-44, 3.720075976020836e-44, -3.720075976020836e-44},
    {"log_sigmoid", 10000, 0, 0, 0},
    {"silu", -10000, 0, 0, 0},
    {"silu", -100, -3.720075976020836e-42, -3.682875216260628e-42, -3.645674456500419e-42},
    {"silu", -20, -4.122307236380407e-08, -3.9161918660646786e-08, -3.710076488101912e-08},
    {"silu", -3, -0.14227761953270035, -0.08810410601516962, -0.032321404521006174},
    {"silu", -1, -0.2689414213699951, 0.07232948812851327, 0.3023661188100153},
    {"silu", -0x1p-20, -4.7683693082944956e-07, 0.4999995231628418, 0.4999999999997726},
    {"silu", 0x1p-20, 4.768373855768004e-07, 0.5000004768371582, 0.4999999999997726},
    {"silu", 1, 0.7310585786300049, 0.9276705118714867, 0.3023661188100153},
    {"silu", 3, 2.8577223804672998, 1.0881041060151697, -0.032321404521006174},
    {"silu", 20, 19.99999995877693, 1.0000000391619186, -3.710076488101912e-08},
    {"silu", 100, 100, 1, -3.645674456500419e-42},
    {"silu", 10000, 10000, 1, 0},
    {"mish", -10000, 0, 0, 0},
    {"mish", -100, -3.720075976020836e-42, -3.682875216260628e-42, -3.645674456500419e-42},
    {"mish", -20, -4.122307240628761e-08, -3.916191874348969e-08, -3.710076504245658e-08},
    {"mish", -3, -0.14564746127562458, -0.09339311453232084, -0.03992871324212925},
    {"mish", -1, -0.3034014613741089, 0.05921675587739495, 0.349705673670645},
    {"mish", -0x1p-20, -5.722042988054316e-07, 0.5999993896483938, 0.6400000915522338},
    {"mish", 0x1p-20, 5.722048808820407e-07, 0.6000006103515189, 0.639999908446765},
    {"mish", 1, 0.8650983882673103, 1.0490362200997922, 0.18468576447332827},
    {"mish", 3, 2.9865350049679575, 1.0211069109294437, -0.03026649663932699},
    {"mish", 20, 20, 1.0000000000000002, -6.4574984070979e-16},
    {"mish", 100, 100, 1, -1.096046049175496e-84},
    {"mish", 10000, 10000, 1, 0},
    {"softsign", -10000, -0.9999000099990001, 9.998000299960006e-09, 1.999400119980003e-12},
    {"softsign", -100, -0.9900990099009901, 9.802960494069208e-05, 1.941180295855289e-06},
    {"softsign", -20, -0.9523809523809523, 0.0022675736961451248, 0.00021595939963286903},
    {"softsign", -3, -0.75, 0.0625, 0.03125},
    {"softsign", -1, -0.5, 0.25, 0.25},
    {"softsign", -0x1p-20, -9.536734069124156e-07, 0.9999980926540957, 1.9999942779650155},
    {"softsign", 0x1p-20, 9.536734069124156e-07, 0.9999980926540957, -1.9999942779650155},
    {"softsign", 1, 0.5, 0.25, -0.25},
    {"softsign", 3, 0.75, 0.0625, -0.03125},
    {"softsign", 20, 0.9523809523809523, 0.0022675736961451248, -0.00021595939963286903},
    {"softsign", 100, 0.9900990099009901, 9.802960494069208e-05, -1.941180295855289e-06},
    {"softsign", 10000, 0.9999000099990001, 9.998000299960006e-09, -1.999400119980003e-12},
    {"elu", -10000, -0.5, 0, 0},
    {"elu", -100, -0.5, 1.860037988010418e-44, 1.860037988010418e-44},
    {"elu", -20, -0.4999999989694232, 1.030576811219279e-09, 1.030576811219279e-09},
    {"elu", -3, -0.475106465816068, 0.024893534183931972, 0.024893534183931972},
    {"elu", -1, -0.31606027941427883, 0.18393972058572117, 0.18393972058572117},
    {"elu", -0x1p-20, -4.768369308295218e-07, 0.49999952316306917, 0.49999952316306917},
    {"elu", 0x1p-20, 9.5367431640625e-07, 1, 0},
    {"elu", 1, 1, 1, 0},
    {"elu", 3, 3, 1, 0},
    {"elu", 20, 20, 1, 0},
    {"elu", 100, 100, 1, 0},
    {"elu", 10000, 10000, 1, 0},
    {"celu", -10000, -2, 0, 0},
    {"celu", -100, -2, 1.9287498479639178e-22, 9.643749239819589e-23},
    {"celu", -20, -1.999909200140475, 4.5399929762484854e-05, 2.2699964881242427e-05},
    {"celu", -3, -1.5537396797031404, 0.22313016014842982, 0.11156508007421491},
    {"celu", -1, -0.7869386805747332, 0.6065306597126334, 0.3032653298563167},
    {"celu", -0x1p-20, -9.536740890326107e-07, 0.9999995231629555, 0.49999976158147774},
    {"celu", 0x1p-20, 9.5367431640625e-07, 1, 0},
    {"celu", 1, 1, 1, 0},
    {"celu", 3, 3, 1, 0},
    {"celu", 20, 20, 1, 0},
    {"celu", 100, 100, 1, 0},
    {"celu", 10000, 10000, 1, 0},
    {"selu", -10000, -1.7580993408473768, 0, 0},
    {"selu", -100, -1.7580993408473768, 6.540263121344393e-44, 6.540263121344393e-44},
    {"selu", -20, -1.758099337223664, 3.6237128249944113e-09, 3.6237128249944113e-09},
    {"selu", -3, -1.6705687287671118, 0.08753061208026489, 0.08753061208026489},
    {"selu", -1, -1.1113307378125628, 0.6467686030348141, 0.6467686030348141},
    {"selu", -0x1p-20, -1.676653387566137e-06, 1.7580976641939892, 1.7580976641939892},
    {"selu", 0x1p-20, 1.0020265458636097e-06, 1.0507009873554805, 0},
    {"selu", 1, 1.0507009873554805, 1.0507009873554805, 0},
    {"selu", 3, 3.1521029620664414, 1.0507009873554805, 0},
    {"selu", 20, 21.01401974710961, 1.0507009873554805, 0},
    {"selu", 100, 105.07009873554804, 1.0507009873554805, 0},
    {"selu", 10000, 10507.009873554805, 1.0507009873554805, 0},
};

// By hand. Corners have the slope that the reference states.
constexpr Row pieces[] = {
    {"relu6", -1e4, 0, 0, 0},
    {"relu6", -1, 0, 0, 0},
    {"relu6", 0, 0, 0, 0},
    {"relu6", 2, 2, 1, 0},
    {"relu6", 6, 6, 0, 0},
    {"relu6", 1e4, 6, 0, 0},
    {"hard_tanh", -1e4, -1, 0, 0},
    {"hard_tanh", -1, -1, 0, 0},
    {"hard_tanh", -0.25, -0.25, 1, 0},
    {"hard_tanh", 0, 0, 1, 0},
    {"hard_tanh", 1, 1, 0, 0},
    {"hard_tanh", 1e4, 1, 0, 0},
    {"hard_swish", -1e4, 0, 0, 0},
    {"hard_swish", -3, 0, 0, 0},
    {"hard_swish", -1.5, -0.375, 0, 1.0 / 3},
    {"hard_swish", 0, 0, 0.5, 1. / 3},
    {"hard_swish", 1.5, 1.125, 1, 1. / 3},
    {"hard_swish", 3, 3, 1, 0},
    {"hard_swish", 1e4, 1e4, 1, 0},
    {"hard_sigmoid", -1e4, 0, 0, 0},
    {"hard_sigmoid", -3, 0, 0, 0},
    {"hard_sigmoid", -1.5, 0.25, 1. / 6, 0},
    {"hard_sigmoid", 0, 0.5, 1. / 6, 0},
    {"hard_sigmoid", 3, 1, 0, 0},
    {"hard_sigmoid", 1e4, 1, 0, 0},
    {"leaky_relu", -1e4, -100, 0.01, 0},
    {"leaky_relu", 0, 0, 0.01, 0},
    {"leaky_relu", 3, 3, 1, 0},
    {"leaky_relu", 1e4, 1e4, 1, 0},
    // Where the two sides meet.
    {"elu", 0, 0, 0.5, 0.5},
    {"celu", 0, 0, 1, 0.5},
    {"selu", 0, 0, 1.7580993408473766, 1.7580993408473766},
    {"softsign", 0, 0, 1, 0},
    {"softplus", 0, 0.6931471805599453, 0.5, 0.25},
    {"log_sigmoid", 0, -0.6931471805599453, 0.5, -0.25},
    {"silu", 0, 0, 0.5, 0.5},
    {"mish", 0, 0, 0.6, 0.64},
};

constexpr std::string_view names[] = {"softplus",   "log_sigmoid",  "mish",      "silu",  "elu",
                                      "celu",       "selu",         "softsign",  "relu6", "hard_tanh",
                                      "hard_swish", "hard_sigmoid", "leaky_relu"};

template <class T>
Slopes at(const Row& row) {
  const std::vector<Array> x{Array::scalar(static_cast<T>(row.x))};
  const std::string_view op = row.op;
  if (op == "elu") return slopes(op, x, {{"alpha", 0.5}});
  if (op == "celu") return slopes(op, x, {{"alpha", 2.0}});
  return slopes(op, x);
}

// Relative to the expected value; besides, what products with x make of the smallest numbers, and but for the
// tail that vanishes, of a unit of 1, to which sigmoid and tanh saturate (docs/ir.md).
template <class T>
void check_row(const Row& row) {
  const Slopes s = at<T>(row);
  const double unit = std::numeric_limits<T>::epsilon(), least = std::numeric_limits<T>::denorm_min();
  const double scale = 1 + std::fabs(row.x);
  const double tail = std::string_view(row.op) == "log_sigmoid" ? -row.x : row.x;
  const double absolute = tail < -3 ? 0 : unit * std::min(scale, 32.0);
  const auto near = [&](const char* what, const Array& found, double expected, double relative,
                        double extra) {
    const double v = static_cast<double>(found.as<T>()[0]);
    INFO(row.op << "(" << row.x << ") " << what << ": " << v << ", expected " << expected);
    CHECK(std::fabs(v - expected) <= relative * unit * std::fabs(expected) + 4 * least * scale + extra);
  };
  near("value", s.value, row.value, 8, 0);
  near("first derivative", s.first[0], row.first, 12, 2 * absolute);
  near("second derivative", s.second[0], row.second, 48, 8 * absolute);
}

}  // namespace

TEST_CASE("activations and their derivatives are right at known points and in both tails", "[ops]") {
  for (const Row& row : smooth) {
    check_row<float>(row);
    check_row<double>(row);
  }
  for (const Row& row : pieces) {
    check_row<float>(row);
    check_row<double>(row);
  }
}

TEST_CASE("activations of large and small numbers are finite, and so are their derivatives", "[ops]") {
  constexpr float least = std::numeric_limits<float>::denorm_min();
  for (const std::string_view op : names)
    for (const float x : {1e38f, -1e38f, 1e30f, -1e30f, 1e4f, -1e4f, 88.5f, -88.5f, least, -least}) {
      INFO(op << "(" << x << ")");
      CHECK(slopes(op, {Array::scalar(x)}).finite());
    }
}

TEST_CASE("activations keep a NaN, and saturate at infinity where they have a limit", "[ops]") {
  constexpr double inf = std::numeric_limits<double>::infinity();
  for (const std::string_view op : names) {
    INFO(op);
    CHECK(std::isnan(value(op, {f64({1}, {std::nan("")})}).as<double>()[0]));
  }
  const Array ends = f64({2}, {-inf, inf});
  CHECK(value("softplus", {ends}) == f64({2}, {0, inf}));
  CHECK(value("log_sigmoid", {ends}) == f64({2}, {-inf, -0.0}));
  CHECK(value("elu", {ends}) == f64({2}, {-1, inf}));
  CHECK(value("celu", {ends}, {{"alpha", 4.0}}) == f64({2}, {-4, inf}));
  CHECK(value("relu6", {ends}) == f64({2}, {0, 6}));
  CHECK(value("hard_tanh", {ends}, {{"low", -2.0}, {"high", 0.5}}) == f64({2}, {-2, 0.5}));
  CHECK(value("hard_sigmoid", {ends}) == f64({2}, {0, 1}));
  CHECK(value("relu6", {i32({3}, {-4, 5, 9})}) == i32({3}, {0, 5, 6}));
}

TEST_CASE("prelu has a slope for each channel, or one", "[ops]") {
  const Array x = f32({2, 3}, {-1, 2, -3, 4, -5, -6});
  CHECK(value("prelu", {x, f32({3}, {2, 3, 4})}) == f32({2, 3}, {-2, 2, -12, 4, -15, -24}));
  CHECK(value("prelu", {x, f32({2}, {2, 3})}, {{"axis", int64_t{0}}}) ==
        f32({2, 3}, {-2, 2, -6, 4, -15, -18}));
  CHECK(value("prelu", {x, f32({1}, {2})}) == f32({2, 3}, {-2, 2, -6, 4, -10, -12}));
  const Slopes s = slopes("prelu", {x, f32({3}, {2, 3, 4})});
  CHECK(s.first[0] == f32({2, 3}, {2, 1, 4, 1, 3, 4}));
  CHECK(s.first[1] == f32({3}, {-1, -5, -9}));
  CHECK(slopes("prelu", {x, f32({1}, {2})}).first[1] == f32({1}, {-15}));
}

TEST_CASE("glu gates the first half by the second", "[ops]") {
  const double s = 0.7310585786300049;  // sigmoid(1)
  CHECK(distance(value("glu", {f64({2, 4}, {3, 5, 0, 1, 7, -2, -1, 0})}),
                 f64({2, 2}, {1.5, 5 * s, 7 * (1 - s), -1})) < 1e-14);
  CHECK(distance(value("glu", {f64({2, 1}, {3, 1})}, {{"axis", int64_t{0}}}), f64({1, 1}, {3 * s})) < 1e-14);
  CHECK(distance(slopes("glu", {f64({2}, {3, 0})}).first[0], f64({2}, {0.5, 0.75})) < 1e-15);
  CHECK(value("glu", {f32({4}, {1, 1, 1e4f, -1e4f})}) == f32({2}, {1, 0}));
}
