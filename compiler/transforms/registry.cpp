// The tables of optimizers and schedules, made from the files that the build found.
#include <algorithm>

#include "transforms/optimizer.h"
#include "transforms/schedule.h"

namespace tenon::transforms {

#define X(stem) extern const std::span<const Optimizer> optimizers_##stem;
#include "transforms/optimizers.inc"
#undef X
#define X(stem) extern const std::span<const Schedule> schedules_##stem;
#include "transforms/schedules.inc"
#undef X

namespace {

template <class Row>
struct Table {
  std::vector<const Row*> rows;
  std::vector<std::string_view> names;

  Table(std::initializer_list<std::span<const Row>> families) {
    for (const std::span<const Row> family : families)
      for (const Row& row : family) rows.push_back(&row);
    std::sort(rows.begin(), rows.end(), [](const Row* a, const Row* b) { return a->name < b->name; });
    for (const Row* row : rows) {
      TENON_CHECK(names.empty() || names.back() != row->name, "declared twice: " + std::string(row->name));
      names.push_back(row->name);
    }
  }
  const Row* find(std::string_view name) const {
    const auto at = std::lower_bound(names.begin(), names.end(), name);
    return at == names.end() || *at != name ? nullptr : rows[static_cast<size_t>(at - names.begin())];
  }
};

const Table<Optimizer>& optimizers() {
  static const Table<Optimizer> table{
#define X(stem) optimizers_##stem,
#include "transforms/optimizers.inc"
#undef X
  };
  return table;
}

const Table<Schedule>& schedules() {
  static const Table<Schedule> table{
#define X(stem) schedules_##stem,
#include "transforms/schedules.inc"
#undef X
  };
  return table;
}

}  // namespace

std::span<const Optimizer* const> all_optimizers() { return optimizers().rows; }
std::span<const std::string_view> optimizer_names() { return optimizers().names; }
const Optimizer* find_optimizer(std::string_view name) { return optimizers().find(name); }

std::span<const Schedule* const> all_schedules() { return schedules().rows; }
std::span<const std::string_view> schedule_names() { return schedules().names; }
const Schedule* find_schedule(std::string_view name) { return schedules().find(name); }

}  // namespace tenon::transforms
