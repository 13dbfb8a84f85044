#include <set>

#include "ir/inline_calls.h"
#include "transforms/gradients.h"

using namespace tenon;
using namespace tenon::test;

namespace {

std::string linear(const std::string& derives) {
  return R"(tenon 1
module linear
dim batch = 1..64
hyper lr = 0.05 : f64
param w : f64[2,1] = normal(0, 1)
param b : f64[1] = zeros
func predict(x: f64[batch,2]) -> f64[batch,1] {
  p = dense x, w, b : f64[batch,1]
  return p
}
func loss(x: f64[batch,2], y: f64[batch,1]) -> f64[] {
  p = call predict(x) : f64[batch,1]
  l = mse p, y : f64[]
  return l
}
)" + derives;
}

ir::Module derived(const std::string& text) {
  ir::Module m = parsed(text);
  Status s = transforms::expand_derives(m);
  if (!s) FAIL(s.errors().text());
  CHECK(m.derives.empty());
  verified(m);
  // What a dump says parses back to itself.
  const std::string printed = ir::print(m);
  CHECK(ir::print(parsed(printed)) == printed);
  return m;
}

Code refused(const std::string& derive) {
  ir::Module m = parsed(linear(derive));
  Status s = transforms::expand_derives(m);
  REQUIRE_FALSE(s);
  return s.errors().code();
}

double number(const std::map<std::string, Array>& globals, const std::string& name, size_t i = 0) {
  return globals.at(name).as<double>()[i];
}

}  // namespace

