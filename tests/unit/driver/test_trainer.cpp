// fit and evaluate.
#include <filesystem>
#include <fstream>
#include <thread>

#include "conformance/models.h"
#include "driver/train/trainer.h"
#include "runtime/generate.h"
#include "runtime/parallel.h"

namespace tenon::test {
namespace {

template <class T>
T value(Result<T> r) {
  if (!r) FAIL(r.errors().text());
  return std::move(*r);
}

std::shared_ptr<const driver::Program> linear() {
  static const auto p = value(driver::Program::compile(value(driver::read_unit(linear_text, "linear")), {}));
  return p;
}
std::shared_ptr<const driver::Program> mlp() {
  static const auto p = value(driver::Program::compile(value(driver::read_unit(mlp_text, "mlp")), {}));
  return p;
}

// Least squares in closed form by normal equations (with intercept), solved by elimination.
double least_squares_loss(const runtime::DataSet& data) {
  const Array &x = *data.find("x")->array, &y = *data.find("y")->array;
  const auto n = static_cast<size_t>(data.rows()), f = static_cast<size_t>(x.shape()[1]) + 1;
  std::vector<std::vector<double>> a(f, std::vector<double>(f + 1));
  auto feature = [&](size_t r, size_t c) {
    return c + 1 == f ? 1.0 : double(x.as<float>()[r * (f - 1) + c]);
  };
  for (size_t r = 0; r < n; ++r)
    for (size_t i = 0; i < f; ++i) {
      for (size_t j = 0; j < f; ++j) a[i][j] += feature(r, i) * feature(r, j);
      a[i][f] += feature(r, i) * double(y.as<float>()[r]);
    }
  for (size_t i = 0; i < f; ++i)
    for (size_t k = 0; k < f; ++k)
      if (k != i)
        for (size_t j = f + 1; j-- > i;) a[k][j] -= a[k][i] / a[i][i] * a[i][j];
  double sum = 0;
  for (size_t r = 0; r < n; ++r) {
    double p = 0;
    for (size_t c = 0; c < f; ++c) p += feature(r, c) * a[c][f] / a[c][c];
    sum += (p - double(y.as<float>()[r])) * (p - double(y.as<float>()[r]));
  }
  return sum / static_cast<double>(n);
}

runtime::DataSet classes(int64_t rows, uint64_t seed) {
  runtime::ClassificationOptions o;
  o.rows = rows;
  o.features = 20;
  o.classes = 10;
  o.seed = seed;
  return value(runtime::make_classification(o));
}

}  // namespace

TEST_CASE("linear regression reaches the least-squares loss, with a short last batch") {
  runtime::RegressionOptions o;
  o.rows = 103;
  o.features = 3;
  o.seed = 7;
  const runtime::DataSet data = value(runtime::make_regression(o));
  driver::Session session(linear(), value(linear()->init(7)));
  driver::FitOptions options;
  options.batch = 7;
  options.epochs = 300;
  const driver::FitResult result = value(driver::fit(session, data, options));
  CHECK(result.steps == 15u * 300u);
  CHECK(session.last_progress() == 15 * 300);
  REQUIRE(result.records.size() == 300);
  CHECK(value(session.state()->get("rng.step")).as<int64_t>()[0] == 15 * 300);
  const double best = least_squares_loss(data), loss = value(driver::evaluate(session, data)).loss;
  INFO(loss << " " << best);
  CHECK(loss <= 1.05 * best);
  CHECK(loss >= best * (1 - 1e-5));
}

TEST_CASE("one call or many, alone or with threads: the same bits") {
  const runtime::DataSet data = classes(100, 3), held = classes(50, 4);
  std::vector<uint64_t> hashes;
  runtime::Pool pool(2);
  const runtime::Parallel lent = pool.parallel();
  for (int variant = 0; variant < 4; ++variant) {
    driver::Session session(mlp(), value(mlp()->init(7)), variant == 3 ? &lent : nullptr);
    driver::FitOptions options;
    options.batch = 32;
    options.epochs = 3;
    if (variant == 1) options.validate = &held;
    if (variant == 2) options.on_epoch = [](const runtime::EpochRecord&) { return true; };
    const driver::FitResult result = value(driver::fit(session, data, options));
    CHECK(result.steps == 12);
    hashes.push_back(session.state()->hash());
  }
  CHECK(hashes[1] == hashes[0]);
  CHECK(hashes[2] == hashes[0]);
  CHECK(hashes[3] == hashes[0]);
}

TEST_CASE("a fit holds its state between epochs; what it calls back may use it") {
  const runtime::DataSet data = classes(100, 3), held = classes(50, 4);
  driver::Session session(mlp(), value(mlp()->init(7))), other(mlp(), session.state());
  driver::FitOptions options;
  options.batch = 32;
  options.epochs = 3;
  options.validate = &held;
  int refused = 0, evaluated = 0, written = 0;
  options.on_epoch = [&](const runtime::EpochRecord&) {
    std::thread([&] {
      driver::FitOptions one;
      one.batch = 32;
      const Result<driver::FitResult> out = driver::fit(other, data, one);
      refused += !out && out.errors().code() == Code::busy;
      const Status set = session.state()->set("fc1.b", *session.state()->get("fc1.b"));
      refused += !set && set.errors().code() == Code::busy;
    }).join();
    evaluated += static_cast<bool>(driver::evaluate(session, held));
    written += static_cast<bool>(session.state()->set("fc1.b", value(session.state()->get("fc1.b"))));
    return true;
  };
  CHECK(value(driver::fit(session, data, options)).steps == 12);
  CHECK(refused == 6);
  CHECK(evaluated == 3);
  CHECK(written == 3);
  CHECK(driver::fit(other, data, options));  // free again
}

TEST_CASE("training stops where a metric is reached; history and validation are recorded") {
  const runtime::DataSet all = classes(400, 3);
  const auto parts = value(all.split(0.8, 1));
  driver::Session session(mlp(), value(mlp()->init(7)));
  REQUIRE(session.set_hyper("lr", 0.01));
  const std::string file = (std::filesystem::temp_directory_path() / "tenon-history.jsonl").string();
  driver::FitOptions options;
  options.batch = 32;
  options.epochs = 100;
  options.validate = &parts.second;
  options.until = "accuracy";
  options.until_value = 0.6;
  options.history = file;
  const driver::FitResult result = value(driver::fit(session, parts.first, options));
  CHECK(result.reached);
  CHECK(result.records.size() < 100);
  size_t lines = 0;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    ++lines;
    CHECK(line.find("\"test accuracy\":") != std::string::npos);
  }
  CHECK(lines == result.records.size());
  std::filesystem::remove(file);

