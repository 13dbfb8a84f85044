// Building a model: dimensions, values, operators, functions and steps. Every call remembers where it stands
// in the source; errors and dumps name that line.
//
// A Model owns its graph; Dims and Values are small and may be copied, and a Value must not outlive its
// Model. A mistake throws at once. A model that collects (ModelOptions, always without exceptions) instead
// keeps the first error, ignores what depends on it, and reports it from try_finish and try_compile.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "tenon/error.hpp"

TENON_NAMESPACE_BEGIN

enum class DType : uint8_t { f64, f32, f16, bf16, i8, i16, i32, i64, u8, u16, u32, u64, bool_ };

inline std::string_view dtype_name(DType dtype) {
  constexpr std::string_view names[] = {"f64", "f32", "f16", "bf16", "i8",  "i16", "i32",
                                        "i64", "u8",  "u16", "u32",  "u64", "bool"};
  return names[static_cast<size_t>(dtype)];
}

template <class T>
struct dtype_of;
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct dtype_of<int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct dtype_of<int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct dtype_of<uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct dtype_of<uint32_t> {
  static constexpr DType value = DType::u32;
};
template <>
struct dtype_of<bool> {
  static constexpr DType value = DType::bool_;
};

/// A list that may be left out: `{.axes = {0, 2}}`, or nothing.
template <class T>
class OptionalList {
 public:
  OptionalList() = default;
  OptionalList(std::initializer_list<T> items) : items_(items) {}
  OptionalList(std::vector<T> items) : items_(std::move(items)) {}
  bool has_value() const { return items_.has_value(); }
  const std::vector<T>& operator*() const { return *items_; }

 private:
  std::optional<std::vector<T>> items_;
};

/// An extent: a number, a named dimension, or an expression of those, as `2 * n + 1`. `/` rounds down.
class Dim {
 public:
  Dim(int64_t number = 0) : text_(std::to_string(number)) {}
  Dim(int number) : Dim(static_cast<int64_t>(number)) {}
  static Dim named(std::string_view name) {
    Dim out;
    out.text_ = name;
    return out;
  }
  /// An expression as a type's text has it: "2*n+1".
  static Dim written(const std::string& expression) {
    return named(expression.find_first_of("+-*/") == std::string::npos ? expression : "(" + expression + ")");
  }
  const std::string& text() const { return text_; }

  friend Dim operator+(const Dim& a, const Dim& b) { return joined(a, " + ", b); }
  friend Dim operator-(const Dim& a, const Dim& b) { return joined(a, " - ", b); }
  friend Dim operator*(const Dim& a, const Dim& b) { return joined(a, " * ", b); }
  friend Dim operator/(const Dim& a, const Dim& b) { return joined(a, " / ", b); }

 private:
  static Dim joined(const Dim& a, const char* op, const Dim& b) {
    return named("(" + a.text_ + op + b.text_ + ")");
  }
  std::string text_;
};

class Model;
class Value;

namespace detail {

/// What a Model and its Values share.
struct ModelCore {
  std::unique_ptr<tenon_model, void (*)(tenon_model*)> model{nullptr, tenon_model_free};
  bool collect = !TENON_EXCEPTIONS;
  std::optional<Error> error;
  int layers = 0;  // named by number so far

  /// Throws, or keeps the first error. True where nothing is wrong.
  bool pass(Result<void> result) {
    if (result) return true;
#if TENON_EXCEPTIONS
    if (!collect) throw result.error();
#endif
    if (!error) error = result.error();
    return false;
  }
  void at(const std::source_location& where) {
    tenon_model_at(model.get(), where.file_name(), where.line(), where.column());
  }
};

/// Shortest text that reads back.
inline std::string number_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  return {text, end};
}

/// A C++ number on its way to the library: whole ones as text, since a double does not hold them all.
struct Scalar {
  template <class T>
    requires std::is_arithmetic_v<T>
  Scalar(T number) {
    if constexpr (std::is_integral_v<T>) {
      text = std::to_string(number);
    } else {
      value = static_cast<double>(number);
    }
  }
  std::string text = {};  // empty: value
  double value = 0;
};

inline std::string type_text(DType dtype, const std::vector<Dim>& shape) {
  std::string out(dtype_name(dtype));
  out += '[';
  for (size_t i = 0; i < shape.size(); ++i) out += (i == 0 ? "" : ",") + shape[i].text();
  return out + ']';
}

