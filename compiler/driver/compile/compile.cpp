#include "driver/compile/compile.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "c_interface/interface.h"
#include "driver/compile/pipeline.h"
#include "ir/apply.h"
#include "ir/batch.h"
#include "ir/builder.h"
#include "ir/inline_calls.h"
#include "ir/made_names.h"
#include "ir/op_def.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "kernel/guard.h"
#include "kernel/verify.h"
#include "lower/lower.h"
#include "passes/passes.h"
#include "support/text.h"
#include "transforms/globals.h"
#include "transforms/transforms.h"

namespace tenon::driver {
namespace {

class Clock {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

bool wanted(const CompileOptions& options, std::string_view name) {
  return options.functions.empty() ||
         std::any_of(options.functions.begin(), options.functions.end(), [&](const std::string& f) {
           if (f == name) return true;
           // A loop asked for by its own name takes an order in C as well.
           if (options.step_loops && f.ends_with(ir::loop_ending) &&
               name == f + std::string(ir::order_ending))
             return true;
           const std::string loop = epochs_name(f);
           return options.step_loops &&
                  (name == loop || name == loop + std::string(c_interface::given_order_suffix));
         });
}

// Loops are as long to compile as all else of a program: they are made for those who name them.
bool loop_asked_for(const CompileOptions& options, const std::string& name) {
  const std::vector<std::string>& f = options.functions;
  return std::find(f.begin(), f.end(), name) != f.end() || (options.step_loops && wanted(options, name));
}

// Whether data can be cut for a step: it has a batch dimension, which is never 0.
bool has_batch(const ir::Module& module, const ir::Function& f) {
  const std::optional<ir::Batch> batch = ir::find_batch(f).batch;
  if (!batch) return false;
  const auto found = module.dims.find(batch->dim);
  return found != module.dims.end() && found->second.low >= 1;
}

// Appends `derive X.epochs = epochs X` for every step X whose loop is asked for, and `X.epochs.order`, the
// same in a given order, which the C function of the loop takes as well.
void derive_epochs(ir::Module& module, const CompileOptions& options) {
  auto add_loop = [&](const ir::Function& step, bool given) {
    const std::string name =
        epochs_name(step.name) + (given ? std::string(c_interface::given_order_suffix) : "");
    if (!loop_asked_for(options, name) || module.find_function(name) != nullptr) return;
    ir::Derive d;
    d.name = name;
    d.kind = "epochs";
    d.source = step.name;
    d.location = step.location;
    if (given) {
      ir::Option order;
      order.name = c_interface::given_order;
      order.word = "given";
      d.options.push_back(std::move(order));
    }
    module.derives.push_back(std::move(d));
  };
  bool counts = false;
  for (const ir::Function& f : module.functions) {
    if (f.mode != ir::Mode::training || f.writes.empty() || f.procedure || f.origin.role == ir::Role::loop ||
        !has_batch(module, f))
      continue;
    // A loop draws the order of rows: a step that has one keeps the counter in its state, looped or not.
    if (wanted(options, f.name)) counts = true;
    add_loop(f, false);
    add_loop(f, true);
  }
  if (counts) transforms::ensure_rng(module);
}

// A step's batch, for a function whose inputs are inputs of the step.
std::optional<ir::Batch> batch_like(const ir::Function& f, const ir::Function& step, const ir::Batch& batch) {
  ir::Batch own{batch.dim, {}};
  for (ir::ValueId a : f.graph.args) {
    const ir::Value& arg = f.graph.value(a);
    if (arg.arg != ir::ArgKind::input) continue;
    const bool same = std::any_of(step.graph.args.begin(), step.graph.args.end(), [&](ir::ValueId s) {
      const ir::Value& of_step = step.graph.value(s);
      return of_step.arg == ir::ArgKind::input && of_step.name == arg.name && of_step.type == arg.type;
    });
    const auto cut = std::find_if(batch.inputs.begin(), batch.inputs.end(),
                                  [&](const ir::BatchInput& i) { return i.name == arg.name; });
    if (!same || cut == batch.inputs.end()) return std::nullopt;
    own.inputs.push_back(*cut);
  }
  return own.inputs.empty() ? std::nullopt : std::optional(std::move(own));
}

// What stands beside a step, its loss and metrics, is cut as the step is: where the step's directive says
// how, or where their own inputs do not tell.
void share_batches(ir::Module& module) {
  for (const ir::Function& step : module.functions) {
    if (step.mode != ir::Mode::training || step.writes.empty()) continue;
    const std::optional<ir::Batch> batch = ir::find_batch(step).batch;
    if (!batch) continue;
    for (ir::Function& f : module.functions) {
      if (!f.writes.empty() || !f.batch.dim.empty()) continue;
      if (step.batch.dim.empty() && ir::find_batch(f).batch) continue;
      if (std::optional<ir::Batch> own = batch_like(f, step, *batch)) f.batch = std::move(*own);
    }
  }
}

Errors unknown_function(const ir::Module& module, const std::string& name) {
  std::vector<std::string_view> names;
  for (const ir::Function& f : module.functions) names.push_back(f.name);
  const std::string_view near = nearest(name, names);
  return error(Code::undefined_name, "no function is named " + name,
               near.empty() ? "" : "did you mean " + std::string(near) + "?");
}

// Whether a function is an entry: init, and those asked for. Nobody asks for procedures but by their names.
bool is_entry(const ir::Function& f, const CompileOptions& options) {
  if (f.name == "init") return options.functions.empty() || options.state_like == nullptr;
  return wanted(options, f.name) && !(f.procedure && options.functions.empty());
}

// Entries, and what they apply.
std::set<std::string> needed(const ir::Module& module, const CompileOptions& options) {
  std::vector<std::string> entries;
  for (const ir::Function& f : module.functions)
    if (is_entry(f, options)) entries.push_back(f.name);
  std::set<std::string> out = ir::applied_by(module, entries);
  out.insert(entries.begin(), entries.end());
  return out;
}

// Keeps the functions asked for, and init. What only they apply is no entry any more.
Status select(ir::Module& module, const CompileOptions& options) {
  for (const std::string& name : options.functions)
    if (module.find_function(name) == nullptr) return unknown_function(module, name);
  const std::set<std::string> kept = needed(module, options);
  module.functions.erase_if([&](const ir::Function& f) { return !kept.contains(f.name); });
  for (ir::Function& f : module.functions) f.procedure = !is_entry(f, options);
  return Ok{};
}

Status bind_dims(ir::Module& module, const ir::DimBindings& bind) {
  return bind.empty() ? Status(Ok{}) : passes::bind(module, bind);
}

// Those who apply a function give no values for these globals any more: they leave its arguments.
template <class Leaves>
void leave(ir::Module& module, const ir::Function& function, const Leaves& leaves) {
  std::vector<bool> keep;
  for (const ir::AppliedArgument& a : ir::applied_arguments(module, function))
    keep.push_back(!(a.global && leaves(std::string(a.name))));
  if (std::find(keep.begin(), keep.end(), false) != keep.end())
    ir::drop_operands(module, function.name, keep);
}

// What patterns of baked values may name: parameters, and of the state what the functions read and none
// writes, as running statistics are in inference.
std::set<std::string> bakeable(const ir::Module& module) {
  std::set<std::string> read, written, out;
  for (const ir::Function& f : module.functions) {
    if (f.name == "init") continue;
    const std::vector<uint32_t> uses = ir::count_uses(f.graph);
    for (ir::ValueId a : f.graph.args)
      if (f.graph.value(a).arg == ir::ArgKind::global && uses[a.index] != 0)
        read.insert(f.graph.value(a).name);
    for (const ir::Write& w : f.writes) written.insert(w.global);
  }
  for (const ir::Global& g : module.globals)
    if (g.kind == ir::GlobalKind::param ||
        (g.kind == ir::GlobalKind::state && !ir::is_counter_init(g.init.name) && read.contains(g.name) &&
         !written.contains(g.name)))
      out.insert(g.name);
  return out;
}

// Values that become constants: their arguments are replaced in every function that only reads them.
Status bake(ir::Module& module, const CompileOptions& options) {
  std::set<std::string> baked;
  const std::set<std::string> names = options.baked.empty() ? std::set<std::string>() : bakeable(module);
  for (const std::string& pattern : options.baked) {
    bool any = false;
    for (const ir::Global& g : module.globals) {
      if (!names.contains(g.name) || !glob_match(pattern, g.name)) continue;
      any = true;
      baked.insert(g.name);
    }
    if (!any)
      return error(Code::undefined_name, "no parameter or state that is only read matches " + pattern);
  }
  std::map<std::string, std::shared_ptr<const Array>> arrays;
  for (const std::string& name : baked) {
    const ir::Global& g = *module.find_global(name);
    const Array* value = nullptr;
    if (options.values != nullptr)
      if (const auto found = options.values->find(name); found != options.values->end())
        value = &found->second;
    if (value == nullptr)
      return error(Code::param_mismatch,
                   std::string(g.kind == ir::GlobalKind::param ? "parameter " : "state ") + name +
                       " is to be baked and has no value",
                   "give the state it is taken from");
    TENON_ASSIGN(const std::vector<int64_t> shape, ir::evaluate_shape(g.type.shape, {}));
    if (value->dtype() != g.type.dtype || value->shape() != shape)
      return error(Code::param_mismatch, "the value of " + name + " is not " + g.type.text());
    arrays.emplace(name, std::make_shared<const Array>(*value));
  }
  for (const ir::Function& f : module.functions) {
    if (f.name == "init") continue;
    for (const ir::Write& w : f.writes)
      if (baked.count(w.global) != 0)
        return error(Code::bad_option, f.name + " writes " + w.global + ", which is to be baked",
                     "bake only what no compiled function writes; choose the functions to compile");
    leave(module, f, [&](const std::string& name) { return baked.contains(name); });
  }
  for (ir::Function& f : module.functions) {
    if (f.name == "init") continue;
    bool any = false;
    for (ir::ValueId a : f.graph.args)
      any = any || (f.graph.value(a).arg == ir::ArgKind::global && baked.count(f.graph.value(a).name) != 0);
    if (!any) continue;
    ir::Graph out;
    std::vector<ir::ValueId> map(f.graph.value_count());
    for (ir::ValueId a : f.graph.args) {
      const ir::Value& arg = f.graph.value(a);
      if (arg.arg == ir::ArgKind::global && baked.count(arg.name) != 0) continue;
      map[a.index] = out.add_arg(arg.type, arg.arg, arg.name);
    }
    ir::Builder b(out, &module);
    for (ir::ValueId a : f.graph.args) {
      const ir::Value& arg = f.graph.value(a);
      if (map[a.index].valid()) continue;
      map[a.index] = b.constant(arrays.at(arg.name));
      b.set_name(map[a.index], arg.name);
    }
    out.results = b.inline_graph(f.graph, map);
    f.graph = std::move(out);
  }
  return Ok{};
}

// Entry values that nothing reads leave a function, and globals that no function but init touches the module.
void keep_own_state(ir::Module& module) {
  std::set<std::string> used;
  for (ir::Function& f : module.functions) {
    const std::vector<uint32_t> uses = ir::count_uses(f.graph);
    const auto idle = [&](ir::ValueId a) {
      return f.graph.value(a).arg == ir::ArgKind::global && uses[a.index] == 0;
    };
    if (std::any_of(f.graph.args.begin(), f.graph.args.end(), idle)) {
      leave(module, f, [&](const std::string& name) {
        return !transforms::has_write(f, name) &&
               std::any_of(f.graph.args.begin(), f.graph.args.end(),
                           [&](ir::ValueId a) { return idle(a) && f.graph.value(a).name == name; });
      });
      ir::Graph out;
      std::vector<ir::ValueId> map(f.graph.value_count());
      for (const ir::ValueId a : f.graph.args) {
        const ir::Value& arg = f.graph.value(a);
        if (!idle(a)) map[a.index] = out.add_arg(arg.type, arg.arg, arg.name);
      }
      out.results = ir::Builder(out, &module).inline_graph(f.graph, map);
      f.graph = std::move(out);
    }
    if (f.name == "init") continue;
    for (const ir::ValueId a : f.graph.args)
      if (f.graph.value(a).arg == ir::ArgKind::global) used.insert(f.graph.value(a).name);
    for (const ir::Write& w : f.writes) used.insert(w.global);
  }
  module.globals.erase_if([&](const ir::Global& g) { return used.count(g.name) == 0; });
  ir::Function* init = module.find_function("init");
  if (init == nullptr) return;
  for (size_t i = init->writes.size(); i-- > 0;) {
    if (used.count(init->writes[i].global) != 0) continue;
    init->writes.erase(init->writes.begin() + static_cast<ptrdiff_t>(i));
    init->graph.results.erase(init->graph.results.begin() + static_cast<ptrdiff_t>(init->returns + i));
  }
}

Result<const target::Target*> find_target(const std::string& cpu) {
  if (cpu.empty() || cpu == "native") return target::host_target();
  if (const target::Target* t = target::find_target(cpu)) return t;
  std::vector<std::string_view> names;
  for (const target::Target* t : target::all_targets()) names.push_back(t->name);
  const std::string_view near = nearest(cpu, names);
  std::string all;
  for (std::string_view n : names) all += (all.empty() ? "" : ", ") + std::string(n);
  return error(Code::target_unsupported, "no target is named " + cpu,
               near.empty() ? "one of: native, " + all : "did you mean " + std::string(near) + "?");
}

}  // namespace

std::string epochs_name(std::string_view step) { return std::string(step) + std::string(ir::loop_ending); }

std::vector<std::string> entries_of(const kernel::Module& module, const CompileOptions& options) {
  std::vector<std::string> out = options.functions;
  if (out.empty() || !options.step_loops) return out;
  for (const kernel::Entry& e : module.entries)
    if (wanted(options, e.name) && std::find(out.begin(), out.end(), e.name) == out.end())
      out.push_back(e.name);
  return out;
}

Result<ir::Module> derive(ir::Module module, const CompileOptions& options) {
  TENON_TRY(ir::verify(module));
  if (module.stage != "optimized") {
    TENON_TRY(
        ir::check_inlined_sizes(module, [&](const ir::Function& f) { return wanted(options, f.name); }));
    // Functions that name their mode, before init is made: their random numbers are part of the state.
    for (ir::Function& f : module.functions)
      if (wanted(options, f.name)) TENON_TRY(transforms::resolve_mode(module, f, f.mode));
    TENON_TRY(transforms::expand_directives(module));
    if (options.epochs) derive_epochs(module, options);
    TENON_TRY(transforms::expand_derives(module));
  }
  // Callees are inlined before those that are not asked for go. What they apply, callers may apply then.
  for (ir::Function& f : module.functions)
    if (f.name == "init" || wanted(options, f.name)) TENON_TRY(transforms::inline_calls(module, f));
  const std::set<std::string> kept = needed(module, options);
  for (ir::Function& f : module.functions)
    if (f.mode == ir::Mode::unresolved && kept.contains(f.name))
      TENON_TRY(transforms::resolve_mode(module, f, ir::Mode::inference));
  share_batches(module);
  TENON_TRY(select(module, options));
  TENON_TRY(bake(module, options));
  if (options.own_state && !options.functions.empty()) keep_own_state(module);
  TENON_TRY(bind_dims(module, options.bind));
  TENON_TRY(ir::verify(module));
  return module;
}

Result<ir::Module> optimize(ir::Module module, const CompileOptions& options, CompileReport* report) {
  const Clock clock;
  const bool optimized = module.stage == "optimized";
  TENON_ASSIGN(ir::Module out, derive(std::move(module), options));
  // Results keep the names that their functions gave them, whatever the passes merge.
  for (ir::Function& f : out.functions) f.result_names = ir::result_names(f);
  // What the passes get: directives, modes and bound sizes are ordinary lines from here on.
  if (!optimized && options.after_pass)
    options.after_pass([&] { return ir::print(out); }, {.pass = "derive", .changed = true, .counts = {}});
  // A dump of the stage is taken as it is, unless passes are asked for by name.
  if (!optimized || !options.passes.empty()) TENON_TRY(run_pipeline(out, options, report));
  out.stage = "optimized";
  if (report != nullptr) report->seconds_graph += clock.seconds();
  return out;
}

namespace {

// Options that ask for what is decided before a stage of a target's.
Status check_late(const std::string& what, const std::string& made_for, const CompileOptions& options) {
  auto late = [&](const std::string& option) {
    return error(Code::bad_option, option + ": this is a dump of " + what + ", which are made without it",
                 "give the model, or its dump of the stage graph or optimized");
  };
  if (!options.bind.empty()) return late("binding dimension " + options.bind.begin()->first);
  if (!options.baked.empty()) return late("baking " + options.baked.front());
  if (!options.passes.empty()) return late("passes " + options.passes);
  if (options.fold_scales) return late("folding scales");
  if (options.cpu != "native" && options.cpu != made_for)
    return error(Code::bad_option, "cpu " + options.cpu + ": this is a dump of " + what + " for " + made_for,
                 "give the model, or its dump of the stage graph or optimized");
  return Ok{};
}

lower::Options lowering(const CompileOptions& options, const target::Target& target) {
  lower::Options out;
  out.target = &target;
  out.fuse.enabled = options.fuse;
  out.plan.in_place = options.in_place;
  out.parallel = options.parallel;
  out.state_like = options.state_like;
  if (options.chunk_cycles > 0) out.chunk_cycles = options.chunk_cycles;
  if (options.inline_cycles >= 0) out.inline_cycles = options.inline_cycles;
  return out;
}

}  // namespace

Status check_kernels(const kernel::Module& module, const CompileOptions& options) {
  TENON_TRY(check_late("kernels", module.target, options));
  return kernel::verify(module);
}

Result<Scheduled> to_scheduled(Unit unit, const CompileOptions& options, CompileReport* report) {
  if (const Scheduled* scheduled = std::get_if<Scheduled>(&unit.code)) {
    TENON_TRY(check_late("schedules", std::string((*scheduled)->sizes->target().name), options));
    return *scheduled;
  }
  if (std::holds_alternative<kernel::Module>(unit.code))
    return error(Code::bad_option, "this is a dump of kernels, which does not lead back to schedules",
                 "give the model, or its dump of the stage graph or optimized");
  TENON_ASSIGN(ir::Module module, optimize(std::move(std::get<ir::Module>(unit.code)), options, report));
  for (const ir::Function& f : module.functions) {
    if (!lower::is_primitive(f.graph))
      return error(Code::pass_unknown,
                   f.name + " still holds composites or calls, kernels are made of primitives",
                   "run the passes inline, expand and procedures");
  }
  const Clock clock;
  TENON_ASSIGN(const target::Target* target, find_target(options.cpu));
  TENON_ASSIGN(lower::ScheduledModule scheduled, lower::begin(std::move(module), lowering(options, *target)));
  TENON_TRY(run_lowering(scheduled, options, report));
  if (report != nullptr) report->seconds_lower += clock.seconds();
  return std::make_shared<const lower::ScheduledModule>(std::move(scheduled));
}

Result<kernel::Module> to_kernels(Unit unit, const CompileOptions& options, CompileReport* report) {
  if (auto* kernels = std::get_if<kernel::Module>(&unit.code)) {
    TENON_TRY(check_kernels(*kernels, options));
    return kernels->edited ? kernel::guard(std::move(*kernels)) : std::move(*kernels);
  }
  TENON_ASSIGN(const Scheduled scheduled, to_scheduled(std::move(unit), options, report));
  if (scheduled->progress != lower::Progress::scheduled)
    return error(Code::pass_unknown, "kernels are made of groups with schedules, which no pass has made",
                 "run the passes prepare, fuse, schedule and place, or name none of them");
  const Clock clock;
  if (report != nullptr) report->edges = lower::explain(*scheduled);
  kernel::Module kernels = lower::emit_module(*scheduled, lowering(options, scheduled->sizes->target()));
  TENON_TRY(kernel::verify(kernels));
  if (report != nullptr) report->seconds_lower += clock.seconds();
  return kernels;
}

Result<object::Object> to_object(const kernel::Module& module, const CompileOptions& options,
                                 CompileReport* report) {
  const Clock clock;
  TENON_ASSIGN(const target::Target* target, find_target(module.target));
  object::Options o;
  o.prefix = options.prefix;
  o.c_functions = options.c_functions;
  o.threads = options.threads;
  o.isolate = options.isolate;
  o.quick = options.quick;
  TENON_ASSIGN(object::Object out, object::compile(module, *target, o));
  if (report != nullptr) {
    report->seconds_object += clock.seconds();
    report->kernels = out.kernels;
  }
  return out;
}

}  // namespace tenon::driver
