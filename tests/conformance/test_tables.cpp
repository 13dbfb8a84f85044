// Tables: what training read stays with the weights, and every later command reads other tables by it; rows
// held out, folds; states for objects.
#include <fmt/format.h>
#include <cmath>
#include <filesystem>

#include "catch.h"
#include "conformance/command_report.h"

namespace tenon::test {
namespace {

const char* const model = R"(tenon 1
module m
dim n = 1..64
param w : f32[5,2] = glorot_uniform
param b : f32[2]
func predict(x: f32[n,5]) -> p: f32[n,2] {
  p = dense x, w, b
  return p
}
func loss(x: f32[n,5], y: i32[n]) -> loss: f32[] {
  p = dense x, w, b
  l = cross_entropy p, y
  return l
}
func accuracy(x: f32[n,5], y: i32[n]) -> f32[] {
  p = dense x, w, b
  a = accuracy p, y
  return a
}
derive train = step loss {with = adam {lr = 0.1}, metrics = [accuracy]}
)";

constexpr size_t rows = 40;
const char* const kinds[] = {"red", "green", "blue"};
double a_of(size_t i) { return 100.0 + 10.0 * static_cast<double>(i % 7); }
double b_of(size_t i) { return static_cast<double>(i % 5) / 1000; }

std::string table(const std::vector<size_t>& which) {
  std::string out = "a,b,kind,label\n";
  for (const size_t i : which)
    out += fmt::format("{},{},{},{}\n", a_of(i), b_of(i), kinds[i % 3], (a_of(i) > 130) ? "big" : "small");
  return out;
}

Json done(const Ran& ran) {
  Json report = object(ran);
  REQUIRE(ran.status == 0);
  return report;
}

struct Trained {
  Folder folder;
  const std::string data = "csv:path=t.csv,text=onehot,standardize=yes";
  Trained() {
    folder.write("m.tenon", model);
    std::vector<size_t> all(rows);
    for (size_t i = 0; i < rows; ++i) all[i] = i;
    folder.write("t.csv", table(all));
    folder.write("u.csv", table({3, 7, 9}));  // red and green alone
  }
  Ran train(const std::string& options) const {
    return folder.tenon("train m.tenon --batch 8 --quiet --data " + data + " " + options);
  }
};

// "[[0.5, -1.25]]" of `run`.
std::vector<double> numbers(const std::string& text) {
  std::vector<double> out;
  for (size_t at = text.find('=') + 1; at < text.size();) {
    if (std::string_view("-0123456789").find(text[at]) == std::string_view::npos) {
      ++at;
      continue;
    }
    size_t used = 0;
    out.push_back(std::stod(text.substr(at), &used));
    at += used;
  }
  return out;
}

}  // namespace

TEST_CASE("weights keep means, deviations, kinds and classes, by which other tables are read") {
  const Trained t;
  REQUIRE(t.train("--epochs 20 -o w.safetensors").status == 0);
  const Ran ran = t.folder.tenon("run m.tenon predict --params w.safetensors --data u.csv");
  INFO(ran.out << ran.err);
  REQUIRE(ran.status == 0);
  double mean[2] = {}, square[2] = {};
  for (size_t i = 0; i < rows; ++i) {
    mean[0] += a_of(i) / rows;
    mean[1] += b_of(i) / rows;
  }
  for (size_t i = 0; i < rows; ++i) {
    square[0] += (a_of(i) - mean[0]) * (a_of(i) - mean[0]) / rows;
    square[1] += (b_of(i) - mean[1]) * (b_of(i) - mean[1]) / rows;
  }
  std::string x;
  for (const size_t i : {3, 7, 9})  // kinds in the order of the alphabet: blue, green, red
    x += fmt::format("{}[{}, {}, 0, {}, {}]", x.empty() ? "" : ", ",
                     (a_of(i) - mean[0]) / std::sqrt(square[0]), (b_of(i) - mean[1]) / std::sqrt(square[1]),
                     i % 3 == 1 ? 1 : 0, i % 3 == 0 ? 1 : 0);
  const Ran by_hand = t.folder.tenon("run m.tenon predict --params w.safetensors --input 'x=[" + x + "]'");
  INFO(by_hand.out << by_hand.err);
  REQUIRE(by_hand.status == 0);
  const std::vector<double> got = numbers(ran.out.substr(ran.out.find('='))),
                            want = numbers(by_hand.out.substr(by_hand.out.find('=')));
  REQUIRE(got.size() == 6);
  REQUIRE(want.size() == 6);
  for (size_t i = 0; i < 6; ++i) CHECK(got[i] == Approx(want[i]).epsilon(1e-5).margin(1e-5));

  const Json eval = done(t.folder.tenon("eval m.tenon --params w.safetensors --data u.csv --json"));
  CHECK(eval["classes"] == Json::array({"big", "small"}));
  // What the weights do not know is refused: another form, a kind, a class.
  const Ran other = t.folder.tenon("eval m.tenon --params w.safetensors --data csv:path=u.csv,text=skip");
  CHECK(other.status == 2);
  CHECK(other.err.find("trained with text=onehot,standardize=yes") != std::string::npos);
  for (const char* row : {"100,0,violet,big\n", "100,0,red,medium\n"}) {
    t.folder.write("v.csv", std::string("a,b,kind,label\n") + row);
    const Ran unknown = t.folder.tenon("eval m.tenon --params w.safetensors --data v.csv");
    INFO(unknown.out << unknown.err);
    CHECK(unknown.status == 3);
    CHECK(unknown.err.find("is none of the column's") != std::string::npos);
    CHECK(unknown.err.find("known are ") != std::string::npos);
    CHECK(unknown.err.find(std::string(row).find("violet") != std::string::npos ? "violet" : "medium") !=
          std::string::npos);
  }
}

