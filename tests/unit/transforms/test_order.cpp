// Gradients follow from the graph, not from the order in which its statements are written: permuting
// independent statements gives equal bits, first and second order, in regions and called functions too.
#include <algorithm>
#include <cstring>
#include <set>

#include "transforms/gradients.h"

using namespace tenon;
using namespace tenon::test;

namespace {

struct Model {
  const char* head;  // before the statements
  std::vector<const char*> statements;
  const char* tail;  // behind them
};

const std::string_view separators = " ,=;(){}[]:\n";
std::set<std::string> words(const std::string& text) {
  std::set<std::string> out;
  size_t at = 0;
  while ((at = text.find_first_not_of(separators, at)) != std::string::npos) {
    const size_t end = std::min(text.find_first_of(separators, at), text.size());
    out.insert(text.substr(at, end - at));
    at = end;
  }
  return out;
}

// The statements in another order that defines before it uses. `seed` 0: as they stand.
std::string permuted(const Model& m, uint64_t seed) {
  std::vector<std::string> left(m.statements.begin(), m.statements.end());
  std::string out = m.head;
  while (!left.empty()) {
    std::vector<size_t> ready;
    for (size_t i = 0; i < left.size(); ++i) {
      const std::set<std::string> used = words(left[i].substr(left[i].find('=') + 1));
      bool free = true;
      for (size_t k = 0; k < left.size(); ++k) {
        if (k == i) continue;
        for (const std::string& name : words(left[k].substr(0, left[k].find('='))))
          free = free && !used.contains(name);
      }
      if (free) ready.push_back(i);
    }
    REQUIRE_FALSE(ready.empty());
    const double d = seed == 0 ? 0 : std::fabs(draw(&seed));
    const size_t pick =
        ready[std::min(static_cast<size_t>(d * static_cast<double>(ready.size())), ready.size() - 1)];
    out += "  " + left[pick] + "\n";
    left.erase(left.begin() + static_cast<ptrdiff_t>(pick));
  }
  return out + m.tail;
}

// Bits of the gradients of f by all its floats, and of a weighted sum of those.
std::vector<std::vector<std::byte>> bits(const std::string& text) {
  INFO(text);
  ir::Module module = parsed(text);
  ir::Function f = *module.find_function("f");
  if (Status s = transforms::resolve_mode(module, f, ir::Mode::training); !s) FAIL(s.errors().text());
  std::vector<ir::ValueId> wrt;
  // By name: in which order the function uses its parameters is what is permuted.
  for (const char* name : {"x", "w", "u"})
    for (ir::ValueId a : f.graph.args)
      if (f.graph.value(a).name == name) wrt.push_back(a);
  const ir::Function first = gradient_of(module, f, wrt), sum = weighted(module, first);
  const ir::Function second = gradient_of(module, sum, wrt);
  std::vector<std::vector<std::byte>> out;
  const evaluate::Inputs in = random_inputs(module, f, {{"n", 5}});
  for (const ir::Function* g : {&first, &second})
    for (const Array& a : run(module, *g, in).returned) out.emplace_back(a.data(), a.data() + a.bytes());
  return out;
}

const std::vector<Model> models = {
    {"func f(x: f64[5]) -> l: f64[] {\n",
     {"s = sin x", "c = cos x", "t = tanh x", "u = mul s, c", "v = mul u, t", "l = reduce_sum v"},
     "  return l\n}\n"},
    {"param w : f64[5,5] = zeros\nfunc f(x: f64[5]) -> l: f64[] {\n",
     {"a = dot_general x, w {lhs_contract = [0], rhs_contract = [0]}", "b = tanh x", "c = mul x, 0.3",
      "d = exp c", "p = mul a, b", "q = mul d, x", "r = add p, q", "e = mul r, x", "l = reduce_sum e"},
     "  return l\n}\n"},
    {"func f(x: f64[4,3]) -> l: f64[] {\n",
     {"a = softmax x", "b = reduce_sum x {axes = [1]}", "c = reduce_sum x {axes = [0]}", "d = exp b",
      "e = sin c", "p = reduce_sum d", "q = reduce_sum e", "r = mul a, x", "s = reduce_sum r", "y = add p, q",
      "l = mul y, s"},
     "  return l\n}\n"},
    {"func f(x: f64[6]) -> l: f64[] {\n",
     {"a = slice x {start = [0], limit = [4]}", "b = slice x {start = [1], limit = [5]}",
      "c = slice x {start = [2], limit = [6]}", "d = mul a, b", "e = mul b, c", "g = mul a, c",
      "h = add d, e", "i = mul h, g", "l = reduce_sum i"},
     "  return l\n}\n"},
    {"param w : f64[3] = zeros\nparam u : f64[3] = zeros\nfunc f(x: f64[n,3]) -> l: f64[] {\n",
     {"a = mul x, w", "b = mul x, u", "c = add x, w", "d = sin a", "e = tanh b", "g = mul c, d",
      "h = mul g, e", "i = add h, a", "j = add i, b", "l = reduce_sum j"},
     "  return l\n}\n"},
    // The two sines are computed alike, and are told apart by what is made of them.
    {"func f(x: f64[5]) -> l: f64[] {\n",
     {"a = sin x", "b = sin x", "c = cos x", "d = exp a", "e = tanh b", "p = mul d, e", "q = mul p, c",
      "l = reduce_sum q"},
     "  return l\n}\n"},
    {"param w : f64[3] = zeros\nparam u : f64[3] = zeros\nfunc f(x: f64[4,3]) -> l: f64[] {\n",
     {"z = mul w, 0.0",
      "a, s = loop (c = z; r in x) {\n    p = mul c, w\n    q = mul r, u\n    t = add p, q\n"
      "    v = tanh t\n    k = mul v, w\n    yield v, k\n  }",
      "b = loop (c = z; r in x) {\n    p = mul c, u\n    q = mul r, w\n    t = add p, q\n    v = sin t\n"
      "    yield v\n  }",
      "d = mul a, b", "e = mul w, u", "g = mul d, e", "h = reduce_sum s", "i = reduce_sum g", "l = mul h, i"},
     "  return l\n}\n"},
    {"param w : f64[3] = zeros\nfunc f(x: f64[3]) -> l: f64[] {\n",
     {"s = reduce_sum x", "o = gt s, 0.0", "y = exp x",
      "r = cond o {\n    a = sin x\n    b = mul a, w\n    yield b\n  } else {\n    a = mul w, w\n    b = mul "
      "a, x\n"
      "    yield b\n  }",
      "t = mul r, y", "v = add t, x", "k = mul v, w", "l = reduce_sum k"},
     "  return l\n}\n"},
    {"param w : f64[4] = zeros\nfunc g(z: f64[4]) -> r: f64[4] {\n  d = dropout z {rate = 0.5}\n  r = mul d, "
     "w\n"
     "  return r\n}\nfunc f(x: f64[4]) -> l: f64[] {\n",
     {"a = call g(x)", "b = call g(x)", "c = sin x", "d = dropout c {rate = 0.5}", "p = mul a, b",
      "q = add p, d", "k = mul q, x", "l = reduce_sum k"},
     "  return l\n}\n"},
    {"func f(x: f64[4]) -> l: f64[] {\n",
     {"p = reduce_prod x", "m = reduce_max x", "i = max x, 0.1", "j = abs x", "s = sqrt j", "k = pow j, 1.5",
      "a = mul i, s", "b = mul k, x", "c = add a, b", "d = mul c, p", "e = mul d, m", "l = reduce_sum e"},
     "  return l\n}\n"},
};

}  // namespace

TEST_CASE("gradients have equal bits whatever the order of independent statements") {
  size_t differing_texts = 0;
  for (const Model& model : models) {
    Model m = model;
    const std::string head = std::string("tenon 1\nmodule t\ndim n = 1..9\n") + model.head;
    m.head = head.c_str();
    const std::string original = permuted(m, 0);
    const auto expected = bits(original);
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      const std::string text = permuted(m, seed * 77);
      differing_texts += text != original;
      INFO(text);
      REQUIRE(bits(text) == expected);
    }
  }
  CHECK(differing_texts > 150);
}
