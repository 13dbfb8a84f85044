#include "runtime/generate.h"

#include <cmath>

#include "files.h"
#include "runtime/load.h"
#include "runtime/npy.h"
#include "support/hash.h"

using namespace tenon::runtime;
using tenon::support::Array;
using tenon::support::DType;

namespace {

uint64_t hash(const DataSet& d) {
  uint64_t h = 1;
  for (const Column& c : d.columns()) h = tenon::support::fnv1a(c.array->data(), c.array->bytes(), h);
  return h;
}

// Nearest neighbour of each held-out image among the training images.
double nearest_accuracy(const TrainTest& d) {
  auto train = d.train.find("image")->array->as<uint8_t>(),
       test = d.test->find("image")->array->as<uint8_t>();
  auto known = d.train.find("label")->array->as<int32_t>(),
       wanted = d.test->find("label")->array->as<int32_t>();
  int right = 0;
  for (size_t t = 0; t < wanted.size(); ++t) {
    int best = 1 << 30;
    int32_t label = -1;
    for (size_t k = 0; k < known.size(); ++k) {
      int sum = 0;
      for (size_t i = 0; i < 784; ++i) {
        const int e = train[k * 784 + i] - test[t * 784 + i];
        sum += e * e;
      }
      if (sum < best) best = sum, label = known[k];
    }
    right += label == wanted[t];
  }
  return right / static_cast<double>(wanted.size());
}

}  // namespace

TEST_CASE("regression data follows its law") {
  RegressionOptions o;
  o.rows = 5000;
  o.noise = 0.1;
  o.seed = 7;
  auto d = make_regression(o);
  REQUIRE(d);
  auto x = d->find("x")->array->as<float>(), y = d->find("y")->array->as<float>();
  CHECK(d->find("y")->array->shape() == std::vector<int64_t>{5000, 1});
  double sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    sx += x[i];
    sy += y[i];
    sxx += double(x[i]) * x[i];
    sxy += double(x[i]) * y[i];
  }
  const double n = 5000, w = (n * sxy - sx * sy) / (n * sxx - sx * sx), b = (sy - w * sx) / n;
  double rest = 0;
  for (size_t i = 0; i < x.size(); ++i) rest += std::pow(y[i] - w * x[i] - b, 2);
  CHECK(std::sqrt(rest / n) == Approx(0.1).epsilon(0.05));
  CHECK(hash(*d) == hash(*make_regression(o)));
  o.seed = 8;
  CHECK(hash(*d) != hash(*make_regression(o)));
  o.noise = -1;
  CHECK(failure(make_regression(o)) == 610);
  o = {};
  o.rows = int64_t{1} << 60;
  CHECK(failure(make_regression(o)) == 610);
  o.rows = 1 << 20;
  o.features = 1 << 20;
  CHECK(failure(make_regression(o)) == 610);
}

TEST_CASE("classes lie apart and are of one size") {
  ClassificationOptions o;
  o.rows = 301;
  o.features = 5;
  o.classes = 3;
  o.separation = 12;
  auto d = make_classification(o);
  REQUIRE(d);
  auto x = d->find("x")->array->as<float>();
  auto y = d->find("y")->array->as<int32_t>();
  double centre[3][5] = {};
  int count[3] = {};
  for (size_t i = 0; i < y.size(); ++i) {
    REQUIRE((y[i] >= 0 && y[i] < 3));
    ++count[y[i]];
    for (size_t f = 0; f < 5; ++f) centre[y[i]][f] += x[i * 5 + f];
  }
  CHECK(*std::max_element(count, count + 3) - *std::min_element(count, count + 3) <= 1);
  int right = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    int best = 0;
    double least = 1e30;
    for (int c = 0; c < 3; ++c) {
      double sum = 0;
      for (size_t f = 0; f < 5; ++f) sum += std::pow(x[i * 5 + f] - centre[c][f] / count[c], 2);
      if (sum < least) least = sum, best = c;
    }
    right += best == y[i];
  }
  CHECK(right > 295);
  o.classes = 0;
  CHECK(failure(make_classification(o)) == 610);
}

