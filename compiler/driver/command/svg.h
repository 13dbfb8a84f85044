// Svg: a drawing as it is written, element by element. Numbers do not depend on the locale, and texts are
// made safe: what is no UTF-8, or no character of XML, becomes U+FFFD.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tenon::command {

class Svg {
 public:
  enum class Anchor { start, middle, end };
  struct Text {
    double size = 12;
    Anchor anchor = Anchor::start;
    bool bold = false, turned = false;  // turned: upwards
    std::string fill = "#222222";
  };
  struct Area {
    std::string fill = "none", stroke = "none", title = {};
  };
  struct Line {
    std::string stroke = "#222222";
    double width = 1;
    std::string dashes = {};  // "5 3"; empty: solid
    std::string title = {};
  };

  Svg(double width, double height);
  void text(double x, double y, std::string_view text, const Text& style);
  void rectangle(double x, double y, double width, double height, const Area& style);
  void line(double x1, double y1, double x2, double y2, const Line& style);
  // Through the points; a single one is a dot.
  void curve(const std::vector<std::pair<double, double>>& points, const Line& style);
  std::string finish() { return std::move(out_) + "</svg>\n"; }

 private:
  std::string out_;
};

}  // namespace tenon::command
