#include "runtime/progress.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "files.h"
#include "runtime/json.h"

using namespace tenon::runtime;

namespace {

struct Screen {
  std::string text;
  double time = 0;
  ProgressOptions options(ProgressMode mode, int width = 80) {
    ProgressOptions o;
    o.mode = mode;
    o.width = width;
    o.write = [this](std::string_view s) { text += s; };
    o.now = [this] { return time; };
    return o;
  }
};

}  // namespace

TEST_CASE("a terminal gets a bar that is redrawn in place") {
  Screen s;
  {
    Progress p(s.options(ProgressMode::bar));
    p.begin(2, 10);
    s.time = 1;
    p.step(1, 5, 0.5, {{"accuracy", 0.25}});
    CHECK(s.text == "\repoch 1/2 [==========>         ]  5/10  loss 0.5  accuracy 0.25  eta 3.0s\x1b[K");
    // Too soon after the last.
    const std::string before = s.text;
    s.time = 1.05;
    p.step(1, 6, 0.5);
    CHECK(s.text == before);
    s.time = 2;
    s.text.clear();
    p.epoch_done({1, 10, 0.123456, 2, {{"accuracy", 0.5}, {"test accuracy", 0.4}}});
    CHECK(s.text == "\r\x1b[Kepoch 1/2  10 steps  loss 0.1235  accuracy 0.5  test accuracy 0.4  2.0s\n");
    s.text.clear();
    p.step(2, 10, 0.5);
  }
  CHECK(contains(s.text, "[====================]"));
  // The bar does not stay when the Progress goes.
  CHECK(s.text.substr(s.text.size() - 4) == "\r\x1b[K");
}

TEST_CASE("a bar fits its terminal") {
  for (int width : {1, 2, 10, 40}) {
    Screen s;
    Progress p(s.options(ProgressMode::bar, width));
    p.begin(1, 0);
    p.step(1, 3, std::numeric_limits<double>::quiet_NaN(), {{"\xC3\xA9t\xC3\xA9", 1}});
    CHECK(s.text.front() == '\r');
    CHECK(s.text.size() - 4 <= static_cast<size_t>(width) - 1 + 2);
  }
}

TEST_CASE("elsewhere there are plain lines, or nothing") {
  Screen s;
  Progress p(s.options(ProgressMode::lines));
  p.begin(1, 10);
  s.time = 5;
  p.step(1, 5, 0.5);
  CHECK(s.text.empty());
  p.epoch_done({1, 1, 0.5, 75, {}});
  p.note("stopped: accuracy 0.99");
  CHECK(s.text == "epoch 1/1  1 step  loss 0.5  1m15s\nstopped: accuracy 0.99\n");
  Screen none;
  Progress off(none.options(ProgressMode::off));
  off.begin(1, 1);
  off.step(1, 1, 1);
  off.epoch_done({});
  off.note("x");
  CHECK(none.text.empty());
  // A file is no terminal.
  ProgressOptions o;
  FILE* file = std::tmpfile();
  o.fd = fileno(file);
  CHECK(Progress(o).mode() == ProgressMode::lines);
  std::fclose(file);
}

TEST_CASE("short times and numbers") {
  CHECK(short_time(0.04) == "0.0s");
  CHECK(short_time(9.96) == "10s");
  CHECK(short_time(65) == "1m05s");
  CHECK(short_time(7320) == "2h02m");
  CHECK(short_time(-1) == "?");
  CHECK(short_time(std::nan("")) == "?");
  CHECK(short_number(0.00001234567) == "1.235e-5");
  CHECK(short_number(1) == "1");
}

TEST_CASE("history lines are JSON that reads back") {
  Folder f;
  auto h = HistoryFile::create(f / "h.jsonl");
  REQUIRE(h);
  REQUIRE(h->add({1, 938, 0.1, 1.25, {{"accuracy", 0.9375}, {"loss", 3}, {"odd \"name\"\n", 1e300}}}));
  REQUIRE(h->add({2, 938, std::numeric_limits<double>::infinity(), 1, {}}));
  const std::string text = get_file(f / "h.jsonl");
  const size_t cut = text.find('\n');
  const auto first = nlohmann::json::parse(text.substr(0, cut));
  CHECK(first.at("epoch") == 1);
  CHECK(first.at("steps") == 938);
  CHECK(first.at("loss") == 0.1);
  CHECK(first.at("accuracy") == 0.9375);
  CHECK(first.at("odd \"name\"\n") == 1e300);
  const auto second = nlohmann::json::parse(text.substr(cut + 1));
  CHECK(second.at("loss").is_null());
  CHECK(failure(HistoryFile::create(f / "no/h.jsonl")) == 404);
}

TEST_CASE("a history gives the records that it was given") {
  History h(4, {"accuracy", "test loss"});
  CHECK(h.empty());
  h.add({1, 4, 0.5, 1.5, {{"accuracy", 0.25}, {"test loss", 3}}});
  h.add(2, 2.5);
  const std::span<double> figures = h.figures(1);
  REQUIRE(figures.size() == 3);
  figures[0] = 0.125, figures[1] = 0.75, figures[2] = 2;
  REQUIRE(h.size() == 3);
  CHECK((h[2].epoch == 3 && h.seconds(2) == 2.5 && h.loss(2) == 0));
  const EpochRecord first = h[0], last = h[1];
  CHECK((first.epoch == 1 && first.steps == 4 && first.loss == 0.5 && first.seconds == 1.5));
  CHECK(first.metrics == Metrics{{"accuracy", 0.25}, {"test loss", 3}});
  CHECK((last.epoch == 2 && last.steps == 4 && last.loss == 0.125 && last.seconds == 2.5));
  CHECK(last.metrics == Metrics{{"accuracy", 0.75}, {"test loss", 2}});
}

TEST_CASE("JSON text is valid whatever the bytes") {
  CHECK(json_text("a\"b\\\n\x01") == "\"a\\\"b\\\\\\n\\u0001\"");
  CHECK(json_text("\xff") == "\"\xEF\xBF\xBD\"");
  CHECK(json_text("\xC3\xA9") == "\"\xC3\xA9\"");
  for (const char* bad : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80", "\xE0\x80\x80"})
    CHECK_FALSE(valid_utf8(bad));
  for (const char* good : {"", "abc", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"})
    CHECK(valid_utf8(good));
  for (int a = 0; a < 256; ++a)
    for (int b = 0; b < 256; ++b) {
      const std::string bytes{static_cast<char>(a), static_cast<char>(b)};
      const auto parsed = nlohmann::json::parse(json_text(bytes), nullptr, false);
      REQUIRE_FALSE(parsed.is_discarded());
      if (valid_utf8(bytes)) REQUIRE(parsed.get<std::string>() == bytes);
    }
  CHECK(json_number(3) == "3");
  CHECK(json_number(0.1) == "0.1");
  CHECK(json_number(-0.0) == "-0.0");
  CHECK(json_number(1e300) == "1e300");
}
