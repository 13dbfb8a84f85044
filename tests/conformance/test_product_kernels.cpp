// Products by what their kernels are made of: tiles, masks, copies; and the bits of their order.
#include <tenon/tenon.h>
#include <string>

#include "conformance/models.h"

namespace tenon::test {
namespace {

std::string shown(const std::string& text, const char* stage, const char* cpu) {
  tenon_module* module = nullptr;
  tenon_options* options = nullptr;
  char* out = nullptr;
  REQUIRE(tenon_module_parse(text.data(), text.size(), nullptr, &module, nullptr) == 0);
  REQUIRE(tenon_options_new(&options, nullptr) == 0);
  REQUIRE(tenon_options_set(options, "cpu", cpu, nullptr) == 0);
  REQUIRE(tenon_module_print(module, stage, options, &out, nullptr) == 0);
  std::string printed = out;
  tenon_text_free(out);
  tenon_options_free(options);
  tenon_module_free(module);
  return printed;
}

std::string product(const std::string& dtype, const std::string& x, const std::string& y,
                    const std::string& l,
                    const std::string& attributes = "lhs_contract = [1], rhs_contract = [0]") {
  return "tenon 1\nmodule m\ndim n = 1..4096\ndim k = 1..4096\nfunc f(x: " + dtype + "[" + x +
         "], y: " + dtype + "[" + y + "]) -> l: " + dtype + "[" + l + "] {\n  l = dot_general x, y {" +
         attributes + "}\n  return l\n}\n";
}

std::string columns(const std::string& dtype, const std::string& k, int64_t n) {
  const std::string w = std::to_string(n);
  return product(dtype, "n," + k, k + "," + w, "n," + w);
}

bool contains(const std::string& text, const std::string& what) {
  return text.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("panels of one vector meet twice as many rows, unless those lie whole pages apart") {
  for (const char* k : {"100", "784", "k"})
    for (const int64_t n : {8, 9, 15, 16, 33, 40}) {
      INFO(k << " " << n);
      CHECK(contains(shown(columns("f32", k, n), "kernel", "x86-64-v4"), "0 .. MR*2"));
    }
  CHECK(contains(shown(columns("f32", "100", 8), "kernel", "x86-64-v3"), "0 .. MR*2"));
  CHECK(contains(shown(columns("f64", "100", 8), "kernel", "x86-64-v4"), "0 .. MR*2"));
  CHECK(contains(shown(columns("f32", "k", 8), "kernel", "x86-64-v4"), "k%1024 == 0"));
  CHECK_FALSE(contains(shown(columns("f32", "1024", 8), "kernel", "x86-64-v4"), "MR*2"));
  CHECK_FALSE(contains(shown(columns("f64", "512", 8), "kernel", "x86-64-v4"), "MR*2"));
  CHECK_FALSE(contains(shown(columns("f32", "100", 48), "kernel", "x86-64-v4"), "MR*2"));
}

TEST_CASE(
    "columns that fit half a vector are read without a mask, others under one that stays in its register") {
  CHECK_FALSE(contains(shown(columns("f32", "100", 8), "llvm", "x86-64-v4"), "llvm.masked.load"));
  const std::string llvm = shown(columns("f32", "100", 12), "llvm", "x86-64-v4");
  size_t loads = 0;
  for (size_t at = 0; (at = llvm.find("call <16 x float> @llvm.masked.load", at)) != std::string::npos;
       ++at) {
    ++loads;
    CHECK_FALSE(contains(llvm.substr(at, llvm.find('\n', at) - at), "<16 x i1> <"));
  }
  CHECK(loads > 0);
}

TEST_CASE("tall tiles, half vectors and the rows left over have the bits of their order") {
  for (const char* cpu : {"x86-64-v3", "native"})
    for (const char* dtype : {"f32", "f64"})
      for (const int64_t n : {4, 8, 9, 16, 20, 34}) {
        INFO(cpu << " " << dtype << " " << n);
        EngineOptions options;
        options.compile.cpu = cpu;
        options.pools = false;
        const auto constant = engines(columns(dtype, "70", n), "f", options);
        for (const int64_t m : {27, 37, 150}) require_agreement(*constant, {{"n", m}});
        const auto open = engines(columns(dtype, "k", n), "f", options);
        for (const int64_t k : {1, 70, 1024}) require_agreement(*open, {{"n", 37}, {"k", k}});
      }
}

}  // namespace tenon::test
