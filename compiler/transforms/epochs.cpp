// The native training loop (design decisions 8 and 19), derived from a step function: for every epoch the
// rows in an order of its own, full batches, then one shorter batch of what is left, all as ordinary loops.
// The step itself stands once: both loops apply it, each at its size.
//
//   func NAME(x: f32[rows,...], y: i32[rows], ...) -> loss: f32[epochs * ceil(rows/batch)]
//     loop over epochs (carries: what the step writes; commit) {
//       order = permutation {n = rows} of the state's rng.seed and rng.step, or row e of the input `order`
//       loop over rows/batch full batches (slices: order as [rows/batch, batch]; commit) {
//         take rows; apply the step
//       }
//       loop with trip ceil(rows/batch) - rows/batch, 0 or 1 (commit) { the same at batch = batch.tail }
//     }
//
// The last batch has a dimension of its own, with the range of `batch`: what is shown of the step for any
// batch holds for it as well. It is computed, 1 + (rows - 1) mod batch, so it is never empty; where nothing
// is left over it is a whole batch, and its trip count is 0. One below the range is refused when sizes are
// bound. Inputs of the step are cut along every axis that has the batch dimension (ir/batch.h); there they
// have the extent `rows`. Others go in unchanged. `batch` keeps its name and range. What the step returns is
// stacked, one row a step, unless its shape depends on the batch, or it is the gradient of what it trains: as
// many of those as there are steps are more than anyone has room for.
#include <algorithm>

#include "ir/apply.h"
#include "ir/builder.h"
#include "ir/canonical.h"
#include "ir/compact.h"
#include "ir/made_names.h"
#include "ir/print.h"
#include "support/hash.h"
#include "transforms/derive.h"
#include "transforms/globals.h"
#include "transforms/options.h"
#include "transforms/transforms.h"

namespace tenon::transforms {

using ir::ArgKind;
using ir::Dim;
using ir::Graph;
using ir::Type;
using ir::ValueId;

namespace {

constexpr int64_t max_rows = (int64_t{1} << 31) - 1, max_epochs = 1'000'000;

bool depends_on(const Type& type, const std::string& dim) {
  std::vector<std::string> names;
  for (const Dim& d : type.shape) d.collect_symbols(&names);
  return std::binary_search(names.begin(), names.end(), dim);
}

// Whether a result is the gradient of a parameter that the step writes, by its name and type.
bool is_gradient(const ir::Module& module, const ir::Function& step, size_t result) {
  std::string_view name = step.result_names[result];
  if (!name.ends_with('\'')) return false;
  name.remove_suffix(1);
  const ir::Global* param = module.find_global(name);
  return param != nullptr && has_write(step, name) &&
         param->type == step.graph.type(step.graph.results[result]);
}

// Whether a dimension is one that was made for loops: some stand in the module, and nothing else speaks of
// it.
bool only_loops_mention(const ir::Module& module, const std::string& dim) {
  bool loops = false;
  for (const ir::Function& f : module.functions) {
    if (f.origin.role == ir::Role::loop) {
      loops = true;
      continue;
    }
    for (size_t i = 0; i < f.graph.value_count(); ++i)
      if (depends_on(f.graph.type(ValueId(i)), dim)) return false;
  }
  return loops;
}

// A dimension of the module with this name, or one made from it where the name is taken.
std::string add_dim(ir::Module& module, const std::string& wanted, const ir::DimRange& range) {
  std::string name = wanted;
  for (int n = 2;; ++n) {
    auto [at, fresh] = module.dims.try_emplace(name, range);
    if (fresh) module.dim_order.push_back(name);
    if (fresh || (at->second == range && only_loops_mention(module, name))) return name;
    name = wanted + std::to_string(n);
  }
}

// The order of one epoch's rows: by the state's random seed and counter, as they stand when it begins.
ValueId order_of_rows(ir::Builder& b, ValueId seed, ValueId counter, const Dim& rows) {
  const int64_t stream = static_cast<int64_t>(fnv1a("epochs.order") >> 1);
  return b.emit("permutation", {seed, counter}, {{"n", rows}, {"stream", stream}});
}

// An operand of the step, and how it comes into the loops.
struct Input {
  enum { carry, rows, same } kind = same;
  std::vector<uint32_t> axes;  // rows: where it is cut
  Type type;                   // in the epochs function
  std::string name;
  ArgKind arg = ArgKind::input;
  size_t result = ~size_t{0};  // carry: of the step applied, where its next value comes out
};

class Epochs {
 public:
  Epochs(ir::Module& module, const ir::Function& step, const ir::Batch& batch, bool given)
      : module_(module), step_(step), batch_name_(batch.dim), given_(given) {
    const std::string rows = add_dim(module, "rows", {1, max_rows}),
                      epochs = add_dim(module, "epochs", {1, max_epochs});
    rows_ = Dim::symbol(rows);
    epochs_ = Dim::symbol(epochs);
    batch_ = Dim::symbol(batch_name_);
    full_ = Dim::floor_div(rows_, batch_);
    tail_ = Dim::ceil_div(rows_, batch_) - full_;
    last_ = Dim::floor_div(rows_ - 1, batch_) * batch_;
    ir::DimRange tail = module.dims.find(batch_name_)->second;
    tail.value = std::make_shared<const Dim>(rows_ - last_);
    rest_ = Dim::symbol(add_dim(module, batch_name_ + ".tail", tail));
    for (const ir::AppliedArgument& a : ir::applied_arguments(module, step)) {
      Input input;
      input.type = *a.type;
      input.name = a.name;
      if (a.global) {
        input.arg = ArgKind::global;
        if (a.result != ~size_t{0}) input.kind = Input::carry;
        input.result = a.result;
      } else {
        for (const ir::BatchInput& cut : batch.inputs)
          if (cut.name == a.name) input.axes = cut.axes;
        if (!input.axes.empty()) input.kind = Input::rows;
        for (const uint32_t axis : input.axes) input.type.shape[axis] = rows_;
      }
      inputs_.push_back(std::move(input));
    }
    for (size_t r = 0; r < step.returns; ++r)
      if (!depends_on(step.graph.type(step.graph.results[r]), batch_name_) && !is_gradient(module, step, r))
        stacked_.push_back(r);
  }

