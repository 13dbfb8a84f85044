// A written object in a process of its own, linked by cc with nothing of Tenon's: every size of its range,
// its refusals, and the bits of training on any host.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "catch.h"
#include "conformance/object_programs.h"
#include "driver/program/program.h"

namespace tenon::test {
namespace {

using namespace support;

// 20-33-10: no size is a multiple of a vector; `high` is the largest batch.
std::string sized_mlp(const std::string& high) {
  return R"(tenon 1
module mlp
dim batch = 1..)" +
         high + R"(
hyper lr = 1e-3 : f32
param fc1.w : f32[20,33] = glorot_uniform
param fc1.b : f32[33] = uniform(-0.1, 0.1)
param fc2.w : f32[33,10] = glorot_uniform
param fc2.b : f32[10] = zeros
func logits(x: f32[batch,20]) -> z: f32[batch,10] {
  h0 = dense x, fc1.w, fc1.b
  h = relu h0
  d = dropout h {rate = 0.2}
  z = dense d, fc2.w, fc2.b
  return z
}
func loss(x: f32[batch,20], y: i32[batch]) -> loss: f32[] {
  z = call logits(x)
  l = cross_entropy z, y {reduce = mean}
  return l
}
derive train = step loss {with = adam {lr = lr}}
)";
}

// For each batch size given: the forward pass and a step from the same state, on memory that ends at guard
// pages; prints a hash of results and state. Rows are a function of their number, so that sizes can be
// compared.
const char* const sizes_program = R"(
static float element(uint32_t row, uint32_t k) {
  return (float)((row * 37u + k * 11u + row * k % 7u) % 101u) / 50.0f - 1.0f;
}
static uint64_t one_size(const char *initial, uint32_t n, float *logits_out) {
  const size_t xb = n * 20 * sizeof(float), yb = n * sizeof(int32_t), zb = n * 10 * sizeof(float);
  char *x = guarded(xb), *y = guarded(yb), *z = guarded(zb), *loss = guarded(sizeof(float));
  char *state = guarded(MLP_STATE_BYTES), *arena;
  size_t bytes;
  uint64_t h[3];
  uint32_t i, k;
  for (i = 0; i < n; ++i) {
    for (k = 0; k < 20; ++k) ((float *)x)[i * 20 + k] = element(i, k);
    ((int32_t *)y)[i] = (int32_t)(i * 7 % 10);
  }
  memcpy(state, initial, MLP_STATE_BYTES);
  bytes = mlp_logits_arena_bytes(n, 1);
  arena = guarded(bytes);
  if (mlp_logits(state, (float *)x, n, (float *)z, arena, bytes, NULL) != MLP_OK) exit(3);
  unguard(arena, bytes);
  if (memcmp(state, initial, MLP_STATE_BYTES) != 0) exit(4);
  if (logits_out != NULL) memcpy(logits_out, z, zb);
  bytes = mlp_train_arena_bytes(n, 1);
  arena = guarded(bytes);
  if (mlp_train(state, (float *)x, (int32_t *)y, n, 1e-3f, (float *)loss, arena, bytes, NULL) != MLP_OK) exit(5);
  if (memcmp(state, initial, MLP_STATE_BYTES) == 0) exit(6);
  unguard(arena, bytes);
  h[0] = fnv(z, zb);
  h[1] = fnv(loss, sizeof(float));
  h[2] = fnv(state, MLP_STATE_BYTES);
  unguard(x, xb), unguard(y, yb), unguard(z, zb), unguard(loss, sizeof(float)), unguard(state, MLP_STATE_BYTES);
  return fnv(h, sizeof h);
}
int main(int argc, char **argv) {
  static float rows[MLP_BATCH_MAX * 10u];
  char *state = guarded(MLP_STATE_BYTES);
  int i;
  if (mlp_init(state, MLP_STATE_BYTES, 5) != MLP_OK) return 2;
  for (i = 1; i < argc; ++i) {
    const uint32_t n = (uint32_t)strtoul(argv[i], NULL, 10);
    printf("%u %016llx\n", n, (unsigned long long)one_size(state, n, rows));
    if (n == 64) { /* its rows, each alone */
      char *x = guarded(20 * sizeof(float)), *z = guarded(10 * sizeof(float));
      const size_t bytes = mlp_logits_arena_bytes(1, 1);
      char *arena = guarded(bytes);
      uint32_t r, k;
      for (r = 0; r < 64; ++r) {
        for (k = 0; k < 20; ++k) ((float *)x)[k] = element(r, k);
        if (mlp_logits(state, (float *)x, 1, (float *)z, arena, bytes, NULL) != MLP_OK) return 3;
        if (memcmp(z, rows + r * 10, 10 * sizeof(float)) != 0) {
          printf("row %u of 64 differs\n", r);
          return 7;
        }
      }
      printf("rows of 64 equal\n");
    }
  }
  return 0;
}
)";

