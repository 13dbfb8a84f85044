// Entries: phases under hostile schedules, failures, early exits, progress, the control word, constants.
#include <immintrin.h>

#include <map>

#include "runtime/parallel.h"
#include "target/target.h"
#include "unit/catch.h"
#include "unit/object/kernel_run.h"

using namespace tenon;
using namespace tenon::kernel;
using namespace tenon::object_test;

namespace {

// y[lo..hi) = y*scale + x
Function axpy_kernel() {
  Function f;
  f.name = "k_axpy";
  Builder b(f);
  const VarId x = b.buffer("x", DType::f32, 0, true, false), y = b.buffer("y", DType::f32);
  const ExprId scale = b.use(b.scalar("scale", DType::f32)), n = b.use(b.scalar("n"));
  const ExprId i = b.begin_lanes("i", b.index(0), n, b.index(16));
  b.store(y, i, b.fma(b.load(y, i), scale, b.load(x, i)));
  b.end();
  return f;
}
// Fails with the given code where a label is 10 or more.
Function check_kernel_of_labels(uint16_t code) {
  Function f;
  f.name = "k_check";
  Builder b(f);
  const VarId x = b.buffer("labels", DType::i32);
  const ExprId from = b.use(b.scalar("from")), n = b.use(b.scalar("n"));
  const ExprId i = b.begin_lanes("i", b.index(0), n, b.index(16));
  b.fail(code, b.binary(Op::le, b.literal<int32_t>(10), b.load(x, i)), b.add(from, i));
  b.end();
  return f;
}
// out[0] = sum of x in order
Function sum_kernel() {
  Function f;
  f.name = "k_sum";
  Builder b(f);
  const VarId x = b.buffer("x", DType::f32), out = b.buffer("out", DType::f32);
  const ExprId n = b.use(b.scalar("n"));
  const VarId s = b.declare("s", DType::f32, b.literal(0.0f));
  const ExprId i = b.begin_lanes("i", b.index(0), n, b.index(16));
  b.fold(s, FoldOp::add, b.load(x, i));
  b.end();
  b.store(out, b.index(0), b.use(s));
  return f;
}

struct EntryBuilder {
  Function f;
  Entry entry;
  Builder b{f};
  explicit EntryBuilder(const std::string& name) {
    f.name = "entry_" + name;
    f.entry = true;
    entry.name = name;
    entry.function = f.name;
  }
  VarId buffer(const std::string& name, DType dtype) {
    entry.params.push_back({ParamRole::output, name, dtype, {}});
    return b.buffer(name, dtype);
  }
  ExprId size(const std::string& name) {
    entry.params.push_back({ParamRole::dim, name, DType::i64, {}});
    entry.dims.push_back({name, 0, 1 << 30});
    return b.use(b.scalar(name));
  }
  void add_to(Module& m) {
    m.functions.push_back(std::move(f));
    m.entries.push_back(std::move(entry));
  }
};

// epochs x (phase over chunks of 32; a serial sum; a step that depends on it): what one phase writes, the
// next reads.
Module training_module() {
  Module m;
  m.name = "phases";
  m.functions = std::vector{axpy_kernel(), sum_kernel(), check_kernel_of_labels(311)};
  EntryBuilder e("steps");
  Builder& b = e.b;
  const VarId x = e.buffer("x", DType::f32), y = e.buffer("y", DType::f32),
              sums = e.buffer("sums", DType::f32), labels = e.buffer("labels", DType::i32);
  const ExprId n = e.size("n"), epochs = e.size("epochs");
  const ExprId chunk = b.index(32);
  const ExprId chunks = b.let("chunks", b.binary(Op::div, b.add(n, b.index(31)), chunk));
  const ExprId t = b.begin_for("t", b.index(0), epochs, b.index(1));
  {
    const ExprId c = b.begin_parallel("c", chunks);
    const ExprId lo = b.let("lo", b.mul(c, chunk));
    b.call("k_check", {b.address(labels, b.mul(lo, b.index(4)), DType::i32), lo,
                       b.binary(Op::min, chunk, b.sub(n, lo))});
    b.end();
  }
  b.stop_on_failure();
  const ExprId scale = b.let("scale", b.load(sums, t));
  {
    const ExprId c = b.begin_parallel("c", chunks);
    const ExprId lo = b.let("lo", b.mul(c, chunk));
    b.call("k_axpy",
           {b.address(x, b.mul(lo, b.index(4)), DType::f32), b.address(y, b.mul(lo, b.index(4)), DType::f32),
            scale, b.binary(Op::min, chunk, b.sub(n, lo))});
    b.end();
  }
  b.call("k_sum", {b.address(y, b.index(0), DType::f32),
                   b.address(sums, b.mul(b.add(t, b.index(1)), b.index(4)), DType::f32), n});
  b.progress(b.index(1));
  b.end();
  e.add_to(m);
  return m;
}

std::vector<HostArgument> training_arguments(int64_t n, int64_t epochs,
                                             std::map<size_t, int32_t> bad_labels = {}) {
  std::vector<float> x(static_cast<size_t>(n)), y(static_cast<size_t>(n)),
      sums(static_cast<size_t>(epochs) + 1);
  std::vector<int32_t> labels(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = float(i % 13) * 0.01f - 0.05f;
    y[i] = float(i % 7) * 0.02f;
    labels[i] = static_cast<int32_t>(i % 10);
  }
  for (auto [at, label] : bad_labels) labels[at] = label;
  sums[0] = 0.5f;
  return {buffer_of(x), buffer_of(y), buffer_of(sums), buffer_of(labels), scalar_of(n), scalar_of(epochs)};
}

}  // namespace

