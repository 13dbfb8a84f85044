// Schedules of short rows: reductions over all elements of rows that do not run on evenly are laid out in
// full lanes, rows of a varying extent are computed side by side. The bits are those of the order that the
// operation names, at every width.
#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "conformance/models.h"
#include "conformance/schedules.h"

namespace tenon::test {
namespace {

// Whole reductions over [n,e] of operands that are spread, cut, turned, put together; several at once.
std::string narrow_means(const std::string& e) {
  const std::string x = "x: f32[n," + e + "]", less = e == "t" ? "t - 1" : std::to_string(std::stoi(e) - 1);
  const std::string slice = "  c = slice x {start = [0,0], limit = [n," + less + "]}\n";
  std::string out =
      head("dim n = 1..4096\ndim t = 2..4096\n") +
      function("spread", x + ", y: f32[" + e + "]", "f32[]",
               "  d = mul x, x\n  q = mul d, y\n  l = mean q\n") +
      function("cut", x, "f32[]", slice + "  l = mean c\n") +
      function("cut_product", x + ", y: f32[" + less + "]", "f32[]",
               slice + "  q = mul c, y\n  l = reduce_prod q\n") +
      function("cut_least", x + ", y: f32[n,1]", "f32[]", slice + "  q = add c, y\n  l = reduce_min q\n") +
      function("wide", "x: f64[n," + e + "], y: f64[" + e + "]", "f64[]",
               "  q = sub x, y\n  s = exp q\n  l = reduce_sum s\n") +
      function("whole", "x: i32[n," + e + "], y: i32[" + e + "]", "i32[]",
               "  q = mul x, y\n  l = reduce_sum q\n") +
      function("long", "x: i64[n," + e + "], y: i64[" + e + "]", "i64[]",
               "  q = add x, y\n  l = reduce_max q\n") +
      function("some", x + ", y: f32[" + e + "]", "bool[]", "  q = lt x, y\n  l = reduce_any q\n") +
      function("joined", x + ", y: f32[n,3]", "f32[]", "  q = concat x, y {axis = 1}\n  l = reduce_sum q\n") +
      function(
          "numbered", x, "f32[]",
          "  i = iota {shape = [n," + e + "], axis = 1, dtype = f32}\n  q = mul x, i\n  l = reduce_sum q\n") +
      function("turned", x + ", y: f32[" + e + ",n]", "f32[]",
               "  v = transpose y {perm = [1,0]}\n  q = mul x, v\n  l = mean q\n") +
      function("middle", "x: f32[n,3," + e + "]", "f32[3]", "  l = reduce_sum x {axes = [0,2]}\n") +
      function("deep", "x: f32[n,3," + e + "], y: f32[n,1,1], z: f32[" + e + "]", "f32[]",
               "  p = mul x, y\n  q = mul p, z\n  l = reduce_sum q\n") +
      function("strided", "x: f32[n,6," + e + "]", "f32[3]",
               "  s = slice x {start = [0,1,0], limit = [n,6," + e +
                   "], stride = [1,2,1]}\n"
                   "  l = reduce_sum s {axes = [0,2]}\n");
  return out;
}
constexpr const char* all_means[] = {"spread", "cut",    "cut_product", "cut_least", "wide",
                                     "whole",  "long",   "some",        "joined",    "numbered",
                                     "turned", "middle", "deep",        "strided"};

// Along a last axis of a varying extent.
std::string row_functions() {
  const std::string x = "x: f32[n,t]";
  return head("dim n = 1..4096\ndim t = 1..256\n") + function("soft", x, "f32[n,t]", "  l = softmax x\n") +
         function("log_soft", x, "f32[n,t]", "  l = log_softmax x\n") +
         function("soft_wide", "x: f64[n,t]", "f64[n,t]", "  l = softmax x\n") +
         function(
             "normal", x + ", g: f32[t], b: f32[t]", "f32[n,t]",
             "  a = mean x {axes = [1]}\n  m = reshape a {shape = [n,1]}\n  d = sub x, m\n  q = mul d, d\n"
             "  c = mean q {axes = [1]}\n  v = reshape c {shape = [n,1]}\n  e = add v, 1e-5\n  s = rsqrt e\n"
             "  h = mul d, s\n  k = mul h, g\n  l = add k, b\n") +
         function("attention", "x: f32[n,3,t]", "f32[n,3,t]", "  l = softmax x\n") +
         function("entropy", x + ", y: f32[n,t]", "f32[]",
                  "  s = log_softmax x\n  p = mul s, y\n  r = reduce_sum p {axes = [1]}\n  l = mean r\n") +
         function("sums", x, "f32[n]", "  l = reduce_sum x {axes = [1]}\n") +
         function("products", x + ", y: f32[t]", "f32[n]",
                  "  p = add x, y\n  l = reduce_prod p {axes = [1]}\n") +
         function("least", "x: i32[n,t], y: i32[n,1]", "i32[n]",
                  "  p = mul x, y\n  l = reduce_min p {axes = [1]}\n") +
         function("dots", x + ", y: f32[n,t]", "f32[n]",
                  "  l = dot_general x, y {lhs_batch = [0], rhs_batch = [0], lhs_contract = [1], "
                  "rhs_contract = [1]}\n") +
         function("every", x, "bool[n]", "  p = lt x, 0.9\n  l = reduce_all p {axes = [1]}\n");
}
constexpr const char* all_rows[] = {"soft", "log_soft", "soft_wide", "normal", "attention", "entropy",
                                    "sums", "products", "least",     "dots",   "every"};

// Loops of this heading that stand in lanes.
size_t loops_in_lanes(const std::string& text, const std::string& heading) {
  std::vector<bool> open;  // blocks: lanes or not
  size_t found = 0;
  for (size_t line = 0; line < text.size();) {
    const size_t end = std::min(text.find('\n', line), text.size());
    std::string here = text.substr(line, end - line);
    here = here.substr(0, here.find("//"));
    here.erase(0, here.find_first_not_of(' '));
    if (here.starts_with("}") && !open.empty()) open.pop_back();
    if (here.starts_with(heading)) found += static_cast<size_t>(std::count(open.begin(), open.end(), true));
    if (here.find('{') != std::string::npos && here.find('}', 1) == std::string::npos)
      open.push_back(here.starts_with("lanes "));
    line = end + 1;
  }
  return found;
}

}  // namespace

TEST_CASE("reductions over all elements of short rows read vectors, and no lanes walk from row to row") {
  for (const std::string e : {"3", "7", "17", "60", "t"}) {
    INFO(e);
    const std::string text = narrow_means(e), llvm = shown(text, "llvm");
    CHECK(lanes_inserted(llvm) == 0);
    // Of rows at constant places, what stands behind the last whole step is gathered.
    if (e.size() > 1 || e == "t") CHECK(llvm.find("masked.gather") == std::string::npos);
    // Rows of a varying extent that may be long have their lanes walk, beside.
    const size_t walks = loops_in_lanes(shown(text, "kernel"), "for o in first");
    if (e != "t") CHECK(walks == 0);
  }
}

TEST_CASE("short rows of a varying extent are computed side by side, without a fold in a row") {
  const std::string text = row_functions();
  const std::string kernels = shown(text, "kernel");
  size_t found = 0;
  for (size_t at = 0; (at = kernels.find("for row in", at)) != std::string::npos; ++at) {
    const std::string beside = kernels.substr(at, kernels.find("for o in", at) - at);
    CHECK(beside.find("exchange") != std::string::npos);
    CHECK(beside.find("fold") == std::string::npos);
    // One exponential of a stage stands in it for whole blocks, one for the last: none for every vector.
    CHECK(beside.find("unroll q") == std::string::npos);
    ++found;
  }
  CHECK(found >= std::size(all_rows) - 1);  // softmax over two and three dimensions is one kernel
}

TEST_CASE("reductions over all elements of short rows have the bits of their order") {
  for (const char* cpu : {"x86-64-v3", "native"})
    for (const std::string e : {"2", "3", "7", "16", "17", "64", "65", "100", "128", "129", "t"}) {
      const std::string text = narrow_means(e);
      for (const char* name : all_means) {
        INFO(cpu << " " << name << " " << e);
        EngineOptions options;
        options.compile.cpu = cpu;
        options.pools = false;
        const auto open = engines(text, name, options);
        // Chunks and blocks that end within a row, and where one ends.
        if (e != "t") {
          for (const int64_t n : {1, 41, 520}) require_agreement(*open, {{"n", n}});
          continue;
        }
        for (const int64_t t : {2, 5, 16, 33, 64, 65, 96, 127, 128, 129})
          require_agreement(*open, {{"n", 9}, {"t", t}});
        require_agreement(*open, {{"n", 1000}, {"t", 9}});
      }
    }
}

TEST_CASE("rows of a varying extent have the bits of their order, alone and side by side") {
  const std::string text = row_functions();
  for (const char* cpu : {"x86-64-v3", "native"})
    for (const char* name : all_rows) {
      INFO(cpu << " " << name);
      EngineOptions options;
      options.compile.cpu = cpu;
      const auto open = engines(text, name, options);
      for (const int64_t t : {1, 2, 7, 16, 17, 31, 32, 33, 44, 45, 63, 64, 65, 130})
        require_agreement(*open, {{"n", 21}, {"t", t}});
      for (const int64_t n : {1, 3, 4, 16, 47}) require_agreement(*open, {{"n", n}, {"t", 5}});
    }
}

}  // namespace tenon::test
