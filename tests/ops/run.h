// Operations on arrays, through the exact evaluator.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "catch.h"
#include "evaluate/evaluate.h"
#include "ir/builder.h"
#include "ops/draw.h"

namespace tenon::test {
using namespace support;

inline ir::Type type_of(const Array& a) { return {a.dtype(), ir::Shape(a.shape().begin(), a.shape().end())}; }

// A module with one function, whose inputs have the types of `operands` and whose results `build` makes.
template <class Build>
evaluate::Outputs run(const std::vector<Array>& operands, Build build) {
  ir::Module module;
  ir::Function& f = module.functions.emplace_back();
  f.name = "f";
  std::vector<ir::ValueId> args;
  for (size_t i = 0; i < operands.size(); ++i) {
    args.push_back(f.graph.add_arg(type_of(operands[i]), ir::ArgKind::input, "a" + std::to_string(i)));
  }
  ir::Builder b(f.graph, &module);
  f.graph.results = build(b, args);
  f.returns = f.graph.results.size();
  f.result_names.resize(f.returns);
  evaluate::Inputs inputs;
  inputs.arguments = operands;
  auto out = evaluate::exact(module, f, inputs);
  INFO((out ? std::string() : out.errors().text()));
  REQUIRE(out);
  return std::move(*out);
}

// The same where no check may fail.
template <class Build>
evaluate::Outputs run_ok(const std::vector<Array>& operands, Build build) {
  evaluate::Outputs out = run(operands, build);
  REQUIRE(out.status == 0);
  return out;
}

inline evaluate::Outputs run_op(std::string_view op, const std::vector<Array>& operands,
                                std::initializer_list<ir::NamedAttr> attrs = {}) {
  return run(operands, [&](ir::Builder& b, const std::vector<ir::ValueId>& args) {
    return std::vector<ir::ValueId>{b.emit(op, args, attrs)};
  });
}
// The one result of an operation that does not fail.
inline Array value(std::string_view op, const std::vector<Array>& operands,
                   std::initializer_list<ir::NamedAttr> attrs = {}) {
  evaluate::Outputs out = run_op(op, operands, attrs);
  REQUIRE(out.status == 0);
  REQUIRE(out.returned.size() == 1);
  return std::move(out.returned[0]);
}

inline Array f32(std::vector<int64_t> shape, std::initializer_list<float> v) {
  return Array::of<float>(std::move(shape), v);
}
inline Array f64(std::vector<int64_t> shape, std::initializer_list<double> v) {
  return Array::of<double>(std::move(shape), v);
}
inline Array i32(std::vector<int64_t> shape, std::initializer_list<int32_t> v) {
  return Array::of<int32_t>(std::move(shape), v);
}
inline Array i64(std::vector<int64_t> shape, std::initializer_list<int64_t> v) {
  return Array::of<int64_t>(std::move(shape), v);
}
inline Array bools(std::vector<int64_t> shape, std::initializer_list<bool> v) {
  return Array::of<bool>(std::move(shape), v);
}

// Largest difference of two f32 or f64 arrays of one type; infinite where the types differ.
inline double distance(const Array& a, const Array& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  const auto visit = [&]<class T>() {
    for (int64_t i = 0; i < a.count(); ++i) {
      const double d = std::abs(static_cast<double>(a.as<T>()[static_cast<size_t>(i)]) -
                                static_cast<double>(b.as<T>()[static_cast<size_t>(i)]));
      if (!(d <= worst)) worst = d;
    }
  };
  if (a.dtype() == DType::f64) {
    visit.template operator()<double>();
  } else {
    visit.template operator()<float>();
  }
  return worst;
}

// Elements drawn uniformly from a domain.
inline Array random_array(const ir::Type& type, Draw& draw, ir::Domain domain) {
  std::vector<int64_t> shape;
  for (const ir::Dim& d : type.shape) shape.push_back(d.constant());
  Array a(type.dtype, shape);
  with_dtype(type.dtype, [&]<class T>() {
    for (T& v : a.as<T>()) {
      const double u = static_cast<double>(draw.range(0, 1 << 30)) / (1 << 30);
      const double x = domain.low + (domain.high - domain.low) * u;
      v = std::is_floating_point_v<T> ? static_cast<T>(x)
                                      : static_cast<T>(draw.range(static_cast<int64_t>(domain.low),
                                                                  static_cast<int64_t>(domain.high)));
    }
  });
  return a;
}
inline ir::Domain domain_of(const ir::OpDef& op, size_t i) {
  return op.domains.empty() ? ir::Domain{} : op.domains[std::min(i, op.domains.size() - 1)];
}

}  // namespace tenon::test