class Call;

}  // namespace detail

/// A tensor of a model under construction. A default one is none.
class Value {
 public:
  Value() = default;
  Value(detail::ModelCore* core, tenon_value id) : core_(core), id_(id) {}

  explicit operator bool() const { return id_ != TENON_NO_VALUE; }
  /// "f32[batch,784]"; empty for none.
  std::string type() const {
    char* text = nullptr;
    if (core_ == nullptr || id_ == TENON_NO_VALUE) return {};
    core_->pass(detail::checked(
        [&](tenon_error** e) { return tenon_model_type(core_->model.get(), id_, &text, e); }));
    return detail::owned(text);
  }
  /// Element type; f32 for none.
  DType dtype() const {
    const std::string text = type();
    for (uint8_t d = 0; d <= static_cast<uint8_t>(DType::bool_); ++d)
      if (text.starts_with(std::string(dtype_name(static_cast<DType>(d))) + "["))
        return static_cast<DType>(d);
    return DType::f32;
  }
  /// Extents, outermost first; empty for a scalar and for none. They may be used in other shapes.
  std::vector<Dim> shape() const {
    const std::string text = type();
    std::vector<Dim> out;
    int depth = 0;
    for (size_t at = text.find('[') + 1, begin = at; at > 0 && at < text.size(); ++at) {
      const char c = text[at];
      if (depth == 0 && (c == ',' || c == ']')) {
        if (at > begin) out.push_back(Dim::written(text.substr(begin, at - begin)));
        begin = at + 1;
      }
      depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    }
    return out;
  }
  size_t rank() const { return shape().size(); }
  /// Of an input, parameter, state or hyper-parameter; empty for other values.
  std::string name() const {
    char* text = nullptr;
    if (core_ == nullptr || id_ == TENON_NO_VALUE) return {};
    core_->pass(detail::checked(
        [&](tenon_error** e) { return tenon_model_value_name(core_->model.get(), id_, &text, e); }));
    return detail::owned(text);
  }
  /// Names it, so that it can be fetched and read in dumps.
  Value& named(const std::string& name) {
    if (core_ != nullptr && id_ != TENON_NO_VALUE)
      core_->pass(detail::checked(
          [&](tenon_error** e) { return tenon_model_name(core_->model.get(), id_, name.c_str(), e); }));
    return *this;
  }

  detail::ModelCore* core() const { return core_; }
  tenon_value id() const { return id_; }

 private:
  detail::ModelCore* core_ = nullptr;
  tenon_value id_ = TENON_NO_VALUE;
};

/// An operand of an elementwise operation: a value, or a number that takes the other operand's element type.
class Operand {
 public:
  Operand(const Value& value, std::source_location where = std::source_location::current())
      : value_(value), where_(where) {}
  template <class T>
    requires std::is_arithmetic_v<T>
  Operand(T number, std::source_location where = std::source_location::current())
      : number_(number), literal_(true), where_(where) {}

  const Value& value() const { return value_; }
  const detail::Scalar& number() const { return number_; }
  bool is_literal() const { return literal_; }
  const std::source_location& where() const { return where_; }

 private:
  Value value_;
  detail::Scalar number_ = 0;
  bool literal_ = false;
  std::source_location where_;
};

namespace detail {

inline std::string attribute_text(bool v) { return v ? "true" : "false"; }
inline std::string attribute_text(int64_t v) { return std::to_string(v); }
inline std::string attribute_text(double v) { return number_text(v); }
inline std::string attribute_text(std::string_view v) { return std::string(v); }
inline std::string attribute_text(DType v) { return std::string(dtype_name(v)); }
inline std::string attribute_text(const Dim& v) { return v.text(); }
template <class T>
std::string attribute_text(const std::vector<T>& v) {
  std::string out = "[";
  for (size_t i = 0; i < v.size(); ++i) out += (i == 0 ? "" : ", ") + attribute_text(v[i]);
  return out + "]";
}

/// "axes = [0], rate = 0.2"
struct AttributeList {
  std::string text;
  template <class T>
  void add(const char* name, const T& value) {
    if (!text.empty()) text += ", ";
    text += std::string(name) + " = " + attribute_text(value);
  }
};

/// One operation, while its operands and attributes are gathered.
class Call {
 public:
  Call(const char* op, const std::source_location& where) : op_(op), where_(where) {}

