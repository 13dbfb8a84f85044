#include "driver/command/difference.h"

#include <algorithm>
#include <vector>

namespace tenon::command {
namespace {

using Lines = std::vector<std::string_view>;

constexpr int max_changes = 2000;

Lines lines_of(std::string_view text) {
  Lines out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

// A line without the blanks that align it with its neighbours.
std::string squeezed(std::string_view line) {
  std::string out;
  for (const char c : line)
    if (c != ' ' || out.empty() || out.back() != ' ') out += c;
  return out;
}

struct Edit {
  char kind;  // ' ' stayed, '-' went, '+' came
  std::string_view line;
};

// Frontiers of the search: for D changes, the furthest line of `a` reached on each diagonal -D, -D + 2 .. D.
std::vector<Edit> shortest(const Lines& a, const Lines& b) {
  const int n = static_cast<int>(a.size()), m = static_cast<int>(b.size());
  std::vector<std::string> left, right;  // what is compared
  for (const std::string_view line : a) left.push_back(squeezed(line));
  for (const std::string_view line : b) right.push_back(squeezed(line));
  std::vector<std::vector<int>> trace;
  std::vector<int> reach(static_cast<size_t>(2 * max_changes) + 3, 0);
  constexpr int zero = max_changes + 1;
  auto whole = [&] {
    std::vector<Edit> out;
    for (const std::string_view line : a) out.push_back({'-', line});
    for (const std::string_view line : b) out.push_back({'+', line});
    return out;
  };
  int changes = -1;
  for (int d = 0; d <= std::min(max_changes, n + m) && changes < 0; ++d) {
    trace.emplace_back(reach.begin() + zero - d - 1, reach.begin() + zero + d + 2);
    for (int k = -d; k <= d; k += 2) {
      const bool down = k == -d || (k != d && reach[zero + k - 1] < reach[zero + k + 1]);
      int x = down ? reach[zero + k + 1] : reach[zero + k - 1] + 1;
      while (x < n && x - k < m && left[x] == right[x - k]) ++x;
      reach[zero + k] = x;
      if (x >= n && x - k >= m) changes = d;
    }
  }
  if (changes < 0) return whole();
  std::vector<Edit> out;
  int x = n, y = m;
  for (int d = changes; d > 0; --d) {
    const std::vector<int>& row = trace[static_cast<size_t>(d)];
    auto at = [&](int k) { return row[static_cast<size_t>(k + d + 1)]; };
    const int k = x - y;
    const bool down = k == -d || (k != d && at(k - 1) < at(k + 1));
    const int from = down ? k + 1 : k - 1, before_x = at(from), before_y = before_x - from;
    // One change leads from there to where the run of equal lines begins.
    for (const int begin = down ? before_x : before_x + 1; x > begin; --x, --y)
      out.push_back({' ', b[y - 1]});
    out.push_back(down ? Edit{'+', b[before_y]} : Edit{'-', a[before_x]});
    x = before_x;
    y = before_y;
  }
  for (; x > 0; --x) out.push_back({' ', b[x - 1]});
  std::reverse(out.begin(), out.end());
  return out;
}

// The line that opens a function or a kernel.
bool opens(std::string_view line) {
  return !line.empty() && line.front() != ' ' && line.front() != '}' && line.ends_with("{");
}

}  // namespace

std::string difference(std::string_view before, std::string_view after) {
  if (before == after) return {};
  const std::vector<Edit> script = shortest(lines_of(before), lines_of(after));
  std::string out;
  std::string_view function, told;
  size_t shown = 0;  // edits below it are printed
  auto print = [&](const Edit& edit) {
    out += edit.kind;
    out += ' ';
    out += edit.line;
    out += '\n';
  };
  for (size_t i = 0; i < script.size(); ++i) {
    if (opens(script[i].line)) function = script[i].line;
    const bool change = script[i].kind != ' ';
    const bool next = i + 1 < script.size() && script[i + 1].kind != ' ';
    const bool last = i > 0 && script[i - 1].kind != ' ';
    if (!change && !next && !last) continue;
    if (i > shown) out += "  ...\n";
    if (function != told && script[i].line != function) print({' ', function});
    told = function;
    print(script[i]);
    shown = i + 1;
  }
  return out;
}

}  // namespace tenon::command
