// Program, State, Session: binding of sizes, files, hyper-parameters, errors.
#include <filesystem>

#include "conformance/models.h"
#include "runtime/safetensors.h"

namespace tenon::test {
namespace {

template <class T>
T value(Result<T> r) {
  if (!r) FAIL(r.errors().text());
  return std::move(*r);
}

std::shared_ptr<const driver::Program> mlp() {
  static const auto program = value(driver::Program::compile(value(driver::read_unit(mlp_text, "mlp")), {}));
  return program;
}

Array floats(std::vector<int64_t> shape, float scale = 0.01f) {
  Array a(DType::f32, std::move(shape));
  float v = -1;
  for (float& x : a.as<float>()) x = v += scale;
  return a;
}

std::string temporary(const char* name) { return (std::filesystem::temp_directory_path() / name).string(); }

}  // namespace

TEST_CASE("sizes come from shapes and are checked by name") {
  const driver::EntryInfo& e = *mlp()->find("train");
  const std::vector<int64_t> x{7, 20}, y{7}, y8{8}, x19{7, 19}, none{0, 20}, none_y{0}, many{301, 20},
      many_y{301};
  CHECK(value(e.bind_dims(std::vector{x, y}, {})) == std::vector<int64_t>{7});
  CHECK(e.bind_dims(std::vector{x, y8}, {}).errors().code() == Code::data_shape);
  CHECK(e.bind_dims(std::vector{x19, y}, {}).errors().code() == Code::data_shape);
  CHECK(e.bind_dims(std::span(&x, 1), {}).errors().code() == Code::data_shape);
  CHECK(e.bind_dims(std::vector{none, none_y}, {}).errors().code() == Code::size_range);
  const Errors errors = e.bind_dims(std::vector{many, many_y}, {}).take_errors();
  CHECK(errors.code() == Code::size_range);
  CHECK(errors.list[0].message == "train: batch is 301, takes 1 to 300");
  CHECK(e.check_dims(std::vector<int64_t>{int64_t{1} << 32}).errors().code() == Code::size_range);
}

TEST_CASE("a failing call names the operation and commits nothing") {
  const auto state = value(mlp()->init(3));
  driver::Session session(mlp(), state);
  const Array x = floats({5, 20});
  Array y(DType::i32, {5});
  y.as<int32_t>()[3] = 10;
  const uint64_t before = state->hash();
  const Array* inputs[] = {&x, &y};
  auto out = session.run("train", inputs);
  REQUIRE(!out);
  const Diagnostic& d = out.errors().list[0];
  CHECK(d.code == Code::label_range);
  CHECK(d.message == "train: label 10 at row 3 of y is outside its classes");
  REQUIRE(!d.notes.empty());
  CHECK(d.notes[0].starts_with("in cross_entropy -> "));
  CHECK(d.file == "mlp");
  CHECK(d.line > 1);
  CHECK(state->hash() == before);
}

TEST_CASE("an index outside names itself, its row, the operation and its line, from every caller") {
  const char* const text = R"(tenon 1
module words
dim n = 1..64
param table : f32[10,2] = ones
param others : f32[7,2] = ones
func look(ids: i32[n,3], more: i64[n]) -> f32[n,2] {
  e = take table, ids {axis = 0}
  s = reduce_sum e {axes = [1]}
  o = take others, more {axis = 0}
  z = add s, o
  return z
}
func computed(ids: i32[n]) -> f32[n,2] {
  twice = mul ids, 2
  e = take table, twice {axis = 0}
  return e
}
)";
  const auto program = value(driver::Program::compile(value(driver::read_unit(text, "words.tenon")), {}));
  driver::Session session(program, value(program->init(1)));
  Array ids(DType::i32, {4, 3}), more(DType::i64, {4});
  ids.as<int32_t>()[7] = 12;
  const Array* inputs[] = {&ids, &more};
  auto found = session.run("look", inputs);
  REQUIRE(!found);
  const Diagnostic first = found.errors().list[0];
  CHECK(first.code == Code::index_range);
  CHECK(first.message == "look: index 12 at row 2 of ids is outside the operand");
  CHECK(first.notes == std::vector<std::string>{"in take -> e (words.tenon:7)"});
  CHECK((first.file == "words.tenon" && first.line == 7));
  ids.as<int32_t>()[7] = 0;
  more.as<int64_t>()[3] = -1;
  const Diagnostic second = session.run("look", inputs).take_errors().list[0];
  CHECK(second.message == "look: index -1 at row 3 of more is outside the operand");
  CHECK(second.line == 9);
  Array half(DType::i32, {3});
  half.as<int32_t>()[1] = 5;
  const Array* one[] = {&half};
  const Diagnostic third = session.run("computed", one).take_errors().list[0];
  CHECK(third.message == "computed: index 10 is outside the operand");
  CHECK(third.line == 15);
}

