// tenon diff: one call by four engines. Compiled code in process (jit), the C function of the object that
// users call, linked and loaded from a file (aot), and the exact evaluator must agree bit for bit; the wide
// evaluator judges within its bound.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "c_interface/interface.h"
#include "driver/command/c_call.h"
#include "object/aot/export.h"
#include "runtime/parallel.h"
#include "support/text.h"

namespace tenon::command {
namespace {

// Elements whose bits differ, NaN payloads aside; `first`: where.
int64_t differing(const Array& expected, const Array& found, int64_t* first) {
  *first = -1;
  if (expected.dtype() != found.dtype() || expected.shape() != found.shape()) {
    *first = 0;
    return std::max<int64_t>(expected.count(), 1);
  }
  int64_t count = 0;
  const size_t bytes = dtype_bytes(expected.dtype());
  with_dtype(expected.dtype(), [&]<class T>() {
    for (int64_t i = 0; i < expected.count(); ++i) {
      const size_t at = static_cast<size_t>(i) * bytes;
      if (std::memcmp(expected.data() + at, found.data() + at, bytes) == 0) continue;
      if constexpr (std::is_floating_point_v<T>) {
        if (std::isnan(expected.as<T>()[static_cast<size_t>(i)]) &&
            std::isnan(found.as<T>()[static_cast<size_t>(i)]))
          continue;
      }
      if (count++ == 0) *first = i;
    }
  });
  return count;
}

double element(const Array& a, int64_t i) {
  double out = 0;
  with_dtype(a.dtype(), [&]<class T>() { out = static_cast<double>(a.as<T>()[static_cast<size_t>(i)]); });
  return out;
}

struct Judged {
  double worst = 0;  // error over bound
  int64_t undecided = 0, at = -1;
};
// Undecided are elements whose bound says nothing: it is infinite, or as wide as the largest element is
// large, so that any value of usual size would pass.
Judged judge(const evaluate::WideArray& wide, const Array& found) {
  Judged out;
  double largest = 0;
  for (double v : wide.value)
    if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
  for (size_t i = 0; i < wide.value.size(); ++i) {
    const bool vague = wide.bound[i] > 0 && wide.bound[i] >= largest && wide.bound[i] > 1e-6;
    if (vague || std::isnan(wide.bound[i])) ++out.undecided;
    if (std::isinf(wide.bound[i]) || std::isnan(wide.bound[i])) continue;
    const double x = element(found, static_cast<int64_t>(i));
    if ((std::isnan(x) && std::isnan(wide.value[i])) || x == wide.value[i]) continue;
    const double error = std::abs(x - wide.value[i]);
    const double ratio = wide.bound[i] > 0 ? error / wide.bound[i] : HUGE_VAL;
    if (!(ratio <= out.worst)) {
      out.worst = std::isnan(ratio) ? HUGE_VAL : ratio;
      out.at = static_cast<int64_t>(i);
    }
  }
  return out;
}

// What the engines gave, value by value.
class Comparison {
 public:
  // `judge_by`: null where the wide evaluator says nothing.
  void value(const std::string& name, const Array& expected, const Array& in_jit, const Array& in_aot,
             const evaluate::WideArray* judge_by) {
    int64_t first_aot = -1, first_exact = -1;
    const int64_t aot_count = differing(in_jit, in_aot, &first_aot);
    const int64_t exact_count = differing(expected, in_jit, &first_exact);
    auto bits = [](int64_t count, int64_t first) {
      return count == 0 ? std::string("bits")
                        : std::to_string(count) + " differ, first at " + std::to_string(first);
    };
    std::string verdict = "-";
    const std::string type = std::string(dtype_name(in_jit.dtype())) + shape_text(in_jit.shape());
    Json one{{"name", name}, {"type", type}, {"aot_differing", aot_count}, {"exact_differing", exact_count}};
    if (judge_by != nullptr) {
      const Judged j = judge(*judge_by, in_jit);
      worst_ = std::max(worst_, j.worst);
      undecided_ += j.undecided;
      total_ += in_jit.count();
      verdict = "worst error/bound " + short_text(j.worst);
      if (j.undecided != 0)
        verdict +=
            ", " + std::to_string(j.undecided) + " of " + std::to_string(in_jit.count()) + " undecided";
      one["wide_worst"] = j.worst;
      one["wide_undecided"] = j.undecided;
      if (j.worst > 1) equal_ = false;
    }
    if (aot_count != 0 || exact_count != 0) equal_ = false;
    rows_.push_back({name, type, bits(aot_count, first_aot), bits(exact_count, first_exact), verdict});
    values_.push_back(std::move(one));
  }
  void differs() { equal_ = false; }
  void changed(const std::string& name) {
    equal_ = false;
    rows_.push_back({name, "", "", "changed, and is not to be written", ""});
  }

