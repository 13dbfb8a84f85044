// Matrix products through the public API: every way in which a right factor reaches the tiles gives the bits
// of the order that the operation names, whatever the target, the number of workers and how sizes are known.
#include <cmath>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "catch.h"
#include "command_runner.h"

namespace tn = tenon;
namespace tt = tenon::test;

namespace {

struct Product {
  int64_t m, n, k;
  bool ta = false, tb = false;
  std::vector<int64_t> a_shape() const { return ta ? std::vector{k, m} : std::vector{m, k}; }
  std::vector<int64_t> b_shape() const { return tb ? std::vector{n, k} : std::vector{k, n}; }
};

std::string text(const std::vector<int64_t>& shape) {
  return "f32[" + std::to_string(shape[0]) + "," + std::to_string(shape[1]) + "]";
}

// relu(a b + bias), sums in blocks of 512 products. Where the rows are symbolic they are called `rows`.
std::string model(const Product& p, bool symbolic, bool parameter) {
  std::string a = text(p.a_shape()), c = text({p.m, p.n});
  if (symbolic) {
    a = p.ta ? "f32[" + std::to_string(p.k) + ",rows]" : "f32[rows," + std::to_string(p.k) + "]";
    c = "f32[rows," + std::to_string(p.n) + "]";
  }
  const std::string b = text(p.b_shape());
  return "tenon 1\nmodule product\n" + std::string(symbolic ? "dim rows = 1..3000\n" : "") +
         (parameter ? "param b : " + b + " = zeros\n" : "") + "func product(a: " + a +
         (parameter ? "" : ", b: " + b) + ", bias: f32[" + std::to_string(p.n) + "]) -> c: " + c +
         " {\n  d = dot_general a, b {lhs_contract = [" + (p.ta ? "0" : "1") + "], rhs_contract = [" +
         (p.tb ? "1" : "0") +
         "], order = blocks, block = 512}\n  e = add d, bias\n  c = relu e\n  return c\n}\n";
}

std::vector<float> drawn(int64_t count, uint64_t seed) {
  std::vector<float> out(static_cast<size_t>(count));
  for (float& x : out) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    x = static_cast<float>(static_cast<int64_t>(seed >> 40) - (1 << 23)) * 0x1p-23f;
  }
  return out;
}

struct Data {
  std::vector<float> a, b, bias, c;
  explicit Data(const Product& p)
      : a(drawn(p.m * p.k, 1)),
        b(drawn(p.k * p.n, 2)),
        bias(drawn(p.n, 3)),
        c(static_cast<size_t>(p.m * p.n)) {
    for (int64_t i = 0; i < p.m; ++i)
      for (int64_t j = 0; j < p.n; ++j) {
        float total = 0;
        for (int64_t lo = 0; lo < p.k; lo += 512) {
          float sum = 0;
          for (int64_t k = lo; k < std::min(lo + 512, p.k); ++k)
            sum = std::fma(a[static_cast<size_t>(p.ta ? k * p.m + i : i * p.k + k)],
                           b[static_cast<size_t>(p.tb ? j * p.k + k : k * p.n + j)], sum);
          total = lo == 0 ? sum : total + sum;
        }
        const float x = total + bias[static_cast<size_t>(j)];
        c[static_cast<size_t>(i * p.n + j)] = x > 0 ? x : 0;
      }
  }
};

std::vector<float> run(const tn::Program& program, const tn::State& state, const Product& p, Data& d,
                       bool right, uint32_t threads = 1) {
  tn::Session session(program, state, {.threads = threads});
  std::vector<float> out(d.c.size(), -1);
  std::vector<tn::Tensor> inputs{tn::view(d.a, p.a_shape())};
  if (right) inputs.push_back(tn::view(d.b, p.b_shape()));
  inputs.push_back(tn::view(d.bias, {p.n}));
  session.bind("product", inputs, {tn::view(out, {p.m, p.n})}).run();
  return out;
}

bool runs_here(const std::string& cpu) {
  try {
    (void)tn::compile(
        tn::parse("tenon 1\nmodule m\nfunc f(x: f32[2]) -> y: f32[2] {\n  y = neg x\n  return y\n}\n"),
        {.cpu = cpu});
    return true;
  } catch (const tn::Error&) {
    return false;
  }
}