TEST_CASE("sgd, momentum and adam write what their formulas say") {
  struct Case {
    const char* with;
    double m_after, v_after;
    double (*update)(double p, double g, double m, double v, double t);
  };
  const ir::Module m = derived(linear(R"(
derive g = grad loss {wrt = [w, b]}
derive a = step loss {with = sgd {lr = lr}}
derive c = step loss {over = [w], with = momentum {lr = 0.1, momentum = 0.8, nesterov = true}}
derive d = step loss {with = adam {lr = lr, beta1 = 0.8, beta2 = 0.95, eps = 1e-6}}
)"));
  ir::DimBindings dims{{"batch", 5}};
  evaluate::Inputs in = random_inputs(m, *m.find_function("a"), dims);
  in.globals["d.step"] = Array::scalar<int64_t>(3);
  in.globals["lr"] = Array::scalar<double>(0.05);
  for (double& v : in.globals["d.w.v"].as<double>()) v = v * v;
  const evaluate::Outputs g = run(m, *m.find_function("g"), in);
  const double w = number(in.globals, "w"), gw = g.returned[0].as<double>()[0];

  const evaluate::Outputs a = run(m, *m.find_function("a"), in);
  CHECK(number(a.written, "w") == Approx(w - 0.05 * gw).epsilon(1e-12));
  CHECK(a.written.at("rng.step").as<int64_t>()[0] == in.globals["rng.step"].as<int64_t>()[0] + 1);

  const evaluate::Outputs c = run(m, *m.find_function("c"), in);
  const double m1 = 0.8 * number(in.globals, "w.m") + gw;
  CHECK(number(c.written, "w.m") == Approx(m1).epsilon(1e-12));
  CHECK(number(c.written, "w") == Approx(w - 0.1 * (gw + 0.8 * m1)).epsilon(1e-12));
  CHECK(c.written.count("b") == 0);

  // Two steps that both keep a slot w.m have one each, and the second names all of its own.
  for (const char* slot : {"d.w.m", "d.w.v", "d.step"}) REQUIRE(m.find_global(slot) != nullptr);
  for (const char* slot : {"w.v", "step"}) REQUIRE(m.find_global(slot) == nullptr);
  const evaluate::Outputs d = run(m, *m.find_function("d"), in);
  const double m2 = 0.8 * number(in.globals, "d.w.m") + 0.2 * gw;
  const double v2 = 0.95 * number(in.globals, "d.w.v") + 0.05 * gw * gw;
  const double t = 4, rate = 0.05 / (1 - std::pow(0.8, t)), root = std::sqrt(1 - std::pow(0.95, t));
  CHECK(number(d.written, "w") == Approx(w - rate * m2 / (std::sqrt(v2) / root + 1e-6)).epsilon(1e-10));
  CHECK(d.written.at("d.step").as<int64_t>()[0] == 4);
}

TEST_CASE("epochs run full batches, then the rest, in the order of the state's counter") {
  const ir::Module m = derived(linear(R"(
derive train = step loss {with = momentum {lr = 0.05}}
derive fit = epochs train {}
derive ordered = epochs train {order = given}
)"));
  const ir::Function &train = *m.find_function("train"), &fit = *m.find_function("fit"),
                     &ordered = *m.find_function("ordered");
  for (const auto& [rows, batch] :
       std::vector<std::pair<int64_t, int64_t>>{{10, 4}, {8, 4}, {3, 4}, {5, 1}}) {
    const int64_t epochs = 3, steps = epochs * ((rows + batch - 1) / batch);
    evaluate::Inputs in = random_inputs(m, fit, {{"rows", rows}, {"batch", batch}, {"epochs", epochs}}, 11);
    const evaluate::Outputs out = run(m, fit, in);
    REQUIRE(out.returned[0].shape() == std::vector<int64_t>{steps});
    const int64_t first = in.globals["rng.step"].as<int64_t>()[0];
    CHECK(out.written.at("rng.step").as<int64_t>()[0] == first + steps);

    // The same by hand, with an order that is given.
    evaluate::Inputs given = in;
    Array order(DType::u32, {epochs, rows});
    uint64_t state = 5;
    for (int64_t e = 0; e < epochs; ++e)
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t j =
            static_cast<int64_t>(std::fabs(draw(&state)) * static_cast<double>(i + 1)) % (i + 1);
        auto all = order.as<uint32_t>();
        all[static_cast<size_t>(e * rows + i)] = all[static_cast<size_t>(e * rows + j)];
        all[static_cast<size_t>(e * rows + j)] = static_cast<uint32_t>(i);
      }
    given.arguments.push_back(order);
    const evaluate::Outputs by_order = run(m, ordered, given);
    evaluate::Inputs hand = in;
    size_t done = 0;
    for (int64_t e = 0; e < epochs; ++e) {
      for (int64_t start = 0; start < rows; start += batch) {
        const int64_t n = std::min(batch, rows - start);
        Array x(DType::f64, {n, 2}), y(DType::f64, {n, 1});
        for (int64_t i = 0; i < n; ++i) {
          const size_t r = order.as<uint32_t>()[static_cast<size_t>(e * rows + start + i)];
          for (size_t k = 0; k < 2; ++k)
            x.as<double>()[static_cast<size_t>(i) * 2 + k] = in.arguments[0].as<double>()[r * 2 + k];
          y.as<double>()[static_cast<size_t>(i)] = in.arguments[1].as<double>()[r];
        }
        hand.arguments = {x, y};
        hand.dims = {{"batch", n}};
        const evaluate::Outputs one = run(m, train, hand);
        CHECK(one.returned[0].as<double>()[0] == by_order.returned[0].as<double>()[done++]);
        for (const auto& [name, value] : one.written) hand.globals[name] = value;
      }
    }
    for (const auto& [name, value] : by_order.written) CHECK(value == hand.globals[name]);
    // Shuffled: other bits, the same training.
    if (rows > batch && batch > 1) CHECK_FALSE(out.written.at("w") == by_order.written.at("w"));
  }
}

TEST_CASE("training forms draw by name, seed and step; metrics and inference do not") {
  const std::string text = R"(tenon 1
module m
dim batch = 1..64
param w : f64[2,4] = he_normal
func hidden(x: f64[batch,2]) -> f64[batch,4] {
  z = dot x, w : f64[batch,4]
  d = dropout z {rate = 0.5} : f64[batch,4]
  return d
}
func loss(x: f64[batch,2]) -> f64[] {
  d = call hidden(x) : f64[batch,4]
  s = mul d, d : f64[batch,4]
  l = reduce_sum s {axes = [0, 1]} : f64[]
  return l
}
func size(x: f64[batch,2]) -> f64[] {
  d = call hidden(x) : f64[batch,4]
  l = reduce_sum d {axes = [0, 1]} : f64[]
  return l
}
derive train = step loss {with = sgd {lr = 0.1}, metrics = [size]}
)";
  const ir::Module m = derived(text);
  const ir::Function& train = *m.find_function("train");
  CHECK(train.returns == 2);
  evaluate::Inputs in = random_inputs(m, train, {{"batch", 16}});
  const evaluate::Outputs first = run(m, train, in), again = run(m, train, in);
  CHECK(first.returned[0] == again.returned[0]);
  in.globals["rng.step"].as<int64_t>()[0] += 1;
  CHECK_FALSE(run(m, train, in).returned[0] == first.returned[0]);
  in.globals["rng.step"].as<int64_t>()[0] -= 1;
  in.globals["rng.seed"].as<int64_t>()[0] += 1;
  CHECK_FALSE(run(m, train, in).returned[0] == first.returned[0]);

  ir::Module inference = m;
  ir::Function loss = *inference.find_function("loss");
  REQUIRE(transforms::resolve_mode(inference, loss, ir::Mode::inference));
  evaluate::Inputs plain = in;
  CHECK(run(inference, loss, plain).returned[0].as<double>()[0] > 0);
}

