#include "transforms/update.h"

#include <map>
#include <tuple>

#include "support/text.h"
#include "transforms/optimizer.h"
#include "transforms/options.h"
#include "transforms/scalars.h"
#include "transforms/step_gradients.h"

namespace tenon::transforms {

using ir::ValueId;
using Range = SettingDef::Range;

namespace {

constexpr SettingDef factor_setting{
    .name = "lr_factor", .doc = "factor of the learning rate", .range = Range::not_negative, .preset = "1"};
constexpr SettingDef decay_setting{
    .name = "decay", .doc = "weight decay", .range = Range::not_negative, .preset = "0"};
constexpr SettingDef average_setting{.name = "average",
                                     .doc = "what is kept of the moving average",
                                     .range = Range::share,
                                     .otherwise = "none"};

}  // namespace

// One step's optimizer with what it is given, and what its rule has made so far.
class UpdateContext {
 public:
  UpdateContext(StepGraph& graph, Scalars& scalars, const Optimizer& optimizer,
                const std::vector<ir::Option>& options)
      : optimizer(optimizer),
        given(optimizer.settings, find_option(options, "with")->group),
        graph_(graph),
        scalars_(scalars),
        factor_(find_option(options, "lr_factor")),
        decay_(find_option(options, "decay")),
        average_(find_option(options, "average")) {
    if (decay_ == nullptr && !optimizer.decay_preset.empty()) {
      own_decay_.word = optimizer.decay_preset;
      decay_ = &own_decay_;
    }
    for (const ir::Option& o : find_option(options, "with")->group) groups_.push_back(&o);
    for (const ir::Option* o : {factor_, decay_})
      if (o != nullptr) groups_.push_back(o);
  }

  // Whether there is a slot, which depends on the settings alone.
  static bool present(const Slot& slot, const Given& given) {
    if (slot.when.empty()) return true;
    return given.def(slot.when).kind == SettingDef::Kind::flag ? given.flag(slot.when)
                                                               : given.literal(slot.when) != 0;
  }

  void update(const std::string& param, V gradient) {
    const V p = graph_.entry(param);
    const ir::Type type = p.type();
    slots_.clear();
    writes_.clear();
    choice_ = choice_of(param);
    for (const Slot& slot : optimizer.slots)
      if (present(slot, given)) slots_[slot.name] = add_slot(param, slot, type);
    const ir::Option* decay = decay_ == nullptr ? nullptr : choose(*decay_, param);
    const bool coupled = optimizer.decay == Optimizer::Decay::coupled;
    const V g = decay != nullptr && coupled ? gradient + scalars_.value(*decay, type.dtype) * p : gradient;
    const Update rule(*this, param, p, g);
    const V taken = optimizer.update(rule);
    V base = p;
    if (decay != nullptr && !coupled)
      base = p * rule.once("kept of p", [&] { return 1.0 - rule.lr() * scalars_.value(*decay, type.dtype); });
    const V next = base - taken;
    graph_.update(param, next);
    for (const auto& [slot, value] : writes_) graph_.update(slot, value);
    if (const ir::Option* kept = average_ == nullptr ? nullptr : choose(*average_, param))
      average(param, next, scalars_.value(*kept, type.dtype));
  }

  V number(const std::string& param, std::string_view setting, DType dtype) {
    const ir::Option* option = given.find(setting);
    if (const ir::Option* chosen = option == nullptr ? nullptr : choose(*option, param))
      return scalars_.value(*chosen, dtype);
    return scalars_.word(std::string(given.def(setting).preset), dtype);
  }
  const ir::Option* factor(const std::string& param) const {
    return factor_ == nullptr ? nullptr : choose(*factor_, param);
  }
  V once(std::string_view name, DType dtype, const std::function<V()>& make) {
    const auto key = std::tuple{std::string(name), dtype, choice_};
    auto at = once_.find(key);
    if (at == once_.end()) at = once_.emplace(key, make().id).first;
    return {&graph_.builder(), at->second};
  }
  bool has(std::string_view slot) const { return slots_.contains(slot); }
  const std::string& state(std::string_view slot) const {
    const auto at = slots_.find(slot);
    TENON_CHECK(at != slots_.end(), std::string(optimizer.name) + " has no slot " + std::string(slot));
    return at->second;
  }
  void write(std::string_view slot, V value) { writes_.emplace_back(state(slot), value); }
  StepGraph& graph() { return graph_; }
  Scalars& scalars() { return scalars_; }

  const Optimizer& optimizer;
  const Given given;