// What must be refused: each line says what was asked and got; the state must stay as it was.
const char* const refusals_program = R"(
static char *state, *before;
static void expect(const char *what, mlp_status found, mlp_status wanted) {
  if (found != wanted) printf("%s: status %d, wanted %d\n", what, (int)found, (int)wanted), exit(1);
  if (memcmp(state, before, MLP_STATE_BYTES) != 0) printf("%s: the state changed\n", what), exit(1);
}
int main(void) {
  static float x[MLP_BATCH_MAX * 20u], z[MLP_BATCH_MAX * 10u], loss;
  static int32_t y[MLP_BATCH_MAX];
  const uint32_t bad[3] = {0u, 301u, 4294967295u};
  char *arena = guarded(MLP_TRAIN_ARENA_BYTES);
  uint32_t i;
  state = guarded(MLP_STATE_BYTES);
  before = (char *)malloc(MLP_STATE_BYTES);
  memset(state, 0x5a, MLP_STATE_BYTES);
  memcpy(before, state, MLP_STATE_BYTES);
  expect("init, one byte less", mlp_init(state, MLP_STATE_BYTES - 1, 5), MLP_E_SPACE);
  expect("check of another block", mlp_check(state, MLP_STATE_BYTES), MLP_E_STATE);
  expect("a step on another block", mlp_train(state, x, y, 4, 1e-3f, &loss, arena, MLP_TRAIN_ARENA_BYTES, NULL), MLP_E_STATE);
  if (mlp_init(state, MLP_STATE_BYTES, 5) != MLP_OK) return 2;
  memcpy(before, state, MLP_STATE_BYTES);
  for (i = 0; i < 3; ++i) {
    if (mlp_train_arena_bytes(bad[i], 1) != 0 || mlp_logits_arena_bytes(bad[i], 1) != 0) return printf("arena bytes of batch %u\n", bad[i]), 1;
    expect("a batch out of range", mlp_train(state, x, y, bad[i], 1e-3f, &loss, arena, MLP_TRAIN_ARENA_BYTES, NULL), MLP_E_RANGE);
    expect("a batch out of range, forward", mlp_logits(state, x, bad[i], z, arena, MLP_TRAIN_ARENA_BYTES, NULL), MLP_E_RANGE);
  }
  for (i = 1; i <= MLP_BATCH_MAX; ++i) {
    const size_t bytes = mlp_train_arena_bytes(i, 1);
    if (bytes == 0 || bytes > MLP_TRAIN_ARENA_BYTES) return printf("arena bytes of batch %u: %lu\n", i, (unsigned long)bytes), 1;
    expect("arena, one byte less", mlp_train(state, x, y, i, 1e-3f, &loss, arena, bytes - 1, NULL), MLP_E_SPACE);
  }
  y[2] = 10;
  expect("a label outside", mlp_train(state, x, y, 4, 1e-3f, &loss, arena, MLP_TRAIN_ARENA_BYTES, NULL), MLP_E_LABEL);
  y[2] = 0;
  expect("no input", mlp_train(state, NULL, y, 4, 1e-3f, &loss, arena, MLP_TRAIN_ARENA_BYTES, NULL), MLP_E_NULL);
  expect("no arena", mlp_train(state, x, y, 4, 1e-3f, &loss, NULL, 0, NULL), MLP_E_NULL);
  printf("all refused\n");
  return 0;
}
)";

std::string sequence(int first, int last, int step = 1) {
  std::string out;
  for (int i = first; i <= last; i += step) out += " " + std::to_string(i);
  return out;
}

