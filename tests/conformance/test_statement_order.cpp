// The order in which independent statements are written changes nothing: kernels are the same text.
#include <algorithm>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "catch.h"
#include "driver/compile.h"
#include "kernel/print.h"

namespace tenon::test {
namespace {
using namespace support;

struct Statement {
  std::string name, text;
};
struct Body {
  std::string head, tail;  // up to the function's first line, and from `return` on
  std::vector<Statement> statements;
};

bool mentions(const std::string& text, const std::string& name) {
  for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    auto word = [&](size_t i) { return i < text.size() && (std::isalnum(text[i]) != 0 || text[i] == '_'); };
    if ((at == 0 || !word(at - 1)) && !word(at + name.size())) return true;
  }
  return false;
}

// Another order in which every value still stands before its uses.
std::string permuted(const Body& body, std::mt19937& random) {
  std::vector<Statement> left = body.statements;
  std::string out = body.head;
  while (!left.empty()) {
    std::vector<size_t> ready;
    for (size_t i = 0; i < left.size(); ++i) {
      bool waits = false;
      for (const Statement& other : left)
        waits = waits || (other.name != left[i].name && mentions(left[i].text, other.name));
      if (!waits) ready.push_back(i);
    }
    const size_t chosen = ready[random() % ready.size()];
    out += left[chosen].text;
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(chosen));
  }
  return out + body.tail;
}

std::string kernels_of(const std::string& text) {
  auto unit = driver::read_unit(text, "<test>");
  if (!unit) FAIL(unit.errors().text() << text);
  driver::CompileOptions options;
  options.cpu = "x86-64-v3";
  options.epochs = false;
  auto kernels = driver::to_kernels(std::move(*unit), options);
  if (!kernels) FAIL(kernels.errors().text());
  // Comments name the lines of the text, which differ.
  std::istringstream in(kernel::print(*kernels));
  std::string out;
  for (std::string line; std::getline(in, line);) out += line.substr(0, line.find("//")) + "\n";
  return out;
}

const std::vector<Body> models = {
    {"tenon 1\nmodule rows\ndim n = 1..64\nparam u : f32[9,4]\nparam v : f32[9]\n"
     "func f(i: i32[n], j: i32[n]) -> f32[n] {\n",
     "  return p\n}\n",
     {{"a", "  a = take u, i\n"},
      {"b", "  b = take u, j\n"},
      {"c", "  c = mul a, b\n"},
      {"s", "  s = reduce_sum c {axes = [1]}\n"},
      {"x", "  x = take v, i\n"},
      {"p", "  p = add s, x\n"}}},
    {"tenon 1\nmodule layer\ndim n = 1..64\nparam w : f32[8,8]\nparam b : f32[8]\n"
     "func f(x: f32[n,8], y: f32[n,8]) -> f32[n,8], f32[] {\n",
     "  return r, l\n}\n",
     {{"h", "  h = dot_general x, w {lhs_contract = [1], rhs_contract = [0]}\n"},
      {"t", "  t = tanh y\n"},
      {"q", "  q = mul t, y\n"},
      {"k", "  k = add h, q\n"},
      {"r", "  r = relu k\n"},
      {"d", "  d = sub x, y\n"},
      {"e", "  e = mul d, d\n"},
      {"l", "  l = reduce_sum e {axes = [0, 1]}\n"}}},
    {"tenon 1\nmodule scaled\nfunc f(x: f32[16,8]) -> f32[16,8], f32[16] {\n",
     "  return z, m\n}\n",
     {{"m", "  m = reduce_max x {axes = [1]}\n"},
      {"o", "  o = exp x\n"},
      {"s", "  s = reduce_sum o {axes = [1]}\n"},
      {"g", "  g = mul x, x\n"},
      {"z", "  z = sub o, g\n"}}},
    {"tenon 1\nmodule written\nstate a : f32[8]\nstate b : f32[8]\nfunc f(x: f32[8]) -> f32[8] {\n",
     "  set a = p\n  set b = q\n  return r\n}\n",
     {{"p", "  p = add a, x\n"},
      {"q", "  q = mul b, x\n"},
      {"r", "  r = sub a, b\n"},
      {"t", "  t = sin r\n"}}},
};

}  // namespace

TEST_CASE("permuted statements give the same kernels") {
  std::mt19937 random(7);
  for (const Body& body : models) {
    std::string plain = body.head;
    for (const Statement& s : body.statements) plain += s.text;
    const std::string expected = kernels_of(plain + body.tail);
    for (int i = 0; i < 20; ++i) {
      const std::string text = permuted(body, random);
      INFO(text);
      CHECK(kernels_of(text) == expected);
    }
  }
}

TEST_CASE("a value made before a reduction joins the kernel that reads both") {
  const std::string head = "tenon 1\nmodule m\nfunc f(x: f32[16,8], y: f32[16]) -> f32[16] {\n";
  const std::string sum = "  s = reduce_sum x {axes = [1]}\n", sine = "  t = sin y\n";
  const std::string tail = "  p = add s, t\n  return p\n}\n";
  const std::string first = kernels_of(head + sum + sine + tail),
                    second = kernels_of(head + sine + sum + tail);
  CHECK(first == second);
}

}  // namespace tenon::test