  void in(ModelCore* core) {
    if (core_ == nullptr) core_ = core;
  }
  inline void in(Model& model);
  void operand(const Value& v) {
    in(v.core());
    if (like_ == TENON_NO_VALUE) like_ = v.id();
    ids_.push_back(v.id());
    literals_.emplace_back();
  }
  void operand(const Operand& o) {
    if (!o.is_literal()) return operand(o.value());
    ids_.push_back(TENON_NO_VALUE);
    literals_.emplace_back(o.number());
  }
  // A condition's type tells nothing about a literal's.
  void condition(const Value& v) {
    const tenon_value like = like_;
    operand(v);
    like_ = like;
  }
  void condition(const Operand& o) {
    if (!o.is_literal()) return condition(o.value());
    operand(o);
  }
  void optional(const Value& v) {
    if (v) operand(v);
  }
  void operands(const std::vector<Value>& values) {
    for (const Value& v : values) operand(v);
  }
  template <class T>
  void attribute(const char* name, const T& value) {
    if constexpr (requires { value.has_value(); }) {
      if (value.has_value()) attribute(name, *value);
    } else {
      attributes_.add(name, value);
    }
  }

  /// The operation's one result, named where the name is not empty; none after an error.
  Value emit(const std::string& name = {}) { return emit_all<1>(name)[0]; }
  /// Its results; the first one has the name.
  template <size_t N>
  std::array<Value, N> emit_all(const std::string& name = {}) {
    std::array<Value, N> out;
    if (core_ == nullptr) {
      out.fill(no_model());
      return out;
    }
    out.fill(Value(core_, TENON_NO_VALUE));
    if (core_->collect && core_->error) return out;
    core_->at(where_);
    tenon_model* model = core_->model.get();
    std::array<tenon_value, N> results{};
    const bool done = core_->pass(checked([&](tenon_error** e) {
      for (size_t i = 0; i < ids_.size(); ++i) {
        if (!literals_[i]) continue;
        const Scalar& number = *literals_[i];
        const tenon_status s = number.text.empty()
                                   ? tenon_model_literal(model, number.value, like_, &ids_[i], e)
                                   : tenon_model_literal_text(model, number.text.c_str(), like_, &ids_[i], e);
        if (s != 0) return s;
      }
      return tenon_model_op(model, op_, ids_.data(), static_cast<uint32_t>(ids_.size()),
                            attributes_.text.c_str(), results.data(), N, nullptr, e);
    }));
    if (!done) return out;
    for (size_t i = 0; i < N; ++i) out[i] = Value(core_, results[i]);
    if (!name.empty()) out[0].named(name);
    return out;
  }

 private:
  Value no_model() {
#if TENON_EXCEPTIONS
    throw Error(103, std::string(op_) + ": no operand is a value of a model");
#else
    return {};
#endif
  }

  const char* op_;
  std::source_location where_;
  ModelCore* core_ = nullptr;
  tenon_value like_ = TENON_NO_VALUE;  // whose element type literals take
  std::vector<tenon_value> ids_;
  std::vector<std::optional<Scalar>> literals_;
  AttributeList attributes_;
};

inline Value binary(const char* op, const Operand& a, const Operand& b) {
  Call call(op, a.where());
  call.operand(a);
  call.operand(b);
  return call.emit();
}

}  // namespace detail

inline Value operator+(const Operand& a, const Operand& b) { return detail::binary("add", a, b); }
inline Value operator-(const Operand& a, const Operand& b) { return detail::binary("sub", a, b); }
inline Value operator*(const Operand& a, const Operand& b) { return detail::binary("mul", a, b); }
inline Value operator/(const Operand& a, const Operand& b) { return detail::binary("div", a, b); }
inline Value operator-(const Operand& a) {
  detail::Call call("neg", a.where());
  call.operand(a);
  return call.emit();
}

