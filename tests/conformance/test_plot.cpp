// tenon plot: curves from history files. The drawing is well formed, its points lie where the values say, and
// lines that are torn or odd are named.
#include <cmath>
#include <sstream>
#include <vector>

#include "conformance/command_report.h"

namespace tenon::test {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
size_t times(const std::string& text, const std::string& part) {
  size_t out = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++out;
  return out;
}

// Elements open and close in each other, attributes are quoted, and texts hold no bare < or &.
bool well_formed(const std::string& svg) {
  std::vector<std::string> open;
  size_t at = 0;
  bool any = false;
  while (at < svg.size()) {
    if (svg[at] == '&') {
      const size_t end = svg.find(';', at);
      if (end == std::string::npos || end - at > 6) return false;
      at = end;
    } else if (svg[at] == '<') {
      const size_t end = svg.find('>', at);
      if (end == std::string::npos) return false;
      const std::string tag = svg.substr(at + 1, end - at - 1);
      const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
      if (tag.starts_with('/')) {
        if (open.empty() || "/" + open.back() != tag) return false;
        open.pop_back();
      } else {
        if (any && open.empty()) return false;
        if (times(tag, "\"") % 2 != 0) return false;
        if (!tag.ends_with('/')) open.push_back(name);
        any = true;
      }
      at = end;
    }
    ++at;
  }
  return any && open.empty();
}

struct Polyline {
  std::vector<std::pair<double, double>> points;
  std::string stroke;
  bool dashed = false;
};
std::vector<Polyline> polylines(const std::string& svg) {
  std::vector<Polyline> out;
  for (size_t at = svg.find("<polyline points=\""); at != std::string::npos;
       at = svg.find("<polyline points=\"", at + 1)) {
    const size_t begin = at + 18, end = svg.find('"', begin), close = svg.find('>', end);
    Polyline line;
    std::istringstream in(svg.substr(begin, end - begin));
    double x = 0, y = 0;
    char comma = 0;
    while (in >> x >> comma >> y) line.points.emplace_back(x, y);
    const std::string rest = svg.substr(end, close - end);
    line.dashed = contains(rest, "stroke-dasharray");
    const size_t stroke = rest.find("stroke=\"") + 8;
    line.stroke = rest.substr(stroke, rest.find('"', stroke) - stroke);
    out.push_back(std::move(line));
  }
  return out;
}

std::string line(int epoch, const std::string& rest) {
  return "{\"epoch\":" + std::to_string(epoch) + ",\"steps\":9," + rest + "}\n";
}

}  // namespace

