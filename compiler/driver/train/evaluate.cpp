// evaluate: loss, metrics and confusion over all rows of a data set.
#include <algorithm>

#include "driver/train/parts.h"

namespace tenon::driver {

using runtime::Column;
using runtime::DataSet;

namespace {

// Runs an entry over all rows; visit(outputs, rows, batch) sees each batch.
template <class F>
Status over_batches(Session& session, const EntryInfo& entry, const DataSet& data, int64_t batch, F&& visit) {
  TENON_ASSIGN(const DataSet rows, prepare_data(entry, data));
  const RowCount count = row_count(entry);
  if (count.fixed > 0) batch = count.fixed;
  for (const kernel::DimSlot& d : entry.interface->dims)
    if (d.name == count.dim)
      batch = fitting_batch(rows.rows(), std::min(batch, d.high), d.low, d.high).value_or(batch);
  if (batch < 1) batch = 1;
  TENON_TRY(check_batches(entry, rows.rows(), batch));
  TENON_ASSIGN(const runtime::Batches batches, rows.batches(batch));
  for (int64_t i = 0; i < batches.count(); ++i) {
    const runtime::Batch b = batches.at(i);
    std::vector<const Array*> inputs;
    for (const Column& c : b.data.columns()) inputs.push_back(c.array.get());
    Result<std::vector<Array>> out = session.run(entry.interface->name, inputs);
    if (!out) return out.take_errors();
    visit(*out, b);
  }
  return Ok{};
}

bool feeds(const EntryInfo& entry, const EntryInfo& like) {
  for (const std::string& name : entry.input_names)
    if (std::find(like.input_names.begin(), like.input_names.end(), name) == like.input_names.end())
      return false;
  return !entry.inputs.empty();
}

bool returns_one_float(const EntryInfo& e) {
  return !e.interface->writes_state && e.outputs.size() == 1 && e.outputs[0].is_scalar() &&
         is_float(e.outputs[0].dtype);
}

}  // namespace

Result<Evaluation> evaluate(Session& session, const DataSet& data, const EvaluateOptions& options) {
  const Program& program = *session.program();
  const EntryInfo* step = nullptr;
  // A step that is named has to be there; without a name a program may do without any.
  if (Result<const EntryInfo*> found = find_step(program, options.step); found) {
    step = *found;
  } else if (!options.step.empty()) {
    return found.take_errors();
  }
  const EntryInfo* loss = step != nullptr ? find_loss(program, *step) : program.find("loss");
  if (loss == nullptr)
    return error(Code::undefined_name, "the program has no function that computes the loss",
                 "compile the function that the step was derived from as well");
  Evaluation out;
  double sum = 0;
  Status status = over_batches(session, *loss, data, options.batch,
                               [&](const std::vector<Array>& results, const runtime::Batch& b) {
                                 sum += element(results[0], 0) * static_cast<double>(b.data.rows());
                                 out.rows += b.data.rows();
                               });
  if (!status) return explain_rows(session, *loss, data, status.take_errors());
  out.loss = sum / static_cast<double>(out.rows);
  for (const EntryInfo& e : program.entries()) {
    if (&e == loss || !returns_one_float(e) || !feeds(e, *loss)) continue;
    bool is_loss = false;  // of another step
    for (const EntryInfo& other : program.entries())
      is_loss = is_loss || (is_step(other) && find_loss(program, other) == &e);
    if (is_loss) continue;
    double total = 0;
    Status measured = over_batches(session, e, data, options.batch,
                                   [&](const std::vector<Array>& results, const runtime::Batch& b) {
                                     total += element(results[0], 0) * static_cast<double>(b.data.rows());
                                   });
    if (!measured) return explain_rows(session, e, data, measured.take_errors());
    out.metrics.emplace_back(e.interface->name, total / static_cast<double>(out.rows));
  }
  if (!options.confusion) return out;
  // Classes: an entry that returns one row of scores a row, and an input of labels beside it.
  const EntryInfo* scores = nullptr;
  for (const EntryInfo& e : program.entries()) {
    if (e.interface->writes_state || e.outputs.empty() || !feeds(e, *loss)) continue;
    const ir::Type& t = e.outputs[0];
    if (t.rank() == 2 && is_float(t.dtype) && t.shape[1].is_constant() && t.shape[1].constant() > 1 &&
        (scores == nullptr || e.interface->name == "predict"))
      scores = &e;
  }
  size_t label = loss->inputs.size();
  for (size_t i = 0; i < loss->inputs.size(); ++i)
    if (is_int(loss->inputs[i].dtype) && loss->inputs[i].rank() == 1) label = i;
  if (scores == nullptr || label == loss->inputs.size()) return out;
  TENON_ASSIGN(const DataSet prepared, prepare_data(*loss, data));
  const Array& labels = *prepared.columns()[label].array;
  const auto classes = static_cast<size_t>(scores->outputs[0].shape[1].constant());
  out.confusion.assign(classes, std::vector<int64_t>(classes, 0));
  int64_t row = 0;
  TENON_TRY(over_batches(session, *scores, data, options.batch,
                         [&](const std::vector<Array>& results, const runtime::Batch& b) {
                           for (int64_t r = 0; r < b.data.rows(); ++r, ++row) {
                             size_t best = 0;
                             const int64_t first = r * static_cast<int64_t>(classes);
                             for (size_t c = 1; c < classes; ++c)
                               if (element(results[0], first + static_cast<int64_t>(c)) >
                                   element(results[0], first + static_cast<int64_t>(best)))
                                 best = c;
                             const double truth = element(labels, row);
                             if (truth >= 0 && truth < static_cast<double>(classes))
                               ++out.confusion[static_cast<size_t>(truth)][best];
                           }
                         }));
  return out;
}

}  // namespace tenon::driver
