// tenon run: calls one function on arrays, once; any named value on its way can be tapped.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "driver/command/training.h"
#include "driver/train/trainer.h"
#include "ir/print.h"
#include "pictures/pictures.h"
#include "runtime/npy.h"
#include "support/text.h"

namespace tenon::command {
namespace {

// Makes named values of a function results of it as well.
Status add_taps(ir::Module& module, const std::string& function, const std::vector<std::string>& taps) {
  ir::Function* f = module.find_function(function);
  for (const std::string& name : taps) {
    ir::ValueId found;
    std::vector<std::string_view> names;
    bool inside = false;
    for (size_t i = 0; i < f->graph.value_count(); ++i) {
      const ir::Value& v = f->graph.value(ir::ValueId(i));
      if (v.name.empty()) continue;
      names.push_back(v.name);
      if (v.name == name) found = ir::ValueId(i);
    }
    for (size_t i = 0; i < f->graph.node_count(); ++i)
      for (const auto& region : f->graph.node(ir::NodeId(i)).regions)
        for (size_t v = 0; v < region->value_count(); ++v)
          inside = inside || region->value(ir::ValueId(v)).name == name;
    if (!found.valid()) {
      const std::string_view near = nearest(name, names);
      return error(Code::undefined_name, function + " has no value named " + name,
                   inside         ? "it is inside a loop or cond: yield it, and tap what it becomes"
                   : near.empty() ? ""
                                  : "did you mean " + std::string(near) + "?");
    }
    f->result_names.resize(f->returns);
    f->graph.results.insert(f->graph.results.begin() + static_cast<ptrdiff_t>(f->returns), found);
    // A result may have that name already, and be the same value.
    std::string label = name;
    while (std::find(f->result_names.begin(), f->result_names.end(), label) != f->result_names.end())
      label += "_tap";
    f->result_names.push_back(std::move(label));
    ++f->returns;
  }
  return Ok{};
}

Json nested(const Array& array) {
  Json flat = Json::array();
  with_dtype(array.dtype(), [&]<class T>() {
    for (const T x : array.as<T>()) {
      if constexpr (std::is_same_v<T, float>) {
        // The shortest text that reads back as this f32, not the digits of the double beside it.
        const std::optional<double> shown = parse_double(format_float(x));
        flat.push_back(shown ? Json(*shown) : Json());
      } else {
        flat.push_back(x);
      }
    }
  });
  for (size_t d = array.rank(); d-- > 0;) {
    const size_t extent = static_cast<size_t>(array.shape()[d]);
    Json rows = Json::array();
    size_t count = 1;
    for (size_t k = 0; k < d; ++k) count *= static_cast<size_t>(array.shape()[k]);
    for (size_t r = 0; r < count; ++r) {
      Json row = Json::array();
      for (size_t i = 0; i < extent; ++i) row.push_back(std::move(flat[r * extent + i]));
      rows.push_back(std::move(row));
    }
    flat = std::move(rows);
  }
  return std::move(flat[0]);
}

class Run : public Verb {
 public:
  std::string_view name() const override { return "run"; }
  std::string_view about() const override { return "call a function on arrays; tap values on the way"; }
  std::string_view examples() const override {
    return "  tenon run linear.tenon predict --input 'x=[[1.5]]' --params w.safetensors\n"
           "  tenon run mlp.tenon logits --params w.safetensors --input image=@7.npy --output logits=@z.npy\n"
           "  tenon run mlp.tenon logits --input image=@7.npy --tap h --output h=@h.npy\n"
           "  tenon run denoise.tenon clean --params w.safetensors --input image=@in.png --output "
           "clean=@out.png\n"
           "  tenon run generator.tenon draw --size n=64 --output images=@sheet.png --columns 8\n"
           "  tenon run linear.tenon train --input x=@x.npy --input y=@y.npy --save w.safetensors\n";
  }
  void declare(Options& options) override {
    model_.declare(options);
    options.positional("function", &function_, "the function or step to call");
    options.texts("--input", &inputs_,
                  "x=@file.npy, x=@picture.png (or .jpg), x=[[1, 2], [3, 4]], or x=0.5 for all elements");
    data_.declare(options, false);
    options.texts("--output", &outputs_, "z=@z.npy, or z=@z.png (or .jpg); results that are not named print");
    options.number(
        "--columns", &columns_,
        "pictures side by side, where a result of several goes to one file; about square where left out");
    options.texts("--tap", &taps_, "also results: values on the way, by name", true);
    options.text("--params", &params_, "safetensors of the state; drawn by init where left out");
    options.flag("--partial", &partial_, "take the tensors that fit, name the rest");
    options.seed(&seed_, "of init; 0 where left out");
    options.texts("--set", &set_, "lr=2e-3: a hyper-parameter");
    options.texts("--size", &sizes_, "dim=N: a size that no input tells");
    options.number("--threads", &threads_, "workers; 1 where left out, 0: all processors");
    options.text("--save", &save_, "safetensors of the state after the call");
  }