  driver::EvaluateOptions evaluating;
  evaluating.confusion = true;
  evaluating.batch = 33;
  const driver::Evaluation e = value(driver::evaluate(session, parts.second, evaluating));
  CHECK(e.rows == 80);
  REQUIRE(e.metrics.size() == 1);
  CHECK(e.metrics[0].first == "accuracy");
  int64_t right = 0, total = 0;
  REQUIRE(e.confusion.size() == 10);
  for (size_t i = 0; i < 10; ++i)
    for (size_t j = 0; j < 10; ++j) {
      total += e.confusion[i][j];
      if (i == j) right += e.confusion[i][j];
    }
  CHECK(total == 80);
  CHECK(std::abs(static_cast<double>(right) / 80 - e.metrics[0].second) < 1e-6);
  options.until = "acuracy";
  CHECK(driver::fit(session, parts.first, options).errors().code() == Code::bad_option);
}

TEST_CASE("rows in order, and by a seed of one's own") {
  const runtime::DataSet data = classes(70, 3);
  std::vector<uint64_t> hashes;
  for (int variant = 0; variant < 4; ++variant) {
    driver::Session session(mlp(), value(mlp()->init(7)));
    driver::FitOptions options;
    options.epochs = 2;
    options.in_order = variant == 0;
    if (variant != 0) options.shuffle = variant == 3 ? 2 : 1;
    CHECK(value(driver::fit(session, data, options)).steps == 6);
    hashes.push_back(session.state()->hash());
  }
  CHECK(hashes[1] == hashes[2]);
  CHECK(hashes[0] != hashes[1]);
  CHECK(hashes[1] != hashes[3]);
}

