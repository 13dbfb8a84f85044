// tenon compile: an object, its C header and an example that uses both.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "c_interface/names.h"
#include "driver/command/model.h"
#include "driver/program/program.h"
#include "object/aot/export.h"
#include "runtime/file.h"
#include "runtime/safetensors.h"
#include "support/text.h"

namespace tenon::command {
namespace {

class Compile : public Verb {
 public:
  std::string_view name() const override { return "compile"; }
  std::string_view about() const override { return "an object file, its C header and an example in C"; }
  std::string_view examples() const override {
    return "  tenon compile mlp.tenon -o mlp                  mlp.o mlp.h mlp_example.c\n"
           "  tenon compile mlp.tenon --fn train,logits --prefix mlp --cpu x86-64-v3 -o mlp\n"
           "  tenon compile mlp.tenon --fn logits --bind batch=1 -o out/mlp1\n"
           "  tenon compile mlp.tenon --fn logits --params w.safetensors -o mlp      mlp.state as well\n"
           "  tenon compile mlp.tenon --fn logits --bake '*' --params w.safetensors -o mlp\n"
           "  tenon show mlp.tenon --stage kernel | tenon compile - -o mlp\n";
  }
  void declare(Options& options) override {
    model_.declare(options);
    options.texts("--fn", &functions_,
                  "entries; all functions where left out (init, and the loop of a step, come along)", true);
    options.flag("--no-epochs", &no_epochs_,
                 "steps without their loops over epochs, which take most of the time");
    options.text("--prefix", &prefix_, "of every exported symbol; from -o where left out");
    options.texts("--bake", &bake_,
                  "patterns of parameters, and of state that is only read, that become constants of the code",
                  true);
    options.text(
        "--params", &params_,
        "safetensors: values to bake; the tensors that stay go to NAME.state, which C reads as it is");
    options.number("--threads", &threads_, "of code generation; 0, as left out: all processors");
    options.flag(
        "--fold-scales", &fold_scales_,
        "factors behind products and convolutions, as of normalizations, go into their baked weights: "
        "faster, and results differ by the rounding of a weight");
    options.text("-o,--output", &output_, "where to: NAME makes NAME.o, NAME.h and NAME_example.c", true);
  }

  Result<Exit> run(Context& c) override {
    TENON_ASSIGN(driver::CompileOptions options, model_.compile());
    if (threads_ < 0 || threads_ > 1024) return usage_error("--threads is 0 to 1024");
    const size_t slash = output_.rfind('/');
    const std::string base = slash == std::string::npos ? output_ : output_.substr(slash + 1);
    if (base.empty() || base == "-" || base == "." || base == "..")
      return usage_error("-o " + output_ + " names no file", "-o mlp makes mlp.o, mlp.h and mlp_example.c");
    const std::string object_path = output_ + ".o", header = output_ + ".h", example = output_ + "_example.c";
    for (const std::string& path : {object_path, header, example}) TENON_TRY(runtime::can_write(path));
    options.functions = functions_;
    options.step_loops = !no_epochs_;
    options.epochs = !no_epochs_;
    options.threads = static_cast<int>(threads_);
    options.prefix = prefix_.empty() ? c_interface::c_prefix_of(base) : prefix_;
    options.baked = bake_;
    options.fold_scales = fold_scales_;
    if (fold_scales_ && bake_.empty())
      return usage_error("--fold-scales changes weights that are constants", "--bake '*' --params FILE");
    runtime::Tensors tensors;
    options.own_state = true;
    if (!bake_.empty()) {
      if (params_.empty()) return usage_error("--bake needs the values", "--params FILE");
      TENON_ASSIGN(tensors, runtime::read_safetensors(params_));
      options.values = &tensors.arrays;
    }
    TENON_ASSIGN(driver::Unit unit, model_.read());
    driver::CompileReport report;
    TENON_ASSIGN(const kernel::Module kernels, driver::to_kernels(std::move(unit), options, &report));
    const target::Target* target = target::find_target(kernels.target);
    if (target == nullptr) return error(Code::target_unsupported, "no target is named " + kernels.target);
    object::ExportOptions export_options;
    export_options.prefix = options.prefix;
    export_options.file = base;
    export_options.threads = options.threads;
    export_options.isolate = options.isolate;
    export_options.entries = driver::entries_of(kernels, options);
    TENON_ASSIGN(object::Exported made, object::export_object(kernels, *target, export_options));
    const std::string_view elf(reinterpret_cast<const char*>(made.elf.data()), made.elf.size());
    std::vector<std::pair<std::string, std::string_view>> files{
        {object_path, elf}, {header, made.header}, {example, made.example}};
    // The state in the object's own layout, where some of it is not baked.
    std::string state_path;
    Array state;
    if (!params_.empty() && !kernels.state.empty()) {
      TENON_ASSIGN(state, driver::state_bytes(kernels, params_));
      state_path = output_ + ".state";
      files.emplace_back(state_path,
                         std::string_view(reinterpret_cast<const char*>(state.data()), state.bytes()));
    } else if (!params_.empty() && bake_.empty()) {
      return usage_error("--params " + params_ + ": the functions compiled read no parameters or state");
    }
    TENON_TRY(runtime::write_files_atomic(files));
    Json& r = c.report();
    if (!state_path.empty()) r["state"] = state_path;
    r["object"] = object_path;
    r["header"] = header;
    r["example"] = example;
    r["bytes"] = elf.size();
    r["prefix"] = options.prefix;
    r["target"] = kernels.target;
    r["state_bytes"] = kernels.state_bytes;
    r["constant_bytes"] = kernels.constant_bytes;
    r["entries"] = Json::array();
    for (const kernel::Entry& e : kernels.entries) r["entries"].push_back(e.name);
    r["seconds_graph"] = report.seconds_graph;
    r["seconds_lower"] = report.seconds_lower;
    c.print(object_path + "  " + bytes_text(elf.size()) + " for " + kernels.target + ", prefix " +
            options.prefix + "\n" + header + "\n" + example + "\n" +
            (state_path.empty() ? "" : state_path + "\n"));
    return Exit::done;
  }

 private:
  ModelOptions model_;
  std::vector<std::string> functions_, bake_;
  std::string prefix_, params_, output_;
  int64_t threads_ = 0;
  bool no_epochs_ = false, fold_scales_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_compile() { return std::make_unique<Compile>(); }

}  // namespace tenon::command
