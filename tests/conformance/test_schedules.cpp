// Schedules by the widths and strides of their operands: whatever lies side by side is read in vectors, no
// inner loop divides an index, and the bits are those of the order that the operation names.
#include <functional>
#include <string>

#include "conformance/models.h"
#include "conformance/schedules.h"

namespace tenon::test {
namespace {

std::string dot(const std::string& name, const std::string& x, const std::string& y, const std::string& l,
                const std::string& attributes) {
  return "func " + name + "(x: f32[" + x + "], y: f32[" + y + "]) -> l: f32[" + l +
         "] {\n  l = dot_general x, y {" + attributes + "}\n  return l\n}\n";
}

// Plain, over rows (the gradient of a dense layer), batched, batched with a symbolic extent.
std::string products(int64_t width) {
  const std::string w = std::to_string(width);
  const std::string batched = "lhs_batch = [0], rhs_batch = [0], lhs_contract = [2], rhs_contract = [1]";
  return head("dim n = 1..4096\ndim t = 1..64\n") +
         dot("plain", "n,200", "200," + w, "n," + w, "lhs_contract = [1], rhs_contract = [0]") +
         dot("over_rows", "n,100", "n," + w, "100," + w, "lhs_contract = [0], rhs_contract = [0]") +
         dot("batched", "n,32,48", "n,48," + w, "n,32," + w, batched) +
         dot("symbolic", "n,t,t", "n,t," + w, "n,t," + w, batched);
}

// Text from `from` on, without comments, as blocks: calls `leaf` with the text of every block that holds no
// loop.
void each_inner_loop(const std::string& text, const std::function<void(const std::string&)>& leaf) {
  struct Open {
    size_t at;
    bool loop, holds_loop;
  };
  std::vector<Open> open;
  size_t line = 0;
  while (line < text.size()) {
    const size_t end = std::min(text.find('\n', line), text.size());
    std::string here = text.substr(line, end - line);
    here = here.substr(0, here.find("//"));
    if (here.find('}') != std::string::npos && !open.empty()) {
      const Open block = open.back();
      open.pop_back();
      if (block.loop && !block.holds_loop) leaf(text.substr(block.at, line - block.at));
      if (!open.empty()) open.back().holds_loop |= block.loop || block.holds_loop;
    }
    if (!here.empty() && here.back() == '{') {
      const size_t word = here.find_first_not_of(' ');
      const bool loop = here.compare(word, 4, "for ") == 0 || here.compare(word, 6, "lanes ") == 0;
      open.push_back({end, loop, false});
    }
    line = end + 1;
  }
}

std::string without_comments(const std::string& text) {
  std::string out;
  for (size_t line = 0; line < text.size();) {
    const size_t end = std::min(text.find('\n', line), text.size());
    const std::string here = text.substr(line, end - line);
    out += here.substr(0, here.find("//")) + "\n";
    line = end + 1;
  }
  return out;
}

// Reductions whose elements do not run on evenly: spread out, cut, transposed, over several axes.
std::string reductions(const std::string& e) {
  const std::string dims = head("dim n = 1..4096\ndim a = 1..1024\n");
  const std::string x = "x: f32[n," + e + "]";
  return dims +
         function("spread", x + ", y: f32[" + e + "]", "f32[]", "  q = mul x, y\n  l = reduce_sum q\n") +
         function("spread_out", x + ", y: f32[n,1]", "f32[]", "  q = mul x, y\n  l = reduce_max q\n") +
         function("cut", x, "f32[]",
                  "  q = slice x {start = [0,0], limit = [n," +
                      (e == "a" ? "a - 1" : std::to_string(std::stoi(e) - 1)) + "]}\n  l = reduce_sum q\n") +
         function("turned", x + ", y: f32[" + e + ",n]", "f32[]",
                  "  t = transpose y {perm = [1,0]}\n  q = mul x, t\n  l = reduce_sum q\n") +
         function("middle", "x: f32[n,6," + e + "]", "f32[6]", "  l = reduce_sum x {axes = [0,2]}\n") +
         function("three", "x: f32[n,3," + e + "], y: f32[n,1," + e + "]", "f32[]",
                  "  q = mul x, y\n  l = reduce_sum q\n") +
         function("upper", "x: f32[n," + e + ",5], y: f32[" + e + ",1]", "f32[5]",
                  "  q = mul x, y\n  l = reduce_sum q {axes = [0,1]}\n") +
         function("both", "x: f32[n,4," + e + "], y: f32[n,4," + e + "]", "f32[4]",
                  "  l = dot_general x, y {lhs_batch = [1], rhs_batch = [1], lhs_contract = [0,2], "
                  "rhs_contract = [0,2]}\n");
}

constexpr const char* all_reductions[] = {"spread", "spread_out", "cut",   "turned",
                                          "middle", "three",      "upper", "both"};

}  // namespace

TEST_CASE("products of 1 to 17 columns have the bits of their order") {
  for (const char* cpu : {"x86-64-v3", "native"})
    for (int64_t width = 1; width <= 17; width += cpu[0] == 'n' ? 1 : 3) {
      INFO(cpu << " " << width);
      EngineOptions options;
      options.compile.cpu = cpu;
      options.pools = false;
      for (const char* name : {"plain", "over_rows", "batched"})
        require_agreement(*engines(products(width), name, options), {{"n", 9}});
      const auto open = engines(products(width), "symbolic", options);
      for (const int64_t t : {1, 7, 33}) require_agreement(*open, {{"n", 3}, {"t", t}});
    }
}

TEST_CASE("products of 1 to 17 columns read and write no element by itself") {
  for (const int64_t width : {1, 2, 3, 5, 7, 8, 9, 17}) {
    INFO(width);
    const std::string llvm = shown(products(width), "llvm");
    CHECK(llvm.find("masked.gather") == std::string::npos);
    CHECK(lanes_inserted(llvm) == 0);
  }
}

TEST_CASE("a vector on the left or the right of a product over rows is one schedule") {
  const std::string text = head("dim n = 1..4096\n") +
                           dot("right", "n,96", "n", "96", "lhs_contract = [0], rhs_contract = [0]") +
                           dot("right_one", "n,96", "n,1", "96,1", "lhs_contract = [0], rhs_contract = [0]");
  CHECK(shown(text, "llvm").find("masked.gather") == std::string::npos);
  for (const char* name : {"right", "right_one"})
    for (const int64_t n : {1, 63, 200}) require_agreement(*engines(text, name), {{"n", n}});
}

TEST_CASE("reductions of spread, cut and transposed operands divide no index in an inner loop") {
  for (const std::string e : {"2", "7", "64", "100", "a"}) {
    const std::string text = reductions(e);
    const std::string kernels = shown(text, "kernel");
    size_t loops = 0;
    each_inner_loop(without_comments(kernels), [&](const std::string& body) {
      ++loops;
      INFO(body);
      CHECK(body.find(" % ") == std::string::npos);
      CHECK(body.find('%') == std::string::npos);
      CHECK(body.find('/') == std::string::npos);
    });
    CHECK(loops >= 8);
    for (const char* name : all_reductions) {
      INFO(name << " " << e);
      EngineOptions options;
      options.pools = false;
      const auto open = engines(text, name, options);
      // Segments that begin in every lane, blocks that end within a segment.
      for (const int64_t n : {1, 5, 130}) {
        ir::DimBindings dims = {{"n", n}};
        if (e == "a") dims["a"] = 67;
        require_agreement(*open, dims);
      }
    }
  }
}

TEST_CASE("transposes and strided slices move vectors") {
  const std::string text =
      head("dim n = 1..4096\n") +
      function("turn", "x: f32[n,70]", "f32[70,n]", "  l = transpose x {perm = [1,0]}\n") +
      function("turn_add", "x: f32[n,70], y: f32[70,n]", "f32[70,n]",
               "  t = transpose x {perm = [1,0]}\n  s = tanh t\n  l = add s, y\n") +
      function("turn_inner", "x: f32[n,5,48]", "f32[n,48,5]", "  l = transpose x {perm = [0,2,1]}\n") +
      function("turn_wide", "x: f64[n,20]", "f64[20,n]", "  l = transpose x {perm = [1,0]}\n") +
      function("halves", "x: f32[n,64]", "f32[n,32]",
               "  a = slice x {start = [0,0], limit = [n,64], stride = [1,2]}\n"
               "  b = slice x {start = [0,1], limit = [n,64], stride = [1,2]}\n  l = max a, b\n") +
      function("thirds", "x: f32[n,96]", "f32[n,32]",
               "  l = slice x {start = [0,2], limit = [n,96], stride = [1,3]}\n");
  CHECK(lanes_inserted(shown(text, "llvm")) == 0);
  CHECK(shown(text, "kernel").find("exchange") != std::string::npos);
  for (const char* cpu : {"x86-64-v3", "native"})
    for (const char* name : {"turn", "turn_add", "turn_inner", "turn_wide", "halves", "thirds"}) {
      INFO(cpu << " " << name);
      EngineOptions options;
      options.compile.cpu = cpu;
      const auto open = engines(text, name, options);
      for (const int64_t n : {1, 16, 37, 130}) require_agreement(*open, {{"n", n}});
    }
}

TEST_CASE("short rows of a symbolic extent have the bits of 64 lanes") {
  const std::string text = head("dim n = 1..4096\ndim t = 1..256\n") +
                           function("soft", "x: f32[n,t]", "f32[n,t]", "  l = softmax x\n") +
                           function("soft_wide", "x: f64[n,t]", "f64[n,t]", "  l = softmax x\n");
  for (const char* cpu : {"x86-64-v3", "native"})
    for (const char* name : {"soft", "soft_wide"}) {
      EngineOptions options;
      options.compile.cpu = cpu;
      const auto open = engines(text, name, options);
      for (const int64_t t : {1, 7, 16, 17, 63, 64, 65, 130}) require_agreement(*open, {{"n", 5}, {"t", t}});
    }
}

}  // namespace tenon::test