TEST_CASE("Phases give the same bits alone, through run, and in a team") {
  const Module m = training_module();
  check_entry(m, "steps", training_arguments(1000, 5));
  check_entry(m, "steps", training_arguments(20, 3));
  check_entry(m, "steps", training_arguments(64, 0));
  check_entry(m, "steps", training_arguments(0, 2));
}

TEST_CASE("Chunks are counted by worker, in runs and in teams") {
  Module m = training_module();
  for (const target::Target* t : target::all_targets()) {
    if (!t->runs_here()) continue;
    m.target = std::string(t->name);
    auto object = object::compile(m, *t);
    REQUIRE(object);
    auto loaded = object::Loaded::load(object->elf);
    REQUIRE(loaded);
    runtime::Pool pool(2);
    for (const runtime::Parallel& lent : {pool.parallel(), pool.parallel_without_team()}) {
      pool.reset_chunks();
      run_entry(**loaded, "tenon$entry.steps", training_arguments(1000, 5), &lent);
      const std::vector<uint64_t> chunks = pool.chunks();
      CHECK(chunks[0] + chunks[1] == 5 * 2 * 32);  // epochs, phases, chunks of a phase
    }
    // A host that does not count.
    runtime::Parallel silent = pool.parallel();
    silent.chunks = nullptr;
    pool.reset_chunks();
    run_entry(**loaded, "tenon$entry.steps", training_arguments(1000, 5), &silent);
    CHECK(pool.chunks() == std::vector<uint64_t>{0, 0});
  }
}

TEST_CASE("The failure with the least row is reported, whatever the order, and nothing after it runs") {
  const Module m = training_module();
  check_entry(m, "steps", training_arguments(1000, 4, {{777, 12}, {130, 10}, {131, 99}, {999, 11}}));
  check_entry(m, "steps", training_arguments(33, 1, {{32, 10}}));
}

TEST_CASE("An early exit leaves the innermost loop with the values of that moment") {
  for (int64_t stop : {0, 3, 100}) {
    Function f;
    f.name = "k_exit";
    Builder b(f);
    const VarId x = b.buffer("x", DType::f32), out = b.buffer("out", DType::f32);
    const ExprId n = b.use(b.scalar("n")), limit = b.use(b.scalar("limit"));
    const VarId s = b.declare("s", DType::f32, b.literal(1.0f)),
                count = b.declare("count", DType::i64, b.index(0));
    b.begin_for("r", b.index(0), b.index(3), b.index(1));
    const ExprId i = b.begin_for("i", b.index(0), n, b.index(1));
    b.assign(s, b.fma(b.use(s), b.literal(0.5f), b.load(x, i)));
    b.begin_if(b.binary(Op::lt, b.index(1), i));
    b.assign(count, b.add(b.use(count), b.index(1)));
    b.exit_if(b.binary(Op::le, limit, i));
    b.end();
    b.assign(s, b.add(b.use(s), b.literal(1.0f)));
    b.end();
    b.end();
    b.begin_for("once", b.index(0), b.index(1), b.index(1));
    b.exit_if(b.binary(Op::le, limit, b.index(50)));
    b.assign(s, b.mul(b.use(s), b.literal(3.0f)));
    b.end();
    b.store(out, b.index(0), b.use(s));
    b.store(out, b.index(1), b.cast(b.use(count), DType::f32));
    std::vector<float> x_values(9);
    for (size_t k = 0; k < x_values.size(); ++k) x_values[k] = float(k) * 0.3f;
    check_kernel(
        f, {buffer_of(x_values), buffer_of(std::vector<float>(2)), scalar_of(int64_t{9}), scalar_of(stop)});
  }
}

TEST_CASE("Entries set and restore the floating-point control word") {
  // A denormal product: flushed to zero under FTZ.
  Module m;
  m.functions = std::vector{axpy_kernel()};
  add_call_entry(m, axpy_kernel(), "run");
  auto object = object::compile(m, **target::host_target());
  REQUIRE(object);
  auto loaded = object::Loaded::load(object->elf);
  REQUIRE(loaded);
  const unsigned before = _mm_getcsr();
  _mm_setcsr(0x9fc0 | 0x2000);  // flush, denormals are zero, round down
  const Outcome r = run_entry(**loaded, "tenon$entry.run",
                              {buffer_of(std::vector<float>{0.0f}), buffer_of(std::vector<float>{1e-38f}),
                               scalar_of(0.5f), scalar_of(int64_t{1})});
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  CHECK((after & ~0x3fu) == ((0x9fc0u | 0x2000u) & ~0x3fu));
  float value;
  std::memcpy(&value, r.arguments[1].bytes.data(), 4);
  CHECK(value == 0.5e-38f);
}