std::map<std::string, std::string> lines_by_first(const std::string& text) {
  std::map<std::string, std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    const size_t space = line.find(' ');
    if (space != std::string::npos) out[line.substr(0, space)] = line.substr(space + 1);
    at = end + 1;
  }
  return out;
}

void make_object(const Folder& folder, const std::string& options = "", const std::string& name = "mlp") {
  const Ran made = folder.tenon("compile " + name + ".tenon --prefix mlp -o mlp " + options);
  INFO(made.err);
  REQUIRE(made.status == 0);
}
// Functions take neither a size that is bound nor threads that they cannot use; macros give them the
// arguments they lack, to ignore.
std::string adapter(const std::string& header) {
  auto lacks = [&](const std::string& function, const char* argument) {
    const size_t at = header.find(" " + function + "(");
    return header.substr(at, header.find(");", at) - at).find(argument) == std::string::npos;
  };
  std::string out;
  auto macro = [&](const std::string& function, const std::string& front, const std::string& rest) {
    const std::string n = lacks(function, "uint32_t batch") ? "" : "n, ";
    const bool serial = rest.ends_with("b") && lacks(function, "mlp_parallel");
    const std::string list = front + n + rest + (serial || !rest.ends_with("b") ? "" : ", p");
    out += "#define " + function + "(" + front + "n, " + rest + (rest.ends_with("b") ? ", p" : "") + ") " +
           function + "(" + list + ")\n";
  };
  macro("mlp_logits_arena_bytes", "", "w");
  macro("mlp_train_arena_bytes", "", "w");
  macro("mlp_logits", "s, x, ", "z, a, b");
  macro("mlp_train", "s, x, y, ", "lr, l, a, b");
  return out;
}

void link(const Folder& folder, const std::string& program) {
  const Ran linked = link_program(folder, "mlp", program);
  INFO(linked.err);
  REQUIRE(linked.status == 0);
}
void build(const Folder& folder, const std::string& program) {
  link(folder, adapter(folder.read("mlp.h")) + program);
}

// Hashes of the sizes by one object, and by an object for each size bound to it.
void compare_with_bound(const std::string& cpu, const std::vector<int>& sizes) {
  const Folder folder;
  folder.write("mlp.tenon", sized_mlp("300"));
  make_object(folder, "--cpu " + cpu + " --fn logits,train");
  build(folder, sizes_program);
  const Ran all = folder.shell("./mlp_main" + sequence(1, 300));
  INFO(all.out << all.err);
  REQUIRE(all.status == 0);
  REQUIRE(all.out.find("rows of 64 equal") != std::string::npos);
  const std::map<std::string, std::string> symbolic = lines_by_first(all.out);
  REQUIRE(symbolic.size() == 301);
  for (const int n : sizes) {
    const std::string size = std::to_string(n);
    INFO("batch " << size);
    folder.write("bound.tenon", sized_mlp("300"));
    make_object(folder, "--cpu " + cpu + " --fn logits,train --bind batch=" + size, "bound");
    std::string program = "#define MLP_BATCH_MAX " + size + "u\n" + sizes_program;
    // Only one size is there to call: the rows alone are the symbolic object's check.
    const size_t at = program.find("if (n == 64)");
    program.replace(at, 12, "if (0)");
    build(folder, program);
    const Ran bound = folder.shell("./mlp_main " + size);
    INFO(bound.out << bound.err);
    REQUIRE(bound.status == 0);
    CHECK(lines_by_first(bound.out)[size] == symbolic.at(size));
  }
}

uint64_t text_bytes(const Folder& folder, const std::string& object) {
  const Ran ran =
      folder.shell("size -A " + object + " | awk '$1 ~ /^\\.text/ { sum += $2 } END { print sum }'");
  REQUIRE(ran.status == 0);
  return std::strtoull(ran.out.c_str(), nullptr, 10);
}

}  // namespace

TEST_CASE("one object serves every batch of its range, with the bits of an object for that size") {
  compare_with_bound("x86-64-v3", {1, 64, 300});
  compare_with_bound("native", {7, 33});
}

