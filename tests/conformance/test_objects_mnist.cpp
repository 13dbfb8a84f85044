// Training by a written object in its own process, and by compiled code in this one: the bits of the state
// are equal every hundred steps, whatever lends the threads, and for either instruction set.
#include <cstdio>
#include <cstdlib>

#include "catch.h"
#include "conformance/object_programs.h"
#include "driver/program/program.h"
#include "paths.h"
#include "runtime/hostile.h"
#include "runtime/load.h"
#include "runtime/parallel.h"
#include "runtime/permutation.h"

namespace tenon::test {
namespace {
using namespace support;

constexpr uint32_t batch = 64, hash_every = 100;
constexpr int64_t used_rows = 12800;

const char* const steps_program = R"(
#define ROWS 12800u
int main(int argc, char **argv) {
  const uint32_t steps = (uint32_t)atoi(argv[1]);
  const unsigned char *images = (unsigned char *)slurp("images.bin", ROWS * 784u);
  const int32_t *labels = (int32_t *)slurp("labels.bin", ROWS * sizeof(int32_t));
  const uint32_t *order = (uint32_t *)slurp("order.bin", steps * 64u * sizeof(uint32_t));
  char *image = guarded(64 * 784), *label = guarded(64 * sizeof(int32_t)), *state = guarded(MLP_STATE_BYTES);
  int k;
  for (k = 2; k < argc; ++k) {
    host_type host;
    PARALLEL parallel;
    size_t bytes;
    char *arena;
    uint32_t s, i;
    float loss;
    host.kind = argv[k][0];
    host.workers = (uint32_t)atoi(argv[k] + 1);
    host.random = 99;
    parallel = parallel_of(&host);
    bytes = mlp_train_arena_bytes(64, host.workers);
    arena = guarded(bytes);
    if (mlp_init(state, MLP_STATE_BYTES, 3) != MLP_OK) return 2;
    printf("%s %016llx", argv[k], (unsigned long long)fnv(state, MLP_STATE_BYTES));
    for (s = 0; s < steps; ++s) {
      for (i = 0; i < 64; ++i) {
        const uint32_t row = order[s * 64 + i];
        memcpy(image + i * 784, images + row * 784, 784);
        ((int32_t *)label)[i] = labels[row];
      }
      if (mlp_train(state, (unsigned char *)image, (int32_t *)label, 64, 1e-3f, &loss, arena, bytes, &parallel) != MLP_OK) return 3;
      if ((s + 1) % 100 == 0) printf(" %016llx", (unsigned long long)fnv(state, MLP_STATE_BYTES));
    }
    printf("\n");
    unguard(arena, bytes);
  }
  return 0;
}
)";

std::string mlp_source() {
  std::string text;
  std::FILE* file = std::fopen(TENON_SOURCE_DIR "/examples/digits_mlp/mlp.tenon", "rb");
  REQUIRE(file != nullptr);
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;) text.append(buffer, n);
  std::fclose(file);
  // The loss alone; accuracy has tests of its own.
  const size_t at = text.find(", metrics = [accuracy]");
  REQUIRE(at != std::string::npos);
  return text.erase(at, std::string(", metrics = [accuracy]").size());
}

struct Rows {
  const Array *images = nullptr, *labels = nullptr;
  std::vector<uint32_t> order;
};

// The hashes of one training run, as the program prints them.
std::string hashes(const std::shared_ptr<const driver::Program>& program, const Rows& rows, uint32_t steps,
                   const runtime::Parallel* parallel) {
  auto state = program->init(3);
  REQUIRE(state);
  std::string out;
  auto note = [&] {
    char text[32];
    std::snprintf(text, sizeof text, " %016llx", static_cast<unsigned long long>((*state)->hash()));
    out += text;
  };
  note();
  driver::Session session(program, *state, parallel);
  Array image(DType::u8, {batch, 28, 28}), label(DType::i32, {batch});
  const Array* inputs[] = {&image, &label};
  for (uint32_t s = 0; s < steps; ++s) {
    for (uint32_t i = 0; i < batch; ++i) {
      const uint32_t row = rows.order[s * batch + i];
      std::memcpy(image.as<uint8_t>().data() + i * 784, rows.images->as<uint8_t>().data() + row * 784, 784);
      label.as<int32_t>()[i] = rows.labels->as<int32_t>()[row];
    }
    auto done = session.run("train", inputs);
    if (!done) FAIL(done.errors().text());
    if ((s + 1) % hash_every == 0) note();
  }
  return out;
}

