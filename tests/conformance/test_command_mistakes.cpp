// What users get wrong: each kind has its code, its place, its mend and its exit status, and never a signal.
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "catch.h"
#include "conformance/command_runner.h"
#include "paths.h"

namespace tenon::test {
namespace {

using Json = nlohmann::json;

struct Mistake {
  std::string command, code;
  int status;
  std::string place;                 // "m.tenon:6:7"; empty: it has none
  std::vector<std::string> telling;  // parts of message, notes and mend
};

void check(const Folder& folder, const Mistake& m) {
  INFO(m.command);
  const Ran ran = folder.tenon(m.command);
  INFO(ran.out);
  INFO(ran.err);
  CHECK(ran.status == m.status);
  CHECK(ran.signal == 0);
  CHECK(ran.out.empty());
  CHECK(ran.err.starts_with("error[" + m.code + "]: "));
  if (!m.place.empty()) CHECK(ran.err.find(" --> " + m.place) != std::string::npos);
  for (const std::string& part : m.telling) {
    INFO("wanted: " << part);
    CHECK(ran.err.find(part) != std::string::npos);
  }
  CHECK(ran.err.find("\nhelp: ") != std::string::npos);
  // The same as an object.
  const Ran again = folder.tenon(m.command + " --json");
  CHECK(again.status == m.status);
  const Json object = Json::parse(again.out, nullptr, false);
  REQUIRE(object.is_object());
  CHECK(object["ok"] == false);
  REQUIRE_FALSE(object["errors"].empty());
  CHECK(object["errors"][0]["code"] == m.code);
}

std::string model(const std::string& lines) {
  return "tenon 1\nmodule m\ndim batch = 1..64\nparam w : f32[4,3] = glorot_uniform\nparam b : f32[3] = "
         "zeros\n"
         "func f(x: f32[batch,4], k: i32[batch]) -> f32[batch,3] {\n" +
         lines + "}\n";
}

const char* const classifier = R"(tenon 1
module two
dim batch = 1..64
param w : f32[2,3] = glorot_uniform
func loss(x: f32[batch,2], y: i32[batch]) -> loss: f32[] {
  z = dot x, w
  l = cross_entropy z, y
  return l
}
derive train = step loss {with = sgd {lr = 0.1}}
)";

}  // namespace

TEST_CASE("mistakes in a model are located in its text") {
  const Folder folder;
  // Inner sizes of a dense, the page's example.
  folder.write("shape.tenon", model("  z = dense x, b, b\n  return z\n"));
  folder.write("inner.tenon",
               "tenon 1\nmodule m\ndim batch = 1..64\nparam w : f32[128,10] = zeros\n"
               "param b : f32[10] = zeros\n"
               "func f(x: f32[batch,784], d: f32[batch,128]) -> f32[batch,10] {\n"
               "  z = dense x, w, b\n  return z\n}\n");
  folder.write("op.tenon", model("  z = dence x, w, b\n  return z\n"));
  folder.write("name.tenon", model("  z = dense x, ww, b\n  return z\n"));
  folder.write("twice.tenon", model("  z = dense x, w, b\n  z = dense x, w, b\n  return z\n"));
  folder.write("type.tenon", model("  z = dense k, w, b\n  return z\n"));
  folder.write("syntax.tenon", model("  z = dense x, w, b : f32[batch\n  return z\n"));
  check(folder,
        {"check inner.tenon", "T107", 3, "inner.tenon:7", {"784", "128", "help: d is f32[batch,128]"}});
  check(folder, {"check op.tenon", "T102", 3, "op.tenon:7", {"dence", "did you mean dense?"}});
  check(folder, {"check name.tenon", "T103", 3, "name.tenon:7", {"ww", "did you mean"}});
  check(folder, {"check twice.tenon", "T104", 3, "twice.tenon:8", {"z"}});
  const Ran rank = folder.tenon("check shape.tenon");
  CHECK(rank.status == 3);
  CHECK(rank.err.starts_with("error[T106]: "));
  CHECK(rank.err.find("shape.tenon:7") != std::string::npos);
  const Ran type = folder.tenon("check type.tenon");
  CHECK(type.status == 3);
  CHECK(type.err.starts_with("error[T105]: "));
  CHECK(type.err.find("type.tenon:7") != std::string::npos);
  const Ran syntax = folder.tenon("check syntax.tenon");
  CHECK(syntax.status == 3);
  CHECK(syntax.err.starts_with("error[T201]: "));
  // From stdin the place says so.
  const Ran piped = folder.shell("tenon check - < op.tenon");
  CHECK(piped.status == 3);
  CHECK(piped.err.find(" --> <stdin>:7:") != std::string::npos);
}

