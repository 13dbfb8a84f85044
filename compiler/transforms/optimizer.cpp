#include "transforms/optimizer.h"

#include <functional>
#include <map>
#include <optional>
#include <unordered_map>

#include "ir/made_names.h"
#include "ops/expr.h"
#include "support/text.h"
#include "transforms/globals.h"
#include "transforms/options.h"

namespace tenon::transforms {

using ir::ValueId;
using ops::V;

namespace {

struct Setting {
  std::string_view name;
  std::optional<double> preset;  // none: must be given
};

constexpr const char* counter_name = "step";

// Values of one optimizer's settings, per element type, and the slots it makes.
class Stage {
 public:
  Stage(ir::Module& module, ir::Function& function, const ir::Option& with, std::span<const Setting> settings)
      : module_(module),
        function_(function),
        with_(with),
        settings_(settings),
        b_(function.graph, &module),
        names_(module) {
    names_.add(function.graph);
    const ir::Graph& graph = function.graph;
    for (ValueId a : graph.args)
      if (graph.value(a).arg == ir::ArgKind::global) entries_.emplace(graph.value(a).name, a);
    for (size_t i = 0; i < function.writes.size(); ++i) writes_.emplace(function.writes[i].global, i);
    for (size_t i = 0; i < module.globals.size(); ++i) globals_.emplace(module.globals[i].name, i);
  }

  // A number has to fit the element types of all it is computed with.
  Status check(const std::vector<std::string>& params) const {
    std::vector<std::string_view> known;
    for (const Setting& s : settings_) known.push_back(s.name);
    TENON_TRY(check_options(with_.group, known, with_.word));
    Errors errors;
    for (const Setting& s : settings_) {
      const ir::Option* given = find_option(with_.group, s.name);
      if (given == nullptr) {
        if (!s.preset) {
          errors.append(error(Code::derive_invalid,
                              with_.word + ": option " + std::string(s.name) + " is missing",
                              "give {" + std::string(s.name) + " = 0.01}, or the name of a hyper-parameter"));
        }
        continue;
      }
      if (given->word == "true" || given->word == "false") continue;
      if (const std::optional<Number> literal = Number::parse(given->word)) {
        const std::string who = with_.word + ": " + std::string(s.name) + " = ";
        for (const std::string& param : params)
          if (const ir::Global* g = find_global(param); g != nullptr && errors.empty())
            if (Status fit = literal->check(g->type.dtype, who); !fit) errors.append(fit.take_errors());
        continue;
      }
      const ir::Global* global = find_global(given->word);
      if (global == nullptr) {
        errors.append(error(Code::derive_invalid,
                            with_.word + ": " + given->word + " is neither a number nor a declared name",
                            "declare it: hyper " + given->word + " = 0.001 : f32"));
      } else if (!global->type.is_scalar() || !is_float(global->type.dtype)) {
        errors.append(error(Code::derive_invalid, with_.word + ": " + std::string(s.name) + " is " +
                                                      global->name + ", which is " + global->type.text() +
                                                      ", wants one float"));
      } else if (has_input(given->word)) {
        errors.append(error(Code::duplicate_name,
                            with_.word + ": " + given->word + " is an input of " + function_.name +
                                " as well, which hides the " + "global of this name",
                            "name the input otherwise"));
      }
    }
    if (!errors.empty()) return errors;
    return Ok{};
  }

  // A setting as a rank-0 value of the element type.
  V number(std::string_view name, DType dtype) {
    auto [at, fresh] = numbers_.try_emplace({std::string(name), dtype});
    if (fresh) {
      const ir::Option* given = find_option(with_.group, name);
      std::optional<Number> literal;
      if (given != nullptr)
        literal = Number::parse(given->word);
      else if (const std::optional<double> number = preset(name))
        literal = *number;
      if (literal) {
        at->second = b_.constant(dtype, *literal);
      } else {
        make_way(given->word);
        at->second = ops::cast(entry(given->word), dtype).id;
      }
    }
    return {&b_, at->second};
  }
  bool flag(std::string_view name) const {
    const ir::Option* given = find_option(with_.group, name);
    if (given == nullptr) return preset(name).value_or(0) != 0;
    return Number::parse(given->word).value_or(0).approximate() != 0;
  }

