// Functions, steps and gradients of a model under construction, and the module they make.
#include <algorithm>

#include "driver/model/model.h"
#include "ir/compact.h"
#include "ir/parse.h"
#include "ir/verify.h"
#include "transforms/transforms.h"

namespace tenon::driver {

using ir::ArgKind;
using ir::ValueId;

namespace {

bool has_mode(const ir::Graph& graph) {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const ir::Node& node = graph.node(ir::NodeId(i));
    if (node.op->mode != nullptr) return true;
    for (const auto& region : node.regions)
      if (has_mode(*region)) return true;
  }
  return false;
}

// What the roots are computed from, they among it: a flag for each value. `add_sources` appends to a list
// what a value is computed from directly.
template <class AddSources>
std::vector<char> reached(size_t value_count, std::vector<ValueId> roots, AddSources add_sources) {
  std::vector<char> out(value_count);
  std::vector<ValueId> work = std::move(roots);
  while (!work.empty()) {
    const ValueId v = work.back();
    work.pop_back();
    if (out[v.index]) continue;
    out[v.index] = 1;
    add_sources(v, work);
  }
  return out;
}

// A function that is being cut out of a graph.
class Cutting {
 public:
  Cutting(ir::Module& module, const ir::Graph& from)
      : map(from.value_count()), module_(module), from_(from) {}

  void copy_argument(ValueId a) {
    const ir::Value& arg = from_.value(a);
    map[a.index] = function.graph.add_arg(arg.type, arg.arg, arg.name);
  }

  void copy_node(const ir::Node& node) {
    ir::Graph& graph = function.graph;
    if (!names_) names_.emplace(graph, &module_);
    std::vector<ValueId> operands;
    for (ValueId v : node.operands) operands.push_back(map[v.index]);
    std::vector<std::unique_ptr<ir::Graph>> regions;
    for (const auto& region : node.regions) regions.push_back(std::make_unique<ir::Graph>(*region));
    std::vector<ir::Type> types;
    for (ValueId r : node.results) types.push_back(from_.type(r));
    const ir::NodeId id = graph.add_node(node.op, std::move(operands), node.attrs, types, std::move(regions),
                                         node.location, node.scope);
    for (size_t r = 0; r < node.results.size(); ++r) {
      map[node.results[r].index] = graph.node(id).results[r];
      const std::string& own = from_.value(node.results[r]).name;
      if (!own.empty()) names_->set_name(graph.node(id).results[r], own);
    }
  }

  // The gradient of what stands here already; `values` are its values in the graph.
  Status take_gradient(ValueId loss, const std::vector<ValueId>& wrt, const std::vector<ValueId>& values) {
    names_.reset();
    std::vector<ValueId> here;
    for (ValueId w : wrt) here.push_back(map[w.index]);
    TENON_ASSIGN(const std::vector<ValueId> made,
                 transforms::grad(function.graph, module_, map[loss.index], here));
    for (size_t i = 0; i < made.size(); ++i) map[values[i].index] = made[i];
    return Ok{};
  }

  // Modes are resolved before a gradient is taken, in the part of the graph that stands before it.
  Status resolve(ir::Mode mode) {
    ir::Graph& graph = function.graph;
    if (mode == ir::Mode::unresolved || !has_mode(graph)) return Ok{};
    names_.reset();
    // All values are results meanwhile, so that the map can follow them.
    std::vector<uint32_t> mapped;
    graph.results.clear();
    for (uint32_t v = 0; v < map.size(); ++v)
      if (map[v].valid()) {
        mapped.push_back(v);
        graph.results.push_back(map[v]);
      }
    function.mode = ir::Mode::unresolved;
    TENON_TRY(transforms::resolve_mode(module_, function, mode));
    for (size_t i = 0; i < mapped.size(); ++i) map[mapped[i]] = graph.results[i];
    graph.results.clear();
    return Ok{};
  }

  ir::Function function;
  std::vector<ValueId> map;  // the graph's values in the function; invalid: not there

 private:
  ir::Module& module_;
  const ir::Graph& from_;
  std::optional<ir::Builder> names_;  // knows the names there are, until a transform makes others
};

}  // namespace

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