TEST_CASE("The constants block is read where entries name it") {
  Module m;
  m.name = "constants";
  m.functions = std::vector{axpy_kernel()};
  auto array = std::make_shared<Array>(Array::of<float>({3}, {1.5f, -2.0f, 0.25f}));
  m.constants.push_back({"h0", 64, array});
  m.constant_bytes = 128;
  EntryBuilder e("add");
  e.entry.params.push_back({ParamRole::constants, "constants", DType::u8, {}});
  const VarId constants = e.b.buffer("constants", DType::u8, 64, true, false);
  const VarId y = e.buffer("y", DType::f32);
  e.b.call("k_axpy", {e.b.address(constants, e.b.index(64), DType::f32),
                      e.b.address(y, e.b.index(0), DType::f32), e.b.literal(2.0f), e.b.index(3)});
  e.add_to(m);
  auto object = object::compile(m, **target::host_target());
  if (!object) FAIL(object.errors().text());
  auto loaded = object::Loaded::load(object->elf);
  REQUIRE(loaded);
  const Outcome r = run_entry(**loaded, "tenon$entry.add", {buffer_of(std::vector<float>{1, 2, 3})});
  CHECK(r.arguments[0].bytes == buffer_of(std::vector<float>{3.5f, 2.0f, 6.25f}).bytes);
}

TEST_CASE("Objects: equal bytes for any number of threads, exported names only, no foreign symbols") {
  Module m = training_module();
  Named<Function> several;  // enough functions for several groups, callees first
  for (int i = 0; i < 40; ++i) {
    Function f = sum_kernel();
    f.name = "k_sum_" + std::to_string(i);
    for (int k = 0; k < 60; ++k) {
      Builder b(f);
      b.store(VarId(size_t{1}), b.index(i + k), b.literal(float(k)));
    }
    several.push_back(f);
  }
  for (Function& f : m.functions) several.push_back(f);
  m.functions = std::move(several);
  const target::Target& t = **target::host_target();
  object::Options one, many;
  one.threads = 1;
  many.threads = 3;
  auto a = object::compile(m, t, one), b = object::compile(m, t, many), c = object::compile(m, t, many);
  if (!a) FAIL(a.errors().text());
  REQUIRE(b);
  REQUIRE(c);
  CHECK(a->elf == b->elf);
  CHECK(b->elf == c->elf);
  CHECK(a->kernels == 43);
  auto loaded = object::Loaded::load(a->elf);
  REQUIRE(loaded);
  CHECK((*loaded)->lookup("tenon$entry.steps") != nullptr);
  CHECK((*loaded)->lookup("tenon$kernel.k_sum") == nullptr);
  CHECK((*loaded)->lookup("expf") == nullptr);
  object::Options other;
  other.prefix = "mlp";
  auto d = object::compile(m, t, other);
  REQUIRE(d);
  auto with_prefix = object::Loaded::load(d->elf);
  REQUIRE(with_prefix);
  CHECK((*with_prefix)->lookup("mlp$entry.steps") != nullptr);
  CHECK((*with_prefix)->lookup("tenon$entry.steps") == nullptr);
}

TEST_CASE("Arena functions take the dims and give the bytes") {
  Module m;
  Function f;
  f.name = "arena_steps";
  {
    Builder b(f);
    const ExprId n = b.use(b.scalar("n")), workers = b.use(b.scalar("workers"));
    const VarId out = b.buffer("bytes", DType::i64);
    b.store(out, b.index(0), b.add(b.mul(n, b.index(64)), b.mul(workers, b.index(128))));
  }
  m.functions = std::vector{f, axpy_kernel()};
  add_call_entry(m, axpy_kernel(), "run");
  m.entries[0].arena_function = "arena_steps";
  Builder(m.functions.back()).scalar("workers");
  kernel::EntryParam workers;
  workers.name = "workers";
  workers.dtype = DType::i64;
  workers.role = kernel::ParamRole::dim;
  m.entries[0].params.push_back(workers);
  m.entries[0].dims = {{"n", 0, 100}, {"workers", 1, 8}};
  auto object = object::compile(m, **target::host_target());
  if (!object) FAIL(object.errors().text());
  auto loaded = object::Loaded::load(object->elf);
  REQUIRE(loaded);
  auto* arena = reinterpret_cast<runtime::ArenaFunction>((*loaded)->lookup("tenon$arena.run"));
  REQUIRE(arena != nullptr);
  const int64_t dims[] = {7, 2};
  CHECK(arena(dims) == 7 * 64 + 2 * 128);
}
