// tenon grad: the gradient of a function as text.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "driver/command/gradient.h"
#include "driver/command/model.h"

namespace tenon::command {

namespace {

class Grad : public Verb {
 public:
  std::string_view name() const override { return "grad"; }
  std::string_view about() const override { return "the gradient of a function, as text"; }
  std::string_view examples() const override {
    return "  tenon grad mlp.tenon loss\n  tenon grad mlp.tenon loss --wrt fc1.w,h\n"
           "  tenon grad mlp.tenon loss --wrt '*.w' | tenon run - loss.grad ...\n";
  }
  void declare(Options& options) override {
    model_.declare(options, false);
    options.positional("function", &function_, "a function that returns one float first");
    options.texts("--wrt", &wrt_, "parameters (or patterns) and values; all parameters where left out", true);
    options.text("--mode", &mode_, "inference (as left out) or training");
    options.text("-o,--output", &output_, "the file to write; stdout where left out");
  }

  Result<Exit> run(Context& c) override {
    TENON_ASSIGN(driver::Unit unit, model_.read());
    TENON_ASSIGN(ir::Module module, graph_of(std::move(unit), "grad"));
    const std::string name = function_ + ".grad";
    module.derives.clear();
    module.stage = "graph";
    TENON_TRY(add_gradient(module, function_, name, wrt_, mode_));
    driver::CompileOptions options;
    options.functions = {name};
    options.epochs = false;
    TENON_ASSIGN(ir::Module derived, driver::derive(std::move(module), options));
    derived.functions.erase_if([&](const ir::Function& f) { return f.name != name; });
    c.report()["function"] = name;
    c.report()["gradients"] = Json::array();
    for (const ir::Function& f : derived.functions)
      for (size_t i = 0; i < f.returns; ++i)
        c.report()["gradients"].push_back(
            {{"name", f.result_names[i]}, {"type", f.graph.type(f.graph.results[i]).text()}});
    driver::Unit result;
    result.code = std::move(derived);
    TENON_ASSIGN(std::string text, driver::print_unit(result));
    TENON_TRY(c.emit(output_, std::move(text)));
    return Exit::done;
  }

 private:
  ModelOptions model_;
  std::string function_, mode_, output_;
  std::vector<std::string> wrt_;
};

}  // namespace

std::unique_ptr<Verb> make_grad() { return std::make_unique<Grad>(); }

}  // namespace tenon::command