/// Comparisons are elementwise and give bool tensors. There is no `==`: it would be taken for a comparison of
/// handles; write eq(a, b) and ne(a, b).
inline Value operator<(const Operand& a, const Operand& b) { return detail::binary("lt", a, b); }
inline Value operator<=(const Operand& a, const Operand& b) { return detail::binary("le", a, b); }
inline Value operator>(const Operand& a, const Operand& b) { return detail::binary("gt", a, b); }
inline Value operator>=(const Operand& a, const Operand& b) { return detail::binary("ge", a, b); }

struct NamedSetting;

/// A setting of an optimizer or step: a number; a scalar hyper-parameter, parameter or state; a schedule, as
/// schedule::cosine({.from = 0.1, .steps = 1000}); or these by patterns of parameters, of which the first
/// that matches holds: {{"head.*", 0.1}, {"*", 0.01}}. A default one says nothing: the preset holds.
struct Setting {
  Setting() = default;
  Setting(double number) : text(detail::number_text(number)) {}
  Setting(const Value& value) : text(value.name()) {}
  Setting(std::initializer_list<NamedSetting> by_pattern);
  /// As a directive has it: "cosine {from = 0.1, steps = 1000}".
  static Setting written(std::string text) {
    Setting out;
    out.text = std::move(text);
    return out;
  }
  std::string text;
};
struct NamedSetting {
  std::string pattern;
  Setting value;
};

/// A function of the model that maps a parameter and its gradient, or the gradient alone, to the gradient
/// that is used; or such functions by patterns of parameters: {{"*.w", "center"}}.
struct Hook {
  struct Named {
    std::string pattern, function;
  };
  Hook() = default;
  Hook(const char* function) : text(function) {}
  Hook(std::string function) : text(std::move(function)) {}
  Hook(std::initializer_list<Named> by_pattern);
  std::string text;
};

namespace detail {

/// Options of a directive, as text: "lr = lr, beta1 = 0.8". What is at its preset is left out.
class SettingList {
 public:
  void add(const std::string& name, const Setting& given, const Setting& preset) {
    if (!given.text.empty() && given.text != preset.text) put(name, given.text);
  }
  void add(const std::string& name, bool given, bool preset) {
    if (given != preset) put(name, given ? "true" : "false");
  }
  void add(const std::string& name, const std::string& given, const std::string& preset) {
    if (given != preset) put(name, given);
  }
  void add(const std::string& name, const std::vector<Setting>& numbers) {
    std::vector<std::string> texts;
    for (const Setting& n : numbers) texts.push_back(n.text);
    add(name, texts);
  }
  void add(const std::string& name, const std::vector<std::string>& list) {
    std::string text;
    for (const std::string& item : list) text += (text.empty() ? "[" : ", ") + item;
    if (!list.empty()) put(name, text + "]");
  }
  /// A pattern of parameters, whatever characters it has.
  void add_pattern(const std::string& pattern, const std::string& value) {
    std::string quoted = "\"";
    for (const char c : pattern) quoted += (c == '"' || c == '\\' ? "\\" : "") + std::string(1, c);
    put(quoted + "\"", value);
  }
  const std::string& items() const { return items_; }
  /// " {...}"; nothing where nothing was added.
  std::string text() const { return items_.empty() ? "" : " {" + items_ + "}"; }

 private:
  void put(const std::string& name, const std::string& value) {
    items_ += (items_.empty() ? "" : ", ") + name + " = " + value;
  }
  std::string items_;
};

}  // namespace detail

inline Setting::Setting(std::initializer_list<NamedSetting> by_pattern) {
  detail::SettingList list;
  for (const NamedSetting& s : by_pattern) list.add_pattern(s.pattern, s.value.text);
  text = "{" + list.items() + "}";
}
inline Hook::Hook(std::initializer_list<Named> by_pattern) {
  detail::SettingList list;
  for (const Named& n : by_pattern) list.add_pattern(n.pattern, n.function);
  text = "{" + list.items() + "}";
}

/// An optimizer with its settings, as in a derive directive: "adam {lr = lr}". optimizers.hpp has a function
/// for each.
struct Optimizer {
  std::string text;
};

/// A value under the name by which it is returned.
struct Named {
  std::string name = {};
  Value value = {};
};
/// A parameter or state, and what it becomes. All right sides of a step read the old state.
struct Assign {
  Value target = {};
  Value value = {};
};

