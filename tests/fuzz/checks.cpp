#include "fuzz/checks.h"

#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/engines.h"
#include "common/guarded.h"
#include "ir/apply.h"
#include "ir/builder.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "kernel/evaluate.h"
#include "kernel/print.h"
#include "kernel/verify.h"
#include "lower/schedule_text.h"
#include "object/object.h"
#include "ops/expr.h"
#include "passes/passes.h"
#include "runtime/hostile.h"
#include "runtime/parallel.h"
#include "target/target.h"
#include "transforms/transforms.h"

namespace tenon::test {
namespace {

using ir::ValueId;
using kernel::ParamRole;

std::string errors_text(const Errors& e) { return e.text(); }

// --- A fault in compiled code becomes a failure
// ----------------------------------------------------------------

sigjmp_buf fault_return;
volatile sig_atomic_t fault_armed = 0;
thread_local bool fault_owner = false;
struct sigaction fault_before[2];

char fault_seed[64];  // of the graph that runs

void on_fault(int number, siginfo_t*, void*) {
  if (fault_armed && fault_owner) siglongjmp(fault_return, 1);
  // On another thread nothing can go on.
  if (write(2, fault_seed, strlen(fault_seed)) < 0) _exit(1);
  signal(number, SIG_DFL);
  raise(number);
}

// False where the call touched memory that is not its own.
template <class Call>
bool guarded_call(const Call& call) {
  struct sigaction action{};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSEGV, &action, &fault_before[0]);
  sigaction(SIGBUS, &action, &fault_before[1]);
  fault_owner = true;
  bool ok = false;
  if (sigsetjmp(fault_return, 1) == 0) {
    fault_armed = 1;
    call();
    ok = true;
  }
  fault_armed = 0;
  fault_owner = false;
  sigaction(SIGSEGV, &fault_before[0], nullptr);
  sigaction(SIGBUS, &fault_before[1], nullptr);
  return ok;
}

// --- Results -----------------------------------------------------------------------------------------------

// The node that makes result i, for reports.
std::string made_by(const ir::Module& m, size_t i) {
  const ir::Graph& g = m.functions[0].graph;
  const ir::Node* n = g.producer(g.results[i]);
  if (n == nullptr) return "an argument";
  return ir::node_text(g, g.value(g.results[i]).node);
}

std::string difference(const ir::Module& m, const evaluate::Outputs& want, uint32_t status,
                       const std::vector<Array>& returned, const std::map<std::string, Array>& globals) {
  if (want.status != status)
    return "status " + std::to_string(want.status) + " expected, " + std::to_string(status) + " found";
  const ir::Function& f = m.functions[0];
  if (status == 0)
    for (size_t i = 0; i < want.returned.size(); ++i)
      if (std::string t = array_difference(want.returned[i], returned[i]); !t.empty())
        return "result " + std::to_string(i) + " of " + made_by(m, i) + ": " + t;
  for (size_t i = 0; i < f.writes.size(); ++i) {
    const auto found = want.written.find(f.writes[i].global);
    const auto now = globals.find(f.writes[i].global);
    if (found == want.written.end() || now == globals.end()) continue;
    if (std::string t = array_difference(found->second, now->second); !t.empty())
      return "written " + found->first + " by " + made_by(m, f.returns + i) + ": " + t;
  }
  return {};
}

// --- Kernels
// ---------------------------------------------------------------------------------------------------

// What kernels are, names of buffers aside.
std::string kernel_hashes(const kernel::Module& module) {
  std::string out;
  for (const kernel::Function& f : module.functions)
    out += f.name + " " + kernel::structural_hash(f).hex() + "\n";
  return out;
}

struct Memory {
  Guarded state, arena, constants;
  std::vector<Guarded> in, out;
  std::vector<kernel::Argument> arguments;
  std::vector<uint64_t> slots;
};

std::vector<int64_t> dims_of(const kernel::Entry& e, const ir::DimBindings& dims) {
  std::vector<int64_t> out;
  for (const kernel::DimSlot& d : e.dims) out.push_back(dims.at(d.name));
  return out;
}

std::unique_ptr<Memory> lay_out(const ir::Module& source, const kernel::Module& km, const kernel::Entry& e,
                                const evaluate::Inputs& inputs, size_t arena_bytes) {
  auto m = std::unique_ptr<Memory>(new Memory{
      Guarded(km.state_bytes), Guarded(arena_bytes, 0xff), Guarded(km.constant_bytes), {}, {}, {}, {}});
  for (const kernel::StateSlot& s : km.state) {
    const Array& a = inputs.globals.at(s.name);
    if (a.bytes() != 0) std::memcpy(m->state.data() + s.offset, a.data(), a.bytes());
  }
  for (const kernel::Constant& c : km.constants)
    if (c.array->bytes() != 0) std::memcpy(m->constants.data() + c.offset, c.array->data(), c.array->bytes());
  for (const Array& a : inputs.arguments) {
    m->in.emplace_back(a.bytes());
    if (a.bytes() != 0) std::memcpy(m->in.back().data(), a.data(), a.bytes());
  }
  const ir::Function& f = source.functions[0];
  for (size_t k = 0; k < f.returns; ++k) {
    const ir::Type& type = f.graph.type(f.graph.results[k]);
    m->out.emplace_back(Array(type.dtype, *ir::evaluate_shape(type.shape, inputs.dims)).bytes(), 0xee);
  }
  const std::vector<int64_t> dims = dims_of(e, inputs.dims);
  size_t i = 0, o = 0, d = 0;
  for (const kernel::EntryParam& p : e.params) {
    kernel::Argument a;
    const auto buffer = [&](const Guarded& g) {
      a.pointer = g.data();
      a.bytes = g.bytes();
    };
    switch (p.role) {
      case ParamRole::state:
        buffer(m->state);
        break;
      case ParamRole::arena:
        buffer(m->arena);
        break;
      case ParamRole::constants:
        buffer(m->constants);
        break;
      case ParamRole::input:
        buffer(m->in[i++]);
        break;
      case ParamRole::output:
        buffer(m->out[o++]);
        break;
      case ParamRole::hyper:
        std::memcpy(&a.scalar, inputs.globals.at(p.name).data(), dtype_bytes(p.dtype));
        break;
      case ParamRole::dim:
        a.scalar = static_cast<uint64_t>(dims[d++]);
        break;
    }
    if (p.role != ParamRole::constants)
      m->slots.push_back(a.pointer != nullptr ? reinterpret_cast<uint64_t>(a.pointer) : a.scalar);
    m->arguments.push_back(a);
  }
  return m;
}

std::string judge(const ir::Module& source, const kernel::Module& km, const evaluate::Inputs& inputs,
                  const evaluate::Outputs& want, const Memory& m, uint32_t status) {
  for (size_t k = 0; k < m.in.size(); ++k)
    if (m.in[k].bytes() != 0 && std::memcmp(m.in[k].data(), inputs.arguments[k].data(), m.in[k].bytes()) != 0)
      return "input " + std::to_string(k) + " was written";
  std::vector<Array> returned;
  for (size_t k = 0; k < want.returned.size(); ++k) {
    returned.emplace_back(want.returned[k].dtype(), want.returned[k].shape());
    if (m.out[k].bytes() != 0) std::memcpy(returned[k].data(), m.out[k].data(), m.out[k].bytes());
  }
  std::map<std::string, Array> globals;
  for (const kernel::StateSlot& s : km.state) {
    Array a(s.dtype, s.shape);
    if (s.bytes != 0) std::memcpy(a.data(), m.state.data() + s.offset, s.bytes);
    const bool written = want.status == 0 && want.written.contains(s.name);
    if (!written)
      if (std::string t = array_difference(inputs.globals.at(s.name), a); !t.empty())
        return "state " + s.name + ", not to be written: " + t;
    globals[s.name] = std::move(a);
  }
  return difference(source, want, status, returned, globals);
}

// --- Ways of lowering
// ----------------------------------------------------------------------------------------

struct Way {
  const char* name;
  bool passes;
  void (*set)(lower::Options&);
};
constexpr Way ways[] = {
    {"default", true, [](lower::Options&) {}},
    {"tiny chunks", true,
     [](lower::Options& o) {
       o.chunk_cycles = 20;
       o.inline_cycles = 0;
     }},
    {"no fusion", true, [](lower::Options& o) { o.fuse.enabled = false; }},
    {"not in place", true, [](lower::Options& o) { o.plan.in_place = false; }},
    {"expanded only", false, [](lower::Options& o) { o.inline_cycles = 0; }},
};

bool operations_in_one_kernel(const lower::Fusion& fusion, size_t n) {
  return std::any_of(fusion.groups.begin(), fusion.groups.end(),
                     [&](const lower::Group& g) { return g.nodes.size() >= n; });
}

class Checker {
 public:
  Checker(const CheckOptions& options, Statistics* statistics) : options_(options), s_(*statistics) {}

