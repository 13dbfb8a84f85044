// Convolutions of drawn geometries, forward and both gradients, on all engines: borders, strides, dilation of
// both sides, padding beyond the window and negative, groups, every order of dimensions, empty results,
// symbolic batch; channels about the sizes of tiles and vectors.
#include "models.h"
#include "target/target.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;

namespace {

class Draw {
 public:
  explicit Draw(uint64_t seed) : state_(seed * 2 + 1) {
    for (int i = 0; i < 4; ++i) (*this)(0, 1);
  }
  int64_t operator()(int64_t low, int64_t high) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return low + static_cast<int64_t>((state_ >> 33) % static_cast<uint64_t>(high - low + 1));
  }
  int64_t of(std::initializer_list<int64_t> choices) {
    return *(choices.begin() + (*this)(0, static_cast<int64_t>(choices.size()) - 1));
  }

 private:
  uint64_t state_;
};

std::string list(const std::vector<int64_t>& values) {
  std::string out;
  for (const int64_t v : values) out += (out.empty() ? "" : ", ") + std::to_string(v);
  return "[" + out + "]";
}

// A model whose `l` is a sum over the convolution's results, weighted by c; `f` the convolution itself with a
// bias and what follows it.
std::string geometry(uint64_t seed, std::string* told) {
  Draw draw(seed);
  const auto windows = static_cast<size_t>(draw.of({1, 1, 2, 2, 2, 2, 3}));
  const int64_t groups = draw.of({1, 1, 1, 2, 3}), most = windows == 3 ? 6 : windows == 2 ? 9 : 40;
  // Few or many channels, one for each of many groups, about a tile.
  const bool depthwise = draw(0, 5) == 0;
  const int64_t batch = depthwise ? draw.of({4, 17, 33}) : groups,
                in = depthwise ? 1 : draw.of({1, 2, 3, 5, 8, 17}),
                out = depthwise ? draw.of({1, 1, 2}) : draw.of({1, 3, 4, 8, 16, 17, 31, 48, 50});
  std::vector<int64_t> extent, taps, stride, low, results, left, right, turned;
  for (size_t w = 0; w < windows; ++w) {
    extent.push_back(draw(1, most));
    taps.push_back(draw.of({1, 1, 2, 3, 3, 3, 5}));
    stride.push_back(draw.of({1, 1, 1, 2, 3}));
    left.push_back(draw.of({1, 1, 1, 1, 2, 3}));
    right.push_back(draw.of({1, 1, 1, 2}));
    turned.push_back(draw.of({0, 0, 1}));
    low.push_back(draw.of({0, 0, 1, 1, 2, 4, -1}));
    const int64_t room =
        (extent[w] - 1) * left[w] + 1 + low[w] + draw.of({0, 1, 2, 5, -1}) - (taps[w] - 1) * right[w] - 1;
    results.push_back(room < 0 ? draw.of({0, 1}) : room / stride[w] + 1);
  }
  // Dimensions in drawn orders: n, windows, g, c of x; windows, g, c, o of w.
  struct Dimension {
    std::string extent;
    int role;  // 0 batch, 1 contract, 2 + w window, -1 free
  };
  auto shuffled = [&](std::vector<Dimension> dims, bool usual) {
    if (!usual)
      for (size_t i = dims.size(); i > 1; --i)
        std::swap(dims[i - 1], dims[static_cast<size_t>(draw(0, static_cast<int64_t>(i) - 1))]);
    return dims;
  };
  const bool usual = draw(0, 2) != 0;
  std::vector<Dimension> x{{"n", -1}}, w;
  for (size_t i = 0; i < windows; ++i) {
    x.push_back({std::to_string(extent[i]), 2 + static_cast<int>(i)});
    w.push_back({std::to_string(taps[i]), 2 + static_cast<int>(i)});
  }
  if (batch != 1) x.push_back({std::to_string(batch), 0}), w.push_back({std::to_string(batch), 0});
  x.push_back({std::to_string(in), 1}), w.push_back({std::to_string(in), 1});
  w.push_back({std::to_string(out), -1});
  x = shuffled(x, usual), w = shuffled(w, usual);
  auto shape = [](const std::vector<Dimension>& dims) {
    std::string text;
    for (const Dimension& d : dims) text += (text.empty() ? "" : ",") + d.extent;
    return "f32[" + text + "]";
  };
  auto places = [](const std::vector<Dimension>& dims, int role) {
    std::vector<int64_t> at;
    for (size_t d = 0; d < dims.size(); ++d)
      if (dims[d].role == role) at.push_back(static_cast<int64_t>(d));
    return at;
  };
  std::vector<int64_t> over, by;
  for (size_t i = 0; i < windows; ++i) {
    over.push_back(places(x, 2 + static_cast<int>(i))[0]);
    by.push_back(places(w, 2 + static_cast<int>(i))[0]);
  }
  std::vector<Dimension> y;
  for (const Dimension& d : x)
    if (d.role != 1)
      y.push_back(d.role >= 2 ? Dimension{std::to_string(results[static_cast<size_t>(d.role - 2)]), d.role}
                              : d);
  y.push_back({std::to_string(out), -1});
  const std::string attrs =
      "{lhs_batch = " + list(places(x, 0)) + ", rhs_batch = " + list(places(w, 0)) +
      ", lhs_contract = " + list(places(x, 1)) + ", rhs_contract = " + list(places(w, 1)) +
      ", lhs_window = " + list(over) + ", rhs_window = " + list(by) + ", stride = " + list(stride) +
      ", low = " + list(low) + ", extents = " + list(results) + ", lhs_dilation = " + list(left) +
      ", rhs_dilation = " + list(right) + ", reversed = " + list(turned) +
      (draw(0, 3) == 0 ? ", block = " + std::to_string(draw(1, 40)) : "") + "}";
  *told = shape(x) + " " + shape(w) + " " + attrs;
  return "tenon 1\nmodule m\ndim n = 0..64\nfunc f(x: " + shape(x) + ", w: " + shape(w) + ", b: f32[" +
         std::to_string(out) + "]) -> y: " + shape(y) + " {\n  v = convolution x, w " + attrs +
         "\n  z = add v, b\n  y = relu z\n  return y\n}\nfunc l(x: " + shape(x) + ", w: " + shape(w) +
         ", c: " + shape(y) + ") -> l: f32[] {\n  v = convolution x, w " + attrs +
         "\n  p = mul v, c\n  l = reduce_sum p\n  return l\n}\nderive g = grad l {wrt = [x, w]}\n";
}

