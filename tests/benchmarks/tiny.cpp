// Table 11: tiny models, where every nanosecond around the arithmetic shows, beside the best C.
//
//   tiny NAME=LIBRARY...    what tiny_c.c became under each compiler
#include <tenon/tenon.hpp>

#include "bench.h"
#include "peers_c.h"

namespace tn = tenon;

namespace {

// One line: Tenon, each C, the best C's name, time of Tenon over the best C.
void report(const std::string& name, const std::vector<bench::Figure>& figures, double unit, double allowed,
            double compile_ms) {
  size_t best = 1;
  for (size_t i = 2; i < figures.size(); ++i)
    if (figures[i].seconds < figures[best].seconds) best = i;
  std::printf("%-22s", name.c_str());
  for (const bench::Figure& f : figures) std::printf(" %9.1f%-1s", f.seconds / unit, bench::mark(f));
  if (figures.size() > 1) {
    const double ratio = figures[0].seconds / figures[best].seconds;
    std::printf("  %5.2f  <= %.2f %s", ratio, allowed, ratio <= allowed ? "met" : "MISSED");
  }
  std::printf("  compiled in %.0f ms\n", compile_ms);
  std::fflush(stdout);
}

void linear(const std::vector<bench::CPeer>& peers, int features, uint32_t batch, double allowed) {
  constexpr int rows = 100, epochs = 1000;
  const std::string f = std::to_string(features);
  const tn::Module module = tn::parse(
      "tenon 1\nmodule linear\ndim batch = 1..4096\nhyper lr = 0.01 : f32\nparam fc.w : f32[" + f +
      ",1] = zeros\nparam fc.b : f32[1] = zeros\nfunc loss(x: f32[batch," + f +
      "], y: f32[batch,1]) -> loss: f32[] {\n  p = dense x, fc.w, fc.b\n  l = mse p, y\n  return l\n}\n" +
      "derive train = step loss {with = sgd {lr = lr}}\n");
  tn::CompileOptions options;
  options.bind["batch"] = batch;  // a constant, as in C
  const double start = bench::wall_seconds();
  const tn::Program program = tn::compile(module, options);
  const double compile_ms = 1e3 * (bench::wall_seconds() - start);

  std::vector<float> x(static_cast<size_t>(rows * features)), noise(rows), y(rows);
  bench::fill(x, 1);
  bench::fill(noise, 2);
  for (size_t r = 0; r < rows; ++r) {
    y[r] = 0.5f + 0.1f * noise[r];
    for (size_t k = 0; k < static_cast<size_t>(features); ++k)
      y[r] += (1.0f + static_cast<float>(k)) * x[r * static_cast<size_t>(features) + k];
  }
  const tn::Data data = tn::make_data({{"x", tn::view(x, {rows, features})}, {"y", tn::view(y, {rows, 1})}});
  tn::State state = program.init(7);
  tn::Session session(program, state, {.threads = 1});
  const std::vector<float> zeros(static_cast<size_t>(features));
  std::vector<float> w(zeros), b(1), losses(4096 * 16);
  std::vector<float> zero_w(zeros), zero_b(1);
  std::vector<bench::Contender> contenders{
      {"tenon", [&] { session.fit(data, {.batch = batch, .epochs = epochs}); }, 0}};
  for (const bench::CPeer& peer : peers)
    contenders.push_back({peer.name,
                          [&, fit = peer.linear_fit] {
                            std::fill(w.begin(), w.end(), 0.0f);
                            b[0] = 0;
                            fit(x.data(), y.data(), rows, epochs, features, static_cast<int>(batch), 0.01f, 7,
                                w.data(), b.data(), losses.data());
                          },
                          0});
  // The minimum of one convex function: all end beside it.
  for (size_t i = 1; i < contenders.size(); ++i) {
    contenders[0].run();
    contenders[i].run();
    const tn::Array tw = state.get("fc.w"), tb = state.get("fc.b");
    std::vector<float> ours(tw.as<float>().begin(), tw.as<float>().end()), theirs(w);
    ours.push_back(tb.as<float>()[0]);
    theirs.push_back(b[0]);
    bench::check(contenders[i].name.c_str(), bench::difference(ours, theirs), 0.02);
  }
  const auto figures = bench::measure(contenders, {.sample = 1e-3, .limit = 6});
  report(f + " features, batch " + std::to_string(batch), figures, 1e-6, allowed, compile_ms);
}

void mlp(const std::vector<bench::CPeer>& peers, const std::vector<int64_t>& sizes, bool tanh,
         double allowed) {
  auto number = [&](size_t i) { return std::to_string(sizes[i]); };
  std::string text = "tenon 1\nmodule tiny\ndim batch = 1..256\n", body, last = "x";
  for (size_t i = 0; i < 3; ++i) {
    const std::string n = std::to_string(i + 1);
    text += "param w" + n + " : f32[" + number(i) + "," + number(i + 1) + "] = glorot_uniform\nparam b" + n +
            " : f32[" + number(i + 1) + "] = uniform(-0.1, 0.1)\n";
    body += "  h" + n + " = dense " + last + ", w" + n + ", b" + n + "\n";
    if (i < 2) body += "  a" + n + (tanh ? " = tanh h" : " = relu h") + n + "\n";
    last = "a" + n;
  }
  text += "func predict(x: f32[batch," + number(0) + "]) -> y: f32[batch," + number(3) + "] {\n" + body +
          "  return h3\n}\n";
  const tn::Module module = tn::parse(text);
  tn::CompileOptions options;
  options.bind["batch"] = 1;
  const double start = bench::wall_seconds();
  const tn::Program program = tn::compile(module, options);
  const double compile_ms = 1e3 * (bench::wall_seconds() - start);
  tn::State state = program.init(3);
  tn::Session session(program, state, {.threads = 1});
  std::vector<float> x(static_cast<size_t>(sizes[0])), y(static_cast<size_t>(sizes[3])), c(y.size());
  bench::fill(x, 4);
  tn::BoundCall call = session.bind("predict", {tn::view(x, {1, sizes[0]})}, {tn::view(y, {1, sizes[3]})});
  std::vector<std::vector<float>> p;
  for (const char* name : {"w1", "b1", "w2", "b2", "w3", "b3"}) {
    const tn::Array value = state.get(name);
    p.emplace_back(value.as<float>().begin(), value.as<float>().end());
  }
  std::vector<bench::Contender> contenders{{"tenon", [&] { call.run(); }, 0}};
  for (const bench::CPeer& peer : peers)
    contenders.push_back({peer.name,
                          [&, f = tanh ? peer.mlp_tanh : peer.mlp_relu] {
                            f(x.data(), p[0].data(), p[1].data(), p[2].data(), p[3].data(), p[4].data(),
                              p[5].data(), c.data());
                          },
                          0});
  for (size_t i = 1; i < contenders.size(); ++i) {
    contenders[0].run();
    contenders[i].run();
    bench::check(contenders[i].name.c_str(), bench::difference(y, c), 1e-5);
  }
  const auto figures = bench::measure(contenders, {.sample = 1e-3, .limit = 6});
  report("mlp " + number(0) + "-" + number(1) + "-" + number(2) + "-" + number(3) + (tanh ? " tanh" : ""),
         figures, 1e-9, allowed, compile_ms);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<bench::CPeer> peers = bench::c_peers(argc, argv);
  std::printf(
      "linear fits: us for 1000 epochs of 100 rows; networks: ns a call; last: Tenon over the best C\n");
  std::printf("%-22s %10s", "", "Tenon");
  for (const bench::CPeer& peer : peers) std::printf(" %10s", peer.name.c_str());
  std::printf("\n");
  try {
    linear(peers, 1, 32, 1.1);
    for (int features = 2; features <= 5; ++features) linear(peers, features, 24, 1.375);
    mlp(peers, {16, 64, 64, 16}, false, 1.1);
    mlp(peers, {12, 40, 24, 9}, true, 1.375);
  } catch (const tn::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  std::printf("probe %.0f GFLOP/s\n", bench::peak());
  return 0;
}
