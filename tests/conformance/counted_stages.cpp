#include "conformance/counted_stages.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <utility>

#include "catch.h"
#include "conformance/command_runner.h"
#include "paths.h"

namespace tenon::test {
namespace {

// One function for each stage whose instructions are counted; callgrind knows them by their numbers.
constexpr size_t most_stages = 32;
template <size_t number>
__attribute__((noinline)) void counted_stage(const std::function<void()>& work) {
  work();
  // Not a tail call: the stage ends here. The number keeps the compiler from merging equal stages.
  asm volatile("# stage %c0" ::"i"(number) : "memory");
}
template <size_t... numbers>
void call_stage(size_t number, const std::function<void()>& work, std::index_sequence<numbers...>) {
  ((numbers == number ? counted_stage<numbers>(work) : void()), ...);
}

// Instructions of each stage, in order; empty where there is no valgrind.
std::vector<uint64_t> count(const std::string& hidden, const std::string& shape, size_t operations) {
  if (std::string(TENON_SANITIZE) != "") return {};  // instrumented code does not run under valgrind
  const Folder folder;
  if (folder.shell("command -v valgrind").status != 0) return {};
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const Ran ran =
      folder.shell("TENON_SCALING='" + shape + " " + std::to_string(operations) +
                   "' valgrind --tool=callgrind --callgrind-out-file=c --main-stacksize=8388608"
                   " '--toggle-collect=*counted_stage<*' '" +
                   self + "' '" + hidden + "' && callgrind_annotate --inclusive=yes --threshold=100 c");
  INFO(ran.err);
  REQUIRE(ran.status == 0);
  std::vector<uint64_t> out;
  for (size_t number = 0; number < most_stages; ++number) {
    // "  12,345 (67.8%)  file:void ...::counted_stage<3ul>(...) [...]"
    const size_t at = ran.out.find("counted_stage<" + std::to_string(number) + "ul>");
    if (at == std::string::npos) break;
    uint64_t instructions = 0;
    for (size_t i = ran.out.rfind('\n', at) + 1; i < at; ++i) {
      const char c = ran.out[i];
      if (c >= '0' && c <= '9')
        instructions = instructions * 10 + static_cast<uint64_t>(c - '0');
      else if (c != ' ' && c != ',')
        break;
      else if (c == ' ' && instructions > 0)
        break;
    }
    out.push_back(instructions);
  }
  return out;
}

}  // namespace

void CountedStages::run(const std::string& name, const std::function<bool()>& work) {
  bool good = false;
  // What the stage before has freed is put together and sorted now, which a request for a large block makes
  // the allocator do: it would else do it in the next one.
  malloc_trim(0);
  void* volatile large = std::malloc(1 << 16);
  std::free(large);
  call_stage(names.size(), [&] { good = work(); }, std::make_index_sequence<most_stages>());
  if (!good) FAIL("stage failed: " << name);
  names.push_back(name);
}

void run_counted(const Stages& stages) {
  const char* wanted = std::getenv("TENON_SCALING");
  if (wanted == nullptr) return;
  const std::string text = wanted;
  const size_t space = text.rfind(' ');  // a shape may have blanks
  stages(text.substr(0, space), std::strtoull(text.c_str() + space, nullptr, 10));
}

void require_linear(const std::string& hidden, const Stages& stages, const std::vector<size_t>& sizes,
                    const std::vector<std::string>& shapes, double factor) {
  const double most = 1.3 * factor;
  for (const std::string& shape : shapes) {
    const std::vector<std::string> names = stages(shape, 10);
    std::vector<uint64_t> small;
    for (const size_t operations : sizes) {
      const std::vector<uint64_t> large = count(hidden, shape, operations);
      if (large.empty()) {
        WARN("skipped: instructions of graphs, as valgrind is not installed");
        return;
      }
      REQUIRE(large.size() == names.size());
      std::string table;
      bool linear = true;
      // The allocator looks for room among what stages before have freed: so much of a stage is not its own.
      const uint64_t others = std::accumulate(large.begin(), large.end(), uint64_t{0}) / 1000;
      for (size_t i = 0; i < small.size(); ++i) {
        const double ratio = static_cast<double>(large[i]) / static_cast<double>(small[i]);
        const bool grows = static_cast<double>(large[i]) >
                           most * static_cast<double>(small[i]) + static_cast<double>(others);
        table += names[i] + ": " + std::to_string(small[i]) + " -> " + std::to_string(large[i]) + ", " +
                 std::to_string(ratio) + "x" + (grows ? " TOO MUCH" : "") + "\n";
        linear = linear && !grows;
      }
      INFO(shape << " of " << operations << " operations, and 1/" << factor << " as many:\n" << table);
      CHECK(linear);
      if (std::getenv("TENON_SHOW_COUNTS") != nullptr && !small.empty()) WARN(shape << ":\n" << table);
      small = large;
    }
  }
}

}  // namespace tenon::test