Status Model::step(std::string_view name, ValueId loss, std::string_view optimizer,
                   const std::vector<std::string>& over) {
  Result<std::vector<ir::Option>> parsed = ir::parse_options("with = " + std::string(optimizer));
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

Status Model::step(std::string_view name, const std::vector<Assign>& assigns,
                   const std::vector<Named>& results) {
  std::set<uint32_t> seen;
  for (const Assign& a : assigns) {
    const ir::Value& target = graph_.value(a.target);
    const ir::Global* g = target.arg == ArgKind::global ? module_.find_global(target.name) : nullptr;
    if (g == nullptr || g->kind == ir::GlobalKind::hyper)
      return located(
          error(Code::state_write, std::string(name) + " assigns to what is no parameter or state"));
    if (!seen.insert(a.target.index).second)
      return located(error(Code::state_write, std::string(name) + " assigns to " + target.name + " twice"));
    if (!(graph_.type(a.value) == target.type))
      return located(error(Code::state_write, std::string(name) + ": " + target.name + " is " +
                                                  target.type.text() + ", the value is " +
                                                  graph_.type(a.value).text()));
  }
  TENON_TRY(check_results(name, results));
  TENON_TRY(add_function(name));
  cuts_.push_back({std::string(name), results, assigns, ir::Mode::training, false, {}, location_});
  return Ok{};
}

// The function that computes a cut's results and writes: the nodes it reaches, in program order.
Result<ir::Function> Model::cut(ir::Module& module, const Cut& cut) const {
  std::vector<ValueId> roots;
  for (const Named& r : cut.results) roots.push_back(r.value);
  for (const Assign& a : cut.writes) roots.push_back(a.value);
  // A gradient needs its loss and what it is taken with respect to.
  const std::vector<char> needed =
      reached(graph_.value_count(), std::move(roots), [&](ValueId v, std::vector<ValueId>& sources) {
        if (const auto found = gradient_of_.find(v.index); found != gradient_of_.end()) {
          const Gradient& g = gradients_[found->second];
          sources.push_back(g.loss);
          sources.insert(sources.end(), g.wrt.begin(), g.wrt.end());
        }
        if (const ir::Node* node = graph_.producer(v))
          sources.insert(sources.end(), node->operands.begin(), node->operands.end());
      });
  auto any_needed = [&](const std::vector<ValueId>& values) {
    return std::any_of(values.begin(), values.end(), [&](ValueId v) { return needed[v.index] != 0; });
  };
  const bool any_gradient = std::any_of(gradients_.begin(), gradients_.end(),
                                        [&](const Gradient& g) { return any_needed(g.values); });
  ir::Mode mode = cut.mode;
  if (any_gradient && mode == ir::Mode::unresolved)
    mode = cut.derive.empty() ? ir::Mode::inference : ir::Mode::training;

  Cutting out(module, graph_);
  out.function.name = cut.name;
  out.function.location = cut.location;
  for (ValueId a : graph_.args)
    if (needed[a.index] && !gradient_of_.contains(a.index)) out.copy_argument(a);
  size_t next = 0;
  auto take_gradients = [&](size_t position) -> Status {
    for (; next < gradients_.size() && gradients_[next].position <= position; ++next) {
      const Gradient& g = gradients_[next];
      if (!any_needed(g.values)) continue;
      if (kind_ == Kind::body && has_mode(out.function.graph))
        return located(
            error(Code::not_differentiable,
                  "grad inside a loop's body or a branch: an operation before it has a training and "
                  "an inference form, and a body does not tell which",
                  "take the gradient outside, or leave dropout out of the body"));
      TENON_TRY(out.resolve(mode));
      TENON_TRY(out.take_gradient(g.loss, g.wrt, g.values));
    }
    return Ok{};
  };
  for (size_t i = 0; i < graph_.node_count(); ++i) {
    TENON_TRY(take_gradients(i));
    const ir::Node& node = graph_.node(ir::NodeId(i));
    if (any_needed(node.results)) out.copy_node(node);
  }
  TENON_TRY(take_gradients(graph_.node_count()));
  TENON_TRY(out.resolve(mode));

  ir::Function& f = out.function;
  for (const Named& r : cut.results) {
    f.graph.results.push_back(out.map[r.value.index]);
    f.result_names.push_back(r.name);
  }
  f.returns = cut.results.size();
  for (const Assign& a : cut.writes) {
    f.graph.results.push_back(out.map[a.value.index]);
    f.writes.push_back({graph_.value(a.target).name});
  }
  f.mode = mode;
  ir::compact(module, f.graph);
  return std::move(f);
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
  if (!errors.empty()) return errors;
  TENON_TRY(ir::verify(out));
  return out;
}

}  // namespace tenon::driver
