// Entries as the trainer sees them.
#include "driver/train/parts.h"
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

namespace {

// What a step was derived from is none, though it may write what the step writes besides.
bool is_source(const Program& program, const EntryInfo& e) {
  for (const EntryInfo& other : program.entries()) {
    const ir::Origin& origin = other.interface->origin;
    if (origin.role == ir::Role::step && origin.source == e.interface->name) return true;
  }
  return false;
}

}  // namespace

RowCount row_count(const EntryInfo& e) {
  RowCount out;
  for (size_t i = 0; i < e.inputs.size(); ++i) {
    for (const uint32_t axis : e.cuts[i]) {
      const ir::Dim& extent = e.inputs[i].shape[axis];
      if (!extent.is_constant())
        return e.interface->batch.empty() ? RowCount{} : RowCount{e.interface->batch, 0};
      const int64_t rows = extent.constant();
      if (out.fixed != 0 && out.fixed != rows) return {};
      out.fixed = rows;
    }
  }
  return out;
}

std::optional<int64_t> fitting_batch(int64_t rows, int64_t batch, int64_t low, int64_t high) {
  auto fits = [&](int64_t b) {
    if (b < std::max<int64_t>(1, low) || b > high) return false;
    const int64_t last = rows < b ? rows : rows % b;
    return last == 0 || last >= low;
  };
  for (int64_t away = 0; away <= std::max(rows, batch); ++away) {
    if (fits(batch - away)) return batch - away;
    if (fits(batch + away)) return batch + away;
  }
  return std::nullopt;
}

Status check_batches(const EntryInfo& e, int64_t rows, int64_t batch) {
  const RowCount count = row_count(e);
  const std::string& name = e.interface->name;
  if (count.fixed > 0) {
    const int64_t fixed = count.fixed;
    if (rows % fixed == 0) return Ok{};
    const int64_t whole = rows - rows % fixed;
    return error(Code::bad_option,
                 name + " takes " + std::to_string(fixed) + " rows a call, and " + std::to_string(rows) +
                     " rows leave a last batch of " + std::to_string(rows % fixed),
                 whole == 0 ? "leave the batch dimension unbound"
                            : "leave the batch dimension unbound, or give the first " +
                                  std::to_string(whole) + " rows");
  }
  for (const kernel::DimSlot& d : e.interface->dims) {
    if (d.name != count.dim) continue;
    const int64_t last = rows < batch ? rows : rows % batch;
    if (batch < d.low || batch > d.high || last == 0 || last >= d.low) continue;
    std::string help = "dim " + d.name + " = 1.." + std::to_string(d.high) + " takes batches of any size";
    if (const std::optional<int64_t> other = fitting_batch(rows, batch, d.low, d.high))
      help = "batch " + std::to_string(*other) + "; " + help;
    return error(Code::size_range,
                 name + " takes " + std::to_string(d.low) + " to " + std::to_string(d.high) +
                     " rows a call, and " + std::to_string(rows) + " rows in batches of " +
                     std::to_string(batch) + (rows < batch ? " are one of " : " leave a last one of ") +
                     std::to_string(last),
                 help);
  }
  return Ok{};
}

Result<const EntryInfo*> find_step(const Program& program, const std::string& name) {
  std::vector<std::string_view> steps;
  const EntryInfo* only = nullptr;
  for (const EntryInfo& e : program.entries()) {
    if (!is_step(e) || is_source(program, e)) continue;
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
  const ir::Origin& origin = step.interface->origin;
  if (origin.role == ir::Role::step)
    if (const EntryInfo* e = program.find(origin.source)) return e;
  return program.find("loss");
}

}  // namespace tenon::driver