TEST_CASE("one object serves every batch of its range, each against its own", "[long]") {
  std::vector<int> sizes;
  for (int n = 1; n <= 300; ++n) sizes.push_back(n);
  for (const char* cpu : {"x86-64-v3", "native"}) compare_with_bound(cpu, sizes);
}

TEST_CASE("an object refuses what is out of range, and leaves the state as it was") {
  const Folder folder;
  folder.write("mlp.tenon", sized_mlp("300"));
  make_object(folder, "--cpu x86-64-v3 --fn logits,train");
  build(folder, refusals_program);
  const Ran ran = folder.shell("./mlp_main");
  INFO(ran.out << ran.err);
  CHECK(ran.status == 0);
  CHECK(ran.out == "all refused\n");
}

TEST_CASE("a step brings its loop along, whose losses need not be wanted") {
  const Folder folder;
  folder.write("mlp.tenon", sized_mlp("300"));
  make_object(folder, "--fn train");
  CHECK(folder.read("mlp.h").find("mlp_logits") == std::string::npos);
  link(folder, R"(
int main(void) {
  static float x[50 * 20], loss[21];
  static int32_t y[50];
  const size_t bytes = mlp_train_epochs_arena_bytes(8, 50, 3, 1), rounded = (bytes + 63) / 64 * 64;
  char *arena = guarded(bytes), *wide = guarded(rounded + 128); /* a multiple of 64 */
  char *state = guarded(MLP_STATE_BYTES), *other = guarded(MLP_STATE_BYTES);
  mlp_train_epochs_args a;
  int i;
  for (i = 0; i < 1000; ++i) x[i] = (float)(i % 17) / 8.0f - 1.0f;
  for (i = 0; i < 50; ++i) y[i] = i % 10;
  memset(&a, 0, sizeof a);
  a.x = x, a.y = y, a.batch = 8, a.rows = 50, a.epochs = 3, a.lr = 1e-3f;
  a.loss = loss;
  if (mlp_init(state, MLP_STATE_BYTES, 5) != MLP_OK || mlp_init(other, MLP_STATE_BYTES, 5) != MLP_OK) return 2;
  if (mlp_train_epochs(state, &a, arena, bytes, NULL) != MLP_OK || a.done != 21 || loss[20] == 0) return 3;
  a.loss = NULL, a.done = 0;
  if (mlp_train_epochs(other, &a, wide, rounded + sizeof loss - 1, NULL) != MLP_E_SPACE) return 4;
  if (mlp_train_epochs(other, &a, wide, rounded + sizeof loss, NULL) != MLP_OK || a.done != 21) return 5;
  if (memcmp(state, other, MLP_STATE_BYTES) != 0) return 6;
  a.loss = x + 960; /* 20 of its 21 numbers lie in x */
  if (mlp_train_epochs(other, &a, arena, bytes, NULL) != MLP_E_OVERLAP) return 7;
  return memcmp(state, other, MLP_STATE_BYTES) == 0 ? 0 : 8;
}
)");
  const Ran ran = folder.shell("./mlp_main");
  INFO(ran.out << ran.err);
  CHECK(ran.status == 0);
}

