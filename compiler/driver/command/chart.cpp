#include "driver/command/chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "driver/command/svg.h"
#include "support/text.h"

namespace tenon::command {

namespace {

using Points = std::vector<std::pair<double, double>>;

constexpr double width = 760, panel_height = 300, plot_height = 230, left = 72, right = 24, above = 34;
constexpr double plot_width = width - left - right;
// Okabe and Ito's colours but for yellow, which white swallows; the darkest first.
constexpr const char* colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                   "#56b4e9", "#e69f00", "#000000"};
constexpr const char* held_out_dashes = "6 4";

// A tick as people write it.
std::string tick_text(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e6) return std::to_string(static_cast<int64_t>(value));
  return support::format_float(value);
}

struct Axis {
  double low = 0, high = 1;
  bool logarithmic = false;
  double of(double v) const { return logarithmic ? std::log10(v) : v; }
  // 0 at low, 1 at high.
  double place(double v) const { return (of(v) - of(low)) / (of(high) - of(low)); }
};

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void add(double v) {
    if (!std::isfinite(v)) return;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  bool empty() const { return low > high; }
};

// A little room above and below, also where all values are equal.
Axis value_axis(const Range& range, bool logarithmic) {
  Axis out{range.low, range.high, logarithmic};
  if (range.empty()) return {logarithmic ? 1.0 : 0.0, logarithmic ? 10.0 : 1.0, logarithmic};
  if (logarithmic) {
    const double room = std::max(std::log10(range.high / range.low) * 0.05, 0.02);
    out.low = std::max(range.low / std::pow(10, room), std::numeric_limits<double>::min());
    out.high = std::min(range.high * std::pow(10, room), std::numeric_limits<double>::max());
    return out;
  }
  double room = (range.high - range.low) * 0.05;
  if (room == 0) room = range.low == 0 ? 1 : std::abs(range.low) * 0.1;
  out.low = std::max(range.low - room, std::numeric_limits<double>::lowest() / 4);
  out.high = std::min(range.high + room, std::numeric_limits<double>::max() / 4);
  // What is never negative is not shown as if it could be.
  if (range.low >= 0 && out.low < 0) out.low = 0;
  return out;
}

// The steps 1, 2 and 5 times a power of ten that cut low..high into `wanted` parts or fewer, but for the
// ends.
std::vector<double> linear_ticks(double low, double high, int wanted) {
  std::vector<double> out;
  if (!(low < high)) return out;
  const double rough = (high - low) / wanted;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough) {
      step = factor * power;
      break;
    }
  const double first = std::ceil(low / step), last = std::floor(high / step);
  // Where the range is so far from 0 that steps are lost in it, there are no ticks to write.
  if (!(last - first < 1000) || first + 1 == first) return out;
  for (double i = first; i <= last; ++i) {
    // A quotient of whole numbers is the decimal that is meant; 3 * 0.1 is not.
    const double value = step < 1 ? i / std::round(1 / step) : i * step;
    out.push_back(value == 0 ? 0 : value);
  }
  return out;
}

// Powers of ten in low..high, and between them 2 and 5 times one where there are few; linear ones where the
// range holds no two.
std::vector<double> logarithmic_ticks(double low, double high) {
  std::vector<double> out;
  const int first = static_cast<int>(std::floor(std::log10(low))),
            last = static_cast<int>(std::ceil(std::log10(high)));
  const int decades = last - first, stride = std::max(1, decades / 8);
  for (int power = first; power <= last; power += stride)
    for (const int factor : {1, 2, 5}) {
      if (factor != 1 && decades > 3) continue;
      // Nothing at the end of the range of f64.
      const auto value = support::parse_double(std::to_string(factor) + "e" + std::to_string(power));
      if (value && *value >= low && *value <= high) out.push_back(*value);
    }
  return out.size() >= 2 ? out : linear_ticks(low, high, 6);
}

// What a line of that many pixels can show: of many points in one column of pixels the outermost, in their
// order.
Points thinned(const Points& points, const Axis& x) {
  constexpr double columns = 2 * plot_width;
  if (static_cast<double>(points.size()) <= 2 * columns) return points;
  Points out;
  for (size_t begin = 0; begin < points.size();) {
    const auto column = static_cast<int64_t>(x.place(points[begin].first) * columns);
    size_t end = begin, low = begin, high = begin;
    for (; end < points.size() && static_cast<int64_t>(x.place(points[end].first) * columns) == column;
         ++end) {
      if (points[end].second < points[low].second) low = end;
      if (points[end].second > points[high].second) high = end;
    }
    out.push_back(points[std::min(low, high)]);
    if (low != high) out.push_back(points[std::max(low, high)]);
    begin = end;
  }
  return out;
}