TEST_CASE("a program for one batch size trains on it, with a shorter last batch where the loop has one") {
  driver::CompileOptions bound;
  bound.bind["batch"] = 32;
  const auto program = value(driver::Program::compile(value(driver::read_unit(mlp_text, "mlp")), bound));
  const runtime::DataSet data = classes(100, 3), whole = value(data.slice(0, 96));
  driver::FitOptions options;
  options.epochs = 2;
  std::vector<uint64_t> hashes;
  for (const auto& p : {program, mlp()}) {
    driver::Session session(p, value(p->init(7)));
    CHECK(value(driver::fit(session, data, options)).steps == 8);
    hashes.push_back(session.state()->hash());
  }
  CHECK(hashes[0] == hashes[1]);
  driver::Session session(program, value(program->init(7)));
  options.in_order = true;  // step by step
  CHECK(value(driver::fit(session, whole, options)).steps == 6);
  const Errors left = driver::fit(session, data, options).take_errors();
  CHECK(left.code() == Code::bad_option);
  CHECK(left.list[0].message == "train takes 32 rows a call, and 100 rows leave a last batch of 4");
  CHECK(left.list[0].help.find("first 96 rows") != std::string::npos);
  CHECK(driver::evaluate(session, whole));
  CHECK(driver::evaluate(session, data).errors().code() == Code::bad_option);
  options.batch = 16;
  const Errors other = driver::fit(session, whole, options).take_errors();
  CHECK(other.list[0].message == "train takes 32 rows a call, the batch is 16");
  // A label out of range is found here as well.
  Array labels(DType::i64, {32});
  labels.as<int64_t>()[9] = 12;
  runtime::DataSet bad;
  REQUIRE(bad.add(whole.columns()[0].name, Array(DType::f32, {32, 20})));
  REQUIRE(bad.add("label", labels));
  options.batch = 32;
  CHECK(driver::fit(session, bad, options).take_errors().list[0].message ==
        "label 12 at row 9 of y: the model has classes 0..9");
}

TEST_CASE("data that does not fit is refused by name, and a bad label by its row") {
  driver::Session session(mlp(), value(mlp()->init(7)));
  runtime::DataSet data;
  CHECK(driver::fit(session, data).errors().code() == Code::data_missing);
  REQUIRE(data.add("x", Array(DType::f32, {10, 19})));
  REQUIRE(data.add("y", Array(DType::i32, {10})));
  CHECK(driver::fit(session, data).errors().code() == Code::data_shape);
  runtime::DataSet good;
  REQUIRE(good.add("image", Array(DType::u8, {10, 4, 5})));
  Array labels(DType::i64, {10});
  labels.as<int64_t>()[6] = 10;
  REQUIRE(good.add("label", labels));
  const uint64_t before = session.state()->hash();
  driver::FitOptions options;
  options.batch = 10;
  const Errors errors = driver::fit(session, good, options).take_errors();
  CHECK(errors.code() == Code::label_range);
  CHECK(errors.list[0].message == "label 10 at row 6 of y: the model has classes 0..9");
  CHECK(errors.list[0].within == "column \"label\"");
  CHECK(errors.list[0].notes.back() == "column \"label\" holds 0..10");
  CHECK(session.state()->hash() == before);
  options.batch = 301;
  CHECK(driver::fit(session, good, options).errors().code() == Code::size_range);
  options.step = "trian";
  CHECK(driver::fit(session, good, options).errors().code() == Code::undefined_name);
}

}  // namespace tenon::test
