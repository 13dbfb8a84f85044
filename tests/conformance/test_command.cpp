// The command: every verb's main use, resuming from dumps, exit statuses, unfriendly surroundings.
#include <filesystem>

#include "catch.h"
#include "conformance/command_report.h"
#include "paths.h"

namespace tenon::test {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void expect(const Ran& ran, int status) {
  INFO(ran.out);
  INFO(ran.err);
  REQUIRE(ran.status == status);
  REQUIRE(ran.signal == 0);
}

const char* const scale = R"(tenon 1
module scale
dim n = 1..64
param b : f32[3] = constant(1.5)
func f(x: f32[n,3]) -> y: f32[n,3] {
  h = mul x, 0.5
  y = add h, b
  return y
}
func total(x: f32[n,3]) -> t: f32[] {
  y = call f(x)
  q = mul y, y
  t = reduce_sum q
  return t
}
)";

}  // namespace

TEST_CASE("doctor tells the machine and tests itself") {
  const Folder folder;
  const Ran ran = folder.tenon("doctor --json");
  expect(ran, 0);
  const Json report = object(ran);
  CHECK(report["self_test"] == "ok");
  CHECK(report["llvm"].get<std::string>().starts_with("19."));
  CHECK(report["processors"].get<int>() >= 1);
}

TEST_CASE("show takes derived functions at every stage, and what it shows is a model again") {
  const Folder folder;
  expect(folder.tenon("new mlp -o mlp.tenon"), 0);
  const Ran step = folder.tenon("show mlp.tenon --stage graph --fn train");
  expect(step, 0);
  CHECK(contains(step.out, "func train("));
  CHECK(contains(step.out, "from step(loss)"));
  CHECK(contains(step.out, "set fc1.w = "));
  CHECK_FALSE(contains(step.out, "func logits("));
  expect(folder.shell("tenon show mlp.tenon --fn train | tenon check -"), 0);
  expect(folder.shell("tenon show mlp.tenon --fn train.epochs | tenon check -"), 0);
  // A function comes with those it calls.
  folder.write("scale.tenon", scale);
  const Ran total = folder.tenon("show scale.tenon --fn total");
  CHECK(contains(total.out, "func f("));
  expect(folder.shell("tenon show scale.tenon --fn total | tenon check -"), 0);
  expect(folder.tenon("show mlp.tenon --stage graph --fn trian"), 3);
  // Below the graph a step has its loop with it.
  for (const char* stage : {"optimized", "kernel"}) {
    INFO(stage);
    const Ran shown = folder.tenon("show mlp.tenon --fn train --stage " + std::string(stage));
    expect(shown, 0);
    CHECK(contains(shown.out, "train.epochs"));
  }
  expect(folder.shell("tenon show mlp.tenon --fn train --stage kernel | tenon compile - --fn train -o mlp"),
         0);
  CHECK(contains(folder.read("mlp.h"), "mlp_train_epochs("));
}

TEST_CASE("new prints the models of the examples, and check takes them") {
  const Folder folder;
  const std::vector<std::string> models = example_models(Examples::all);
  REQUIRE(models.size() >= 14);
  for (const std::string& path : models) {
    const std::string name = std::filesystem::path(path).stem().string();
    INFO(name);
    expect(folder.shell("tenon new " + name + " | tenon check -"), 0);
  }
  expect(folder.tenon("new mlp -o mlp.tenon"), 0);
  CHECK(folder.shell("cmp mlp.tenon '" TENON_SOURCE_DIR "/examples/digits_mlp/mlp.tenon'").status == 0);
  CHECK(folder.tenon("new cnn").out == folder.tenon("new lenet").out);
  CHECK(contains(folder.tenon("new resnett").err, "did you mean resnet?"));
  const Ran check = folder.tenon("check mlp.tenon");
  CHECK(check.out == "ok: 4 functions, 1 step, 101,770 parameters\n");
  const Json report = object(folder.tenon("check mlp.tenon --json"));
  CHECK(report["parameters"] == 101770);
  CHECK(report["dims"]["batch"] == Json::array({1, 256}));
}