  Result<Exit> run(Context& c) override {
    TENON_ASSIGN(driver::CompileOptions options, model_.compile());
    TENON_ASSIGN(const auto hypers, numbers(set_, "--set"));
    TENON_ASSIGN(const auto outputs, pairs(outputs_, "--output"));
    TENON_ASSIGN(const ir::DimBindings sizes, whole_numbers(sizes_, "--size"));
    TENON_TRY(check_options(outputs));
    TENON_TRY(check_partial(partial_, params_));
    TENON_ASSIGN(driver::Unit unit, model_.read());
    if (std::holds_alternative<ir::Module>(unit.code)) options.functions = {function_};
    if (!taps_.empty()) TENON_TRY(tap(unit, options));
    TENON_ASSIGN(const std::shared_ptr<const driver::Program> program,
                 driver::Program::compile(std::move(unit), options));
    TENON_ASSIGN(const driver::EntryInfo* entry, entry_of(*program, outputs));
    ir::DimBindings dims = options.bind;
    for (const auto& [name, value] : sizes) dims[name] = value;
    std::vector<Array> arrays;
    if (data_.spec.empty()) {
      TENON_ASSIGN(arrays, read_inputs(*entry, inputs_, dims));
    } else {
      TENON_ASSIGN(arrays, read_rows(*entry));
    }
    TENON_ASSIGN(const std::shared_ptr<driver::State> state,
                 make_state(program, seed_, params_, partial_, c));
    const Host host(threads_);
    driver::Session session(program, state, host.parallel());
    for (const auto& [name, value] : hypers) TENON_TRY(session.set_hyper(name, value));
    std::vector<const Array*> pointers;
    for (const Array& a : arrays) pointers.push_back(&a);
    TENON_ASSIGN(const std::vector<Array> results, session.run(function_, pointers, dims));
    TENON_TRY(write_results(c, *entry, results, outputs));
    if (!save_.empty()) TENON_TRY(state->save(save_));
    return Exit::done;
  }

 private:
  using Outputs = std::vector<std::pair<std::string, std::string>>;  // result, "@file.npy"

