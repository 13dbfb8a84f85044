// The speed of the contraction micro-kernel, hand-built in kernel IR: a register tile of rows x vectors over
// a packed panel of B, as a fraction of the speed of independent FMAs measured beside it.
//   gemm_kernel [--asm]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "kernel/builder.h"
#include "object/object.h"
#include "runtime/abi.h"

using namespace tenon;
using namespace tenon::kernel;

namespace {

// C[rows x width] += A[rows x k] * B[k x width]; run-time strides of A and C.
Function gemm_tile(int rows, int width) {
  Function f;
  f.name = "k_gemm";
  Builder b(f);
  const VarId a = b.buffer("a", DType::f32), p = b.buffer("b", DType::f32, 64), c = b.buffer("c", DType::f32);
  const ExprId k = b.use(b.scalar("k")), lda = b.use(b.scalar("lda")), ldc = b.use(b.scalar("ldc"));
  const ExprId mr = b.use(b.fixed("MR", rows)), nv = b.use(b.fixed("NV", width));
  const ExprId j = b.begin_lanes("j", b.index(0), b.index(width), nv);
  const VarId acc = b.declare("acc", DType::f32, b.literal(0.0f), {mr});
  const ExprId kk = b.begin_for("kk", b.index(0), k, b.index(1));
  const ExprId bv = b.let("bv", b.load(p, b.add(b.mul(kk, nv), j)));
  const ExprId i = b.begin_unroll("i", b.index(0), mr);
  b.assign(acc, b.fma(b.load(a, b.add(b.mul(i, lda), kk)), bv, b.use(acc, {i})), {i});
  b.end();
  b.end();
  const ExprId r = b.begin_unroll("r", b.index(0), mr);
  const ExprId at = b.add(b.mul(r, ldc), j);
  b.store(c, at, b.add(b.load(c, at), b.use(acc, {r})));
  b.end();
  b.end();
  return f;
}

// `chains` vectors of independent FMAs, n times.
Function fma_probe(int lanes, int chains) {
  Function f;
  f.name = "k_probe";
  Builder b(f);
  const VarId x = b.buffer("x", DType::f32);
  const ExprId n = b.use(b.scalar("n"));
  const ExprId w = b.use(b.fixed("W", lanes)), m = b.use(b.fixed("M", chains));
  const ExprId j = b.begin_lanes("j", b.index(0), b.index(lanes), w);
  const VarId acc = b.declare("acc", DType::f32, b.literal(0.0f), {m});
  const ExprId v = b.let("v", b.load(x, j));
  b.begin_for("t", b.index(0), n, b.index(1));
  const ExprId i = b.begin_unroll("i", b.index(0), m);
  b.assign(acc, b.fma(b.use(acc, {i}), v, v), {i});
  b.end();
  b.end();
  const ExprId r = b.begin_unroll("r", b.index(0), m);
  b.store(x, b.add(j, b.mul(r, w)), b.use(acc, {r}));
  b.end();
  b.end();
  return f;
}

void add_entry(Module& module, const Function& kernel, const std::string& name) {
  Function f;
  f.name = "entry_" + name;
  f.entry = true;
  Builder b(f);
  Entry entry;
  entry.name = name;
  entry.function = f.name;
  std::vector<ExprId> args;
  for (VarId p : kernel.params) {
    const Var& v = kernel.var(p);
    EntryParam param;
    param.role = v.kind == VarKind::buffer ? ParamRole::output : ParamRole::dim;
    param.name = v.name;
    param.dtype = v.dtype;
    if (param.role == ParamRole::dim) entry.dims.push_back({v.name, 0, 1 << 30});
    entry.params.push_back(param);
    args.push_back(v.kind == VarKind::buffer ? b.address(b.buffer(v.name, DType::u8), b.index(0), v.dtype)
                                             : b.use(b.scalar(v.name, v.dtype)));
  }
  b.call(kernel.name, args);
  module.functions.push_back(kernel);
  module.functions.push_back(std::move(f));
  module.entries.push_back(std::move(entry));
}

double seconds(const runtime::EntryFunction f, const uint64_t* slots) {
  runtime::CallStatus status;
  const auto start = std::chrono::steady_clock::now();
  f(slots, nullptr, &status);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int fail(const Errors& errors) {
  std::fprintf(stderr, "%s\n", errors.text().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  for (const target::Target* t : target::all_targets()) {
    if (!t->runs_here()) continue;
    const int lanes = t->vector_bytes / 4, rows = t->tile_rows, width = t->tile_vectors * lanes;
    constexpr int chains = 10;
    Module module;
    module.name = "gemm";
    module.target = std::string(t->name);
    add_entry(module, gemm_tile(rows, width), "gemm");
    add_entry(module, fma_probe(lanes, chains), "probe");
    if (argc > 1 && std::strcmp(argv[1], "--asm") == 0) {
      auto text = object::assembly_text(module, *t);
      if (!text) return fail(text.errors());
      std::printf("%s\n", text->c_str());
      continue;
    }
    auto object = object::compile(module, *t);
    if (!object) return fail(object.errors());
    auto loaded = object::Loaded::load(object->elf);
    if (!loaded) return fail(loaded.errors());
    const auto gemm = reinterpret_cast<runtime::EntryFunction>((*loaded)->lookup("tenon_entry_gemm"));
    const auto probe = reinterpret_cast<runtime::EntryFunction>((*loaded)->lookup("tenon_entry_probe"));
    constexpr int k = 256, repeats = 400, samples = 15;
    Array a(DType::f32, {rows, k}), b(DType::f32, {k, width}), c(DType::f32, {rows, width}),
        x(DType::f32, {lanes * chains});
    for (float& v : a.as<float>()) v = 0.5f;
    for (float& v : b.as<float>()) v = 0.25f;
    for (float& v : x.as<float>()) v = 0.5f;
    const uint64_t gemm_slots[] = {reinterpret_cast<uint64_t>(a.data()),
                                   reinterpret_cast<uint64_t>(b.data()),
                                   reinterpret_cast<uint64_t>(c.data()),
                                   k,
                                   k,
                                   static_cast<uint64_t>(width)};
    constexpr int64_t steps = 400000;
    const uint64_t probe_slots[] = {reinterpret_cast<uint64_t>(x.data()), steps};
    std::vector<double> fractions;
    double peak = 0;
    for (int s = 0; s < samples; ++s) {
      double least = 1e9;
      for (int r = 0; r < 3; ++r) least = std::min(least, seconds(probe, probe_slots));
      const double probe_rate = 2.0 * lanes * chains * steps / least;
      runtime::CallStatus status;
      double best = 1e9;
      for (int r = 0; r < 5; ++r) {
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < repeats; ++i) gemm(gemm_slots, nullptr, &status);
        best =
            std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      }
      fractions.push_back(2.0 * rows * width * k * repeats / best / probe_rate);
      peak = std::max(peak, probe_rate);
    }
    std::sort(fractions.begin(), fractions.end());
    std::printf("%-10.*s %dx%d tile, k = %d: %.2f of the FMA probe (%.0f GFLOP/s), compiled in %.1f ms\n",
                static_cast<int>(t->name.size()), t->name.data(), rows, width, k, fractions[samples / 2],
                peak * 1e-9, object->seconds * 1e3);
  }
}