  struct Run {
    evaluate::Inputs inputs;
    evaluate::Outputs want;
  };

  std::optional<Failure> function(const RandomGraph& g, const std::string& part) {
    part_ = part;
    const ir::Module& source = g.module;
    if (Status v = ir::verify(source); !v) return fail("verify", errors_text(v.errors()));
    ir::PrintOptions whole;
    whole.large_constant = ~size_t{0};
    const std::string text = ir::print(source, whole);
    auto again = ir::parse(text);
    if (!again) return fail("parse", errors_text(again.errors()));
    if (const std::string t = ir::print(*again, whole); t != text)
      return fail("print(parse)", "another text:\n" + t);
    // The judge.
    std::vector<Run> runs;
    for (int r = 0; r < options_.runs; ++r) {
      Run run;
      runtime::Random random(g.seed, 1000 + static_cast<uint64_t>(r));
      ir::DimBindings dims = g.dims;
      if (r > 0)
        for (auto& [name, value] : dims) {
          const ir::DimRange range = source.dims.find(name)->second;
          value = r == 1 ? range.low + static_cast<int64_t>(random.below(3))
                         : range.low + static_cast<int64_t>(
                                           random.below(static_cast<uint64_t>(range.high - range.low + 1)));
        }
      run.inputs = random_inputs(g, source, dims, g.seed * 16 + static_cast<uint64_t>(r), r % 3 == 2);
      auto want = evaluate::exact(source, source.functions[0], run.inputs);
      if (!want) return fail("exact", errors_text(want.errors()));
      run.want = std::move(*want);
      s_.failing_calls += run.want.status != 0;
      if (options_.faults != nullptr && options_.faults->exact) options_.faults->exact(run.want);
      if (auto f = wide(source, run)) return f;
      runs.push_back(std::move(run));
    }
    // Ways.
    std::vector<size_t> chosen = {0, 1 + g.seed % (std::size(ways) - 1)};
    if (options_.thorough) chosen = {0, 1, 2, 3, 4};
    bool counted = false;
    for (size_t w : chosen) {
      ir::Module optimized = source;
      std::vector<pass::Step<ir::Module>> list = passes::pipeline();
      if (!ways[w].passes) list = {&passes::inline_calls, &passes::expand};
      auto ran = pass::run_passes(optimized, list,
                                  {.verify = [](const ir::Module& m) { return ir::verify(m); },
                                   .hash = {},
                                   .after = {},
                                   .on_failure = {},
                                   .disabled = {},
                                   .stop_after = {}});
      if (!ran) return fail("passes", errors_text(ran.errors()));
      if (options_.faults != nullptr && options_.faults->graph) {
        // Evaluators and lowering rely on what verifies: a fault that does not is none of theirs.
        ir::Module planted = optimized;
        options_.faults->graph(planted);
        if (ir::verify(planted)) optimized = std::move(planted);
      }
      if (w == 0)
        for (const Run& run : runs) {
          auto got = evaluate::exact(optimized, optimized.functions[0], run.inputs);
          if (!got) return fail("exact, passes", errors_text(got.errors()));
          if (std::string t = difference(source, run.want, got->status, got->returned, got->written);
              !t.empty())
            return fail("exact, passes", t);
        }
      for (const target::Target* target : target::all_targets()) {
        if (!target->runs_here()) continue;
        if (!options_.thorough && w != 0 && (g.seed / 4 + (target->name == "x86-64-v3")) % 2) continue;
        if (!options_.thorough && w == 0 && (g.seed / 8 + (target->name == "x86-64-v3")) % 2) continue;
        if (!counted) {
          counted = true;
          lower::Options plain;
          plain.target = target;
          auto scheduled = lower::schedule_module(optimized, plain);
          if (!scheduled) return fail("schedule", errors_text(scheduled.errors()));
          if (Status sound = lower::verify(*scheduled); !sound)
            return fail("schedule", errors_text(sound.errors()));
          s_.fused += operations_in_one_kernel(scheduled->functions[0].graph->fusion, 4);
        }
        if (auto f = lowered(source, optimized, runs, ways[w], *target)) return f;
        if (w != 0 || (g.seed % 4 != 0 && !options_.thorough)) continue;
        part_ += ", applied";
        const ir::Module whole = applied(optimized);
        if (Status s = ir::verify(whole); !s) return fail("verify", errors_text(s.errors()));
        for (const Run& run : runs) {
          auto got = evaluate::exact(whole, *whole.find_function(source.functions[0].name), run.inputs);
          if (!got) return fail("exact", errors_text(got.errors()));
          if (std::string t = difference(source, run.want, got->status, got->returned, got->written);
              !t.empty())
            return fail("exact", t);
        }
        if (auto f = lowered(source, whole, runs, ways[w], *target)) return f;
        part_.resize(part_.size() - std::string_view(", applied").size());
      }
    }
    return {};
  }