  // What the values of options tell by themselves, before a file is read.
  Status check_options(const Outputs& outputs) const {
    if (threads_ < 0 || threads_ > 1024) return usage_error("--threads is 0 to 1024");
    for (const auto& [name, file] : outputs)
      if (file.size() < 2 || file[0] != '@')
        return usage_error("--output " + name + "=" + file + ": wants name=@file.npy, or .png or .jpg");
    bool pictures = false;
    for (const auto& [name, file] : outputs)
      if (const auto form = runtime::picture_form(file)) {
        TENON_TRY(runtime::check_codec(&pictures::codec(), *form, file.substr(1)));
        pictures = true;
      }
    if (columns_ && *columns_ < 1) return usage_error("--columns is 1 or more");
    if (columns_ && !pictures) return usage_error("--columns does nothing without an --output of pictures");
    if (!data_.spec.empty() && !inputs_.empty())
      return usage_error("--data and --input both give the inputs", "give one of them");
    if (data_.spec.empty() && data_.label_offset != 0)
      return usage_error("--label-offset does nothing without --data");
    for (size_t i = 0; i < outputs.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        if (outputs[i].first == outputs[j].first || outputs[i].second == outputs[j].second)
          return usage_error(
              "--output " + outputs[i].first + "=" + outputs[i].second + " and --output " + outputs[j].first +
                  "=" + outputs[j].second +
                  (outputs[i].first == outputs[j].first ? " name one result" : " name one file"),
              "a file for each result");
    return Ok{};
  }

  // The module becomes the derived one, where the function stands with the values that it computes.
  Status tap(driver::Unit& unit, const driver::CompileOptions& options) const {
    auto* module = std::get_if<ir::Module>(&unit.code);
    if (module == nullptr)
      return usage_error("--tap needs a graph, this is a dump of kernels", "give the model");
    TENON_ASSIGN(ir::Module derived, driver::derive(std::move(*module), options));
    TENON_TRY(function_of(derived, function_));
    TENON_TRY(add_taps(derived, function_, taps_));
    *module = std::move(derived);
    return Ok{};
  }

  // The entry of the function, which has all results that files are named for.
  Result<const driver::EntryInfo*> entry_of(const driver::Program& program, const Outputs& outputs) const {
    const driver::EntryInfo* entry = program.find(function_);
    if (entry == nullptr) {
      std::vector<std::string_view> names;
      for (const driver::EntryInfo& e : program.entries()) names.push_back(e.interface->name);
      const std::string_view near = nearest(function_, names);
      return error(Code::undefined_name, "no function is named " + function_,
                   near.empty() ? "" : "did you mean " + std::string(near) + "?");
    }
    std::vector<std::string_view> names(entry->output_names.begin(), entry->output_names.end());
    for (const auto& [name, file] : outputs) {
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      const std::string_view near = nearest(name, names);
      return usage_error(function_ + " has no result " + name,
                         near.empty() ? "" : "did you mean " + std::string(near) + "?");
    }
    return entry;
  }

  // A picture, or a sheet of them, where the file is named so; else an array.
  Status write_result(const std::string& file, const Array& result, const std::string& name) const {
    if (!runtime::picture_form(file)) return runtime::write_npy(file, result);
    TENON_ASSIGN(const Array picture, runtime::picture_of(result, columns_.value_or(0), name));
    TENON_ASSIGN(const std::string bytes, runtime::encode_picture(file, picture, &pictures::codec()));
    return runtime::write_file_atomic(file, bytes);
  }

  // Each result goes to the file that is named for it, else to the screen.
  Status write_results(Context& c, const driver::EntryInfo& entry, const std::vector<Array>& results,
                       const Outputs& outputs) const {
    Json all = Json::object();
    for (size_t i = 0; i < results.size(); ++i) {
      const std::string& name = entry.output_names[i];
      const auto named =
          std::find_if(outputs.begin(), outputs.end(), [&](const auto& o) { return o.first == name; });
      const std::string type = std::string(dtype_name(results[i].dtype())) + shape_text(results[i].shape());
      if (named != outputs.end()) {
        const std::string file = named->second.substr(1);
        TENON_TRY(write_result(file, results[i], name));
        all[name] = {{"type", type}, {"file", file}};
        c.print(name + " : " + type + "  " + file + "\n");
      } else {
        if (c.json) all[name] = {{"type", type}, {"value", nested(results[i])}};
        c.print(name + " : " + type + " = " + ir::array_text(results[i]) + "\n");
      }
    }
    c.report()["results"] = std::move(all);
    return Ok{};
  }

  // All rows of the data in one call, read the way that the parameters were trained.
  Result<std::vector<Array>> read_rows(const driver::EntryInfo& entry) const {
    TENON_ASSIGN(const KeptData kept, KeptData::read(params_));
    TENON_ASSIGN(runtime::Sources raw, data_.open({}, kept));
    TENON_ASSIGN(const runtime::Sources data, shaped(std::move(raw), kept.known()));
    TENON_ASSIGN(const runtime::DataSet rows, driver::prepare_data(entry, *data.train->in_memory()));
    std::vector<Array> out;
    for (const runtime::Column& column : rows.columns()) out.push_back(*column.array);
    return out;
  }

  ModelOptions model_;
  DataOptions data_;
  std::string function_, params_, save_;
  std::vector<std::string> inputs_, outputs_, taps_, set_, sizes_;
  std::optional<int64_t> columns_;
  bool partial_ = false;
  int64_t threads_ = 1;
  uint64_t seed_ = 0;
};

}  // namespace

std::unique_ptr<Verb> make_run() { return std::make_unique<Run>(); }

}  // namespace tenon::command
