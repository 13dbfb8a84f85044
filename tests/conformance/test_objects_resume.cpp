// A dump of any stage is a program: compiling goes on from it, in a folder that holds nothing else, to the
// very object that the source gives; and it is the dump that counts, so what is edited in it shows.

#include "catch.h"
#include "conformance/command_runner.h"
#include "paths.h"

namespace tenon::test {
namespace {

// Compiles `model`, and each of its dumps from a folder of the dump's own. `functions` holds for all of them;
// a dump of the source keeps its derive directives, so it is named the functions when it is compiled.
void require_same_objects(const std::string& model, const std::string& functions) {
  const std::string chosen = functions.empty() ? "" : " --fn " + functions;
  const std::string rest = " --prefix same --cpu x86-64-v3 ";
  const Folder whole;
  const Ran direct = whole.tenon("compile '" + model + "'" + rest + chosen + " -o direct");
  INFO(model << direct.err);
  REQUIRE(direct.status == 0);
  const std::string object = whole.read("direct.o");
  REQUIRE(object.size() > 1000);
  for (const std::string stage : {"graph", "optimized", "scheduled", "kernel"}) {
    INFO(stage);
    const bool source = stage == "graph";
    const Folder folder;
    const Ran shown = folder.tenon("show '" + model + "' --stage " + stage + (source ? "" : chosen) +
                                   (stage == "kernel" || stage == "scheduled" ? " --cpu x86-64-v3" : "") +
                                   " -o dump.tenon");
    INFO(shown.err);
    REQUIRE(shown.status == 0);
    const Ran resumed =
        folder.tenon("compile dump.tenon" + rest + (source ? chosen : std::string()) + " -o other");
    INFO(resumed.err);
    REQUIRE(resumed.status == 0);
    REQUIRE(folder.read("other.o") == object);
  }
}

}  // namespace

TEST_CASE("every example's dumps give the object of its source") {
  const std::vector<std::string> models = example_models(Examples::quick);
  REQUIRE(models.size() >= 5);
  for (const std::string& model : models) require_same_objects(model, "train,predict");
}

TEST_CASE("every example's dumps give the object of its source, all functions", "[long]") {
  for (const std::string& model : example_models(Examples::all)) require_same_objects(model, "");
}

TEST_CASE("a constant edited in the dump of kernels changes the result, and nothing else") {
  const Folder folder;
  folder.write("m.tenon",
               "tenon 1\nmodule m\ndim n = 1..64\nfunc f(x: f32[n]) -> y: f32[n] {\n"
               "  a = mul x, 3.0\n  y = add a, 0.5\n  return y\n}\n");
  REQUIRE(folder.tenon("show m.tenon --stage kernel -o k.tenon").status == 0);
  std::string dump = folder.read("k.tenon");
  const size_t at = dump.find("3.0");
  INFO(dump);
  REQUIRE(at != std::string::npos);
  REQUIRE(dump.find("3.0", at + 1) == std::string::npos);
  const Ran before = folder.tenon("run k.tenon f --input 'x=[1, 2]'");
  INFO(before.err);
  REQUIRE(before.status == 0);
  CHECK(before.out.find("3.5") != std::string::npos);
  CHECK(before.out.find("6.5") != std::string::npos);
  folder.write("k.tenon", dump.replace(at, 3, "7.0"));
  const Ran after = folder.tenon("run k.tenon f --input 'x=[1, 2]'");
  CHECK(after.out.find("7.5") != std::string::npos);
  CHECK(after.out.find("14.5") != std::string::npos);
}

}  // namespace tenon::test