struct ModelOptions {
  /// Keep the first error instead of throwing it.
  bool collect = !TENON_EXCEPTIONS;
};
struct ParamOptions {
  /// zeros, ones, constant(v), uniform(low, high), normal(mean, deviation), glorot_uniform, he_normal, ...
  std::string init = "zeros";
  bool frozen = false;
};
/// Bounds of gradients; several hold one after the other, in this order.
struct ClipOptions {
  Setting value = {};        ///< largest magnitude of an element
  Setting norm = {};         ///< largest norm of the gradient of a parameter
  Setting global_norm = {};  ///< largest norm of all gradients together; no patterns
};
/// What a step does beside the update rule, whatever the optimizer. docs/derive.md says in which order.
struct StepOptions {
  /// Patterns of the parameters that are trained; empty: all that are not frozen.
  std::vector<std::string> over = {};
  /// Patterns of parameters among these that are not.
  std::vector<std::string> frozen = {};
  /// Factor of the learning rate: {{"head.*", 10}}.
  Setting lr_factor = {};
  /// Weight decay, in the way of the optimizer: {{"*.w", 0.01}}.
  Setting decay = {};
  ClipOptions clip = {};
  /// Calls whose mean gradient makes one update.
  int64_t accumulate = 1;
  Hook hook = {};
  /// What is kept of the moving average of a parameter at each update: 0.999. Model::averaged gives functions
  /// on it.
  Setting average = {};
  /// Patterns of the parameters whose gradients the step returns, `fc.w'`.
  std::vector<std::string> gradients = {};
  /// Returns the norm of all gradients, `gradient_norm`.
  bool gradient_norm = false;
  /// The dimension that data are cut along; empty: the one that all inputs share. "none": there is none.
  std::string batch = {};
  /// Inputs that are the same for every batch.
  std::vector<std::string> same = {};
};
struct AssignOptions {
  /// What the step returns; empty: the loss that gradients were taken of.
  std::vector<Named> results = {};
};

/// A module: source, or a dump of a later stage. Immutable, cheap to copy.
class Module {
 public:
  explicit Module(tenon_module* module) : module_(module, tenon_module_free) {}
  const tenon_module* handle() const { return module_.get(); }

  /// The text of a stage: "graph", "optimized", "scheduled", "kernel", "llvm", "asm"; empty: as it is.
  Result<std::string> try_print(const std::string& stage = {}) const {
    char* text = nullptr;
    TENON_PASS(detail::checked([&](tenon_error** e) {
      return tenon_module_print(handle(), stage.empty() ? nullptr : stage.c_str(), nullptr, &text, e);
    }));
    return detail::owned(text);
  }
  /// Per edge of the optimized graph: fused, or refused with the reason.
  Result<std::string> try_explain(const std::string& function = {}) const {
    char* text = nullptr;
    TENON_PASS(detail::checked([&](tenon_error** e) {
      return tenon_explain(handle(), nullptr, function.empty() ? nullptr : function.c_str(), &text, e);
    }));
    return detail::owned(text);
  }
  /// A module of one function, which also returns the named values on its way. It shares states with the
  /// whole.
  Result<Module> try_tap(const std::string& function, const std::vector<std::string>& names) const {
    const std::vector<const char*> list = pointers(names);
    tenon_module* out = nullptr;
    TENON_PASS(detail::checked([&](tenon_error** e) {
      return tenon_module_tap(handle(), function.c_str(), list.data(), static_cast<uint32_t>(list.size()),
                              &out, e);
    }));
    return Module(out);
  }
  /// The module with one more function, `name`: the gradients of a function's first result with respect to
  /// parameters, patterns of them, or named values; none: all parameters.
  Result<Module> try_grad(const std::string& function, const std::string& name,
                          const std::vector<std::string>& wrt = {}) const {
    const std::vector<const char*> list = pointers(wrt);
    tenon_module* out = nullptr;
    TENON_PASS(detail::checked([&](tenon_error** e) {
      return tenon_module_grad(handle(), function.c_str(), name.c_str(), list.data(),
                               static_cast<uint32_t>(list.size()), &out, e);
    }));
    return Module(out);
  }
#if TENON_EXCEPTIONS
  std::string print(const std::string& stage = {}) const { return detail::take(try_print(stage)); }
  std::string explain(const std::string& function = {}) const { return detail::take(try_explain(function)); }
  Module tap(const std::string& function, const std::vector<std::string>& names) const {
    return detail::take(try_tap(function, names));
  }
  Module grad(const std::string& function, const std::string& name,
              const std::vector<std::string>& wrt = {}) const {
    return detail::take(try_grad(function, name, wrt));
  }
#endif

