// tenon doctor: what this machine offers, and whether a small model compiles and runs with the right bits.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "driver/command/engine.h"
#include "pictures/pictures.h"
#include "runtime/parallel.h"
#include "target/target.h"

namespace tenon::command {
namespace {

constexpr std::string_view probe_text = R"(tenon 1
module probe
dim n = 1..64
param w : f32[3,5] = glorot_uniform
func f(x: f32[n,3]) -> y: f32[n,5] {
  d = dot x, w
  y = tanh d
  return y
}
)";

// Empty where a small model runs with the bits of the exact evaluator.
std::string self_test(bool* ran) {
  *ran = false;
  auto text = [](const Errors& e) { return e.list.empty() ? std::string("failed") : e.list[0].message; };
  Result<driver::Unit> unit = driver::read_unit(probe_text, "<probe>");
  if (!unit) return text(unit.errors());
  driver::CompileOptions options;
  Result<ir::Module> derived = driver::derive(std::get<ir::Module>(unit->code), options);
  if (!derived) return text(derived.errors());
  Result<std::shared_ptr<const driver::Program>> program =
      driver::Program::compile(std::move(*unit), options);
  if (!program) return text(program.errors());
  evaluate::Inputs inputs;
  inputs.dims["n"] = 7;
  const ir::Function& f = *derived->find_function("f");
  Result<Array> drawn = draw(f.graph.type(f.graph.args[0]), inputs.dims, 1, 2);
  if (!drawn) return text(drawn.errors());
  inputs.arguments.push_back(std::move(*drawn));
  Result<std::map<std::string, Array>> globals = initial_globals(*derived, 1);
  if (!globals) return text(globals.errors());
  inputs.globals = std::move(*globals);
  Result<evaluate::Outputs> expected = evaluate::exact(*derived, f, inputs);
  if (!expected) return text(expected.errors());
  const driver::EntryInfo* entry = (*program)->find("f");
  Result<Outcome> found = run_entry(**program, *entry, entry->run, inputs, nullptr);
  if (!found) return text(found.errors());
  *ran = true;
  return found->outputs[0] == expected->returned[0] ? "" : "compiled code differs from the exact evaluator";
}

class Doctor : public Verb {
 public:
  std::string_view name() const override { return "doctor"; }
  std::string_view about() const override {
    return "what this machine offers, and whether Tenon works on it";
  }
  std::string_view examples() const override { return "  tenon doctor\n  tenon doctor --json\n"; }
  void declare(Options&) override {}

  Result<Exit> run(Context& c) override {
    Json& r = c.report();
    std::vector<std::vector<std::string>> rows;
    rows.push_back({"tenon", TENON_VERSION});
    r["version"] = TENON_VERSION;
    rows.push_back({"LLVM", TENON_LLVM_VERSION});
    r["llvm"] = TENON_LLVM_VERSION;
    const Result<const target::Target*> host = target::host_target();
    std::string targets;
    r["targets"] = Json::array();
    for (const target::Target* t : target::all_targets()) {
      targets +=
          (targets.empty() ? "" : ", ") + std::string(t->name) + (t->runs_here() ? "" : " (objects only)");
      r["targets"].push_back({{"name", t->name}, {"runs_here", t->runs_here()}});
    }
    r["native"] = host ? Json((*host)->name) : Json();
    rows.push_back({"cpu", host ? std::string((*host)->name) + ", " +
                                      std::to_string((*host)->vector_bytes * 8) + "-bit vectors"
                                : "not supported: " + host.errors().list[0].message});
    rows.push_back({"targets", targets});
    rows.push_back({"processors", std::to_string(runtime::processor_count())});
    r["processors"] = runtime::processor_count();
    const int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    rows.push_back({"memory", bytes_text(static_cast<uint64_t>(pages) * static_cast<uint64_t>(page))});
    r["memory_bytes"] = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page);
    const bool linker = access("/usr/bin/cc", X_OK) == 0;
    rows.push_back(
        {"C compiler", linker ? "yes" : "no (objects are checked in process; apt-get install gcc)"});
    r["c_compiler"] = linker;
    const struct {
      const char* name;
      runtime::PictureForm form;
      const char* package;
    } forms[] = {{"png", runtime::PictureForm::png, "libpng-dev"},
                 {"jpeg", runtime::PictureForm::jpeg, "libjpeg62-turbo-dev"}};
    for (const auto& [name, form, package] : forms) {
      const bool has = pictures::codec().has(form);
      rows.push_back(
          {name, has ? "yes" : std::string("no (apt-get install ") + package + ", and build again)"});
      r[name] = has;
    }
    rows.push_back({"onnx", "no (not in this version)"});
    r["onnx"] = false;
    bool ran = false;
    const std::string problem = self_test(&ran);
    rows.push_back(
        {"self test", problem.empty() ? "ok: compiled code gives the bits of the exact evaluator" : problem});
    r["self_test"] = problem.empty() ? "ok" : problem;
    c.print(table(rows));
    if (!problem.empty() && ran)
      return error(Code::internal, problem, "this is a bug of tenon: please report it");
    return problem.empty() ? Exit::done : Exit::no;
  }
};

}  // namespace

std::unique_ptr<Verb> make_doctor() { return std::make_unique<Doctor>(); }

}  // namespace tenon::command
