// What a program pays for its steps: loops over epochs are compiled for those who ask for them, counted in
// instructions of the whole command. Without valgrind the counts are skipped, by name.
#include <cstdlib>
#include <set>
#include <sstream>
#include <string_view>

#include "catch.h"
#include "conformance/command_runner.h"
#include "paths.h"

namespace tenon::test {
namespace {

// Layers of three operations each, and where it is wanted a step that trains them.
std::string layers_text(bool step, int layers = 20) {
  std::string out = "tenon 1\nmodule layers\ndim n = 1..64\n", body;
  std::string last = "x";
  for (int i = 0; i < layers; ++i) {
    const std::string k = std::to_string(i);
    out += "param w" + k + " : f32[8,8] = glorot_uniform\nparam b" + k + " : f32[8] = zeros\n";
    body += "  p" + k + " = dot " + last + ", w" + k + "\n  a" + k + " = add p" + k + ", b" + k + "\n  h" +
            k + " = tanh a" + k + "\n";
    last = "h" + k;
  }
  out += "func predict(x: f32[n,8]) -> f32[n,8] {\n" + body + "  return " + last + "\n}\n";
  if (!step) return out;
  return out +
         "func loss(x: f32[n,8], y: f32[n,8]) -> f32[] {\n  p = call predict(x)\n  l = mse p, y\n  return "
         "l\n}\n"
         "derive train = step loss {with = adam {lr = 0.01}}\n";
}

size_t count(const std::string& text, std::string_view what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}
std::string kernels(const Folder& folder, const std::string& arguments) {
  const Ran ran = folder.tenon("show " + arguments + " --stage kernel");
  INFO(ran.err);
  REQUIRE(ran.status == 0);
  return ran.out;
}

// Instructions of `tenon ...`; 0 where there is no valgrind.
double instructions(const Folder& folder, const std::string& command) {
  if (folder.shell("command -v valgrind").status != 0) return 0;
  const Ran ran = folder.shell(
      "valgrind --tool=callgrind --callgrind-out-file=/dev/null '" TENON_BIN_DIR "/tenon' " + command);
  INFO(command << "\n" << ran.err);
  REQUIRE(ran.status == 0);
  const size_t at = ran.err.find("Collected : ");
  REQUIRE(at != std::string::npos);
  return std::strtod(ran.err.c_str() + at + 12, nullptr);
}

}  // namespace

TEST_CASE("loops over epochs are compiled for those who ask for them", "[long]") {
  const Folder folder;
  folder.write("plain.tenon", layers_text(false));
  folder.write("step.tenon", layers_text(true));
  const double plain = instructions(folder, "compile plain.tenon --fn predict --threads 1 -o a");
  if (plain == 0) {
    WARN("skipped: instructions of compiling steps, as valgrind is not installed");
    return;
  }
  const double inference = instructions(folder, "compile step.tenon --fn predict --threads 1 -o b");
  const double single = instructions(folder, "compile step.tenon --fn train --no-epochs --threads 1 -o c");
  const double loops = instructions(folder, "compile step.tenon --fn train --threads 1 -o d");
  INFO(plain << " " << inference << " " << single << " " << loops);
  CHECK(inference < 1.15 * plain);
  CHECK(single < 0.9 * loops);
}

TEST_CASE("where blocks of the arena lie is said in proportion to their number") {
  const Folder folder;
  size_t before = 0;
  for (const int layers : {20, 100, 500}) {
    folder.write("deep.tenon", layers_text(true, layers));
    const size_t all = count(kernels(folder, "deep.tenon --fn train"), "max(");
    INFO(layers << " layers, " << all << " maxima");
    CHECK(all <= static_cast<size_t>(40 * layers));
    if (before != 0) CHECK(all <= 6 * before);
    before = all;
  }
}

TEST_CASE("large parameters that are drawn alike share a kernel, each with a stream of its own") {
  const Folder folder;
  std::string text = "tenon 1\nmodule wide\n", body;
  for (int i = 0; i < 10; ++i) {
    const std::string k = std::to_string(i);
    text += "param w" + k + " : f32[300,300] = glorot_uniform\n";
    body += "  h" + std::to_string(i + 1) + " = dot h" + k + ", w" + k + "\n";
  }
  folder.write("wide.tenon", text + "func f(h0: f32[4,300]) -> f32[4,300] {\n" + body + "  return h10\n}\n");
  const std::string dump = kernels(folder, "wide.tenon --fn f");
  CHECK(count(dump, "stream: i64") == 1);
  std::set<std::string> calls;
  std::istringstream lines(dump);
  for (std::string line; std::getline(lines, line);)
    if (line.find("call k_") != std::string::npos && line.find("random_uniform") != std::string::npos)
      calls.insert(line.substr(0, line.find("address<f32>(state")));
  CHECK(calls.size() == 10);
}

TEST_CASE("an object without loops over epochs says so in its header") {
  const Folder folder;
  folder.write("step.tenon", layers_text(true));
  const Ran ran = folder.tenon("compile step.tenon --fn train --no-epochs -o c");
  INFO(ran.err);
  REQUIRE(ran.status == 0);
  const std::string header = folder.read("c.h");
  CHECK(header.find("c_train(") != std::string::npos);
  CHECK(header.find("epochs") == std::string::npos);
  CHECK(folder.tenon("compile step.tenon --fn train.epochs --no-epochs -o d").status == 3);
}

}  // namespace tenon::test
