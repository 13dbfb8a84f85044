// Table 7: matrix products from graph files, both operands inputs, one thread, beside OpenBLAS and oneDNN.
//
//   matmul [--baked] [--quick] [NAME...]    NAME: part of a row's name
#include <cblas.h>
#include <dnnl.h>

#include <cstring>
#include <tenon/tenon.hpp>

#include "bench.h"

namespace tn = tenon;

namespace {

struct Case {
  int64_t m, n, k;
  bool ta, tb;
  bool baked;
  double floor;  // of the probe that is asked for; 0: none
  bool beat;     // counts for the geometric mean against the libraries
  std::string name() const {
    return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + " " + (ta ? "T" : "N") +
           (tb ? "T" : "N") + (baked ? " baked" : "");
  }
};

std::string graph(const Case& c) {
  auto shape = [](int64_t rows, int64_t columns) {
    return "f32[" + std::to_string(rows) + "," + std::to_string(columns) + "]";
  };
  const std::string a = c.ta ? shape(c.k, c.m) : shape(c.m, c.k),
                    b = c.tb ? shape(c.n, c.k) : shape(c.k, c.n);
  return "tenon 1\nmodule product\n" + (c.baked ? "param b : " + b + " = uniform(-1.0, 1.0)\n" : "") +
         "func product(a: " + a + (c.baked ? "" : ", b: " + b) + ") -> c: " + shape(c.m, c.n) +
         " {\n  c = dot_general a, b {lhs_contract = [" + (c.ta ? "0" : "1") + "], rhs_contract = [" +
         (c.tb ? "1" : "0") + "]}\n  return c\n}\n";
}

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const int64_t size : {256, 320, 384, 512, 640, 768, 896, 1024, 2048})
    for (const int kind : {0, 1, 2}) {  // NN, NT, TN
      const bool nt = kind == 1;
      double floor = size == 2048 ? 0.86 : 0.90;
      if (nt) floor = size % 1024 == 0 ? 0.80 : 0.85;
      out.push_back({size, size, size, kind == 2, nt, false, floor, true});
    }
  const int64_t shapes[][3] = {{64, 64, 64},     {128, 768, 768}, {128, 3072, 768},
                               {32, 3072, 768},  {100, 100, 100}, {127, 127, 127},
                               {768, 3072, 128}, {1, 3072, 768},  {8, 3072, 768}};
  for (const auto& s : shapes) out.push_back({s[0], s[1], s[2], false, false, false, 0, s[0] >= 32});
  for (const int64_t size : {256, 512, 1024, 2048})
    out.push_back({size, size, size, false, false, true, 0.93, false});
  for (const auto& s : shapes) out.push_back({s[0], s[1], s[2], false, false, true, 0, false});
  return out;
}

struct Means {
  double log_sum = 0;
  int rows = 0;
};

void row(const Case& c, Means& means, double limit) {
  std::vector<float> a(static_cast<size_t>(c.m * c.k)), b(static_cast<size_t>(c.k * c.n)),
      out(static_cast<size_t>(c.m * c.n)), blas(out.size()), one(out.size());
  bench::fill(a, 1);
  bench::fill(b, 2);
  const std::vector<int64_t> sa = c.ta ? std::vector<int64_t>{c.k, c.m} : std::vector<int64_t>{c.m, c.k},
                             sb = c.tb ? std::vector<int64_t>{c.n, c.k} : std::vector<int64_t>{c.k, c.n};
  const tn::Module module = tn::parse(graph(c));
  tn::CompileOptions options;
  tn::Program program = tn::compile(module);
  tn::State state = program.init(1);
  if (c.baked) {
    state.set("b", tn::view(b, sb));
    options.baked = {"b"};
    program = tn::compile(module, options, &state);
    state = program.init(1);
  }
  tn::Session session(program, state, {.threads = 1});
  std::vector<tn::Tensor> inputs{tn::view(a, sa)};
  if (!c.baked) inputs.push_back(tn::view(b, sb));
  tn::BoundCall call = session.bind("product", inputs, {tn::view(out, {c.m, c.n})});

  const int lda = static_cast<int>(sa[1]), ldb = static_cast<int>(sb[1]), ldc = static_cast<int>(c.n);
  const double flop = 2.0 * static_cast<double>(c.m * c.n * c.k);
  const std::vector<bench::Contender> contenders{
      {"tenon", [&] { call.run(); }, flop},
      {"OpenBLAS",
       [&] {
         cblas_sgemm(CblasRowMajor, c.ta ? CblasTrans : CblasNoTrans, c.tb ? CblasTrans : CblasNoTrans,
                     static_cast<int>(c.m), static_cast<int>(c.n), static_cast<int>(c.k), 1, a.data(), lda,
                     b.data(), ldb, 0, blas.data(), ldc);
       },
       flop},
      {"oneDNN",
       [&] {
         dnnl_sgemm(c.ta ? 'T' : 'N', c.tb ? 'T' : 'N', c.m, c.n, c.k, 1, a.data(), lda, b.data(), ldb, 0,
                    one.data(), ldc);
       },
       flop}};
  const auto figures = bench::measure(contenders, {.limit = limit});
  bench::check("OpenBLAS", bench::difference(out, blas), 1e-5);
  bench::check("oneDNN", bench::difference(out, one), 1e-5);
  const double better = std::min(figures[1].seconds, figures[2].seconds), ratio = better / figures[0].seconds;
  if (c.beat) {
    means.log_sum += std::log(ratio);
    ++means.rows;
  }
  std::printf("%-24s %6.2f%-1s %6.2f%-1s %6.2f%-1s %8.2f", c.name().c_str(), figures[0].fraction,
              bench::mark(figures[0]), figures[1].fraction, bench::mark(figures[1]), figures[2].fraction,
              bench::mark(figures[2]), ratio);
  if (c.floor > 0)
    std::printf("  %.2f %s", c.floor, figures[0].fraction >= c.floor ? "met" : "MISSED");
  else if (c.m >= 32 && !c.baked)
    std::printf("  0.93x %s", ratio >= 0.93 ? "met" : "MISSED");
  else if (c.m < 32 && c.baked)
    std::printf("  0.90x %s", ratio >= 0.90 ? "met" : "MISSED");
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> names;
  double limit = 8;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0)
      limit = 1.5;
    else
      names.push_back(argv[i]);
  }
  Means means;
  std::printf("fractions of the probe; ratio: time of the better library over Tenon's\n");
  std::printf("%-24s %7s %7s %7s %8s  %s\n", "MxNxK", "Tenon", "OpenBLAS", "oneDNN", "ratio", "asked");
  try {
    for (const Case& c : cases()) {
      bool wanted = names.empty();
      for (const std::string& name : names) wanted = wanted || c.name().find(name) != std::string::npos;
      if (wanted) row(c, means, limit);
    }
  } catch (const tn::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  std::printf("probe %.0f GFLOP/s", bench::peak());
  if (means.rows > 0)
    std::printf("; geometric mean of %d rows: %.2fx the better library", means.rows,
                std::exp(means.log_sum / means.rows));
  std::printf("\n");
  return 0;
}