TEST_CASE("a metric is computed on the step's own forward pass") {
  struct Row {
    const char* name;
    const char* functions;  // scores, and more than one way to it
    const char* call;       // makes s
    size_t draws;
  };
  const Row rows[] = {
      {"one dropout",
       "func scores(x: f64[n,4]) -> f64[n,4] {\n  h = mul x, w\n  d = dropout h {rate = 0.5}\n  return "
       "d\n}\n",
       "  s = call scores(x)\n", 1},
      {"two of one value",
       "func scores(x: f64[n,4]) -> f64[n,4] {\n  h = mul x, w\n  d = dropout h {rate = 0.5}\n"
       "  e = dropout h {rate = 0.5}\n  t = add e, e\n  f = sub d, t\n  return f\n}\n",
       "  s = call scores(x)\n", 2},
      {"in the body of a loop",
       "func scores(x: f64[n,4]) -> f64[n,4] {\n  h = mul x, w\n  r = loop (c = h) {trip = 3} {\n"
       "    d = dropout c {rate = 0.5}\n    yield d\n  }\n  return r\n}\n",
       "  s = call scores(x)\n", 1},
      {"behind two calls",
       "func hidden(x: f64[n,4]) -> f64[n,4] {\n  h = mul x, w\n  d = dropout h {rate = 0.5}\n  return d\n}\n"
       "func scores(x: f64[n,4]) -> f64[n,4] {\n  d = call hidden(x)\n  e = dropout d {rate = 0.1}\n  return "
       "e\n}\n",
       "  s = call scores(x)\n", 2},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const ir::Module m =
        derived(std::string("tenon 1\nmodule m\ndim n = 1..64\nparam w : f64[4] = ones\n") + row.functions +
                "func loss(x: f64[n,4]) -> f64[] {\n" + row.call +
                "  q = mul s, s\n  l = mean q\n  return l\n}\nfunc size(x: f64[n,4]) -> f64[] {\n" +
                row.call + "  q = mul s, s\n  z = reduce_sum q\n  return z\n}\n" +
                "func double(x: f64[n,4]) -> f64[] {\n" + row.call +
                "  q = mul s, s\n  l = mean q\n  z = add l, l\n  return z\n}\n"
                "derive train = step loss {with = sgd {lr = 0.1}, metrics = [size, double]}\n");
    const ir::Function& train = *m.find_function("train");
    REQUIRE(train.returns == 3);
    evaluate::Inputs in = random_inputs(m, train, {{"n", 16}});
    std::vector<double> seen;
    for (int step = 0; step < 4; ++step) {
      in.globals["rng.step"].as<int64_t>()[0] = step;
      const evaluate::Outputs out = run(m, train, in);
      const double loss = out.returned[0].as<double>()[0];
      CHECK(out.returned[1].as<double>()[0] == Approx(64 * loss).epsilon(1e-12));
      CHECK(out.returned[2].as<double>()[0] == 2 * loss);
      seen.push_back(loss);
    }
    CHECK(std::set<double>(seen.begin(), seen.end()).size() == 4);
    // Nothing is drawn for the metrics.
    auto draws = [](const ir::Graph& g, auto&& self) -> size_t {
      size_t n = 0;
      for (size_t i = 0; i < g.node_count(); ++i) {
        const ir::Node& node = g.node(ir::NodeId(i));
        n += node.op->name.starts_with("random");
        for (const auto& region : node.regions) n += self(*region, self);
      }
      return n;
    };
    const ir::Module alone = derived(ir::print([&] {
                                       ir::Module copy = m;
                                       copy.functions.erase_if([](const ir::Function& f) {
                                         return f.name == "train" || f.name == "init";
                                       });
                                       copy.globals = std::vector{copy.globals[0]};
                                       return copy;
                                     }()) +
                                     "derive train = step loss {with = sgd {lr = 0.1}}\n");
    CHECK(draws(train.graph, draws) == draws(alone.find_function("train")->graph, draws));
  }
}

