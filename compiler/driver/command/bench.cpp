// tenon bench: how fast one function runs here, beside what the machine's multiply-adds could do.
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "driver/command/engine.h"
#include "driver/command/probe.h"
#include "ir/counts.h"
#include "runtime/parallel.h"
#include "support/text.h"

namespace tenon::command {
namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string time_text(double seconds) {
  if (seconds < 1e-3) return short_text(seconds * 1e6) + " us";
  if (seconds < 1) return short_text(seconds * 1e3) + " ms";
  return short_text(seconds) + " s";
}

class Bench : public Verb {
 public:
  std::string_view name() const override { return "bench"; }
  std::string_view about() const override { return "time of a call, beside the machine's multiply-add peak"; }
  std::string_view examples() const override {
    return "  tenon bench mlp.tenon train --batch 64 --threads 2\n  tenon bench mlp.tenon logits --batch 1 "
           "--json\n"
           "  tenon bench rnn.tenon logits --size batch=32 --size steps=28\n";
  }
  void declare(Options& options) override {
    model_.declare(options);
    options.positional("function", &function_, "the function or step to call");
    options.number("--batch", &batch_, "the size of the first input's first dimension");
    options.texts("--size", &sizes_, "dim=N: other sizes; as large as allowed, up to 64, where left out");
    options.number("--threads", &threads_, "workers; 1 where left out");
    options.seed(&seed_, "of what is drawn");
    options.real("--seconds", &seconds_, "how long to measure; 0.5 where left out");
  }

  Result<Exit> run(Context& c) override {
    TENON_ASSIGN(driver::CompileOptions options, model_.compile());
    if (threads_ < 1 || threads_ > 1024) return usage_error("--threads is 1 to 1024");
    if (!(seconds_ > 0 && seconds_ <= 600)) return usage_error("--seconds is more than 0 and at most 600");
    TENON_ASSIGN(driver::Unit unit, model_.read());
    // Of a graph the operations are counted; a dump of kernels does not tell them.
    std::optional<ir::Module> derived;
    if (const auto* module = std::get_if<ir::Module>(&unit.code)) {
      options.functions = {function_};
      TENON_ASSIGN(derived, driver::derive(*module, options));
      TENON_TRY(function_of(*derived, function_));
    }
    driver::CompileReport report;
    const auto start = Clock::now();
    TENON_ASSIGN(const std::shared_ptr<const driver::Program> program,
                 driver::Program::compile(std::move(unit), options, &report));
    const double compile_seconds = since(start);
    const driver::EntryInfo* entry = program->find(function_);
    if (entry == nullptr) {
      std::vector<std::string> names;
      for (const driver::EntryInfo& e : program->entries()) names.push_back(e.interface->name);
      return error(Code::undefined_name, "no function is named " + function_,
                   "entries: " + join(names, ", "));
    }
    TENON_ASSIGN(const ir::DimBindings dims, sizes_of(*entry));
    std::shared_ptr<driver::State> state = std::make_shared<driver::State>(program);
    if (program->find("init") != nullptr) {
      TENON_ASSIGN(state, program->init(seed_));
    }
    runtime::Pool pool(static_cast<uint32_t>(threads_));
    const runtime::Parallel team = pool.parallel();

    driver::Session session(program, state, threads_ > 1 ? &team : nullptr);
    Drawn drawn;
    // Labels and indices are drawn smaller until they are in range.
    Status ready = bind(session, *entry, dims, 10, &drawn);
    for (const int limit : {2, 1})
      if (!ready) ready = bind(session, *entry, dims, limit, &drawn);
    TENON_TRY(std::move(ready));

    // The peak is measured around the samples: a processor slows down or speeds up in between.
    double peak = measure_fma_peak(static_cast<uint32_t>(threads_));
    pool.reset_chunks();
    size_t calls = 0;
    TENON_ASSIGN(std::vector<double> times, measured(*drawn.bound, &calls));
    std::sort(times.begin(), times.end());
    const double best = times.front(), median = times[times.size() / 2];
    const std::vector<uint64_t> chunks = pool.chunks();

    peak = std::max(peak, measure_fma_peak(static_cast<uint32_t>(threads_)));
    std::optional<double> flops;
    if (derived) {
      const ir::Function* function = derived->find_function(function_);
      if (const Result<int64_t> n = ir::graph_flops(*derived, function->graph).evaluate(dims); n)
        flops = static_cast<double>(*n);
    }
    const double rate = flops.value_or(0) / best;
    // No code passes the peak: a probe that something held up is taken again, and is no yardstick in the end.
    for (int again = 0; again < 3 && rate > peak; ++again)
      peak = std::max(peak, measure_fma_peak(static_cast<uint32_t>(threads_)));
    std::optional<double> ratio;
    if (flops && rate <= peak) ratio = rate / peak;
    Figures f{best, median, peak, compile_seconds, calls, flops, ratio, chunks};
    print(c, *program, *entry, dims, f);
    return Exit::done;
  }