 private:
  std::optional<Failure> fail(const std::string& check, const std::string& text) {
    return Failure{part_ + ": " + check, text};
  }

  // The first function as one that applies what it was: a procedure is given all that it reads and writes.
  static ir::Module applied(const ir::Module& from) {
    ir::Module m = from;
    ir::Function inner = from.functions[0], outer;
    outer.name = inner.name;
    outer.mode = inner.mode;
    outer.returns = inner.returns;
    outer.result_names = inner.result_names;
    inner.name += ".inner";
    inner.procedure = true;
    m.functions = {};
    m.functions.push_back(inner);
    std::vector<ir::ValueId> operands;
    const std::vector<ir::AppliedArgument> arguments = ir::applied_arguments(m, inner);
    for (const ir::AppliedArgument& a : arguments)
      operands.push_back(outer.graph.add_arg(*a.type, a.global ? ir::ArgKind::global : ir::ArgKind::input,
                                             std::string(a.name)));
    const ir::OpDef& op = *ir::op_table().find("apply");
    ir::Attrs attrs(op.attrs.size());
    attrs[op.attr_index("callee")] = inner.name;
    ir::Builder b(outer.graph, &m);
    const std::vector<ir::ValueId> results = b.emit_all(op, operands, std::move(attrs));
    outer.graph.results = results;
    for (const ir::AppliedArgument& a : arguments)
      if (a.result != ~size_t{0}) outer.writes.push_back({std::string(a.name)});
    m.functions.push_back(std::move(outer));
    return m;
  }

