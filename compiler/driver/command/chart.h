// Charts of curves as a drawing: one panel below the other, each with axes, ticks, a grid and what it shows,
// and one legend for all. Curves of one source share a colour, told apart from others' also by those who see
// few colours; their kinds (training, held out) differ by dashes.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tenon::command {

struct Curve {
  size_t source = 0;                              // position of its name in Chart::sources
  bool held_out = false;                          // dashed
  std::vector<std::pair<double, double>> points;  // by x, rising; a y that is not finite is a gap
};
struct Panel {
  std::string title;
  bool logarithmic = false;  // of y: all are above 0
  std::vector<Curve> curves;
};
struct Chart {
  std::string x_title;  // x are whole numbers
  std::vector<std::string> sources;
  std::vector<Panel> panels;
};

std::string draw(const Chart& chart);

}  // namespace tenon::command
