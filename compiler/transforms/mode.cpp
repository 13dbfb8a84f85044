// Modes (design decision 6): operations that have a training and an inference form are replaced by the one
// that the function runs in. Training forms draw random numbers from key (rng.seed, hash of the scoped name)
// and counter (rng.step, loop indices): the same seed gives the same bits, also after an unrelated layer is
// added.
#include "ir/inline_calls.h"
#include "ir/made_names.h"
#include "support/hash.h"
#include "transforms/globals.h"
#include "transforms/transforms.h"

namespace tenon::transforms {

using ir::ArgKind;
using ir::Graph;
using ir::Node;
using ir::NodeId;
using ir::ValueId;

namespace {

bool has_mode(const Graph& graph) {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (node.op->mode != nullptr) return true;
    if (node.op->control() == nullptr) continue;
    for (const std::unique_ptr<Graph>& region : node.regions)
      if (has_mode(*region)) return true;
  }
  return false;
}

class Resolver {
 public:
  Resolver(const ir::Module& module, bool training) : module_(module), training_(training) {}

  // `rng`: seed, then counters, as values of `out`.
  void fill(const Graph& from, Graph* out, std::vector<ValueId>* map, const std::vector<ValueId>& rng) {
    ir::Builder b(*out, &module_);
    for (size_t i = 0; i < from.node_count(); ++i) {
      const Node& node = from.node(NodeId(i));
      std::vector<ValueId> results;
      if (node.op->mode != nullptr) {
        results = replace(from, node, *map, rng, b);
      } else if (node.op->control() != nullptr && !node.regions.empty() && regions_have_mode(node)) {
        results = control(from, node, *map, rng, b);
      } else {
        results = b.copy(from, node, *map);
      }
      for (size_t r = 0; r < results.size(); ++r) (*map)[node.results[r].index] = results[r];
    }
    for (ValueId v : from.results) out->results.push_back((*map)[v.index]);
  }

 private:
  static bool regions_have_mode(const Node& node) {
    for (const std::unique_ptr<Graph>& region : node.regions)
      if (has_mode(*region)) return true;
    return false;
  }

  std::vector<ValueId> replace(const Graph& from, const Node& node, const std::vector<ValueId>& map,
                               const std::vector<ValueId>& rng, ir::Builder& b) {
    std::string name = from.value(node.results[0]).name;
    if (name.empty()) name = std::string(node.op->name) + "#" + std::to_string(unnamed_++);
    if (!node.scope.empty()) name = node.scope + "/" + name;
    name = regions_ + name;
    ir::ModeContext context{b, node, {}, training_, rng, 0};
    for (ValueId v : node.operands) context.operands.push_back(map[v.index]);
    context.stream = static_cast<int64_t>(fnv1a(name) >> 1);
    b.set_location(node.location);
    b.set_scope(node.scope);
    const size_t first = b.graph().value_count();
    const std::vector<ValueId> results = node.op->mode(context);
    b.set_location({});
    b.set_scope({});
    for (size_t r = 0; r < node.results.size(); ++r)
      if (results[r].index >= first) b.set_name(results[r], from.value(node.results[r]).name);
    return results;
  }

  std::vector<ValueId> control(const Graph& from, const Node& node, const std::vector<ValueId>& map,
                               const std::vector<ValueId>& rng, ir::Builder& b) {
    std::vector<ValueId> operands;
    for (ValueId v : node.operands) operands.push_back(map[v.index]);
    operands.insert(operands.end(), rng.begin(), rng.end());
    const bool loop = node.op->control()->what == ir::Control::loop;
    std::vector<std::unique_ptr<Graph>> regions;
    const std::string outside = regions_;
    std::string label = node.results.empty() ? "" : from.value(node.results[0]).name;
    if (label.empty()) label = std::string(node.op->name) + "#" + std::to_string(unnamed_++);
    for (const std::unique_ptr<Graph>& region : node.regions) {
      auto to = std::make_unique<Graph>();
      regions_ = outside + label + "[" + std::to_string(regions.size()) + "]/";
      std::vector<ValueId> inner(region->value_count()), counters;
      const ir::MadeNames own(*region);
      ValueId old_index;
      for (ValueId a : region->args) {
        const ir::Value& arg = region->value(a);
        if (arg.arg == ArgKind::index) {
          old_index = a;
        } else {
          inner[a.index] = to->add_arg(arg.type, arg.arg, arg.name);
        }
      }
      for (ValueId v : rng) {
        // Names inside a region are its own.
        std::string name = b.graph().value(v).name;
        if (own.has(name)) name.clear();
        counters.push_back(to->add_arg(b.type(v), ArgKind::capture, name));
      }
      if (loop && (old_index.valid() || !rng.empty())) {
        const ValueId index = to->add_arg({DType::i64, {}}, ArgKind::index,
                                          old_index.valid() ? region->value(old_index).name : "");
        if (old_index.valid()) inner[old_index.index] = index;
        if (!rng.empty()) counters.push_back(index);
      }
      fill(*region, to.get(), &inner, counters);
      regions.push_back(std::move(to));
    }
    regions_ = outside;
    std::vector<ir::Type> types;
    for (ValueId r : node.results) types.push_back(from.type(r));
    const NodeId id = b.graph().add_node(node.op, std::move(operands), node.attrs, types, std::move(regions),
                                         node.location, node.scope);
    const std::vector<ValueId> results = b.graph().node(id).results;
    for (size_t r = 0; r < results.size(); ++r) b.set_name(results[r], from.value(node.results[r]).name);
    return results;
  }

  const ir::Module& module_;
  const bool training_;
  size_t unnamed_ = 0;
  std::string regions_;  // the regions around, by their nodes' names: names are unique in one graph only
};

// Running statistics stay as they are in inference: what writes them back has nothing to write.
void drop_kept(ir::Function* f) {
  for (size_t i = f->writes.size(); i-- > 0;) {
    const size_t at = f->returns + i;
    const ir::Value& written = f->graph.value(f->graph.results[at]);
    if (written.node.valid() || written.arg != ArgKind::global || written.name != f->writes[i].global)
      continue;
    f->graph.results.erase(f->graph.results.begin() + static_cast<std::ptrdiff_t>(at));
    f->writes.erase(f->writes.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

}  // namespace

Status resolve_mode(ir::Module& module, ir::Function& function, ir::Mode mode) {
  if (mode == ir::Mode::unresolved) return Ok{};
  TENON_TRY(ir::inline_calls(module, function.graph));
  function.mode = mode;
  if (!has_mode(function.graph)) return Ok{};
  const bool training = mode == ir::Mode::training;
  Graph out;
  std::vector<ValueId> map(function.graph.value_count()), rng;
  for (ValueId a : function.graph.args) {
    const ir::Value& arg = function.graph.value(a);
    map[a.index] = out.add_arg(arg.type, arg.arg, arg.name);
  }
  if (training) {
    const Rng names = ensure_rng(module, &function.graph);
    rng = {global_value(module, out, names.seed), global_value(module, out, names.step)};
  }
  Resolver(module, training).fill(function.graph, &out, &map, rng);
  function.graph = std::move(out);
  drop_kept(&function);
  if (training && !function.writes.empty()) count_step(module, function);
  return Ok{};
}

}  // namespace tenon::transforms