  std::optional<Failure> wide(const ir::Module& source, const Run& run) {
    if (run.want.status != 0) return {};
    auto wide = evaluate::wide(source, source.functions[0], run.inputs);
    if (!wide) return fail("wide", errors_text(wide.errors()));
    if (options_.faults != nullptr && options_.faults->wide) options_.faults->wide(*wide);
    if (wide->undecided_control) {
      for (const Array& a : run.want.returned) {
        s_.elements += static_cast<uint64_t>(a.count());
        s_.undecided += static_cast<uint64_t>(a.count());
      }
      return {};
    }
    for (size_t i = 0; i < run.want.returned.size(); ++i)
      if (std::string t = within(run.want.returned[i], wide->returned[i]); !t.empty())
        return fail("wide", "result " + std::to_string(i) + " of " + made_by(source, i) + ": " + t);
    return {};
  }

  std::string within(const Array& exact, const evaluate::WideArray& wide) {
    if (exact.shape() != wide.shape) return "another shape";
    std::string text;
    with_dtype(exact.dtype(), [&]<class T>() {
      for (size_t e = 0; e < wide.value.size(); ++e) {
        const double value = static_cast<double>(exact.as<T>()[e]), bound = wide.bound[e];
        ++s_.elements;
        if (!(bound < std::numeric_limits<double>::infinity())) {
          ++s_.undecided;
          continue;
        }
        if (std::isnan(wide.value[e]) && std::isnan(value)) continue;
        if (value == wide.value[e] && !std::is_same_v<T, float>) continue;
        if (value != wide.value[e] && !(std::fabs(value - wide.value[e]) <= bound)) {
          char line[160];
          std::snprintf(line, sizeof line, "[%zu]: %.17g, but the wide evaluator says %.17g +- %.3g", e,
                        value, wide.value[e], bound);
          if (text.empty()) text = line;
        }
        if (std::is_same_v<T, float> && std::isfinite(value)) {
          ++s_.f32_elements;
          const double ratio = bound / std::max(std::fabs(wide.value[e]), 1e-30);
          s_.f32_tight += bound == 0 || ratio <= 1e-2;
        }
      }
    });
    return text;
  }

