// Functions, steps and gradients of a model under construction, and the module they make.
#include <algorithm>

#include "driver/model/model.h"
#include "ir/compact.h"
#include "ir/parse.h"
#include "ir/verify.h"
#include "support/text.h"
#include "transforms/transforms.h"

namespace tenon::driver {

using ir::ArgKind;
using ir::ValueId;

Result<std::vector<ValueId>> Model::grad(ValueId loss, const std::vector<ValueId>& wrt) {
  const ir::Type& type = graph_.type(loss);
  if (!type.is_scalar() || !is_float(type.dtype))
    return located(error(Code::not_differentiable, "grad: the loss is " + type.text() + ", wants one float",
                         "reduce it: mean, sum"));
  for (ValueId v : wrt)
    if (!is_float(graph_.type(v).dtype))
      return located(error(Code::not_differentiable,
                           "grad: with respect to " + graph_.type(v).text() + ", wants floats"));
  {
    // What has no derivative is told here, where the call stands.
    ir::Graph trial = graph_;
    Result<std::vector<ValueId>> tried = transforms::grad(trial, module_, loss, wrt);
    if (!tried) return located(tried.take_errors());
  }
  Gradient g;
  g.loss = loss;
  g.wrt = wrt;
  g.position = graph_.node_count();
  for (ValueId v : wrt) {
    const ir::Type copy = graph_.type(v);
    g.values.push_back(graph_.add_arg(copy, ArgKind::input, ""));
    gradient_of_[g.values.back().index] = gradients_.size();
  }
  gradients_.push_back(g);
  return g.values;
}

Status Model::check_results(std::string_view function, const std::vector<Named>& results) const {
  std::set<std::string_view> names;
  for (const Named& r : results)
    if (!r.name.empty() && !names.insert(r.name).second)
      return located(error(Code::duplicate_name, std::string(function) + ": two results are named " + r.name,
                           "give each a name of its own"));
  return Ok{};
}

Status Model::function(std::string_view name, const std::vector<Named>& results) {
  TENON_TRY(check_results(name, results));
  TENON_TRY(add_function(name));
  cuts_.push_back({std::string(name), results, {}, ir::Mode::unresolved, false, {}, location_});
  return Ok{};
}

Status Model::metric(std::string_view name, ValueId value) {
  if (!graph_.type(value).is_scalar())
    return located(error(Code::rank_mismatch, "metric " + std::string(name) + " is " +
                                                  graph_.type(value).text() + ", wants one number"));
  TENON_TRY(add_function(name));
  cuts_.push_back(
      {std::string(name), {{std::string(name), value}}, {}, ir::Mode::unresolved, true, {}, location_});
  return Ok{};
}

Status Model::step(std::string_view name, ValueId loss, std::string_view options,
                   const std::vector<std::string>& over) {
  Result<std::vector<ir::Option>> parsed = ir::parse_options(options);
  // An optimizer that stands first, "adam {lr = lr}", reads as an option without a value.
  const auto is_with = [](const ir::Option& o) { return o.name == "with"; };
  if (parsed && std::none_of(parsed->begin(), parsed->end(), is_with))
    if (auto with = ir::parse_options("with = " + std::string(options)); with) parsed = std::move(with);
  if (!parsed) return located(parsed.take_errors());
  TENON_TRY(add_function(name));
  TENON_TRY(add_function(std::string(name) + ".loss"));
  Cut c{std::string(name), {{"loss", loss}}, {}, ir::Mode::unresolved, false, std::move(*parsed), location_};
  if (!over.empty()) {
    ir::Option o;
    o.name = "over";
    o.is_list = true;
    o.list = over;
    c.derive.insert(c.derive.begin(), std::move(o));
  }
  cuts_.push_back(std::move(c));
  return Ok{};
}

Status Model::check_write(std::string_view writer, const Assign& assign) const {
  const ir::Value& target = graph_.value(assign.target);
  const ir::Global* g = target.arg == ArgKind::global ? module_.find_global(target.name) : nullptr;
  if (g == nullptr || g->kind == ir::GlobalKind::hyper)
    return located(
        error(Code::state_write, std::string(writer) + " assigns to what is no parameter or state"));
  if (!(graph_.type(assign.value) == target.type))
    return located(error(Code::state_write, std::string(writer) + ": " + target.name + " is " +
                                                target.type.text() + ", the value is " +
                                                graph_.type(assign.value).text()));
  return Ok{};
}

Status Model::step(std::string_view name, const std::vector<Assign>& assigns,
                   const std::vector<Named>& results) {
  std::set<uint32_t> seen;
  for (const Assign& a : assigns) {
    TENON_TRY(check_write(name, a));
    if (!seen.insert(a.target.index).second)
      return located(error(Code::state_write,
                           std::string(name) + " assigns to " + graph_.value(a.target).name + " twice"));
  }
  TENON_TRY(check_results(name, results));
  TENON_TRY(add_function(name));
  cuts_.push_back({std::string(name), results, assigns, ir::Mode::training, false, {}, location_});
  return Ok{};
}

Status Model::update(ValueId target, ValueId value, ValueId with) {
  const Assign assign{target, value};
  TENON_TRY(check_write("an update", assign));
  updates_.push_back({assign, with, location_});
  return Ok{};
}

Status Model::averaged(std::string_view name, std::string_view function, std::string_view step) {
  const std::vector<std::string_view> known(functions_.begin(), functions_.end());
  for (const std::string_view wanted : {function, step}) {
    if (functions_.contains(wanted)) continue;
    const std::string_view near = nearest(wanted, known);
    return located(error(Code::undefined_name, "averaged: no function is named " + std::string(wanted),
                         near.empty() ? "" : "did you mean " + std::string(near) + "?"));
  }
  TENON_TRY(add_function(name));
  ir::Derive d;
  d.name = name;
  d.kind = "averaged";
  d.source = function;
  ir::Option& of = d.options.emplace_back();
  of.name = "of";
  of.word = step;
  d.location = location_;
  averaged_.push_back(std::move(d));
  return Ok{};
}

Result<ir::Module> Model::finish() const {
  ir::Module out = module_;
  Errors errors;
  auto inputs = [](const ir::Function& f) {
    std::set<std::string> names;
    for (ValueId a : f.graph.args)
      if (f.graph.value(a).arg == ArgKind::input) names.insert(f.graph.value(a).name);
    return names;
  };
  // Metrics first: steps name them.
  for (const bool metrics : {true, false}) {
    for (const Cut& c : cuts_) {
      if (c.metric != metrics) continue;
      Cut named = c;
      if (!c.derive.empty() || !c.writes.empty())
        if (Status s = add_updates(&named); !s) {
          errors.append(s.take_errors());
          continue;
        }
      if (!c.derive.empty()) named.name += ".loss";
      Result<ir::Function> f = cut(out, named);
      if (!f) {
        errors.append(f.take_errors());
        continue;
      }
      if (!c.derive.empty()) {
        ir::Derive d;
        d.name = c.name;
        d.kind = "step";
        d.source = named.name;
        d.options = c.derive;
        d.location = c.location;
        // Metrics that the step's inputs suffice for are reported with it.
        ir::Option reported;
        reported.name = "metrics";
        reported.is_list = true;
        const std::set<std::string> own = inputs(*f);
        for (const Cut& m : cuts_) {
          const ir::Function* metric = m.metric ? out.find_function(m.name) : nullptr;
          if (metric == nullptr) continue;
          const std::set<std::string> wanted = inputs(*metric);
          if (std::includes(own.begin(), own.end(), wanted.begin(), wanted.end()))
            reported.list.push_back(m.name);
        }
        if (!reported.list.empty()) d.options.push_back(std::move(reported));
        out.derives.push_back(std::move(d));
      }
      out.functions.push_back(std::move(*f));
    }
  }
  out.derives.insert(out.derives.end(), averaged_.begin(), averaged_.end());
  if (!errors.empty()) return errors;
  TENON_TRY(ir::verify(out));
  return out;
}

}  // namespace tenon::driver