 private:
  static std::vector<const char*> pointers(const std::vector<std::string>& texts) {
    std::vector<const char*> out;
    for (const std::string& text : texts) out.push_back(text.c_str());
    return out;
  }
  std::shared_ptr<tenon_module> module_;
};

/// Reads a module from text, or from a file.
inline Result<Module> try_parse(std::string_view text, const std::string& file = "<text>") {
  tenon_module* module = nullptr;
  TENON_PASS(detail::checked([&](tenon_error** e) {
    return tenon_module_parse(text.data(), text.size(), file.c_str(), &module, e);
  }));
  return Module(module);
}
inline Result<Module> try_read(const std::string& path) {
  tenon_module* module = nullptr;
  TENON_PASS(detail::checked([&](tenon_error** e) { return tenon_module_read(path.c_str(), &module, e); }));
  return Module(module);
}
#if TENON_EXCEPTIONS
inline Module parse(std::string_view text, const std::string& file = "<text>") {
  return detail::take(try_parse(text, file));
}
inline Module read(const std::string& path) { return detail::take(try_read(path)); }
#endif

class Model {
 public:
  using Where = std::source_location;

  explicit Model(const std::string& name, const ModelOptions& options = {})
      : core_(std::make_unique<detail::ModelCore>()) {
    core_->collect = options.collect || !TENON_EXCEPTIONS;
    tenon_model* model = nullptr;
    core_->pass(detail::checked([&](tenon_error** e) { return tenon_model_new(name.c_str(), &model, e); }));
    core_->model.reset(model);
  }

  /// A named dimension low..high, both inclusive.
  Dim dim(const std::string& name, int64_t low, int64_t high, Where where = Where::current()) {
    run(where, [&](tenon_error** e) { return tenon_model_dim(handle(), name.c_str(), low, high, e); });
    return Dim::named(name);
  }
  template <class T = float>
  Value input(const std::string& name, const std::vector<Dim>& shape, Where where = Where::current()) {
    const std::string type = detail::type_text(dtype_of<T>::value, shape);
    return made(where, [&](tenon_value* v, tenon_error** e) {
      return tenon_model_input(handle(), name.c_str(), type.c_str(), v, e);
    });
  }
  template <class T = float>
  Value param(const std::string& name, const std::vector<Dim>& shape, const ParamOptions& options = {},
              Where where = Where::current()) {
    const std::string type = detail::type_text(dtype_of<T>::value, shape);
    return made(where, [&](tenon_value* v, tenon_error** e) {
      return tenon_model_param(handle(), name.c_str(), type.c_str(), options.init.c_str(),
                               options.frozen ? 1 : 0, v, e);
    });
  }
  /// Values that steps write besides the parameters.
  template <class T = float>
  Value state(const std::string& name, const std::vector<Dim>& shape, const std::string& init = "zeros",
              Where where = Where::current()) {
    const std::string type = detail::type_text(dtype_of<T>::value, shape);
    return made(where, [&](tenon_value* v, tenon_error** e) {
      return tenon_model_state(handle(), name.c_str(), type.c_str(), init.c_str(), v, e);
    });
  }
  /// A state of `value`'s type, as optimizers keep one for each parameter: `<value's name>.<suffix>`.
  Value state_like(const Value& value, const std::string& suffix, const std::string& init = "zeros",
                   Where where = Where::current()) {
    const std::string name = value.name() + "." + suffix, type = value.type();
    return made(where, [&](tenon_value* v, tenon_error** e) {
      return tenon_model_state(handle(), name.c_str(), type.c_str(), init.c_str(), v, e);
    });
  }
  /// A scalar given at run time; changing it never compiles anything. The preset is exact, or refused (T202).
  template <class T = float>
  Value hyper(const std::string& name, const detail::Scalar& preset, Where where = Where::current()) {
    const auto dtype = static_cast<tenon_dtype>(dtype_of<T>::value);
    return made(where, [&](tenon_value* v, tenon_error** e) {
      return preset.text.empty()
                 ? tenon_model_hyper(handle(), name.c_str(), dtype, preset.value, v, e)
                 : tenon_model_hyper_text(handle(), name.c_str(), dtype, preset.text.c_str(), v, e);
    });
  }
  template <class T>
  Value constant(T number, Where where = Where::current()) {
    return constant<T>(std::span<const T>(&number, 1), {}, where);
  }
  template <class T>
  Value constant(std::span<const T> elements, const std::vector<int64_t>& shape,
                 Where where = Where::current()) {
    int64_t count = 1;
    for (const int64_t extent : shape) count *= extent;
    if (count != static_cast<int64_t>(elements.size())) {
      core_->pass(Error(107, "constant: the shape holds " + std::to_string(count) + " elements, " +
                                 std::to_string(elements.size()) + " are given"));
      return {};
    }
    const tenon_tensor tensor{const_cast<T*>(elements.data()), static_cast<tenon_dtype>(dtype_of<T>::value),
                              static_cast<uint32_t>(shape.size()), shape.data()};
    return made(where, [&](tenon_value* v, tenon_error** e) {
      return tenon_model_constant(handle(), &tensor, v, e);
    });
  }