  V entry(const std::string& global) {
    auto [at, fresh] = entries_.try_emplace(global);
    if (fresh) {
      const ir::Global* declared = find_global(global);
      TENON_CHECK(declared != nullptr, "no global is named " + global);
      at->second = function_.graph.add_arg(declared->type, ir::ArgKind::global, global);
    }
    return {&b_, at->second};
  }
  // Appends a write, or replaces the value of the one that stands.
  void write(const std::string& global, V value) {
    auto [at, fresh] = writes_.try_emplace(global, function_.writes.size());
    if (!fresh) {
      function_.graph.results[function_.returns + at->second] = value.id;
      return;
    }
    function_.writes.push_back({global});
    function_.graph.results.push_back(value.id);
  }

  // Where a name that its slots would have is taken, by another step's or by the model, all of this step's
  // bear its own before them: which of two steps a slot belongs to is seen from its name.
  void name_slots(const std::vector<std::string>& names) {
    for (const std::string& name : names)
      if (names_.has(name)) prefix_ = function_.name + ".";
  }
  // A state beside the parameter, always a new one.
  std::string slot(const std::string& param, std::string_view suffix, const ir::Type& type) {
    const std::string name = names_.claim(prefix_ + param + std::string(suffix));
    globals_.emplace(name, module_.globals.size());
    add_state(module_, name, type);
    return name;
  }
  // Steps done including this one, as a float.
  V steps(DType dtype) {
    if (counter_.empty()) {
      counter_ = slot(counter_name, "", {DType::i64, {}});
      const V next = entry(counter_) + 1.0;
      write(counter_, next);
      next_ = next.id;
    }
    return ops::cast(V{&b_, next_}, dtype);
  }
  V once(const std::string& key, DType dtype, const std::function<V()>& make) {
    auto [at, fresh] = numbers_.try_emplace({key, dtype});
    if (fresh) {
      const ValueId made = make().id;
      numbers_[{key, dtype}] = made;
      return {&b_, made};
    }
    return {&b_, at->second};
  }

 private:
  const ir::Global* find_global(const std::string& name) const {
    const auto at = globals_.find(name);
    return at == globals_.end() ? nullptr : &module_.globals[at->second];
  }
  bool has_input(std::string_view name) const {
    for (ValueId a : function_.graph.args)
      if (function_.graph.value(a).arg == ir::ArgKind::input && function_.graph.value(a).name == name)
        return true;
    return false;
  }
  // A value inside the function that has a global's name gives it up where the global comes in.
  void make_way(const std::string& global) {
    for (size_t i = 0; i < function_.graph.value_count(); ++i) {
      ir::Value& v = function_.graph.value(ValueId(i));
      if (v.arg == ir::ArgKind::none && v.name == global) v.name = names_.claim(global);
    }
  }
  std::optional<double> preset(std::string_view name) const {
    for (const Setting& s : settings_)
      if (s.name == name) return s.preset;
    TENON_CHECK(false, "no setting is named " + std::string(name));
    return {};
  }

