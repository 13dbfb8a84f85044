// What eval tells of classes: the table, precision and recall, as text, object, list and drawing.
#include "conformance/command_report.h"

namespace tenon::test {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Takes the class whose column is largest: what it predicts stands in the data.
std::string chooser(int classes) {
  const std::string c = std::to_string(classes);
  return "tenon 1\nmodule m\ndim n = 1..64\nparam w : f32[" + c +
         "] = zeros\n"
         "func predict(x: f32[n," +
         c + "]) -> z: f32[n," + c +
         "] {\n  z = add x, w\n  return z\n}\n"
         "func loss(x: f32[n," +
         c +
         "], y: i32[n]) -> loss: f32[] {\n  z = add x, w\n"
         "  l = cross_entropy z, y\n  return l\n}\n";
}

}  // namespace

TEST_CASE("precision and recall of each class stand beside and below the table") {
  const Folder folder;
  folder.write("m.tenon", chooser(3));
  // Labels by name; "cat" 3 of 4 right, "dog" none of 1, "owl" 2 of 2; nothing is taken for a dog.
  folder.write("t.csv",
               "a,b,c,kind\n9,0,0,cat\n8,1,0,cat\n7,0,2,cat\n0,0,5,cat\n5,1,0,dog\n0,1,9,owl\n0,0,9,owl\n");
  const std::string eval = "eval m.tenon --data t.csv ";
  const Ran text = folder.tenon(eval);
  INFO(text.err);
  REQUIRE(text.status == 0);
  CHECK(
      text.out.ends_with("\n\nlabels down, predictions across\n"
                         "label      cat  dog  owl     recall\n"
                         "cat          3    0       1     75%\n"
                         "dog          1    0       0      0%\n"
                         "owl          0    0       2    100%\n"
                         "precision  75%    -  66.67%\n"));
  const Json report = object(folder.tenon(eval + "--json --confusion c.svg"));
  CHECK(report["confusion"] == Json::array({{3, 0, 1}, {1, 0, 0}, {0, 0, 2}}));
  CHECK(report["classes"] == Json::array({"cat", "dog", "owl"}));
  REQUIRE(report["per_class"].size() == 3);
  CHECK(report["per_class"][0] == Json{{"class", "cat"}, {"rows", 4}, {"precision", 0.75}, {"recall", 0.75}});
  CHECK(report["per_class"][1]["precision"].is_null());
  CHECK(report["per_class"][1]["recall"] == 0.0);
  CHECK(report["per_class"][2]["precision"].get<double>() == Approx(2.0 / 3));
  CHECK(report["confusion_file"] == "c.svg");
  const std::string svg = folder.read("c.svg");
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(contains(svg, "<title>cat taken for owl: 1</title>"));
  CHECK(contains(svg, "fill=\"#ffffff\""));
  // All of a label's rows: the full shade.
  CHECK(contains(svg, "fill=\"#0072b2\" stroke=\"#d0d0d0\"><title>owl taken for owl: 2"));
  REQUIRE(folder.tenon(eval + "--confusion c.csv").status == 0);
  CHECK(folder.read("c.csv") == "label,cat,dog,owl\ncat,3,0,1\ndog,1,0,0\nowl,0,0,2\n");
}

TEST_CASE("many classes are a line each, and all of them in the list") {
  const Folder folder;
  folder.write("m.tenon", chooser(30));
  std::string table;
  for (int i = 0; i < 30; ++i) table += "c" + std::to_string(i) + ",";
  table += "label\n";
  for (int row = 0; row < 30; ++row) {
    for (int i = 0; i < 30; ++i) table += i == (row < 15 ? row : 3) ? "5," : "0,";
    table += std::to_string(row) + "\n";
  }
  folder.write("t.csv", table);
  const Ran ran = folder.tenon("eval m.tenon --data t.csv --confusion c.csv");
  INFO(ran.err);
  REQUIRE(ran.status == 0);
  CHECK(contains(ran.out, "label  rows  precision  recall\n"));
  CHECK(contains(ran.out, "\n    3     1      6.25%    100%\n"));
  CHECK(contains(ran.out, "\n   20     1          -      0%\n"));
  CHECK(folder.read("c.csv").find("29,0,0,0,1,0") != std::string::npos);
  CHECK(folder.tenon("eval m.tenon --data t.csv --confusion c.svg").status == 0);
}

TEST_CASE("--confusion that has nothing to tell, or nowhere to tell it, is refused") {
  const Folder folder;
  REQUIRE(folder.tenon("new linear -o l.tenon").status == 0);
  folder.write("m.tenon", chooser(2));
  const std::string linear = "eval l.tenon --data regression:rows=20 --confusion ";
  const std::string classes = "eval m.tenon --data classification:rows=20 --confusion ";
  const struct {
    std::string command, code, telling;
    int status;
  } cases[] = {{linear + "c.svg", "T610", "no scores of classes", 2},
               {classes + "c.png", "T610", ".svg or a .csv", 2},
               {classes + "absent/c.svg", "T404", "absent/c.svg", 4},
               {classes + "full.svg", "T404", "No space left", 4}};
  REQUIRE(folder.shell("ln -s /dev/full full.svg").status == 0);
  for (const auto& c : cases) {
    INFO(c.command);
    const Ran ran = folder.tenon(c.command);
    INFO(ran.err);
    CHECK(ran.status == c.status);
    CHECK(ran.err.starts_with("error[" + c.code + "]: "));
    CHECK(contains(ran.err, c.telling));
  }
}

}  // namespace tenon::test