TEST_CASE("show prints every stage, a summary and a drawing") {
  const Folder folder;
  folder.write("s.tenon", scale);
  const Ran graph = folder.tenon("show s.tenon");
  expect(graph, 0);
  CHECK(graph.out.starts_with("tenon 1\n"));
  const Ran optimized = folder.tenon("show s.tenon --stage optimized");
  CHECK(optimized.out.starts_with("tenon 1\nstage optimized\n"));
  const Ran kernels = folder.tenon("show s.tenon --stage kernel --fn f");
  CHECK(kernels.out.starts_with("tenon 1\nstage kernel\n"));
  CHECK(contains(kernels.out, "lanes"));
  const Ran llvm = folder.tenon("show s.tenon --stage llvm --fn f");
  CHECK(contains(llvm.out, "define"));
  const Ran assembly = folder.tenon("show s.tenon --stage asm --fn f --cpu x86-64-v3");
  CHECK(contains(assembly.out, "ymm"));
  CHECK_FALSE(contains(assembly.out, "zmm"));
  const Ran dot = folder.tenon("show s.tenon --dot");
  CHECK(dot.out.starts_with("digraph \"scale\" {"));
  CHECK(contains(dot.out, "h = mul"));
  const Json summary = object(folder.tenon("show s.tenon --summary --json"));
  CHECK(summary["parameters"] == 3);
  CHECK(summary["functions"][0]["layers"].back()["flops"] == "3*n");
  const Ran wrong = folder.tenon("show s.tenon --stage kernl");
  expect(wrong, 2);
  CHECK(contains(wrong.err, "did you mean kernel?"));
}

TEST_CASE("opt runs the passes named and dumps after each") {
  const Folder folder;
  folder.write("s.tenon", scale);
  const Ran ran = folder.tenon("opt s.tenon --passes=inline,expand,cse --dump-to out --print-after-all");
  expect(ran, 0);
  CHECK(folder.has("out/01-inline.tenon"));
  CHECK(folder.has("out/03-cse.tenon"));
  CHECK(contains(ran.err, "// after expand"));
  CHECK(ran.out.starts_with("tenon 1\nstage optimized\n"));
  const Json report = object(folder.tenon("opt s.tenon --stop-after expand --disable inline --json"));
  REQUIRE(report["passes"].size() == 1);
  CHECK(report["passes"][0]["pass"] == "expand");
  const Ran unknown = folder.tenon("opt s.tenon --passes=expnd");
  expect(unknown, 2);
  CHECK(contains(unknown.err, "error[T504]"));
  CHECK(contains(unknown.err, "expand"));
  expect(folder.shell("tenon show s.tenon --stage optimized | tenon opt - --passes dce"), 0);
}

TEST_CASE("opt goes on to the passes of lowering, and each dump goes on from there") {
  const Folder folder;
  folder.write("s.tenon", scale);
  expect(folder.tenon("compile s.tenon --cpu x86-64-v3 --prefix p -o whole"), 0);
  for (const std::string last : {"prepare", "fuse", "schedule", "place"}) {
    INFO(last);
    const Ran ran = folder.tenon("opt s.tenon --cpu x86-64-v3 --stop-after " + last +
                                 " --dump-to out --print-after-all -o " + last + ".tenon");
    expect(ran, 0);
    CHECK(contains(ran.err, "// after dce"));
    CHECK(contains(ran.err, "// after " + last));
    CHECK(folder.read(last + ".tenon").starts_with("tenon 1\nstage scheduled\n"));
    expect(folder.tenon("compile " + last + ".tenon --prefix p -o " + last), 0);
    CHECK(folder.read(last + ".o") == folder.read("whole.o"));
  }
  CHECK(contains(folder.read("place.tenon"), " in output 0"));
  CHECK_FALSE(contains(folder.read("schedule.tenon"), " in output 0"));
  const Json report =
      object(folder.tenon("opt s.tenon --json --passes 'bind{n = 4},inline,expand,dce,prepare{target = "
                          "x86-64-v3},fuse{enabled = no}' -o b.tenon"));
  CHECK(report["passes"].size() == 6);
  CHECK(report["passes"][5]["pass"] == "fuse");
  CHECK(contains(folder.read("b.tenon"), "\ntarget x86-64-v3\n"));
  CHECK_FALSE(contains(folder.read("b.tenon"), "dim n"));
  const Json listed = object(folder.tenon("opt --list --json"));
  CHECK(listed["lowering"] == "prepare,fuse,schedule,place");
  CHECK(listed["passes"][0]["options"].size() == 1);
  const std::pair<const char*, const char*> wrong[] = {{"--passes prepare,cse", "works on graphs"},
                                                       {"--passes fuse", "needs pass prepare"},
                                                       {"--disable fuse", "needs pass fuse"},
                                                       {"--passes 'bind{m=4}'", "no dimension is named m"},
                                                       {"--cpu x86-64-v3", "does nothing"}};
  for (const auto& [options, what] : wrong) {
    const Ran ran = folder.tenon("opt s.tenon " + std::string(options));
    INFO(options << ": " << ran.err);
    CHECK((ran.status == 2 || ran.status == 3));
    CHECK(contains(ran.err, what));
  }
}

