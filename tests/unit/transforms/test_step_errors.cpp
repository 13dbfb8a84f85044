// What a step cannot be given is refused at its line, with what was found, what is wanted and the mend.
#include <algorithm>

#include "transforms/training.h"

using namespace tenon;
using namespace tenon::test;

namespace {

struct Row {
  const char* options;
  Code code;
  const char* message;  // a part of it
  const char* help;
};

constexpr Code invalid = Code::derive_invalid;

const Row rows[] = {
    // Names.
    {"with = adm", invalid, "no optimizer is named adm", "did you mean adam?"},
    {"with = levenberg", invalid, "no optimizer is named levenberg", "one of adadelta, adagrad, adam,"},
    {"with = adam {bta1 = 0.5}", invalid, "adam: no option is named bta1", "did you mean beta1?"},
    {"with = adam {decay = 0.5}", invalid, "adam: no option is named decay", "an option of the step"},
    {"with = adam {lr = 0.1, lr = 0.2}", invalid, "adam: option lr is given twice", ""},
    {"with = adam, beta1 = 0.5", invalid, "no option is named beta1",
     "a setting of the optimizer: with = adam {beta1"},
    {"with = adam, clips = {value = 1}", invalid, "no option is named clips", "did you mean clip?"},
    {"with = sgd {lr = cosin {from = 0.1}}", invalid, "sgd: lr: no schedule is named cosin",
     "did you mean cosine?"},
    {"with = sgd {lr = cosine {form = 0.1, steps = 3}}", invalid, "sgd: lr: cosine: no option is named form",
     "did you mean from?"},
    {"with = sgd {lr = cosine {from = 0.1}}", invalid, "sgd: lr: cosine: option steps is missing",
     "{steps = 1000}"},
    {"with = sgd {lr = rte}", invalid, "sgd: lr: rte is neither a number nor a declared name", "hyper rte"},
    {"with = sgd {lr = cosine}", invalid, "sgd: lr: schedule cosine wants settings", "cosine {...}"},
    {"with = sgd", invalid, "sgd: option lr is missing", "{lr = 0.01}"},
    {"with = sgd {lr = 1}, clip = {vlue = 1}", invalid, "clip: no option is named vlue",
     "did you mean value?"},
    {"with = sgd {lr = 1}, hook = halv", invalid, "hook: no function is named halv", "did you mean half?"},
    {"with = sgd {lr = 1}, gradients = [ww]", invalid, "gradients: no parameter that is trained matches ww",
     "did you mean w?"},
    {"with = sgd {lr = 1}, frozen = [q.*]", invalid, "frozen: no parameter that is trained matches q.*", ""},
    {"with = sgd {lr = 1}, frozen = [w, b]", invalid, "nothing to train", ""},
    // Patterns.
    {"with = sgd {lr = {w = 0.1}}", invalid, "sgd: lr: no pattern matches b", "end the list with * = 0.01"},
    {"with = sgd {lr = {v = 0.1, * = 1}}", invalid, "sgd: lr: no parameter that is trained matches v", ""},
    {"with = sgd {lr = 1}, decay = {* = 0.1, w = 0}", invalid, "decay: w decides nothing",
     "write it before *"},
    {"with = sgd {lr = 1}, decay = {w = {b = 0.1}}", invalid, "decay: w: patterns do not nest", ""},
    {"with = sgd {lr = 1}, clip = {global_norm = {w = 1}}", invalid, "global_norm is one for all parameters",
     ""},
    {"with = sgd {lr = 1}, frozen = b, decay = {b = 0.1}", invalid,
     "decay: no parameter that is trained matches b", ""},
    {"with = momentum {lr = 1, nesterov = {w = true}}", invalid, "momentum: nesterov wants true or false",
     ""},
    // Numbers and forms.
    {"with = adam {beta1 = 1}", invalid, "adam: beta1 = 1, wants from 0 to below 1", ""},
    {"with = adam {lr = -0.1}", invalid, "adam: lr = -0.1, wants 0 or more", ""},
    {"with = adam {lr = inf}", invalid, "adam: lr = inf, wants 0 or more", ""},
    {"with = adam {lr = true}", invalid, "adam: lr is true, wants a number", ""},
    {"with = adam {lr = [0.1]}", invalid, "adam: lr wants a number, the name of one, a schedule", ""},
    {"with = adam {amsgrad = 1}", invalid, "adam: amsgrad is 1, wants true or false", ""},
    {"with = adagrad {initial = rate}", invalid, "adagrad: initial wants a number", ""},
    {"with = sgd {lr = pair}", invalid, "sgd: lr is pair, which is f64[2], wants one number", ""},
    {"with = sgd {lr = yes}", invalid, "sgd: lr is yes, which is bool[], wants one number", ""},
    {"with = sgd {lr = cosine {from = linear {from = 1, steps = 2}, steps = 3}}", invalid,
     "cosine: from wants a number, or the name of one", ""},
    {"with = sgd {lr = cosine {from = 1, steps = 0}}", invalid, "cosine: steps = 0, wants above 0", ""},
    {"with = sgd {lr = cosine {from = 1, steps = 5, warmup = -1}}", invalid, "warmup = -1, wants 0 or more",
     ""},
    {"with = sgd {lr = piecewise {values = [1, 2], at = [5, 6]}}", invalid, "2 values and 2 changes", ""},
    {"with = sgd {lr = piecewise {values = [1, 2, 3], at = [6, 6]}}", invalid, "at: 6 stands behind 6", ""},
    {"with = sgd {lr = piecewise {values = 1, at = [5]}}", invalid, "values wants a list of numbers", ""},
    {"with = sgd {lr = one_cycle {peak = 1, steps = 9, anneal = line}}", invalid,
     "anneal is line, wants one of cosine", ""},
    {"with = sgd {lr = one_cycle {peak = 1, steps = 9, rise = 0.6, three_phase = true}}", invalid,
     "at most 0.5", ""},
    {"with = sgd {lr = 1}, average = 1.5", invalid, "average = 1.5, wants from 0 to 1", ""},
    {"with = sgd {lr = 1}, accumulate = 0", invalid, "accumulate wants a whole number of calls",
     "accumulate = 4"},
    {"with = sgd {lr = 1}, accumulate = 2.5", invalid, "accumulate wants a whole number of calls", ""},
    {"with = sgd {lr = 1}, accumulate = [4]", invalid, "accumulate wants a whole number of calls", ""},
    {"with = sgd {lr = 1}, clip = 1", invalid, "clip does not say what is clipped",
     "clip = {global_norm = 1}"},
    {"with = sgd {lr = 1}, clip = {value = 0}", invalid, "clip: value = 0, wants above 0", ""},
    {"with = sgd {lr = 1}, gradient_norm = 2", invalid, "gradient_norm is 2, wants true or false", ""},
    {"with = sgd {lr = 1}, over = {w = 1}", invalid, "over wants a name, or a list of them", ""},
    {"with = [sgd]", invalid, "no optimizer is named", ""},
    // Hooks.
    {"with = sgd {lr = 1}, hook = [half]", invalid, "hook wants the name of a function", "hook = center"},
    {"with = sgd {lr = 1}, hook = {w = [half]}", invalid, "hook: w wants the name of a function", ""},
    {"with = sgd {lr = 1}, hook = half", invalid, "hook: half does not fit w: f64[3,2]", "by pattern"},
    {"with = sgd {lr = 1}, hook = {b = short}", invalid,
     "hook: short does not fit b: f64[2] (it returns f64[])", ""},
    {"with = sgd {lr = 1}, hook = {b = sets}", invalid,
     "hook: sets takes 1 inputs, returns 1 values and writes 1", ""},
    {"with = sgd {lr = 1}, hook = {b = three}", invalid, "hook: three takes 3 inputs", ""},
    // Names that an input hides.
    {"with = sgd {lr = x}", Code::derive_invalid, "x is neither a number nor a declared name", ""},
};

const std::string declarations =
    "state pair : f64[2]\nstate yes : bool[]\nstate kept : f64[2]\n"
    "func half(g: f64[rows]) -> f64[rows] {\n  r = mul g, 0.5\n  return r\n}\n"
    "func short(g: f64[rows]) -> f64[] {\n  r = reduce_sum g\n  return r\n}\n"
    "func sets(g: f64[2]) -> f64[2] {\n  r = mul g, 0.5\n  set kept = r\n  return r\n}\n"
    "func three(p: f64[rows], g: f64[rows], h: f64[rows]) -> f64[rows] {\n  r = mul g, h\n  s = mul r, p\n"
    "  return s\n}\n";

Diagnostic refusal(const std::string& text) {
  ir::Module m = parsed(text);
  Status s = transforms::expand_derives(m);
  REQUIRE_FALSE(s);
  return s.errors().list.front();
}

}  // namespace