TEST_CASE("a loop in an order of the caller's is the step, row by row as told") {
  const Folder folder;
  folder.write("mlp.tenon", sized_mlp("300"));
  make_object(folder, "--fn train");
  CHECK(folder.read("mlp.h").find("mlp_train_epochs_order") == std::string::npos);
  link(folder, R"(
int main(void) {
  static float x[20 * 20], moved[20 * 20], loss[3], each;
  static int32_t y[20], moved_y[20];
  static uint32_t order[20];
  char *arena = guarded(MLP_TRAIN_ARENA_BYTES), *state = guarded(MLP_STATE_BYTES);
  char *other = guarded(MLP_STATE_BYTES), *loop_arena;
  size_t bytes;
  mlp_train_epochs_args a;
  uint32_t i, k;
  for (i = 0; i < 400; ++i) x[i] = (float)(i % 17) / 8.0f - 1.0f;
  for (i = 0; i < 20; ++i) y[i] = (int32_t)(i % 10), order[i] = i * 7 % 20;
  for (i = 0; i < 20; ++i) {
    for (k = 0; k < 20; ++k) moved[i * 20 + k] = x[order[i] * 20 + k];
    moved_y[i] = y[order[i]];
  }
  memset(&a, 0, sizeof a);
  a.x = x, a.y = y, a.order = order, a.batch = 8, a.rows = 20, a.epochs = 1, a.lr = 1e-3f, a.loss = loss;
  if (mlp_init(state, MLP_STATE_BYTES, 5) != MLP_OK || mlp_init(other, MLP_STATE_BYTES, 5) != MLP_OK) return 2;
  bytes = mlp_train_epochs_arena_bytes(8, 20, 1, 1);
  loop_arena = guarded(bytes);
  if (mlp_train_epochs(state, &a, loop_arena, bytes, NULL) != MLP_OK || a.done != 3) return 3;
  for (i = 0; i < 20; i += 8) {
    const uint32_t n = i == 16 ? 4 : 8;
    if (mlp_train(other, moved + i * 20, moved_y + i, n, 1e-3f, &each, arena, MLP_TRAIN_ARENA_BYTES, NULL) != MLP_OK)
      return 4;
    if (each != loss[i / 8]) return 5;
  }
  if (memcmp(state, other, MLP_STATE_BYTES) != 0) return 6;
  order[9] = 20; /* no such row: the second step fails, the first stands */
  return mlp_train_epochs(state, &a, loop_arena, bytes, NULL) == MLP_E_RANGE && a.done == 1 ? 0 : 7;
}
)");
  const Ran ran = folder.shell("./mlp_main");
  INFO(ran.out << ran.err);
  CHECK(ran.status == 0);
}

TEST_CASE("the code of an object does not grow with the range of its sizes") {
  const Folder folder;
  for (const char* cpu : {"x86-64-v3", "native"}) {
    INFO(cpu);
    folder.write("mlp.tenon", sized_mlp("300"));
    make_object(folder, std::string("--fn logits,train --cpu ") + cpu);
    const uint64_t small = text_bytes(folder, "mlp.o");
    folder.write("mlp.tenon", sized_mlp("30000"));
    make_object(folder, std::string("--fn logits,train --cpu ") + cpu);
    CHECK(text_bytes(folder, "mlp.o") == small);
    CHECK(small > 1000);
  }
}

TEST_CASE("one compile serves all sizes in the process, with the bits of the object") {
  const Folder folder;
  folder.write("mlp.tenon", sized_mlp("300"));
  make_object(folder, "--fn logits,train");
  build(folder, sizes_program);
  const Ran object = folder.shell("./mlp_main" + sequence(1, 300));
  REQUIRE(object.status == 0);
  const std::map<std::string, std::string> expected = lines_by_first(object.out);
  auto unit = driver::read_unit(sized_mlp("300"), "<test>");
  REQUIRE(unit);
  driver::CompileOptions options;
  options.functions = {"logits", "train"};
  auto made = driver::Program::compile(std::move(*unit), options);
  REQUIRE(made);
  const std::shared_ptr<const driver::Program> program = *made;
  for (int n = 1; n <= 300; ++n) {
    auto state = program->init(5);
    REQUIRE(state);
    driver::Session session(program, *state);
    Array x(DType::f32, {n, 20}), y(DType::i32, {n});
    for (uint32_t i = 0; i < static_cast<uint32_t>(n); ++i) {
      for (uint32_t k = 0; k < 20; ++k)
        x.as<float>()[i * 20 + k] =
            static_cast<float>((i * 37u + k * 11u + i * k % 7u) % 101u) / 50.0f - 1.0f;
      y.as<int32_t>()[i] = static_cast<int32_t>(i * 7 % 10);
    }
    const Array* both[] = {&x, &y};
    const Array* one[] = {&x};
    auto z = session.run("logits", one);
    REQUIRE(z);
    auto loss = session.run("train", both);
    REQUIRE(loss);
    const uint64_t parts[3] = {fnv1a((*z)[0].data(), (*z)[0].bytes()),
                               fnv1a((*loss)[0].data(), (*loss)[0].bytes()), (*state)->hash()};
    char text[32];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(fnv1a(parts, sizeof parts)));
    if (expected.at(std::to_string(n)) != text) FAIL("batch " << n << " differs from the object");
  }
  CHECK(program->compile_count() == 1);
}

}  // namespace tenon::test
