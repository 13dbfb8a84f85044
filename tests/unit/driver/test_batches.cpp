// How data are cut into batches: along the batch dimension, wherever it stands in an input, in the native
// loop as in single calls.
#include <cstring>
#include <tuple>

#include "batch_cases.h"
#include "conformance/models.h"
#include "driver/train/trainer.h"
#include "runtime/random.h"

namespace tenon::test {
namespace {

template <class T>
T value(Result<T> r) {
  if (!r) FAIL(r.errors().text());
  return std::move(*r);
}

Array drawn(std::vector<int64_t> shape, int64_t rows, uint64_t seed) {
  for (int64_t& extent : shape)
    if (extent < 0) extent = rows;
  Array out(DType::f32, shape);
  runtime::Random random(seed);
  for (float& v : out.as<float>()) v = static_cast<float>(random.normal());
  return out;
}

std::shared_ptr<const driver::Program> program_of(const std::string& text) {
  return value(driver::Program::compile(value(driver::read_unit(text, "cut")), {}));
}

}  // namespace

TEST_CASE("the native loop cuts every input as single calls do, the last batch too") {
  for (const BatchCase& c : batch_cases) {
    INFO(c.name);
    const auto program = program_of(text_of(c));
    const driver::EntryInfo& train = *program->find("train");
    for (size_t i = 0; i < c.data.size(); ++i) CHECK(train.cuts[i] == c.data[i].second);
    for (const int64_t rows : c.rows) {
      INFO(rows << " rows");
      runtime::DataSet data;
      for (size_t i = 0; i < c.data.size(); ++i) {
        auto array = std::make_shared<const Array>(drawn(c.data[i].first, rows, 7 + i));
        REQUIRE(data.add({train.input_names[i], array, "", {}, "", c.data[i].second}));
      }
      const int64_t epochs = 2, steps = (rows + c.batch - 1) / c.batch;
      Array order(DType::u32, {epochs, rows});
      for (int64_t i = 0; i < rows; ++i) {
        order.as<uint32_t>()[static_cast<size_t>(i)] = static_cast<uint32_t>(rows - 1 - i);
        order.as<uint32_t>()[static_cast<size_t>(rows + i)] = static_cast<uint32_t>((i + 1) % rows);
      }
      driver::Session loop(program, value(program->init(3))), hand(program, value(program->init(3)));
      std::vector<const Array*> inputs;
      for (const runtime::Column& column : data.columns()) inputs.push_back(column.array.get());
      inputs.push_back(&order);
      const ir::DimBindings batch{{train.interface->batch, c.batch}};
      const std::vector<Array> losses = value(loop.run("ordered", inputs, batch));
      REQUIRE(losses[0].count() == epochs * steps);
      for (int64_t s = 0; s < epochs * steps; ++s) {
        std::vector<int64_t> taken;
        for (int64_t i = s % steps * c.batch; i < std::min(rows, (s % steps + 1) * c.batch); ++i)
          taken.push_back(order.as<uint32_t>()[static_cast<size_t>(s / steps * rows + i)]);
        const runtime::DataSet part = value(data.take(taken));
        std::vector<const Array*> one;
        for (const runtime::Column& column : part.columns()) one.push_back(column.array.get());
        const std::vector<Array> loss = value(hand.run("train", one));
        CHECK(std::memcmp(loss[0].data(), losses[0].data() + s * 4, 4) == 0);
      }
      CHECK(hand.state()->hash() == loop.state()->hash());

      // The trainer and evaluate see the same batches.
      driver::FitOptions fit;
      fit.batch = c.batch;
      for (const bool in_order : {false, true}) {
        fit.in_order = in_order;
        CHECK(value(driver::fit(hand, data, fit)).steps == static_cast<uint64_t>(steps));
      }
      CHECK(value(driver::evaluate(hand, data, {"", c.batch, false})).rows == rows);
    }
  }
}

TEST_CASE("a step whose inputs do not tell the batch is refused with what to write") {
  struct Refused {
    const char* inputs;
    const char* words;
    const char* message;
    const char* help;
  };
  const Refused table[] = {
      {"x: f32[n,3], y: f32[m]", "", "share no dimension", "batch = n, same = [y]"},
      {"x: f32[n,m], y: f32[n,m]", "", "share the dimensions m and n", "batch = m"},
      {"x: f32[n,3], y: f32[m]", ", batch = n", "y: f32[m] does not have the batch dimension n",
       "same = [y]"},
      {"x: f32[n,3], y: f32[3]", "", "share no dimension", "same = [y]"},
      {"x: f32[n,3], y: f32[n]", ", same = [y]", "is said to be the same", "leave it out"},
      {"x: f32[n,3], y: f32[2*n]", ", batch = n", "cannot be cut along n", "an extent n"},
      {"x: f32[n,3], y: f32[n]", ", batch = k", "no dimension is named k", ""},
      {"x: f32[n,3], y: f32[n]", ", same = [z]", "no input named z", ""},
  };
  for (const Refused& r : table) {
    INFO(r.inputs << r.words);
    const std::string text =
        std::string("tenon 1\nmodule m\ndim n = 1..8\ndim m = 1..8\nparam w : f32[3]\nfunc loss(") +
        r.inputs + ") -> f32[] {\n  a = mean x\n  b = mean y\n  c = mean w\n  d = add a, b\n" +
        "  l = mul d, c\n  return l\n}\nderive train = step loss {with = sgd {lr = 0.1}" + r.words + "}\n";
    const auto made = driver::Program::compile(value(driver::read_unit(text, "m.tenon")), {});
    REQUIRE_FALSE(made);
    const Diagnostic& d = made.errors().list.front();
    CHECK(d.code == Code::derive_invalid);
    CHECK(d.line == 14);
    CHECK(d.message.find(r.message) != std::string::npos);
    CHECK(d.help.find(r.help) != std::string::npos);
  }
}

TEST_CASE("a step that is called by itself only says so") {
  const auto program = program_of(
      "tenon 1\nmodule m\ndim n = 1..8\ndim m = 1..8\nparam w : f32[3]\nfunc loss(x: f32[n,3], y: f32[m]) -> "
      "f32[] {\n"
      "  p = dot x, w\n  a = mean p\n  b = mean y\n  l = mul a, b\n  return l\n}\n"
      "derive train = step loss {with = sgd {lr = 0.1}, batch = none}\n");
  driver::Session session(program, value(program->init(3)));
  const Array x = drawn({4, 3}, 0, 1), y = drawn({5}, 0, 2);
  const Array* inputs[] = {&x, &y};
  CHECK(session.run("train", inputs));
  CHECK(value(session.loop_of(*program->find("train"))) == nullptr);
}

TEST_CASE("a last batch below the range of the batch dimension is refused, in a loop as by itself") {
  const BatchCase c{
      "", "dim n = 8..4096\n", "x: f32[n,3]", "  p = dot x, w\n  a = mul p, p\n  l = mean a\n", "", {}};
  const auto program = program_of(text_of(c));
  driver::Session session(program, value(program->init(3)));
  const uint64_t before = session.state()->hash();
  for (const auto& [rows, batch, help] : std::vector<std::tuple<int64_t, int64_t, const char*>>{
           {100, 32, "batch 30"}, {5, 32, "dim n = 1..4096"}}) {
    INFO(rows << " rows");
    runtime::DataSet data;
    REQUIRE(data.add("x", drawn({rows, 3}, 0, 1)));
    for (const bool in_order : {false, true}) {
      driver::FitOptions fit;
      fit.batch = batch;
      fit.in_order = in_order;
      const auto result = driver::fit(session, data, fit);
      REQUIRE_FALSE(result);
      CHECK(result.errors().code() == Code::size_range);
      CHECK(result.errors().list.front().help.find(help) != std::string::npos);
    }
    // Without the trainer the loop refuses it itself, before its first step.
    Array order(DType::u32, {1, rows});
    const Array* inputs[] = {data.columns()[0].array.get(), &order};
    const auto run = session.run("ordered", inputs, {{"n", batch}});
    REQUIRE_FALSE(run);
    CHECK(run.errors().code() == Code::size_range);
    CHECK(session.state()->hash() == before);
  }
  // Evaluation does not depend on the size: one that fits is taken.
  runtime::DataSet data;
  REQUIRE(data.add("x", drawn({100, 3}, 0, 1)));
  CHECK(value(driver::evaluate(session, data, {"", 32, false})).rows == 100);
}

TEST_CASE("a program carries no loop until one is asked for") {
  const BatchCase& c = batch_cases[5];
  std::string text = text_of(c);
  text.resize(text.find("derive ordered"));
  const auto program = program_of(text);
  for (const driver::EntryInfo& e : program->entries()) CHECK_FALSE(e.interface->loops);
  runtime::DataSet data;
  REQUIRE(data.add("x", drawn({9, 3}, 0, 1)));
  driver::Session first(program, value(program->init(3))), second(program, value(program->init(3)));
  driver::FitOptions fit;
  fit.batch = 4;
  fit.epochs = 3;
  const driver::FitResult result = value(driver::fit(first, data, fit));
  CHECK(result.steps == 9);
  CHECK(first.last_progress() == 9);
  const auto loop = value(program->loop_of(*program->find("train")));
  REQUIRE(loop != nullptr);
  CHECK(loop->layout_hash() == program->layout_hash());
  // Made once; the state is the program's own.
  CHECK(value(driver::fit(second, data, fit)).steps == 9);
  CHECK(value(program->loop_of(*program->find("train"))) == loop);
  CHECK(second.state()->hash() == first.state()->hash());
  driver::CompileOptions named;
  named.functions = {"train", "train.epochs"};
  const auto whole = value(driver::Program::compile(value(driver::read_unit(text, "cut")), named));
  driver::Session third(whole, value(whole->init(3)));
  CHECK(value(driver::fit(third, data, fit)).steps == 9);
  CHECK(third.state()->hash() == first.state()->hash());
}

}  // namespace tenon::test
