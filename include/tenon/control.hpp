// Loops and conditions, whose bodies are written by functions that build them.
#pragma once

#include "tenon/model.hpp"

TENON_NAMESPACE_BEGIN

namespace detail {

struct OpenBody {
  tenon_model* model;
  ~OpenBody() {
    if (model != nullptr) tenon_model_abandon(model);
  }
};

inline std::vector<tenon_value> ids_of(const std::vector<Value>& values) {
  std::vector<tenon_value> ids;
  for (const Value& v : values) ids.push_back(v.id());
  return ids;
}

}  // namespace detail

/// What a loop's body sees in one iteration.
struct Iteration {
  std::vector<Value> carry;  // values carried from one iteration to the next
  std::vector<Value> slice;  // row i of each sequence
  Value index;               // i, an i64 scalar
};
/// What it gives: the next carries, and values to be stacked along a new first dimension.
struct Yield {
  std::vector<Value> next = {};
  std::vector<Value> stack = {};
  /// A bool scalar: the loop ends after the first iteration where it is false. Its number of iterations is
  /// then an upper bound, and rows that no iteration stacked are zero.
  Value go_on = {};
};
struct LoopOptions {
  /// Number of iterations, or their upper bound with Yield::go_on; left out: the sequences' first extent.
  std::optional<Dim> trip = std::nullopt;
  /// From the last row to the first.
  bool reverse = false;
};
struct LoopResult {
  std::vector<Value> last;     // carries
  std::vector<Value> stacked;  // one row an iteration
};

/// Calls `body(Iteration) -> Yield` once, to write the loop's body. Other values it uses are captured.
template <class Body>
LoopResult loop(const std::vector<Value>& first, const std::vector<Value>& sequences, Body&& body,
                const LoopOptions& options = {},
                std::source_location where = std::source_location::current()) {
  LoopResult out;
  detail::ModelCore* core = nullptr;
  for (const std::vector<Value>* list : {&first, &sequences})
    for (const Value& v : *list)
      if (core == nullptr) core = v.core();
  out.last.resize(first.size());
  if (core == nullptr || (core->collect && core->error)) return out;
  tenon_model* model = core->model.get();
  const std::vector<tenon_value> start = detail::ids_of(first), rows = detail::ids_of(sequences);
  std::vector<tenon_value> carry(start.size()), slice(rows.size());
  tenon_value index = TENON_NO_VALUE;
  core->at(where);
  if (!core->pass(detail::checked([&](tenon_error** e) {
        return tenon_model_loop_begin(model, start.data(), static_cast<uint32_t>(start.size()), rows.data(),
                                      static_cast<uint32_t>(rows.size()), carry.data(), slice.data(), &index,
                                      e);
      })))
    return out;
  detail::OpenBody open{model};  // closes the loop also where the body throws
  Iteration iteration;
  for (const tenon_value v : carry) iteration.carry.emplace_back(core, v);
  for (const tenon_value v : slice) iteration.slice.emplace_back(core, v);
  iteration.index = Value(core, index);
  const Yield yield = body(static_cast<const Iteration&>(iteration));
  if (core->collect && core->error) return out;
  std::vector<tenon_value> yields = detail::ids_of(yield.next);
  for (const Value& v : yield.stack) yields.push_back(v.id());
  std::vector<tenon_value> results(yields.size());
  detail::AttributeList attributes;
  if (options.reverse) attributes.add("reverse", true);
  if (options.trip) attributes.add("trip", *options.trip);
  if (yield.go_on) {
    yields.push_back(yield.go_on.id());
    attributes.add("predicate", true);
  }
  core->at(where);
  open.model = nullptr;
  if (!core->pass(detail::checked([&](tenon_error** e) {
        return tenon_model_loop_end(model, yields.data(), static_cast<uint32_t>(yields.size()),
                                    attributes.text.c_str(), results.data(), e);
      })))
    return out;
  for (size_t i = 0; i < results.size(); ++i) {
    if (i < first.size())
      out.last[i] = Value(core, results[i]);
    else
      out.stacked.emplace_back(core, results[i]);
  }
  return out;
}

/// Calls both functions once, to write the branches of a condition; each returns the branch's values, of the
/// same types. Other values they use are captured.
template <class Then, class Else>
std::vector<Value> cond(const Value& predicate, Then&& then, Else&& otherwise,
                        std::source_location where = std::source_location::current()) {
  detail::ModelCore* core = predicate.core();
  if (core == nullptr || (core->collect && core->error)) return {};
  tenon_model* model = core->model.get();
  core->at(where);
  if (!core->pass(
          detail::checked([&](tenon_error** e) { return tenon_model_cond_begin(model, predicate.id(), e); })))
    return {};
  detail::OpenBody open{model};
  const std::vector<Value> yes = then();
  if (core->collect && core->error) return std::vector<Value>(yes.size());
  const std::vector<tenon_value> first = detail::ids_of(yes);
  if (!core->pass(detail::checked([&](tenon_error** e) {
        return tenon_model_cond_else(model, first.data(), static_cast<uint32_t>(first.size()), e);
      })))
    return std::vector<Value>(yes.size());
  const std::vector<Value> no = otherwise();
  std::vector<Value> out(no.size());
  if (core->collect && core->error) return out;
  const std::vector<tenon_value> second = detail::ids_of(no);
  std::vector<tenon_value> results(no.size());
  core->at(where);
  open.model = nullptr;
  if (core->pass(detail::checked([&](tenon_error** e) {
        return tenon_model_cond_end(model, second.data(), static_cast<uint32_t>(second.size()),
                                    results.data(), e);
      })))
    for (size_t i = 0; i < out.size(); ++i) out[i] = Value(core, results[i]);
  return out;
}

TENON_NAMESPACE_END