// `teams`: pools also run whole phases side by side. Workers of a team wait for each other at every phase,
// which takes long where they are more than the processors that are free.
void require_equal_training(const runtime::DataSet& data, uint32_t steps, bool teams) {
  auto part = data.slice(0, used_rows);
  REQUIRE(part);
  Rows rows;
  rows.images = part->find("image")->array.get();
  rows.labels = part->find("label")->array.get();
  REQUIRE(rows.images->bytes() == used_rows * 784);
  REQUIRE(rows.labels->bytes() == used_rows * 4);
  for (uint64_t epoch = 0; rows.order.size() < steps * batch; ++epoch)
    for (const int64_t row : runtime::permutation(used_rows, runtime::Random(11, epoch)))
      rows.order.push_back(static_cast<uint32_t>(row));

  const std::string source = mlp_source();
  auto unit = driver::read_unit(source, "<test>");
  REQUIRE(unit);
  driver::CompileOptions options;
  options.functions = {"train"};
  auto program = driver::Program::compile(std::move(*unit), options);
  if (!program) FAIL(program.errors().text());
  const std::string expected = hashes(*program, rows, steps, nullptr);
  REQUIRE(expected.size() == (1 + steps / hash_every) * 17);
  for (const uint32_t workers : {1u, 2u, 3u, 7u}) {
    INFO("a pool of " << workers);
    runtime::Pool pool(workers);
    const runtime::Parallel parallel = teams ? pool.parallel() : pool.parallel_without_team();
    CHECK(hashes(*program, rows, steps, &parallel) == expected);
  }
  using Order = runtime::HostileHost::Order;
  std::vector<Order> orders = {Order::reversed, Order::one_thread, Order::random};
  if (teams) orders.push_back(Order::late_team);
  for (const Order order : orders) {
    INFO("hostile host " << static_cast<int>(order));
    runtime::HostileHost host(order, 3);
    const runtime::Parallel parallel = host.parallel();
    CHECK(hashes(*program, rows, steps, &parallel) == expected);
  }

  const Folder folder;
  folder.write("mlp.tenon", source);
  folder.write("images.bin",
               {reinterpret_cast<const char*>(rows.images->as<uint8_t>().data()), rows.images->bytes()});
  folder.write("labels.bin",
               {reinterpret_cast<const char*>(rows.labels->as<int32_t>().data()), rows.labels->bytes()});
  folder.write("order.bin", {reinterpret_cast<const char*>(rows.order.data()), rows.order.size() * 4});
  for (const char* cpu : {"native", "x86-64-v3"}) {
    INFO(cpu);
    REQUIRE(folder.tenon(std::string("compile mlp.tenon --fn train -o mlp --cpu ") + cpu).status == 0);
    const Ran undefined = folder.shell("nm -u mlp.o | awk '{ print $2 }' | grep -vxE 'mem(cpy|move|set)'");
    CHECK(undefined.out.empty());
    const Ran linked = link_program(folder, "mlp", steps_program);
    INFO(linked.err);
    REQUIRE(linked.status == 0);
    std::string wanted;
    const std::vector<std::string> hosts =
        teams ? std::vector<std::string>{"p1", "p2", "p3", "p7", "r3", "o3", "x3", "t3"}
              : std::vector<std::string>{"q1", "q2", "q3", "q7", "r3", "o3", "x3"};
    std::string arguments;
    for (const std::string& host : hosts) {
      wanted += host + expected + "\n";
      arguments += " " + host;
    }
    const Ran ran = folder.shell("./mlp_main " + std::to_string(steps) + arguments);
    INFO(ran.err);
    CHECK(ran.status == 0);
    CHECK(ran.out == wanted);
  }
}

// Nothing where there is no such data: the test is then skipped, and says so.
std::optional<runtime::DataSet> mnist() {
  const char* folder = std::getenv("TENON_DATA");
  if (folder == nullptr || *folder == 0) {
    WARN("skipped: TENON_DATA names no folder with mnist/");
    return std::nullopt;
  }
  auto data = runtime::load_data(std::string(folder) + "/mnist");
  if (!data) FAIL(data.errors().text());
  return data->train;
}

}  // namespace

TEST_CASE("training on MNIST: equal bits from the object and in process, on every host") {
  const std::optional<runtime::DataSet> data = mnist();
  if (data) require_equal_training(*data, 200, false);
}

TEST_CASE("a thousand steps on MNIST: equal bits from the object and in process, on every host", "[long]") {
  const std::optional<runtime::DataSet> data = mnist();
  if (data) require_equal_training(*data, 1000, true);
}

}  // namespace tenon::test