TEST_CASE("grad prints a gradient that runs, and check-grad tells a right one from a wrong one") {
  const Folder folder;
  folder.write("s.tenon", scale);
  const Ran grad = folder.tenon("grad s.tenon total --wrt b,h");
  expect(grad, 0);
  CHECK(contains(grad.out, "func total.grad(x: f32[n,3]) -> b': f32[3], h': f32[n,3]"));
  folder.write("g.tenon", grad.out);
  // d/db sum (x/2 + b)^2 = 2 (x/2 + b), b = 1.5
  const Ran ran = folder.tenon("run g.tenon total.grad --input 'x=[[1, 2, 4]]' --seed 1");
  CHECK(contains(ran.out, "b' : f32[3] = [4.0, 5.0, 7.0]"));
  expect(folder.tenon("check-grad s.tenon total"), 0);
  const Json report = object(folder.tenon("check-grad s.tenon total --samples 3 --json"));
  CHECK(report["parameters"][0]["name"] == "b");
  CHECK(report["parameters"][0]["worst"].get<double>() <= 1);
  // A gradient that is cut off on purpose is not what differences show.
  std::string wrong = scale;
  wrong.replace(wrong.find("q = mul y, y"), 12, "s = stop_gradient y\n  q = mul s, y");
  folder.write("w.tenon", wrong);
  expect(folder.tenon("check-grad w.tenon total"), 1);
}

TEST_CASE("run takes literals and files, taps values and writes files") {
  const Folder folder;
  folder.write("s.tenon", scale);
  const Ran ran = folder.tenon("run s.tenon f --input 'x=[[1, 2, 4], [0, 0, -1e1]]' --tap h");
  expect(ran, 0);
  CHECK(ran.out ==
        "y : f32[2,3] = [[2.0, 2.5, 3.5], [1.5, 1.5, -3.5]]\n"
        "h : f32[2,3] = [[0.5, 1.0, 2.0], [0.0, 0.0, -5.0]]\n");
  expect(folder.tenon("run s.tenon f --input x=2 --size n=4 --output y=@y.npy"), 0);
  const Ran again = folder.tenon("run s.tenon f --input x=@y.npy --json");
  expect(again, 0);
  CHECK(object(again)["results"]["y"]["value"][3][0] == 2.75);
  const Ran unknown = folder.tenon("run s.tenon f --input xx=1");
  expect(unknown, 2);
  CHECK(contains(unknown.err, "f has no input xx"));
  const Ran shape = folder.tenon("run s.tenon f --input 'x=[[1, 2]]'");
  expect(shape, 3);
  CHECK(contains(shape.err, "error[T305]"));
  const Ran ragged = folder.tenon("run s.tenon f --input 'x=[[1, 2, 3], [1, 2]]'");
  expect(ragged, 3);
  CHECK(contains(ragged.err, "error[T303]"));
  const Ran size = folder.tenon("run s.tenon f --input x=1 --size n=65");
  expect(size, 3);
  CHECK(contains(size.err, "error[T601]"));
  CHECK(contains(size.err, "1 to 64"));
}

TEST_CASE("explain names a reason for every edge") {
  const Folder folder;
  expect(folder.tenon("new mlp -o mlp.tenon"), 0);
  const Json report = object(folder.tenon("explain mlp.tenon train --json"));
  REQUIRE(report["edges"].size() > 10);
  CHECK(report["fused"].get<int>() > 0);
  CHECK(report["refused"].get<int>() > 0);
  for (const Json& edge : report["edges"])
    if (!edge["fused"].get<bool>()) CHECK_FALSE(edge["reason"].get<std::string>().empty());
}