TEST_CASE("writes that a step or a user's text cannot make are refused where they stand") {
  auto refusal = [](const std::string& text) {
    Result<ir::Module> m = ir::parse(text);
    if (!m) return m.errors().list.front();
    Status s = ir::verify(*m);
    if (s) s = transforms::expand_derives(*m);
    REQUIRE_FALSE(s);
    return s.errors().list.front();
  };
  const std::string head =
      "tenon 1\nmodule m\nparam w : f64[] = ones\nparam k : f64[] = ones frozen\nstate n : f64[]\n";
  // A step trains w: what its loss sets it to would be lost.
  const Diagnostic trained =
      refusal(head +
              "func loss(x: f64[]) -> f64[] {\n  l = mul x, w\n  set w = l\n  return l\n}\n"
              "derive train = step loss {with = sgd {lr = 0.1}}\n");
  CHECK(trained.code == Code::derive_invalid);
  CHECK(trained.line == 11);
  CHECK(trained.message.find("sets w, which the step trains") != std::string::npos);
  const Diagnostic frozen =
      refusal(head + "func move(x: f64[]) -> f64[] {\n  l = mul x, k\n  set k = l\n  return l\n}\n");
  CHECK(frozen.code == Code::state_write);
  CHECK(frozen.line == 8);
  const Diagnostic commit =
      refusal(head +
              "func move(x: f64[]) -> f64[] {\n  r = loop (c = x) {trip = 3, commit = true} {\n"
              "    d = mul c, c\n    yield d\n  }\n  set n = r\n  return r\n}\n");
  CHECK(commit.code == Code::bad_attribute);
  CHECK(commit.line == 7);
  // What it sets beside what is trained is kept.
  const ir::Module both =
      derived(head +
              "func loss(x: f64[]) -> f64[] {\n  l = mul x, w\n  set n = l\n  return l\n}\n"
              "derive train = step loss {with = sgd {lr = 0.1}}\n");
  evaluate::Inputs in = random_inputs(both, *both.find_function("train"), {});
  const evaluate::Outputs out = run(both, *both.find_function("train"), in);
  CHECK(out.written.at("n") == out.returned[0]);
  CHECK(out.written.count("w") == 1);
}

TEST_CASE("init writes every parameter and state") {
  const ir::Module m = derived(linear("derive train = step loss {with = adam {lr = lr}}\n"));
  const ir::Function& init = *m.find_function("init");
  evaluate::Inputs in;
  in.arguments = {Array::scalar<int64_t>(7)};
  const evaluate::Outputs out = run(m, init, in);
  for (const ir::Global& g : m.globals) CHECK(out.written.count(g.name) == (g.kind != ir::GlobalKind::hyper));
  CHECK(out.written.at("rng.seed").as<int64_t>()[0] == 7);
  CHECK(number(out.written, "w") != number(out.written, "w", 1));
  CHECK(number(out.written, "b") == 0);
  in.arguments = {Array::scalar<int64_t>(8)};
  CHECK(number(run(m, init, in).written, "w") != number(out.written, "w"));
}

TEST_CASE("directives that cannot be carried out are refused") {
  CHECK(refused("derive t = step lss {with = sgd {lr = 0.1}}\n") == Code::derive_invalid);
  CHECK(refused("derive t = step loss {with = sgdd {lr = 0.1}}\n") == Code::derive_invalid);
  CHECK(refused("derive t = step loss {with = sgd {}}\n") == Code::derive_invalid);
  CHECK(refused("derive t = step loss {with = sgd {lr = rate}}\n") == Code::derive_invalid);
  CHECK(refused("derive t = step loss {with = sgd {lr = 0.1, decay = 1}}\n") == Code::derive_invalid);
  CHECK(refused("derive t = step loss {over = [v*], with = sgd {lr = 0.1}}\n") == Code::derive_invalid);
  CHECK(refused("derive t = step predict {with = sgd {lr = 0.1}}\n") == Code::derive_invalid);
  CHECK(refused("derive t = epochs loss {}\n") == Code::derive_invalid);
  CHECK(refused("derive t = steps loss {with = sgd {lr = 0.1}}\n") == Code::derive_invalid);
  CHECK(refused("derive t = grad loss {wrt = [q]}\n") == Code::derive_invalid);
}

TEST_CASE("random numbers of values without a name stay the same in a dump") {
  const std::string text = R"(tenon 1
module noise
dim batch = 1..64
param w : f64[4] = ones
func loss(x: f64[batch,4]) -> f64[] {
  dropout x {rate = 0.5}
  h = mul x, w
  l = reduce_sum h
  return l
}
)";
  auto stream = [](ir::Module m) {
    const Status s = transforms::resolve_mode(m, m.functions[0], ir::Mode::training);
    if (!s) FAIL(s.errors().text());
    const std::string printed = ir::print(m);
    const size_t at = printed.find("stream = ");
    REQUIRE(at != std::string::npos);
    return printed.substr(at, printed.find('}', at) - at);
  };
  const ir::Module m = parsed(text);
  CHECK(stream(m) == stream(parsed(ir::print(m))));
}