 private:
  // A call on drawn arrays.
  struct Drawn {
    std::vector<Array> inputs, outputs;
    std::unique_ptr<driver::Session::Bound> bound;
  };
  struct Figures {
    double best, median, peak, compile_seconds;
    size_t calls;
    std::optional<double> flops, ratio;
    std::vector<uint64_t> chunks;
  };

  // Draws below a limit, and runs once.
  Status bind(driver::Session& session, const driver::EntryInfo& entry, const ir::DimBindings& dims,
              int limit, Drawn* out) const {
    out->inputs.clear();
    out->outputs.clear();
    driver::Call call;
    std::vector<std::vector<int64_t>> shapes;
    for (size_t i = 0; i < entry.inputs.size(); ++i) {
      TENON_ASSIGN(Array drawn, draw(entry.inputs[i], dims, seed_ + i, limit));
      out->inputs.push_back(std::move(drawn));
      shapes.push_back(out->inputs.back().shape());
    }
    TENON_ASSIGN(call.dims, entry.bind_dims(shapes, dims));
    const ir::DimBindings all = entry.bindings(call.dims);
    for (const ir::Type& type : entry.outputs) {
      TENON_ASSIGN(std::vector<int64_t> shape, ir::evaluate_shape(type.shape, all));
      out->outputs.emplace_back(type.dtype, std::move(shape));
    }
    for (const Array& a : out->inputs) call.inputs.push_back(a.data());
    for (Array& a : out->outputs) call.outputs.push_back(a.data());
    TENON_ASSIGN(out->bound, session.bind(function_, call));
    return out->bound->run();
  }

  // Seconds of single calls, for as long as was asked.
  Result<std::vector<double>> measured(driver::Session::Bound& bound, size_t* calls) const {
    std::vector<double> times;
    size_t calls_a_time = 1;
    const auto begun = Clock::now();
    for (;;) {
      const auto from = Clock::now();
      for (size_t i = 0; i < calls_a_time; ++i) TENON_TRY(bound.run());
      const double one = since(from);
      // Single calls shorter than the clock's grain are timed by the dozen.
      if (one < 2e-5 && calls_a_time < 4096) {
        calls_a_time *= 2;
        continue;
      }
      times.push_back(one / static_cast<double>(calls_a_time));
      if (since(begun) >= seconds_ && times.size() >= 3) break;
    }
    *calls = times.size() * calls_a_time;
    return times;
  }