  bool equal() const { return equal_; }
  int64_t decided() const { return total_ - undecided_; }
  std::string text() const { return table(rows_); }
  // "NOT equal", "equal bits", "equal", and how much of it the wide evaluator decided.
  std::string verdict() const { return !equal_ ? "NOT equal" : decided() == 0 ? "equal bits" : "equal"; }
  std::string share_text() const {
    return decided() == 0 ? "; wide decided nothing"
                          : "; wide decided " + std::to_string(decided()) + " of " + std::to_string(total_) +
                                " elements";
  }
  void report(Json& r) {
    r["equal"] = equal_;
    r["wide_worst"] = worst_;
    r["wide_undecided"] = undecided_;
    r["wide_elements"] = total_;
    r["wide_decided"] = total_ == 0 ? 0 : static_cast<double>(decided()) / static_cast<double>(total_);
    r["values"] = std::move(values_);
  }

 private:
  bool equal_ = true;
  double worst_ = 0;
  int64_t undecided_ = 0, total_ = 0;
  Json values_ = Json::array();
  std::vector<std::vector<std::string>> rows_{{"value", "type", "jit = aot", "jit = exact", "wide"}};
};

class Diff : public Verb {
 public:
  std::string_view name() const override { return "diff"; }
  std::string_view about() const override {
    return "jit, aot and exact evaluator: equal bits? wide: within bounds?";
  }
  std::string_view examples() const override {
    return "  tenon diff mlp.tenon logits\n  tenon diff mlp.tenon train --size batch=7 --seed 3\n"
           "  tenon diff linear.tenon predict --input x=@x.npy --params w.safetensors --threads 2\n";
  }
  void declare(Options& options) override {
    model_.declare(options);
    options.positional("function", &function_, "the function or step to call");
    options.texts("--input", &inputs_, "x=@file.npy or a literal; drawn where none is given");
    options.text("--params", &params_, "safetensors of the state; drawn by init where left out");
    options.texts("--size", &sizes_, "dim=N: sizes of drawn inputs; 5 each where left out");
    options.seed(&seed_, "of what is drawn");
    options.number("--threads", &threads_, "workers of compiled code; 1 where left out");
  }

  Result<Exit> run(Context& c) override {
    TENON_ASSIGN(driver::CompileOptions options, model_.compile());
    if (threads_ < 1 || threads_ > 1024) return usage_error("--threads is 1 to 1024");
    TENON_ASSIGN(driver::Unit unit, model_.read());
    TENON_ASSIGN(ir::Module module, graph_of(std::move(unit), "diff"));
    options.functions = {function_};
    TENON_ASSIGN(const ir::Module derived, driver::derive(module, options));
    TENON_ASSIGN(const ir::Function* function, function_of(derived, function_));
    driver::Unit graph;
    graph.stage = module.stage == "optimized" ? driver::Stage::optimized : driver::Stage::graph;
    graph.code = std::move(module);
    TENON_ASSIGN(const std::shared_ptr<const driver::Program> program,
                 driver::Program::compile(std::move(graph), options));
    const driver::EntryInfo* entry = program->find(function_);
    TENON_CHECK(entry != nullptr, function_);

    evaluate::Inputs inputs;
    evaluate::Outputs exact;
    TENON_TRY(draw(c, derived, *function, program, *entry, &inputs, &exact));
    std::unique_ptr<runtime::Pool> pool;
    runtime::Parallel parallel{};
    if (threads_ > 1) {
      pool = std::make_unique<runtime::Pool>(static_cast<uint32_t>(threads_));
      parallel = pool->parallel();
    }
    const runtime::Parallel* host = pool != nullptr ? &parallel : nullptr;
    TENON_ASSIGN(const Outcome jit, run_entry(*program, *entry, entry->run, inputs, host));
    const target::Target* target = target::find_target(program->kernels().target);
    object::ExportOptions export_options;
    export_options.prefix = "diff";
    export_options.callers = true;
    TENON_ASSIGN(const object::Exported object,
                 object::export_object(program->kernels(), *target, export_options));
    TENON_ASSIGN(const std::unique_ptr<LinkedObject> linked, LinkedObject::link(object.elf));
    TENON_ASSIGN(const Outcome aot, run_c_function(*program, *entry, *linked, "diff", inputs, host));

    Comparison found;
    const uint32_t in_c = exact.status == 0 ? 0 : static_cast<uint32_t>(c_interface::c_status(exact.status));
    if (jit.status.code != exact.status || aot.status.code != in_c) {
      found.differs();
      c.print("status: exact T" + std::to_string(exact.status) + ", jit T" + std::to_string(jit.status.code) +
              ", C function " + std::to_string(aot.status.code) + " (" + std::to_string(in_c) +
              " expected)\n");
    }
    const Result<evaluate::WideOutputs> wide = evaluate::wide(derived, *function, inputs);
    compare(*entry, inputs, exact, wide, jit, aot, &found);
    print(c, *entry, inputs, exact, wide, linked->linked(), &found);
    return found.equal() ? Exit::done : Exit::no;
  }