TEST_CASE("all mistakes of a model are told at once") {
  const Folder folder;
  folder.write("m.tenon", model("  z = dence x, w, b\n  q = dense x, ww, b\n  return nothing\n"));
  const Ran ran = folder.tenon("check m.tenon");
  INFO(ran.err);
  CHECK(ran.status == 3);
  CHECK(ran.err.find("error[T102]") != std::string::npos);
  CHECK(ran.err.find("error[T103]") != std::string::npos);
}

TEST_CASE("mistakes in data are located in its files") {
  const Folder folder;
  folder.write("m.tenon", classifier);
  folder.write("labels.csv", "a,b,label\n1,2,0\n3,4,1\n5,6,3\n");
  folder.write("ragged.csv", "a,b,label\n1,2,0\n3,1\n");
  folder.write("corrupt.npy", "\x93NUMPY\x01 this is not a header");
  check(folder, {"train m.tenon --data labels.csv --quiet -o w.safetensors",
                 "T311",
                 3,
                 "labels.csv:4",
                 {"label 3 at row 2", "classes 0..2", "column \"label\" holds 0..3", "in cross_entropy",
                  "m.tenon:", "not committed"}});
  // An offset mends labels that count from 1, and is not said of others.
  CHECK(folder.tenon("train m.tenon --data labels.csv --quiet").err.find("--label-offset") ==
        std::string::npos);
  CHECK_FALSE(folder.has("w.safetensors"));
  const Ran moved = folder.tenon("train m.tenon --data labels.csv --label-offset -1 --quiet");
  CHECK(moved.status == 3);  // 0 - 1 is out of range as well
  CHECK(moved.err.find("labels.csv:2 column \"label\"") != std::string::npos);
  folder.write("ones.csv", "a,b,label\n1,2,1\n3,4,2\n5,6,3\n");
  check(folder, {"train m.tenon --data ones.csv --quiet", "T311", 3, "ones.csv:4", {"--label-offset -1"}});
  CHECK(folder.tenon("train m.tenon --data ones.csv --label-offset -1 --quiet").status == 0);
  check(folder, {"train m.tenon --data ragged.csv --quiet", "T303", 3, "ragged.csv:3", {"2 fields"}});
  check(folder, {"run m.tenon loss --input x=@corrupt.npy --input y=0", "T302", 3, "corrupt.npy", {}});
  check(folder,
        {"run m.tenon loss --input x=@absent.npy --input y=0", "T401", 4, "absent.npy", {"No such file"}});
  check(folder, {"check absent.tenon", "T401", 4, "absent.tenon", {"No such file"}});
  check(folder, {"train m.tenon --data absent/ --quiet", "T401", 4, "", {"absent"}});
}

TEST_CASE("parameters that do not fit, or are truncated, are refused whole") {
  const Folder folder;
  folder.write("m.tenon", classifier);
  const std::string data = "--data classification:rows=30,features=2,classes=3 --quiet";
  REQUIRE(folder.tenon("train m.tenon " + data + " -o w.safetensors").status == 0);
  std::string wider = classifier;
  wider.replace(wider.find("f32[2,3]"), 8, "f32[2,4]");
  folder.write("wider.tenon", wider);
  check(folder, {"eval wider.tenon --params w.safetensors " + data.substr(0, data.find(" --quiet")),
                 "T402",
                 3,
                 "",
                 {"w.safetensors: w is f32[2,3], model has f32[2,4]", "--partial", "Nothing was loaded"}});
  const Ran partial =
      folder.tenon("train wider.tenon --params w.safetensors --partial " + data + " -o w2.safetensors");
  CHECK(partial.status == 0);
  CHECK(partial.err.find("w was not loaded") != std::string::npos);
  const std::string whole = folder.read("w.safetensors");
  folder.write("half.safetensors", whole.substr(0, whole.size() / 2));
  check(folder, {"run m.tenon loss --params half.safetensors --input 'x=[[1, 2]]' --input 'y=[0]'",
                 "T403",
                 3,
                 "half.safetensors",
                 {"truncated"}});
}