  void print(Context& c, const driver::Program& program, const driver::EntryInfo& entry,
             const ir::DimBindings& dims, const Figures& f) const {
    std::string sizes_text, chunks_text;
    Json& r = c.report();
    r["function"] = function_;
    r["sizes"] = Json::object();
    for (const kernel::DimSlot& d : entry.interface->dims)
      if (dims.count(d.name) != 0) {
        sizes_text += (sizes_text.empty() ? "" : ", ") + d.name + " " + std::to_string(dims.at(d.name));
        r["sizes"][d.name] = dims.at(d.name);
      }
    const std::vector<uint64_t>& chunks = f.chunks;
    const double rate = f.flops.value_or(0) / f.best;
    const uint64_t all_chunks = std::accumulate(chunks.begin(), chunks.end(), uint64_t{0});
    for (const uint64_t n : chunks)
      chunks_text += (chunks_text.empty() ? "" : ", ") + std::to_string(n) + " (" +
                     std::to_string((100 * n + all_chunks / 2) / std::max<uint64_t>(all_chunks, 1)) + "%)";
    if (all_chunks == 0) chunks_text = "none shared";
    r["threads"] = threads_;
    r["seconds_best"] = f.best;
    r["seconds_median"] = f.median;
    r["calls"] = f.calls;
    r["flops"] = f.flops ? Json(*f.flops) : Json();
    r["flops_per_second"] = f.flops ? Json(rate) : Json();
    r["fma_peak"] = f.peak;
    r["ratio"] = f.ratio ? Json(*f.ratio) : Json();
    r["chunks_per_worker"] = chunks;
    r["arena_bytes"] = entry.arena != nullptr ? session_arena(entry, dims) : 0;
    r["compile_seconds"] = f.compile_seconds;
    r["target"] = program.kernels().target;
    c.print(
        table({{"function", function_ + (sizes_text.empty() ? "" : " at " + sizes_text)},
               {"target", program.kernels().target + ", " + std::to_string(threads_) +
                              (threads_ == 1 ? " thread" : " threads")},
               {"time", time_text(f.best) + " best, " + time_text(f.median) + " median"},
               {"operations", f.flops ? short_text(*f.flops) + " FLOP, " + short_text(rate / 1e9) + " GFLOP/s"
                                      : std::string("not counted: a dump of kernels")},
               {"fma probe", short_text(f.peak / 1e9) + " GFLOP/s" +
                                 (f.ratio   ? ", ratio " + short_text(*f.ratio)
                                  : f.flops ? ", disturbed: below what was reached"
                                            : std::string())},
               {"chunks", chunks_text + (all_chunks == 0 ? "" : " by worker")},
               {"compile time", time_text(f.compile_seconds)}}));
  }

  Result<ir::DimBindings> sizes_of(const driver::EntryInfo& entry) const {
    std::vector<std::string> sizes = sizes_;
    if (batch_) {
      const auto first = std::find_if(entry.inputs.begin(), entry.inputs.end(),
                                      [](const ir::Type& type) { return !type.is_scalar(); });
      const auto name = first == entry.inputs.end() ? std::nullopt : first->shape[0].as_symbol();
      if (!name)
        return usage_error(
            "--batch: the first input of " + function_ + " does not begin with a named dimension",
            "--size dim=N names it");
      sizes.push_back(*name + "=" + std::to_string(*batch_));
    }
    ir::DimRanges ranges;
    for (const kernel::DimSlot& d : entry.interface->dims) ranges[d.name] = {d.low, d.high};
    return choose_sizes(ranges, entry.inputs, sizes, 64);
  }

  static int64_t session_arena(const driver::EntryInfo& entry, const ir::DimBindings& dims) {
    std::vector<int64_t> sizes;
    for (const kernel::DimSlot& d : entry.interface->dims) sizes.push_back(dims.at(d.name));
    return entry.arena(sizes.data());
  }

  ModelOptions model_;
  std::string function_;
  std::vector<std::string> sizes_;
  std::optional<int64_t> batch_;
  int64_t threads_ = 1;
  uint64_t seed_ = 0;
  double seconds_ = 0.5;
};

}  // namespace

std::unique_ptr<Verb> make_bench() { return std::make_unique<Bench>(); }

}  // namespace tenon::command