  ir::Function make(const std::string& name) {
    ir::Function f;
    f.name = name;
    f.mode = ir::Mode::training;
    Graph& g = f.graph;
    std::vector<ValueId> values;  // per input_
    ValueId order;
    for (const Input& i : inputs_) values.push_back(g.add_arg(i.type, i.arg, i.name));
    if (given_) order = g.add_arg({DType::u32, {epochs_, rows_}}, ArgKind::input, order_name_);
    const ValueId seed = given_ ? ValueId() : seed_value(g);

    Graph body;
    std::vector<ValueId> inner(inputs_.size()), operands;
    auto arguments = [&](bool carries) {
      for (size_t i = 0; i < inputs_.size(); ++i) {
        if ((inputs_[i].kind == Input::carry) != carries) continue;
        inner[i] =
            body.add_arg(inputs_[i].type, carries ? ArgKind::carry : ArgKind::capture, inputs_[i].name);
        operands.push_back(values[i]);
      }
    };
    arguments(true);
    ValueId row_order, inner_seed;
    if (given_) {
      row_order = body.add_arg({DType::u32, {rows_}}, ArgKind::slice, order_name_);
      operands.push_back(order);
    }
    arguments(false);
    for (size_t i = 0; i < inputs_.size(); ++i)
      if (is_global(i, rng_.seed)) inner_seed = inner[i];
    if (!given_ && !inner_seed.valid()) {
      inner_seed = body.add_arg({DType::i64, {}}, ArgKind::capture, rng_.seed);
      operands.push_back(seed);
    }
    epoch(body, inner, row_order, inner_seed);

    ir::Builder b(g, &module_);
    const std::vector<ValueId> results = loop(b, std::move(operands), epochs_, std::move(body));
    size_t at = 0;
    std::vector<ValueId> carried;
    for (const Input& i : inputs_)
      if (i.kind == Input::carry) carried.push_back(results[at++]);
    for (size_t r : stacked_) {
      Type type = step_.graph.type(step_.graph.results[r]);
      std::vector<Dim> shape = type.shape;
      shape.insert(shape.begin(), epochs_ * (full_ + tail_));
      f.graph.results.push_back(b.emit("reshape", {results[at++]}, {{"shape", shape}}));
      f.result_names.push_back(step_.result_names[r]);
      ++f.returns;
    }
    at = 0;
    for (const Input& i : inputs_)
      if (i.kind == Input::carry) set_write(f, i.name, carried[at++]);
    return f;
  }

 private:
  ValueId seed_value(Graph& g) { return global_value(module_, g, rng_.seed); }

