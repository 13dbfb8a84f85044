// evaluate: loss, metrics and confusion over all rows of a data set.
#include <algorithm>

#include "driver/train/feed.h"
#include "driver/train/parts.h"

namespace tenon::driver {

using runtime::Column;
using runtime::DataSet;

namespace {

// Runs an entry over all rows, in their order; visit(outputs, batch) sees each batch.
template <class F>
Status over_batches(Session& session, const EntryInfo& entry, const runtime::Source& data,
                    const EvaluateOptions& options, F&& visit) {
  TENON_ASSIGN(Feed feed, Feed::make(entry, data, options.memory));
  const int64_t rows = feed.rows();
  const RowCount count = row_count(entry);
  int64_t batch = options.batch;
  if (count.fixed > 0) batch = count.fixed;
  for (const kernel::DimSlot& d : entry.interface->dims)
    if (d.name == count.dim)
      batch = fitting_batch(rows, std::min(batch, d.high), d.low, d.high).value_or(batch);
  if (batch < 1) batch = 1;
  TENON_TRY(check_batches(entry, rows, batch));
  feed.begin(runtime::row_order(rows, {}), batch);
  for (int64_t begin = 0; begin < rows; begin += batch) {
    TENON_ASSIGN(const DataSet b, feed.next());
    std::vector<const Array*> inputs;
    for (const Column& c : b.columns()) inputs.push_back(c.array.get());
    Result<std::vector<Array>> out = session.run(entry.interface->name, inputs);
    if (!out) return explain_rows(session, entry, data, feed.end(), out.take_errors());
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

Result<Evaluation> measure(Session& session, const EntryInfo* loss, const runtime::Source& data,
                           const EvaluateOptions& options) {
  const Program& program = *session.program();
  // The input of labels, one a row.
  size_t label = loss->inputs.size();
  for (size_t i = 0; i < loss->inputs.size(); ++i)
    if (is_int(loss->inputs[i].dtype) && loss->inputs[i].rank() == 1) label = i;
  const bool labelled = options.confusion && label != loss->inputs.size();
  std::vector<int64_t> labels;
  Evaluation out;
  double sum = 0;
  TENON_TRY(
      over_batches(session, *loss, data, options, [&](const std::vector<Array>& results, const DataSet& b) {
        sum += element(results[0], 0) * static_cast<double>(b.rows());
        out.rows += b.rows();
        for (int64_t r = 0; labelled && r < b.rows(); ++r)
          labels.push_back(static_cast<int64_t>(element(*b.columns()[label].array, r)));
      }));
  out.loss = sum / static_cast<double>(out.rows);
  for (const EntryInfo& e : program.entries()) {
    if (&e == loss || !returns_one_float(e) || !feeds(e, *loss)) continue;
    bool is_loss = false;  // of another step
    for (const EntryInfo& other : program.entries())
      is_loss = is_loss || (is_step(other) && find_loss(program, other) == &e);
    if (is_loss) continue;
    double total = 0;
    TENON_TRY(
        over_batches(session, e, data, options, [&](const std::vector<Array>& results, const DataSet& b) {
          total += element(results[0], 0) * static_cast<double>(b.rows());
        }));
    out.metrics.emplace_back(e.interface->name, total / static_cast<double>(out.rows));
  }
  if (!labelled) return out;
  // Classes: an entry that returns one row of scores a row.
  const EntryInfo* scores = nullptr;
  for (const EntryInfo& e : program.entries()) {
    if (e.interface->writes_state || e.outputs.empty() || !feeds(e, *loss)) continue;
    const ir::Type& t = e.outputs[0];
    if (t.rank() == 2 && is_float(t.dtype) && t.shape[1].is_constant() && t.shape[1].constant() > 1 &&
        (scores == nullptr || e.interface->name == "predict"))
      scores = &e;
  }
  if (scores == nullptr) return out;
  const auto classes = static_cast<size_t>(scores->outputs[0].shape[1].constant());
  out.confusion.assign(classes, std::vector<int64_t>(classes, 0));
  size_t row = 0;
  TENON_TRY(
      over_batches(session, *scores, data, options, [&](const std::vector<Array>& results, const DataSet& b) {
        for (int64_t r = 0; r < b.rows(); ++r, ++row) {
          size_t best = 0;
          const int64_t first = r * static_cast<int64_t>(classes);
          for (size_t c = 1; c < classes; ++c)
            if (element(results[0], first + static_cast<int64_t>(c)) >
                element(results[0], first + static_cast<int64_t>(best)))
              best = c;
          const int64_t truth = labels[row];
          if (truth >= 0 && truth < static_cast<int64_t>(classes))
            ++out.confusion[static_cast<size_t>(truth)][best];
        }
      }));
  return out;
}

}  // namespace

Result<Evaluation> evaluate(Session& session, const runtime::Source& data, const EvaluateOptions& options) {
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
  if (!loss->interface->writes_state) return measure(session, loss, data, options);
  // What a loss writes, it writes for training: evaluation leaves the state as it is.
  State& state = *session.state();
  const Holding hold(state);
  if (!hold) return busy_error();
  const std::vector<std::byte> before(state.block(), state.block() + state.bytes());
  Result<Evaluation> out = measure(session, loss, data, options);
  std::copy(before.begin(), before.end(), state.block());
  return out;
}

}  // namespace tenon::driver
