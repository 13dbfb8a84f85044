// The fields of schedules as text, each with how it is read back: printer and parser share this table.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lower/schedule.h"

namespace tenon::lower {

// One field of a schedule. `read` changes the schedule, and returns what it takes where the text is not one
// of that; empty: it was read.
struct ScheduleField {
  std::string_view name;
  std::function<std::string(const Schedule&)> text;
  std::function<std::string(std::string_view, Schedule*)> read;
};
// Those of the schedule's kind, in the order in which they are printed; none for groups without a schedule.
const std::vector<ScheduleField>& schedule_fields(const Schedule& schedule);

}  // namespace tenon::lower
