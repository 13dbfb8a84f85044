// tenon new: the template models. Their texts are those of examples/, taken in while building.
#include <nlohmann/json.hpp>

#include "driver/command/options.h"
#include "support/text.h"

namespace tenon::command {
namespace {

struct Template {
  std::string_view name, text;
};
constexpr Template templates[] = {
#include "command/templates.inc"
};
// What a model is asked for by as well.
constexpr std::string_view other_names[][2] = {{"cnn", "lenet"}};

class New : public Verb {
 public:
  std::string_view name() const override { return "new"; }
  std::string_view about() const override {
    return "a model to begin with: linear, mlp, cnn, rnn, resnet, unet, ...";
  }
  std::string_view examples() const override {
    return "  tenon new mlp > mlp.tenon\n  tenon new linear -o linear.tenon\n  tenon new --list\n";
  }
  void declare(Options& options) override {
    options.positional("name", &name_, "the template's name", false);
    options.flag("--list", &list_, "names the templates");
    options.text("-o,--output", &output_, "the file to write; stdout where left out");
  }

  Result<Exit> run(Context& c) override {
    std::string all;
    std::vector<std::string_view> names;
    c.report()["templates"] = Json::array();
    for (const Template& t : templates) {
      names.push_back(t.name);
      all += (all.empty() ? "" : ", ") + std::string(t.name);
      if (list_) c.report()["templates"].push_back(t.name);
    }
    if (list_) {
      for (const std::string_view n : names) c.print(std::string(n) + "\n");
      return Exit::done;
    }
    c.report().clear();
    if (name_.empty()) return usage_error("new: which template?", "one of " + all);
    for (const auto& [other, own] : other_names)
      if (name_ == other) name_ = own;
    for (const Template& t : templates) {
      if (t.name != name_) continue;
      c.report()["name"] = name_;
      TENON_TRY(c.emit(output_, std::string(t.text)));
      return Exit::done;
    }
    const std::string_view near = nearest(name_, names);
    return usage_error("no template is named " + name_,
                       near.empty() ? "one of " + all : "did you mean " + std::string(near) + "?");
  }

 private:
  std::string name_, output_;
  bool list_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_new() { return std::make_unique<New>(); }

}  // namespace tenon::command
