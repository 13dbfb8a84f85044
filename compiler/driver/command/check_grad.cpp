// tenon check-grad: two questions for every parameter. Are the rules right: is the gradient, in f64, what
// differences of the loss in f64 show? A few elements are tried, and one direction through all of them. Is
// the arithmetic right: is the gradient as compiled code computes it (the exact evaluator's bits) within the
// wide evaluator's bound?
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "driver/command/engine.h"
#include "driver/command/gradient.h"
#include "runtime/random.h"

namespace tenon::command {
namespace {

double at(const Array& a, int64_t i) {
  double out = 0;
  with_dtype(a.dtype(), [&]<class T>() { out = static_cast<double>(a.as<T>()[static_cast<size_t>(i)]); });
  return out;
}

struct Difference {
  double value = 0, error = HUGE_VAL;  // error: of the extrapolation
  double loss = 0;                     // magnitude of what was differenced
};

class Checker {
 public:
  Checker(const ir::Module& module, const ir::Function& loss, evaluate::Inputs inputs)
      : module_(module), loss_(loss), inputs_(std::move(inputs)) {}

  // A parameter or an input of the function; null where the name is neither.
  Array* place(const std::string& name) {
    if (const auto global = inputs_.globals.find(name); global != inputs_.globals.end())
      return &global->second;
    size_t input = 0;
    for (const ir::ValueId a : loss_.graph.args) {
      const ir::Value& arg = loss_.graph.value(a);
      if (arg.arg != ir::ArgKind::input) continue;
      if (arg.name == name && is_float(arg.type.dtype)) return &inputs_.arguments.at(input);
      ++input;
    }
    return nullptr;
  }

  // d loss / dt along elements[i] += t * direction[i], by central differences of falling width, extrapolated.
  Result<Difference> along(Array& array, const std::vector<int64_t>& elements,
                           const std::vector<double>& direction) {
    const Array saved = array;
    const std::span<const double> from = saved.as<double>();
    const std::span<double> to = array.as<double>();
    Difference best;
    double last = 0;
    bool have_last = false;
    for (double h = 0x1p-9; h >= 0x1p-21; h /= 4) {
      double loss[2] = {0, 0};
      for (int side = 0; side < 2; ++side) {
        for (size_t i = 0; i < elements.size(); ++i) {
          const auto e = static_cast<size_t>(elements[i]);
          to[e] = from[e] + (side == 0 ? -h : h) * direction[i];
        }
        Result<evaluate::Outputs> out = evaluate::exact(module_, loss_, inputs_);
        array = saved;
        if (!out) return out.take_errors();
        loss[side] = out->status == 0 ? out->returned[0].as<double>()[0] : std::nan("");
      }
      const double slope = (loss[1] - loss[0]) / (2 * h);
      if (have_last && std::isfinite(slope)) {
        // Widths fall by four: (16 d(h/4) - d(h)) / 15 removes the square term. Across kinks slopes drift
        // with the width itself; the whole change bounds that as well.
        Difference d;
        d.value = (16 * slope - last) / 15;
        d.error = std::abs(slope - last) + 1e-14 * (std::abs(loss[0]) + std::abs(loss[1])) / h;
        d.loss = std::max(std::abs(loss[0]), std::abs(loss[1]));
        if (d.error < best.error) best = d;
      }
      last = slope;
      have_last = std::isfinite(slope);
    }
    return best;
  }

 private:
  const ir::Module& module_;
  const ir::Function& loss_;
  evaluate::Inputs inputs_;
};

class CheckGrad : public Verb {
 public:
  std::string_view name() const override { return "check-grad"; }
  std::string_view about() const override { return "gradients against differences in a wider type"; }
  std::string_view examples() const override {
    return "  tenon check-grad mlp.tenon loss\n  tenon check-grad rnn.tenon loss --size steps=4 --samples "
           "20\n"
           "  tenon check-grad linear.tenon loss --params w.safetensors --json\n";
  }
  void declare(Options& options) override {
    model_.declare(options, false);
    options.positional("function", &function_, "a function that returns one float first");
    options.texts("--wrt", &wrt_, "parameters (or patterns) and inputs; all parameters where left out", true);
    options.texts("--size", &sizes_, "dim=N: sizes of drawn inputs; 3 each where left out");
    options.text("--params", &params_, "safetensors of the state; drawn where left out");
    options.number("--samples", &samples_, "elements tried of each parameter; 6 where left out");
    options.seed(&seed_, "of what is drawn");
  }

