#include "lower/schedule_fields.h"

#include "support/text.h"

namespace tenon::lower {
namespace {

using Cut = ContractSchedule::Cut;
using Right = ContractSchedule::Right;
using Blocks = ContractSchedule::Blocks;

// "8 x 2 x 16" as so many numbers.
std::optional<std::vector<int64_t>> numbers(std::string_view text, size_t count) {
  std::vector<int64_t> out;
  for (const std::string_view part : split(text, 'x')) {
    const std::optional<int64_t> n = parse_int(trim(part));
    if (!n) return std::nullopt;
    out.push_back(*n);
  }
  if (out.size() != count) return std::nullopt;
  return out;
}

// "axis 2", or "axis 2 x 8" with a number of its own.
std::optional<std::vector<int64_t>> axis(std::string_view text, size_t numbers_behind) {
  constexpr std::string_view word = "axis ";
  if (!text.starts_with(word)) return std::nullopt;
  auto all = numbers(text.substr(word.size()), 1 + numbers_behind);
  if (!all || (*all)[0] < 0 || (*all)[0] > UINT32_MAX) return std::nullopt;
  return all;
}
std::string axis_text(uint32_t a) { return "axis " + std::to_string(a); }

template <class S, class Get>
ScheduleField number_field(std::string_view name, Get get) {
  return {name, [get](const Schedule& s) { return std::to_string(get(std::get<S>(s))); },
          [get](std::string_view text, Schedule* s) -> std::string {
            const std::optional<int64_t> n = parse_int(text);
            if (!n) return "a number";
            get(std::get<S>(*s)) = *n;
            return {};
          }};
}

// A field of few words, each of which is a value.
template <class S, class T, class Get>
ScheduleField word_field(std::string_view name, std::vector<std::pair<std::string_view, T>> words, Get get) {
  return {name,
          [=](const Schedule& s) -> std::string {
            for (const auto& [word, value] : words)
              if (get(std::get<S>(s)) == value) return std::string(word);
            return {};
          },
          [=](std::string_view text, Schedule* s) -> std::string {
            std::string all;
            for (const auto& [word, value] : words) {
              if (word == text) {
                get(std::get<S>(*s)) = value;
                return {};
              }
              all += (all.empty() ? "" : ", ") + std::string(word);
            }
            return "one of " + all;
          }};
}

std::vector<ScheduleField> pointwise_fields() {
  using S = PointwiseSchedule;
  ScheduleField exchange{"exchange",
                         [](const Schedule& s) {
                           const S& p = std::get<S>(s);
                           return p.exchanged.empty() ? std::string("none") : axis_text(p.along);
                         },
                         [](std::string_view text, Schedule* s) -> std::string {
                           S& p = std::get<S>(*s);
                           if (text == "none") {
                             p.exchanged.clear();
                             return {};
                           }
                           const auto a = axis(text, 0);
                           // Which loads run along the axis is found, not said.
                           if (!a || p.exchanged.empty() || p.along != (*a)[0])
                             return p.exchanged.empty() ? "none" : "none or " + axis_text(p.along);
                           return {};
                         }};
  return {number_field<S>("lanes", [](auto& s) -> auto& { return s.width; }), std::move(exchange)};
}

// A field that is a word, or an axis and a number of its own; `none`: the number that stands for the word.
template <class Axis, class Number>
ScheduleField axis_field(std::string_view name, std::string_view word, std::string_view takes, int64_t none,
                         Axis axis_of, Number number_of) {
  using S = ReduceSchedule;
  return {name,
          [=](const Schedule& s) {
            const S& r = std::get<S>(s);
            return axis_of(r) ? axis_text(*axis_of(r)) + " x " + std::to_string(number_of(r))
                              : std::string(word);
          },
          [=](std::string_view text, Schedule* s) -> std::string {
            S& r = std::get<S>(*s);
            const auto a = axis(text, 1);
            if (!a && text != word) return std::string(takes);
            axis_of(r).reset();
            number_of(r) = none;
            if (!a) return {};
            axis_of(r) = static_cast<uint32_t>((*a)[0]);
            number_of(r) = (*a)[1];
            return {};
          }};
}

std::vector<ScheduleField> reduce_fields() {
  return {axis_field(
              "lanes", "reduced", "\"reduced\", or a kept axis: \"axis 0 x 16\"", 0,
              [](auto& r) -> auto& { return r.lane_axis; }, [](auto& r) -> auto& { return r.width; }),
          axis_field(
              "tile", "none", "\"none\", or the last kept axis: \"axis 1 x 4\"", 1,
              [](auto& r) -> auto& { return r.tile_axis; }, [](auto& r) -> auto& { return r.tile; })};
}

std::vector<ScheduleField> contract_fields() {
  using S = ContractSchedule;
  ScheduleField tile{"tile",
                     [](const Schedule& s) {
                       const S& c = std::get<S>(s);
                       return std::to_string(c.tile_rows) + " x " + std::to_string(c.vectors) + " x " +
                              std::to_string(c.lanes);
                     },
                     [](std::string_view text, Schedule* s) -> std::string {
                       const auto n = numbers(text, 3);
                       if (!n) return "rows x vectors x lanes: \"8 x 2 x 8\"";
                       S& c = std::get<S>(*s);
                       c.tile_rows = (*n)[0];
                       c.vectors = (*n)[1];
                       c.lanes = (*n)[2];
                       return {};
                     }};
  auto flag = [](std::string_view name, std::string_view off, std::string_view on, auto get) {
    return word_field<S, bool>(name, {{off, false}, {on, true}}, get);
  };
  return {
      word_field<S, Cut>(
          "cut", {{"outer", Cut::outer}, {"rows", Cut::rows}, {"columns", Cut::columns}, {"both", Cut::both}},
          [](auto& s) -> auto& { return s.cut; }),
      word_field<S, Right>(
          "right", {{"in_place", Right::in_place}, {"copied", Right::copied}, {"constant", Right::constant}},
          [](auto& s) -> auto& { return s.right; }),
      flag("left", "in_place", "copied", [](auto& s) -> auto& { return s.left_copied; }),
      word_field<S, Blocks>("blocks",
                            {{"one", Blocks::one},
                             {"outer", Blocks::outer},
                             {"inner", Blocks::inner},
                             {"side_by_side", Blocks::side_by_side}},
                            [](auto& s) -> auto& { return s.blocks; }),
      std::move(tile),
      number_field<S>("edge", [](auto& s) -> auto& { return s.edge; }),
      flag("epilogue", "inside", "apart", [](auto& s) -> auto& { return s.epilogue_apart; }),
      flag("prefetch_result", "no", "yes", [](auto& s) -> auto& { return s.prefetch_result; }),
      flag("prefetch_panel", "no", "yes", [](auto& s) -> auto& { return s.prefetch_panel; }),
      flag("rows_first", "no", "yes", [](auto& s) -> auto& { return s.rows_first; }),
      number_field<S>("rows_ahead", [](auto& s) -> auto& { return s.rows_ahead; }),
  };
}

}  // namespace

const std::vector<ScheduleField>& schedule_fields(const Schedule& schedule) {
  static const std::vector<ScheduleField> none, pointwise = pointwise_fields(), reduce = reduce_fields(),
                                                contract = contract_fields();
  if (std::holds_alternative<PointwiseSchedule>(schedule)) return pointwise;
  if (std::holds_alternative<ReduceSchedule>(schedule)) return reduce;
  if (std::holds_alternative<ContractSchedule>(schedule)) return contract;
  return none;
}

}  // namespace tenon::lower
