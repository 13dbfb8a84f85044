// Dumps of kernels as users edit them, through the command: a status in its place or a refusal, and never a
// signal; and options that only a source can honour.
#include <string>

#include "catch.h"
#include "conformance/command_runner.h"

namespace tenon::test {
namespace {

const char* const model = R"(tenon 1
module edit
dim n = 1..64
param w : f32[3] = ones
func f(x: f32[n,3]) -> y: f32[n,3] {
  y = mul x, w
  return y
}
)";
const char* const call = " f --input 'x=[[1, 2, 3], [4, 5, 6]]'";

}  // namespace

TEST_CASE("an access that leaves its buffer in an edited dump is told with its statement") {
  const Folder folder;
  folder.write("m.tenon", model);
  REQUIRE(folder.tenon("show m.tenon --stage kernel --fn f -o k.tenon").status == 0);
  const std::string dump = folder.read("k.tenon");
  const size_t store = dump.find("\n", dump.find("  y["));
  REQUIRE(store != std::string::npos);
  const Ran whole = folder.tenon("run k.tenon" + std::string(call));
  INFO(whole.err);
  REQUIRE(whole.status == 0);
  std::string edited = dump;
  const size_t index = dump.find("  y[") + 4;
  edited.insert(index, "1000000000 + ");
  folder.write("e.tenon", edited);
  CHECK(folder.tenon("check e.tenon").status == 0);
  const Ran ran = folder.tenon("run e.tenon" + std::string(call));
  INFO(ran.err);
  CHECK(ran.signal == 0);
  CHECK(ran.status == 3);
  CHECK(ran.err.find("T605") != std::string::npos);
  CHECK(ran.err.find("y[1000000000 + ") != std::string::npos);
  // A comment is no edit: the object is that of the source.
  folder.write("c.tenon", "// mine\n" + dump);
  REQUIRE(folder.tenon("compile k.tenon --prefix p -o one").status == 0);
  REQUIRE(folder.tenon("compile c.tenon --prefix p -o two").status == 0);
  CHECK(folder.read("one.o") == folder.read("two.o"));
  // What `show` prints of an edited dump is that dump, and still known as edited.
  const Ran shown = folder.tenon("show e.tenon --stage kernel");
  CHECK(shown.out.find("1000000000 + ") != std::string::npos);
  CHECK(shown.out.find("\nseal ") == std::string::npos);
}

TEST_CASE("options that only a source can honour are refused on dumps of kernels") {
  const Folder folder;
  folder.write("m.tenon", model);
  REQUIRE(folder.tenon("show m.tenon --stage kernel --fn f --cpu x86-64-v3 -o k.tenon").status == 0);
  for (const std::string option : {"--bind n=2", "--cpu x86-64-v4"})
    for (const std::string verb : {"compile k.tenon -o out ", "show k.tenon --stage kernel ",
                                   "show k.tenon --stage asm ", "run k.tenon f --input 'x=[[1, 2, 3]]' "}) {
      INFO(verb << option);
      const Ran ran = folder.tenon(verb + option);
      INFO(ran.out << ran.err);
      CHECK(ran.status != 0);
      CHECK(ran.err.find("dump of kernels") != std::string::npos);
      CHECK(ran.err.find("give the model") != std::string::npos);
    }
  CHECK(folder.tenon("compile k.tenon --cpu x86-64-v3 -o out").status == 0);
  const Ran one = folder.tenon("show k.tenon --stage kernel --fn f");
  CHECK(one.status == 2);
  CHECK(one.err.find("--fn does nothing on a dump of kernels") != std::string::npos);
}

TEST_CASE("what an edited dump wrote before it failed is not said to be unwritten") {
  const Folder folder;
  folder.write("m.tenon", R"(tenon 1
module m
state a : f32[4]
func add(x: f32[4]) -> s: f32[] {
  b = add a, x
  s = reduce_sum b
  set a = b
  return s
}
)");
  REQUIRE(folder.tenon("show m.tenon --stage kernel --fn add -o k.tenon").status == 0);
  const auto failing = [&](const std::string& index) {
    std::string text = folder.read("k.tenon");
    const size_t load = text.find("x[");
    REQUIRE(load != std::string::npos);
    text.insert(load + 2, index);
    folder.write("e.tenon", text);
    return folder.tenon("run e.tenon add --input 'x=[1, 2, 3, 4]'");
  };
  const Ran ran = failing("100000000 + ");
  INFO(ran.out << ran.err << folder.read("k.tenon"));
  CHECK(ran.status == 3);
  CHECK(ran.err.find("state is unchanged") == std::string::npos);
  CHECK(ran.err.find("may hold a part of its writes") != std::string::npos);
}

}  // namespace tenon::test