  std::optional<Failure> lowered(const ir::Module& source, const ir::Module& optimized,
                                 std::vector<Run>& runs, const Way& way, const target::Target& target) {
    const std::string name = std::string(way.name) + ", " + std::string(target.name);
    lower::Options o;
    o.target = &target;
    o.functions = {source.functions[0].name};
    way.set(o);
    auto scheduled = lower::schedule_module(optimized, o);
    if (!scheduled) return fail("schedule, " + name, errors_text(scheduled.errors()));
    kernel::Module km = lower::emit_module(*scheduled, o);
    const ir::PrintOptions whole{.large_constant = ~size_t{0}, .side = {}};
    const std::string schedules = lower::print(*scheduled, whole);
    auto read = lower::parse_scheduled(schedules, {}, o);
    if (!read) return fail("schedule parse, " + name, errors_text(read.errors()) + schedules);
    if (lower::print(*read, whole) != schedules)
      return fail("schedule print(parse), " + name, "another text");
    if (kernel_hashes(lower::emit_module(*read, o)) != kernel_hashes(km))
      return fail("kernels of a schedule read back, " + name, "others");
    if (options_.faults != nullptr && options_.faults->kernel) options_.faults->kernel(km);
    if (Status v = kernel::verify(km); !v) return fail("kernel verify, " + name, errors_text(v.errors()));
    const kernel::PrintOptions full{.large_constant = ~size_t{0}, .side = {}};
    const std::string text = kernel::print(km, full);
    auto again = kernel::parse(text);
    if (!again) return fail("kernel parse, " + name, errors_text(again.errors()));
    // Faults may leave equal expressions side by side, which the parser unites.
    const bool planted = options_.faults != nullptr && options_.faults->kernel;
    if (!planted && kernel::print(*again, full) != text)
      return fail("kernel print(parse), " + name, "another text");

    std::unique_ptr<object::Loaded> loaded;
    runtime::EntryFunction run = nullptr;
    const kernel::Entry& e = km.entries[0];
    if (options_.compile) {
      kernel::Module compiled = km;
      if (options_.faults != nullptr && options_.faults->code) options_.faults->code(compiled);
      auto object =
          object::compile(compiled, target, {.prefix = "tenon", .c_functions = false, .threads = 1});
      if (!object) return fail("compile, " + name, errors_text(object.errors()));
      ++s_.compiled;
      auto image = object::Loaded::load(object->elf);
      if (!image) return fail("load, " + name, errors_text(image.errors()));
      loaded = std::move(*image);
      run = reinterpret_cast<runtime::EntryFunction>(loaded->lookup("tenon$entry." + e.name));
      if (run == nullptr) return fail("load, " + name, "no entry");
    }
    for (Run& r : runs) {
      const std::vector<int64_t> dims = dims_of(e, r.inputs.dims);
      auto arena = arena_bytes(km, e, dims);
      if (!arena) return fail("arena, " + name, errors_text(arena.errors()));
      if (run != nullptr) {
        auto bytes = reinterpret_cast<runtime::ArenaFunction>(loaded->lookup("tenon$arena." + e.name));
        if (bytes == nullptr || bytes(dims.data()) != *arena)
          return fail("arena, " + name, "compiled and evaluated sizes differ");
        static runtime::Pool pool(2);
        for (int host = 0; host < 5; ++host) {
          runtime::HostileHost::Order order = host == 2   ? runtime::HostileHost::Order::reversed
                                              : host == 3 ? runtime::HostileHost::Order::random
                                                          : (source.functions[0].graph.node_count() % 2 != 0
                                                                 ? runtime::HostileHost::Order::one_thread
                                                                 : runtime::HostileHost::Order::late_team);
          runtime::HostileHost hostile(order, 3, 7);
          runtime::Parallel parallel = host == 1 ? pool.parallel() : hostile.parallel();
          static constexpr const char* hosts[] = {"alone", "pool", "reversed", "random",
                                                  "one thread or late team"};
          auto m = lay_out(source, km, e, r.inputs, static_cast<size_t>(*arena));
          runtime::CallStatus status{};
          if (!guarded_call([&] { run(m->slots.data(), host == 0 ? nullptr : &parallel, &status); }))
            return fail("jit, " + name, std::string(hosts[host]) + ": memory beyond its buffers is touched");
          if (std::string t = judge(source, km, r.inputs, r.want, *m, status.code); !t.empty())
            return fail("jit, " + name,
                        std::string(hosts[host]) + ": " + t + evaluator_says(source, km, r, *arena));
        }
      }
      for (int order = 0; order < (options_.compile ? 1 : 2); ++order) {
        auto m = lay_out(source, km, e, r.inputs, static_cast<size_t>(*arena));
        auto result = kernel::evaluate(km, *km.find(e.function), m->arguments,
                                       {.chunks = order == 0 && r.inputs.dims.size() % 2 == 0
                                                      ? kernel::EvaluateOptions::Chunks::shuffled
                                                      : kernel::EvaluateOptions::Chunks::reversed,
                                        .seed = 3});
        if (!result) return fail("kernels, " + name, errors_text(result.errors()));
        if (std::string t = judge(source, km, r.inputs, r.want, *m, result->status); !t.empty())
          return fail("kernels, " + name, t);
      }
    }
    return {};
  }