  std::vector<ValueId> loop(ir::Builder& b, std::vector<ValueId> operands, const Dim& trip, Graph body) {
    const ir::OpDef& op = *ir::op_table().find("loop");
    ir::Attrs attrs(op.attrs.size());
    attrs[op.attr_index("trip")] = trip;
    attrs[op.attr_index("commit")] = true;
    std::vector<std::unique_ptr<Graph>> regions;
    regions.push_back(std::make_unique<Graph>(std::move(body)));
    return b.emit_all(op, std::move(operands), std::move(attrs), std::move(regions));
  }

  // One epoch: yields the carries, then the stacked results with extent ceil(rows/batch).
  void epoch(Graph& g, const std::vector<ValueId>& inputs, ValueId order, ValueId seed) {
    ir::Builder b(g, &module_);
    if (!order.valid()) {
      ValueId counter;
      for (size_t i = 0; i < inputs_.size(); ++i)
        if (is_global(i, rng_.step)) counter = inputs[i];
      order = order_of_rows(b, seed, counter, rows_);
      b.set_name(order, "order");
    }
    const Dim whole = full_ * batch_;
    const ValueId head = b.emit("slice", {order}, {{"limit", std::vector<Dim>{whole}}});
    const ValueId batches = b.emit("reshape", {head}, {{"shape", std::vector<Dim>{full_, batch_}}});
    const ValueId left = b.emit("slice", {order}, {{"start", std::vector<Dim>{last_}}});
    const ValueId last = b.emit("reshape", {left}, {{"shape", std::vector<Dim>{rest_}}});
    std::vector<ValueId> state = inputs;
    std::vector<std::vector<ValueId>> parts(stacked_.size());
    for (bool tail : {false, true}) {
      Graph body;
      std::vector<ValueId> inner(inputs_.size()), operands;
      for (size_t i = 0; i < inputs_.size(); ++i) {
        if (inputs_[i].kind != Input::carry) continue;
        inner[i] = body.add_arg(inputs_[i].type, ArgKind::carry, inputs_[i].name);
        operands.push_back(state[i]);
      }
      const Dim extent = tail ? rest_ : batch_;
      ValueId index;
      if (!tail) {
        index = body.add_arg({DType::u32, {extent}}, ArgKind::slice, index_name_);
        operands.push_back(batches);
      }
      for (size_t i = 0; i < inputs_.size(); ++i) {
        if (inputs_[i].kind == Input::carry) continue;
        inner[i] = body.add_arg(inputs_[i].type, ArgKind::capture, inputs_[i].name);
        operands.push_back(state[i]);
      }
      if (tail) {
        index = body.add_arg({DType::u32, {extent}}, ArgKind::capture, index_name_);
        operands.push_back(last);
      }
      step(body, inner, index);
      const std::vector<ValueId> results =
          loop(b, std::move(operands), tail ? tail_ : full_, std::move(body));
      size_t at = 0;
      for (size_t i = 0; i < inputs_.size(); ++i)
        if (inputs_[i].kind == Input::carry) state[i] = results[at++];
      for (std::vector<ValueId>& part : parts) part.push_back(results[at++]);
    }
    for (size_t i = 0; i < inputs_.size(); ++i)
      if (inputs_[i].kind == Input::carry) g.results.push_back(state[i]);
    for (const std::vector<ValueId>& part : parts)
      g.results.push_back(b.emit("concat", part, {{"axis", int64_t{0}}}));
  }

  // The step on the rows of `index`: yields the carries, then the stacked results.
  void step(Graph& g, const std::vector<ValueId>& inputs, ValueId index) {
    ir::Builder b(g, &module_);
    std::vector<ValueId> operands;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      ValueId value = inputs[i];
      for (const uint32_t axis : inputs_[i].axes)
        value = b.emit("take", {value, index}, {{"axis", static_cast<int64_t>(axis)}});
      operands.push_back(value);
    }
    const ir::OpDef& op = *ir::op_table().find("apply");
    ir::Attrs attrs(op.attrs.size());
    attrs[op.attr_index("callee")] = step_.name;
    const std::vector<ValueId> results = b.emit_all(op, std::move(operands), std::move(attrs));
    for (size_t r = 0; r < step_.returns; ++r) b.set_name(results[r], step_.result_names[r]);
    for (const Input& i : inputs_) {
      if (i.kind != Input::carry) continue;
      b.set_name(results[i.result], i.name + "'");
      g.results.push_back(results[i.result]);
    }
    for (size_t r : stacked_) g.results.push_back(results[r]);
  }

