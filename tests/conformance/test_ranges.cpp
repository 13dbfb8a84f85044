// How far the ranges of dimensions reach changes no kernel: what a model is compiled to follows from what is
// fixed in it, and sizes are known when it runs.
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "catch.h"
#include "driver/compile/compile.h"
#include "kernel/print.h"
#include "paths.h"

namespace tenon::test {
namespace {
using namespace support;
namespace fs = std::filesystem;

std::string kernels_of(const std::string& text, const std::string& cpu) {
  driver::CompileOptions options;
  options.cpu = cpu;
  auto unit = driver::read_unit(text, "m.tenon");
  if (!unit) FAIL(unit.errors().text() << text);
  auto kernels = driver::to_kernels(std::move(*unit), options);
  if (!kernels) FAIL(kernels.errors().text() << text);
  std::string out;
  for (const kernel::Function& f : kernels->functions) out += kernel::print(f);
  return out;
}

// Every dimension declared to reach to `high`, or further than it did.
std::string reaching(const std::string& text, int64_t high) {
  static const std::regex dim("(dim [A-Za-z_]+ = [0-9]+)\\.\\.([0-9]+)");
  std::string out;
  auto at = text.cbegin();
  for (std::sregex_iterator m(text.begin(), text.end(), dim), end; m != end; ++m) {
    out.append(at, text.cbegin() + m->position());
    const int64_t far = high > 0 ? high : 3 * std::stoll((*m)[2].str()) + 5;
    out += (*m)[1].str() + ".." + std::to_string(far);
    at = text.cbegin() + m->position() + m->length();
  }
  return out.append(at, text.cend());
}

}  // namespace

TEST_CASE("products and other operations are compiled alike for a few rows and for many") {
  const std::string head = "tenon 1\nmodule m\ndim n = 1..4\ndim t = 1..4\n";
  const std::string bodies[] = {
      "func f(x: f32[n,64], w: f32[64,48]) -> f32[n,48] {\n"
      "  y = dot_general x, w {lhs_contract = [1], rhs_contract = [0]}\n  return y\n}\n",
      "func f(x: f32[64,n], w: f32[n,48]) -> f32[64,48] {\n"
      "  y = dot_general x, w {lhs_contract = [1], rhs_contract = [0]}\n  return y\n}\n",
      "func f(x: f32[16,64], w: f32[64,n]) -> f32[16,n] {\n"
      "  y = dot_general x, w {lhs_contract = [1], rhs_contract = [0]}\n  return y\n}\n",
      "func f(x: f32[n,64], w: f32[48,64]) -> f32[n,48] {\n"
      "  y = dot_general x, w {lhs_contract = [1], rhs_contract = [1]}\n  return y\n}\n",
      "func f(x: f32[n,t], w: f32[t,3]) -> f32[n,3] {\n"
      "  y = dot_general x, w {lhs_contract = [1], rhs_contract = [0]}\n  return y\n}\n",
      "func f(x: f32[n,t]) -> f32[n,t] {\n  y = softmax x\n  return y\n}\n",
      "func f(x: f32[n,t,5]) -> f32[t] {\n  y = reduce_sum x {axes = [0,2]}\n  return y\n}\n",
      "func f(x: f32[n,t]) -> f32[t,n], i64[n] {\n  y = transpose x {perm = [1,0]}\n"
      "  a = argmax x {axis = 1}\n  return y, a\n}\n",
      "func f(x: f32[n,t], i: i32[n]) -> f32[n,t] {\n  y = take x, i\n  z = tanh y\n  return z\n}\n",
      "func f(xs: f32[t,n], s0: f32[n]) -> f32[n] {\n  s = loop (s = s0; x in xs) {\n    z = tanh s\n"
      "    u = add z, x\n    yield u\n  }\n  return s\n}\n"};
  for (const std::string& body : bodies)
    for (const std::string cpu : {"x86-64-v3", "x86-64-v4"}) {
      INFO(body << cpu);
      const std::string few = kernels_of(head + body, cpu);
      for (const int64_t high : {8, 256, 4096}) CHECK(kernels_of(reaching(head + body, high), cpu) == few);
    }
}

TEST_CASE("models are compiled alike however far their dimensions reach") {
  size_t models = 0;
  for (const fs::directory_entry& e : fs::directory_iterator(TENON_SOURCE_DIR "/tests/conformance/goldens")) {
    if (e.path().extension() != ".tenon") continue;
    std::ifstream in(e.path(), std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    INFO(e.path().filename());
    const std::string as_it_is = kernels_of(text.str(), "x86-64-v3");
    CHECK(kernels_of(reaching(text.str(), 0), "x86-64-v3") == as_it_is);
    models += reaching(text.str(), 0) != text.str();
  }
  CHECK(models >= 15);
}

}  // namespace tenon::test
