// Ahead-of-time export: object, header and example are compiled by the C compiler and run, with nothing else
// linked.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "object/aot/export.h"
#include "paths.h"
#include "unit/catch.h"
#include "unit/object/kernel_run.h"

using namespace tenon;
using namespace tenon::kernel;

namespace {

// State w: f32[4]. init: w = seed + i. predict: y[batch] = x * w[0] + bias. train (loops): w[0] += lr *
// sum(x), per row a step, with a label check first.
Module small_model() {
  Module m;
  m.name = "small";
  m.state = {{"w", DType::f32, {4}, 64, 16, "param"}};
  m.state_bytes = 128;
  {
    Function f;
    f.name = "k_init";
    Builder b(f);
    const VarId w = b.buffer("w", DType::f32), seed = b.buffer("seed", DType::i64, 0, true, false);
    const ExprId i = b.begin_lanes("i", b.index(0), b.index(4), b.index(4));
    b.store(w, i, b.add(b.cast(b.load(seed, b.index(0)), DType::f32), b.cast(i, DType::f32)));
    b.end();
    m.functions.push_back(f);
  }
  {
    Function f;
    f.name = "k_predict";
    Builder b(f);
    const VarId w = b.buffer("w", DType::f32, 0, true, false), x = b.buffer("x", DType::f32, 0, true, false),
                y = b.buffer("y", DType::f32);
    const ExprId bias = b.use(b.scalar("bias", DType::f32)), n = b.use(b.scalar("n"));
    const ExprId i = b.begin_lanes("i", b.index(0), n, b.index(16));
    b.store(y, i, b.fma(b.load(x, i), b.load(w, b.index(0)), bias));
    b.end();
    m.functions.push_back(f);
  }
  {
    Function f;
    f.name = "k_step";
    Builder b(f);
    const VarId w = b.buffer("w", DType::f32), x = b.buffer("x", DType::f32, 0, true, false),
                labels = b.buffer("labels", DType::i32, 0, true, false);
    const ExprId lr = b.use(b.scalar("lr", DType::f32)), row = b.use(b.scalar("row"));
    b.fail(311, b.binary(Op::le, b.literal<int32_t>(10), b.load(labels, row)), row);
    b.stop_on_failure();
    b.store(w, b.index(0), b.fma(lr, b.load(x, row), b.load(w, b.index(0))));
    m.functions.push_back(f);
  }
  for (const char* name : {"predict", "train"}) {
    Function f;
    f.name = std::string("arena_") + name;
    Builder b(f);
    const ExprId n = b.use(b.scalar("n"));
    b.store(b.buffer("bytes", DType::i64), b.index(0),
            std::string(name) == "train" ? b.mul(n, b.index(64)) : b.index(0));
    m.functions.push_back(f);
  }
  struct Param {
    ParamRole role;
    const char* name;
    DType dtype;
    std::vector<std::string> shape;
  };
  auto entry = [&](const char* name, std::vector<Param> params,
                   const std::function<void(Builder&, const std::vector<VarId>&)>& body, bool writes) {
    Function f;
    f.name = std::string("entry_") + name;
    f.entry = true;
    Builder b(f);
    Entry e;
    e.name = name;
    e.function = f.name;
    e.writes_state = writes;
    std::vector<VarId> vars;
    for (const Param& p : params) {
      const bool scalar = p.role == ParamRole::hyper || p.role == ParamRole::dim;
      vars.push_back(scalar ? b.scalar(p.name, p.dtype) : b.buffer(p.name, p.dtype));
      EntryParam q;
      q.role = p.role;
      q.name = p.name;
      q.dtype = p.dtype;
      q.shape = p.shape;
      if (p.role == ParamRole::hyper) {
        const float half = 0.5f;
        uint32_t bits;
        std::memcpy(&bits, &half, 4);
        q.bits = bits;
      }
      if (p.role == ParamRole::dim) e.dims.push_back({p.name, 1, 256});
      e.params.push_back(q);
    }
    body(b, vars);
    m.functions.push_back(std::move(f));
    m.entries.push_back(std::move(e));
  };
  entry(
      "init",
      {{ParamRole::state, "state", DType::u8, {}},
       {ParamRole::arena, "arena", DType::u8, {}},
       {ParamRole::input, "seed", DType::i64, {}}},
      [](Builder& b, const std::vector<VarId>& v) {
        b.call("k_init", {b.address(v[0], b.index(64), DType::f32), b.address(v[2], b.index(0), DType::i64)});
      },
      true);
  entry(
      "predict",
      {{ParamRole::state, "state", DType::u8, {}},
       {ParamRole::arena, "arena", DType::u8, {}},
       {ParamRole::input, "x", DType::f32, {"batch"}},
       {ParamRole::output, "y", DType::f32, {"batch"}},
       {ParamRole::hyper, "bias", DType::f32, {}},
       {ParamRole::dim, "batch", DType::i64, {}}},
      [](Builder& b, const std::vector<VarId>& v) {
        b.call("k_predict",
               {b.address(v[0], b.index(64), DType::f32), b.address(v[2], b.index(0), DType::f32),
                b.address(v[3], b.index(0), DType::f32), b.use(v[4]), b.use(v[5])});
      },
      false);
  entry(
      "train",
      {{ParamRole::state, "state", DType::u8, {}},
       {ParamRole::arena, "arena", DType::u8, {}},
       {ParamRole::input, "x", DType::f32, {"batch"}},
       {ParamRole::input, "labels", DType::i32, {"batch"}},
       {ParamRole::hyper, "lr", DType::f32, {}},
       {ParamRole::dim, "batch", DType::i64, {}}},
      [](Builder& b, const std::vector<VarId>& v) {
        const ExprId row = b.begin_for("row", b.index(0), b.use(v[5]), b.index(1));
        b.call("k_step", {b.address(v[0], b.index(64), DType::f32), b.address(v[2], b.index(0), DType::f32),
                          b.address(v[3], b.index(0), DType::i32), b.use(v[4]), row});
        b.stop_on_failure();
        b.progress(b.index(1));
        b.end();
      },
      true);
  m.entries[1].arena_function = "arena_predict";
  m.entries[2].arena_function = "arena_train";
  m.entries[2].loops = true;
  return m;
}

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/tenon-export-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() { (void)!std::system(("rm -rf " + path).c_str()); }
  void write(const std::string& name, const void* data, size_t bytes) const {
    std::FILE* f = std::fopen((path + "/" + name).c_str(), "wb");
    REQUIRE(f != nullptr);
    REQUIRE(std::fwrite(data, 1, bytes, f) == bytes);
    std::fclose(f);
  }
  int run(const std::string& command) const { return std::system(("cd " + path + " && " + command).c_str()); }
};