TEST_CASE("what train writes is drawn: losses and metrics, training solid and held out dashed") {
  const Folder folder;
  REQUIRE(folder.tenon("new logistic -o m.tenon").status == 0);
  REQUIRE(folder
              .tenon("train m.tenon --data classification:rows=200,seed=7 --epochs 5 --validate 0.25 --quiet "
                     "--history run.jsonl")
              .status == 0);
  const Ran ran = folder.tenon("plot run.jsonl -o curves.svg");
  INFO(ran.err);
  REQUIRE(ran.status == 0);
  CHECK(ran.out == "loss, accuracy  -> curves.svg\n");
  const std::string svg = folder.read("curves.svg");
  CHECK(well_formed(svg));
  CHECK(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  for (const char* text :
       {">loss<", ">accuracy<", ">epoch<", ">run.jsonl<", ">training<", ">held out<", ">5<"})
    CHECK(contains(svg, text));
  const std::vector<Polyline> lines = polylines(svg);
  REQUIRE(lines.size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    CHECK(lines[i].points.size() == 5);
    CHECK(lines[i].dashed == (i % 2 == 1));
  }
  // To stdout, and in the object of --json.
  CHECK(folder.tenon("plot run.jsonl").out == svg);
  CHECK(folder.shell("tenon plot - < run.jsonl").out.find(">&lt;stdin&gt;<") != std::string::npos);
  const Json report = object(folder.tenon("plot run.jsonl --json"));
  CHECK(report["text"] == svg);
  CHECK(report["figures"] == Json::array({"loss", "accuracy"}));
}

TEST_CASE("points lie where their values say, on both scales") {
  const Folder folder;
  std::string history;
  const double losses[] = {100, 10, 1, 0.1};
  for (int e = 0; e < 4; ++e) history += line(e + 1, "\"loss\":" + std::to_string(losses[e]));
  folder.write("h.jsonl", history);
  const std::vector<Polyline> linear = polylines(folder.tenon("plot h.jsonl").out);
  REQUIRE(linear.size() == 1);
  const auto& p = linear[0].points;
  REQUIRE(p.size() == 4);
  // Epochs are evenly apart; larger values lie higher, as far as they are larger.
  CHECK(p[1].first - p[0].first == Approx(p[3].first - p[2].first).margin(0.02));
  CHECK(p[0].second < p[1].second);
  CHECK((p[1].second - p[0].second) / (p[2].second - p[1].second) == Approx(10).epsilon(0.01));
  const std::string svg = folder.tenon("plot h.jsonl --log").out;
  const std::vector<Polyline> logarithmic = polylines(svg);
  REQUIRE(logarithmic.size() == 1);
  const auto& q = logarithmic[0].points;
  for (size_t i = 0; i + 2 < 4; ++i)
    CHECK(q[i + 1].second - q[i].second == Approx(q[i + 2].second - q[i + 1].second).margin(0.03));
  for (const char* tick : {">100<", ">10<", ">1<", ">0.1<"}) CHECK(contains(svg, tick));
  CHECK(contains(svg, ">loss (logarithmic)<"));
}

TEST_CASE("several histories share their panels, each in a colour of its own with its name") {
  const Folder folder;
  folder.write("a.jsonl", line(1, "\"loss\":3,\"accuracy\":0.5") + line(2, "\"loss\":2,\"accuracy\":0.6"));
  folder.write("b&<.jsonl", line(1, "\"loss\":4,\"test loss\":5") + line(3, "\"loss\":1,\"test loss\":6"));
  const Ran ran = folder.tenon("plot a.jsonl 'b&<.jsonl'");
  REQUIRE(ran.status == 0);
  CHECK(well_formed(ran.out));
  CHECK(contains(ran.out, ">b&amp;&lt;.jsonl<"));
  const std::vector<Polyline> lines = polylines(ran.out);
  REQUIRE(lines.size() == 4);  // two losses, one of them with the rows held out, one accuracy
  CHECK(lines[0].stroke != lines[1].stroke);
  CHECK(lines[1].stroke == lines[2].stroke);
  CHECK(lines[2].dashed);
  CHECK(lines[3].stroke == lines[0].stroke);
  // Epoch 3 of one lies right of epoch 2 of the other.
  CHECK(lines[1].points[1].first > lines[0].points[1].first);
  const Ran some = folder.tenon("plot a.jsonl 'b&<.jsonl' --metric accuracy");
  CHECK(polylines(some.out).size() == 1);
  CHECK_FALSE(contains(some.out, ">loss<"));
}

TEST_CASE("gaps, single epochs, equal values and very long runs are drawn") {
  const Folder folder;
  std::string gap;
  for (int e = 1; e <= 5; ++e) gap += line(e, e == 3 ? "\"loss\":null" : "\"loss\":0.25");
  folder.write("gap.jsonl", gap);
  const std::vector<Polyline> lines = polylines(folder.tenon("plot gap.jsonl").out);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].points.size() == 2);
  CHECK(lines[0].points[0].second == lines[1].points[1].second);
  folder.write("one.jsonl", line(7, "\"loss\":-1e-300"));
  const Ran one = folder.tenon("plot one.jsonl");
  CHECK(one.status == 0);
  CHECK(well_formed(one.out));
  CHECK(contains(one.out, "<circle"));
  folder.write("none.jsonl", line(1, "\"loss\":null"));
  CHECK(well_formed(folder.tenon("plot none.jsonl").out));
  for (const char* wide : {"\"loss\":1e308", "\"loss\":-1e308", "\"loss\":1e-320"}) {
    folder.write("wide.jsonl", line(1, "\"loss\":1") + line(2, wide));
    const Ran ran = folder.tenon("plot wide.jsonl");
    INFO(wide << ran.err);
    CHECK(ran.status == 0);
    CHECK(well_formed(ran.out));
    CHECK_FALSE(contains(ran.out, "nan"));
    CHECK_FALSE(contains(ran.out, "inf"));
  }
  std::string many;
  for (int e = 1; e <= 20000; ++e)
    many += line(e, "\"loss\":" + std::to_string(e == 12345 ? 9.0 : 1.0 + e % 2));
  folder.write("many.jsonl", many);
  const std::string svg = folder.tenon("plot many.jsonl").out;
  CHECK(svg.size() < 200000);
  // What stands out is not thinned out.
  const auto points = polylines(svg)[0].points;
  double top = 1e9, second = 1e9;
  for (const auto& [x, y] : points)
    if (y < top)
      second = top, top = y;
    else if (y > top)
      second = std::min(second, y);
  CHECK(second - top > 50);
}

TEST_CASE("histories that are torn, odd or missing, and options that say nothing, are refused") {
  const Folder folder;
  const std::string good = line(1, "\"loss\":1,\"accuracy\":0.5");
  folder.write("good.jsonl", good);
  folder.write("torn.jsonl", good + "{\"epoch\":2,\"loss");
  folder.write("odd.jsonl", good + "\n" + good);
  folder.write("zero.jsonl", good + line(2, "\"loss\":0"));
  folder.write("empty.jsonl", "");
  const struct {
    std::string command, code, place, telling;
    int status;
  } cases[] = {{"plot torn.jsonl", "T302", "torn.jsonl:2", "cut off", 3},
               {"plot odd.jsonl", "T302", "odd.jsonl:3", "epoch 1 follows epoch 1", 3},
               {"plot empty.jsonl", "T301", "empty.jsonl", "no epochs", 3},
               {"plot absent.jsonl", "T401", "absent.jsonl", "No such file", 4},
               {"plot", "T610", "", "histories", 2},
               {"plot good.jsonl --metric acuracy", "T610", "", "did you mean accuracy?", 2},
               {"plot zero.jsonl --log", "T610", "", "loss of epoch 2 of zero.jsonl is 0", 2},
               {"plot good.jsonl --log --metric accuracy", "T610", "", "--log does nothing", 2},
               {"plot good.jsonl -o curves.png", "T610", "", "SVG", 2},
               {"plot good.jsonl -o absent/c.svg", "T404", "absent/c.svg", "", 4},
               {"plot good.jsonl -o /dev/full", "T404", "/dev/full", "No space", 4}};
  for (const auto& c : cases) {
    INFO(c.command);
    const Ran ran = folder.tenon(c.command);
    INFO(ran.err);
    CHECK(ran.status == c.status);
    CHECK(ran.err.starts_with("error[" + c.code + "]: "));
    CHECK(contains(ran.err, c.place));
    CHECK(contains(ran.err, c.telling));
    CHECK(object(folder.tenon(c.command + " --json"))["errors"][0]["code"] == c.code);
  }
}

}  // namespace tenon::test