TEST_CASE("drawn digits can be told apart, and are the same everywhere") {
  DigitsOptions o;
  o.rows = 3000;
  o.test = 300;
  o.seed = 1;
  auto d = make_digits(o);
  REQUIRE(d);
  CHECK(d->train.find("image")->array->shape() == std::vector<int64_t>{3000, 28, 28});
  CHECK(d->train.find("image")->array->dtype() == DType::u8);
  int counts[10] = {};
  for (int32_t v : d->train.find("label")->array->as<int32_t>()) ++counts[v];
  for (int c : counts) CHECK(c > 200);
  CHECK(nearest_accuracy(*d) > 0.95);
  // Held-out rows are not the training rows.
  CHECK(hash(*d->test) != hash(*d->train.slice(0, 300)));
  // The first rows of a larger set are the rows of a smaller one.
  o.rows = 100;
  o.test = 0;
  auto few = make_digits(o);
  REQUIRE(few);
  CHECK_FALSE(few->test.has_value());
  CHECK(hash(few->train) == hash(*d->train.slice(0, 100)));
  CHECK(hash(few->train) == hash(make_digits(o)->train));
  o.rows = 0;
  CHECK(failure(make_digits(o)) == 610);
}

TEST_CASE("generated bits do not change between versions") {
  // Fixed values: a change here changes every published example.
  CHECK(hash(load_data("regression:rows=100,features=3,seed=7")->train) == 0x839f7c9a3dab6083u);
  CHECK(hash(load_data("classification:rows=100,features=3,seed=7")->train) == 0xe08c60f5f3d9d0aeu);
  CHECK(hash(load_data("digits:rows=50,seed=1,test=0")->train) == 0x786cd3e157bbc3ceu);
}

TEST_CASE("data specs name generators") {
  auto r = load_data("regression:rows=100,features=2,noise=0.1,seed=7");
  REQUIRE(r);
  CHECK(r->train.rows() == 100);
  CHECK(r->train.find("x")->array->shape()[1] == 2);
  CHECK(load_data("regression")->train.rows() == 100);
  CHECK(load_data("classification:rows=50,classes=5")->train.rows() == 50);
  auto d = load_data("digits:rows=50,seed=1");
  REQUIRE(d);
  REQUIRE(d->test.has_value());
  CHECK(d->test->rows() == 10);
  for (const char* bad :
       {"regression:rows", "regression:=3", "regression:rows=ten", "regression:rows=1,rows=2",
        "regression:row=5", "regression:rows=-1", "digits:rows=99999999999", "regression:seed=-1",
        "regression:noise=0,1", "csv:", "csv:path=x,header=maybe", "csv:path=x,separator=ab", ""}) {
    CAPTURE(bad);
    CHECK(failure(load_data(bad)) == 610);
  }
  CHECK(contains(failure_text(load_data("regression:row=5")), "did you mean \"rows\""));
  auto missing = load_data("nosuchfolder/");
  CHECK(failure(missing) == 401);
  CHECK(contains(failure_text(missing), "nosuchfolder"));
  CHECK(contains(failure_text(load_data("regresion:rows=1")), "regression"));
}

TEST_CASE("data specs name files and folders") {
  Folder f;
  put_file(f / "train.csv", "a,b\n1,no\n2,yes\n");
  put_file(f / "test.csv", "a,b\n3,yes\n");
  auto tables = load_data(f.path);
  REQUIRE(tables);
  REQUIRE(tables->test.has_value());
  // The test file has one class only; it keeps the training file's number.
  CHECK(tables->test->find("y")->array->as<int32_t>()[0] == 1);
  CHECK(load_data(f / "train.csv")->train.rows() == 2);
  CHECK(load_data("csv:path=" + (f / "train.csv") + ",target=a,text=skip,labels=number")->train.rows() == 2);
  CHECK(load_data("csv:path=" + (f / "train.csv") + ",test=" + (f / "test.csv"))->test->rows() == 1);

  Folder arrays;
  REQUIRE(write_npy(arrays / "x.npy", Array::of<float>({2, 1}, {1, 2})));
  REQUIRE(write_npy(arrays / "y.npy", Array::of<int32_t>({2}, {0, 1})));
  auto both = load_data(arrays.path);
  REQUIRE(both);
  CHECK(both->train.columns().size() == 2);
  CHECK(load_data(arrays / "x.npy")->train.find("x") != nullptr);
  REQUIRE(write_npy(arrays / "y.npy", Array::of<int32_t>({3}, {0, 1, 2})));
  CHECK(failure(load_data(arrays.path)) == 305);
  REQUIRE(write_npy(arrays / "s.npy", Array::scalar<float>(1)));
  CHECK(failure(load_data(arrays / "s.npy")) == 305);

  Folder empty;
  CHECK(failure(load_data(empty.path)) == 301);
  put_file(empty / "a.bin", "x");
  CHECK(failure(load_data(empty / "a.bin")) == 302);
  put_file(empty / "e.npy", "");
  CHECK(failure(load_data(empty / "e.npy")) == 302);
}
