// Layers that bring their parameters, and short forms over the generated builder functions.
#pragma once

#include "tenon/ops.hpp"

TENON_NAMESPACE_BEGIN

namespace detail {

// A parameter of a layer; no value where the model has failed before.
inline Value layer_param(ModelCore* core, const std::string& name, const std::string& type,
                         const std::string& init, std::source_location where) {
  tenon_value v = TENON_NO_VALUE;
  if (core->collect && core->error) return Value(core, v);
  core->at(where);
  const bool done = core->pass(checked([&](tenon_error** e) {
    return tenon_model_param(core->model.get(), name.c_str(), type.c_str(), init.c_str(), 0, &v, e);
  }));
  return Value(core, done ? v : TENON_NO_VALUE);
}

// A state of a layer, and what steps leave in it.
inline Value layer_state(ModelCore* core, const std::string& name, const std::string& type,
                         const std::string& init, std::source_location where) {
  tenon_value v = TENON_NO_VALUE;
  if (core->collect && core->error) return Value(core, v);
  core->at(where);
  const bool done = core->pass(checked([&](tenon_error** e) {
    return tenon_model_state(core->model.get(), name.c_str(), type.c_str(), init.c_str(), &v, e);
  }));
  return Value(core, done ? v : TENON_NO_VALUE);
}
inline void layer_update(ModelCore* core, const Value& state, const Value& next, std::source_location where) {
  if (core->collect && core->error) return;
  core->at(where);
  core->pass(checked([&](tenon_error** e) {
    return tenon_model_update(core->model.get(), state.id(), next.id(), TENON_NO_VALUE, e);
  }));
}

inline Value layer_error(ModelCore* core, std::string message, std::source_location where) {
  core->at(where);
  core->pass(Error(106, std::move(message)));
  return Value(core, TENON_NO_VALUE);
}

inline std::string layer_name(ModelCore* core, const std::string& given, const char* kind) {
  return given.empty() ? kind + std::to_string(++core->layers) : given;
}

}  // namespace detail

struct DenseLayerOptions {
  /// Of the layer: its parameters are <name>.w and <name>.b. Empty: dense1, dense2, ...
  std::string name = {};
  std::string init = "glorot_uniform";
  bool bias = true;
};

/// A fully connected layer with parameters of its own: w [in, width] and b [width], of x's element type.
inline Value dense(const Value& x, int64_t width, const DenseLayerOptions& options = {},
                   std::source_location where = std::source_location::current()) {
  detail::ModelCore* core = x.core();
  if (core == nullptr || !x) return x;
  const std::string name = detail::layer_name(core, options.name, "dense");
  const std::vector<Dim> shape = x.shape();
  if (shape.empty())
    return detail::layer_error(core, "dense: x is a scalar, it wants at least one dimension", where);
  const std::string dtype(dtype_name(x.dtype())), out = std::to_string(width);
  const Value w = detail::layer_param(core, name + ".w", dtype + "[" + shape.back().text() + "," + out + "]",
                                      options.init, where);
  const Value b = options.bias
                      ? detail::layer_param(core, name + ".b", dtype + "[" + out + "]", "zeros", where)
                      : Value();
  DenseOptions rest;
  rest.name = name;
  return dense(x, w, b, rest, where);
}

struct Conv2dLayerOptions {
  /// Of the layer: its parameters are <name>.w and <name>.b. Empty: conv1, conv2, ...
  std::string name = {};
  std::string init = "he_uniform";
  bool bias = true;
  OptionalList<int64_t> stride = {}, dilation = {};
  /// valid: windows lie inside; same: extent / stride results, rounded up
  std::string padding = "valid";
  /// Channels in so many groups; as many as channels: depthwise.
  int64_t groups = 1;
};

namespace detail {

// The number that an extent is; -1 for one that is not known yet.
inline int64_t fixed_extent(const Dim& extent) {
  int64_t number = 0;
  const std::string& text = extent.text();
  const auto end = text.data() + text.size();
  return std::from_chars(text.data(), end, number).ptr == end ? number : -1;
}

// Of conv2d and conv_transpose2d, which take their weights' last two extents the other way round.
struct Conv2dParts {
  Value w, b;
  std::string name;
};
inline std::optional<Conv2dParts> conv2d_parts(const char* op, bool transposed, const Value& x,
                                               int64_t filters, const std::vector<int64_t>& taps,
                                               const Conv2dLayerOptions& options,
                                               std::source_location where) {
  ModelCore* core = x.core();
  if (core == nullptr || !x) return std::nullopt;
  const std::string name = layer_name(core, options.name, "conv"), kind(op);
  const std::vector<Dim> shape = x.shape();
  if (shape.size() != 4 || taps.size() != 2 || options.groups < 1) {
    layer_error(core, kind + ": wants x [batch, height, width, in], two numbers of taps and groups above 0",
                where);
    return std::nullopt;
  }
  Dim in = shape.back(), out = filters;
  Dim& divided = transposed ? out : in;
  if (options.groups != 1) {
    const int64_t channels = fixed_extent(divided);
    if (channels < 0 || channels % options.groups != 0) {
      layer_error(core,
                  kind + ": " + std::to_string(options.groups) + " groups do not divide " + divided.text() +
                      (transposed ? " filters" : " channels"),
                  where);
      return std::nullopt;
    }
    divided = channels / options.groups;
  }
  const std::vector<Dim> window{taps[0], taps[1], transposed ? out : in, transposed ? in : out};
  Conv2dParts parts;
  parts.name = name;
  parts.w = layer_param(core, name + ".w", type_text(x.dtype(), window), options.init, where);
  if (options.bias)
    parts.b = layer_param(core, name + ".b", type_text(x.dtype(), {Dim(filters)}), "zeros", where);
  return parts;
}

// The operation's options; its name goes to the result.
template <class Options>
Options conv2d_rest(const Conv2dLayerOptions& options, const std::string& name) {
  Options rest;
  rest.name = name;
  rest.stride = options.stride;
  rest.dilation = options.dilation;
  rest.padding = options.padding;
  rest.groups = options.groups;
  return rest;
}

}  // namespace detail

