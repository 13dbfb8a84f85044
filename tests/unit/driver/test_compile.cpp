// Stages and dumps: compiling goes on from any of them, and the object does not depend on where it came from.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "conformance/models.h"
#include "kernel/print.h"

namespace tenon::test {
namespace {

namespace fs = std::filesystem;

// A folder of its own, gone at the end.
struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "tenon-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
};

template <class T>
T value(Result<T> r) {
  if (!r) FAIL(r.errors().text());
  return std::move(*r);
}

std::vector<std::byte> object_of(driver::Unit unit, const driver::CompileOptions& options = {}) {
  const kernel::Module kernels = value(driver::to_kernels(std::move(unit), options));
  return value(driver::to_object(kernels, options)).elf;
}

bool equal(const std::vector<std::byte>& a, const std::vector<std::byte>& b) { return a == b; }

// Prints the unit into a folder of its own, moves what was written to another, and reads it from there.
driver::Unit dump_and_resume(const driver::Unit& unit, const std::string& name) {
  const Folder first, second;
  const std::string text = value(driver::print_unit(unit, first.path.string()));
  const fs::path file = second.path / name;
  for (const auto& entry : fs::directory_iterator(first.path))
    fs::rename(entry.path(), second.path / entry.path().filename());
  std::ofstream(file) << text;
  driver::Unit back = value(driver::read_unit(text, file.string()));
  CHECK(value(driver::print_unit(back, first.path.string())) == text);
  return back;
}

}  // namespace

TEST_CASE("from any stage's dump, alone in another folder, the object is the same") {
  for (const char* text : {linear_text, mlp_text}) {
    const driver::CompileOptions options;
    driver::Unit graph = value(driver::read_unit(text, "model.tenon"));
    REQUIRE(graph.stage == driver::Stage::graph);
    const std::vector<std::byte> object = object_of(graph);
    CHECK(equal(object, object_of(dump_and_resume(graph, "a.tenon"))));

    driver::Unit optimized;
    optimized.stage = driver::Stage::optimized;
    optimized.code = value(driver::optimize(std::get<ir::Module>(graph.code), options));
    const driver::Unit resumed = dump_and_resume(optimized, "some other name.tenon");
    REQUIRE(resumed.stage == driver::Stage::optimized);
    CHECK(equal(object, object_of(resumed)));

    driver::Unit kernels;
    kernels.stage = driver::Stage::kernel;
    kernels.code = value(driver::to_kernels(graph, options));
    const driver::Unit again = dump_and_resume(kernels, "b");
    REQUIRE(again.stage == driver::Stage::kernel);
    CHECK(equal(object, object_of(again)));
  }
}

TEST_CASE("large constants lie in side files beside the dump") {
  std::string text = "tenon 1\nmodule table\nfunc f(i: i32[5]) -> f32[5] {\n  t = const [";
  for (int i = 0; i < 500; ++i) text += (i != 0 ? ", " : "") + std::to_string(i) + ".5";
  text += "] : f32[500]\n  r = take t, i {axis = 0}\n  return r\n}\n";
  const driver::Unit graph = value(driver::read_unit(text, "t.tenon"));
  const std::vector<std::byte> object = object_of(graph);
  const Folder folder;
  const std::string dump = value(driver::print_unit(graph, folder.path.string()));
  CHECK(dump.size() < 400);
  CHECK(equal(object, object_of(dump_and_resume(graph, "x"))));
  driver::Unit kernels;
  kernels.stage = driver::Stage::kernel;
  kernels.code = value(driver::to_kernels(graph, {}));
  CHECK(equal(object, object_of(dump_and_resume(kernels, "y"))));
  // Without its side file the dump is refused, and nothing leads out of the folder.
  const Folder empty;
  CHECK(driver::read_unit(dump, (empty.path / "d.tenon").string()).errors().code() == Code::file_missing);
}

TEST_CASE("an edited literal in the kernel dump changes the result") {
  const char* const text =
      "tenon 1\nmodule edit\nfunc f(x: f32[4]) -> f32[4] {\n  c = const 2.5 : f32[]\n  y = mul x, c\n  "
      "return y\n}\n";
  driver::Unit kernels;
  kernels.stage = driver::Stage::kernel;
  kernels.code = value(driver::to_kernels(value(driver::read_unit(text, "e")), {}));
  std::string dump = value(driver::print_unit(kernels));
  const size_t at = dump.find("2.5");
  REQUIRE(at != std::string::npos);
  dump.replace(at, 3, "3.5");
  const auto program = value(driver::Program::compile(value(driver::read_unit(dump, "e")), {}));
  driver::Session session(program, value(program->init(0)));
  const Array x = Array::of<float>({4}, {1, 2, 3, 4});
  const Array* inputs[] = {&x};
  CHECK(value(session.run("f", inputs))[0] == Array::of<float>({4}, {3.5f, 7.0f, 10.5f, 14.0f}));
}