  Result<Exit> run(Context& c) override {
    if (samples_ < 1 || samples_ > 100000) return usage_error("--samples is 1 to 100000");
    TENON_ASSIGN(driver::Unit unit, model_.read());
    TENON_ASSIGN(ir::Module module, graph_of(std::move(unit), "check-grad"));
    const std::string gradient = function_ + ".grad";
    module.derives.clear();
    module.stage = "graph";
    std::vector<std::string> wrt = wrt_;
    if (wrt.empty()) {
      TENON_ASSIGN(wrt, reached_parameters(module));
    }
    TENON_TRY(add_gradient(module, function_, gradient, wrt, ""));
    driver::CompileOptions options;
    options.functions = {function_, gradient};
    options.epochs = false;
    TENON_ASSIGN(const ir::Module derived, driver::derive(std::move(module), options));
    const ir::Function& grad = *derived.find_function(gradient);
    evaluate::Inputs inputs;
    evaluate::Outputs exact;
    TENON_TRY(draw(derived, grad, &inputs, &exact));
    TENON_ASSIGN(const evaluate::WideOutputs wide, evaluate::wide(derived, grad, inputs));

    TENON_ASSIGN(const ir::Module in_f64, widened(derived));
    evaluate::Inputs inputs_f64 = inputs;
    for (Array& a : inputs_f64.arguments) a = widened(a);
    for (auto& [name, value] : inputs_f64.globals) value = widened(value);
    TENON_ASSIGN(const evaluate::Outputs rules,
                 evaluate::exact(in_f64, *in_f64.find_function(gradient), inputs_f64));
    if (rules.status != 0) return error(static_cast<Code>(rules.status), function_ + " fails in f64");
    Checker checker(in_f64, *in_f64.find_function(function_), inputs_f64);
    runtime::Random random(seed_, 77);
    std::vector<std::vector<std::string>> rows{
        {"parameter", "type", "tried", "undecided", "worst error/bound"}};
    Json report = Json::array();
    size_t good = 0, all = 0;
    bool inputs_too = false;
    for (size_t g = 0; g < grad.returns; ++g) {
      std::string name = grad.result_names[g];
      if (!name.empty() && name.back() == '\'') name.pop_back();
      const Array& found = exact.returned[g];
      const std::string type = std::string(dtype_name(found.dtype())) + shape_text(found.shape());
      Array* const place = checker.place(name);
      if (place == nullptr) {
        // Values on the way have gradients too, but no place to move them at.
        rows.push_back({name, type, "0", "0", "not checked: a value on the way"});
        continue;
      }
      ++all;
      inputs_too = inputs_too || inputs.globals.count(name) == 0;
      Verdict v;
      v.arithmetic(found, wide.returned[g]);
      TENON_TRY(try_rules(checker, *place, found, rules.returned[g].as<double>(), random, &v));
      const bool ok = v.worst <= 1 && (found.count() == 0 || v.undecided < v.tried);
      good += ok;
      rows.push_back({name, type, std::to_string(v.tried), std::to_string(v.undecided),
                      short_text(v.worst) + (ok ? "" : "  WRONG")});
      report.push_back({{"name", name},
                        {"type", type},
                        {"tried", v.tried},
                        {"undecided", v.undecided},
                        {"worst", v.worst},
                        {"ok", ok}});
    }
    if (all == 0)
      return error(Code::bad_option,
                   "check-grad: nothing to check: " + function_ +
                       " reaches no parameter and no input that was asked for",
                   "gradients of parameters and inputs are checked, values on the way through those behind "
                   "them");
    c.print(table(rows) + "\n" + std::to_string(good) + "/" + std::to_string(all) +
            (inputs_too ? " parameters and inputs\n" : " parameters\n"));
    c.report()["good"] = good;
    c.report()["parameters"] = std::move(report);
    return good == all ? Exit::done : Exit::no;
  }

 private:
  // Of one parameter: the worst error over its bound.
  struct Verdict {
    double worst = 0;
    int64_t tried = 0, undecided = 0;

    void note(double error, double bound) {
      const double ratio = error == 0 ? 0 : error / bound;
      if (!(ratio <= worst)) worst = std::isnan(ratio) ? HUGE_VAL : ratio;
    }
    // The arithmetic, of all elements.
    void arithmetic(const Array& found, const evaluate::WideArray& judged) {
      for (int64_t i = 0; i < found.count(); ++i) {
        const double bound = judged.bound[static_cast<size_t>(i)];
        if (std::isfinite(bound)) note(std::abs(at(found, i) - judged.value[static_cast<size_t>(i)]), bound);
      }
    }
    void rule(double value, const Difference& d, double rounding) {
      // Of a slope of zero, differences show the rounding of the loss.
      const double magnitude = std::max({std::abs(value), std::abs(d.value), 1e-6 * std::max(1.0, d.loss)});
      ++tried;
      // A kink within reach leaves the differences without a limit.
      if (!std::isfinite(d.error) || d.error > 1e-3 * magnitude)
        ++undecided;
      else
        note(std::abs(value - d.value), d.error + 1e-9 * magnitude + rounding);
    }
  };