TEST_CASE("options of a step that cannot be carried out are refused, with the mend") {
  const std::string text = training_text("with = sgd {lr = 1}", declarations);
  const auto line = static_cast<uint32_t>(std::count(text.begin(), text.end(), '\n'));
  for (const Row& row : rows) {
    INFO(row.options);
    const Diagnostic found = refusal(training_text(row.options, declarations));
    INFO(render(found));
    CHECK(found.code == row.code);
    CHECK(found.line == line);
    CHECK(found.message.find(row.message) != std::string::npos);
    CHECK(found.help.find(row.help) != std::string::npos);
  }
}

TEST_CASE("a number that an element type cannot hold, and a name that an input hides, are refused") {
  const std::string head =
      "tenon 1\nmodule m\nhyper rate = 1 : f32\nparam w : f32[]\nfunc loss(x: f32[]) -> f32[] {\n"
      "  l = mul w, x\n  return l\n}\nfunc hidden(rate: f32[]) -> f32[] {\n  l = mul w, rate\n  return "
      "l\n}\n";
  CHECK(refusal(head + "derive t = step loss {batch = none, with = sgd {lr = 1e60}}\n").code ==
        Code::bad_literal);
  CHECK(refusal(head + "derive t = step loss {batch = none, with = sgd {lr = 1}, decay = 1e-60}\n").code ==
        Code::bad_literal);
  CHECK(refusal(head + "derive t = step hidden {batch = none, with = sgd {lr = rate}}\n").code ==
        Code::duplicate_name);
}

