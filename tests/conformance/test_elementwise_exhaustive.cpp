// Compiled functions of one argument over every f32. docs/math.md keeps the table of this run.
#include <atomic>
#include <cstdio>
#include <mutex>
#include <thread>

#include "catch.h"
#include "driver/program/program.h"
#include "ops/elementwise/functions.h"

using namespace tenon;
using namespace tenon::support;

namespace {

constexpr int64_t chunk = 1 << 16;

std::shared_ptr<const driver::Program> compiled(const std::string& function) {
  const std::string type = "f32[" + std::to_string(chunk) + "]";
  auto unit = driver::read_unit("tenon 1\nmodule m\nfunc f(x: " + type + ") -> y: " + type +
                                    " {\n  y = " + function + " x\n  return y\n}\n",
                                "m.tenon");
  if (!unit) FAIL(unit.errors().text());
  auto program = driver::Program::compile(std::move(*unit), {});
  if (!program) FAIL(program.errors().text());
  return *program;
}

// All 2^32, by as many threads as there are processors.
probe::Worst worst_of(const probe::Function& f) {
  const auto program = compiled(f.name);
  std::atomic<uint32_t> next{0};
  std::mutex mutex;
  probe::Worst worst;
  uint64_t tried = 0;
  const auto work = [&] {
    driver::Session session(program, std::make_shared<driver::State>(program));
    probe::Worst mine;
    uint64_t count = 0;
    Array x(DType::f32, {chunk});
    const Array* const inputs[] = {&x};
    for (uint32_t from; (from = next++) < (uint64_t{1} << 32) / chunk;) {
      for (uint32_t i = 0; i < chunk; ++i)
        x.as<float>()[i] = std::bit_cast<float>(from * uint32_t{chunk} + i);
      auto out = session.run("f", inputs);
      if (!out) break;
      const float *at = x.as<float>().data(), *got = (*out)[0].as<float>().data();
      for (int64_t i = 0; i < chunk; ++i) mine.see(probe::ulps_f32(got[i], f.wide32(at[i])), at[i]);
      count += chunk;
    }
    const std::lock_guard lock(mutex);
    worst.see(mine.error, mine.at);
    tried += count;
  };
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < std::max(1u, std::thread::hardware_concurrency()); ++t) threads.emplace_back(work);
  for (std::thread& t : threads) t.join();
  CHECK(tried == uint64_t{1} << 32);
  return worst;
}

}  // namespace

TEST_CASE("compiled functions of one argument stay within their bounds over every f32", "[long]") {
  for (const probe::Function& f : probe::functions) {
    const probe::Worst worst = worst_of(f);
    std::printf("%-10s f32 %.4f ulp at %a\n", f.name, worst.error, worst.at);
    std::fflush(stdout);
    INFO(f.name << ": " << worst.error << " at " << worst.at);
    CHECK(worst.error <= f.bound32);
  }
}