TEST_CASE("rows held out in training are those that eval takes later") {
  const Trained t;
  for (const std::string held : {"--validate 0.25", "--fold 2/4"}) {
    const Json trained = done(t.train("--epochs 5 -o w.safetensors --json " + held));
    const Json later =
        done(t.folder.tenon("eval m.tenon --params w.safetensors --data t.csv --held-out --json"));
    INFO(held << trained.dump(1) << later.dump(1));
    CHECK(later["rows"] == 10);
    CHECK(later["loss"].get<double>() ==
          Approx(trained["epochs"].back()["test loss"].get<double>()).epsilon(1e-6));
  }
  // They were the rows of t.csv, and no others.
  const Ran other = t.folder.tenon("eval m.tenon --params w.safetensors --data u.csv --held-out");
  INFO(other.out << other.err);
  CHECK(other.status != 0);
}

TEST_CASE("folds hold every row out once, and tell mean and deviation") {
  const Trained t;
  const Json all = done(t.train("--epochs 3 --folds 4 --json"));
  REQUIRE(all["folds"].size() == 4);
  double sum = 0, squares = 0;
  int64_t held = 0;
  for (size_t k = 0; k < 4; ++k) {
    const double loss = all["folds"][k]["loss"].get<double>();
    const Json one = done(t.train(fmt::format("--epochs 3 --fold {}/4 --json", k + 1)));
    // Evaluated in batches of another size: sums of f32 round otherwise.
    CHECK(one["epochs"].back()["test loss"].get<double>() == Approx(loss).epsilon(1e-6));
    held += all["folds"][k]["rows"].get<int64_t>();
    sum += loss;
    squares += loss * loss;
  }
  CHECK(held == rows);
  CHECK(all["mean"]["loss"].get<double>() == Approx(sum / 4));
  CHECK(all["deviation"]["loss"].get<double>() == Approx(std::sqrt((squares - sum * sum / 4) / 3)));
  for (const std::string few : {"0", "1", "-3"}) {
    const Ran ran = t.train("--epochs 3 --folds " + few);
    INFO(few << ": " << ran.err);
    CHECK(ran.status == 2);
    CHECK(ran.err.find("--folds is 2 or more") != std::string::npos);
  }
}

TEST_CASE("weights that cannot be written keep, where they are rescued to, how the table was read") {
  const Trained t;
  REQUIRE(t.train("--epochs 2 --validate 0.25 -o w.safetensors").status == 0);
  const Ran full = t.folder.shell(
      "TMPDIR=$PWD tenon train m.tenon --batch 8 --quiet --epochs 2 --validate 0.25 -o /dev/full --data " +
      t.data);
  std::filesystem::rename(rescued_to(full), t.folder.path("rescued"));
  CHECK((t.folder.read("rescued") == t.folder.read("w.safetensors")));
}

TEST_CASE("an object's state file holds what its functions read, and runs in a C program") {
  const Trained t;
  REQUIRE(t.train("--epochs 2 -o w.safetensors").status == 0);
  REQUIRE(t.folder.tenon("compile m.tenon --fn predict --params w.safetensors -o net").status == 0);
  t.folder.write("main.c", R"(#include <stdio.h>
#include <stdlib.h>
#include "net.h"
int main(void) {
  static _Alignas(64) unsigned char state[NET_STATE_BYTES];
  const float x[5] = {0.5f, -1, 0, 1, 0};
  float p[2];
  size_t count = 0, i;
  FILE *f = fopen("net.state", "rb");
  if (f == NULL || fread(state, 1, sizeof state, f) != sizeof state || fgetc(f) != EOF) return 1;
  if (net_check(state, sizeof state) != NET_OK) return 2;
  for (i = 0; i < (net_tensors(&count), count); ++i) fprintf(stderr, "%s\n", net_tensors(&count)[i].name);
  if (net_predict(state, x, 1, p, NULL, 0) != NET_OK) return 3;
  printf("p = [[%.9g, %.9g]]\n", p[0], p[1]);
  return 0;
}
)");
  const Ran built = t.folder.shell("cc -std=c11 -Wall -Werror main.c net.o -lm -o main && ./main");
  INFO(built.out << built.err);
  REQUIRE(built.status == 0);
  // No slots of the optimizer.
  CHECK((built.err == "w\nb\n" || built.err == "b\nw\n"));
  const Ran run =
      t.folder.tenon("run m.tenon predict --params w.safetensors --input 'x=[[0.5, -1, 0, 1, 0]]'");
  const std::vector<double> got = numbers(built.out), want = numbers(run.out.substr(run.out.find('=')));
  REQUIRE(want.size() == 2);
  for (size_t i = 0; i < 2; ++i) CHECK(static_cast<float>(got[i]) == static_cast<float>(want[i]));
  // All baked: the state is its header alone, and there is no file to bring.
  REQUIRE(t.folder.tenon("compile m.tenon --fn predict --params w.safetensors --bake '*' -o baked").status ==
          0);
  CHECK_FALSE(t.folder.has("baked.state"));
  CHECK(t.folder.read("baked.h").find("#define BAKED_STATE_BYTES 64u") != std::string::npos);
}

}  // namespace tenon::test
