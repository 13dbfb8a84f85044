// tenon plot: the curves of training, from the history files that train writes, as a drawing.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "driver/command/chart.h"
#include "driver/command/options.h"
#include "runtime/history.h"
#include "runtime/picture.h"
#include "support/text.h"

namespace tenon::command {
namespace {

using runtime::EpochRecord;

struct Run {
  std::string name;
  std::vector<EpochRecord> records;
};

// What train puts in front of a figure of the rows held out.
constexpr std::string_view held_out_prefix = "test ";

std::string figure_of(std::string_view name) {
  if (name.starts_with(held_out_prefix)) name.remove_prefix(held_out_prefix.size());
  return std::string(name);
}

// A figure of a run by epoch; NaN where an epoch has none. Empty where no epoch has it.
std::vector<std::pair<double, double>> points_of(const Run& run, const std::string& name) {
  std::vector<std::pair<double, double>> out;
  bool found = false;
  for (const EpochRecord& record : run.records) {
    double value = name == "loss" ? record.loss : std::nan("");
    found = found || name == "loss";
    for (const auto& [metric, number] : record.metrics)
      if (metric == name) {
        value = number;
        found = true;
      }
    out.emplace_back(static_cast<double>(record.epoch), value);
  }
  if (!found) out.clear();
  return out;
}

class Plot : public Verb {
 public:
  std::string_view name() const override { return "plot"; }
  std::string_view about() const override { return "curves of training, from history files, as SVG"; }
  std::string_view examples() const override {
    return "  tenon plot run.jsonl -o curves.svg\n"
           "  tenon plot sgd.jsonl adam.jsonl --log --metric loss,accuracy -o curves.svg\n";
  }
  void declare(Options& options) override {
    options.positionals("histories", &paths_,
                        "files of train --history, - for stdin; drawn over one another");
    options.texts("--metric", &metrics_, "what to draw, loss,accuracy; all where left out", true);
    options.flag("--log", &logarithmic_, "losses by their logarithm");
    options.text("-o,--output", &output_, "the SVG file; stdout where left out");
  }

  Result<Exit> run(Context& c) override {
    if (runtime::picture_form(output_))
      return usage_error("-o " + output_ + ": the curves are written as SVG", "name it .svg");
    std::vector<Run> runs;
    for (const std::string& path : paths_) {
      TENON_ASSIGN(const std::string text, read_text(path));
      TENON_ASSIGN(std::vector<EpochRecord> records, runtime::parse_history(text, shown_name(path)));
      runs.push_back({shown_name(path), std::move(records)});
    }
    TENON_ASSIGN(const std::vector<std::string> figures, figures_of(runs));
    if (logarithmic_ && std::find(figures.begin(), figures.end(), "loss") == figures.end())
      return usage_error("--log does nothing without loss among --metric");
    Chart chart;
    chart.x_title = "epoch";
    for (const Run& run : runs) chart.sources.push_back(run.name);
    for (const std::string& figure : figures) {
      TENON_ASSIGN(Panel panel, panel_of(runs, figure));
      chart.panels.push_back(std::move(panel));
    }
    Json& r = c.report();
    r["histories"] = chart.sources;
    r["figures"] = figures;
    TENON_TRY(c.emit(output_, draw(chart)));
    if (!output_.empty() && output_ != "-") {
      r["output"] = output_;
      c.print(join(figures, ", ") + "  -> " + output_ + "\n");
    }
    return Exit::done;
  }

 private:
  // Those of all runs in the order of their first appearance, or those that are asked for.
  Result<std::vector<std::string>> figures_of(const std::vector<Run>& runs) const {
    std::vector<std::string> all{"loss"};
    for (const Run& run : runs)
      for (const EpochRecord& record : run.records)
        for (const auto& [name, value] : record.metrics)
          if (std::string figure = figure_of(name); std::find(all.begin(), all.end(), figure) == all.end())
            all.push_back(std::move(figure));
    if (metrics_.empty()) return all;
    std::vector<std::string> out;
    for (const std::string& wanted : metrics_) {
      if (std::find(all.begin(), all.end(), wanted) == all.end()) {
        const std::vector<std::string_view> names(all.begin(), all.end());
        const std::string_view near = nearest(wanted, names);
        return usage_error(
            "--metric: no history has " + wanted,
            near.empty() ? "there are " + join(all, ", ") : "did you mean " + std::string(near) + "?");
      }
      if (std::find(out.begin(), out.end(), wanted) == out.end()) out.push_back(wanted);
    }
    return out;
  }

  Result<Panel> panel_of(const std::vector<Run>& runs, const std::string& figure) const {
    Panel out;
    out.logarithmic = logarithmic_ && figure == "loss";
    out.title = figure + (out.logarithmic ? " (logarithmic)" : "");
    for (size_t i = 0; i < runs.size(); ++i)
      for (const bool held_out : {false, true}) {
        Curve curve{i, held_out, points_of(runs[i], (held_out ? std::string(held_out_prefix) : "") + figure)};
        for (const auto& [epoch, value] : curve.points)
          if (out.logarithmic && value <= 0)
            return error(Code::bad_option,
                         "--log: " + std::string(held_out ? held_out_prefix : "") + figure + " of epoch " +
                             std::to_string(static_cast<int64_t>(epoch)) + " of " + runs[i].name + " is " +
                             format_float(value) + ", only what is above 0 has a logarithm",
                         "leave --log out");
        if (!curve.points.empty()) out.curves.push_back(std::move(curve));
      }
    return out;
  }

  std::vector<std::string> paths_, metrics_;
  std::string output_;
  bool logarithmic_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_plot() { return std::make_unique<Plot>(); }

}  // namespace tenon::command