class Drawing {
 public:
  Drawing(const Chart& chart)
      : chart_(chart), legend_(legend_height()), svg_(width, 16 + legend_ + panel_height * panels()) {
    Range all;
    for (const Panel& panel : chart.panels)
      for (const Curve& curve : panel.curves)
        for (const auto& [x, y] : curve.points) all.add(x);
    x_ = {all.low, all.high, false};
    // A single epoch stands in the middle.
    if (!(all.low < all.high)) x_ = all.empty() ? Axis{} : Axis{all.low - 1, all.high + 1, false};
  }

  std::string draw() {
    legend();
    double top = 16 + legend_;
    for (const Panel& panel : chart_.panels) {
      draw(panel, top);
      top += panel_height;
    }
    return svg_.finish();
  }

 private:
  double panels() const { return static_cast<double>(std::max<size_t>(1, chart_.panels.size())); }
  static std::string colour(size_t source) { return colours[source % std::size(colours)]; }
  bool any(bool held_out) const {
    for (const Panel& panel : chart_.panels)
      for (const Curve& curve : panel.curves)
        if (curve.held_out == held_out) return true;
    return false;
  }
  double legend_height() const {
    return 20 * static_cast<double>(chart_.sources.size()) + (any(true) ? 20 : 0);
  }

  void legend() {
    double y = 24;
    for (size_t i = 0; i < chart_.sources.size(); ++i, y += 20) {
      svg_.line(left, y, left + 28, y, {.stroke = colour(i), .width = 2});
      svg_.text(left + 36, y + 4, chart_.sources[i], {});
    }
    if (!any(true)) return;
    svg_.line(left, y, left + 28, y, {.stroke = "#555555", .width = 2});
    svg_.text(left + 36, y + 4, "training", {});
    svg_.line(left + 120, y, left + 148, y, {.stroke = "#555555", .width = 2, .dashes = held_out_dashes});
    svg_.text(left + 156, y + 4, "held out", {});
  }

  void draw(const Panel& panel, double top) {
    Range range;
    for (const Curve& curve : panel.curves)
      for (const auto& [x, y] : curve.points) range.add(y);
    const Axis values = value_axis(range, panel.logarithmic);
    const double plot_top = top + above, bottom = plot_top + plot_height;
    auto x_at = [&](double x) { return left + x_.place(x) * plot_width; };
    auto y_at = [&](double y) { return bottom - values.place(y) * plot_height; };
    svg_.text(left, plot_top - 10, panel.title, {.size = 14, .bold = true});
    const std::vector<double> ticks = panel.logarithmic ? logarithmic_ticks(values.low, values.high)
                                                        : linear_ticks(values.low, values.high, 6);
    for (const double tick : ticks) {
      svg_.line(left, y_at(tick), left + plot_width, y_at(tick), {.stroke = "#e2e2e2"});
      svg_.text(left - 8, y_at(tick) + 4, tick_text(tick), {.anchor = Svg::Anchor::end});
    }
    for (const double tick : linear_ticks(x_.low, x_.high, 10)) {
      if (tick != std::floor(tick)) continue;
      svg_.line(x_at(tick), bottom, x_at(tick), bottom + 5, {});
      svg_.text(x_at(tick), bottom + 18, tick_text(tick), {.anchor = Svg::Anchor::middle});
    }
    svg_.text(left + plot_width, bottom + 32, chart_.x_title, {.anchor = Svg::Anchor::end});
    for (const Curve& curve : panel.curves) {
      const Svg::Line style{.stroke = colour(curve.source),
                            .width = 1.6,
                            .dashes = curve.held_out ? held_out_dashes : "",
                            .title = chart_.sources[curve.source] + (curve.held_out ? ", held out" : "")};
      // Gaps cut a curve in pieces.
      for (size_t begin = 0; begin < curve.points.size();) {
        Points piece;
        size_t end = begin;
        for (; end < curve.points.size() && std::isfinite(curve.points[end].second); ++end)
          piece.push_back(curve.points[end]);
        piece = thinned(piece, x_);
        for (auto& [x, y] : piece) x = x_at(x), y = y_at(y);
        svg_.curve(piece, style);
        begin = end + 1;
      }
    }
    svg_.line(left, plot_top, left, bottom, {});
    svg_.line(left, bottom, left + plot_width, bottom, {});
  }

  const Chart& chart_;
  double legend_;
  Svg svg_;
  Axis x_;
};

}  // namespace

std::string draw(const Chart& chart) { return Drawing(chart).draw(); }

}  // namespace tenon::command