TEST_CASE("train learns, saves and goes on; eval tells loss, accuracy and confusion") {
  const Folder folder;
  expect(folder.tenon("new logistic -o m.tenon"), 0);
  const std::string data = " --data classification:rows=300,seed=7 ";
  const Ran first = folder.tenon("train m.tenon" + data + "--epochs 10 --batch 32 --seed 3 --validate 0.2 " +
                                 "--history h.jsonl -o w.safetensors --json");
  expect(first, 0);
  const Json trained = object(first);
  CHECK(trained["steps"] == 80);
  CHECK(trained["epochs"].size() == 10);
  CHECK(trained["epochs"][9]["test accuracy"].get<double>() > 0.9);
  CHECK(contains(first.err, "epoch 10/10"));
  CHECK_FALSE(contains(first.err, "\x1b"));
  CHECK(Json::parse(folder.read("h.jsonl").substr(0, folder.read("h.jsonl").find('\n')))["epoch"] == 1);

  const Ran eval = folder.tenon("eval m.tenon" + data + "--params w.safetensors --json");
  expect(eval, 0);
  const Json judged = object(eval);
  CHECK(judged["accuracy"].get<double>() > 0.9);
  CHECK(judged["confusion"].size() == 2);
  int total = 0;
  for (const Json& row : judged["confusion"])
    for (const Json& n : row) total += n.get<int>();
  CHECK(total == 300);

  // Ten epochs are five and five; threads and batches of the evaluation change nothing.
  const std::string train = "train m.tenon" + data + "--batch 32 --seed 3 --quiet ";
  expect(folder.tenon(train + "--epochs 10 -o a.safetensors"), 0);
  expect(folder.tenon(train + "--epochs 5 --threads 3 -o b1.safetensors"), 0);
  expect(folder.tenon(train + "--epochs 5 --params b1.safetensors -o b2.safetensors"), 0);
  expect(folder.shell("cmp a.safetensors b2.safetensors"), 0);
  const Json until = object(folder.tenon(train + "--epochs 100 --until accuracy=0.9 --json"));
  CHECK(until["reached"] == true);
  CHECK(until["epochs"].size() < 100);
}

TEST_CASE("linear regression reaches the least squares of its data") {
  const Folder folder;
  expect(folder.tenon("new linear -o l.tenon"), 0);
  const Json trained = object(
      folder.tenon("train l.tenon --data regression:rows=100,features=1,noise=0.1,seed=7 --epochs 1000 "
                   "--batch 32 --set lr=0.05 --quiet --json -o w.safetensors"));
  CHECK(trained["steps"] == 4000);
  const Json judged = object(folder.tenon(
      "eval l.tenon --data regression:rows=100,features=1,noise=0.1,seed=7 --params w.safetensors --json"));
  CHECK(judged["loss"].get<double>() < 0.02);
}

TEST_CASE("compile writes an object, a header and an example that runs") {
  const Folder folder;
  folder.write("s.tenon", scale);
  expect(folder.tenon("compile s.tenon --fn f --prefix sc --cpu x86-64-v3 -o s"), 0);
  expect(folder.shell("cc -std=c99 -pedantic -Wall -Werror s_example.c s.o -o example && ./example"), 0);
  const Ran symbols = folder.shell("nm -u s.o");
  for (const char* line : {"malloc", "printf", "exp"}) CHECK_FALSE(contains(symbols.out, line));
  const Ran bad = folder.tenon("compile s.tenon --fn ff -o s");
  expect(bad, 3);
  CHECK(contains(bad.err, "error[T103]"));
  CHECK(contains(bad.err, "did you mean f?"));
}

TEST_CASE("diff agrees on steps and functions") {
  const Folder folder;
  expect(folder.tenon("new logistic -o m.tenon"), 0);
  for (const char* function : {"logits", "loss", "train"}) {
    const Ran ran =
        folder.tenon("diff m.tenon " + std::string(function) + " --size batch=7 --threads 2 --json");
    expect(ran, 0);
    const Json report = object(ran);
    CHECK(report["equal"] == true);
    CHECK(report["wide_worst"].get<double>() <= 1);
    CHECK_FALSE(report["values"].empty());
  }
}

