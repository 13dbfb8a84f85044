#include "kernel/builder.h"

#include <limits>

#include "kernel/scalar.h"
#include "kernel/syntax.h"
#include "support/check.h"

namespace tenon::kernel {
namespace {

uint64_t hash_of(const Expr& e) {
  uint64_t h =
      (uint64_t{static_cast<uint8_t>(e.op)} << 8 | static_cast<uint8_t>(e.dtype)) + 0x9e3779b97f4a7c15ull;
  auto mix = [&](uint64_t x) {
    h = (h ^ x) * 0xd6e8feb86659fd93ull;
    h ^= h >> 32;
  };
  mix(e.var.index);
  mix(e.bits);
  for (ExprId a : e.args) mix(a.index);
  return h;
}
bool same(const Expr& a, const Expr& b) {
  return a.op == b.op && a.dtype == b.dtype && a.var == b.var && a.bits == b.bits && a.args == b.args;
}

bool is_nan(DType dtype, uint64_t bits) {
  if (!is_float(dtype)) return false;
  return with_dtype(dtype, [&]<class T>() {
    const T x = from_bits<T>(bits);
    return x != x;
  });
}

}  // namespace

Builder::Builder(Function& function) : function_(function) {
  blocks_.push_back(&function.body);
  for (const Var& v : function.vars) names_.emplace(v.name, 1);
  for (size_t i = 0; i < function.exprs.size(); ++i) interned_.emplace(hash_of(function.exprs[i]), ExprId(i));
}

VarId Builder::variable(Var var) {
  std::string name;
  for (char c : var.name) name += is_name_char(c) ? c : '_';
  if (name.empty() || !is_name_start(name[0]) || is_reserved(name)) name = "_" + name;
  // emplace: the count of a name already taken goes on from where it stood.
  if (auto [at, fresh] = names_.emplace(name, 1); !fresh) {
    std::string candidate;
    do candidate = name + "_" + std::to_string(++names_[name]);
    while (names_.contains(candidate));
    names_.emplace(candidate, 1);
    name = std::move(candidate);
  }
  var.name = std::move(name);
  function_.vars.push_back(std::move(var));
  return VarId(function_.vars.size() - 1);
}

VarId Builder::buffer(std::string name, DType dtype, uint32_t align, bool read, bool written) {
  Var v{.kind = VarKind::buffer, .dtype = dtype, .name = std::move(name)};
  v.align = align;
  v.read = read;
  v.written = written;
  function_.params.push_back(variable(std::move(v)));
  return function_.params.back();
}
VarId Builder::scalar(std::string name, DType dtype) {
  function_.params.push_back(variable(Var{.kind = VarKind::scalar, .dtype = dtype, .name = std::move(name)}));
  return function_.params.back();
}
VarId Builder::scratch(std::string name, DType dtype, int64_t elements) {
  Var v{.kind = VarKind::buffer, .dtype = dtype, .name = std::move(name)};
  v.value = elements;
  function_.scratch.push_back(variable(std::move(v)));
  return function_.scratch.back();
}
VarId Builder::fixed(std::string name, int64_t value) {
  Var v{.kind = VarKind::fixed, .name = std::move(name)};
  v.value = value;
  function_.fixed.push_back(variable(std::move(v)));
  return function_.fixed.back();
}

ExprId Builder::intern(Expr expr) {
  const uint64_t h = hash_of(expr);
  auto [first, last] = interned_.equal_range(h);
  for (; first != last; ++first)
    if (same(function_.expr(first->second), expr)) return first->second;
  function_.exprs.push_back(std::move(expr));
  const ExprId id(function_.exprs.size() - 1);
  interned_.emplace(h, id);
  return id;
}

ExprId Builder::constant(DType dtype, uint64_t bits) {
  if (is_bool(dtype)) bits = (bits & 0xff) != 0;
  const size_t bytes = dtype_bytes(dtype);
  if (bytes < 8) bits &= (uint64_t{1} << (8 * bytes)) - 1;
  return intern({.op = Op::constant, .dtype = dtype, .var = {}, .bits = bits, .args = {}});
}
ExprId Builder::index(int64_t value) { return constant(DType::i64, static_cast<uint64_t>(value)); }

const int64_t* Builder::as_index(ExprId e) const {
  const Expr& x = function_.expr(e);
  if (x.op != Op::constant || x.dtype != DType::i64) return nullptr;
  return reinterpret_cast<const int64_t*>(&x.bits);
}

std::optional<bool> Builder::as_bool(ExprId e) const {
  const Expr& x = function_.expr(e);
  if (x.op != Op::constant || x.dtype != DType::bool_) return std::nullopt;
  return x.bits != 0;
}

ExprId Builder::use(VarId var, std::vector<ExprId> subscripts) {
  return intern({.op = Op::variable,
                 .dtype = function_.var(var).dtype,
                 .var = var,
                 .bits = 0,
                 .args = std::move(subscripts)});
}
ExprId Builder::load(VarId buffer, ExprId index) {
  TENON_CHECK(dtype(index) == DType::i64, "load: an index is i64");
  return intern(
      {.op = Op::load, .dtype = function_.var(buffer).dtype, .var = buffer, .bits = 0, .args = {index}});
}
ExprId Builder::address(VarId base, ExprId byte_offset, DType element) {
  TENON_CHECK(dtype(byte_offset) == DType::i64, "address: an offset is i64");
  return intern({.op = Op::address, .dtype = element, .var = base, .bits = 0, .args = {byte_offset}});
}

// The operation on constants, unless it makes a NaN: its payload is the processor's to choose.
ExprId Builder::folded(Op op, DType result, std::initializer_list<ExprId> args) {
  uint64_t values[3] = {};
  size_t n = 0;
  for (ExprId a : args) {
    const Expr& e = function_.expr(a);
    if (e.op != Op::constant) return {};
    values[n++] = e.bits;
  }
  uint64_t out = 0;
  if (!apply(op, dtype(*args.begin()), result, values, &out)) return {};
  const bool moves_bits = op == Op::neg || op == Op::abs || op == Op::bitcast;
  if (!moves_bits && is_nan(result, out)) return {};
  return constant(result, out);
}

ExprId Builder::unary(Op op, ExprId a) {
  TENON_CHECK(operand_count(op) == 1 && op_takes(op, dtype(a)), "unary: no such operation on this type");
  if (op == Op::cast || op == Op::bitcast) return a;
  if (ExprId f = folded(op, dtype(a), {a}); f.valid()) return f;
  return intern({.op = op, .dtype = dtype(a), .var = {}, .bits = 0, .args = {a}});
}

// i64 only: x+0, x-0, x*1, x*0, x/1, x%1, and (x+c1)+c2. A constant stands on the right; a negative one is
// subtracted, so that texts read `i - 1`.
ExprId Builder::index_arithmetic(Op op, ExprId a, ExprId b) {
  const int64_t* ca = as_index(a);
  const int64_t* cb = as_index(b);
  constexpr int64_t lowest = std::numeric_limits<int64_t>::min();
  if ((op == Op::add || op == Op::mul) && ca != nullptr && cb == nullptr) return binary(op, b, a);
  if ((op == Op::min || op == Op::max) && a == b) return a;
  if (op == Op::sub && a == b) return index(0);
  if (cb == nullptr) return {};
  const int64_t c = *cb;
  const Expr x = function_.expr(a);
  const int64_t* inner = x.args.size() == 2 ? as_index(x.args[1]) : nullptr;
  switch (op) {
    case Op::add:
    case Op::sub: {
      if (c == 0) return a;
      const bool chained = (x.op == Op::add || x.op == Op::sub) && inner != nullptr;
      if (!chained && (op == Op::add ? c > 0 : c > 0 || c == lowest)) return {};
      // Wrapping, as the arithmetic itself.
      uint64_t total = op == Op::add ? static_cast<uint64_t>(c) : uint64_t{0} - static_cast<uint64_t>(c);
      ExprId base = a;
      if (chained) {
        const uint64_t i = static_cast<uint64_t>(*inner);
        total += x.op == Op::add ? i : uint64_t{0} - i;
        base = x.args[0];
      }
      const int64_t sum = static_cast<int64_t>(total);
      if (sum == 0) return base;
      const bool minus = sum < 0;  // lowest is its own negative: x - lowest is x + lowest
      return intern({.op = minus ? Op::sub : Op::add,
                     .dtype = DType::i64,
                     .var = {},
                     .bits = 0,
                     .args = {base, index(minus ? static_cast<int64_t>(uint64_t{0} - total) : sum)}});
    }
    case Op::mul:
      if (c == 1) return a;
      if (c == 0) return b;
      if (x.op == Op::mul && inner != nullptr) {
        return binary(Op::mul, x.args[0],
                      index(static_cast<int64_t>(static_cast<uint64_t>(*inner) * static_cast<uint64_t>(c))));
      }
      return {};
    case Op::div:
      return c == 1 ? a : ExprId{};
    case Op::rem:
      return c == 1 ? index(0) : ExprId{};
    default:
      return {};
  }
}

ExprId Builder::binary(Op op, ExprId a, ExprId b) {
  TENON_CHECK(operand_count(op) == 2, "binary: not an operation of two operands");
  TENON_CHECK(dtype(a) == dtype(b), "binary: operands of " + std::string(dtype_name(dtype(a))) + " and " +
                                        std::string(dtype_name(dtype(b))));
  TENON_CHECK(op_takes(op, dtype(a)),
              "binary: " + std::string(op_name(op)) + " does not take " + std::string(dtype_name(dtype(a))));
  const bool compares = op == Op::eq || op == Op::ne || op == Op::lt || op == Op::le;
  const DType result = compares ? DType::bool_ : dtype(a);
  if (ExprId f = folded(op, result, {a, b}); f.valid()) return f;
  if (dtype(a) == DType::i64) {
    if (ExprId s = index_arithmetic(op, a, b); s.valid()) return s;
  }
  return intern({.op = op, .dtype = result, .var = {}, .bits = 0, .args = {a, b}});
}

ExprId Builder::fma(ExprId a, ExprId b, ExprId c) {
  TENON_CHECK(is_float(dtype(a)) && dtype(a) == dtype(b) && dtype(a) == dtype(c),
              "fma: three floats of one type");
  if (ExprId f = folded(Op::fma, dtype(a), {a, b, c}); f.valid()) return f;
  return intern({.op = Op::fma, .dtype = dtype(a), .var = {}, .bits = 0, .args = {a, b, c}});
}

ExprId Builder::select(ExprId condition, ExprId a, ExprId b) {
  TENON_CHECK(is_bool(dtype(condition)) && dtype(a) == dtype(b), "select: a bool and two values of one type");
  if (a == b) return a;
  if (const Expr& c = function_.expr(condition); c.op == Op::constant) return c.bits != 0 ? a : b;
  return intern({.op = Op::select, .dtype = dtype(a), .var = {}, .bits = 0, .args = {condition, a, b}});
}

ExprId Builder::cast(ExprId a, DType to) {
  if (dtype(a) == to) return a;
  if (ExprId f = folded(Op::cast, to, {a}); f.valid()) return f;
  return intern({.op = Op::cast, .dtype = to, .var = {}, .bits = 0, .args = {a}});
}

ExprId Builder::bitcast(ExprId a, DType to) {
  TENON_CHECK(dtype_bytes(dtype(a)) == dtype_bytes(to) && is_bool(dtype(a)) == is_bool(to),
              "bitcast: sizes differ");
  if (dtype(a) == to) return a;
  if (ExprId f = folded(Op::bitcast, to, {a}); f.valid()) return f;
  return intern({.op = Op::bitcast, .dtype = to, .var = {}, .bits = 0, .args = {a}});
}

Stmt& Builder::append(StmtKind kind) {
  blocks_.back()->emplace_back().kind = kind;
  Stmt& s = blocks_.back()->back();
  s.comment = std::move(comment_);
  comment_.clear();
  return s;
}
Stmt& Builder::open() {
  TENON_CHECK(!parents_.empty(), "no block is open");
  return parents_.back()->back();
}

VarId Builder::declare(std::string name, DType dtype, ExprId initial, std::vector<ExprId> extents) {
  Var v{.kind = VarKind::local, .dtype = dtype, .name = std::move(name)};
  v.extents = std::move(extents);
  const VarId id = variable(std::move(v));
  Stmt& s = append(StmtKind::declare);
  s.var = id;
  s.value = initial;
  return id;
}

ExprId Builder::let(std::string name, ExprId value) {
  const Expr& e = function_.expr(value);
  // A register variable may change later: its value now needs a name.
  const bool leaf =
      e.op == Op::constant || (e.op == Op::variable && function_.var(e.var).kind != VarKind::local);
  if (leaf) return value;
  const VarId id = variable(Var{.kind = VarKind::let, .dtype = e.dtype, .name = std::move(name)});
  Stmt& s = append(StmtKind::let);
  s.var = id;
  s.value = value;
  return use(id);
}

void Builder::assign(VarId var, ExprId value, std::vector<ExprId> subscripts) {
  Stmt& s = append(StmtKind::assign);
  s.var = var;
  s.value = value;
  s.args = std::move(subscripts);
}
void Builder::store(VarId buffer, ExprId index, ExprId value) {
  Stmt& s = append(StmtKind::store);
  s.var = buffer;
  s.index = index;
  s.value = value;
}
void Builder::fail(uint16_t code, ExprId condition, ExprId detail) {
  Stmt& s = append(StmtKind::fail);
  s.code = code;
  s.value = condition;
  s.index = detail;
}
void Builder::prefetch(VarId buffer, ExprId index, bool write) {
  Stmt& s = append(StmtKind::prefetch);
  s.var = buffer;
  s.index = index;
  s.write = write;
}
void Builder::exchange(VarId array) { append(StmtKind::exchange).var = array; }
void Builder::call(std::string callee, std::vector<ExprId> args) {
  Stmt& s = append(StmtKind::call);
  s.callee = std::move(callee);
  s.args = std::move(args);
}
void Builder::stop_on_failure() { append(StmtKind::stop_on_failure); }
void Builder::exit_if(ExprId condition) { append(StmtKind::exit_if).value = condition; }
void Builder::progress(ExprId steps) { append(StmtKind::progress).value = steps; }
void Builder::comment(std::string text) { comment_ = std::move(text); }

ExprId Builder::begin_loop(StmtKind kind, std::string name, ExprId lo, ExprId hi, ExprId step, ExprId value) {
  const VarId id = variable(Var{.kind = VarKind::loop, .dtype = DType::i64, .name = std::move(name)});
  Stmt& s = append(kind);
  s.var = id;
  s.lo = lo;
  s.hi = hi;
  s.step = step;
  s.value = value;
  parents_.push_back(blocks_.back());
  blocks_.push_back(&s.body);
  return use(id);
}
ExprId Builder::begin_for(std::string name, ExprId lo, ExprId hi, ExprId step) {
  return begin_loop(StmtKind::for_, std::move(name), lo, hi, step, {});
}
ExprId Builder::begin_lanes(std::string name, ExprId lo, ExprId hi, ExprId width) {
  return begin_loop(StmtKind::lanes, std::move(name), lo, hi, width, {});
}
ExprId Builder::begin_unroll(std::string name, ExprId lo, ExprId hi) {
  return begin_loop(StmtKind::unroll, std::move(name), lo, hi, {}, {});
}
ExprId Builder::begin_specialize(std::string name, ExprId lo, ExprId hi, ExprId value) {
  return begin_loop(StmtKind::specialize, std::move(name), lo, hi, {}, value);
}
ExprId Builder::begin_parallel(std::string name, ExprId count) {
  return begin_loop(StmtKind::parallel, std::move(name), {}, count, {}, {});
}
void Builder::begin_if(ExprId condition) {
  Stmt& s = append(StmtKind::if_);
  s.value = condition;
  parents_.push_back(blocks_.back());
  blocks_.push_back(&s.body);
}
void Builder::begin_else() {
  Stmt& s = open();
  TENON_CHECK(s.kind == StmtKind::if_ && blocks_.back() == &s.body, "else without if");
  blocks_.back() = &s.other;
}
void Builder::fold(VarId target, FoldOp op, ExprId value) {
  Stmt& s = open();
  TENON_CHECK(s.kind == StmtKind::lanes, "a fold stands at the end of a lanes body");
  s.folds.push_back({target, op, value});
}
void Builder::end() {
  TENON_CHECK(!parents_.empty(), "end without begin");
  parents_.pop_back();
  blocks_.pop_back();
}

}  // namespace tenon::kernel
