// A step whose gradients are what it is called with: the loss is the sum of parameters times inputs. So an
// update rule is tested without the rounding of any network, against a plain loop over numbers.
#pragma once

#include <cmath>
#include <map>

#include "transforms/gradients.h"

namespace tenon::test {

// w: f64[3,2] with gradient x, b: f64[2] with gradient y, both drawn at first.
inline std::string training_text(const std::string& options, const std::string& declarations = "") {
  return "tenon 1\nmodule m\ndim rows = 1..16\ndim columns = 1..16\nhyper rate = 0.05 : f64\n"
         "hyper whole = 20 : i64\nparam w : f64[3,2] = uniform(-1, 1)\nparam b : f64[2] = uniform(-1, 1)\n" +
         declarations +
         "func loss(x: f64[3,2], y: f64[2]) -> f64[] {\n  a = mul w, x\n  s = reduce_sum a\n  c = mul b, y\n"
         "  t = reduce_sum c\n  l = add s, t\n  return l\n}\n"
         "derive train = step loss {batch = none, " +
         options + "}\n";
}

class Training {
 public:
  explicit Training(const std::string& options, const std::string& declarations = "",
                    const std::string& directives = "")
      : module_(parsed(training_text(options, declarations) + directives)) {
    if (Status s = transforms::expand_derives(module_); !s) FAIL(s.errors().text());
    verified(module_);
    const std::string printed = ir::print(module_);
    CHECK(ir::print(parsed(printed)) == printed);
    for (const ir::Global& g : module_.globals)
      if (g.kind == ir::GlobalKind::hyper)
        with_dtype(g.type.dtype,
                   [&]<class T>() { globals[g.name] = Array::scalar<T>(g.init.args[0].as<T>()); });
    evaluate::Inputs seed;
    seed.arguments = {Array::scalar<int64_t>(3)};
    for (const auto& [name, value] : run(module_, *module_.find_function("init"), seed).written)
      globals[name] = value;
  }

  // One step with these gradients, which is committed.
  evaluate::Outputs step(const std::vector<double>& x, const std::vector<double>& y) {
    evaluate::Inputs in;
    in.globals = globals;
    in.arguments = {Array(DType::f64, {3, 2}), Array(DType::f64, {2})};
    for (size_t i = 0; i < 6; ++i) in.arguments[0].as<double>()[i] = x[i];
    for (size_t i = 0; i < 2; ++i) in.arguments[1].as<double>()[i] = y[i];
    evaluate::Outputs out = run(module_, *module_.find_function("train"), in);
    for (const auto& [name, value] : out.written) globals[name] = value;
    return out;
  }
  // The same with drawn ones; some are 0, some large.
  evaluate::Outputs step() {
    for (std::vector<double>* list : {&x, &y})
      for (double& g : *list) {
        const double kind = draw(&state_);
        g = kind < -0.8 ? 0 : draw(&state_) * (kind > 0.8 ? 30 : 1);
      }
    return step(x, y);
  }

  std::vector<double> values(const std::string& name) const {
    const auto all = globals.at(name).as<double>();
    return {all.begin(), all.end()};
  }
  double value(const std::string& name, size_t i = 0) const { return globals.at(name).as<double>()[i]; }
  int64_t count(const std::string& name) const { return globals.at(name).as<int64_t>()[0]; }
  bool has(const std::string& name) const { return module_.find_global(name) != nullptr; }
  const ir::Module& module() const { return module_; }

  std::map<std::string, Array> globals;
  std::vector<double> x = std::vector<double>(6), y = std::vector<double>(2);  // gradients of the last step

 private:
  ir::Module module_;
  uint64_t state_ = 11;
};

inline bool near(double found, double expected, double tolerance = 1e-12) {
  return std::fabs(found - expected) <= tolerance * std::max(1.0, std::fabs(expected));
}

}  // namespace tenon::test