  // The rules, of some elements, and of one direction through all.
  Status try_rules(Checker& checker, Array& place, const Array& found, std::span<const double> rules,
                   runtime::Random& random, Verdict* v) const {
    const int64_t count = found.count();
    // Constants of a model of narrow floats are narrow: those of a rule are rounded apart from those of the
    // function, each by half a unit, against the largest of what they add up to.
    double rounding = 0;
    if (found.dtype() != DType::f64)
      for (double r : rules) rounding = std::max(rounding, 4 * half_unit(found.dtype()) * std::abs(r));
    const bool every = count <= samples_;
    for (int64_t s = 0; s < std::min(count, samples_); ++s) {
      const int64_t i = every ? s : static_cast<int64_t>(random.below(static_cast<uint64_t>(count)));
      TENON_ASSIGN(const Difference d, checker.along(place, {i}, {1.0}));
      v->rule(rules[static_cast<size_t>(i)], d, rounding);
    }
    if (every) return Ok{};
    std::vector<int64_t> elements;
    std::vector<double> direction;
    double value = 0;
    // Steps together as long as one of a single element.
    const double step = 1 / std::sqrt(static_cast<double>(count));
    for (int64_t i = 0; i < count; ++i) {
      elements.push_back(i);
      direction.push_back(random.bits() % 2 != 0 ? step : -step);
      value += direction.back() * rules[static_cast<size_t>(i)];
    }
    TENON_ASSIGN(const Difference d, checker.along(place, elements, direction));
    v->rule(value, d, rounding);
    return Ok{};
  }

  // Without patterns: the parameters that the function reaches, not other floats of the state.
  Result<std::vector<std::string>> reached_parameters(const ir::Module& module) const {
    driver::CompileOptions plain;
    plain.functions = {function_};
    plain.epochs = false;
    TENON_ASSIGN(const ir::Module flat, driver::derive(module, plain));
    const ir::Function& f = *flat.find_function(function_);
    std::vector<std::string> out;
    for (const ir::ValueId a : f.graph.args) {
      const ir::Global* g =
          f.graph.value(a).arg == ir::ArgKind::global ? flat.find_global(f.graph.value(a).name) : nullptr;
      if (g != nullptr && g->kind == ir::GlobalKind::param && is_float(g->type.dtype)) out.push_back(g->name);
    }
    if (out.empty())
      return error(Code::derive_invalid, function_ + " reaches no float parameter",
                   "--wrt names other values");
    return out;
  }

  // Labels and indices are drawn smaller until they are in range.
  Status draw(const ir::Module& derived, const ir::Function& grad, evaluate::Inputs* inputs,
              evaluate::Outputs* exact) {
    TENON_ASSIGN(inputs->dims, choose_sizes(derived.dims, *derived.find_function(function_), sizes_, 3));
    TENON_ASSIGN(inputs->globals, initial_globals(derived, seed_));
    TENON_TRY(prepare_state(*inputs, derived));
    for (const int limit : {10, 2, 1}) {
      TENON_ASSIGN(inputs->arguments, draw_inputs(grad.graph, inputs->dims, seed_, limit));
      TENON_ASSIGN(*exact, evaluate::exact(derived, grad, *inputs));
      if (exact->status == 0) return Ok{};
    }
    return error(static_cast<Code>(exact->status), function_ + " fails on every input drawn",
                 "other sizes (--size), or other parameters (--params)");
  }

  // Stored parameters, or drawn ones moved off their first values: zeros are special to many operations.
  Status prepare_state(evaluate::Inputs& inputs, const ir::Module& derived) {
    if (!params_.empty()) {
      driver::CompileOptions options;
      options.functions = {function_};
      options.epochs = false;
      driver::Unit unit;
      unit.code = derived;
      TENON_ASSIGN(const std::shared_ptr<const driver::Program> program,
                   driver::Program::compile(std::move(unit), options));
      driver::State state(program);
      TENON_TRY(state.load(params_, false, nullptr));
      for (const kernel::StateSlot& s : program->kernels().state) {
        TENON_ASSIGN(inputs.globals[s.name], state.get(s.name));
      }
      return Ok{};
    }
    runtime::Random random(seed_, 78);
    for (const ir::Global& g : derived.globals) {
      if (g.kind != ir::GlobalKind::param || !is_float(g.type.dtype)) continue;
      Array& a = inputs.globals.at(g.name);
      with_dtype(g.type.dtype, [&]<class T>() {
        for (T& x : a.as<T>()) x = static_cast<T>(static_cast<double>(x) + 0.05 * random.normal());
      });
    }
    return Ok{};
  }

  ModelOptions model_;
  std::string function_, params_;
  std::vector<std::string> wrt_, sizes_;
  int64_t samples_ = 6;
  uint64_t seed_ = 0;
};

}  // namespace

std::unique_ptr<Verb> make_check_grad() { return std::make_unique<CheckGrad>(); }

}  // namespace tenon::command
