// Table 6: a million trips over a 3 x 3 state, beside the same loop in C.
//
//   loops NAME=LIBRARY...    what tiny_c.c became under each compiler
#include <tenon/tenon.hpp>

#include "bench.h"
#include "peers_c.h"

namespace tn = tenon;

int main(int argc, char** argv) {
  const std::vector<bench::CPeer> peers = bench::c_peers(argc, argv);
  constexpr int64_t trips = 1000000;
  const char* text = R"(tenon 1
module recurrence
func run(m: f32[3,3], c: f32[3,3], s: f32[3,3]) -> last: f32[3,3] {
  last = loop (a = s; ; w = m, k = c) {trip = 1000000} {
    p = dot_general a, w {lhs_contract = [1], rhs_contract = [0]}
    q = add p, k
    yield q
  }
  return last
}
)";
  try {
    const tn::Program program = tn::compile(tn::parse(text));
    tn::State state = program.init(1);
    tn::Session session(program, state, {.threads = 1});
    std::vector<float> m(9), c(9), s(9), out(9), theirs(9);
    bench::fill(m, 1);
    bench::fill(c, 2);
    bench::fill(s, 3);
    for (float& v : m) v *= 0.4f;  // a contraction: the state converges
    tn::BoundCall call = session.bind("run", {tn::view(m, {3, 3}), tn::view(c, {3, 3}), tn::view(s, {3, 3})},
                                      {tn::view(out, {3, 3})});
    std::vector<bench::Contender> contenders{{"tenon", [&] { call.run(); }, 0}};
    for (const bench::CPeer& peer : peers)
      contenders.push_back({peer.name,
                            [&, f = peer.loop3] {
                              theirs = s;
                              f(m.data(), c.data(), theirs.data(), trips);
                            },
                            0});
    for (size_t i = 1; i < contenders.size(); ++i) {
      contenders[0].run();
      contenders[i].run();
      bench::check(contenders[i].name.c_str(), bench::difference(out, theirs), 1e-5);
    }
    const auto figures = bench::measure(contenders, {.sample = 1e-3, .limit = 8});
    double best = 0;
    std::printf("a loop of a million trips over a 3 x 3 state, ns a trip\n");
    for (const bench::Figure& f : figures) {
      std::printf("  %-12s %8.2f%s\n", f.name.c_str(), f.seconds / trips * 1e9, bench::mark(f));
      if (&f != figures.data() && (best == 0 || f.seconds < best)) best = f.seconds;
    }
    if (best > 0) {
      const double ratio = figures[0].seconds / best;
      std::printf("  Tenon over the best C: %.2f, asked <= 1.50: %s\n", ratio,
                  ratio <= 1.5 ? "met" : "MISSED");
    }
  } catch (const tn::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