  std::string evaluator_says(const ir::Module& source, const kernel::Module& km, const Run& r,
                             int64_t arena) {
    const kernel::Entry& e = km.entries[0];
    auto m = lay_out(source, km, e, r.inputs, static_cast<size_t>(arena));
    auto result = kernel::evaluate(km, *km.find(e.function), m->arguments);
    if (!result) return "\n(kernels: " + errors_text(result.errors()) + ")";
    const std::string t = judge(source, km, r.inputs, r.want, *m, result->status);
    return t.empty() ? "\n(the kernels are right, so code generation is not)" : "\n(kernels: " + t + ")";
  }

  static Result<int64_t> arena_bytes(const kernel::Module& km, const kernel::Entry& e,
                                     const std::vector<int64_t>& dims) {
    const kernel::Function& f = *km.find(e.arena_function);
    int64_t bytes = 0;
    std::vector<kernel::Argument> arguments;
    size_t d = 0;
    for (kernel::VarId p : f.params) {
      kernel::Argument a;
      if (f.var(p).kind == kernel::VarKind::buffer) {
        a.pointer = &bytes;
        a.bytes = sizeof bytes;
      } else {
        a.scalar = static_cast<uint64_t>(dims[d++]);
      }
      arguments.push_back(a);
    }
    TENON_ASSIGN(const kernel::EvaluateResult done, kernel::evaluate(km, f, arguments));
    (void)done;
    return bytes;
  }