  bool is_global(size_t input, const std::string& name) const {
    return inputs_[input].arg == ArgKind::global && inputs_[input].name == name;
  }

  ir::Module& module_;
  const ir::Function& step_;
  const Rng rng_ = find_rng(module_);
  ir::MadeNames names_{step_.graph};
  const std::string order_name_ = names_.claim("order"), index_name_ = names_.claim("rows");
  std::string batch_name_;
  bool given_;
  Dim rows_, epochs_, batch_, full_;  // full_: whole batches of an epoch
  Dim tail_, last_, rest_;            // of the last batch: whether there is one, its first row, its rows
  std::vector<Input> inputs_;
  std::vector<size_t> stacked_;  // results of the step that are stacked
};

Result<ir::Batch> batch_of(const ir::Module& module, const ir::Derive& derive, const ir::Function& step) {
  const ir::BatchWords words = batch_words(derive.options);
  if (!words.dim.empty() && !module.dims.contains(words.dim))
    return derive_error(module, derive, "no dimension is named " + words.dim);
  ir::BatchFinding found = ir::find_batch(step, words);
  if (!found.problem.empty()) return derive_error(module, derive, found.problem, found.help);
  if (!found.batch || found.batch->inputs.empty() || !module.dims.contains(found.batch->dim))
    return derive_error(module, derive, derive.source + " has no input with a batch dimension",
                        "give an input a named dimension: x: f32[batch,8]");
  return std::move(*found.batch);
}

}  // namespace

ir::Module epoch_order(int64_t rows) {
  ir::Module module;
  module.name = "order";
  ir::Function f;
  f.name = "order";
  const ValueId seed = f.graph.add_arg({DType::i64, {}}, ArgKind::input, "seed");
  const ValueId counter = f.graph.add_arg({DType::i64, {}}, ArgKind::input, "step");
  ir::Builder b(f.graph, &module);
  f.graph.results = {order_of_rows(b, seed, counter, Dim(rows))};
  f.result_names = {"order"};
  f.returns = 1;
  module.functions.push_back(std::move(f));
  return module;
}

Result<ir::Function> derive_epochs(ir::Module& module, const ir::Derive& derive) {
  static constexpr OptionDef known[] = {
      {"order", OptionForm::word}, {"batch", OptionForm::word}, {"same", OptionForm::names}};
  if (Status s = check_options(derive.options, known, "derive " + derive.name); !s)
    return at_derive(module, derive, s.take_errors());
  const ir::Function* source = module.find_function(derive.source);
  if (source == nullptr)
    return derive_error(module, derive, "no function is named " + derive.source, "derive the step before it");
  bool given = false;
  if (const ir::Option* order = find_option(derive.options, "order")) {
    if (order->word != "shuffled" && order->word != "given")
      return derive_error(module, derive, "order is " + order->word + ", wants shuffled or given");
    given = order->word == "given";
  }
  if (source->writes.empty())
    return derive_error(module, derive, derive.source + " writes no state", "epochs wants a step");
  ir::Function step = *source;
  step.result_names.resize(step.returns);
  TENON_TRY(inline_calls(module, step));
  TENON_ASSIGN(const ir::Batch batch, batch_of(module, derive, step));
  TENON_TRY(resolve_mode(module, step, ir::Mode::training));
  ensure_rng(module);
  count_step(module, step);
  if (module.dims.find(batch.dim)->second.low < 1)
    return derive_error(module, derive, "dimension " + batch.dim + " may be 0", "let its range start at 1");
  // The module's own function, where it is what the loops run: else one beside it.
  if (const ir::Function& own = *module.find_function(derive.source);
      ir::print(own, module) != ir::print(step, module)) {
    for (int n = 1; module.find_function(step.name) != nullptr; ++n)
      step.name = derive.name + ".step" + (n == 1 ? "" : std::to_string(n));
    step.procedure = true;
    module.functions.push_back(step);
  }
  ir::Function f = Epochs(module, step, batch, given).make(derive.name);
  f.origin = ir::made_by(derive.kind, derive.source);
  f.location = derive.location;
  f.comment = derive.comment;
  ir::compact(module, f.graph);
  ir::order_nodes(f.graph);
  return f;
}

}  // namespace tenon::transforms
