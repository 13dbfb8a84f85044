#include "runtime/history.h"

#include <cmath>
#include <limits>

#include "files.h"

using namespace tenon::runtime;

namespace {
auto parse(const std::string& text) { return parse_history(text, "run.jsonl"); }
}  // namespace

TEST_CASE("history lines read back as the records that they were") {
  Folder f;
  auto file = HistoryFile::create(f / "run.jsonl");
  REQUIRE(file);
  const EpochRecord records[] = {
      {1, 938, 0.1 + 0.2, 1.5, {{"accuracy", 0.91}, {"test loss", 1e-300}}},
      {2, 938, std::numeric_limits<double>::infinity(), 1.25, {{"accuracy", std::nan("")}}}};
  for (const EpochRecord& r : records) REQUIRE(file->add(r));
  auto read = read_history(f / "run.jsonl");
  REQUIRE(read);
  REQUIRE(read->size() == 2);
  const EpochRecord &a = (*read)[0], &b = (*read)[1];
  CHECK(a.epoch == 1);
  CHECK(a.steps == 938);
  CHECK(a.loss == 0.1 + 0.2);
  CHECK(a.seconds == 1.5);
  CHECK(a.metrics == records[0].metrics);
  // What JSON cannot say is null, and comes back as no number.
  CHECK(std::isnan(b.loss));
  REQUIRE(b.metrics.size() == 1);
  CHECK(std::isnan(b.metrics[0].second));
  CHECK(parse("\n{\"epoch\":3,\"loss\":1}\r\n\n{\"epoch\":7,\"loss\":2}")->size() == 2);
}

TEST_CASE("torn and odd lines of a history are named") {
  const std::string good = "{\"epoch\":1,\"loss\":1}\n";
  const struct {
    std::string text, message;
    int line;
  } cases[] = {{good + "{\"epoch\":2,\"lo", "cut off", 2},
               {good + "\n{\"epoch\":2,\"lo\n" + good, "no JSON", 3},
               {"[1]\n", "no JSON object", 1},
               {"{\"loss\":1}\n", "no \"epoch\"", 1},
               {"{\"epoch\":1}\n", "no \"loss\"", 1},
               {"{\"epoch\":0,\"loss\":1}\n", "no whole number", 1},
               {"{\"epoch\":1.5,\"loss\":1}\n", "no whole number", 1},
               {"{\"epoch\":null,\"loss\":1}\n", "no whole number", 1},
               {"{\"epoch\":1,\"loss\":\"x\"}\n", "\"loss\" is no number", 1},
               {"{\"epoch\":1,\"loss\":1,\"a\":[]}\n", "\"a\" is no number", 1},
               {good + good, "epoch 1 follows epoch 1", 2},
               {"{\"epoch\":1,\"loss\":1e999}\n", "no JSON", 1}};
  for (const auto& c : cases) {
    INFO(c.text);
    const auto r = parse(c.text);
    CHECK(failure(r) == 302);
    CHECK(contains(failure_text(r), c.message));
    CHECK(contains(failure_text(r), "run.jsonl:" + std::to_string(c.line)));
  }
  CHECK(failure(parse("")) == 301);
  CHECK(failure(parse("\n \n")) == 301);
  CHECK(failure(read_history("/absent/run.jsonl")) == 401);
}
