// Implementation of the pass manager's templates (see pass.h, which includes this).
#pragma once

#include <algorithm>
#include <optional>
#include <type_traits>

namespace tenon::pass {

template <class Unit>
Result<std::vector<Step<Unit>>> parse_pipeline(std::string_view text,
                                               const std::vector<const Pass<Unit>*>& known) {
  TENON_ASSIGN(std::vector<StepText> steps, parse_steps(text, {known.begin(), known.end()}));
  std::vector<Step<Unit>> out;
  for (StepText& step : steps) {
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const Pass<Unit>* p) { return p->name == step.name; });
    out.emplace_back(*found, std::move(step.options));
  }
  return out;
}

template <class Unit>
Result<std::vector<Record>> run_passes(Unit& unit, const std::vector<Step<Unit>>& steps,
                                       const ManagerOptions<Unit>& options) {
  std::vector<Record> records;
  for (const Step<Unit>& step : steps) {
    const Pass<Unit>* p = step.pass;
    const std::string_view name = p->name;
    const bool off =
        std::find(options.disabled.begin(), options.disabled.end(), name) != options.disabled.end();
    if (!off) {
      // Where a reproducer is asked for, the unit is kept as it was before the pass: it may fail half way.
      std::optional<Unit> before;
      if constexpr (std::is_copy_constructible_v<Unit>)
        if (options.on_failure) before = unit;
      const auto failed = [&] {
        if (options.on_failure) options.on_failure(before ? *before : unit, name);
      };
      const uint64_t hash_before = options.hash ? options.hash(unit) : 0;
      Record& record = records.emplace_back();
      record.pass = std::string(name);
      const auto start = std::chrono::steady_clock::now();
      Result<bool> changed = false;
      try {
        changed = p->run(unit, step.options, record.counts);
      } catch (InternalError& e) {
        // A broken invariant goes on to the public boundary, with the pass and its reproducer named.
        failed();
        e.message = "pass " + std::string(name) + ": " + e.message;
        throw;
      }
      record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (!changed) {
        failed();
        return changed.take_errors();
      }
      record.changed = *changed;
      if (options.hash) {
        const bool differs = options.hash(unit) != hash_before;
        if (differs && !record.changed) {
          failed();
          return error(Code::internal, "pass " + std::string(name) + " changed its unit and says it did not");
        }
        // Saying "changed" without a change costs a round, no more; it is corrected.
        record.changed = differs;
      }
      if (options.verify) {
        if (Status s = options.verify(unit); !s) {
          failed();
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
