// Names that the compiler makes, taken by a model in every role: what the user named keeps its name, what is
// made makes way, and every stage takes it.
#include <set>
#include <string>

#include "c_interface/interface.h"
#include "driver/compile/compile.h"
#include "ir/made_names.h"
#include "ir/print.h"
#include "support/text.h"
#include "unit/catch.h"

using namespace tenon;

namespace {

enum class Role { input, value, param, state, hyper, dim, carry, slice, capture, last, result, function };
constexpr Role roles[] = {Role::input, Role::value, Role::param,   Role::state, Role::hyper,  Role::dim,
                          Role::carry, Role::slice, Role::capture, Role::last,  Role::result, Role::function};

// All that transforms, lowering and interfaces call something.
constexpr std::string_view made[] = {"order",
                                     "rows",
                                     "epochs",
                                     "index",
                                     "batch.tail",
                                     "seed",
                                     "rng.seed",
                                     "rng.step",
                                     "rng.seed.1",
                                     "step",
                                     "b_param.m",
                                     "b_param.v",
                                     "train.b_param.m",
                                     "train.step",
                                     "loss",
                                     "train.loss",
                                     "b_param'",
                                     "b_value'",
                                     "d.b_carry",
                                     "d.d.b_carry",
                                     "b_carry'",
                                     "v0",
                                     "v1",
                                     "out0",
                                     "state",
                                     "arena",
                                     "constants",
                                     "bytes",
                                     "t",
                                     "c",
                                     "lo",
                                     "hi",
                                     "offset",
                                     "size",
                                     "rows_div_batch",
                                     "entry_train",
                                     "arena_train",
                                     "k_train",
                                     "train"};

// A model in which one role has another name.
std::string model(Role role, std::string_view name) {
  std::string text = R"(tenon 1
module m
dim batch = 2..8
dim DIM = 3..3
hyper HYPER = 0.5 : f32
param PARAM : f32[2] = ones
state STATE : f32[3] = ones
func FUNCTION(a: f32[batch,2]) -> f32[batch] {
  s = reduce_sum a {axes = [1]}
  return s
}
func loss(INPUT: f32[batch,2], b_y: f32[batch], b_z: f32[batch,DIM]) -> RESULT: f32[] {
  b_d = dropout INPUT {rate = 0.5}
  VALUE = mul b_d, PARAM
  b_c = call FUNCTION(VALUE)
  b_h = loop (CARRY = b_c; SLICE in STATE; CAPTURE = PARAM) : f32[batch] {
    b_n = mul CARRY, SLICE
    b_m = reduce_sum CAPTURE
    b_k = mul b_n, b_m
    b_t = tanh b_k
    yield b_t
  }
  b_q = sub b_h, b_y
  b_e = mul b_q, b_q
  b_g = mul b_e, HYPER
  b_w = reduce_sum b_z {axes = [1]}
  b_x = add b_g, b_w
  LAST = mean b_x
  return LAST
}
derive train = step loss {with = adam {lr = HYPER}}
derive again = step loss {with = momentum {lr = 0.1}}
derive slope = grad loss {wrt = [PARAM]}
)";
  constexpr std::string_view marks[] = {"INPUT", "VALUE", "PARAM",   "STATE", "HYPER",  "DIM",
                                        "CARRY", "SLICE", "CAPTURE", "LAST",  "RESULT", "FUNCTION"};
  for (size_t i = 0; i < std::size(marks); ++i) {
    std::string own = "b_";
    for (const char c : marks[i]) own += static_cast<char>(c - 'A' + 'a');
    if (roles[i] == role) own = name;
    for (size_t at = text.find(marks[i]); at != std::string::npos; at = text.find(marks[i], at + own.size()))
      text.replace(at, marks[i].size(), own);
  }
  return text;
}

driver::CompileOptions loops() {
  driver::CompileOptions o;
  o.step_loops = true;
  return o;
}

bool has_input(const ir::Function& f, std::string_view name) {
  for (const ir::ValueId a : f.graph.args)
    if (f.graph.value(a).arg == ir::ArgKind::input && f.graph.value(a).name == name) return true;
  return false;
}

bool clashes(Role role, std::string_view name) {
  // Declared twice by the model itself.
  return role == Role::function && (name == "loss" || name == "train");
}

}  // namespace

// Every `stride`th pair of a role and a name.
static void keeps_names(size_t stride) {
  size_t pair = 0;
  for (const Role role : roles) {
    for (const std::string_view name : made) {
      if (clashes(role, name) || pair++ % stride != 0) continue;
      const std::string text = model(role, name);
      INFO(text);
      auto unit = driver::read_unit(text, "m.tenon");
      if (!unit) FAIL(unit.errors().text());
      auto derived = driver::derive(std::get<ir::Module>(unit->code), loops());
      if (!derived) FAIL(derived.errors().text());
      for (const char* function : {"train", "train.epochs", "train.epochs.order", "again", "again.epochs"}) {
        const ir::Function* f = derived->find_function(function);
        REQUIRE(f != nullptr);
        if (role == Role::input) CHECK(has_input(*f, name));
        if (role == Role::state)  // nobody took it for a slot or a counter
          for (const ir::Write& w : f->writes) CHECK(w.global != name);
        if (role == Role::result) CHECK(f->result_names[0] == name);
      }
      // The dump is a model, with equal functions.
      const std::string printed = ir::print(*derived);
      auto back = driver::read_unit(printed, "dump.tenon");
      if (!back) FAIL(back.errors().text() + printed);
      CHECK(ir::print(std::get<ir::Module>(back->code)) == printed);
      auto twice = driver::derive(std::get<ir::Module>(back->code), loops());
      if (!twice) FAIL(twice.errors().text() + printed);
      CHECK(ir::print(*twice) == printed);
    }
  }
}

