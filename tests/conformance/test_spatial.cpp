// Resizing, padding, windows, adaptive pools and augmentation on all engines: forward and gradient, sizes
// that are known and sizes that the call tells, both layouts; a training step with augmented images.
#include "ir/builder.h"
#include "ir/print.h"
#include "models.h"
#include "ops/draw.h"

using namespace tenon;
using namespace tenon::test;
using namespace tenon::support;

namespace {

struct Case {
  const char *dims, *x, *y, *op;
};

std::string text_of(const Case& k) {
  const std::string x = "f32[" + std::string(k.x) + "]", y = "f32[" + std::string(k.y) + "]";
  return "tenon 1\nmodule m\ndim n = " + std::string(k.dims) + "\nfunc l(x: " + x + ", c: " + y +
         ") -> l: f32[], y: " + y + " {\n  y = " + k.op +
         "\n  p = mul y, c\n  l = reduce_sum p\n  return l, y\n}\nderive g = grad l {wrt = [x]}\n";
}

void agree(const Case& k, std::initializer_list<int64_t> sizes) {
  INFO(k.op << " of " << k.x);
  const std::string text = text_of(k);
  for (const char* function : {"l", "g"}) {
    INFO(function);
    const auto e = engines(text, function);
    for (const int64_t n : sizes) require_agreement(*e, {{"n", n}}, static_cast<uint64_t>(n));
  }
}

// The declaration's own sample, as text: `l` is the sum of the result weighted by c, `g` its gradient.
std::string drawn_text(const ir::OpDef& op, uint64_t seed) {
  Draw draw(seed);
  const Draw::Drawn drawn = draw.sample(op, seed % 3 == 0 ? DType::f64 : DType::f32);
  ir::Module module = module_with_n();
  ir::Function& f = module.functions.emplace_back();
  f.name = "l";
  std::vector<ir::ValueId> args;
  std::string names;
  for (const ir::Type& type : drawn.operands) {
    const std::string name = "a" + std::to_string(args.size());
    args.push_back(f.graph.add_arg(type, ir::ArgKind::input, name));
    names += (names.empty() ? "" : ", ") + name;
  }
  ir::Builder b(f.graph, &module);
  const ir::ValueId y = b.emit_all(op, args, drawn.attrs)[0];
  b.set_name(y, "y");
  const ir::Type type = b.type(y);
  const ir::ValueId c = f.graph.add_arg(type, ir::ArgKind::input, "c");
  f.graph.results = {b.emit("reduce_sum", {b.emit("mul", {y, c})}), y};
  f.returns = 2;
  f.result_names.resize(2);
  return ir::print(module) + "derive g = grad l {wrt = [" + names + "], mode = training}\n";
}

void drawn_agree(uint64_t first, uint64_t count) {
  for (const std::string_view name :
       {"resize", "pixel_shuffle", "pixel_unshuffle", "pad_edge", "pad_reflect", "pad_symmetric", "pad_wrap",
        "unfold", "fold", "adaptive_avg_pool", "adaptive_max_pool", "max_pool2d", "avg_pool1d", "group_norm",
        "random_crop", "random_shift", "random_flip", "cutout"})
    for (uint64_t seed = first; seed < first + count; ++seed) {
      const std::string text = drawn_text(*ir::op_table().find(name), seed);
      INFO("seed " << seed << "\n" << text);
      for (const char* function : {"l", "g"}) {
        INFO(function);
        const auto e = engines(text, function);
        require_agreement(*e, {{"n", 3}}, seed);
        if (seed % 4 == 0) require_agreement(*e, {{"n", 1}}, seed);
      }
    }
}

}  // namespace

TEST_CASE("drawn geometries of spatial operations have equal bits on all engines") { drawn_agree(0, 5); }
TEST_CASE("more drawn geometries of spatial operations have equal bits on all engines", "[long]") {
  drawn_agree(100, 100);
}

TEST_CASE("resize on all engines, by factors of any size and by tables of known ones") {
  for (const Case& k :
       {Case{"1..16", "2,n,3", "2,3*n,3", "resize x {scale = [3]}"},
        Case{"1..16", "2,n,3", "2,4*n,3", "resize x {scale = [4], method = linear}"},
        Case{"1..16", "1,n,n,5", "1,2*n,3*n,5", "resize x {scale = [2, 3], method = cubic}"},
        Case{"1..16", "1,3,n,n", "1,3,2*n,2*n",
             "resize x {scale = [2, 2], method = linear, layout = channels_first}"},
        Case{"1..16", "2,2*n,6*n,4", "2,n,2*n,4", "resize x {size = [n, 2*n], method = linear}"},
        Case{"1..16", "2,2*n,3*n,1", "2,n,n,1", "resize x {size = [n, n]}"},
        Case{"0..16", "n,5,7,3", "n,8,4,3", "resize x {size = [8, 4], method = linear}"},
        Case{"0..16", "n,5,7,3", "n,9,9,3",
             "resize x {size = [9, 9], method = cubic, coordinates = align_corners}"},
        Case{"0..16", "n,3,4,3,2", "n,5,3,2,2", "resize x {size = [5, 3, 2]}"},
        Case{"1..16", "1,n,2", "1,2*n,2",
             "resize x {scale = [2], method = linear, coordinates = asymmetric}"}})
    agree(k, {1, 2, 5});
}