TEST_CASE("bench tells time, the share of the peak, and chunks by worker") {
  const Folder folder;
  expect(folder.tenon("new mlp -o mlp.tenon"), 0);
  const Json report =
      object(folder.tenon("bench mlp.tenon train --batch 64 --threads 2 --seconds 0.05 --json"));
  CHECK(report["seconds_best"].get<double>() > 0);
  // Two products forward, three backward; the metric has none of its own.
  CHECK(report["flops"].get<double>() > 64 * 400000.0);
  CHECK(report["flops"].get<double>() < 64 * 500000.0);
  // None where the machine was held up while its peak was measured.
  CHECK((report["ratio"].is_null() || report["ratio"].get<double>() > 0));
  CHECK(report["chunks_per_worker"].size() == 2);
}

TEST_CASE("bench takes dumps of every stage, and counts the same work") {
  const Folder folder;
  expect(folder.tenon("new mlp -o mlp.tenon"), 0);
  double flops = 0;
  for (const char* stage : {"graph", "optimized", "kernel"}) {
    INFO(stage);
    expect(folder.tenon(std::string("show mlp.tenon -o d.tenon --stage ") + stage), 0);
    const Json report = object(folder.tenon("bench d.tenon train --batch 64 --seconds 0.02 --json"));
    CHECK(report["seconds_best"].get<double>() > 0);
    // No code passes the peak.
    if (report["ratio"].is_number()) CHECK(report["ratio"].get<double>() <= 1);
    if (report["flops"].is_number()) {
      if (flops > 0) CHECK(report["flops"].get<double>() == Approx(flops).epsilon(0.01));
      flops = report["flops"].get<double>();
    }
  }
  CHECK(flops > 0);
}

TEST_CASE("resuming from any stage's dump gives the same object byte by byte") {
  for (const std::string& path : example_models(Examples::quick)) {
    const std::string model = "'" + path + "'";
    INFO(model);
    const Folder whole;
    expect(whole.tenon("compile " + model + " --prefix m -o m"), 0);
    for (const char* stage : {"graph", "optimized", "kernel"}) {
      INFO(stage);
      // A folder that holds the dump and nothing else.
      const Folder folder;
      expect(folder.tenon("show " + model + " --stage " + stage + " -o dump.tenon"), 0);
      expect(folder.tenon("compile dump.tenon --prefix m -o m"), 0);
      REQUIRE(folder.read("m.o") == whole.read("m.o"));
      REQUIRE(folder.read("m.h") == whole.read("m.h"));
    }
  }
}

TEST_CASE("a constant edited in the kernel dump changes the result") {
  const Folder folder;
  folder.write("s.tenon", scale);
  const Ran dump = folder.tenon("show s.tenon --stage kernel --fn f");
  expect(dump, 0);
  std::string text = dump.out;
  const size_t at = text.find("0.5");
  REQUIRE(at != std::string::npos);
  folder.write("k.tenon", text);
  text.replace(at, 3, "0.25");
  folder.write("e.tenon", text);
  const Ran before = folder.tenon("run k.tenon f --input 'x=[[2, 2, 2]]'");
  CHECK(contains(before.out, "[[2.5, 2.5, 2.5]]"));
  const Ran after = folder.tenon("run e.tenon f --input 'x=[[2, 2, 2]]'");
  CHECK(contains(after.out, "[[2.0, 2.0, 2.0]]"));
}

TEST_CASE("help with examples stands on every verb") {
  const Folder folder;
  for (const char* verb : {"doctor", "new", "check", "show", "opt", "grad", "check-grad", "train", "eval",
                           "run", "explain", "compile", "diff", "bench", "plot"}) {
    INFO(verb);
    const Ran ran = folder.tenon(std::string(verb) + " --help");
    expect(ran, 0);
    CHECK(contains(ran.out, "examples:\n  tenon " + std::string(verb)));
    CHECK(contains(ran.out, "--json"));
    const Ran bad = folder.tenon(std::string(verb) + " --no-such-option --json");
    expect(bad, 2);
    CHECK(object(bad)["errors"][0]["code"] == "T610");
  }
  expect(folder.tenon("--help"), 0);
  expect(folder.tenon("--version"), 0);
  expect(folder.tenon(""), 2);
  const Ran verb = folder.tenon("chekc");
  expect(verb, 2);
  CHECK(contains(verb.err, "did you mean check?"));
}

}  // namespace tenon::test