TEST_CASE("operations of one name in several regions draw random numbers of their own") {
  const ir::Module m = parsed(R"(tenon 1
module noise
param w : f64[4] = ones
func loss(xs: f64[3,4], c: bool[]) -> f64[] {
  first = loop (h = w; x in xs) : f64[4] {
    d = dropout x {rate = 0.5}
    t = add h, d
    yield t
  }
  second = loop (h = first; x in xs) : f64[4] {
    d = dropout x {rate = 0.5}
    t = add h, d
    yield t
  }
  d = dropout second {rate = 0.5}
  l = reduce_sum d
  return l
}
)");
  ir::Module resolved = m;
  const Status s = transforms::resolve_mode(resolved, resolved.functions[0], ir::Mode::training);
  if (!s) FAIL(s.errors().text());
  const std::string printed = ir::print(resolved);
  std::set<std::string> streams;
  for (size_t at = printed.find("stream = "); at != std::string::npos; at = printed.find("stream = ", at + 1))
    streams.insert(printed.substr(at, printed.find('}', at) - at));
  INFO(printed);
  CHECK(streams.size() == 3);
}

namespace {

// The streams of a function in training form, by the names of what draws; and the printed module.
std::map<std::string, std::string> streams_of(const std::string& text, std::string* printed) {
  ir::Module m = parsed(text);
  ir::Function& f = *m.find_function("f");
  const Status s = transforms::resolve_mode(m, f, ir::Mode::training);
  if (!s) FAIL(s.errors().text());
  *printed = ir::print(m);
  std::map<std::string, std::string> out;
  for (size_t i = 0; i < f.graph.node_count(); ++i) {
    const ir::Node& node = f.graph.node(ir::NodeId(i));
    if (node.op->mode == nullptr && node.op->generate() == nullptr) continue;
    if (node.op->find_attr("stream") == nullptr) continue;
    // The mask has no name; the value that is made of it has.
    for (size_t k = i + 1; k < f.graph.node_count(); ++k) {
      const std::string& name = f.graph.value(f.graph.node(ir::NodeId(k)).results[0]).name;
      if (name.empty()) continue;
      out[name] = std::to_string(node.get<int64_t>("stream"));
      break;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("every call draws random numbers of its own, whichever call is written first") {
  const std::string head = R"(tenon 1
module noise
func layer(z: f64[4]) -> r: f64[4] {
  d = dropout z {rate = 0.5}
  r = mul d, 2.0
  return r
}
func pair(z: f64[4]) -> r: f64[4] {
  a = call layer(z)
  b = call layer(z)
  r = add a, b
  return r
}
func f(x: f64[4]) -> f64[4] {
)";
  const std::string one = head +
                          "  p = call pair(x)\n  q = call pair(x)\n  y = call layer(x)\n"
                          "  s = add p, q\n  t = add s, y\n  return t\n}\n";
  const std::string two = head +
                          "  y = call layer(x)\n  q = call pair(x)\n  p = call pair(x)\n"
                          "  s = add p, q\n  t = add s, y\n  return t\n}\n";
  std::string printed[2];
  const auto first = streams_of(one, &printed[0]), second = streams_of(two, &printed[1]);
  INFO(printed[0] << printed[1]);
  std::set<std::string> distinct;
  for (const auto& [name, stream] : first) distinct.insert(stream);
  CHECK(first.size() == 5);
  CHECK(distinct.size() == 5);
  CHECK(first == second);
  // A dump of the module says the same.
  ir::Module m = parsed(one);
  if (Status s = ir::inline_calls(m, m.find_function("f")->graph); !s) FAIL(s.errors().text());
  std::string again;
  CHECK(streams_of(ir::print(m), &again) == first);
}

TEST_CASE("a gradient by patterns gives results in the order of declarations") {
  const ir::Module m = derived(R"(tenon 1
module order
param a.w : f64[2] = ones
param b.w : f64[2] = ones
param c.b : f64[2] = ones
func loss(x: f64[2]) -> l: f64[] {
  p = mul x, c.b
  q = mul p, b.w
  r = add q, a.w
  l = reduce_sum r
  return l
}
derive all = grad loss
derive some = grad loss {wrt = [c.*, *.w]}
)");
  const auto names = [&](const char* f) { return m.find_function(f)->result_names; };
  CHECK(names("all") == std::vector<std::string>{"a.w'", "b.w'", "c.b'"});
  CHECK(names("some") == std::vector<std::string>{"c.b'", "a.w'", "b.w'"});
}
