// Loops: the work of the forward pass and of the gradient, and the arena both need, grow with the trip count.
// Instructions are callgrind's, of a C program linked with the object; skipped, by name, without valgrind.
#include <algorithm>
#include <cstdlib>

#include "catch.h"
#include "conformance/object_programs.h"

namespace tenon::test {
namespace {

const char* const loop_model = R"(tenon 1
module loops
dim steps = 1..20000
dim batch = 1..16
param w : f32[8,8] = glorot_uniform
param u : f32[8,8] = glorot_uniform
param b : f32[8] = zeros
func last(xs: f32[steps,batch,8], h0: f32[batch,8]) -> h: f32[batch,8] {
  h = loop (s = h0; x in xs; w = w, u = u, b = b) : f32[batch,8] {
    p = dot x, w
    q = dot s, u
    r = add p, q
    z = add r, b
    n = tanh z
    yield n
  }
  return h
}
func loss(xs: f32[steps,batch,8], h0: f32[batch,8]) -> loss: f32[] {
  h = call last(xs, h0)
  q = mul h, h
  l = reduce_sum q {axes = [0, 1]}
  return l
}
derive gradients = grad loss {wrt = [w, u, b]}
)";

// argv: l or g, then the trip count. What is counted is between two marks: calls of one function.
const char* const loop_program = R"(
#define BATCH 4u
__attribute__((noinline)) void counted_call(char which, const char *state, const float *xs, const float *h0, uint32_t steps, float *out, char *arena, size_t bytes) {
  const loops_status status = which == 'l' ? LAST : GRADIENTS;
  if (status != LOOPS_OK) exit(3);
  __asm__ volatile("" ::: "memory");
}
int main(int argc, char **argv) {
  const uint32_t steps = (uint32_t)atoi(argv[2]);
  const size_t xb = (size_t)steps * BATCH * 8 * sizeof(float), hb = BATCH * 8 * sizeof(float);
  const char which = argv[1][0];
  float *xs = (float *)malloc(xb), *h0 = (float *)malloc(hb), out[64 + 64 + 8];
  char *state = guarded(LOOPS_STATE_BYTES), *arena;
  size_t i, bytes;
  for (i = 0; i < xb / sizeof(float); ++i) xs[i] = (float)(i % 17) / 17.0f - 0.5f;
  for (i = 0; i < hb / sizeof(float); ++i) h0[i] = (float)(i % 5) / 5.0f - 0.5f;
  if (loops_init(state, LOOPS_STATE_BYTES, 3) != LOOPS_OK) return 2;
  bytes = which == 'l' ? LAST_ARENA : GRADIENTS_ARENA;
  arena = guarded(bytes);
  counted_call(which, state, xs, h0, steps, out, arena, bytes);
  printf("%lu\n", (unsigned long)bytes);
  return 0;
}
)";

// The C call of a function with the arguments that its declaration has, by their names.
std::string call_of(const std::string& header, const std::string& function) {
  const size_t at = header.find(" " + function + "(");
  REQUIRE(at != std::string::npos);
  const std::string list = header.substr(at, header.find(");", at) - at);
  std::string out = function + "(";
  const bool arena_bytes = function.ends_with("_arena_bytes");
  for (size_t from = list.find('(') + 1;;) {
    const size_t end = std::min(list.find(',', from), list.size());
    const std::string argument = list.substr(from, end - from);
    const std::string name = argument.substr(argument.find_last_of(" *") + 1);
    std::string value = name;
    if (name == "batch") value = "BATCH";
    if (name == "workers") value = "1";
    if (name == "p") value = "NULL";
    if (!arena_bytes && argument.find("float *") != std::string::npos &&
        argument.find("const") == std::string::npos) {
      // Outputs lie one after the other.
      value = name.starts_with("u") ? "out + 64" : name.starts_with("b") ? "out + 128" : "out";
    }
    if (name == "xs") value = "xs";
    if (name == "h0") value = "h0";
    out += (out.ends_with("(") ? "" : ", ") + value;
    if (end == list.size()) break;
    from = end + 1;
  }
  return out + ")";
}

uint64_t first_number(const std::string& text, size_t at) {
  while (at < text.size() && (text[at] < '0' || text[at] > '9')) ++at;
  return std::strtoull(text.c_str() + at, nullptr, 10);
}

struct Cost {
  uint64_t instructions = 0, arena = 0;
};

Cost cost_of(const Folder& folder, const std::string& which, int steps, bool counted) {
  const std::string call = "./loops_main " + which + " " + std::to_string(steps);
  const Ran ran = folder.shell(
      counted ? "valgrind --tool=callgrind --callgrind-out-file=c '--toggle-collect=counted_call' " + call
              : call);
  INFO(ran.err);
  REQUIRE(ran.status == 0);
  Cost out;
  out.arena = first_number(ran.out, 0);
  const size_t at = ran.err.find("Collected :");
  if (counted) REQUIRE(at != std::string::npos);
  if (counted) out.instructions = first_number(ran.err, at);
  return out;
}

}  // namespace

TEST_CASE("loops: instructions and arena grow with the trip count") {
  const Folder folder;
  folder.write("loops.tenon", loop_model);
  const Ran made = folder.tenon("compile loops.tenon --fn last,gradients --cpu x86-64-v3 -o loops");
  INFO(made.err);
  REQUIRE(made.status == 0);
  const std::string header = folder.read("loops.h");
  std::string program = loop_program;
  auto replace = [&](const std::string& what, const std::string& with) {
    const size_t at = program.find(what);
    REQUIRE(at != std::string::npos);
    program.replace(at, what.size(), with);
  };
  INFO(header);
  replace("LAST :", call_of(header, "loops_last") + " :");
  replace("GRADIENTS;", call_of(header, "loops_gradients") + ";");
  replace("LAST_ARENA :", call_of(header, "loops_last_arena_bytes") + " :");
  replace("GRADIENTS_ARENA;", call_of(header, "loops_gradients_arena_bytes") + ";");
  const Ran linked = link_program(folder, "loops", program);
  INFO(linked.err);
  REQUIRE(linked.status == 0);
  const bool counted = folder.shell("command -v valgrind").status == 0;
  if (!counted) WARN("skipped: instructions of loops, as valgrind is not installed");
  for (const std::string which : {"l", "g"}) {
    INFO((which == "l" ? "forward" : "gradient"));
    for (const int steps : {100, 1000}) {
      const Cost small = cost_of(folder, which, steps, counted);
      const Cost large = cost_of(folder, which, steps * 10, counted);
      INFO(steps << " steps: " << small.instructions << " instructions, " << small.arena
                 << " bytes; ten times: " << large.instructions << ", " << large.arena);
      CHECK(static_cast<double>(large.arena) <= 10.5 * static_cast<double>(small.arena));
      if (counted) {
        CHECK(small.instructions > 1000);
        CHECK(static_cast<double>(large.instructions) <= 10.5 * static_cast<double>(small.instructions));
        CHECK(large.instructions > 5 * small.instructions);
      }
    }
  }
}

}  // namespace tenon::test
