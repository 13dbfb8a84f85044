// How data are cut into batches: along the batch dimension, wherever it stands in an input, in the native
// loop as in single calls.
#include "conformance/models.h"
#include "driver/trainer.h"
#include "runtime/random.h"

namespace tenon::test {
namespace {

template <class T>
T value(Result<T> r) {
  if (!r) FAIL(r.errors().text());
  return std::move(*r);
}

struct Case {
  const char* name;
  const char* dims;    // declarations in front
  const char* inputs;  // of the loss
  const char* body;    // computes l
  const char* words;   // of the directive, behind `with`
  std::vector<std::pair<std::vector<int64_t>, std::vector<uint32_t>>>
      data;  // shapes, -1: rows; axes that are cut
  int64_t batch = 4;
  std::vector<int64_t> rows = {9, 8, 3};
};

std::string text_of(const Case& c) {
  return std::string("tenon 1\nmodule cut\n") + c.dims + "param w : f32[3] = uniform(-1, 1)\nfunc loss(" +
         c.inputs + ") -> loss: f32[] {\n" + c.body +
         "  return l\n}\nderive train = step loss {with = adam {lr = 0.01}" + c.words +
         "}\nderive ordered = epochs train {order = given}\n";
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

const Case cases[] = {
    {"the dimension twice in an input",
     "dim n = 1..64\n",
     "x: f32[n,3], y: f32[n,n]",
     "  p = dot x, w\n  q = reshape p {shape = [n,1]}\n  d = sub q, y\n  dd = mul d, d\n  l = mean dd\n",
     "",
     {{{-1, 3}, {0}}, {{-1, -1}, {0, 1}}}},
    {"time first, the steps of a loop",
     "dim n = 1..64\ndim t = 1..64\n",
     "x: f32[t,n,3], y: f32[t,n]",
     "  z = const 0.0 : f32[]\n  h0 = broadcast z {shape = [n]}\n  h, hs = loop (h = h0; xt in x) {\n"
     "    p = dot xt, w\n    a = add h, p\n    b = tanh a\n    yield b, b\n  }\n  l = mse hs, y\n",
     "",
     {{{5, -1, 3}, {1}}, {{5, -1}, {1}}}},
    {"two shared dimensions, one named",
     "dim n = 1..64\ndim t = 1..64\n",
     "x: f32[t,n,3], y: f32[n,t]",
     "  p = dot x, w\n  q = transpose p {permutation = [1,0]}\n  l = mse q, y\n",
     ", batch = n",
     {{{5, -1, 3}, {1}}, {{-1, 5}, {0}}}},
    {"inputs that are the same for every batch",
     "dim n = 1..64\ndim m = 1..64\n",
     "m0: f32[m], x: f32[n,3], s: f32[3]",
     "  v = mul w, s\n  p = dot x, v\n  a = mean p\n  b = mean m0\n  d = sub a, b\n  l = mul d, d\n",
     ", batch = n, same = [m0, s]",
     {{{7}, {}}, {{-1, 3}, {0}}, {{3}, {}}}},
    {"argmax over the batch",
     "dim n = 1..64\n",
     "x: f32[n,3], y: f32[n,1]",
     "  p = dot x, w\n  i = argmax p {axis = 0}\n  h = take y, i\n  k = reduce_sum h\n  m = mean p\n  l = "
     "add m, k\n",
     "",
     {{{-1, 3}, {0}}, {{-1, 1}, {0}}}},
    {"a stride over the batch",
     "dim n = 1..64\n",
     "x: f32[n,3]",
     "  p = dot x, w\n  s = slice p {stride = [2]}\n  a = mul s, s\n  l = mean a\n",
     "",
     {{{-1, 3}, {0}}}},
    {"interior padding over the batch",
     "dim n = 1..64\n",
     "x: f32[n,3]",
     "  p = dot x, w\n  z = const 0.5 : f32[]\n  s = pad p, z {interior = [2]}\n  a = mul s, s\n  l = mean "
     "a\n",
     "",
     {{{-1, 3}, {0}}}},
    {"pairs of rows in one axis",
     "dim n = 1..64\n",
     "x: f32[n,3], y: f32[n,n]",
     "  p = dot x, w\n  f = reshape y {shape = [n*n]}\n  a = mean f\n  b = mean p\n  c = add a, b\n  l = mul "
     "c, c\n",
     "",
     {{{-1, 3}, {0}}, {{-1, -1}, {0, 1}}}},
    {"a range that starts above 1",
     "dim n = 3..64\n",
     "x: f32[n,3]",
     "  s = slice x {limit = [3,3]}\n  p = dot s, w\n  q = dot x, w\n  a = mean p\n  b = mean q\n  c = mul "
     "a, b\n"
     "  l = mul c, c\n",
     "",
     {{{-1, 3}, {0}}},
     4,
     {11, 8, 3}},
    {"half of the batch",
     "dim n = 2..64\n",
     "x: f32[n,3]",
     "  p = dot x, w\n  s = slice p {limit = [n/2]}\n  a = mul s, s\n  l = mean a\n",
     "",
     {{{-1, 3}, {0}}},
     4,
     {10, 3}},
};

}  // namespace

TEST_CASE("the native loop cuts every input as single calls do, the last batch too") {
  for (const Case& c : cases) {
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
  Case c{"", "dim n = 8..4096\n", "x: f32[n,3]", "  p = dot x, w\n  a = mul p, p\n  l = mean a\n", "", {}};
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
  const Case& c = cases[5];
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
