// What other libraries call otherwise: a row for each name that a user may bring along.
#include "ir/foreign_names.h"

#include <vector>

#include "ir/op_def.h"
#include "support/text.h"

namespace tenon::ops {
namespace {

struct Foreign {
  std::string_view name, here;
};

constexpr Foreign table[] = {
    {"binary_cross_entropy_with_logits", "binary_cross_entropy logits, targets"},
    {"adaptive_avg_pool2d", "adaptive_avg_pool x {size = [7, 7]}"},
    {"adaptive_max_pool2d", "adaptive_max_pool x {size = [7, 7]}"},
    {"arccos", "acos x"},
    {"arcsin", "asin x"},
    {"arctan", "atan x"},
    {"arctan2", "atan2 y, x"},
    {"bitwise_and", "bit_and a, b"},
    {"bitwise_not", "bit_not a"},
    {"bitwise_or", "bit_or a, b"},
    {"bitwise_xor", "bit_xor a, b"},
    {"batchnorm",
     "y, m, v = batch_norm x, scale, offset, mean, variance, then set mean = m, set variance = v"},
    {"bmm", "dot_general a, b {lhs_batch = [0], rhs_batch = [0]}"},
    {"circular_pad", "pad_wrap x {low = [...], high = [...]}"},
    {"clip", "clamp x, low, high"},
    {"col2im", "fold x {size = [3, 3], extents = [...]}"},
    {"conv", "conv2d x, w"},
    {"depth_to_space", "pixel_shuffle x {factor = 2, order = dcr}"},
    {"deconv2d", "conv_transpose2d x, w"},
    {"concatenate", "concat a, b {axis = 0}"},
    {"einsum", "dot_general a, b, with its batch and contracted axes, then transpose"},
    {"equal", "eq a, b"},
    {"expand_dims", "reshape x {shape = [...]}"},
    {"fill", "const, then broadcast"},
    {"full", "const, then broadcast"},
    {"gather", "take x, indices {axis = 0}"},
    {"greater", "gt a, b"},
    {"embedding", "take table, indices {axis = 0}"},
    {"im2col", "unfold x {size = [3, 3]}"},
    {"index_select", "take x, indices {axis = 0}"},
    {"interpolate", "resize x {scale = [2, 2], method = linear}"},
    {"kl_div", "kl_divergence log_q, p"},
    {"isinf", "is_inf x"},
    {"isnan", "is_nan x"},
    {"left_shift", "shift_left x, count"},
    {"less", "lt a, b"},
    {"linear", "dense x, w, b"},
    {"logical_and", "and a, b"},
    {"logical_not", "not a"},
    {"logical_or", "or a, b"},
    {"lrn", "local_response_norm x"},
    {"matmul", "dot a, b for two matrices, dense x, w, b with weights, dot_general with batches"},
    {"maxpool2d", "max_pool2d x {size = [2, 2]}"},
    {"maximum", "max a, b"},
    {"minimum", "min a, b"},
    {"mm", "dot a, b"},
    {"multi_margin_loss", "multiclass_hinge scores, labels"},
    {"mod", "floor_mod x, y with the sign of y; rem x, y with that of x, of integers"},
    {"multiply", "mul a, b"},
    {"negative", "neg x"},
    {"one_hot", "eq of the labels and an iota, then cast"},
    {"permute", "transpose x {perm = [1,0]}"},
    {"power", "pow x, y"},
    {"prod", "reduce_prod x {axes = [0]}"},
    {"random_erasing", "cutout x {size = [8, 8]}"},
    {"random_horizontal_flip", "random_flip x"},
    {"random_translation", "random_shift x {most = [4, 4]}"},
    {"replication_pad", "pad_edge x {low = [...], high = [...]}"},
    {"right_shift", "shift_right x, count"},
    {"rint", "round x"},
    {"space_to_depth", "pixel_unshuffle x {factor = 2, order = dcr}"},
    {"squeeze", "reshape x {shape = [...]}"},
    {"stack", "reshape each to have the new dimension, then concat"},
    {"subtract", "sub a, b"},
    {"sum", "reduce_sum x {axes = [0]}"},
    {"swish", "silu x"},
    {"unsqueeze", "reshape x {shape = [...]}"},
    {"upsample", "resize x {scale = [2, 2]}"},
    {"variance", "mean of the square of x minus its mean"},
    {"view", "reshape x {shape = [...]}"},
    {"where", "select condition, a, b"},
    {"zero_pad", "pad x, 0.0 {low = [...], high = [...]}"},
};

}  // namespace
}  // namespace tenon::ops

namespace tenon::ir {

std::string_view foreign_name(std::string_view name) {
  for (const ops::Foreign& f : ops::table)
    if (f.name == name) return f.here;
  return {};
}

std::string unknown_op_help(std::string_view name) {
  if (const std::string_view here = foreign_name(name); !here.empty())
    return "here it is written: " + std::string(here);
  std::vector<std::string_view> names;
  for (const OpDef* op : op_table().all()) names.push_back(op->name);
  const std::string_view near = support::nearest(name, names);
  return near.empty() ? std::string() : "did you mean " + std::string(near) + "?";
}

}  // namespace tenon::ir
