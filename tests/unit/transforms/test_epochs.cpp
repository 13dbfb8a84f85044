// The derived loop over epochs against steps made one by one, both through the exact evaluator.
#include <algorithm>

#include "batch_cases.h"
#include "transforms/gradients.h"

namespace tenon::test {
namespace {

// The rows of an array along its axes that are cut.
Array taken(const Array& from, const std::vector<uint32_t>& axes, const std::vector<int64_t>& rows) {
  std::vector<int64_t> shape = from.shape();
  for (const uint32_t axis : axes) shape[axis] = static_cast<int64_t>(rows.size());
  Array out(from.dtype(), shape);
  std::vector<int64_t> at(shape.size());
  for (int64_t i = 0; i < out.count(); ++i) {
    int64_t rest = i, index = 0;
    for (size_t d = shape.size(); d-- > 0;) {
      at[d] = rest % shape[d];
      rest /= shape[d];
    }
    for (size_t d = 0; d < shape.size(); ++d) {
      const bool cut = std::find(axes.begin(), axes.end(), d) != axes.end();
      index = index * from.shape()[d] + (cut ? rows[static_cast<size_t>(at[d])] : at[d]);
    }
    out.as<float>()[static_cast<size_t>(i)] = from.as<float>()[static_cast<size_t>(index)];
  }
  return out;
}

}  // namespace

TEST_CASE("a loop over epochs is the steps of its batches, wherever inputs have the batch dimension") {
  for (const BatchCase& c : batch_cases) {
    INFO(c.name);
    ir::Module m = parsed(text_of(c));
    const Status expanded = transforms::expand_derives(m);
    if (!expanded) FAIL(expanded.errors().text());
    verified(m);
    const std::string printed = ir::print(m);
    CHECK(ir::print(parsed(printed)) == printed);
    const ir::Function &train = *m.find_function("train"), &loop = *m.find_function("ordered");
    const std::optional<ir::Batch> batch = ir::find_batch(train).batch;
    REQUIRE(batch);
    for (size_t i = 0; i < c.data.size(); ++i) CHECK(batch->inputs[i].axes == c.data[i].second);
    for (const int64_t rows : c.rows) {
      INFO(rows << " rows");
      const int64_t steps = (rows + c.batch - 1) / c.batch;
      ir::DimBindings dims{{"rows", rows}, {"epochs", 2}, {batch->dim, c.batch}};
      for (const char* other : {"t", "m"})
        if (m.dims.contains(other) && batch->dim != other) dims[other] = other[0] == 't' ? 5 : 7;
      evaluate::Inputs in = random_inputs(m, loop, dims, 5);
      Array& order = in.arguments.back();
      for (int64_t i = 0; i < rows; ++i) {
        order.as<uint32_t>()[static_cast<size_t>(i)] = static_cast<uint32_t>(rows - 1 - i);
        order.as<uint32_t>()[static_cast<size_t>(rows + i)] = static_cast<uint32_t>((i + 1) % rows);
      }
      for (auto& [name, value] : in.globals)
        if (name.ends_with(".v"))
          for (float& v : value.as<float>()) v = v * v;
      const evaluate::Outputs all = run(m, loop, in);
      REQUIRE(all.returned[0].count() == 2 * steps);
      evaluate::Inputs hand = in;
      for (int64_t s = 0; s < 2 * steps; ++s) {
        std::vector<int64_t> part;
        for (int64_t i = s % steps * c.batch; i < std::min(rows, (s % steps + 1) * c.batch); ++i)
          part.push_back(order.as<uint32_t>()[static_cast<size_t>(s / steps * rows + i)]);
        hand.arguments.clear();
        for (size_t i = 0; i < c.data.size(); ++i)
          hand.arguments.push_back(taken(in.arguments[i], c.data[i].second, part));
        hand.dims = dims;
        hand.dims.erase("rows");
        hand.dims[batch->dim] = static_cast<int64_t>(part.size());
        const evaluate::Outputs one = run(m, train, hand);
        CHECK(one.returned[0].as<float>()[0] == all.returned[0].as<float>()[static_cast<size_t>(s)]);
        for (const auto& [name, value] : one.written) hand.globals[name] = value;
      }
      for (const auto& [name, value] : all.written) CHECK(hand.globals[name] == value);
    }
  }
}

}  // namespace tenon::test
