// The order in which independent statements are written changes nothing: kernels are the same text.
#include <algorithm>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "catch.h"
#include "driver/compile/compile.h"
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
    {"tenon 1\nmodule attention\ndim n = 1..16\nparam wq : f32[8,8]\nparam wk : f32[8,8]\nparam wv : "
     "f32[8,8]\n"
     "func f(x: f32[n,8]) -> f32[n,8] {\n",
     "  return o\n}\n",
     {{"q", "  q = dot x, wq\n"},
      {"k", "  k = dot x, wk\n"},
      {"v", "  v = dot x, wv\n"},
      {"s", "  s = dot_general q, k {lhs_contract = [1], rhs_contract = [1]}\n"},
      {"t", "  t = mul s, 0.35\n"},
      {"p", "  p = softmax t\n"},
      {"o", "  o = dot p, v\n"}}},
    {"tenon 1\nmodule branches\ndim batch = 1..64\nparam u : f32[6,5]\nparam w : f32[6,5]\nparam c : f32[5]\n"
     "func loss(x: f32[batch,6], y: f32[batch,5]) -> l: f32[] {\n",
     "  return l\n}\nderive train = step loss {with = adam {lr = 0.01}}\n",
     {{"a", "  a = dot x, u\n"},
      {"b", "  b = dense x, w, c\n"},
      {"g", "  g = sigmoid a\n"},
      {"h", "  h = tanh b\n"},
      {"m", "  m = mul g, h\n"},
      {"r", "  r = dropout m {rate = 0.25}\n"},
      {"k", "  k = mul a, a\n"},
      {"e", "  e = mean k\n"},
      {"d", "  d = mse r, y\n"},
      {"l", "  l = add d, e\n"}}},
    {"tenon 1\nmodule cell\ndim n = 1..32\nparam wi : f32[6,4]\nparam wf : f32[6,4]\nparam wo : "
     "f32[6,4]\nparam wg : f32[6,4]\n"
     "func f(x: f32[n,6], c0: f32[n,4]) -> f32[n,4], f32[n,4] {\n",
     "  return h, c\n}\n",
     {{"i0", "  i0 = dot x, wi\n"},
      {"f0", "  f0 = dot x, wf\n"},
      {"o0", "  o0 = dot x, wo\n"},
      {"g0", "  g0 = dot x, wg\n"},
      {"i", "  i = sigmoid i0\n"},
      {"fg", "  fg = sigmoid f0\n"},
      {"o", "  o = sigmoid o0\n"},
      {"g", "  g = tanh g0\n"},
      {"kept", "  kept = mul fg, c0\n"},
      {"fresh", "  fresh = mul i, g\n"},
      {"c", "  c = add kept, fresh\n"},
      {"ct", "  ct = tanh c\n"},
      {"h", "  h = mul o, ct\n"}}},
    {"tenon 1\nmodule loops\ndim t = 1..16\nfunc f(x: f32[t,8], y: f32[t,8], z: f32[8]) -> f32[8], f32[] {\n",
     "  return r, q\n}\n",
     {{"s", "  s = loop (a = z; row in x) : f32[8] {\n    b = add a, row\n    yield b\n  }\n"},
      {"p",
       "  p = loop (a = z; row in y) : f32[8] {\n    b = mul a, 0.5\n    d = add b, row\n    yield d\n  }\n"},
      {"e", "  e = exp z\n"},
      {"m", "  m = mul s, e\n"},
      {"r", "  r = add m, p\n"},
      {"o", "  o = mul x, y\n"},
      {"q", "  q = reduce_sum o {axes = [0, 1]}\n"}}},
    {"tenon 1\nmodule choice\nfunc f(x: f32[12], y: f32[12]) -> f32[12], f32[12] {\n",
     "  return r, k\n}\n",
     {{"a", "  a = reduce_sum x\n"},
      {"b", "  b = reduce_max y\n"},
      {"c", "  c = gt a, b\n"},
      {"s", "  s = sin x\n"},
      {"t", "  t = cos y\n"},
      {"r",
       "  r = cond c (s, t) : f32[12] {\n    u = mul s, t\n    yield u\n  } else {\n    u = sub s, t\n    "
       "yield u\n  }\n"},
      {"k", "  k = add t, b\n"}}},
    {"tenon 1\nmodule norm\ndim n = 1..32\nparam g : f32[8] = ones\nparam h : f32[8]\n"
     "func f(x: f32[n,8], y: f32[n,4]) -> f32[n,12], f32[4,n] {\n",
     "  return k, w\n}\n",
     {{"m", "  m = mean x {axes = [1]}\n"},
      {"mr", "  mr = reshape m {shape = [n,1]}\n"},
      {"d", "  d = sub x, mr\n"},
      {"q", "  q = mul d, d\n"},
      {"v", "  v = mean q {axes = [1]}\n"},
      {"ve", "  ve = add v, 1e-5\n"},
      {"i", "  i = rsqrt ve\n"},
      {"ir", "  ir = reshape i {shape = [n,1]}\n"},
      {"s", "  s = mul d, ir\n"},
      {"sg", "  sg = mul s, g\n"},
      {"o", "  o = add sg, h\n"},
      {"c", "  c = cos y\n"},
      {"k", "  k = concat o, c {axis = 1}\n"},
      {"z", "  z = reverse y {axes = [0]}\n"},
      {"w", "  w = transpose z {perm = [1, 0]}\n"}}},
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
