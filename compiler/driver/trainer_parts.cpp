// Entries as the trainer sees them.
#include "driver/trainer_parts.h"
#include "support/text.h"

namespace tenon::driver {

double element(const Array& a, int64_t i) {
  double out = 0;
  with_dtype(a.dtype(), [&]<class T>() { out = static_cast<double>(a.as<T>()[static_cast<size_t>(i)]); });
  return out;
}

bool is_step(const EntryInfo& e) {
  return e.interface->writes_state && !e.interface->loops && e.interface->name != "init";
}

RowCount row_count(const EntryInfo& e) {
  RowCount out;
  for (const ir::Type& t : e.inputs) {
    if (t.is_scalar()) continue;
    if (const auto symbol = t.shape[0].as_symbol()) return {*symbol, 0};
    if (!t.shape[0].is_constant()) return {};
    const int64_t rows = t.shape[0].constant();
    if (out.fixed != 0 && out.fixed != rows) return {};
    out.fixed = rows;
  }
  return out;
}

Status check_whole_batches(const EntryInfo& e, int64_t rows) {
  const int64_t fixed = row_count(e).fixed;
  if (fixed <= 0 || rows % fixed == 0) return Ok{};
  const int64_t whole = rows - rows % fixed;
  return error(
      Code::bad_option,
      e.interface->name + " takes " + std::to_string(fixed) + " rows a call, and " + std::to_string(rows) +
          " rows leave a last batch of " + std::to_string(rows % fixed),
      whole == 0 ? "leave the batch dimension unbound"
                 : "leave the batch dimension unbound, or give the first " + std::to_string(whole) + " rows");
}

Result<const EntryInfo*> find_step(const Program& program, const std::string& name) {
  std::vector<std::string_view> steps;
  const EntryInfo* only = nullptr;
  for (const EntryInfo& e : program.entries()) {
    if (!is_step(e)) continue;
    steps.push_back(e.interface->name);
    only = &e;
  }
  const std::string wanted = name.empty() ? "train" : name;
  if (const EntryInfo* e = program.find(wanted); e != nullptr && is_step(*e)) return e;
  if (name.empty() && steps.size() == 1) return only;
  std::string all;
  for (std::string_view s : steps) all += (all.empty() ? "" : ", ") + std::string(s);
  return error(Code::undefined_name,
               name.empty() ? "the program has several steps, none named train" : "no step is named " + name,
               all.empty() ? "the program has no step: derive one" : "steps: " + all);
}

const EntryInfo* find_loss(const Program& program, const EntryInfo& step) {
  const std::string& origin = step.interface->origin;
  if (origin.starts_with("step(") && origin.ends_with(")"))
    if (const EntryInfo* e = program.find(std::string_view(origin).substr(5, origin.size() - 6))) return e;
  return program.find("loss");
}

}  // namespace tenon::driver