TEST_CASE("what cannot be written is told, and leaves the old file whole") {
  const Folder folder;
  folder.write("m.tenon", classifier);
  const Ran full = folder.shell("tenon show m.tenon > /dev/full");
  CHECK(full.status == 4);
  CHECK(full.err.starts_with("error[T404]: "));
  CHECK(full.err.find("\nhelp: ") != std::string::npos);
  // A file system without room for the new file. The thread sanitizer itself cannot start there.
  if (std::string(TENON_SANITIZE) != "thread") {
    folder.write("keep.tenon", "old\n");
    const Ran limited =
        folder.shell("(ulimit -f 0; tenon show m.tenon -o keep.tenon; echo $? > /dev/stderr) 2>&1 | cat");
    INFO(limited.out);
    CHECK(limited.out.find("error[T404]") != std::string::npos);
    CHECK(limited.out.ends_with("4\n"));
    CHECK(folder.read("keep.tenon") == "old\n");
  }
  check(folder, {"show m.tenon -o absent/x.tenon", "T404", 4, "absent/x.tenon", {}});
  check(folder, {"compile m.tenon -o absent/m", "T404", 4, "absent/m.o", {}});
  // Before the training, not after it.
  check(folder, {"train m.tenon --data classification:rows=30,classes=3 --epochs 1000000 --quiet "
                 "-o absent/w.safetensors",
                 "T404",
                 4,
                 "absent/w.safetensors",
                 {}});
  mkdir(folder.path("locked").c_str(), 0555);
  // As somebody to whom permissions apply.
  const std::string user = geteuid() == 0 ? "setpriv --reuid=65534 --regid=65534 --clear-groups " : "";
  const Ran locked = folder.shell("cat m.tenon | " + user + TENON_BIN_DIR "/tenon show - -o locked/x.tenon");
  INFO(locked.err);
  CHECK(locked.status == 4);
  CHECK(locked.err.starts_with("error[T404]: "));
  CHECK(locked.err.find("locked/x.tenon") != std::string::npos);
  // A reader that goes away is no crash.
  const Ran closed = folder.shell("(tenon show m.tenon --stage asm; echo $? >&2) | true");
  CHECK((closed.err == "4\n" || closed.err == "0\n"));
}

TEST_CASE("bad options are usage, with the nearest right one") {
  const Folder folder;
  folder.write("m.tenon", classifier);
  check(folder,
        {"train m.tenon --data digits --epocs 3", "T610", 2, "", {"--epocs", "did you mean --epochs?"}});
  check(folder, {"train m.tenon --data digits --epochs many", "T610", 2, "", {"--epochs"}});
  check(folder, {"train m.tenon", "T610", 2, "", {"--data"}});
  check(folder, {"show m.tenon --stage kernl", "T610", 2, "", {"did you mean kernel?"}});
  check(folder, {"opt m.tenon --passes cze", "T504", 2, "", {"cse"}});
  check(folder, {"compile m.tenon --cpu x86-64-v5 -o m", "T501", 2, "", {"x86-64-v"}});
  check(folder, {"train m.tenon --data classification:rows=10,sede=1", "T610", 2, "", {"seed"}});
  CHECK(folder.tenon("train m.tenon --data classification:rows=30,classes=3 --set lrr=1 --quiet").status ==
        3);
}

