// Implementation of the pass manager's templates (see pass.h, which includes this).
#pragma once

#include <algorithm>

#include "support/text.h"

namespace tenon::pass {

template <class Unit>
Result<std::vector<const Pass<Unit>*>> parse_pipeline(std::string_view text,
                                                      const std::vector<const Pass<Unit>*>& known) {
  std::vector<std::string_view> names;
  for (const Pass<Unit>* p : known) names.push_back(p->name);
  std::vector<const Pass<Unit>*> out;
  Errors errors;
  if (trim(text).empty()) return out;
  for (std::string_view part : split(text, ',')) {
    const std::string_view word = trim(part);
    const auto at = std::find(names.begin(), names.end(), word);
    if (at != names.end()) {
      out.push_back(known[static_cast<size_t>(at - names.begin())]);
      continue;
    }
    const std::string_view near = nearest(word, names);
    std::string all;
    for (std::string_view n : names) all += (all.empty() ? "" : ", ") + std::string(n);
    errors.append(
        error(Code::pass_unknown,
              word.empty() ? "a pipeline has an empty entry" : "no pass is named " + std::string(word),
              near.empty() ? "passes: " + all : "did you mean " + std::string(near) + "?"));
  }
  if (!errors.empty()) return errors;
  return out;
}

template <class Unit>
Result<std::vector<Record>> run_passes(Unit& unit, const std::vector<const Pass<Unit>*>& passes,
                                       const ManagerOptions<Unit>& options) {
  std::vector<Record> records;
  // Where a reproducer is asked for, the unit is kept as it was before the pass: it may fail half way.
  const auto failed = [&](const Unit& before, const Pass<Unit>& p) {
    if (options.on_failure) options.on_failure(before, p.name);
  };
  for (const Pass<Unit>* p : passes) {
    const std::string_view name = p->name;
    const bool off =
        std::find(options.disabled.begin(), options.disabled.end(), name) != options.disabled.end();
    if (!off) {
      Unit before = options.on_failure ? unit : Unit{};
      const uint64_t hash_before = options.hash ? options.hash(unit) : 0;
      Record& record = records.emplace_back();
      record.pass = std::string(name);
      const auto start = std::chrono::steady_clock::now();
      Result<bool> changed = false;
      try {
        changed = p->run(unit, record.counts);
      } catch (InternalError& e) {
        // A broken invariant goes on to the public boundary, with the pass and its reproducer named.
        failed(before, *p);
        e.message = "pass " + std::string(name) + ": " + e.message;
        throw;
      }
      record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (!changed) {
        failed(before, *p);
        return changed.take_errors();
      }
      record.changed = *changed;
      if (options.hash) {
        const bool differs = options.hash(unit) != hash_before;
        if (differs && !record.changed) {
          failed(before, *p);
          return error(Code::internal, "pass " + std::string(name) + " changed its unit and says it did not");
        }
        // Saying "changed" without a change costs a round, no more; it is corrected.
        record.changed = differs;
      }
      if (options.verify) {
        if (Status s = options.verify(unit); !s) {
          failed(before, *p);
          Errors errors =
              error(Code::internal, "pass " + std::string(name) + " left a unit that does not verify");
          errors.append(s.take_errors());
          return errors;
        }
      }
      if (options.after) options.after(unit, record);
    }
    if (name == options.stop_after) break;
  }
  return records;
}

}  // namespace tenon::pass