  /// Parameters whose names match, in the order of their declarations.
  std::vector<Value> params(const std::string& pattern = "*") const {
    uint32_t count = 0;
    tenon_model_params(handle(), pattern.c_str(), nullptr, 0, &count, nullptr);
    std::vector<tenon_value> ids(count);
    core_->pass(detail::checked([&](tenon_error** e) {
      return tenon_model_params(handle(), pattern.c_str(), ids.data(), count, &count, e);
    }));
    std::vector<Value> out;
    for (const tenon_value id : ids) out.emplace_back(core_.get(), id);
    return out;
  }
  /// The value of that name: a tap.
  Value find(const std::string& name, Where where = Where::current()) {
    return made(where, [&](tenon_value* v, tenon_error** e) {
      return tenon_model_find(handle(), name.c_str(), v, e);
    });
  }

  /// A function returns named values; it runs in inference mode.
  void function(const std::string& name, const std::vector<Named>& results, Where where = Where::current()) {
    const Lists lists(results);
    run(where, [&](tenon_error** e) {
      return tenon_model_function(handle(), name.c_str(), lists.names.data(), lists.values.data(),
                                  lists.count(), e);
    });
  }
  /// A number that training and evaluation report.
  void metric(const std::string& name, const Value& value, Where where = Where::current()) {
    run(where, [&](tenon_error** e) { return tenon_model_metric(handle(), name.c_str(), value.id(), e); });
  }
  /// A training step with an optimizer.
  void step(const std::string& name, const Value& loss, const Optimizer& optimizer,
            const StepOptions& options = {}, Where where = Where::current()) {
    std::vector<const char*> over;
    for (const std::string& pattern : options.over) over.push_back(pattern.c_str());
    detail::SettingList clip, list;
    clip.add("value", options.clip.value, {});
    clip.add("norm", options.clip.norm, {});
    clip.add("global_norm", options.clip.global_norm, {});
    list.add("with", optimizer.text, "");
    list.add("frozen", options.frozen);
    list.add("lr_factor", options.lr_factor, {});
    list.add("decay", options.decay, {});
    list.add("clip", clip.items().empty() ? "" : "{" + clip.items() + "}", "");
    list.add("accumulate", std::to_string(options.accumulate), "1");
    list.add("hook", options.hook.text, "");
    list.add("average", options.average, {});
    list.add("gradients", options.gradients);
    list.add("gradient_norm", options.gradient_norm, false);
    list.add("batch", options.batch, "");
    list.add("same", options.same);
    run(where, [&](tenon_error** e) {
      return tenon_model_step(handle(), name.c_str(), loss.id(), list.items().c_str(), over.data(),
                              static_cast<uint32_t>(over.size()), e);
    });
  }
  /// A function of the model on the moving averages that a step keeps of its parameters
  /// (StepOptions::average).
  void averaged(const std::string& name, const std::string& function, const std::string& step,
                Where where = Where::current()) {
    run(where, [&](tenon_error** e) {
      return tenon_model_averaged(handle(), name.c_str(), function.c_str(), step.c_str(), e);
    });
  }
  /// A step of one's own: all assignments land together, or none.
  void step(const std::string& name, const std::vector<Assign>& assigns, const AssignOptions& options = {},
            Where where = Where::current()) {
    std::vector<tenon_value> targets, values;
    for (const Assign& a : assigns) {
      targets.push_back(a.target.id());
      values.push_back(a.value.id());
    }
    const Lists lists(options.results);
    run(where, [&](tenon_error** e) {
      return tenon_model_assign_step(handle(), name.c_str(), targets.data(), values.data(),
                                     static_cast<uint32_t>(targets.size()), lists.names.data(),
                                     lists.values.data(), lists.count(), e);
    });
  }