const char* const host = R"(
#include <stdio.h>
#include <string.h>
#include "m.h"
#define CHECK(c) do { if (!(c)) { printf("line %d\n", __LINE__); return 1; } } while (0)
static union { double align; unsigned char bytes[4096]; } pool;
int main(void) {
  unsigned char *p = pool.bytes + (64 - (uintptr_t)pool.bytes % 64) % 64;
  void *state = p, *arena = p + 1024;
  float x[4] = {1, 2, 3, 4}, y[4] = {0, 0, 0, 0}, both[8] = {1, 2, 3, 4}, w;
  int32_t labels[4] = {0, 1, 2, 3};
  size_t count = 0;
  m_train_args a;
  const m_tensor *t = m_tensors(&count);
  CHECK(count == 1 && strcmp(t[0].name, "w") == 0 && strcmp(t[0].dtype, "f32") == 0 && t[0].rank == 1);
  CHECK(t[0].shape[0] == 4 && t[0].offset == 64 && t[0].bytes == 16);
  CHECK(m_init(NULL, M_STATE_BYTES, 3) == M_E_NULL);
  CHECK(m_init(p + 4, M_STATE_BYTES, 3) == M_E_ALIGN);
  CHECK(m_init(state, M_STATE_BYTES - 1, 3) == M_E_SPACE);
  CHECK(m_check(state, M_STATE_BYTES) == M_E_STATE);
  CHECK(m_predict(state, x, 4, 0.5f, y, NULL, 0) == M_E_STATE);
  CHECK(m_init(state, M_STATE_BYTES, 3) == M_OK);
  CHECK(m_check(state, M_STATE_BYTES) == M_OK);
  CHECK(m_predict(state, NULL, 4, 0.5f, y, NULL, 0) == M_E_NULL);
  CHECK(m_predict(state, (const float *)(const void *)((const char *)x + 1), 4, 0.5f, y, NULL, 0) == M_E_ALIGN);
  CHECK(m_predict(state, x, 0, 0.5f, y, NULL, 0) == M_E_RANGE);
  CHECK(m_predict(state, x, M_BATCH_MAX + 1, 0.5f, y, NULL, 0) == M_E_RANGE);
  CHECK(m_predict(state, x, 4, 0.5f, y, NULL, 0) == M_OK);
  CHECK(y[0] == 3.5f && y[3] == 12.5f);
  /* no output shares a byte with an input or the state; beside them it may lie */
  CHECK(m_predict(state, both, 4, 0.5f, both, NULL, 0) == M_E_OVERLAP);
  CHECK(m_predict(state, both, 4, 0.5f, both + 3, NULL, 0) == M_E_OVERLAP);
  CHECK(m_predict(state, both + 3, 4, 0.5f, both, NULL, 0) == M_E_OVERLAP);
  CHECK(m_predict(state, both, 4, 0.5f, both + 4, NULL, 0) == M_OK && both[4] == 3.5f && both[0] == 1);
  CHECK(m_predict(state, x, 4, 0.5f, (float *)(p + M_STATE_BYTES - 4), NULL, 0) == M_E_OVERLAP);
  CHECK(m_predict(state, x, 4, 0.5f, (float *)(p + M_STATE_BYTES), NULL, 0) == M_OK);
  CHECK(m_train_arena_bytes(4, 1) == 256 && m_train_arena_bytes(257, 1) == 0 && M_TRAIN_ARENA_BYTES == 256 * 64);
  memset(&a, 0, sizeof a);
  a.x = x; a.labels = labels; a.batch = 4; a.lr = 0.5f;
  CHECK(m_train(state, NULL, arena, 256, NULL) == M_E_NULL);
  CHECK(m_train(state, &a, NULL, 256, NULL) == M_E_NULL);
  CHECK(m_train(state, &a, p + 1028, 256, NULL) == M_E_ALIGN);
  CHECK(m_train(state, &a, arena, 255, NULL) == M_E_SPACE);
  CHECK(m_train(state, &a, arena, 256, NULL) == M_OK && a.done == 4);
  memcpy(&w, p + 64, 4);
  CHECK(w == 8.0f);
  labels[2] = 10;
  CHECK(m_train(state, &a, arena, 256, NULL) == M_E_LABEL && a.done == 2);
  memcpy(&w, p + 64, 4);
  CHECK(w == 9.5f);
  return 0;
}
)";

}  // namespace

