// An operation's value with its first and second derivatives, through the exact evaluator.
#pragma once

#include <cmath>

#include "ops/run.h"
#include "transforms/transforms.h"

namespace tenon::test {

struct Slopes {
  Array value;
  // By each float operand: of the sum of the result; of the sum of that gradient; of the sum of all
  // gradients.
  std::vector<Array> first, second, mixed;

  bool finite() const {
    bool all = is_finite(value);
    for (const std::vector<Array>* list : {&first, &second, &mixed})
      for (const Array& a : *list) all = all && is_finite(a);
    return all;
  }
  static bool is_finite(const Array& a) {
    return with_float(a.dtype(), [&]<class T>() {
      bool all = true;
      for (const T v : a.as<T>()) all = all && std::isfinite(v);
      return all;
    });
  }
};

inline Slopes slopes(std::string_view op, const std::vector<Array>& operands,
                     std::initializer_list<ir::NamedAttr> attrs = {}) {
  size_t floats = 0;
  const evaluate::Outputs out = run_ok(operands, [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
    std::vector<ir::ValueId> wrt;
    for (size_t i = 0; i < args.size(); ++i)
      if (is_float(operands[i].dtype())) wrt.push_back(args[i]);
    floats = wrt.size();
    const auto gradient = [&](ir::ValueId of, const std::vector<ir::ValueId>& by) {
      auto made = transforms::grad(b.graph(), *b.module(), b.emit("reduce_sum", {of}), by);
      INFO((made ? std::string() : made.errors().text()));
      REQUIRE(made);
      return std::move(*made);
    };
    std::vector<ir::ValueId> all{b.emit(op, args, attrs)};
    const std::vector<ir::ValueId> first = gradient(all[0], wrt);
    all.insert(all.end(), first.begin(), first.end());
    ir::ValueId total;
    for (size_t i = 0; i < floats; ++i) {
      all.push_back(gradient(first[i], {wrt[i]})[0]);
      const ir::ValueId sum = b.emit("reduce_sum", {first[i]});
      total = total.valid() ? b.emit("add", {total, sum}) : sum;
    }
    const std::vector<ir::ValueId> mixed = gradient(total, wrt);
    all.insert(all.end(), mixed.begin(), mixed.end());
    return all;
  });
  const auto part = [&](size_t k) {
    const auto begin = out.returned.begin() + 1 + static_cast<ptrdiff_t>(k * floats);
    return std::vector<Array>(begin, begin + static_cast<ptrdiff_t>(floats));
  };
  return {out.returned[0], part(0), part(1), part(2)};
}

}  // namespace tenon::test