  /// What steps write besides: every step that computes with the operation that `with` is a result of (left
  /// out: the one that makes `next`) leaves `next` in `state`, as running statistics are. Functions write
  /// nothing. Of two updates of one state, the one whose value follows from the other's counts (else T115).
  void update(const Value& state, const Value& next, const Value& with = {}, Where where = Where::current()) {
    run(where,
        [&](tenon_error** e) { return tenon_model_update(handle(), state.id(), next.id(), with.id(), e); });
  }

  /// A part of the model: what is added while it lives has the name in its path.
  class Scope {
   public:
    Scope(Model& model, const std::string& name) : core_(model.core_.get()) {
      core_->pass(detail::checked(
          [&](tenon_error** e) { return tenon_model_push_scope(core_->model.get(), name.c_str(), e); }));
    }
    ~Scope() { tenon_model_pop_scope(core_->model.get()); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    detail::ModelCore* core_;
  };
  [[nodiscard]] Scope scope(const std::string& name) { return Scope(*this, name); }

  /// The module so far, verified; or the first error that was kept.
  Result<Module> try_finish() const {
    if (core_->error) return *core_->error;
    tenon_module* module = nullptr;
    TENON_PASS(detail::checked([&](tenon_error** e) { return tenon_model_finish(handle(), &module, e); }));
    return Module(module);
  }
#if TENON_EXCEPTIONS
  Module finish() const { return detail::take(try_finish()); }
#endif
  /// The error that was kept, or null.
  const Error* error() const { return core_->error ? &*core_->error : nullptr; }

  tenon_model* handle() const { return core_->model.get(); }
  detail::ModelCore* core() const { return core_.get(); }

 private:
  struct Lists {
    explicit Lists(const std::vector<Named>& list) {
      for (const Named& n : list) {
        names.push_back(n.name.c_str());
        values.push_back(n.value.id());
      }
    }
    uint32_t count() const { return static_cast<uint32_t>(values.size()); }
    std::vector<const char*> names;
    std::vector<tenon_value> values;
  };
  template <class F>
  bool run(const Where& where, F&& f) {
    if (core_->collect && core_->error) return false;
    core_->at(where);
    return core_->pass(detail::checked(f));
  }
  template <class F>
  Value made(const Where& where, F&& f) {
    tenon_value value = TENON_NO_VALUE;
    const bool done = run(where, [&](tenon_error** e) { return f(&value, e); });
    return Value(core_.get(), done ? value : TENON_NO_VALUE);
  }

  std::unique_ptr<detail::ModelCore> core_;
};

inline void detail::Call::in(Model& model) { in(model.core()); }

/// Gradients of a scalar, as values of the model; of any order.
inline std::vector<Value> grad(const Value& loss, const std::vector<Value>& wrt,
                               std::source_location where = std::source_location::current()) {
  std::vector<Value> out(wrt.size());
  detail::ModelCore* core = loss.core();
  if (core == nullptr || (core->collect && core->error)) return out;
  core->at(where);
  std::vector<tenon_value> ids, gradients(wrt.size());
  for (const Value& v : wrt) ids.push_back(v.id());
  if (core->pass(detail::checked([&](tenon_error** e) {
        return tenon_model_grad(core->model.get(), loss.id(), ids.data(), static_cast<uint32_t>(ids.size()),
                                gradients.data(), e);
      })))
    for (size_t i = 0; i < out.size(); ++i) out[i] = Value(core, gradients[i]);
  return out;
}
inline Value grad(const Value& loss, const Value& wrt,
                  std::source_location where = std::source_location::current()) {
  return grad(loss, std::vector<Value>{wrt}, where)[0];
}

TENON_NAMESPACE_END
