// Gradients against central differences, both through the exact evaluator in f64.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "catch.h"
#include "evaluate/evaluate.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "ops/expr.h"
#include "transforms/globals.h"
#include "transforms/transforms.h"

namespace tenon::test {
using namespace support;

inline ir::Module parsed(const std::string& text) {
  Result<ir::Module> m = ir::parse(text);
  if (!m) FAIL(m.errors().text());
  ir::Module out;
  std::swap(out, *m);
  return out;
}
inline void verified(const ir::Module& m) {
  Status s = ir::verify(m);
  if (!s) FAIL(s.errors().text() + ir::print(m));
}

// A reproducible number in [-1, 1).
inline double draw(uint64_t* state) {
  *state = *state * 6364136223846793005ull + 1442695040888963407ull;
  return static_cast<double>(static_cast<int64_t>(*state)) / 9.3e18;
}

inline Array random_array(const ir::Type& type, const ir::DimBindings& dims, uint64_t* state) {
  Result<std::vector<int64_t>> shape = ir::evaluate_shape(type.shape, dims);
  if (!shape) FAIL(shape.errors().text());
  Array a(type.dtype, *shape);
  with_dtype(type.dtype, [&]<class T>() {
    for (T& x : a.as<T>()) {
      const double d = draw(state);
      x = std::is_floating_point_v<T> ? static_cast<T>(d) : static_cast<T>(std::fabs(d) * 2.999);
    }
  });
  return a;
}

inline evaluate::Inputs random_inputs(const ir::Module& m, const ir::Function& f, const ir::DimBindings& dims,
                                      uint64_t seed = 1) {
  evaluate::Inputs in;
  in.dims = dims;
  uint64_t state = seed;
  for (const ir::Global& g : m.globals) in.globals[g.name] = random_array(g.type, dims, &state);
  for (ir::ValueId a : f.graph.args)
    if (f.graph.value(a).arg == ir::ArgKind::input)
      in.arguments.push_back(random_array(f.graph.type(a), dims, &state));
  return in;
}

inline evaluate::Outputs run(const ir::Module& m, const ir::Function& f, const evaluate::Inputs& in) {
  Result<evaluate::Outputs> out = evaluate::exact(m, f, in);
  if (!out) FAIL(out.errors().text() + ir::print(f, m));
  return std::move(*out);
}
inline double run_scalar(const ir::Module& m, const ir::Function& f, const evaluate::Inputs& in) {
  return run(m, f, in).returned.at(0).as<double>()[0];
}

// Every f64 parameter and input of `f` that its first result can depend on.
inline std::vector<ir::ValueId> float_args(const ir::Function& f) {
  std::vector<ir::ValueId> out;
  for (ir::ValueId a : f.graph.args)
    if (f.graph.type(a).dtype == DType::f64) out.push_back(a);
  return out;
}

// A copy of `f` that returns the gradients of its first result with respect to `wrt`.
inline ir::Function gradient_of(const ir::Module& m, const ir::Function& f,
                                const std::vector<ir::ValueId>& wrt) {
  ir::Function g = f;
  g.name = f.name + ".grad";
  Result<std::vector<ir::ValueId>> out = transforms::grad(g.graph, m, g.graph.results[0], wrt);
  if (!out) FAIL(out.errors().text());
  g.graph.results = *out;
  g.returns = out->size();
  g.result_names.clear();
  g.writes.clear();
  return g;
}

// sum over all gradients of gradient * a fixed pattern: a scalar whose gradient is a row of the Hessian's.
inline ir::Function weighted(const ir::Module& m, const ir::Function& g) {
  ir::Function h = g;
  h.name = g.name + ".sum";
  ir::Builder b(h.graph, &m);
  ops::V total;
  double weight = 0.7;
  for (ir::ValueId r : g.graph.results) {
    const ops::V x{&b, r};
    const ops::V term = ops::reduce_sum(x * x * weight + x, ops::all_axes(x));
    total = total.b == nullptr ? term : total + term;
    weight += 0.4;
  }
  h.graph.results = {total.id};
  h.returns = 1;
  return h;
}

// The analytic gradient of `f` equals central differences in every element; returns the largest magnitude
// seen.
inline double check_gradient(ir::Module m, const ir::Function& f, const evaluate::Inputs& in,
                             double tolerance = 2e-6) {
  const std::vector<ir::ValueId> wrt = float_args(f);
  const ir::Function g = gradient_of(m, f, wrt);
  m.functions.push_back(g);
  verified(m);
  const evaluate::Outputs found = run(m, g, in);
  double largest = 0;
  size_t input = 0;
  std::vector<size_t> position(f.graph.value_count());
  for (ir::ValueId a : f.graph.args)
    if (f.graph.value(a).arg == ir::ArgKind::input) position[a.index] = input++;
  for (size_t k = 0; k < wrt.size(); ++k) {
    const ir::Value& arg = f.graph.value(wrt[k]);
    evaluate::Inputs moved = in;
    Array& x =
        arg.arg == ir::ArgKind::input ? moved.arguments[position[wrt[k].index]] : moved.globals[arg.name];
    REQUIRE(found.returned[k].shape() == x.shape());
    for (int64_t i = 0; i < x.count(); ++i) {
      double& element = x.as<double>()[static_cast<size_t>(i)];
      const double at = element, step = 1e-5;
      element = at + step;
      const double up = run_scalar(m, f, moved);
      element = at - step;
      const double down = run_scalar(m, f, moved);
      element = at;
      const double expected = (up - down) / (2 * step);
      const double analytic = found.returned[k].as<double>()[static_cast<size_t>(i)];
      INFO(f.name << ": " << arg.name << "[" << i << "]: " << analytic << " against " << expected);
      CHECK(std::fabs(analytic - expected) <= tolerance * (1 + std::fabs(expected)));
      largest = std::max(largest, std::fabs(analytic));
    }
  }
  CHECK(largest > 1e-3);
  return largest;
}

// First and second order of the function named f.
inline void check_orders(const std::string& text, const ir::DimBindings& dims) {
  ir::Module m = parsed(text);
  verified(m);
  ir::Function f = *m.find_function("f");
  REQUIRE(transforms::inline_calls(m, f));
  const evaluate::Inputs in = random_inputs(m, f, dims);
  check_gradient(m, f, in);
  const ir::Function h = weighted(m, gradient_of(m, f, float_args(f)));
  check_gradient(m, h, in, 2e-5);
}

}  // namespace tenon::test
