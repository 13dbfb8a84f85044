#include "runtime/data.h"

#include <algorithm>
#include <set>

#include "files.h"

using namespace tenon::runtime;
using tenon::support::Array;
using tenon::support::DType;

namespace {

DataSet numbered(int64_t rows) {
  Array x(DType::f32, {rows, 2}), y(DType::i32, {rows});
  for (int64_t i = 0; i < rows; ++i) {
    x.as<float>()[static_cast<size_t>(2 * i)] = static_cast<float>(i);
    x.as<float>()[static_cast<size_t>(2 * i + 1)] = static_cast<float>(-i);
    y.as<int32_t>()[static_cast<size_t>(i)] = static_cast<int32_t>(i);
  }
  DataSet d;
  REQUIRE(d.add("x", std::move(x)));
  REQUIRE(d.add("y", std::move(y)));
  return d;
}
std::vector<int32_t> labels(const DataSet& d) {
  auto span = d.find("y")->array->as<int32_t>();
  return {span.begin(), span.end()};
}
// The columns of a row stay together.
bool together(const DataSet& d) {
  auto x = d.find("x")->array->as<float>();
  auto y = d.find("y")->array->as<int32_t>();
  for (size_t i = 0; i < y.size(); ++i)
    if (x[2 * i] != static_cast<float>(y[i]) || x[2 * i + 1] != -static_cast<float>(y[i])) return false;
  return true;
}

}  // namespace

TEST_CASE("columns must agree on rows and differ in name") {
  DataSet d = numbered(4);
  CHECK(d.rows() == 4);
  CHECK(failure(d.add("z", Array(DType::f32, {3}))) == 305);
  CHECK(failure(d.add("z", Array(DType::f32, {}))) == 305);
  CHECK(failure(d.add("x", Array(DType::f32, {4}))) == 104);
  CHECK(failure(d.add("", Array(DType::f32, {4}))) == 610);
  CHECK(d.columns().size() == 2);
  CHECK(failure(d.rename("q", "z")) == 103);
  CHECK(failure(d.rename("x", "y")) == 104);
  REQUIRE(d.rename("x", "image"));
  CHECK(d.find("x") == nullptr);
  CHECK(d.find("image") != nullptr);
}

TEST_CASE("slices and gathered rows") {
  const DataSet d = numbered(6);
  auto s = d.slice(2, 5);
  REQUIRE(s);
  CHECK(labels(*s) == std::vector<int32_t>{2, 3, 4});
  CHECK(together(*s));
  const int64_t rows[] = {5, 0, 5};
  auto t = d.take(rows);
  REQUIRE(t);
  CHECK(labels(*t) == std::vector<int32_t>{5, 0, 5});
  CHECK(d.slice(3, 3)->rows() == 0);
  CHECK(failure(d.slice(-1, 2)) == 605);
  CHECK(failure(d.slice(3, 2)) == 605);
  CHECK(failure(d.slice(0, 7)) == 605);
  const int64_t outside[] = {6};
  CHECK(failure(d.take(outside)) == 605);
}

TEST_CASE("a split shares the rows out, the same way for the same seed") {
  const DataSet d = numbered(101);
  auto a = d.split(0.9, 7), b = d.split(0.9, 7), c = d.split(0.9, 8);
  REQUIRE(a);
  CHECK(a->first.rows() == 91);
  CHECK(a->second.rows() == 10);
  std::vector<int32_t> all = labels(a->first);
  CHECK_FALSE(std::is_sorted(all.begin(), all.end()));
  for (int32_t v : labels(a->second)) all.push_back(v);
  std::sort(all.begin(), all.end());
  CHECK(all == labels(d));
  CHECK(together(a->first));
  CHECK(labels(a->second) == labels(b->second));
  CHECK(labels(a->second) != labels(c->second));
  for (double bad : {0.0, 1.0, -0.5, 1.5, std::numeric_limits<double>::quiet_NaN()})
    CHECK(failure(d.split(bad, 1)) == 610);
  CHECK(failure(numbered(1).split(0.5, 1)) == 301);
}

TEST_CASE("batches cover every row once, the last one shorter") {
  const DataSet d = numbered(10);
  auto plain = d.batches(4);
  REQUIRE(plain);
  CHECK(plain->count() == 3);
  std::vector<int32_t> seen;
  int64_t index = 0;
  for (const Batch& b : *plain) {
    CHECK(b.index == index++);
    CHECK(b.data.rows() == (b.index == 2 ? 2 : 4));
    for (int32_t v : labels(b.data)) seen.push_back(v);
  }
  CHECK(seen == labels(d));

  BatchOptions shuffled;
  shuffled.shuffle = 7;
  std::set<std::vector<int64_t>> orders;
  for (uint32_t epoch = 0; epoch < 5; ++epoch) {
    shuffled.epoch = epoch;
    auto batches = d.batches(4, shuffled);
    REQUIRE(batches);
    std::multiset<int32_t> all;
    for (const Batch& b : *batches) {
      CHECK(together(b.data));
      for (int32_t v : labels(b.data)) all.insert(v);
    }
    CHECK(all.size() == 10);
    CHECK(std::set<int32_t>(all.begin(), all.end()).size() == 10);
    orders.insert(batches->order());
  }
  CHECK(orders.size() == 5);
  shuffled.drop_last = true;
  CHECK(d.batches(4, shuffled)->count() == 2);
  CHECK(d.batches(100)->count() == 1);
  CHECK(failure(d.batches(0)) == 610);
  CHECK(failure(DataSet().batches(1)) == 301);
}

TEST_CASE("rows keep the line they were read from") {
  DataSet d = numbered(4);
  d.set_lines({2, 3, 5, 9});
  auto s = d.slice(1, 4);
  REQUIRE(s);
  auto t = s->slice(1, 3);
  REQUIRE(t);
  CHECK(t->place(t->columns()[1], 1).line == 9);
  CHECK(numbered(2).place(d.columns()[0], 0).line == 0);
}
