#include "driver/command/svg.h"

#include <fmt/format.h>

#include "runtime/json.h"

namespace tenon::command {

namespace {

std::string escaped(std::string_view text) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    const auto c = static_cast<unsigned char>(text[at]);
    // The shortest sequence that is a character; none: the byte stands for itself.
    size_t n = 1;
    while (n <= 4 && at + n <= text.size() && !runtime::valid_utf8(text.substr(at, n))) ++n;
    if (n > 4 || at + n > text.size() || (c < 0x20 && c != '\t') || c == 0x7f) {
      out += "\xEF\xBF\xBD";
      n = 1;
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += text.substr(at, n);
    }
    at += n;
  }
  return out;
}

std::string line_style(const Svg::Line& style) {
  return fmt::format(R"(fill="none" stroke="{}" stroke-width="{:.2f}"{})", style.stroke, style.width,
                     style.dashes.empty() ? "" : fmt::format(R"( stroke-dasharray="{}")", style.dashes));
}

std::string close(std::string_view element, std::string_view title) {
  return title.empty() ? "/>\n" : fmt::format("><title>{}</title></{}>\n", escaped(title), element);
}

}  // namespace

Svg::Svg(double width, double height)
    : out_(fmt::format(R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}" )"
                       R"(viewBox="0 0 {0:.0f} {1:.0f}" font-family="sans-serif">)"
                       "\n",
                       width, height)) {
  rectangle(0, 0, width, height, {.fill = "#ffffff"});
}

void Svg::text(double x, double y, std::string_view text, const Text& style) {
  static constexpr std::string_view anchors[] = {"start", "middle", "end"};
  out_ += fmt::format(
      R"(<text x="{:.2f}" y="{:.2f}" font-size="{:.1f}" text-anchor="{}" fill="{}"{}{}>{}</text>)"
      "\n",
      x, y, style.size, anchors[static_cast<size_t>(style.anchor)], style.fill,
      style.bold ? R"( font-weight="bold")" : "",
      style.turned ? fmt::format(R"x( transform="rotate(-90 {:.2f} {:.2f})")x", x, y) : "", escaped(text));
}

void Svg::rectangle(double x, double y, double width, double height, const Area& style) {
  out_ += fmt::format(R"(<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" fill="{}" stroke="{}")",
                      x, y, width, height, style.fill, style.stroke) +
          close("rect", style.title);
}

void Svg::line(double x1, double y1, double x2, double y2, const Line& style) {
  out_ += fmt::format(R"(<line x1="{:.2f}" y1="{:.2f}" x2="{:.2f}" y2="{:.2f}" {})", x1, y1, x2, y2,
                      line_style(style)) +
          close("line", style.title);
}

void Svg::curve(const std::vector<std::pair<double, double>>& points, const Line& style) {
  if (points.empty()) return;
  if (points.size() == 1) {
    out_ += fmt::format(R"(<circle cx="{:.2f}" cy="{:.2f}" r="3" fill="{}")", points[0].first,
                        points[0].second, style.stroke) +
            close("circle", style.title);
    return;
  }
  std::string path;
  for (const auto& [x, y] : points) path += fmt::format("{}{:.2f},{:.2f}", path.empty() ? "" : " ", x, y);
  out_ += fmt::format(R"(<polyline points="{}" {} stroke-linejoin="round")", path, line_style(style)) +
          close("polyline", style.title);
}

}  // namespace tenon::command
