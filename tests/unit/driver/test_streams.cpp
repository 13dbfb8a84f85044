// Data that are read in blocks: training and evaluating on them has the bits of data in memory, in every
// order, with any bound of memory; failures name their rows.
#include <algorithm>
#include <filesystem>

#include "conformance/models.h"
#include "driver/train/trainer.h"
#include "runtime/generate.h"
#include "runtime/load.h"
#include "runtime/npy.h"

namespace tenon::test {
namespace {

template <class T>
T value(Result<T> r) {
  if (!r) FAIL(r.errors().text());
  return std::move(*r);
}

std::shared_ptr<const driver::Program> mlp() {
  static const auto p = value(driver::Program::compile(value(driver::read_unit(mlp_text, "mlp")), {}));
  return p;
}

// A data set, once in memory and once as .npy files that are read in blocks.
class Stored {
 public:
  explicit Stored(int64_t rows, uint64_t seed = 3) {
    std::string name = (std::filesystem::temp_directory_path() / "tenon-streams-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder_ = name;
    runtime::ClassificationOptions o;
    o.rows = rows;
    o.features = 20;
    o.classes = 10;
    o.seed = seed;
    store(value(runtime::make_classification(o)));
  }
  ~Stored() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  void store(const runtime::DataSet& data) {
    memory = data;
    for (const runtime::Column& c : data.columns()) REQUIRE(runtime::write_npy(path(c.name), *c.array));
    blocks = value(runtime::open_data(folder_)).train;
  }
  std::string path(const std::string& column) const { return folder_ + "/" + column + ".npy"; }

  runtime::DataSet memory;
  std::shared_ptr<const runtime::Source> blocks;

 private:
  std::string folder_;
};

// Rows that were read, by how many at once.
class Counted : public runtime::Source {
 public:
  explicit Counted(std::shared_ptr<const runtime::Source> from) : from_(std::move(from)) {}
  int64_t rows() const override { return from_->rows(); }
  Result<runtime::DataSet> read(std::span<const int64_t> rows) const override {
    largest = std::max(largest, static_cast<int64_t>(rows.size()));
    return from_->read(rows);
  }
  mutable int64_t largest = 0;

