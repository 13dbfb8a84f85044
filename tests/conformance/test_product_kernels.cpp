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
    for (const int64_t n : {8, 9, 15, 16, 17, 24, 33, 40}) {
      INFO(k << " " << n);
      CHECK(contains(shown(columns("f32", k, n), "kernel", "x86-64-v4"), "0 .. MR*2"));
    }
  CHECK(contains(shown(columns("f32", "100", 8), "kernel", "x86-64-v3"), "0 .. MR*2"));
  CHECK(contains(shown(columns("f64", "100", 8), "kernel", "x86-64-v4"), "0 .. MR*2"));
  CHECK(contains(shown(columns("f32", "k", 8), "kernel", "x86-64-v4"), "k%1024 == 0"));
  CHECK_FALSE(contains(shown(columns("f32", "1024", 8), "kernel", "x86-64-v4"), "MR*2"));
  CHECK_FALSE(contains(shown(columns("f64", "512", 8), "kernel", "x86-64-v4"), "MR*2"));
  for (const int64_t n : {25, 48})
    CHECK_FALSE(contains(shown(columns("f32", "100", n), "kernel", "x86-64-v4"), "MR*2"));
}

TEST_CASE("panels of whole vectors have no masks") {
  for (const int64_t n : {16, 32, 48, 64, 96, 128, 512})
    CHECK_FALSE(contains(shown(columns("f32", "64", n), "llvm", "x86-64-v4"), "llvm.masked.store"));
  CHECK(contains(shown(columns("f32", "64", 110), "llvm", "x86-64-v4"), "llvm.masked.store"));
}

