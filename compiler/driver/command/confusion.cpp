#include "driver/command/confusion.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "driver/command/svg.h"

namespace tenon::command {

namespace {

std::optional<double> share(int64_t part, int64_t all) {
  if (all == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(all);
}

std::string percent(const std::optional<double>& share) {
  return share ? short_text(100 * *share) + "%" : "-";
}

// A field of csv, in quotes where it has to be.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

}  // namespace

int64_t Confusion::labelled(size_t c) const {
  int64_t sum = 0;
  for (const int64_t n : counts[c]) sum += n;
  return sum;
}
int64_t Confusion::predicted(size_t c) const {
  int64_t sum = 0;
  for (const std::vector<int64_t>& row : counts) sum += row[c];
  return sum;
}
std::optional<double> Confusion::recall(size_t c) const { return share(counts[c][c], labelled(c)); }
std::optional<double> Confusion::precision(size_t c) const { return share(counts[c][c], predicted(c)); }

std::string confusion_text(const Confusion& confusion) {
  std::vector<std::vector<std::string>> rows;
  const size_t n = confusion.size();
  if (n > most_columns) {
    rows.push_back({"label", "rows", "precision", "recall"});
    for (size_t c = 0; c < n; ++c)
      rows.push_back({confusion.name(c), std::to_string(confusion.labelled(c)),
                      percent(confusion.precision(c)), percent(confusion.recall(c))});
    return table(rows);
  }
  rows.push_back({"label"});
  for (size_t c = 0; c < n; ++c) rows[0].push_back(confusion.name(c));
  rows[0].push_back("recall");
  for (size_t label = 0; label < n; ++label) {
    std::vector<std::string> row{confusion.name(label)};
    for (const int64_t count : confusion.counts[label]) row.push_back(std::to_string(count));
    row.push_back(percent(confusion.recall(label)));
    rows.push_back(std::move(row));
  }
  std::vector<std::string> last{"precision"};
  for (size_t c = 0; c < n; ++c) last.push_back(percent(confusion.precision(c)));
  rows.push_back(std::move(last));
  return "labels down, predictions across\n" + table(rows);
}

Json confusion_json(const Confusion& confusion) {
  Json out = Json::array();
  auto number = [](const std::optional<double>& share) { return share ? Json(*share) : Json(); };
  for (size_t c = 0; c < confusion.size(); ++c)
    out.push_back({{"class", confusion.name(c)},
                   {"rows", confusion.labelled(c)},
                   {"precision", number(confusion.precision(c))},
                   {"recall", number(confusion.recall(c))}});
  return out;
}

std::string confusion_csv(const Confusion& confusion) {
  std::string out = "label";
  for (size_t c = 0; c < confusion.size(); ++c) out += "," + field(confusion.name(c));
  out += "\n";
  for (size_t label = 0; label < confusion.size(); ++label) {
    out += field(confusion.name(label));
    for (const int64_t count : confusion.counts[label]) out += "," + std::to_string(count);
    out += "\n";
  }
  return out;
}

std::string confusion_svg(const Confusion& confusion) {
  const size_t n = confusion.size();
  size_t longest = 0;
  for (size_t c = 0; c < n; ++c) longest = std::max(longest, confusion.name(c).size());
  // Cells shrink where there are many; numbers stand in those that are large enough.
  const double cell = std::clamp(640.0 / static_cast<double>(n), 8.0, 64.0);
  const double text = std::clamp(cell * 0.3, 6.0, 13.0);
  const double margin = 48 + 0.62 * text * static_cast<double>(longest), side = cell * static_cast<double>(n);
  Svg svg(margin + side + 24, margin + side + 24);
  svg.text(margin + side / 2, 18, "predictions", {.size = 13, .anchor = Svg::Anchor::middle, .bold = true});
  svg.text(16, margin + side / 2, "labels",
           {.size = 13, .anchor = Svg::Anchor::middle, .bold = true, .turned = true});
  for (size_t label = 0; label < n; ++label) {
    const double middle = cell * (static_cast<double>(label) + 0.5);
    svg.text(margin - 6, margin + middle + text / 3, confusion.name(label),
             {.size = text, .anchor = Svg::Anchor::end});
    svg.text(margin + middle + text / 3, margin - 6, confusion.name(label), {.size = text, .turned = true});
    const int64_t rows = confusion.labelled(label);
    for (size_t c = 0; c < n; ++c) {
      const int64_t count = confusion.counts[label][c];
      const double part = rows == 0 ? 0 : static_cast<double>(count) / static_cast<double>(rows);
      const double x = margin + cell * static_cast<double>(c), y = margin + cell * static_cast<double>(label);
      // White to the blue of the curves.
      auto shade = [&](int full) { return static_cast<int>(255.5 + part * (full - 255)); };
      svg.rectangle(x, y, cell, cell,
                    {.fill = fmt::format("#{:02x}{:02x}{:02x}", shade(0), shade(0x72), shade(0xb2)),
                     .stroke = "#d0d0d0",
                     .title = confusion.name(label) + " taken for " + confusion.name(c) + ": " +
                              std::to_string(count)});
      if (count != 0 && cell >= 24)
        svg.text(x + cell / 2, y + cell / 2 + text / 3, std::to_string(count),
                 {.size = text, .anchor = Svg::Anchor::middle, .fill = part > 0.6 ? "#ffffff" : "#222222"});
    }
  }
  return svg.finish();
}

}  // namespace tenon::command