  const CheckOptions& options_;
  Statistics& s_;
  std::string part_;
};

// --- Gradients
// -------------------------------------------------------------------------------------------------

double number_at(const Array& a, int64_t i) {
  double out = 0;
  with_dtype(a.dtype(), [&]<class T>() { out = static_cast<double>(a.as<T>()[static_cast<size_t>(i)]); });
  return out;
}

// Sum of the weighted float results, by the wide evaluator; NaN where it is not sure.
double wide_loss(const ir::Module& m, const evaluate::Inputs& inputs, const std::vector<Array>& weights) {
  auto wide = evaluate::wide(m, m.functions[0], inputs);
  if (!wide || wide->undecided_control) return NAN;
  const ir::Function& f = m.functions[0];
  long double sum = 0;
  size_t w = 0;
  for (size_t i = 0; i < f.returns; ++i) {
    if (!is_float(f.graph.type(f.graph.results[i]).dtype)) continue;
    for (size_t e = 0; e < wide->returned[i].value.size(); ++e) {
      if (!std::isfinite(wide->returned[i].bound[e])) return NAN;
      sum += static_cast<long double>(wide->returned[i].value[e]) *
             number_at(weights[w], static_cast<int64_t>(e));
    }
    ++w;
  }
  return static_cast<double>(sum);
}

std::optional<std::string> differences(const RandomGraph& forward, const RandomGraph& gradient,
                                       Statistics* s) {
  const ir::Module &fm = forward.module, &gm = gradient.module;
  evaluate::Inputs inputs = random_inputs(gradient, gm, forward.dims, forward.seed * 16);
  auto grads = evaluate::exact(gm, gm.functions[0], inputs);
  if (!grads) return "exact: " + grads.errors().text();
  if (grads->status != 0) return {};
  const size_t args =
      std::count_if(fm.functions[0].graph.args.begin(), fm.functions[0].graph.args.end(),
                    [&](ValueId a) { return fm.functions[0].graph.value(a).arg == ir::ArgKind::input; });
  std::vector<Array> weights(inputs.arguments.begin() + static_cast<ptrdiff_t>(args), inputs.arguments.end());
  evaluate::Inputs base = inputs;
  base.arguments.resize(args);

  bool nonzero = false;
  for (const Array& a : grads->returned)
    for (int64_t i = 0; i < a.count(); ++i) nonzero = nonzero || number_at(a, i) != 0;
  s->gradient_nonzero += nonzero;
  evaluate::Inputs other = random_inputs(gradient, gm, forward.dims, forward.seed * 16 + 7);
  std::copy(inputs.arguments.begin() + static_cast<ptrdiff_t>(args), inputs.arguments.end(),
            other.arguments.begin() + static_cast<ptrdiff_t>(args));
  if (auto more = evaluate::exact(gm, gm.functions[0], other); more && more->status == 0) {
    bool differs = false;
    for (size_t i = 0; i < more->returned.size(); ++i)
      differs = differs || !array_difference(grads->returned[i], more->returned[i]).empty();
    s->gradient_dependent += differs;
  }

  // What hides a dependence from derivatives is drawn with these seeds only.
  if (forward.seed % 3 == 0) return {};
  // One direction per differentiated argument.
  const ir::Graph& fg = fm.functions[0].graph;
  runtime::Random random(forward.seed, 99);
  size_t position = 0, input = 0;
  for (ValueId a : fg.args) {
    const ir::Value& v = fg.value(a);
    const bool is_input = v.arg == ir::ArgKind::input;
    const size_t slot = input;
    input += is_input;
    if (!is_float(v.type.dtype)) continue;
    const Array& g = grads->returned[position++];
    double analytic = 0, scale = 0, noise = 0, estimate[3] = {};
    std::vector<double> direction(static_cast<size_t>(g.count()));
    for (double& d : direction) d = random.uniform(-1, 1);
    bool sure = true;
    for (int k = 0; k < 3; ++k) {
      const double h = (v.type.dtype == DType::f32 ? 0x1p-11 : 0x1p-15) / (1 << k);
      evaluate::Inputs up = base, down = base;
      Array& pu = is_input ? up.arguments[slot] : up.globals[v.name];
      Array& pd = is_input ? down.arguments[slot] : down.globals[v.name];
      with_dtype(v.type.dtype, [&]<class T>() {
        if constexpr (std::is_floating_point_v<T>)
          for (size_t e = 0; e < direction.size(); ++e) {
            // A step that both sides represent exactly.
            const T step = static_cast<T>(std::round(direction[e] * 64) / 64 * h);
            pu.as<T>()[e] += step;
            pd.as<T>()[e] -= step;
            const double real =
                (static_cast<double>(pu.as<T>()[e]) - static_cast<double>(pd.as<T>()[e])) / 2 / h;
            if (k == 1) {
              analytic += real * number_at(g, static_cast<int64_t>(e));
              scale += std::fabs(real * number_at(g, static_cast<int64_t>(e)));
            }
          }
      });
      const double fu = wide_loss(fm, up, weights), fd = wide_loss(fm, down, weights);
      estimate[k] = (fu - fd) / (2 * h);
      noise = std::fabs(fu) * 1e-14 / h;
      sure = sure && std::isfinite(estimate[k]);
    }
    // Differences that do not settle say nothing: a kink lies near.
    const double size = std::max({std::fabs(estimate[2]), scale, 1e-6});
    if (!sure || !std::isfinite(analytic) || noise > 1e-3 * size ||
        std::fabs(estimate[2] - estimate[1]) > 2e-3 * size ||
        std::fabs(estimate[1] - estimate[0]) > 4e-3 * size) {
      ++s->differences_skipped;
      continue;
    }
    ++s->differences;
    if (std::fabs(analytic - estimate[2]) > 2e-2 * size + 1e-5) {
      char line[200];
      std::snprintf(line, sizeof line, "derivative along a direction of %s: %.9g, differences say %.9g",
                    v.name.c_str(), analytic, estimate[2]);
      return std::string(line);
    }
  }
  return {};
}

}  // namespace