void replace(std::string* text, const std::string& from, const std::string& to, int* count) {
  for (size_t at = 0; (at = text->find(from, at)) != std::string::npos; at += to.size(), ++*count)
    text->replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("matrix products have the bits of their order in every layout, read in place, packed or baked") {
  // Edges of tiles, vectors, panels and blocks; rows a page apart; fewer rows than a tile.
  const int64_t sizes[][3] = {{1, 200, 600},   {7, 17, 33},   {8, 48, 512},     {9, 50, 520},
                              {40, 131, 1100}, {130, 97, 64}, {200, 1024, 140}, {265, 300, 530}};
  for (const std::string cpu : {"x86-64-v3", "x86-64-v4"}) {
    if (!runs_here(cpu)) continue;
    for (const auto& [m, n, k] : sizes)
      for (const auto& [ta, tb] : {std::pair{false, false}, {false, true}, {true, false}}) {
        const Product p{m, n, k, ta, tb};
        Data d(p);
        INFO(cpu << " " << m << "x" << n << "x" << k << " " << (ta ? "T" : "N") << (tb ? "T" : "N"));
        for (const bool symbolic : {false, true}) {
          INFO("symbolic " << symbolic);
          const tn::Program program = tn::compile(tn::parse(model(p, symbolic, false)), {.cpu = cpu});
          const tn::State state = program.init(1);
          CHECK(run(program, state, p, d, true) == d.c);
          if (m >= 40) CHECK(run(program, state, p, d, true, 2) == d.c);
        }
        const tn::Module module = tn::parse(model(p, false, true));
        tn::State values = tn::compile(module, {.cpu = cpu}).init(1);
        values.set("b", tn::view(d.b, p.b_shape()));
        const tn::Program baked = tn::compile(module, {.cpu = cpu, .baked = {"b"}}, &values);
        CHECK(run(baked, baked.init(1), p, d, false) == d.c);
      }
  }
}

TEST_CASE("a tile edited in the dump of kernels gives a running program with equal bits") {
  if (!runs_here("x86-64-v4")) return;
  for (const Product& p : {Product{96, 192, 600, false, false},
                           {101, 192, 600, false, false},
                           {96, 192, 600, false, true},
                           {104, 288, 600, true, false},
                           {101, 288, 600, true, false}}) {
    Data d(p);
    INFO(p.m << " rows, packed: left " << p.ta << ", right " << p.tb);
    std::string dump = tn::parse(model(p, false, false)).print("kernel");
    int rows = 0, vectors = 0;
    replace(&dump, "MR = 8", "MR = 6", &rows);
    replace(&dump, "NV = 3", "NV = 4", &vectors);
    INFO(dump);
    REQUIRE(rows == 1);
    REQUIRE(vectors == (p.tb ? 2 : 1));
    REQUIRE((dump.find("scratch[from") != std::string::npos) == p.ta);
    const tn::Program edited = tn::compile(tn::parse(dump));
    CHECK(run(edited, edited.init(1), p, d, true) == d.c);
    // A wrong literal in the same dump shows.
    int products = 0;
    replace(&dump, "k0 + KC, 600", "k0 + KC, 599", &products);
    REQUIRE(products == 1);
    const tn::Program wrong = tn::compile(tn::parse(dump));
    CHECK(run(wrong, wrong.init(1), p, d, true) != d.c);
  }
}

TEST_CASE("products of f64 and of integers have the bits of their order") {
  const tt::Folder folder;
  folder.write("p.tenon",
               "tenon 1\nmodule products\ndim m = 1..70\n"
               "func wide(a: f64[m,130], b: f64[130,77]) -> c: f64[m,77] {\n"
               "  c = dot_general a, b {lhs_contract = [1], rhs_contract = [0]}\n  return c\n}\n"
               "func across(a: f64[600,m], b: f64[600,301]) -> c: f64[m,301] {\n"
               "  c = dot_general a, b {lhs_contract = [0], rhs_contract = [0]}\n  return c\n}\n"
               "func whole(a: i64[m,33], b: i64[71,33]) -> c: i64[m,71] {\n"
               "  c = dot_general a, b {lhs_contract = [1], rhs_contract = [1]}\n  return c\n}\n");
  for (const std::string cpu : {"x86-64-v3", "x86-64-v4"}) {
    if (!runs_here(cpu)) continue;
    for (const char* function : {"wide", "across", "whole"})
      for (const int m : {1, 9, 70}) {
        const tt::Ran ran = folder.tenon(std::string("diff p.tenon ") + function + " --cpu " + cpu +
                                         " --size m=" + std::to_string(m));
        INFO(ran.out << ran.err);
        CHECK(ran.status == 0);
      }
  }
}