 private:
  std::shared_ptr<const runtime::Source> from_;
};

struct Trained {
  uint64_t hash = 0;
  std::vector<double> losses;
  driver::FitResult result;
};
Trained train(const runtime::Source& data, driver::FitOptions options, uint64_t seed = 7) {
  driver::Session session(mlp(), value(mlp()->init(seed)));
  Trained out;
  out.result = value(driver::fit(session, data, options));
  out.hash = session.state()->hash();
  for (size_t e = 0; e < out.result.records.size(); ++e) out.losses.push_back(out.result.records.loss(e));
  return out;
}

}  // namespace

TEST_CASE("training on blocks has the bits of training in memory") {
  const Stored data(131), held(57, 4);
  for (const int order : {0, 1, 2})
    for (const int64_t batch : {1, 32, 131}) {
      driver::FitOptions options;
      options.batch = batch;
      options.epochs = 3;
      options.in_order = order == 1;
      if (order == 2) options.shuffle = 5;
      const Trained whole = train(data.memory, options);
      // A row of f32[20] and a label: from a block of one batch up to all rows.
      for (const int64_t memory : {1, 20000, 1 << 20}) {
        CAPTURE(order, batch, memory);
        options.memory = memory;
        const Trained blocks = train(*data.blocks, options);
        CHECK(blocks.hash == whole.hash);
        CHECK(blocks.result.steps == whole.result.steps);
        REQUIRE(blocks.losses.size() == 3);
        for (size_t e = 0; e < 3; ++e) CHECK(blocks.losses[e] == Approx(whole.losses[e]).epsilon(1e-6));
        options.validate = held.blocks.get();
        CHECK(train(*data.blocks, options).hash == whole.hash);
        options.validate = nullptr;
      }
    }
  // Other orders, other bits: the comparison can fail.
  driver::FitOptions options;
  const uint64_t by_state = train(*data.blocks, options).hash;
  options.in_order = true;
  CHECK(train(*data.blocks, options).hash != by_state);
}

TEST_CASE("ten epochs on blocks are five and five more") {
  const Stored data(70);
  driver::FitOptions options;
  options.epochs = 4;
  options.memory = 5000;
  const uint64_t whole = train(data.memory, options).hash;
  driver::Session session(mlp(), value(mlp()->init(7)));
  options.epochs = 2;
  REQUIRE(driver::fit(session, *data.blocks, options));
  REQUIRE(driver::fit(session, data.memory, options));
  CHECK(session.state()->hash() == whole);
}

TEST_CASE("evaluation on blocks is that in memory, confusion too") {
  const Stored data(131);
  driver::Session session(mlp(), value(mlp()->init(7)));
  driver::EvaluateOptions options;
  options.confusion = true;
  options.batch = 33;
  const driver::Evaluation whole = value(driver::evaluate(session, data.memory, options));
  for (const int64_t memory : {1, 10000, 1 << 20}) {
    options.memory = memory;
    const driver::Evaluation blocks = value(driver::evaluate(session, *data.blocks, options));
    CHECK(blocks.loss == whole.loss);
    CHECK(blocks.metrics == whole.metrics);
    CHECK(blocks.rows == 131);
    CHECK(blocks.confusion == whole.confusion);
  }
}

TEST_CASE("blocks are as large as the bound of memory allows") {
  const Stored data(300);
  const Counted counted(data.blocks);
  driver::FitOptions options;
  options.batch = 10;
  // 84 bytes a row, of which one block as it is read and two prepared ones are held.
  options.memory = 60 * 3 * 84;
  train(counted, options);
  CHECK(counted.largest == 60);
  counted.largest = 0;
  options.memory = 10;
  train(counted, options);
  CHECK(counted.largest == 10);
}

TEST_CASE("parts of blocks are trained on as parts in memory are") {
  const Stored data(90);
  const auto parts = value(data.memory.split(0.7, 5));
  runtime::RowParts rows = value(runtime::split_rows(90, 0.7, 5));
  const auto first = value(runtime::take_rows(data.blocks, rows.first));
  driver::FitOptions options;
  options.memory = 3000;
  CHECK(train(*first, options).hash == train(parts.first, options).hash);
  const auto fold = value(data.memory.fold(2, 3, 5));
  rows = value(runtime::fold_rows(90, 2, 3, 5));
  CHECK(train(*value(runtime::take_rows(data.blocks, rows.second)), options).hash ==
        train(fold.second, options).hash);
}

TEST_CASE("a bad label in a block is named by its row in all of them") {
  Stored data(100);
  Array labels = *data.memory.find("y")->array;
  labels.as<int32_t>()[73] = 12;
  runtime::DataSet bad = data.memory;
  REQUIRE(bad.replace("y", labels));
  data.store(bad);
  driver::FitOptions options;
  options.memory = 4000;
  for (const bool in_order : {false, true}) {
    options.in_order = in_order;
    driver::Session session(mlp(), value(mlp()->init(7)));
    const Errors errors = driver::fit(session, *data.blocks, options).take_errors();
    CHECK(errors.code() == Code::label_range);
    CHECK(errors.list[0].message == "label 12 at row 73 of y: the model has classes 0..9");
    CHECK(errors.list[0].file == data.path("y"));
    if (in_order) CHECK(errors.list[0].help == "step 3 was not committed, those before it were");
  }
  driver::Session session(mlp(), value(mlp()->init(7)));
  driver::EvaluateOptions evaluating;
  evaluating.memory = 4000;
  evaluating.batch = 16;
  CHECK(driver::evaluate(session, *data.blocks, evaluating).take_errors().list[0].message ==
        "label 12 at row 73 of y: the model has classes 0..9");
}

TEST_CASE("blocks that do not fit the model, or cannot be read, end training with an error") {
  Stored data(100);
  const auto wide = value(driver::Program::compile(value(driver::read_unit(linear_text, "linear")), {}));
  driver::Session other(wide, value(wide->init(7)));
  CHECK(driver::fit(other, *data.blocks).errors().code() == Code::data_shape);
  // The file becomes shorter while it is used.
  driver::Session session(mlp(), value(mlp()->init(7)));
  std::filesystem::resize_file(data.path("x"), 2000);
  driver::FitOptions options;
  options.memory = 3000;
  CHECK(driver::fit(session, *data.blocks, options).errors().code() == Code::file_read);
}

TEST_CASE("training on blocks is cancelled between steps") {
  const Stored data(100);
  driver::Session session(mlp(), value(mlp()->init(7)));
  int32_t cancel = 0;
  driver::FitOptions options;
  options.batch = 10;
  options.epochs = 5;
  options.memory = 3000;
  options.cancel = &cancel;
  options.on_epoch = [&](const runtime::EpochRecord&) {
    cancel = 1;
    return true;
  };
  const driver::FitResult result = value(driver::fit(session, *data.blocks, options));
  CHECK(result.cancelled);
  CHECK(result.steps == 10);
}

}  // namespace tenon::test
