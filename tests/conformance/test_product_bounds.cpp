// Matrix products through every engine, the evaluator of kernels among them, which checks each access.
#include "conformance/models.h"

namespace tenon::test {
namespace {

struct Product {
  int64_t m, n, k;
  bool ta, tb;
};

std::string model(const Product& p, bool symbolic) {
  auto number = [](int64_t x) { return std::to_string(x); };
  const std::string rows = symbolic ? "rows" : number(p.m);
  const std::string a = p.ta ? number(p.k) + "," + rows : rows + "," + number(p.k);
  const std::string b = p.tb ? number(p.n) + "," + number(p.k) : number(p.k) + "," + number(p.n);
  return "tenon 1\nmodule product\n" + std::string(symbolic ? "dim rows = 1..3000\n" : "") +
         "func product(a: f32[" + a + "], b: f32[" + b + "], bias: f32[" + number(p.n) + "]) -> c: f32[" +
         rows + "," + number(p.n) + "] {\n  d = dot_general a, b {lhs_contract = [" + (p.ta ? "0" : "1") +
         "], rhs_contract = [" + (p.tb ? "1" : "0") +
         "], order = blocks, block = 512}\n  e = add d, bias\n  c = relu e\n  return c\n}\n";
}

}  // namespace

TEST_CASE("matrix products stay inside their buffers, in every layout and at every edge") {
  const int64_t sizes[][3] = {{1, 72, 40}, {9, 50, 520}, {40, 131, 33}, {17, 100, 64}};
  for (const char* cpu : {"x86-64-v3", "native"})
    for (const auto& [m, n, k] : sizes)
      for (const auto& [ta, tb] : {std::pair{false, false}, {false, true}, {true, false}}) {
        const Product p{m, n, k, ta, tb};
        INFO(cpu << " " << m << "x" << n << "x" << k << " " << (ta ? "T" : "N") << (tb ? "T" : "N"));
        EngineOptions options;
        options.compile.cpu = cpu;
        require_agreement(*engines(model(p, false), "product", options), {});
        const auto open = engines(model(p, true), "product", options);
        for (const int64_t rows : {int64_t{1}, int64_t{5}, m}) require_agreement(*open, {{"rows", rows}});
      }
}

}  // namespace tenon::test