std::optional<RandomGraph> gradient_graph(const RandomGraph& forward, std::string* why) {
  RandomGraph out = forward;
  ir::Function& f = out.function();
  ir::Graph& g = f.graph;
  ir::Builder b(g, &out.module);
  std::vector<ValueId> wrt;
  for (ValueId a : g.args)
    if (is_float(g.type(a).dtype)) wrt.push_back(a);
  ops::V loss{&b, {}};
  for (size_t i = 0; i < f.returns; ++i) {
    const ir::Type type = g.type(g.results[i]);
    if (!is_float(type.dtype)) continue;
    const std::string name = "w" + std::to_string(i);
    const ops::V w{&b, g.add_arg(type, ir::ArgKind::input, name)};
    out.domains[name] = {0.25, 1.25};
    const ops::V y{&b, g.results[i]};
    const ops::V term = ops::cast(ops::reduce_sum(y * w, ops::all_axes(y)), DType::f64);
    loss = loss.id.valid() ? loss + term : term;
  }
  if (!loss.id.valid() || wrt.empty()) {
    *why = "no float result or argument";
    return {};
  }
  auto grads = transforms::grad(g, out.module, loss.id, wrt);
  if (!grads) {
    *why = grads.errors().text();
    return {};
  }
  g.results = *grads;
  f.writes.clear();
  f.returns = g.results.size();
  f.result_names.clear();
  for (size_t i = 0; i < f.returns; ++i) f.result_names.push_back("d" + std::to_string(i));
  return out;
}

std::optional<Failure> check(const RandomGraph& graph, const CheckOptions& options, Statistics* statistics) {
  try {
    std::snprintf(fault_seed, sizeof fault_seed, "a fault in seed %llu\n",
                  static_cast<unsigned long long>(graph.seed));
    Checker checker(options, statistics);
    ++statistics->graphs;
    if (auto f = checker.function(graph, "forward")) return f;
    if (!options.gradient) return {};
    std::string why;
    std::optional<RandomGraph> gradient = gradient_graph(graph, &why);
    if (!gradient) {
      ++statistics->no_derivative;
      return {};
    }
    ++statistics->gradients;
    if (options.faults != nullptr && options.faults->gradient) options.faults->gradient(gradient->module);
    if (auto d = differences(graph, *gradient, statistics)) return Failure{"gradient: differences", *d};
    return checker.function(*gradient, "gradient");
  } catch (const InternalError& e) {
    return Failure{"internal", e.message};
  }
}

std::string Statistics::text() const {
  const auto n = [](uint64_t v) { return std::to_string(v); };
  const auto percent = [](uint64_t part, uint64_t whole) {
    char line[32];
    std::snprintf(line, sizeof line, "%.2f%%",
                  whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole));
    return std::string(line);
  };
  return n(graphs) + " graphs, " + n(gradients) + " gradients (" + n(no_derivative) + " without), " +
         n(compiled) + " programs compiled, " + n(failing_calls) + " calls that end with a status\n" +
         "functions with a kernel of >= 4 operations: " + percent(fused, graphs + gradients) + "\n" +
         "wide: " + n(elements) + " elements, undecided " + percent(undecided, elements) +
         "; f32: bound <= 1e-2 of the magnitude in " + percent(f32_tight, f32_elements) + " of " +
         n(f32_elements) + "\n" + "gradients: not zero " + percent(gradient_nonzero, gradients) +
         ", dependent on the input " + percent(gradient_dependent, gradients) + "; directions compared " +
         n(differences) + ", undecided " + n(differences_skipped) + "\n";
}

}  // namespace tenon::test