void agree(uint64_t first, uint64_t count) {
  for (const char* cpu : {"x86-64-v3", "x86-64-v4"}) {
    const target::Target* target = target::find_target(cpu);
    REQUIRE(target != nullptr);
    if (!target->runs_here()) continue;
    for (uint64_t seed = first; seed < first + count; ++seed) {
      std::string told;
      const std::string text = geometry(seed, &told);
      INFO(cpu << " seed " << seed << ": " << told);
      EngineOptions options;
      options.compile.cpu = cpu;
      for (const char* function : {"f", "g"}) {
        INFO(function);
        const auto e = engines(text, function, options);
        require_agreement(*e, {{"n", 3}}, seed);
        require_agreement(*e, {{"n", seed % 3 == 0 ? 0 : 1}}, seed);
      }
    }
  }
}

}  // namespace

// Of windows of sizes that are known in the call only, some of which may be empty.
TEST_CASE("operations over windows of symbolic sizes have derivatives, equal on all engines") {
  struct Case {
    const char *dims, *x, *y, *op;
  };
  const Case cases[] = {
      {"n = 3..64", "n,4", "(n - 3)/2 + 1,4", "window_max x {axes = [0], size = [3], stride = [2]}"},
      {"n = 3..64", "n,4", "(n - 3)/2 + 1,4", "window_prod x {axes = [0], size = [3], stride = [2]}"},
      {"n = 0..64", "n,3", "4,3",
       "window_max x {axes = [0], size = [2], stride = [1], low = [1], extents = [4]}"},
      {"n = 0..64", "n,3", "n,3",
       "window_sum x {axes = [0], size = [2], stride = [3], low = [1], extents = [n]}"},
      {"n = 0..64", "3,n", "3,n", "local_response_norm x {size = 5}"},
      {"n = 2..64", "2,n,n,4", "2,n/2,n/2,4", "max_pool2d x {size = [2, 2]}"},
      {"n = 2..64", "2,n,n,4", "2,n/2,n/2,4", "avg_pool2d x {size = [2, 2]}"},
      {"n = 3..64", "1,n,n,2", "1,n - 2,n - 2,2", "avg_pool2d x {size = [3, 3], stride = [1, 1]}"},
      {"n = 3..64", "2,n,8", "2,n,8", "group_norm x {groups = 2}"}};
  for (const Case& k : cases) {
    INFO(k.op);
    const std::string x = "f32[" + std::string(k.x) + "]", y = "f32[" + std::string(k.y) + "]";
    const std::string text =
        "tenon 1\nmodule m\ndim " + std::string(k.dims) + "\nfunc l(x: " + x + ", c: " + y +
        ") -> l: f32[] {\n  y = " + k.op +
        "\n  p = mul y, c\n  l = reduce_sum p\n  return l\n}\nderive g = grad l {wrt = [x]}\n";
    for (const char* function : {"l", "g"}) {
      const auto e = engines(text, function);
      for (const int64_t n : {3, 4, 9}) require_agreement(*e, {{"n", n}}, 1);
    }
  }
}

TEST_CASE("windows of which a lane or two lie inside read nothing beyond") {
  for (const char* cpu : {"x86-64-v3", "x86-64-v4"}) {
    if (!target::find_target(cpu)->runs_here()) continue;
    INFO(cpu);
    EngineOptions options;
    options.compile.cpu = cpu;
    const auto e = engines(
        "tenon 1\nmodule m\ndim n = 1..64\nfunc f(x: f64[8,n]) -> y: f64[n,3] {\n  y = window_prod x {axes = "
        "[0, 1], "
        "size = [1, 1], stride = [1, 3], low = [-1, 1], extents = [n, 3]}\n  return y\n}\n",
        "f", options);
    for (int64_t n = 1; n < 12; ++n) require_agreement(*e, {{"n", n}}, 1);
  }
}

TEST_CASE("convolutions of drawn geometries have equal bits on all engines, gradients too") { agree(0, 40); }
TEST_CASE("a thousand geometries of convolutions have equal bits on all engines", "[long]") {
  agree(1000, 1000);
}