TEST_CASE("types, entries, pointers and overlaps are checked before a call") {
  const auto state = value(mlp()->init(3));
  driver::Session session(mlp(), state);
  const Array x = floats({5, 20}), y = floats({5});
  const Array* inputs[] = {&x, &y};
  CHECK(session.run("train", inputs).errors().code() == Code::data_shape);
  CHECK(session.run("trian", inputs).errors().code() == Code::undefined_name);
  Array out(DType::f32, {5, 10});
  driver::Call call;
  call.dims = {5};
  call.inputs = {x.data()};
  call.outputs = {nullptr};
  CHECK(session.bind("predict", call).errors().code() == Code::null_argument);
  call.outputs = {out.data() + 1};
  CHECK(session.bind("predict", call).errors().code() == Code::alignment);
  call.outputs = {const_cast<std::byte*>(x.data()) + 40};
  CHECK(session.bind("predict", call).errors().code() == Code::overlap);
  call.outputs = {state->block() + 64};
  CHECK(session.bind("predict", call).errors().code() == Code::overlap);
  call.outputs = {out.data()};
  auto bound = value(session.bind("predict", call));
  CHECK(bound->run());
  bound->set_output(0, nullptr);
  CHECK(bound->run().errors().code() == Code::null_argument);
  bound->set_output(0, out.data());
  CHECK(bound->run());
  CHECK(bound->call() == 0);
}

TEST_CASE("a changed hyper-parameter reaches bound calls without compiling") {
  const auto state = value(mlp()->init(3));
  driver::Session session(mlp(), state);
  CHECK(value(session.hyper("lr")) == static_cast<double>(1e-3f));
  const Array x = floats({5, 20});
  const Array y(DType::i32, {5});
  Array loss(DType::f32, {}), accuracy(DType::f32, {});
  driver::Call call;
  call.dims = {5};
  call.inputs = {x.data(), y.data()};
  call.outputs = {loss.data(), accuracy.data()};
  auto bound = value(session.bind("train", call));
  REQUIRE(session.set_hyper("lr", 0));
  const Array before = value(state->get("fc2.w"));
  REQUIRE(bound->run());
  CHECK(value(state->get("fc2.w")) == before);
  REQUIRE(session.set_hyper("lr", 0.5));
  REQUIRE(bound->run());
  CHECK(!(value(state->get("fc2.w")) == before));
  CHECK(session.set_hyper("rl", 1).errors().code() == Code::undefined_name);
}

TEST_CASE("a state goes to a file and back, whole or not at all") {
  const std::string file = temporary("tenon-state.safetensors"), other = temporary("tenon-other.safetensors");
  const auto state = value(mlp()->init(3));
  REQUIRE(state->save(file));
  const auto fresh = value(mlp()->init(4));
  CHECK(fresh->hash() != state->hash());
  REQUIRE(fresh->load(file, false, nullptr));
  CHECK(fresh->hash() == state->hash());
  CHECK(driver::State(*state).hash() == state->hash());

  runtime::Tensors tensors = value(runtime::read_safetensors(file));
  tensors.arrays["fc2.w"] = floats({33, 12});
  REQUIRE(runtime::write_safetensors(other, tensors));
  const auto third = value(mlp()->init(9));
  const uint64_t before = third->hash();
  const Errors errors = third->load(other, false, nullptr).take_errors();
  CHECK(errors.code() == Code::param_mismatch);
  CHECK(errors.list[0].message.find("fc2.w is f32[33,12], model has f32[33,10]") != std::string::npos);
  CHECK(third->hash() == before);
  std::vector<std::string> missing;
  REQUIRE(third->load(other, true, &missing));
  CHECK(missing == std::vector<std::string>{"fc2.w"});
  CHECK(value(third->get("fc1.w")) == value(state->get("fc1.w")));
  CHECK(third->get("fc3.w").errors().code() == Code::param_mismatch);
  CHECK(third->set("fc1.w", floats({3})).errors().code() == Code::param_mismatch);
  CHECK(third->load("/nonexistent/file", false, nullptr).errors().code() == Code::file_missing);
  std::filesystem::remove(file);
  std::filesystem::remove(other);
}

TEST_CASE("a state of another program is refused") {
  const auto linear = value(driver::Program::compile(value(driver::read_unit(linear_text, "l")), {}));
  driver::Session session(linear, value(mlp()->init(1)));
  const Array x = floats({2, 3});
  const Array* inputs[] = {&x};
  CHECK(session.run("predict", inputs).errors().code() == Code::state_foreign);
}

}  // namespace tenon::test