TEST_CASE("all that is wrong with a step is told at once") {
  ir::Module m =
      parsed(training_text("with = adam {lr = rte, beta1 = 2}, decay = {q = 1}, clip = {norm = 0}, hook = "
                           "nothing, accumulate = 0"));
  Status s = transforms::expand_derives(m);
  REQUIRE_FALSE(s);
  CHECK(s.errors().list.size() == 6);
}

TEST_CASE("functions on averages are refused where there are none") {
  struct Directive {
    const char *text, *message, *help;
  };
  const Directive directives[] = {
      {"derive s = averaged loss", "option of is missing", "of = train"},
      {"derive s = averaged loss {of = trian}", "of: no step is named trian", "did you mean train?"},
      {"derive s = averaged loss {of = train}", "train keeps no average of a parameter that loss reads",
       "average = 0.999"},
      {"derive s = averaged los {of = train}", "no function is named los", "did you mean loss?"},
      {"derive s = averaged loss {off = train}", "no option is named off", "did you mean of?"},
      {"derive s = average loss {of = train}", "no directive is named average", "did you mean averaged?"},
  };
  for (const Directive& d : directives) {
    const Diagnostic found = refusal(training_text("with = sgd {lr = 1}") + d.text + "\n");
    INFO(render(found));
    CHECK(found.code == invalid);
    CHECK(found.message.find(d.message) != std::string::npos);
    CHECK(found.help.find(d.help) != std::string::npos);
  }
}