TEST_CASE("What a model names keeps its name; what the compiler makes takes another") { keeps_names(7); }
TEST_CASE("What a model names keeps its name, every name in every role", "[long]") { keeps_names(1); }

TEST_CASE("Made names in every role are lowered, and a loop and its given order stay one C function") {
  for (const Role role : {Role::input, Role::dim, Role::state, Role::hyper, Role::carry}) {
    for (const std::string_view name : {"order", "rows", "b_param.m"}) {
      INFO(model(role, name));
      auto unit = driver::read_unit(model(role, name), "m.tenon");
      REQUIRE(unit);
      driver::CompileOptions o = loops();
      o.cpu = "x86-64-v3";
      o.functions = {"train"};
      auto kernels = driver::to_kernels(std::move(*unit), o);
      if (!kernels) FAIL(kernels.errors().text());
      auto c = c_interface::interface_of(*kernels, "m");
      REQUIRE(c);
      bool merged = false;
      for (const c_interface::CEntry& e : c->entries)
        if (e.entry->name == "train.epochs") merged = e.given != nullptr && e.order != nullptr;
      CHECK(merged);
    }
  }
}

TEST_CASE("Results keep the names that their function gave them") {
  auto unit = driver::read_unit(R"(tenon 1
module m
func f(x: f64[3]) -> f64[3], f64[3] {
  a = add x, 1.0
  b = add x, 1.0
  return a, b
}
func g(x: f64[3]) -> f64[3] {
  a = mul x, 1.0
  return a
}
func h(x: f64[3]) -> f64[3], f64[3], out1: f64[3] {
  a = neg x
  return a, a, x
}
)",
                                "m.tenon");
  REQUIRE(unit);
  auto kernels = driver::to_kernels(std::move(*unit), {});
  if (!kernels) FAIL(kernels.errors().text());
  auto outputs = [&](std::string_view entry) {
    std::vector<std::string> names;
    for (const kernel::Entry& e : kernels->entries)
      if (e.name == entry)
        for (const kernel::EntryParam& p : e.params)
          if (p.role == kernel::ParamRole::output) names.push_back(p.name);
    return support::join(names, " ");
  };
  CHECK(outputs("f") == "a b");
  CHECK(outputs("g") == "a");
  CHECK(outputs("h") == "a out1.1 out1");
}

TEST_CASE(
    "A user's function with the name of a step's loop, or a hidden global, is refused where it stands") {
  auto first = [](const std::string& text) {
    auto unit = driver::read_unit(text, "m.tenon");
    if (!unit) return unit.errors().list[0];
    auto derived = driver::derive(std::get<ir::Module>(unit->code), loops());
    REQUIRE(!derived);
    return derived.errors().list[0];
  };
  const std::string step =
      "param w : f32[] = ones\nfunc loss(x: f32[]) -> f32[] {\n  l = mul w, x\n  return l\n}\n"
      "derive train = step loss {with = sgd {lr = 0.1}}\n";
  for (const std::string loop : {"train.epochs", "train.epochs.order"}) {
    const auto d = first("tenon 1\nmodule m\nfunc " + loop + "(x: f32[]) -> f32[] {\n  return x\n}\n" + step);
    CHECK(d.code == support::Code::duplicate_name);
    CHECK(d.line == 3);
    CHECK(d.help == "name it otherwise");
  }
  const auto hidden = first(
      "tenon 1\nmodule m\nparam w : f32[] = ones\nfunc g(x: f32[]) -> f32[] {\n  y = mul x, w\n  return "
      "y\n}\n"
      "func f(w: f32[]) -> f32[] {\n  z = call g(w)\n  return z\n}\n");
  CHECK(hidden.code == support::Code::duplicate_name);
  CHECK(hidden.line == 9);
  CHECK(hidden.message == "input w hides the global w, which a function called here reads");
}

TEST_CASE("An operation that other libraries have is said to be written otherwise") {
  for (const auto& [op, here] :
       {std::pair("matmul", "dot a, b"), std::pair("clip", "clamp x"), std::pair("swish", "silu x")}) {
    auto unit =
        driver::read_unit("tenon 1\nmodule m\nfunc f(x: f32[2,2]) -> f32[2,2] {\n  y = " + std::string(op) +
                              " x, x\n  return y\n}\n",
                          "m.tenon");
    REQUIRE(!unit);
    CHECK(unit.errors().list[0].help.find(here) != std::string::npos);
  }
}
