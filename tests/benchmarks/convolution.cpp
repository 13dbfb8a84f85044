// Table 13: single convolutions, forward and both gradients, one thread, beside oneDNN in its own layouts
// (what it packs beforehand is not counted).
//
//   convolution [--quick] [--batch N]... [NAME...]    NAME: part of a row's name
#include <dnnl.hpp>

#include <cstring>
#include <tenon/tenon.hpp>
#include <unordered_map>

#include "bench.h"

namespace tn = tenon;

namespace {

struct Layer {
  int64_t size, in, out, taps, stride, groups;
  int64_t results() const { return (size + 2 * padding() - taps) / stride + 1; }
  int64_t padding() const { return taps / 2; }
  std::string name() const {
    std::string text = std::to_string(taps) + "x" + std::to_string(taps) +
                       (stride != 1 ? " s" + std::to_string(stride) : "");
    return text + " " + std::to_string(in) + (groups != 1 ? " depthwise" : "->" + std::to_string(out)) + " " +
           std::to_string(size) + "^2";
  }
};

constexpr Layer layers[] = {{56, 64, 64, 3, 1, 1},    {28, 128, 128, 3, 1, 1},   {14, 256, 256, 3, 1, 1},
                            {7, 512, 512, 3, 1, 1},   {56, 64, 256, 1, 1, 1},    {14, 1024, 256, 1, 1, 1},
                            {56, 64, 128, 3, 2, 1},   {14, 256, 512, 3, 2, 1},   {224, 3, 64, 7, 2, 1},
                            {112, 32, 32, 3, 1, 32},  {56, 144, 144, 3, 1, 144}, {14, 512, 512, 3, 1, 512},
                            {56, 144, 144, 3, 2, 144}};

enum Direction { forward, backward_data, backward_weights };
constexpr const char* directions[] = {"forward", "data", "weights"};

std::string model(const Layer& l, int64_t n, Direction d, bool baked) {
  auto shape = [](std::initializer_list<int64_t> dims) {
    std::string text;
    for (const int64_t i : dims) text += (text.empty() ? "" : ",") + std::to_string(i);
    return "f32[" + text + "]";
  };
  const std::string x = shape({n, l.size, l.size, l.in}), w = shape({l.taps, l.taps, l.in / l.groups, l.out}),
                    y = shape({n, l.results(), l.results(), l.out}), p = std::to_string(l.padding()),
                    s = std::to_string(l.stride);
  const std::string layer = "conv2d x, w {stride = [" + s + ", " + s + "], low = [" + p + ", " + p +
                            "], high = [" + p + ", " + p + "], groups = " + std::to_string(l.groups) + "}";
  std::string text = "tenon 1\nmodule m\n";
  if (baked) text += "param w : " + w + " = uniform(-1.0, 1.0)\n";
  if (d == forward)
    return text + "func f(x: " + x + (baked ? "" : ", w: " + w) + ") -> y: " + y + " {\n  y = " + layer +
           "\n  return y\n}\n";
  return text + "func l(x: " + x + ", w: " + w + ", g: " + y + ") -> l: f32[] {\n  y = " + layer +
         "\n  p = mul y, g\n  l = reduce_sum p\n  return l\n}\nderive f = grad l {wrt = [" +
         (d == backward_data ? "x" : "w") + "]}\n";
}

// A primitive of oneDNN in the layouts it asks for.
class OneDnn {
 public:
  OneDnn(const Layer& l, int64_t n, Direction d) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    using dnnl::memory;
    auto any = [](memory::dims dims) {
      return memory::desc(std::move(dims), memory::data_type::f32, memory::format_tag::any);
    };
    const memory::desc x = any({n, l.in, l.size, l.size}), y = any({n, l.out, l.results(), l.results()}),
                       w = l.groups == 1 ? any({l.out, l.in, l.taps, l.taps})
                                         : any({l.groups, l.out / l.groups, l.in / l.groups, l.taps, l.taps});
    const memory::dims stride{l.stride, l.stride}, pad{l.padding(), l.padding()};
    const auto how = dnnl::algorithm::convolution_direct;
    const dnnl::convolution_forward::primitive_desc f(
        {d == forward ? dnnl::prop_kind::forward_inference : dnnl::prop_kind::forward_training, how, x, w, y,
         stride, pad, pad},
        engine_);
    auto make = [&](const memory::desc& desc) {
      memory m(desc, engine_);
      auto* data = static_cast<float*>(m.get_data_handle());
      for (size_t i = 0; i < desc.get_size() / sizeof(float); ++i)
        data[i] = 0.01f * static_cast<float>(i % 17) - 0.08f;
      return m;
    };
    if (d == forward) {
      primitive_ = dnnl::convolution_forward(f);
      arguments_ = {{DNNL_ARG_SRC, make(f.src_desc())},
                    {DNNL_ARG_WEIGHTS, make(f.weights_desc())},
                    {DNNL_ARG_DST, make(f.dst_desc())}};
    } else if (d == backward_data) {
      const dnnl::convolution_backward_data::primitive_desc b({how, x, w, y, stride, pad, pad}, engine_, f);
      primitive_ = dnnl::convolution_backward_data(b);
      arguments_ = {{DNNL_ARG_DIFF_DST, make(b.diff_dst_desc())},
                    {DNNL_ARG_WEIGHTS, make(b.weights_desc())},
                    {DNNL_ARG_DIFF_SRC, make(b.diff_src_desc())}};
    } else {
      const dnnl::convolution_backward_weights::primitive_desc b({how, x, w, y, stride, pad, pad}, engine_,
                                                                 f);
      primitive_ = dnnl::convolution_backward_weights(b);
      arguments_ = {{DNNL_ARG_SRC, make(b.src_desc())},
                    {DNNL_ARG_DIFF_DST, make(b.diff_dst_desc())},
                    {DNNL_ARG_DIFF_WEIGHTS, make(b.diff_weights_desc())}};
    }
  }
  void run() {
    primitive_.execute(stream_, arguments_);
    stream_.wait();
  }

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::primitive primitive_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

struct Means {
  double log_sum = 0;
  int rows = 0;
  void add(double ratio) {
    log_sum += std::log(ratio);
    ++rows;
  }
};

void row(const Layer& l, int64_t n, Direction d, double limit, Means* means) {
  const int64_t r = l.results();
  const std::vector<int64_t> sx{n, l.size, l.size, l.in}, sw{l.taps, l.taps, l.in / l.groups, l.out},
      sy{n, r, r, l.out};
  auto count = [](const std::vector<int64_t>& shape) {
    size_t all = 1;
    for (const int64_t e : shape) all *= static_cast<size_t>(e);
    return all;
  };
  std::vector<float> x(count(sx)), w(count(sw)), g(count(sy)),
      out(count(d == forward         ? sy
                : d == backward_data ? sx
                                     : sw));
  bench::fill(x, 1);
  bench::fill(w, 2);
  bench::fill(g, 3);
  const bool baked = d == forward;
  const tn::Module module = tn::parse(model(l, n, d, baked));
  tn::CompileOptions options;
  tn::Program program = tn::compile(module);
  tn::State state = program.init(1);
  if (baked) {
    state.set("w", tn::view(w, sw));
    options.baked = {"w"};
    program = tn::compile(module, options, &state);
    state = program.init(1);
  }
  tn::Session session(program, state, {.threads = 1});
  std::vector<tn::Tensor> inputs{tn::view(x, sx)};
  if (!baked) inputs = {tn::view(x, sx), tn::view(w, sw), tn::view(g, sy)};
  tn::BoundCall call = session.bind("f", inputs,
                                    {tn::view(out, d == forward         ? sy
                                                   : d == backward_data ? sx
                                                                        : sw)});
  OneDnn peer(l, n, d);
  const double flop = 2.0 * static_cast<double>(n * r * r * l.out * (l.in / l.groups) * l.taps * l.taps);
  const auto figures = bench::measure(
      {{"tenon", [&] { call.run(); }, flop}, {"oneDNN", [&] { peer.run(); }, flop}}, {.limit = limit});
  const double ratio = figures[1].seconds / figures[0].seconds;
  means->add(ratio);
  std::printf("%-24s %4lld %-8s %6.2f%-1s %6.2f%-1s %8.2f\n", l.name().c_str(), static_cast<long long>(n),
              directions[d], figures[0].fraction, bench::mark(figures[0]), figures[1].fraction,
              bench::mark(figures[1]), ratio);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> names;
  std::vector<int64_t> batches;
  double limit = 6;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0)
      limit = 1.5;
    else if (std::strcmp(argv[i], "--batch") == 0 && i + 1 < argc)
      batches.push_back(std::atoll(argv[++i]));
    else
      names.push_back(argv[i]);
  }
  if (batches.empty()) batches = {1, 4, 32};
  Means means;
  std::printf("fractions of the probe, padding counted as work; ratio: oneDNN's time over Tenon's\n");
  std::printf("%-24s %4s %-8s %7s %7s %8s\n", "layer", "n", "", "Tenon", "oneDNN", "ratio");
  try {
    for (const Layer& l : layers)
      for (const int64_t n : batches)
        for (const Direction d : {forward, backward_data, backward_weights}) {
          bool wanted = names.empty();
          for (const std::string& name : names)
            wanted = wanted || (l.name() + " " + directions[d]).find(name) != std::string::npos;
          if (wanted) row(l, n, d, limit, &means);
        }
  } catch (const tn::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  if (means.rows > 0)
    std::printf("geometric mean of %d rows: %.2fx oneDNN\n", means.rows,
                std::exp(means.log_sum / means.rows));
  return 0;
}