TEST_CASE("rows that leave a rest take half a tile of them and one of what is left") {
  const std::string kernel = shown(columns("f32", "64", 128), "kernel", "x86-64-v4");
  CHECK(contains(kernel, "specialize rows in 1 .. 3"));
  CHECK_FALSE(contains(kernel, "specialize rows in 1 .. MR"));
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

TEST_CASE("where lanes have no masks, the known end of a row is stored in whole pieces") {
  for (int64_t n = 9; n <= 15; ++n) {
    INFO(n);
    const std::string w = std::to_string(n);
    const std::string text = "tenon 1\nmodule m\ndim n = 1..4096\nfunc f(x: f32[n," + w + "], y: f32[" + w +
                             ",n]) -> l: f32[n," + w +
                             "] {\n  t = transpose y {perm = [1,0]}\n  l = mul x, t\n  return l\n}\n";
    const std::string llvm = shown(text, "llvm", "x86-64-v3");
    for (size_t at = 0; (at = llvm.find("@llvm.masked.store", at)) != std::string::npos; ++at)
      CHECK_FALSE(contains(llvm.substr(at, llvm.find('\n', at) - at), "<8 x i1> <"));
    EngineOptions options;
    options.compile.cpu = "x86-64-v3";
    options.pools = false;
    const auto open = engines(text, "f", options);
    for (const int64_t rows : {1, 8, 21}) require_agreement(*open, {{"n", rows}});
  }
}

TEST_CASE("tall tiles, half vectors and the rows left over have the bits of their order") {
  for (const char* cpu : {"x86-64-v3", "native"})
    for (const char* dtype : {"f32", "f64"})
      for (const int64_t n : {4, 8, 9, 16, 20, 24, 34}) {
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

namespace {

// A product of x with what `body` makes of the stacked parameter w or the input v, as r.
std::string stacked(const std::string& w, const std::string& body, const std::string& x = "n,64",
                    const std::string& l = "n,32",
                    const std::string& attributes = "lhs_contract = [1], rhs_contract = [0]") {
  return "tenon 1\nmodule m\ndim n = 1..4096\nparam w : f32[" + w + "] = glorot_uniform\nfunc f(x: f32[" + x +
         "]) -> l: f32[" + l + "] {\n" + body + "  l = dot_general x, r {" + attributes +
         "}\n  return l\n}\nfunc loss(x: f32[" + x +
         "]) -> s: f32[] {\n  l = call f(x)\n  q = mul l, l\n  s = reduce_sum q\n  return s\n}\nderive train "
         "= step loss "
         "{with = sgd {lr = 0.1}}\n";
}

std::string sliced(const std::string& start, const std::string& limit, const std::string& shape) {
  return "  c = slice w {start = [" + start + "], limit = [" + limit + "]}\n  r = reshape c {shape = [" +
         shape + "]}\n";
}

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++n;
  return n;
}

// Calls `each` with the text of every loop over products.
template <class F>
void each_product_loop(const std::string& text, F&& each) {
  for (size_t at = 0; (at = text.find(" for k", at)) != std::string::npos;) {
    const size_t line = text.rfind('\n', at) + 1, open = text.find('\n', at);
    const std::string indent = text.substr(line, text.find_first_not_of(' ', line) - line);
    const std::string name = text.substr(at + 5, text.find(' ', at + 5) - at - 5);
    at = open;
    if (name != "k" && name.substr(0, 2) != "k_") continue;
    each(text.substr(open, text.find("\n" + indent + "}", open) - open));
  }
}

}  // namespace

TEST_CASE(
    "a product reads a slice of a stacked factor where it lies, whatever extents of 1 are dropped or added") {
  struct Stack {
    const char* what;
    std::string text;
  };
  const Stack stacks[] = {
      {"first dropped", stacked("4,64,32", sliced("2,0,0", "3,64,32", "64,32"))},
      {"middle dropped", stacked("64,4,32", sliced("0,1,0", "64,2,32", "64,32"))},
      {"two dropped", stacked("3,4,64,32", sliced("2,1,0,0", "3,2,64,32", "64,32"))},
      {"rows apart", stacked("4,128,32",
                             "  c = slice w {start = [1,0,0], limit = [2,128,32], stride = [1,2,1]}\n"
                             "  r = reshape c {shape = [64,32]}\n")},
      {"added",
       stacked("128,32",
               "  c = slice w {start = [64,0], limit = [128,32]}\n  r = reshape c {shape = [1,64,32]}\n",
               "n,1,64", "n,32", "lhs_contract = [1,2], rhs_contract = [0,1]")},
      {"dropped twice",
       stacked("4,64,32", sliced("2,0,0", "3,64,32", "1,1,64,32") + "  t = reshape r {shape = [64,32]}\n")},
  };
  for (const Stack& s : stacks) {
    INFO(s.what);
    std::string text = s.text;
    if (contains(text, "t = reshape")) text.replace(text.find("x, r {"), 4, "x, t");
    const std::string kernels = shown(text, "kernel", "x86-64-v4");
    CHECK(count(kernels, "// slice") == 0);
    CHECK(count(kernels, "// reshape") == 0);
    CHECK(count(kernels, "// dot_general") >= 2);  // of f, and of its step
    for (const int64_t n : {1, 9, 37}) {
      EngineOptions options;
      options.pools = false;
      require_agreement(*engines(text, "f", options), {{"n", n}});
      require_agreement(*engines(text, "train", options), {{"n", n}});
    }
  }
}

TEST_CASE(
    "units are dropped and added between kernels without a copy, and results have buffers of their own") {
  const std::string text =
      "tenon 1\nmodule m\ndim n = 1..4096\nfunc f(x: f32[n,1,24]) -> l: f32[n], u: f32[1,n,1], v: "
      "f32[24,n] {\n"
      "  a = tanh x\n  b = reshape a {shape = [n,24]}\n  c = exp b\n  s = reduce_sum c {axes = [1]}\n"
      "  u = reshape s {shape = [1,n,1]}\n  d = reshape u {shape = [n]}\n  l = mul d, d\n"
      "  t = transpose x {perm = [2,1,0]}\n  v = reshape t {shape = [24,n]}\n  return l, u, v\n}\n";
  for (const int64_t n : {1, 5, 64}) require_agreement(*engines(text, "f"), {{"n", n}});
}

TEST_CASE("contracted axes that lie apart are divided by nothing in the loop over products") {
  struct Apart {
    const char *what, *dtype, *x, *y, *l, *attributes;
  };
  const Apart all[] = {
      {"left", "f32", "5,n,64", "5,64,24", "n,24", "lhs_contract = [0,2], rhs_contract = [0,1]"},
      {"short", "f32", "n,100,2", "2,100,24", "n,24", "lhs_contract = [1,2], rhs_contract = [1,0]"},
      {"three", "f32", "3,n,7,11", "3,11,7,24", "n,24", "lhs_contract = [0,2,3], rhs_contract = [0,2,1]"},
      {"blocks", "f32", "40,n,33", "40,33,96", "n,96", "lhs_contract = [0,2], rhs_contract = [0,1]"},
      {"panels", "f32", "n,6,50", "96,50,6", "n,96", "lhs_contract = [1,2], rhs_contract = [2,1]"},
      {"tiles of rows", "f32", "40,33,n", "33,40,300", "n,300", "lhs_contract = [0,1], rhs_contract = [1,0]"},
      {"one row", "f64", "1,40,33", "33,40,24", "1,24", "lhs_contract = [1,2], rhs_contract = [1,0]"},
      {"open", "f32", "k,n,33", "k,33,24", "n,24", "lhs_contract = [0,2], rhs_contract = [0,1]"},
  };
  for (const Apart& a : all) {
    INFO(a.what);
    const std::string text = product(a.dtype, a.x, a.y, a.l, a.attributes);
    const std::string kernels = shown(text, "kernel", "x86-64-v4");
    size_t loops = 0;
    each_product_loop(kernels, [&](const std::string& body) {
      ++loops;
      INFO(body);
      CHECK(body.find('%') == std::string::npos);
      CHECK(body.find('/') == std::string::npos);
    });
    CHECK(loops > 0);
    for (const char* cpu : {"x86-64-v3", "native"})
      for (const int64_t n : {1, 9, 37}) {
        EngineOptions options;
        options.compile.cpu = cpu;
        options.pools = false;
        ir::DimBindings dims = {{"n", n}};
        if (contains(text, "[k,")) dims["k"] = 19;
        require_agreement(*engines(text, "f", options), dims);
      }
  }
}

TEST_CASE("copies of what a loop captures are made once, before the outermost loop that captures it") {
  const std::string body =
      " {\n      c = dot_general a, p {lhs_contract = [1], rhs_contract = [0]}\n"
      "      d = dot_general c, q {lhs_contract = [1], rhs_contract = [0]}\n      e = tanh d\n"
      "      yield e\n    }\n";
  const std::string head =
      "tenon 1\nmodule m\ndim n = 1..4096\nfunc f(x: f32[n,32], w: f32[32,4], v: f32[4,32]) -> l: f32[n,32] "
      "{\n";
  const std::string one =
      head + "  l = loop (a = x; ; p = w, q = v) {trip = 4} : f32[n,32]" + body + "  return l\n}\n";
  const std::string two = head +
                          "  l = loop (b = x; ; r = w, s = v) {trip = 3} : f32[n,32] {\n"
                          "    f = loop (a = b; ; p = r, q = s) {trip = 2} : f32[n,32]" +
                          body + "    yield f\n  }\n  return l\n}\n";
  for (const std::string& text : {one, two}) {
    const std::string kernels = shown(text, "kernel", "x86-64-v4");
    CHECK(count(kernels, "// transpose") == 1);
    CHECK(kernels.find("// transpose") < kernels.find("// dot_general"));
    CHECK(kernels.find("// transpose") < kernels.find("for t"));
    for (const int64_t n : {1, 9, 37}) require_agreement(*engines(text, "f"), {{"n", n}});
  }
}

TEST_CASE("short products of a symbolic number of products take half the lanes of their order") {
  const std::string batched = "lhs_batch = [0], rhs_batch = [0], lhs_contract = [2], rhs_contract = [1]";
  const std::string text = product("f32", "n,k,k", "n,k,1", "n,k,1", batched);
  CHECK(contains(shown(text, "kernel", "x86-64-v4"), "width 32"));
  for (const int64_t k : {1, 16, 31, 32, 33, 70})
    require_agreement(*engines(text, "f"), {{"n", 3}, {"k", k}});
}

}  // namespace tenon::test