TEST_CASE("numbers on the command line are exact, or refused") {
  const Folder folder;
  folder.write("m.tenon", R"(tenon 1
module numbers
hyper big = 9007199254740993 : i64
hyper lr = 0.1 : f32
hyper on = true : bool
state s : i64[] = constant(9223372036854775807)
state u : u8[] = constant(255.0)
func f(n: i64[]) -> a: i64[], b: f32[], c: i64[], d: u8[], e: bool[] {
  a = add big, n
  b = add lr, 0
  c = add s, 0
  d = add u, 0
  e = not on
  return a, b, c, d, e
}
)");
  Ran ran = folder.tenon("run m.tenon f --input n=0");
  INFO(ran.err);
  CHECK(ran.out ==
        "a : i64[] = 9007199254740993\nb : f32[] = 0.1\nc : i64[] = 9223372036854775807\n"
        "d : u8[] = 255\ne : bool[] = false\n");
  ran = folder.tenon(
      "run m.tenon f --input n=0 --set big=-9223372036854775808 --set lr=1e-3 --set on=0 "
      "--seed 18446744073709551615");
  INFO(ran.err);
  CHECK(ran.out.starts_with("a : i64[] = -9223372036854775808\nb : f32[] = 0.001\n"));
  CHECK(ran.out.find("e : bool[] = true") != std::string::npos);
  const Ran shown = folder.tenon("show m.tenon");
  CHECK(shown.out.find("hyper big = 9007199254740993 : i64") != std::string::npos);
  CHECK(shown.out.find("constant(9223372036854775807)") != std::string::npos);
  const Json checked = Json::parse(folder.tenon("check m.tenon --json").out, nullptr, false);
  CHECK(checked["hypers"]["big"] == 9007199254740993);
  for (const auto& [set, message] : std::vector<std::pair<std::string, std::string>>{
           {"big=9223372036854775808", "big: 9223372036854775808 is out of the range of i64"},
           {"big=0.5", "big: 0.5 is no i64"},
           {"lr=1e39", "lr: 1e39 is out of the range of f32: at most 3.4028235e38"},
           {"lr=1e-60", "lr: 1e-60 is out of the range of f32"},
           {"on=2", "on: 2 is out of the range of bool"}}) {
    const Ran refused = folder.tenon("run m.tenon f --input n=0 --set " + set);
    INFO(refused.err);
    CHECK(refused.status == 3);
    CHECK(refused.err.find("error[T202]: " + message) != std::string::npos);
  }
  CHECK(folder.tenon("run m.tenon f --input n=9223372036854775808").err.find("is out of the range of i64") !=
        std::string::npos);
  CHECK(folder.tenon("train m.tenon --data regression:seed=18446744073709551616")
            .err.find("18446744073709551615") != std::string::npos);
}

TEST_CASE("options that would do nothing are refused") {
  const Folder folder;
  folder.write("m.tenon", classifier);
  for (const char* line :
       {"show m.tenon --bind batch=4", "show m.tenon --cpu x86-64-v4",
        "show m.tenon --summary --bind batch=4", "show m.tenon --summary --dot",
        "show m.tenon --summary -o s.txt", "show m.tenon --summary --stage kernel",
        "run m.tenon loss --input x=0 --input y=0 --size batch=2 --output loss=@a.npy --output loss=@b.npy",
        "run m.tenon loss --input x=0 --input y=0 --size batch=2 --size batch=3",
        "run m.tenon loss --input x=0 --input y=0 --size batch=2 --partial",
        "bench m.tenon loss --batch 2 --size batch=3", "eval m.tenon --data digits --partial",
        "train m.tenon --data digits --set lr=1 --set lr=2"}) {
    const Ran ran = folder.tenon(line);
    INFO(line << "\n" << ran.out << ran.err);
    CHECK(ran.status == 2);
    CHECK(ran.err.starts_with("error[T610]: "));
  }
  const Ran none = folder.tenon("bench m.tenon loss --batch 0");
  INFO(none.err);
  CHECK(none.err.starts_with("error[T601]: batch is 0, takes 1 to 64"));
}

TEST_CASE("errors of declarations have their place") {
  const Folder folder;
  for (const auto& [line, code] :
       std::vector<std::pair<std::string, std::string>>{{"param w : f32[batch] = zeros", "T112"},
                                                        {"param w : f16[2] = zeros", "T111"},
                                                        {"state w : i32[2] = uniform(0, 1)", "T105"},
                                                        {"param w : f32[2] = uniform(1)", "T108"},
                                                        {"hyper w = 1 : f32[2]", "T106"},
                                                        {"param w : f32[2] = uniform(1, 0)", "T108"}}) {
    folder.write("d.tenon", "tenon 1\nmodule d\ndim batch = 1..4\n" + line +
                                "\nfunc f(x: f32[2]) -> f32[2] {\n  y = add x, 1\n  return y\n}\n");
    const Ran ran = folder.tenon("check d.tenon");
    INFO(line << "\n" << ran.err);
    CHECK(ran.status == 3);
    CHECK(ran.err.starts_with("error[" + code + "]"));
    CHECK(ran.err.find(" --> d.tenon:4") != std::string::npos);
  }
}

}  // namespace tenon::test