/// A convolutional layer over x [batch, height, width, in] with parameters of its own: w [taps..., in /
/// groups, filters] and b [filters], of x's element type.
inline Value conv2d(const Value& x, int64_t filters, const std::vector<int64_t>& taps,
                    const Conv2dLayerOptions& options = {},
                    std::source_location where = std::source_location::current()) {
  const auto parts = detail::conv2d_parts("conv2d", false, x, filters, taps, options, where);
  if (!parts) return Value(x.core(), TENON_NO_VALUE);
  return conv2d(x, parts->w, parts->b, detail::conv2d_rest<Conv2dOptions>(options, parts->name), where);
}

/// A transposed convolutional layer, which makes pictures larger (extent * stride with padding "same"): w
/// [taps..., filters / groups, in] and b [filters], of x's element type.
inline Value conv_transpose2d(const Value& x, int64_t filters, const std::vector<int64_t>& taps,
                              const Conv2dLayerOptions& options = {},
                              std::source_location where = std::source_location::current()) {
  const auto parts = detail::conv2d_parts("conv_transpose2d", true, x, filters, taps, options, where);
  if (!parts) return Value(x.core(), TENON_NO_VALUE);
  return conv_transpose2d(x, parts->w, parts->b,
                          detail::conv2d_rest<ConvTranspose2dOptions>(options, parts->name), where);
}

struct BatchNormLayerOptions {
  /// Of the layer: its parameters are <name>.scale and <name>.offset, its running statistics <name>.mean and
  /// <name>.variance. Empty: norm1, norm2, ...
  std::string name = {};
  /// The dimension of channels.
  int64_t axis = -1;
  /// Added to the variance.
  double epsilon = 1e-5;
  /// What is kept of the running statistics in each step.
  double momentum = 0.9;
  /// By the running statistics in training as well, which then stay as they are.
  bool frozen = false;
};

/// Batch normalization (Ioffe and Szegedy 2015) over x [batch, ..., channels] with parameters and running
/// statistics of its own, [channels] each: steps normalize by their batch and move the statistics (see
/// Model::update), functions use them.
inline Value batch_norm(const Value& x, const BatchNormLayerOptions& options = {},
                        std::source_location where = std::source_location::current()) {
  detail::ModelCore* core = x.core();
  if (core == nullptr || !x) return x;
  const std::string name = detail::layer_name(core, options.name, "norm");
  const std::vector<Dim> shape = x.shape();
  const auto rank = static_cast<int64_t>(shape.size());
  const int64_t axis = options.axis < 0 ? options.axis + rank : options.axis;
  if (axis < 0 || axis >= rank)
    return detail::layer_error(
        core, "batch_norm: x is " + x.type() + ", it has no axis " + std::to_string(options.axis), where);
  const std::string type = detail::type_text(x.dtype(), {shape[static_cast<size_t>(axis)]});
  const Value scale = detail::layer_param(core, name + ".scale", type, "ones", where),
              offset = detail::layer_param(core, name + ".offset", type, "zeros", where),
              mean = detail::layer_state(core, name + ".mean", type, "zeros", where),
              variance = detail::layer_state(core, name + ".variance", type, "ones", where);
  BatchNormOptions rest;
  rest.name = name;
  rest.axis = axis;
  rest.epsilon = options.epsilon;
  rest.momentum = options.momentum;
  rest.frozen = options.frozen;
  const std::array<Value, 3> out = batch_norm(x, scale, offset, mean, variance, rest, where);
  if (!options.frozen) {
    detail::layer_update(core, mean, out[1], where);
    detail::layer_update(core, variance, out[2], where);
  }
  return out[0];
}

/// cast<float>(x)
template <class T>
Value cast(const Value& x, std::source_location where = std::source_location::current()) {
  return cast(x, dtype_of<T>::value, {}, where);
}

/// A number, broadcast to a shape.
template <class T = float>
Value full(Model& model, T number, const std::vector<Dim>& shape,
           std::source_location where = std::source_location::current()) {
  return broadcast(model.constant<T>(number, where), shape, {}, where);
}

TENON_NAMESPACE_END