 private:
  std::string add_slot(const std::string& param, const Slot& slot, const ir::Type& type) {
    ir::Init init;
    if (!slot.initial.empty()) {
      std::optional<Number> number = Number::parse(slot.initial);
      if (!number) number = Number::parse(given.word(slot.initial));
      if (number->approximate() != 0) init = {"constant", {*number}};
    }
    return graph_.slot(param + "." + std::string(slot.name), slot.scalar ? ir::Type{type.dtype, {}} : type,
                       init);
  }
  // Parameters for which the same settings hold share what follows from them.
  size_t choice_of(const std::string& param) {
    std::vector<const ir::Option*> chosen;
    for (const ir::Option* o : groups_) chosen.push_back(choose(*o, param));
    return choices_.try_emplace(std::move(chosen), choices_.size()).first->second;
  }
  // The first update is the average so far.
  void average(const std::string& param, V next, V kept) {
    const std::string state = graph_.slot(param + std::string(average_ending), next.type());
    const V first = ops::equal(graph_.count(), ops::number(graph_.count(), 0));
    graph_.update(state, ops::select(first, next, kept * graph_.entry(state) + (1.0 - kept) * next));
  }

  StepGraph& graph_;
  Scalars& scalars_;
  const ir::Option *factor_, *decay_, *average_;
  ir::Option own_decay_;
  std::vector<const ir::Option*> groups_;  // what may differ between parameters
  std::map<std::vector<const ir::Option*>, size_t> choices_;
  std::map<std::tuple<std::string, DType, size_t>, ValueId> once_;
  // Of the parameter that is updated.
  size_t choice_ = 0;
  std::map<std::string_view, std::string> slots_;
  std::vector<std::pair<std::string, V>> writes_;
};

V Update::lr() const {
  const V lr = number("lr");
  const ir::Option* factor = context_.factor(param_);
  if (factor == nullptr) return lr;
  return once("lr", [&] { return lr * context_.scalars().value(*factor, p.dtype()); });
}
V Update::number(std::string_view setting) const { return context_.number(param_, setting, p.dtype()); }
bool Update::flag(std::string_view setting) const { return context_.given.flag(setting); }
bool Update::has(std::string_view slot) const { return context_.has(slot); }
V Update::slot(std::string_view slot) const { return context_.graph().entry(context_.state(slot)); }
void Update::write(std::string_view slot, V value) const { context_.write(slot, value); }
V Update::t() const {
  return once("t", [&] { return ops::cast(context_.graph().next_count(), p.dtype()); });
}
V Update::once(std::string_view name, const std::function<V()>& make) const {
  return context_.once(name, p.dtype(), make);
}

namespace {

// The states that the step will have, to see whether their names are free.
std::vector<std::string> slot_names(const Optimizer& optimizer, const std::vector<ir::Option>& options,
                                    std::span<const std::string> params, const Gradients& gradients) {
  std::vector<std::string> out = gradients.slots();
  const ir::Option* average = find_option(options, "average");
  if (optimizer.counts || average != nullptr || has_schedule(options)) out.emplace_back(counter_name);
  const Given given(optimizer.settings, find_option(options, "with")->group);
  for (const std::string& param : params) {
    for (const Slot& slot : optimizer.slots)
      if (UpdateContext::present(slot, given)) out.push_back(param + "." + std::string(slot.name));
    if (average != nullptr && choose(*average, param) != nullptr)
      out.push_back(param + std::string(average_ending));
  }
  return out;
}

}  // namespace

Status add_updates(ir::Module& module, ir::Function& function, const std::vector<ir::Option>& options,
                   std::span<const std::string> params, const std::vector<ValueId>& gradients) {
  const ir::Option& with = *find_option(options, "with");
  const Optimizer* optimizer = with.is_list ? nullptr : find_optimizer(with.word);
  if (optimizer == nullptr) return unknown_name("optimizer", with.word, optimizer_names());
  StepGraph graph(module, function);
  const SettingCheck check(graph, params);
  Errors errors = check.settings(optimizer->settings, with.group, with.word);
  for (const SettingDef* def : {&factor_setting, &decay_setting, &average_setting})
    if (const ir::Option* option = find_option(options, def->name))
      errors.append(check.value(*def, *option, std::string(def->name)));
  Gradients path(graph, options, params);
  errors.append(path.check(check));
  if (!errors.empty()) return errors;

  graph.name_slots(slot_names(*optimizer, options, params, path));
  TENON_ASSIGN(std::vector<V> taken, path.gather(gradients));
  Scalars scalars(graph);
  path.clip(&taken, scalars);
  UpdateContext context(graph, scalars, *optimizer, options);
  for (size_t i = 0; i < params.size(); ++i) context.update(params[i], taken[i]);
  return Ok{};
}

}  // namespace tenon::transforms
