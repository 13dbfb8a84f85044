#include "ir/batch.h"

#include <algorithm>
#include <map>

#include "ir/op_def.h"
#include "support/text.h"

namespace tenon::ir {
namespace {

// The named dimensions that loops of the graph run over.
void collect_trips(const Graph& graph, std::vector<std::string>* out) {
  for (size_t i = 0; i < graph.node_count(); ++i) {
    const Node& node = graph.node(NodeId(i));
    if (node.op->control() != nullptr && node.op->control()->what == Control::loop)
      if (const Dim* trip = std::get_if<Dim>(&node.attr("trip"))) trip->collect_symbols(out);
    for (const auto& region : node.regions) collect_trips(*region, out);
  }
}

std::vector<std::string> extents_of(const Type& type) {
  std::vector<std::string> out;
  for (const Dim& d : type.shape)
    if (const auto symbol = d.as_symbol()) out.push_back(*symbol);
  return out;
}

bool holds(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::string shown(const Value& input) { return input.name + ": " + input.type.text(); }

class Finder {
 public:
  Finder(const Function& function, const BatchWords& words) : function_(function), words_(words) {
    for (ValueId a : function.graph.args) {
      const Value& arg = function.graph.value(a);
      if (arg.arg == ArgKind::input) inputs_.push_back(&arg);
    }
  }

  BatchFinding run() {
    for (const std::string& name : words_.same)
      if (std::none_of(inputs_.begin(), inputs_.end(), [&](const Value* v) { return v->name == name; }))
        return {{}, function_.name + " has no input named " + name + " to be the same for every batch", ""};
    for (const Value* input : inputs_)
      if (!input->type.is_scalar() && !holds(words_.same, input->name)) data_.push_back(input);
    std::string dim = words_.dim;
    if (dim.empty()) {
      BatchFinding none = infer(&dim);
      if (dim.empty()) return none;
    }
    return cut(dim);
  }

 private:
  // The dimension that all data share; the finding says what is wrong where `dim` stays empty.
  BatchFinding infer(std::string* dim) {
    std::vector<std::string> shared, seen;
    std::map<std::string, size_t, std::less<>> inputs_with;  // a dimension
    std::string all;
    for (size_t i = 0; i < data_.size(); ++i) {
      std::vector<std::string> own = extents_of(data_[i]->type);
      all += (i == 0 ? "" : ", ") + shown(*data_[i]);
      for (size_t d = 0; d < own.size(); ++d) {
        const auto [count, fresh] = inputs_with.try_emplace(own[d], 0);
        if (fresh) seen.push_back(own[d]);
        count->second += std::find(own.begin(), own.begin() + static_cast<ptrdiff_t>(d), own[d]) ==
                         own.begin() + static_cast<ptrdiff_t>(d);
      }
      if (i == 0) shared = own;
      std::erase_if(shared, [&](const std::string& name) { return !holds(own, name); });
    }
    if (seen.empty()) return {};
    std::sort(shared.begin(), shared.end());
    shared.erase(std::unique(shared.begin(), shared.end()), shared.end());
    if (shared.size() > 1) {
      std::vector<std::string> trips, rest = shared;
      collect_trips(function_.graph, &trips);
      std::erase_if(rest, [&](const std::string& name) { return holds(trips, name); });
      if (!rest.empty()) shared = rest;
    }
    if (shared.size() == 1) {
      *dim = shared[0];
      return {};
    }
    if (shared.size() > 1)
      return {{},
              "the inputs share the dimensions " + join(shared, " and ") +
                  ", which of them is the batch is not said",
              "name it: batch = " + shared[0] + "; batch = none where the step is called by itself only"};
    // The dimension that most have, for the mend.
    std::string best;
    size_t most = 0;
    for (const std::string& name : seen) {
      const size_t n = inputs_with.find(name)->second;
      if (n > most) best = name, most = n;
    }
    std::vector<std::string> without;
    for (const Value* v : data_)
      if (!holds(extents_of(v->type), best)) without.push_back(v->name);
    return {{},
            "the inputs share no dimension to be the batch: " + all,
            "batch = " + best + ", same = [" + join(without, ", ") + "] hands " + join(without, ", ") +
                " whole to every batch; batch = none where the step is called by itself only"};
  }

  BatchFinding cut(const std::string& dim) {
    Batch out;
    out.dim = dim;
    for (const Value* input : inputs_) {
      BatchInput& to = out.inputs.emplace_back();
      to.name = input->name;
      bool within = false;  // of an expression such as 2*n
      for (size_t i = 0; i < input->type.rank(); ++i) {
        const Dim& extent = input->type.shape[i];
        std::vector<std::string> names;
        extent.collect_symbols(&names);
        if (extent.as_symbol() == dim)
          to.axes.push_back(static_cast<uint32_t>(i));
        else
          within = within || holds(names, dim);
      }
      const bool same = input->type.is_scalar() || holds(words_.same, input->name);
      if (within)
        return {{},
                shown(*input) + " cannot be cut along " + dim + ": an extent is an expression of it",
                "give it an extent " + dim + ", or one that is not made from it"};
      if (same && !to.axes.empty())
        return {{},
                shown(*input) + " is said to be the same for every batch, and has the batch dimension " + dim,
                "leave it out of same, or give it another dimension"};
      if (!same && to.axes.empty())
        return {{},
                shown(*input) + " does not have the batch dimension " + dim,
                "batch = " + dim + ", same = [" + input->name + "] hands it whole to every batch"};
    }
    return {std::move(out), "", ""};
  }

  const Function& function_;
  const BatchWords& words_;
  std::vector<const Value*> inputs_, data_;
};

}  // namespace

BatchFinding find_batch(const Function& function, const BatchWords& words) {
  if (!function.batch.dim.empty() && words.dim.empty() && words.same.empty()) return {function.batch, "", ""};
  return Finder(function, words).run();
}

}  // namespace tenon::ir
