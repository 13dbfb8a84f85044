// tenon opt: runs passes on a graph and shows what each did.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "driver/command/difference.h"
#include "driver/command/model.h"
#include "driver/compile/pipeline.h"
#include "ir/print.h"
#include "passes/passes.h"
#include "runtime/file.h"

namespace tenon::command {
namespace {

std::string milliseconds(double seconds) { return short_text(seconds * 1e3) + " ms"; }

class Opt : public Verb {
 public:
  std::string_view name() const override { return "opt"; }
  std::string_view about() const override {
    return "run passes; what each changed, how long, which rules fired";
  }
  std::string_view examples() const override {
    return "  tenon opt mlp.tenon\n  tenon opt mlp.tenon --passes=bind{batch=8},inline,expand,cse "
           "--print-after-all\n"
           "  tenon opt mlp.tenon --dump-to out/\n  tenon opt mlp.tenon --stop-after expand -o "
           "expanded.tenon\n"
           "  tenon opt mlp.tenon --disable simplify,motion\n  tenon opt mlp.tenon --stop-after fuse --cpu "
           "x86-64-v3\n  tenon opt --list\n";
  }
  void declare(Options& options) override {
    options.positional("model", &model_.path, "a .tenon file or a dump of the stage optimized; - for stdin",
                       false);
    options.texts("--bind", &model_.bind, "dim=N: makes a dimension a constant");
    options.text("--cpu", &model_.cpu, "native, x86-64-v3, x86-64-v4: for passes of lowering");
    options.texts("--fn", &functions_, "functions to keep; all where left out", true);
    options.text("--passes", &passes_,
                 "passes to run, in order, with options in braces; those of graphs where left out");
    options.texts("--disable", &disabled_, "passes to leave out", true);
    options.text("--stop-after", &stop_after_,
                 "the last pass to run; a pass of lowering runs those before it as well");
    options.flag("--print-after-all", &print_all_,
                 "what every pass changed, line by line, on stderr; --dump-to keeps the whole");
    options.text("--dump-to", &dump_to_, "a folder for the module after every pass");
    options.text("-o,--output", &output_, "the result; stdout where left out");
    options.flag("--list", &list_, "names the passes");
  }

  Result<Exit> run(Context& c) override {
    if (list_) return list(c);
    if (model_.path.empty()) return usage_error("opt: which model?", "a .tenon file, or - for stdin");
    TENON_ASSIGN(driver::CompileOptions options, model_.compile());
    options.passes = passes_;
    options.disabled = disabled_;
    options.stop_after = stop_after_;
    // What cannot be run is told before the model is read.
    TENON_ASSIGN(const driver::Pipeline pipeline, driver::pipeline_of(options));
    if (model_.cpu != "native" && !pipeline.lowers)
      return usage_error("opt: --cpu does nothing where no pass of lowering runs",
                         "--stop-after " + std::string(lower::all().back()->name) + " runs them all");
    TENON_ASSIGN(driver::Unit unit, model_.read());
    TENON_ASSIGN(ir::Module module, graph_of(std::move(unit), "opt"));
    options.functions = functions_;
    options.step_loops = true;
    options.verify_each = true;
    // A dump of the stage optimized is run through again where passes or their end are named.
    if (options.passes.empty()) options.passes = passes::pipeline_text();
    if (!dump_to_.empty() && mkdir(dump_to_.c_str(), 0777) != 0 && errno != EEXIST)
      return error(Code::file_write, dump_to_ + ": the folder cannot be made: " + std::strerror(errno));
    options.reproducer_directory = dump_to_;
    Errors failed;
    size_t step = 0;
    std::string before = print_all_ ? ir::print(module) : "";
    options.after_pass = [&](const std::function<std::string()>& text, const pass::Record& record) {
      if (print_all_) {
        std::string after = record.changed ? text() : before;
        c.note("// after " + record.pass + (record.changed ? "" : ": no change") + "\n" +
               difference(before, after));
        before = std::move(after);
      }
      if (dump_to_.empty()) return;
      if (record.pass != "derive") ++step;  // 00 is what the passes get
      std::string number = std::to_string(step);
      if (number.size() < 2) number = "0" + number;
      const std::string path = dump_to_ + "/" + number + "-" + record.pass + ".tenon";
      if (Status s = runtime::write_file_atomic(path, text()); !s) failed.append(s.take_errors());
    };
    driver::CompileReport report;
    driver::Unit result;
    if (pipeline.lowers) {
      TENON_ASSIGN(result.code, driver::to_scheduled({std::move(module)}, options, &report));
      result.stage = driver::Stage::scheduled;
    } else {
      TENON_ASSIGN(result.code, driver::optimize(std::move(module), options, &report));
      result.stage = driver::Stage::optimized;
    }
    if (!failed.empty()) return failed;
    TENON_ASSIGN(std::string text, driver::print_unit(result));
    show(c, report);
    TENON_TRY(c.emit(output_, std::move(text)));
    return Exit::done;
  }

 private:
  Result<Exit> list(Context& c) {
    std::vector<std::vector<std::string>> rows;
    c.report()["passes"] = Json::array();
    auto add = [&](const pass::About& p) {
      rows.push_back({std::string(p.name), std::string(p.about)});
      Json known = Json::object();
      for (const pass::OptionAbout& o : p.options) {
        const std::string option = o.name.empty() ? "…" : std::string(o.name);
        rows.push_back({"  {" + option + "}", std::string(o.about)});
        known[option] = o.about;
      }
      c.report()["passes"].push_back({{"name", p.name}, {"about", p.about}, {"options", known}});
    };
    for (const passes::Pass* p : passes::all()) add(*p);
    for (const lower::Pass* p : lower::all()) add(*p);
    c.report()["pipeline"] = passes::pipeline_text();
    c.report()["lowering"] = lower::pipeline_text();
    c.print(table(rows) + "\ndefault: " + passes::pipeline_text() + "\nlowering: " + lower::pipeline_text() +
            "\n");
    return Exit::done;
  }

  // What each pass did, how long it took, which rules fired.
  static void show(Context& c, const driver::CompileReport& report) {
    std::vector<std::vector<std::string>> rows;
    Json records = Json::array();
    double total = 0;
    for (const pass::Record& p : report.passes) {
      std::string rules;
      Json counts = Json::object();
      for (const auto& [rule, count] : p.counts) {
        rules += (rules.empty() ? "" : ", ") + rule + " " + std::to_string(count);
        counts[rule] = count;
      }
      total += p.seconds;
      rows.push_back({p.pass, p.changed ? "changed" : "same", milliseconds(p.seconds), rules});
      records.push_back(
          {{"pass", p.pass}, {"changed", p.changed}, {"seconds", p.seconds}, {"counts", counts}});
    }
    rows.push_back({"total", "", milliseconds(total), ""});
    c.report()["passes"] = std::move(records);
    c.report()["seconds"] = total;
    if (!c.json) c.note(table(rows));
  }

  ModelOptions model_;
  std::vector<std::string> functions_, disabled_;
  std::string passes_, stop_after_, dump_to_, output_;
  bool print_all_ = false, list_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_opt() { return std::make_unique<Opt>(); }

}  // namespace tenon::command
