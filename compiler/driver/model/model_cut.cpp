// Functions of a model, cut out of its one graph.
#include <algorithm>

#include "driver/model/model.h"
#include "ir/compact.h"
#include "transforms/globals.h"
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
    draws_ |= mode == ir::Mode::training;
    TENON_TRY(transforms::resolve_mode(module_, function, mode));
    for (size_t i = 0; i < mapped.size(); ++i) map[mapped[i]] = graph.results[i];
    graph.results.clear();
    return Ok{};
  }

  // With its writes the function is whole: a step that draws counts, or its next call would draw the same.
  void finish(ir::Mode mode) {
    function.mode = mode;
    if (draws_ && !function.writes.empty()) transforms::count_step(module_, function);
    ir::compact(module_, function.graph);
  }

  ir::Function function;
  std::vector<ValueId> map;  // the graph's values in the function; invalid: not there

 private:
  ir::Module& module_;
  const ir::Graph& from_;
  std::optional<ir::Builder> names_;  // knows the names there are, until a transform makes others
  bool draws_ = false;                // training forms stand in it
};

}  // namespace

std::vector<char> Model::needed_by(const std::vector<ValueId>& roots) const {
  std::vector<char> out(graph_.value_count());
  std::vector<ValueId> work = roots;
  while (!work.empty()) {
    const ValueId v = work.back();
    work.pop_back();
    if (out[v.index]) continue;
    out[v.index] = 1;
    // A gradient needs its loss and what it is taken with respect to.
    if (const auto found = gradient_of_.find(v.index); found != gradient_of_.end()) {
      const Gradient& g = gradients_[found->second];
      work.push_back(g.loss);
      work.insert(work.end(), g.wrt.begin(), g.wrt.end());
    }
    if (const ir::Node* node = graph_.producer(v))
      work.insert(work.end(), node->operands.begin(), node->operands.end());
  }
  return out;
}

std::vector<ValueId> Model::roots_of(const Cut& cut) {
  std::vector<ValueId> out;
  for (const Named& r : cut.results) out.push_back(r.value);
  for (const Assign& a : cut.writes) out.push_back(a.value);
  return out;
}

// The updates that a step reaches, and those that these reach in turn. What the step assigns itself stands;
// of several updates of one state the one that follows from the others counts.
Status Model::add_updates(Cut* step) const {
  std::set<uint32_t> own;
  for (const Assign& a : step->writes) own.insert(a.target.index);
  std::vector<char> seen(updates_.size());
  for (bool more = true; more;) {
    more = false;
    const std::vector<char> needed = needed_by(roots_of(*step));
    for (size_t i = 0; i < updates_.size(); ++i) {
      const Update& u = updates_[i];
      const ir::Node* node = graph_.producer(u.with);
      const bool reached = node == nullptr ? needed[u.with.index] != 0
                                           : std::any_of(node->results.begin(), node->results.end(),
                                                         [&](ValueId r) { return needed[r.index] != 0; });
      if (seen[i] || !reached || own.contains(u.assign.target.index)) continue;
      seen[i] = 1;
      more = true;
      const auto write = std::find_if(step->writes.begin(), step->writes.end(),
                                      [&](const Assign& a) { return a.target == u.assign.target; });
      if (write == step->writes.end()) {
        step->writes.push_back(u.assign);
      } else if (needed_by({u.assign.value})[write->value.index]) {
        write->value = u.assign.value;
      } else if (!needed_by({write->value})[u.assign.value.index]) {
        const std::string& name = graph_.value(u.assign.target).name;
        return located(
            error(Code::state_write,
                  step->name + ": " + name + " is updated twice, and neither value follows from the other",
                  "give the second operation what the first makes of " + name),
            u.location);
      }
    }
  }
  return Ok{};
}

// The function that computes a cut's results and writes: the nodes it reaches, in program order.
Result<ir::Function> Model::cut(ir::Module& module, const Cut& cut) const {
  const std::vector<char> needed = needed_by(roots_of(cut));
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
  out.finish(mode);
  return std::move(f);
}

}  // namespace tenon::driver