TEST_CASE("An exported object links into C99 and C++ programs and checks its arguments") {
  const Module m = small_model();
  for (const target::Target* t : target::all_targets()) {
    if (!t->runs_here()) continue;
    object::ExportOptions options;
    options.prefix = "m";
    auto e = object::export_object(m, *t, options);
    if (!e) FAIL(e.errors().text());
    Folder folder;
    folder.write("m.o", e->elf.data(), e->elf.size());
    folder.write("m.h", e->header.data(), e->header.size());
    folder.write("m_example.c", e->example.data(), e->example.size());
    folder.write("host.c", host, std::strlen(host));
    INFO(e->header << e->example);
    const std::string cc = TENON_CC " -std=c99 -pedantic -Wall -Wextra -Werror ";
    REQUIRE(folder.run(cc + "m_example.c m.o -o example") == 0);
    CHECK(folder.run("./example > output") == 0);
    CHECK(folder.run("grep -q 'train: 4 steps' output && grep -q 'w f32 at 64' output") == 0);
    REQUIRE(folder.run(cc + "host.c m.o -o host") == 0);
    CHECK(folder.run("./host") == 0);
    CHECK(folder.run("printf '#include \"m.h\"\\nint main() { return m_check(0, 0) == M_E_NULL ? 0 : 1; "
                     "}\\n' > h.cpp && " TENON_CXX " -Wall -Wextra -Werror h.cpp m.o -o hpp && ./hpp") == 0);
    options.prefix = "other";  // two copies in one program
    auto second = object::export_object(m, *t, options);
    REQUIRE(second);
    folder.write("other.o", second->elf.data(), second->elf.size());
    CHECK(folder.run(cc + "host.c m.o other.o -o both && ./both") == 0);
  }
}

TEST_CASE("An object asks whether the processor is its own, with a status instead of a signal") {
  // A feature that no processor sold today has, and one that nothing is known of.
  const Module m = small_model();
  target::Target other = **target::host_target();
  const std::string features = std::string(other.features) + ",+xop";
  other.features = features;
  object::ExportOptions options;
  options.prefix = "m";
  auto e = object::export_object(m, other, options);
  if (!e) FAIL(e.errors().text());
  Folder folder;
  folder.write("m.o", e->elf.data(), e->elf.size());
  folder.write("m.h", e->header.data(), e->header.size());
  const std::string text =
      "#include \"m.h\"\nint main(void) {\n"
      "  return m_init(0, 0, 1) == M_E_CPU && m_check(0, 0) == M_E_CPU ? 0 : 1;\n}\n";
  folder.write("cpu.c", text.data(), text.size());
  REQUIRE(folder.run(TENON_CC " -std=c99 -Wall -Wextra -Werror cpu.c m.o -o cpu") == 0);
  CHECK(folder.run("./cpu") == 0);
}

TEST_CASE("Export takes the entries asked for and refuses what is not there") {
  const Module m = small_model();
  const target::Target& t = **target::host_target();
  object::ExportOptions options;
  options.entries = {"predict"};
  auto e = object::export_object(m, t, options);
  REQUIRE(e);
  CHECK(e->header.find("tenon_predict(const void *state, const float *x, uint32_t batch, float bias, float "
                       "*y, void *arena, size_t bytes)") != std::string::npos);
  CHECK(e->header.find("train") == std::string::npos);
  options.entries = {"nothing"};
  auto none = object::export_object(m, t, options);
  REQUIRE(!none);
  options.entries.clear();
  options.prefix = "9 lives";
  auto bad = object::export_object(m, t, options);
  REQUIRE(!bad);
  CHECK(bad.errors().code() == support::Code::bad_option);
}
