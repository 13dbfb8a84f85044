#include "transforms/step_graph.h"

#include "transforms/globals.h"
#include "transforms/transforms.h"

namespace tenon::transforms {

using ir::ArgKind;
using ir::ValueId;

StepGraph::StepGraph(ir::Module& module, ir::Function& function)
    : module_(module), function_(function), names_(module) {
  names_.add(function.graph);
  for (size_t i = 0; i < module.globals.size(); ++i) globals_.emplace(module.globals[i].name, i);
  read();
}

void StepGraph::read() {
  builder_.emplace(function_.graph, &module_);
  entries_.clear();
  writes_.clear();
  for (ValueId a : function_.graph.args)
    if (function_.graph.value(a).arg == ArgKind::global) entries_.emplace(function_.graph.value(a).name, a);
  for (size_t i = 0; i < function_.writes.size(); ++i) writes_.emplace(function_.writes[i].global, i);
}

const ir::Global* StepGraph::find_global(const std::string& name) const {
  const auto at = globals_.find(name);
  return at == globals_.end() ? nullptr : &module_.globals[at->second];
}

bool StepGraph::has_input(std::string_view name) const {
  for (ValueId a : function_.graph.args)
    if (function_.graph.value(a).arg == ArgKind::input && function_.graph.value(a).name == name) return true;
  return false;
}

void StepGraph::make_way(const std::string& global) {
  for (size_t i = 0; i < function_.graph.value_count(); ++i) {
    ir::Value& v = function_.graph.value(ValueId(i));
    if (v.arg == ArgKind::none && v.name == global) v.name = names_.claim(global);
  }
}

V StepGraph::entry(const std::string& global) {
  auto [at, fresh] = entries_.try_emplace(global);
  if (fresh) {
    const ir::Global* declared = find_global(global);
    TENON_CHECK(declared != nullptr, "no global is named " + global);
    at->second = function_.graph.add_arg(declared->type, ArgKind::global, global);
  }
  return {&*builder_, at->second};
}

void StepGraph::write(const std::string& global, V value) {
  auto [at, fresh] = writes_.try_emplace(global, function_.writes.size());
  if (!fresh) {
    function_.graph.results[function_.returns + at->second] = value.id;
    return;
  }
  function_.writes.push_back({global});
  function_.graph.results.push_back(value.id);
}

void StepGraph::update(const std::string& global, V value) {
  write(global, due_ ? ops::select(*due_, value, entry(global)) : value);
}

void StepGraph::name_slots(const std::vector<std::string>& names) {
  for (const std::string& name : names)
    if (names_.has(name)) prefix_ = function_.name + ".";
}

std::string StepGraph::slot(const std::string& wanted, const ir::Type& type, const ir::Init& init) {
  const std::string name = names_.claim(prefix_ + wanted);
  globals_.emplace(name, module_.globals.size());
  add_state(module_, name, type, init);
  return name;
}

V StepGraph::next_count() {
  if (!next_) {
    counter_ = slot(std::string(counter_name), {DType::i64, {}});
    next_ = entry(counter_) + 1.0;
    update(counter_, *next_);
  }
  return *next_;
}

V StepGraph::count() {
  next_count();
  return entry(counter_);
}

Status StepGraph::settle(std::vector<ValueId>* kept) {
  // Results follow what is put in, so what is kept is returned meanwhile.
  std::vector<ValueId>& results = function_.graph.results;
  const auto at = static_cast<ptrdiff_t>(function_.returns);
  const auto count = static_cast<ptrdiff_t>(kept->size());
  results.insert(results.begin() + at, kept->begin(), kept->end());
  function_.returns += kept->size();
  TENON_TRY(inline_calls(module_, function_, true));
  TENON_TRY(resolve_mode(module_, function_, ir::Mode::training));
  function_.returns -= kept->size();
  kept->assign(results.begin() + at, results.begin() + at + count);
  results.erase(results.begin() + at, results.begin() + at + count);
  for (size_t i = globals_.size(); i < module_.globals.size(); ++i)
    globals_.emplace(module_.globals[i].name, i);
  read();
  return Ok{};
}

}  // namespace tenon::transforms
