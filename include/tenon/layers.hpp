// Layers that bring their parameters, loops, and short forms over the generated builder functions.
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

/// A convolutional layer over x [batch, height, width, in] with parameters of its own: w [taps..., in /
/// groups, filters] and b [filters], of x's element type.
inline Value conv2d(const Value& x, int64_t filters, const std::vector<int64_t>& taps,
                    const Conv2dLayerOptions& options = {},
                    std::source_location where = std::source_location::current()) {
  detail::ModelCore* core = x.core();
  if (core == nullptr || !x) return x;
  const std::string name = detail::layer_name(core, options.name, "conv");
  const std::vector<Dim> shape = x.shape();
  if (shape.size() != 4 || taps.size() != 2 || options.groups < 1)
    return detail::layer_error(
        core, "conv2d: wants x [batch, height, width, in], two numbers of taps and groups above 0", where);
  const std::string dtype(dtype_name(x.dtype())), out = std::to_string(filters);
  std::string in = shape.back().text();
  if (options.groups != 1) {
    int64_t channels = 0;
    for (const char c : in)
      channels = channels >= 0 && c >= '0' && c <= '9' && channels < (int64_t{1} << 40)
                     ? channels * 10 + (c - '0')
                     : -1;
    if (channels < 0 || channels % options.groups != 0)
      return detail::layer_error(
          core, "conv2d: " + std::to_string(options.groups) + " groups do not divide " + in + " channels",
          where);
    in = std::to_string(channels / options.groups);
  }
  const std::string window = std::to_string(taps[0]) + "," + std::to_string(taps[1]);
  const Value w = detail::layer_param(core, name + ".w", dtype + "[" + window + "," + in + "," + out + "]",
                                      options.init, where);
  const Value b = options.bias
                      ? detail::layer_param(core, name + ".b", dtype + "[" + out + "]", "zeros", where)
                      : Value();
  Conv2dOptions rest;
  rest.name = name;
  rest.stride = options.stride;
  rest.dilation = options.dilation;
  rest.padding = options.padding;
  rest.groups = options.groups;
  return conv2d(x, w, b, rest, where);
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

namespace detail {

struct OpenBody {
  tenon_model* model;
  ~OpenBody() {
    if (model != nullptr) tenon_model_abandon(model);
  }
};

inline std::vector<tenon_value> ids_of(const std::vector<Value>& values) {
  std::vector<tenon_value> ids;
  for (const Value& v : values) ids.push_back(v.id());
  return ids;
}

}  // namespace detail

/// What a loop's body sees in one iteration.
struct Iteration {
  std::vector<Value> carry;  // values carried from one iteration to the next
  std::vector<Value> slice;  // row i of each sequence
  Value index;               // i, an i64 scalar
};
/// What it gives: the next carries, and values to be stacked along a new first dimension.
struct Yield {
  std::vector<Value> next = {};
  std::vector<Value> stack = {};
  /// A bool scalar: the loop ends after the first iteration where it is false. Its number of iterations is
  /// then an upper bound, and rows that no iteration stacked are zero.
  Value go_on = {};
};
struct LoopOptions {
  /// Number of iterations, or their upper bound with Yield::go_on; left out: the sequences' first extent.
  std::optional<Dim> trip = std::nullopt;
  /// From the last row to the first.
  bool reverse = false;
};
struct LoopResult {
  std::vector<Value> last;     // carries
  std::vector<Value> stacked;  // one row an iteration
};

/// Calls `body(Iteration) -> Yield` once, to write the loop's body. Other values it uses are captured.
template <class Body>
LoopResult loop(const std::vector<Value>& first, const std::vector<Value>& sequences, Body&& body,
                const LoopOptions& options = {},
                std::source_location where = std::source_location::current()) {
  LoopResult out;
  detail::ModelCore* core = nullptr;
  for (const std::vector<Value>* list : {&first, &sequences})
    for (const Value& v : *list)
      if (core == nullptr) core = v.core();
  out.last.resize(first.size());
  if (core == nullptr || (core->collect && core->error)) return out;
  tenon_model* model = core->model.get();
  const std::vector<tenon_value> start = detail::ids_of(first), rows = detail::ids_of(sequences);
  std::vector<tenon_value> carry(start.size()), slice(rows.size());
  tenon_value index = TENON_NO_VALUE;
  core->at(where);
  if (!core->pass(detail::checked([&](tenon_error** e) {
        return tenon_model_loop_begin(model, start.data(), static_cast<uint32_t>(start.size()), rows.data(),
                                      static_cast<uint32_t>(rows.size()), carry.data(), slice.data(), &index,
                                      e);
      })))
    return out;
  detail::OpenBody open{model};  // closes the loop also where the body throws
  Iteration iteration;
  for (const tenon_value v : carry) iteration.carry.emplace_back(core, v);
  for (const tenon_value v : slice) iteration.slice.emplace_back(core, v);
  iteration.index = Value(core, index);
  const Yield yield = body(static_cast<const Iteration&>(iteration));
  if (core->collect && core->error) return out;
  std::vector<tenon_value> yields = detail::ids_of(yield.next);
  for (const Value& v : yield.stack) yields.push_back(v.id());
  std::vector<tenon_value> results(yields.size());
  detail::AttributeList attributes;
  if (options.reverse) attributes.add("reverse", true);
  if (options.trip) attributes.add("trip", *options.trip);
  if (yield.go_on) {
    yields.push_back(yield.go_on.id());
    attributes.add("predicate", true);
  }
  core->at(where);
  open.model = nullptr;
  if (!core->pass(detail::checked([&](tenon_error** e) {
        return tenon_model_loop_end(model, yields.data(), static_cast<uint32_t>(yields.size()),
                                    attributes.text.c_str(), results.data(), e);
      })))
    return out;
  for (size_t i = 0; i < results.size(); ++i) {
    if (i < first.size())
      out.last[i] = Value(core, results[i]);
    else
      out.stacked.emplace_back(core, results[i]);
  }
  return out;
}

/// Calls both functions once, to write the branches of a condition; each returns the branch's values, of the
/// same types. Other values they use are captured.
template <class Then, class Else>
std::vector<Value> cond(const Value& predicate, Then&& then, Else&& otherwise,
                        std::source_location where = std::source_location::current()) {
  detail::ModelCore* core = predicate.core();
  if (core == nullptr || (core->collect && core->error)) return {};
  tenon_model* model = core->model.get();
  core->at(where);
  if (!core->pass(
          detail::checked([&](tenon_error** e) { return tenon_model_cond_begin(model, predicate.id(), e); })))
    return {};
  detail::OpenBody open{model};
  const std::vector<Value> yes = then();
  if (core->collect && core->error) return std::vector<Value>(yes.size());
  const std::vector<tenon_value> first = detail::ids_of(yes);
  if (!core->pass(detail::checked([&](tenon_error** e) {
        return tenon_model_cond_else(model, first.data(), static_cast<uint32_t>(first.size()), e);
      })))
    return std::vector<Value>(yes.size());
  const std::vector<Value> no = otherwise();
  std::vector<Value> out(no.size());
  if (core->collect && core->error) return out;
  const std::vector<tenon_value> second = detail::ids_of(no);
  std::vector<tenon_value> results(no.size());
  core->at(where);
  open.model = nullptr;
  if (core->pass(detail::checked([&](tenon_error** e) {
        return tenon_model_cond_end(model, second.data(), static_cast<uint32_t>(second.size()),
                                    results.data(), e);
      })))
    for (size_t i = 0; i < out.size(); ++i) out[i] = Value(core, results[i]);
  return out;
}

TENON_NAMESPACE_END