TEST_CASE("padding, windows and blocks on all engines") {
  for (const Case& k :
       {Case{"1..16", "n,3", "n+5,3", "pad_edge x {low = [3, 0], high = [2, 0]}"},
        Case{"4..16", "2,n,n", "2,n+5,n+3", "pad_reflect x {low = [0, 3, 1], high = [0, 2, 2]}"},
        Case{"3..16", "n,17", "n+6,20", "pad_symmetric x {low = [3, 1], high = [3, 2]}"},
        Case{"3..16", "n,17", "n+3,34", "pad_wrap x {low = [0, 17], high = [3, 0]}"},
        Case{"3..16", "n", "3*n", "pad_wrap x {low = [n], high = [n]}"},
        Case{"3..16", "2,n,n,3", "2,n-2,n-2,27", "unfold x {size = [3, 3]}"},
        Case{"3..16", "2,n,5", "2,(n+1)/2,10", "unfold x {size = [2], stride = [2], low = [1]}"},
        Case{"3..16", "2,3,n,8", "2,12,(n-1)/3+1,4",
             "unfold x {size = [2, 2], stride = [3, 2], low = [1, 0], high = [0, 1], layout = "
             "channels_first}"},
        Case{"3..16", "2,n-2,n-2,27", "2,n,n,3", "fold x {size = [3, 3], extents = [n, n]}"},
        Case{
            "3..16", "2,12,(n-1)/3+1,4", "2,3,n,8",
            "fold x {size = [2, 2], extents = [n, 8], stride = [3, 2], low = [1, 0], high = [0, 1], layout = "
            "channels_first}"},
        Case{"1..16", "2,n,n,12", "2,2*n,2*n,3", "pixel_shuffle x {factor = 2}"},
        Case{"1..16", "2,3,2*n,2*n", "2,12,n,n",
             "pixel_unshuffle x {factor = 2, order = dcr, layout = channels_first}"}})
    agree(k, {4, 5, 8});
}

TEST_CASE("adaptive pools and pools in ceil_mode on all engines") {
  for (const Case& k :
       {Case{"1..16", "2,n,3", "2,4,3", "adaptive_avg_pool x {size = [4]}"},
        Case{"1..16", "2,3,n,n", "2,3,2,3", "adaptive_max_pool x {size = [2, 3], layout = channels_first}"},
        Case{"0..16", "n,8,7,5", "n,4,3,5", "adaptive_avg_pool x {size = [4, 3]}"},
        Case{"0..16", "n,8,7,5", "n,3,2,5", "adaptive_max_pool x {size = [3, 2]}"},
        Case{"1..16", "n,4*n,2", "n,4,2", "adaptive_avg_pool x {size = [4]}"},
        Case{"2..16", "2,n,n,4", "2,(n+1)/2,(n+1)/2,4", "max_pool2d x {size = [2, 2], ceil_mode = true}"},
        Case{"2..16", "2,n,4", "2,(n+2)/2,4",
             "avg_pool1d x {size = [3], stride = [2], low = [1], high = [1], ceil_mode = true, count_padding "
             "= "
             "true}"},
        Case{"2..16", "2,8,n", "2,8,n", "group_norm x {groups = 4, axis = 1}"},
        Case{"2..16", "2,6,n,n", "2,6,n,n", "instance_norm x {axis = 1}"},
        Case{"2..16", "2,6,n", "2,6,n", "local_response_norm x {size = 3, axis = 1}"}})
    agree(k, {2, 4, 7});
}

TEST_CASE("a step on augmented images has equal bits on all engines, and its evaluation draws nothing") {
  const std::string text = R"(tenon 1
module m
dim batch = 1..64
param tone : f32[3] = ones
param conv.w : f32[3,3,3,4] = he_uniform
param fc.w : f32[4,5] = glorot_uniform
func logits(image: f32[batch,8,8,3]) -> f32[batch,5] {
  toned   = mul image, tone
  cropped = random_crop toned {padding = [2, 2], border = reflect}
  flipped = random_flip cropped
  shifted = random_shift flipped {most = [1, 1]}
  cut     = cutout shifted {size = [3, 3]}
  h       = conv2d cut, conv.w
  a       = relu h
  pooled  = adaptive_avg_pool a {size = [1, 1]}
  flat    = flatten pooled
  z       = dense flat, fc.w
  return z
}
func loss(image: f32[batch,8,8,3], label: i32[batch]) -> f32[] {
  z = call logits(image)
  l = cross_entropy z, label
  return l
}
derive train = step loss {with = sgd {lr = 0.1}}
)";
  EngineOptions options;
  options.integers = 5;
  for (const char* function : {"train", "logits"}) {
    INFO(function);
    const auto e = engines(text, function, options);
    for (const int64_t batch : {1, 3, 17}) require_agreement(*e, {{"batch", batch}}, 4);
  }
  // Inference does not depend on the seed: it is no argument.
  const auto e = engines(text, "logits", options);
  const ir::Graph& graph = e->function().graph;
  for (const ir::ValueId a : graph.args) CHECK(graph.value(a).name.find("rng") == std::string::npos);
}