 private:
  // Inputs and state as they are given, else drawn; and what the exact evaluator makes of them.
  Status draw(Context& c, const ir::Module& derived, const ir::Function& function,
              const std::shared_ptr<const driver::Program>& program, const driver::EntryInfo& entry,
              evaluate::Inputs* inputs, evaluate::Outputs* exact) {
    TENON_ASSIGN(inputs->globals, initial_globals(derived, seed_));
    if (!params_.empty()) {
      TENON_ASSIGN(const std::shared_ptr<driver::State> state, make_state(program, 0, params_, false, c));
      for (const kernel::StateSlot& s : program->kernels().state) {
        TENON_ASSIGN(inputs->globals[s.name], state->get(s.name));
      }
    }
    TENON_ASSIGN(inputs->dims, choose_sizes(derived.dims, function, sizes_, 5));
    if (!inputs_.empty()) {
      TENON_ASSIGN(inputs->arguments, read_inputs(entry, inputs_, inputs->dims));
      std::vector<std::vector<int64_t>> shapes;
      for (const Array& a : inputs->arguments) shapes.push_back(a.shape());
      TENON_ASSIGN(const std::vector<int64_t> sizes, entry.bind_dims(shapes, {}));
      inputs->dims = entry.bindings(sizes);
      TENON_ASSIGN(*exact, evaluate::exact(derived, function, *inputs));
      return Ok{};
    }
    // Labels and indices are drawn smaller until they are in range.
    for (const int limit : {10, 2, 1}) {
      TENON_ASSIGN(inputs->arguments, draw_inputs(function.graph, inputs->dims, seed_, limit));
      TENON_ASSIGN(*exact, evaluate::exact(derived, function, *inputs));
      if (exact->status == 0) break;
    }
    return Ok{};
  }

  static void compare(const driver::EntryInfo& entry, const evaluate::Inputs& inputs,
                      const evaluate::Outputs& exact, const Result<evaluate::WideOutputs>& wide,
                      const Outcome& jit, const Outcome& aot, Comparison* found) {
    const bool failed = exact.status != 0, judged = static_cast<bool>(wide) && !failed;
    if (!failed) {
      for (size_t i = 0; i < jit.outputs.size() && i < exact.returned.size(); ++i)
        found->value(entry.output_names[i], exact.returned[i], jit.outputs[i], aot.outputs[i],
                     judged && i < wide->returned.size() ? &wide->returned[i] : nullptr);
      for (const auto& [name, value] : exact.written) {
        const evaluate::WideArray* w = nullptr;
        if (judged)
          if (const auto known = wide->written.find(name); known != wide->written.end()) w = &known->second;
        if (jit.state.count(name) != 0)
          found->value("set " + name, value, jit.state.at(name), aot.state.at(name), w);
      }
    }
    // What is not written stays as it is; a failing call writes nothing.
    for (const auto& [name, value] : jit.state) {
      if (exact.written.count(name) != 0) continue;
      int64_t first = -1;
      const auto before = inputs.globals.find(name);
      if (before == inputs.globals.end()) continue;
      if (differing(before->second, value, &first) != 0 ||
          differing(before->second, aot.state.at(name), &first) != 0)
        found->changed(name);
    }
  }

  void print(Context& c, const driver::EntryInfo& entry, const evaluate::Inputs& inputs,
             const evaluate::Outputs& exact, const Result<evaluate::WideOutputs>& wide, bool linked,
             Comparison* found) const {
    c.print(found->text());
    std::string sizes;
    Json dims = Json::object();
    for (const kernel::DimSlot& d : entry.interface->dims) {
      if (inputs.dims.count(d.name) == 0) continue;
      sizes += (sizes.empty() ? "" : ", ") + d.name + " " + std::to_string(inputs.dims.at(d.name));
      dims[d.name] = inputs.dims.at(d.name);
    }
    c.print(std::string("\n") + found->verdict() + (sizes.empty() ? "" : " at " + sizes) +
            found->share_text() + (linked ? "; aot linked by cc" : "; aot loaded in process (no cc)") +
            (exact.status != 0 ? "; the call fails with T" + std::to_string(exact.status) + " in every engine"
                               : "") +
            (wide ? "" : "; wide: " + wide.errors().list[0].message) + "\n");
    Json& r = c.report();
    r["function"] = function_;
    r["status"] = exact.status;
    r["sizes"] = std::move(dims);
    r["aot"] = linked ? "linked" : "in process";
    found->report(r);
  }

  ModelOptions model_;
  std::string function_, params_;
  std::vector<std::string> inputs_, sizes_;
  int64_t threads_ = 1;
  uint64_t seed_ = 0;
};

}  // namespace

std::unique_ptr<Verb> make_diff() { return std::make_unique<Diff>(); }

}  // namespace tenon::command
