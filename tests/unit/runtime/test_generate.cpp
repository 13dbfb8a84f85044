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

TEST_CASE("drawn shapes: brighter figures of their label, the same everywhere") {
  ShapesOptions o;
  o.rows = 400;
  o.test = 40;
  o.size = 24;
  o.classes = 6;
  o.seed = 1;
  auto d = make_shapes(o);
  REQUIRE(d);
  using Shape = std::vector<int64_t>;
  CHECK(d->train.find("image")->array->shape() == Shape{400, 24, 24, 3});
  CHECK(d->train.find("mask")->array->shape() == Shape{400, 24, 24});
  CHECK(d->test->rows() == 40);
  const auto image = d->train.find("image")->array->as<uint8_t>(),
             mask = d->train.find("mask")->array->as<uint8_t>();
  const auto label = d->train.find("label")->array->as<int32_t>();
  int counts[6] = {};
  for (size_t row = 0; row < 400; ++row) {
    REQUIRE(label[row] >= 0);
    REQUIRE(label[row] < 6);
    ++counts[label[row]];
    // One figure: its pixels are of the label, and brighter than the ground.
    double figure = 0, ground = 0;
    int inside = 0;
    for (size_t i = row * 576; i < row * 576 + 576; ++i) {
      REQUIRE((mask[i] == 0 || mask[i] == label[row] + 1));
      const double light = image[3 * i] + image[3 * i + 1] + image[3 * i + 2];
      (mask[i] == 0 ? ground : figure) += light;
      inside += mask[i] != 0;
    }
    REQUIRE(inside > 20);
    REQUIRE(inside < 400);
    CHECK(figure / inside > ground / (576 - inside) + 60);
  }
  for (int c : counts) CHECK(c > 40);
  CHECK(hash(*d->test) != hash(*d->train.slice(0, 40)));
  // The first rows of a larger set are the rows of a smaller one.
  o.rows = 30;
  o.test = 0;
  auto few = make_shapes(o);
  REQUIRE(few);
  CHECK_FALSE(few->test.has_value());
  CHECK(hash(few->train) == hash(*d->train.slice(0, 30)));
  // Several figures: the front one is whole, others may be hidden.
  o.objects = 3;
  o.rows = 60;
  auto scenes = make_shapes(o);
  REQUIRE(scenes);
  const auto scene_mask = scenes->train.find("mask")->array->as<uint8_t>();
  const auto front = scenes->train.find("label")->array->as<int32_t>();
  int mixed = 0;
  for (size_t row = 0; row < 60; ++row) {
    bool own = false, other = false;
    for (size_t i = row * 576; i < row * 576 + 576; ++i) {
      own = own || scene_mask[i] == front[row] + 1;
      other = other || (scene_mask[i] != 0 && scene_mask[i] != front[row] + 1);
    }
    CHECK(own);
    mixed += other;
  }
  CHECK(mixed > 15);
  for (auto set :
       {&ShapesOptions::rows, &ShapesOptions::size, &ShapesOptions::classes, &ShapesOptions::objects})
    for (const int64_t bad : {int64_t{0}, int64_t{1} << 40}) {
      ShapesOptions wrong;
      wrong.*set = bad;
      CHECK(failure(make_shapes(wrong)) == 610);
    }
  ShapesOptions huge;
  huge.rows = 100000;
  huge.size = 512;
  CHECK(contains(failure_text(make_shapes(huge)), "pass 8 GiB"));
}

TEST_CASE("generated bits do not change between versions") {
  // Fixed values: a change here changes every published example.
  CHECK(hash(load_data("regression:rows=100,features=3,seed=7")->train) == 0x839f7c9a3dab6083u);
  CHECK(hash(load_data("classification:rows=100,features=3,seed=7")->train) == 0xe08c60f5f3d9d0aeu);
  CHECK(hash(load_data("digits:rows=50,seed=1,test=0")->train) == 0x786cd3e157bbc3ceu);
  CHECK(hash(load_data("shapes:rows=50,seed=1,test=0")->train) == 0x8946b7bb2eb322f5u);
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
  auto shapes = load_data("shapes:rows=10,test=2,size=16,classes=3,objects=2,seed=5");
  REQUIRE(shapes);
  CHECK(shapes->train.find("image")->array->shape() == std::vector<int64_t>{10, 16, 16, 3});
  CHECK(shapes->test->rows() == 2);
  for (const char* bad :
       {"regression:rows", "regression:=3", "regression:rows=ten", "regression:rows=1,rows=2",
        "regression:row=5", "regression:rows=-1", "digits:rows=99999999999", "regression:seed=-1",
        "shapes:size=4", "shapes:figures=2", "regression:noise=0,1", "csv:", "csv:path=x,header=maybe",
        "csv:path=x,separator=ab", ""}) {
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
