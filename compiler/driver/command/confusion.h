// Which classes are taken for which: counts of labels and predictions, what follows from them, and how they
// are shown.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "driver/command/context.h"

namespace tenon::command {

struct Confusion {
  std::vector<std::vector<int64_t>> counts;  // [label][prediction]
  std::vector<std::string> classes;          // names; empty: numbers

  size_t size() const { return counts.size(); }
  std::string name(size_t c) const { return classes.empty() ? std::to_string(c) : classes[c]; }
  int64_t labelled(size_t c) const;   // rows with this label
  int64_t predicted(size_t c) const;  // rows taken for it
  // Of the rows with the label, the share taken for it; of the rows taken for it, the share with the label.
  // Nothing where there are no such rows.
  std::optional<double> recall(size_t c) const;
  std::optional<double> precision(size_t c) const;
};

// Labels down, predictions across, with recall at the right and precision below; a line for each class where
// there are more than `most_columns`.
inline constexpr size_t most_columns = 20;
std::string confusion_text(const Confusion& confusion);
// Arrays of "class", "rows", "precision", "recall" (null: none).
Json confusion_json(const Confusion& confusion);
// The counts with names in the first line and column, and as a drawing: shades by the share of a label's
// rows.
std::string confusion_csv(const Confusion& confusion);
std::string confusion_svg(const Confusion& confusion);

}  // namespace tenon::command