  ir::Module& module_;
  ir::Function& function_;
  const ir::Option& with_;
  std::span<const Setting> settings_;
  ir::Builder b_;
  ir::MadeNames names_;
  std::map<std::pair<std::string, DType>, ValueId> numbers_;
  std::unordered_map<std::string, ValueId> entries_;  // arguments for globals
  std::unordered_map<std::string, size_t> globals_;   // of the module, by name
  std::unordered_map<std::string, size_t> writes_;    // position of each written global
  std::string prefix_, counter_;
  ValueId next_;
};

constexpr std::string_view momentum_slots[] = {".m"}, adam_slots[] = {".m", ".v"};

void sgd(Stage& s, const std::string& param, V p, V g) { s.write(param, p - s.number("lr", p.dtype()) * g); }

void momentum(Stage& s, const std::string& param, V p, V g) {
  const std::string slot = s.slot(param, momentum_slots[0], p.type());
  const V factor = s.number("momentum", p.dtype());
  const V m = factor * s.entry(slot) + g;
  const V direction = s.flag("nesterov") ? g + factor * m : m;
  s.write(param, p - s.number("lr", p.dtype()) * direction);
  s.write(slot, m);
}

void adam(Stage& s, const std::string& param, V p, V g) {
  const DType dtype = p.dtype();
  const std::string first = s.slot(param, adam_slots[0], p.type()),
                    second = s.slot(param, adam_slots[1], p.type());
  const V beta1 = s.number("beta1", dtype), beta2 = s.number("beta2", dtype);
  const V rest1 = s.once("1 - beta1", dtype, [&] { return 1.0 - beta1; });
  const V rest2 = s.once("1 - beta2", dtype, [&] { return 1.0 - beta2; });
  const V t = s.once("t", dtype, [&] { return s.steps(dtype); });
  const V rate = s.once("rate", dtype, [&] { return s.number("lr", dtype) / (1.0 - ops::pow(beta1, t)); });
  const V scale = s.once("scale", dtype, [&] { return 1.0 / ops::sqrt(1.0 - ops::pow(beta2, t)); });
  const V m = beta1 * s.entry(first) + rest1 * g;
  const V v = beta2 * s.entry(second) + rest2 * (g * g);
  s.write(param, p - rate * (m / (ops::sqrt(v) * scale + s.number("eps", dtype))));
  s.write(first, m);
  s.write(second, v);
}

constexpr Setting sgd_settings[] = {{"lr", {}}};
constexpr Setting momentum_settings[] = {{"lr", {}}, {"momentum", 0.9}, {"nesterov", 0}};
constexpr Setting adam_settings[] = {{"lr", 1e-3}, {"beta1", 0.9}, {"beta2", 0.999}, {"eps", 1e-8}};

struct Optimizer {
  std::string_view name;
  std::span<const Setting> settings;
  std::span<const std::string_view> slots;  // of each parameter, by their ends
  bool counts;                              // its steps
  void (*update)(Stage&, const std::string& param, V p, V g);
};
constexpr Optimizer optimizers[] = {{"sgd", sgd_settings, {}, false, sgd},
                                    {"momentum", momentum_settings, momentum_slots, false, momentum},
                                    {"adam", adam_settings, adam_slots, true, adam}};

}  // namespace

Status add_optimizer(ir::Module& module, ir::Function& function, const ir::Option& with,
                     const std::vector<std::string>& params, const std::vector<ValueId>& gradients) {
  for (const Optimizer& o : optimizers) {
    if (o.name != with.word) continue;
    Stage stage(module, function, with, o.settings);
    TENON_TRY(stage.check(params));
    std::vector<std::string> slots;
    if (o.counts) slots.emplace_back(counter_name);
    for (const std::string& param : params)
      for (const std::string_view end : o.slots) slots.push_back(param + std::string(end));
    stage.name_slots(slots);
    for (size_t i = 0; i < params.size(); ++i) {
      const V p = stage.entry(params[i]), g{p.b, gradients[i]};
      o.update(stage, params[i], p, g);
    }
    return Ok{};
  }
  std::vector<std::string_view> names;
  for (const Optimizer& o : optimizers) names.push_back(o.name);
  const std::string_view near = nearest(with.word, names);
  return error(Code::derive_invalid, "no optimizer is named " + with.word,
               near.empty() ? "one of sgd, momentum, adam" : "did you mean " + std::string(near) + "?");
}

}  // namespace tenon::transforms