TEST_CASE("bound sizes and baked parameters keep the bits") {
  const auto free = value(driver::Program::compile(value(driver::read_unit(mlp_text, "m")), {}));
  const auto state = value(free->init(5));
  driver::Session session(free, state);
  Array x(DType::f32, {64, 20});
  for (size_t i = 0; i < x.as<float>().size(); ++i)
    x.as<float>()[i] = static_cast<float>(i % 13) / 7.0f - 0.9f;
  const Array* inputs[] = {&x};
  const Array expected = value(session.run("predict", inputs))[0];

  driver::CompileOptions bound;
  bound.bind["batch"] = 64;
  bound.functions = {"predict"};
  const auto specialized = value(driver::Program::compile(value(driver::read_unit(mlp_text, "m")), bound));
  CHECK(specialized->find("predict")->interface->dims.empty());

  std::map<std::string, Array> values;
  for (const char* name : {"fc1.w", "fc1.b", "fc2.w", "fc2.b"}) values.emplace(name, value(state->get(name)));
  driver::CompileOptions baking;
  baking.functions = {"predict"};
  baking.baked = {"fc*"};
  baking.values = &values;
  const auto baked = value(driver::Program::compile(value(driver::read_unit(mlp_text, "m")), baking));
  driver::Session with_constants(baked, value(baked->init(99)));  // other values in the state
  CHECK(value(with_constants.run("predict", inputs))[0] == expected);

  driver::Session small(specialized, std::make_shared<driver::State>(specialized));
  for (const char* name : {"fc1.w", "fc1.b", "fc2.w", "fc2.b"})
    REQUIRE(small.state()->set(name, value(state->get(name))));
  CHECK(value(small.run("predict", inputs))[0] == expected);

  baking.functions = {"train"};
  CHECK(driver::Program::compile(value(driver::read_unit(mlp_text, "m")), baking).errors().code() ==
        Code::bad_option);
}

TEST_CASE("row i of a batch of 64 equals the batch-1 result") {
  const auto program = value(driver::Program::compile(value(driver::read_unit(mlp_text, "m")), {}));
  driver::Session session(program, value(program->init(5)));
  Array x(DType::f32, {64, 20});
  for (size_t i = 0; i < x.as<float>().size(); ++i)
    x.as<float>()[i] = static_cast<float>(i % 17) / 5.0f - 1.3f;
  const Array* inputs[] = {&x};
  const Array all = value(session.run("predict", inputs))[0];
  for (size_t row = 0; row < 64; ++row) {
    Array one(DType::f32, {1, 20});
    std::copy_n(x.as<float>().begin() + static_cast<ptrdiff_t>(20 * row), 20, one.as<float>().begin());
    const Array* single[] = {&one};
    const Array out = value(session.run("predict", single))[0];
    CHECK(std::memcmp(out.data(), all.data() + 40 * row, 40) == 0);
  }
}

TEST_CASE("names and stages that do not exist are errors with a mend") {
  auto code = [](const driver::CompileOptions& o) {
    auto unit = driver::read_unit(linear_text, "m");
    return driver::to_kernels(std::move(*unit), o).errors().code();
  };
  driver::CompileOptions o;
  o.functions = {"trian"};
  CHECK(code(o) == Code::undefined_name);
  o = {};
  o.cpu = "x86-64-v9";
  CHECK(code(o) == Code::target_unsupported);
  o = {};
  o.disabled = {"exspand"};
  CHECK(code(o) == Code::pass_unknown);
  o = {};
  o.disabled = {"expand"};
  CHECK(code(o) == Code::pass_unknown);
  o = {};
  o.bind["btach"] = 3;
  CHECK(code(o) == Code::undefined_name);
  auto wrong = driver::read_unit("tenon 1\nstage optimised\nmodule m\n", "m");
  REQUIRE(!wrong);
  CHECK(wrong.errors().code() == Code::bad_header);
  CHECK(wrong.errors().list[0].help == "did you mean optimized?");
}

}  // namespace tenon::test
