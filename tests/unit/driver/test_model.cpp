// Model: cuts of one graph equal the functions that text declares.
#include "conformance/models.h"
#include "driver/model/model.h"
#include "ir/print.h"

namespace tenon::test {
namespace {

using driver::Model;
using ir::ValueId;

template <class T>
T value(Result<T> r) {
  if (!r) FAIL(r.errors().text());
  return std::move(*r);
}
void ok(Status s) {
  if (!s) FAIL(s.errors().text());
}
ir::Type type(DType dtype, std::vector<ir::Dim> shape) { return {dtype, std::move(shape)}; }

ValueId op(Model& m, std::string_view name, std::vector<ValueId> operands, std::string_view attrs = {}) {
  return value(m.op(name, operands, attrs))[0];
}

struct Mlp {
  Model m{"mlp"};
  ValueId x, y, lr, d, z, loss;
  Mlp() {
    m.at("mlp.cpp", 3, 7);
    const ir::Dim batch = value(m.dim("batch", 1, 300));
    lr = value(m.hyper("lr", DType::f32, 1e-3));
    const ValueId w1 = value(m.param("fc1.w", type(DType::f32, {20, 33}), {"glorot_uniform", {}}, false));
    const ValueId b1 = value(m.param("fc1.b", type(DType::f32, {33}), {"zeros", {}}, false));
    const ValueId w2 = value(m.param("fc2.w", type(DType::f32, {33, 10}), {"glorot_uniform", {}}, false));
    const ValueId b2 = value(m.param("fc2.b", type(DType::f32, {10}), {"zeros", {}}, false));
    x = value(m.input("x", type(DType::f32, {batch, 20})));
    y = value(m.input("y", type(DType::i32, {batch})));
    const ValueId h = op(m, "relu", {op(m, "dense", {x, w1, b1})});
    d = op(m, "dropout", {h}, "rate = 0.2");
    ok(m.name(d, "z/d"));  // the text draws in a function that z calls
    z = op(m, "dense", {d, w2, b2});
    loss = op(m, "cross_entropy", {z, y}, "reduce = mean");
    ok(m.function("predict", {{"probs", op(m, "softmax", {z})}}));
    ok(m.metric("accuracy", op(m, "accuracy", {z, y})));
    ok(m.step("train", loss, "adam {lr = lr}", {}));
  }
};

// Both run three steps from the same state.
void same_training(const ir::Module& a, const ir::Module& b) {
  std::vector<uint64_t> hashes;
  for (const ir::Module* module : {&a, &b}) {
    driver::Unit unit;
    unit.code = *module;
    const auto program = value(driver::Program::compile(std::move(unit), {}));
    driver::Session session(program, value(program->init(7)));
    Array x(DType::f32, {9, 20}), y(DType::i32, {9});
    for (size_t i = 0; i < 180; ++i) x.as<float>()[i] = static_cast<float>(i % 11) / 5.0f - 1.0f;
    for (size_t i = 0; i < 9; ++i) y.as<int32_t>()[i] = static_cast<int32_t>(i % 10);
    const Array* inputs[] = {&x, &y};
    for (int i = 0; i < 3; ++i)
      if (auto out = session.run("train", inputs); !out) FAIL(out.errors().text());
    hashes.push_back(fnv1a(value(session.state()->get("fc1.w")).data(), 20 * 33 * 4));
    hashes.push_back(fnv1a(value(session.state()->get("fc2.w")).data(), 330 * 4));
  }
  CHECK(hashes[0] == hashes[2]);
  CHECK(hashes[1] == hashes[3]);
}

}  // namespace

TEST_CASE("a model built by calls trains to the same bits as its text") {
  const Mlp built;
  const ir::Module module = value(built.m.finish());
  same_training(module, std::get<ir::Module>(value(driver::read_unit(mlp_text, "m")).code));
  // And so does the dump of what was built.
  same_training(module, std::get<ir::Module>(value(driver::read_unit(ir::print(module), "dump")).code));
}

TEST_CASE("the dump of a built model gives the object that the model gives") {
  const Mlp built;
  driver::Unit unit,
      dump = value(driver::read_unit(ir::print(value(built.m.finish())), "elsewhere/dump.tenon"));
  unit.code = value(built.m.finish());
  driver::CompileOptions options;
  options.functions = {"train", "predict"};
  std::vector<std::byte> objects[2];
  for (driver::Unit* u : {&unit, &dump}) {
    const kernel::Module kernels = value(driver::to_kernels(std::move(*u), options));
    objects[u == &dump] = value(driver::to_object(kernels, options)).elf;
  }
  const bool equal = objects[0] == objects[1];
  CHECK(equal);
}

TEST_CASE("functions keep only the inputs they reach, and composites") {
  const Mlp built;
  const ir::Module module = value(built.m.finish());
  const ir::Function* predict = module.find_function("predict");
  REQUIRE(predict != nullptr);
  size_t inputs = 0;
  for (ValueId a : predict->graph.args) inputs += predict->graph.value(a).arg == ir::ArgKind::input;
  CHECK(inputs == 1);
  CHECK(ir::print(*predict, module).find("dense") != std::string::npos);
  CHECK(module.derives.size() == 1);
}

TEST_CASE("gradients see the training form of what they pass through") {
  Mlp built;
  std::vector<Model::Assign> rule;
  const std::vector<ValueId> params = built.m.params("*");
  REQUIRE(params.size() == 4);
  const std::vector<ValueId> gradients = value(built.m.grad(built.loss, params));
  for (size_t i = 0; i < params.size(); ++i) {
    const ValueId scaled = op(built.m, "mul", {gradients[i], built.lr});
    rule.push_back({params[i], op(built.m, "sub", {params[i], scaled})});
  }
  ok(built.m.step("own", rule, {{"loss", built.loss}}));
  ok(built.m.step("plain", built.loss, "sgd {lr = lr}", {}));
  const ir::Module module = value(built.m.finish());
  for (const char* function : {"own", "plain"}) {
    auto e = Engines::make(module, function);
    if (!e) FAIL(e.errors().text());
    for (const int64_t batch : {1, 5, 33}) require_agreement(**e, {{"batch", batch}});
  }
  // The rule is sgd: the same parameters after a step.
  auto own = value(Engines::make(module, "own")), plain = value(Engines::make(module, "plain"));
  const evaluate::Inputs inputs = own->draw({{"batch", 17}}, 4);
  CHECK(own->compare(inputs).empty());
  CHECK(plain->compare(inputs).empty());
  for (const char* name : {"fc1.w", "fc1.b", "fc2.w", "fc2.b"})
    CHECK(array_difference(own->expected().written.at(name), plain->expected().written.at(name)).empty());
}

TEST_CASE("second derivatives, taps and own results") {
  Model m("square");
  const ValueId x = value(m.input("x", type(DType::f64, {})));
  const ValueId cube = op(m, "mul", {op(m, "mul", {x, x}), x});
  ok(m.name(cube, "cube"));
  const ValueId first = value(m.grad(value(m.find("cube")), {x}))[0];
  const ValueId second = value(m.grad(first, {x}))[0];
  ok(m.function("f", {{"first", first}, {"second", second}, {"cube", cube}}));
  driver::Unit unit;
  unit.code = value(m.finish());
  const auto program = value(driver::Program::compile(std::move(unit), {}));
  driver::Session session(program, value(program->init(0)));
  const Array at = Array::scalar<double>(3);
  const Array* inputs[] = {&at};
  const std::vector<Array> out = value(session.run("f", inputs));
  CHECK(out[0] == Array::scalar<double>(27));
  CHECK(out[1] == Array::scalar<double>(18));
  CHECK(out[2] == Array::scalar<double>(27));
}

TEST_CASE("mistakes name the place of the call") {
  Mlp built;
  built.m.at("user.cpp", 41, 12);
  auto check = [&](const Errors& errors, Code code) {
    CHECK(errors.code() == code);
    CHECK(errors.list[0].file == "user.cpp");
    CHECK(errors.list[0].line == 41);
  };
  check(built.m.op("dense", {built.x, built.x}, "").errors(),
        built.m.op("dense", {built.x, built.x}, "").errors().code());
  check(built.m.op("relv", {built.x}, "").errors(), Code::unknown_op);
  check(built.m.op("dropout", {built.x}, "rte = 0.5").errors(), Code::bad_attribute);
  check(built.m.input("x", type(DType::f32, {})).errors(), Code::duplicate_name);
  check(built.m.name(built.z, "z/d").errors(), Code::duplicate_name);
  check(built.m.find("e").errors(), Code::undefined_name);
  check(built.m.function("predict", {}).errors(), Code::duplicate_name);
  check(built.m.grad(built.z, {built.x}).errors(), Code::not_differentiable);
  check(built.m.step("bad", {{built.lr, built.loss}}, {}).errors(), Code::state_write);
  check(built.m.dim("batch", 1, 2).errors(), Code::duplicate_name);
  check(built.m.param("p", type(DType::f32, {2}), {"glorot", {}}, false).errors(), Code::bad_attribute);
}

}  // namespace tenon::test
