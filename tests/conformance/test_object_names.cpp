// Functions of a model whose names are those of parts of an object: the C functions are the model's, whatever
// stands beside them, and `diff` calls what a C program calls.
#include "conformance/command_runner.h"
#include "paths.h"
#include "unit/catch.h"

namespace tt = tenon::test;

namespace {

const char* const model = R"(tenon 1
module m
dim workers = 1..8
func f(x: f64[2]) -> y: f64[2] {
  q = mul x, 2.0
  return q
}
func entry_f(x: f64[2]) -> y: f64[2] {
  q = mul x, 3.0
  return q
}
func arena_f(x: f64[2]) -> y: f64[2] {
  q = mul x, 4.0
  return q
}
func f_arena_bytes(x: f64[2]) -> y: f64[2] {
  q = mul x, 5.0
  return q
}
func status(size_t: f64[workers]) -> uint32_t: f64[workers] {
  uint32_t = mul size_t, 6.0
  return uint32_t
}
func "call.f"(xor: f64[2], NULL: f64[]) -> EOF: f64[2] {
  q = mul xor, NULL
  return q
}
)";

const char* const program = R"(
#include <stdio.h>
#include <stdlib.h>
#include "t.h"
static double space[8192];
int main(void) {
  char *p = (char *)space;
  void *state, *arena;
  double x[2], y[2];
  x[0] = 1; x[1] = 10;
  state = p + (64 - (uintptr_t)p % 64) % 64;
  arena = (char *)state + 16384;
#define CALL(f, factor) \
  y[0] = y[1] = 0; \
  if (f != T_OK || y[0] != factor || y[1] != 10 * factor) return printf("%d: %g\n", __LINE__, y[0]), 1;
  if (t_init(state, T_STATE_BYTES, 1) != T_OK) return 2;
  CALL(t_f(state, x, y, arena, 16384), 2)
  CALL(t_entry_f(state, x, y, arena, 16384), 3)
  CALL(t_arena_f(state, x, y, arena, 16384), 4)
  CALL(t_f_arena_bytes(state, x, y, arena, 16384), 5)
  CALL(t_status_(state, x, 2, y, arena, 16384), 6)
  CALL(t_call_f(state, x, x + 1, y, arena, 16384), 10)
  return t_f_arena_bytes_(1) > 16384;
}
)";

}  // namespace

TEST_CASE("C functions are the model's, whatever their names") {
  const tt::Folder folder;
  folder.write("m.tenon", model);
  folder.write("main.c", program);
  REQUIRE(folder.tenon("compile m.tenon --cpu x86-64-v3 --prefix t -o t").status == 0);
  const tt::Ran built = folder.shell(TENON_CC " -std=c99 -pedantic -Wall -Wextra -Werror main.c t.o -o main");
  INFO(built.err);
  REQUIRE(built.status == 0);
  const tt::Ran ran = folder.shell("./main");
  INFO(ran.out);
  CHECK(ran.status == 0);
  CHECK(folder.shell(TENON_CC " -std=c99 -pedantic -Werror t_example.c t.o -o e && ./e").status == 0);
  for (const char* f : {"f", "entry_f", "arena_f", "f_arena_bytes", "status", "call.f", "init"}) {
    const tt::Ran diff = folder.tenon("diff m.tenon " + std::string(f));
    INFO(diff.out << diff.err);
    CHECK(diff.status == 0);
  }
}

TEST_CASE("Files are spoken of by the names they have") {
  const tt::Folder folder;
  folder.write("m.tenon", model);
  REQUIRE(folder.tenon("compile m.tenon --prefix twr -o tw3").status == 0);
  CHECK(folder.read("tw3.h").find("twr.h") == std::string::npos);
  CHECK(folder.read("tw3.h").find("/* tw3.h: ") == 0);
  CHECK(folder.read("tw3_example.c").find("#include \"tw3.h\"") != std::string::npos);
}

TEST_CASE("diff calls the C functions of steps and loops") {
  const tt::Folder folder;
  folder.write("m.tenon", R"(tenon 1
module m
dim batch = 1..50
hyper lr = 0.01 : f32
param w : f32[1,1] = ones
state rng.seed : f64[] = zeros
state w.m : f32[2] = ones
state step : f64[] = zeros
func loss(order: f32[batch,1], y: f32[batch,1], epochs: f32[], rows: i64[]) -> loss: f32[] {
  index = dense order, w
  d = dropout index {rate = 0.5}
  k = mul d, epochs
  l = mse k, y
  return l
}
derive train = step loss {with = adam {lr = lr}}
)");
  for (const char* f : {"train", "train.epochs", "init"}) {
    const tt::Ran diff = folder.tenon("diff m.tenon --threads 2 " + std::string(f));
    INFO(diff.out << diff.err);
    CHECK(diff.status == 0);
  }
  // A loop asked for by its own name takes an order in C as well.
  REQUIRE(folder.tenon("compile m.tenon --fn train.epochs --prefix t -o t").status == 0);
  const std::string header = folder.read("t.h");
  CHECK(header.find("const uint32_t *order_; /* ") != std::string::npos);
  CHECK(header.find("const float *order; /* ") != std::string::npos);
}
