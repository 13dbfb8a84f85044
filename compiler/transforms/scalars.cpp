#include "transforms/scalars.h"

#include "transforms/schedule.h"

namespace tenon::transforms {

V Scalars::word(const std::string& word, DType dtype) {
  ir::Builder& b = graph_.builder();
  auto [at, fresh] = words_.try_emplace({word, dtype});
  if (fresh) {
    if (const std::optional<Number> literal = Number::parse(word)) {
      at->second = b.constant(dtype, *literal);
    } else {
      graph_.make_way(word);
      at->second = ops::cast(graph_.entry(word), dtype).id;
    }
  }
  return {&b, at->second};
}

V Scalars::value(const ir::Option& option, DType dtype) {
  if (option.group.empty()) return word(option.word, dtype);
  ir::Builder& b = graph_.builder();
  auto [exact, fresh] = schedules_.try_emplace(&option);
  if (fresh) {
    const V count = ops::cast(graph_.count(), DType::f64);
    exact->second = schedule_value(*find_schedule(option.word), option.group, count, *this).id;
  }
  auto [at, uncast] = cast_.try_emplace({&option, dtype});
  if (uncast) at->second = ops::cast({&b, exact->second}, dtype).id;
  return {&b, at->second};
}

}  // namespace tenon::transforms
