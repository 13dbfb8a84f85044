// Kernels against the evaluator of kernel IR, bit for bit, on every target of this CPU.
#include <cmath>
#include <limits>

#include "unit/catch.h"
#include "unit/object/kernel_run.h"

using namespace tenon;
using namespace tenon::kernel;
using namespace tenon::object_test;

namespace {

template <class T>
std::vector<T> special(size_t n, int salt) {
  std::vector<T> v;
  using L = std::numeric_limits<T>;
  for (size_t i = 0; i < n; ++i) {
    const uint64_t mixed = (i * 2654435761u + static_cast<uint64_t>(salt) * 40503u) ^ (i << 7);
    if constexpr (std::is_floating_point_v<T>) {
      switch (mixed % 17) {
        case 0:
          v.push_back(T(0));
          break;
        case 1:
          v.push_back(-T(0));
          break;
        case 2:
          v.push_back(L::infinity());
          break;
        case 3:
          v.push_back(-L::infinity());
          break;
        case 4:
          v.push_back(L::quiet_NaN());
          break;
        case 5:
          v.push_back(L::denorm_min() * T(mixed % 1000));
          break;
        case 6:
          v.push_back(L::max());
          break;
        case 7:
          v.push_back(T(2.5));
          break;
        case 8:
          v.push_back(T(-3.5));
          break;
        case 9:
          v.push_back(T(4294967295.0));
          break;
        case 10:
          v.push_back(T(-9.3e18));
          break;
        default:
          v.push_back(T(static_cast<int64_t>(mixed % 20001) - 10000) / T(37));
          break;
      }
    } else if constexpr (std::is_same_v<T, uint8_t>) {
      v.push_back(static_cast<uint8_t>(mixed >> 3));
    } else {
      switch (mixed % 9) {
        case 0:
          v.push_back(0);
          break;
        case 1:
          v.push_back(static_cast<T>(-1));
          break;
        case 2:
          v.push_back(L::min());
          break;
        case 3:
          v.push_back(L::max());
          break;
        case 4:
          v.push_back(static_cast<T>(mixed % 80));
          break;
        default:
          v.push_back(static_cast<T>(mixed * 0x9e3779b97f4a7c15ull));
          break;
      }
    }
  }
  return v;
}

HostArgument data_of(DType dtype, size_t n, int salt) {
  switch (dtype) {
    case DType::f64:
      return buffer_of(special<double>(n, salt));
    case DType::f32:
      return buffer_of(special<float>(n, salt));
    case DType::i32:
      return buffer_of(special<int32_t>(n, salt));
    case DType::i64:
      return buffer_of(special<int64_t>(n, salt));
    case DType::u32:
      return buffer_of(special<uint32_t>(n, salt));
    case DType::u8:
      return buffer_of(special<uint8_t>(n, salt));
    default: {
      std::vector<uint8_t> v = special<uint8_t>(n, salt);
      for (uint8_t& b : v) b &= 1;
      return buffer_of(v);
    }
  }
}
constexpr DType numbers[] = {DType::f64, DType::f32, DType::i32, DType::i64, DType::u32, DType::u8};

// out[i] = f(a[i], b[i], c[i]) over n elements in blocks of `width`; each output a buffer of its own.
using Maker = std::function<std::vector<ExprId>(Builder&, ExprId, ExprId, ExprId)>;
void check_map(DType dtype, int width, int64_t n, const Maker& make, bool static_size = false) {
  Function f;
  f.name = "k_map";
  Builder b(f);
  const VarId x = b.buffer("a", dtype), y = b.buffer("b", dtype), z = b.buffer("c", dtype);
  const ExprId size = static_size ? b.index(n) : b.use(b.scalar("n"));
  std::vector<HostArgument> arguments{data_of(dtype, static_cast<size_t>(n), 1),
                                      data_of(dtype, static_cast<size_t>(n), 2),
                                      data_of(dtype, static_cast<size_t>(n), 3)};
  if (!static_size) arguments.push_back(scalar_of(n));
  // Outputs are parameters too: a first run finds their number and types.
  std::vector<DType> types;
  {
    Function probe = f;
    Builder pb(probe);
    const ExprId i = pb.begin_lanes("i", pb.index(0), pb.index(1), pb.index(1));
    for (ExprId e : make(pb, pb.load(x, i), pb.load(y, i), pb.load(z, i))) types.push_back(pb.dtype(e));
    pb.end();
  }
  std::vector<VarId> outputs;
  for (size_t k = 0; k < types.size(); ++k) {
    outputs.push_back(b.buffer("out" + std::to_string(k), types[k]));
    HostArgument a;
    a.buffer = true;
    a.bytes.resize(static_cast<size_t>(n) * dtype_bytes(types[k]));
    arguments.push_back(std::move(a));
  }
  const ExprId i = b.begin_lanes("i", b.index(0), size, b.index(width));
  const std::vector<ExprId> results = make(b, b.load(x, i), b.load(y, i), b.load(z, i));
  for (size_t k = 0; k < results.size(); ++k) b.store(outputs[k], i, results[k]);
  b.end();
  check_kernel(f, arguments);
}

}  // namespace

TEST_CASE("Elementwise kernels with every tail") {
  auto make = [](Builder& b, ExprId x, ExprId y, ExprId z) {
    return std::vector<ExprId>{b.fma(x, y, z), b.add(x, b.mul(y, z))};
  };
  for (int64_t n = 0; n <= 130; n += n < 70 ? 1 : 7) {
    check_map(DType::f32, 32, n, make);
    if (n % 3 == 0) check_map(DType::f32, 16, n, make, true);
    if (n % 5 == 0) check_map(DType::f64, 8, n, make);
    if (n % 7 == 0) check_map(DType::f32, 64, n, make);
    if (n % 11 == 0) check_map(DType::f32, 4, n, make);
    if (n % 13 == 0) check_map(DType::f32, 1, n, make);
  }
}

TEST_CASE("Float operations on special values") {
  for (DType dtype : {DType::f32, DType::f64}) {
    auto make = [](Builder& b, ExprId x, ExprId y, ExprId z) {
      std::vector<ExprId> r;
      for (Op op : {Op::add, Op::sub, Op::mul, Op::div}) r.push_back(b.binary(op, x, y));
      for (Op op : {Op::neg, Op::sqrt, Op::floor, Op::ceil, Op::trunc, Op::round_even, Op::abs})
        r.push_back(b.unary(op, x));
      for (Op op : {Op::eq, Op::ne, Op::lt, Op::le}) r.push_back(b.binary(op, x, y));
      r.push_back(b.fma(x, y, z));
      r.push_back(b.select(b.binary(Op::lt, x, y), z, x));
      return r;
    };
    check_map(dtype, 32, 333, make);
    check_map(dtype, 1, 50, make);
  }
}

TEST_CASE("Integer operations on special values") {
  for (DType dtype : {DType::i32, DType::i64, DType::u32, DType::u8}) {
    auto make = [dtype](Builder& b, ExprId x, ExprId y, ExprId z) {
      std::vector<ExprId> r;
      for (Op op : {Op::add, Op::sub, Op::mul, Op::div, Op::rem, Op::min, Op::max, Op::band, Op::bor,
                    Op::bxor, Op::shl, Op::lshr, Op::ashr, Op::eq, Op::ne, Op::lt, Op::le})
        r.push_back(b.binary(op, x, y));
      for (Op op : {Op::neg, Op::abs, Op::bnot}) r.push_back(b.unary(op, x));
      if (dtype == DType::u32) r.push_back(b.binary(Op::mulhi, x, y));
      const ExprId small = b.binary(Op::band, z, b.constant(dtype, 7));
      r.push_back(b.binary(Op::shl, x, small));
      r.push_back(b.binary(Op::div, x, b.constant(dtype, 3)));
      r.push_back(b.binary(Op::rem, x, b.constant(dtype, 10)));
      r.push_back(b.binary(Op::shl, x, b.constant(dtype, 3)));
      return r;
    };
    check_map(dtype, 32, 201, make);
    check_map(dtype, 1, 40, make);
  }
}

TEST_CASE("Casts between all types that compute") {
  for (DType from : numbers) {
    auto make = [from](Builder& b, ExprId x, ExprId, ExprId) {
      std::vector<ExprId> r;
      for (DType to : numbers)
        if (to != from) r.push_back(b.cast(x, to));
      r.push_back(b.cast(x, DType::bool_));
      r.push_back(b.cast(b.cast(x, DType::bool_), from));
      if (from == DType::f32) r.push_back(b.bitcast(x, DType::u32));
      if (from == DType::i64) r.push_back(b.bitcast(x, DType::f64));
      return r;
    };
    check_map(from, 32, 205, make);
    check_map(from, 1, 64, make);
  }
}

TEST_CASE("Booleans in memory and in registers") {
  auto make = [](Builder& b, ExprId x, ExprId y, ExprId z) {
    std::vector<ExprId> r;
    for (Op op : {Op::band, Op::bor, Op::bxor, Op::eq, Op::ne}) r.push_back(b.binary(op, x, y));
    r.push_back(b.unary(Op::bnot, x));
    r.push_back(b.select(x, y, z));
    r.push_back(b.cast(x, DType::f32));
    r.push_back(b.cast(x, DType::i64));
    return r;
  };
  for (int64_t n : {1, 15, 16, 33, 77}) check_map(DType::bool_, 16, n, make);
}

TEST_CASE("Folds combine lanes by halving") {
  struct Row {
    FoldOp op;
    DType dtype;
  };
  for (Row row : {Row{FoldOp::add, DType::f32}, Row{FoldOp::mul, DType::f32}, Row{FoldOp::min, DType::f32},
                  Row{FoldOp::max, DType::f32}, Row{FoldOp::add, DType::f64}, Row{FoldOp::max, DType::f64},
                  Row{FoldOp::add, DType::i32}, Row{FoldOp::min, DType::i32}, Row{FoldOp::max, DType::i64},
                  Row{FoldOp::min, DType::u32}, Row{FoldOp::max, DType::u8}, Row{FoldOp::add, DType::u8},
                  Row{FoldOp::band, DType::u32}, Row{FoldOp::bor, DType::i32}}) {
    for (int width : {1, 2, 8, 16, 64}) {
      for (int64_t n : {0, 1, 7, 16, 64, 65, 133}) {
        Function f;
        f.name = "k_fold";
        Builder b(f);
        const VarId x = b.buffer("x", row.dtype), out = b.buffer("out", row.dtype);
        const ExprId size = b.use(b.scalar("n"));
        const VarId s = b.declare("s", row.dtype, b.load(out, b.index(0)));
        const ExprId i = b.begin_lanes("i", b.index(0), size, b.index(width));
        const ExprId v = b.load(x, i);
        b.fold(s, row.op, row.op == FoldOp::mul ? b.add(v, v) : v);
        b.end();
        b.store(out, b.index(0), b.use(s));
        std::vector<HostArgument> arguments{data_of(row.dtype, static_cast<size_t>(n), static_cast<int>(n)),
                                            data_of(row.dtype, 1, 5), scalar_of(n)};
        if (is_float(row.dtype) && n != 65) {  // finite numbers, so that sums show their order
          std::vector<float> f32(static_cast<size_t>(n));
          std::vector<double> f64(static_cast<size_t>(n));
          for (size_t k = 0; k < f32.size(); ++k)
            f64[k] = f32[k] = std::ldexp(float(k % 13) * 1.1f - 6.7f, int(k % 19) - 9);
          arguments[0] = row.dtype == DType::f32 ? buffer_of(f32) : buffer_of(f64);
          arguments[1] = row.dtype == DType::f32 ? buffer_of(std::vector<float>{0.1f})
                                                 : buffer_of(std::vector<double>{0.1});
        }
        check_kernel(f, arguments);
      }
    }
  }
}

TEST_CASE("Register tiles with specialize, unroll and tails") {
  // c[m x n] = a[m x k] * b[k x n], rows in tiles of 4 with a specialized rest.
  auto build = [](bool transposed) {
    Function f;
    f.name = "k_tile";
    Builder b(f);
    const VarId a = b.buffer("a", DType::f32), w = b.buffer("b", DType::f32), c = b.buffer("c", DType::f32);
    const ExprId m = b.use(b.scalar("m")), n = b.use(b.scalar("n")), k = b.use(b.scalar("k"));
    const ExprId mr = b.use(b.fixed("MR", 4)), nr = b.use(b.fixed("NR", 32));
    const ExprId i0 = b.begin_for("i0", b.index(0), m, mr);
    const ExprId rows = b.let("rows", b.binary(Op::min, b.sub(m, i0), mr));
    const ExprId r = b.begin_specialize("r", b.index(1), mr, rows);
    const ExprId j = b.begin_lanes("j", b.index(0), n, nr);
    const VarId acc = b.declare("acc", DType::f32, b.literal(0.0f), {r});
    const ExprId kk = b.begin_for("kk", b.index(0), k, b.index(1));
    const ExprId bv = b.let("bv", b.load(w, b.add(b.mul(kk, n), j)));
    const ExprId i = b.begin_unroll("i", b.index(0), r);
    const ExprId row = b.add(i0, i);
    b.assign(acc,
             b.fma(b.load(a, transposed ? b.add(b.mul(kk, m), row) : b.add(b.mul(row, k), kk)), bv,
                   b.use(acc, {i})),
             {i});
    b.end();
    b.end();
    const ExprId q = b.begin_unroll("q", b.index(0), r);
    b.store(c, b.add(b.mul(b.add(i0, q), n), j), b.use(acc, {q}));
    b.end();
    b.end();
    b.end();
    b.end();
    return f;
  };
  for (bool transposed : {false, true})
    for (auto [m, n, k] :
         {std::tuple<int64_t, int64_t, int64_t>{1, 1, 1}, {4, 32, 5}, {7, 45, 3}, {3, 70, 0}, {11, 33, 9}}) {
      std::vector<float> a(static_cast<size_t>(m * k)), w(static_cast<size_t>(k * n)),
          c(static_cast<size_t>(m * n));
      for (size_t i = 0; i < a.size(); ++i) a[i] = float(i % 7) * 0.37f - 1;
      for (size_t i = 0; i < w.size(); ++i) w[i] = float(i % 11) * 0.13f - 0.5f;
      check_kernel(build(transposed),
                   {buffer_of(a), buffer_of(w), buffer_of(c), scalar_of(m), scalar_of(n), scalar_of(k)});
    }
}

TEST_CASE("Exchanges transpose registers and lanes, with every tail") {
  auto with = [&]<class T>(T, int width, int registers) {
    const auto w = static_cast<size_t>(width);
    Function f;
    f.name = "k_turn";
    Builder b(f);
    const VarId x = b.buffer("x", dtype_of<T>::value), y = b.buffer("y", dtype_of<T>::value);
    const ExprId n = b.use(b.scalar("n")), lanes = b.use(b.fixed("W", width)), side = b.index(registers);
    const ExprId i = b.begin_lanes("i", b.index(0), n, lanes);
    const VarId v = b.declare("v", dtype_of<T>::value, b.load(x, i), {side});
    ExprId r = b.begin_unroll("r", b.index(1), side);
    b.assign(v, b.load(x, b.add(b.mul(r, b.index(3 * width)), i)), {r});
    b.end();
    b.exchange(v);
    r = b.begin_unroll("r", b.index(0), side);
    b.store(y, b.add(b.mul(r, b.index(3 * width)), i), b.use(v, {r}));
    b.end();
    b.end();
    for (size_t count : {w, 2 * w, w + 1, w - 1, size_t{1}, size_t{0}})
      check_kernel(f, {buffer_of(special<T>(3 * w * w, 1)), buffer_of(std::vector<T>(3 * w * w)),
                       scalar_of(static_cast<int64_t>(count))});
  };
  for (int width : {1, 2, 8, 16, 32}) with(float{}, width, width);
  for (int width : {4, 8}) with(double{}, width, width);
  with(int64_t{}, 16, 16);
  for (int width : {8, 16, 32})
    for (int registers : {1, 2, 3, 4, 5, 7}) with(float{}, width, registers);
  for (int registers : {1, 2, 3, 6, 15}) with(double{}, 16, registers);
  for (int registers : {3, 4, 13}) with(int32_t{}, 16, registers);
}

TEST_CASE("Predicated ifs touch no memory in lanes that are off") {
  // Lanes beyond `limit` would read outside y; the loop over them is guarded by the condition alone.
  for (int64_t n : {5, 16, 40, 67}) {
    Function f;
    f.name = "k_if";
    Builder b(f);
    const VarId x = b.buffer("x", DType::f32), y = b.buffer("y", DType::f32),
                out = b.buffer("out", DType::f32);
    const ExprId size = b.use(b.scalar("n")), limit = b.use(b.scalar("limit"));
    const ExprId i = b.begin_lanes("i", b.index(0), size, b.index(32));
    const VarId v = b.declare("v", DType::f32, b.literal(-1.0f));
    const ExprId xv = b.let("xv", b.load(x, i));
    b.begin_if(b.binary(Op::lt, i, limit));
    b.assign(v, b.add(b.load(y, i), xv));
    b.begin_if(b.binary(Op::lt, xv, b.literal(0.0f)));
    b.assign(v, b.mul(b.use(v), b.literal(3.0f)));
    b.store(out, i, b.load(y, b.index(0)));
    b.begin_else();
    b.store(out, b.add(i, size), b.use(v));
    b.end();
    b.begin_else();
    b.assign(v, xv);
    b.end();
    b.store(out, b.add(i, b.mul(size, b.index(2))), b.use(v));
    b.end();
    const int64_t limit_value = n / 3 + 1;
    check_kernel(f,
                 {data_of(DType::f32, static_cast<size_t>(n), 1),
                  data_of(DType::f32, static_cast<size_t>(limit_value), 2),
                  data_of(DType::f32, static_cast<size_t>(3 * n), 3), scalar_of(n), scalar_of(limit_value)});
  }
}

TEST_CASE("A uniform load under a condition that no lane meets reads nothing") {
  Function f;
  f.name = "k_none";
  Builder b(f);
  const VarId x = b.buffer("x", DType::f32), empty = b.buffer("empty", DType::f32),
              out = b.buffer("out", DType::f32);
  const ExprId far = b.use(b.scalar("far"));
  const ExprId i = b.begin_lanes("i", b.index(0), b.index(37), b.index(16));
  const VarId v = b.declare("v", DType::f32, b.load(x, i));
  b.begin_if(b.binary(Op::lt, b.load(x, i), b.literal(-5.0f)));
  b.assign(v, b.load(empty, far));
  b.end();
  b.store(out, i, b.use(v));
  b.end();
  check_kernel(f, {buffer_of(std::vector<float>(37, 1.0f)), buffer_of(std::vector<float>{}),
                   buffer_of(std::vector<float>(37)), scalar_of(int64_t{1} << 33)});
}

TEST_CASE("Gathers, strided and reversed accesses, scatters") {
  for (DType dtype : {DType::f32, DType::f64, DType::i64, DType::u8, DType::bool_}) {
    for (int64_t n : {1, 16, 50}) {
      Function f;
      f.name = "k_gather";
      Builder b(f);
      const VarId x = b.buffer("x", dtype), rows = b.buffer("rows", DType::i32), out = b.buffer("out", dtype);
      const ExprId size = b.use(b.scalar("n")), stride = b.use(b.scalar("stride"));
      const ExprId i = b.begin_lanes("i", b.index(0), size, b.index(16));
      const ExprId row = b.cast(b.load(rows, i), DType::i64);
      b.store(out, i, b.load(x, row));
      b.store(out, b.add(size, b.mul(i, b.index(2))), b.load(x, b.mul(i, b.index(3))));
      b.store(out, b.add(b.mul(size, b.index(3)), i), b.load(x, b.sub(b.sub(size, b.index(1)), i)));
      b.store(out, b.add(b.mul(size, b.index(4)), i), b.load(x, b.mul(i, stride)));
      b.store(out, b.add(b.mul(size, b.index(5)), row), b.load(x, i));
      b.store(out, b.mul(size, b.index(6)), b.load(x, i));  // all lanes to one element: the last stays
      b.end();
      std::vector<int32_t> order(static_cast<size_t>(n));
      for (size_t k = 0; k < order.size(); ++k)
        order[k] = static_cast<int32_t>((k * 7 + 3) % static_cast<size_t>(n));
      check_kernel(f,
                   {data_of(dtype, static_cast<size_t>(3 * n), 1), buffer_of(order),
                    data_of(dtype, static_cast<size_t>(6 * n + 1), 2), scalar_of(n), scalar_of(int64_t{2})});
    }
  }
}

TEST_CASE("Loops carry variables, in and out of branches") {
  for (int64_t n : {0, 1, 2, 9, 30}) {
    Function f;
    f.name = "k_loop";
    Builder b(f);
    const VarId x = b.buffer("x", DType::f32), out = b.buffer("out", DType::f32);
    const ExprId size = b.use(b.scalar("n"));
    const VarId sum = b.declare("sum", DType::f32, b.literal(0.5f)),
                best = b.declare("best", DType::f32, b.literal(-1e30f)),
                where = b.declare("where", DType::i64, b.index(-1)),
                still = b.declare("still", DType::f32, b.literal(7.0f));
    const ExprId i = b.begin_for("i", b.index(0), size, b.index(2));
    const ExprId v = b.let("v", b.load(x, i));
    b.begin_if(b.binary(Op::lt, b.use(best), v));
    b.assign(best, v);
    b.assign(where, i);
    b.begin_else();
    b.assign(sum, b.add(b.use(sum), b.use(still)));
    b.end();
    b.begin_for("j", i, size, b.index(1));
    b.assign(sum, b.fma(b.use(sum), b.literal(0.5f), v));
    b.end();
    const ExprId r = b.begin_specialize("r", b.index(0), b.index(2), b.binary(Op::rem, i, b.index(5)));
    b.assign(sum, b.add(b.use(sum), b.cast(r, DType::f32)));
    b.end();
    b.end();
    b.store(out, b.index(0), b.use(sum));
    b.store(out, b.index(1), b.use(best));
    b.store(out, b.index(2), b.cast(b.use(where), DType::f32));
    b.store(out, b.index(3), b.use(still));
    std::vector<float> data(static_cast<size_t>(n) + 1);
    for (size_t k = 0; k < data.size(); ++k) data[k] = float((k * 37) % 17) - 4;
    check_kernel(f, {buffer_of(data), buffer_of(std::vector<float>(4)), scalar_of(n)});
  }
}

// What a loop's known bounds say of i says nothing of i and an unknown.
TEST_CASE("The lesser of a loop's index, an unknown and a limit") {
  Function f;
  f.name = "k_least";
  Builder b(f);
  const VarId out = b.buffer("out", DType::i64);
  const ExprId n = b.use(b.scalar("n"));
  const ExprId i = b.begin_for("i", b.index(0), b.index(12), b.index(3));
  const ExprId at = b.binary(Op::div, i, b.index(3)), limit = b.index(10);
  const ExprId asked[] = {i,
                          b.add(i, n),
                          b.add(n, i),
                          b.add(i, b.index(1)),
                          b.add(i, b.index(2)),
                          b.add(i, b.index(-20)),
                          b.sub(i, n)};
  const auto count = static_cast<int64_t>(std::size(asked));
  for (int64_t k = 0; k < count; ++k)
    b.store(out, b.add(b.mul(at, b.index(count)), b.index(k)), b.binary(Op::min, asked[k], limit));
  b.end();
  for (const int64_t far : {-5, 0, 4, 100})
    check_kernel(f, {buffer_of(std::vector<int64_t>(4 * std::size(asked))), scalar_of(far)});
}

TEST_CASE("Loops inside lanes carry one value a lane") {
  // Row sums by columns of lanes, with a running maximum, and a nested fold of what they give.
  for (int64_t n : {3, 16, 41}) {
    Function f;
    f.name = "k_columns";
    Builder b(f);
    const VarId x = b.buffer("x", DType::f32), out = b.buffer("out", DType::f32);
    const ExprId rows = b.use(b.scalar("rows")), size = b.use(b.scalar("n"));
    const VarId total = b.declare("total", DType::f32, b.literal(0.0f));
    const ExprId j = b.begin_lanes("j", b.index(0), size, b.index(16));
    const VarId s = b.declare("s", DType::f32, b.literal(0.0f)), m = b.declare("m", DType::f32, b.load(x, j));
    const VarId at = b.declare("at", DType::i64, b.index(0));
    const ExprId i = b.begin_for("i", b.index(0), rows, b.index(1));
    const ExprId v = b.let("v", b.load(x, b.add(b.use(at), j)));
    b.assign(s, b.add(b.use(s), v));
    b.begin_if(b.binary(Op::lt, b.use(m), v));
    b.assign(m, v);
    b.end();
    b.begin_if(b.binary(Op::eq, i, b.index(1)));
    b.assign(s, b.mul(b.use(s), b.literal(2.0f)));
    b.end();
    b.assign(at, b.add(b.use(at), size));
    b.end();
    b.store(out, j, b.use(s));
    b.store(out, b.add(j, size), b.use(m));
    b.fold(total, FoldOp::add, b.use(s));
    b.end();
    b.store(out, b.mul(size, b.index(2)), b.use(total));
    std::vector<float> data(static_cast<size_t>(n * 4));
    for (size_t k = 0; k < data.size(); ++k) data[k] = float((k * 37) % 17) * 0.7f - 4;
    check_kernel(f, {buffer_of(data), buffer_of(std::vector<float>(static_cast<size_t>(2 * n + 1))),
                     scalar_of(int64_t{4}), scalar_of(n)});
  }
}

TEST_CASE("Stores are seen by later loads, and by no earlier one") {
  Function f;
  f.name = "k_order";
  Builder b(f);
  const VarId x = b.buffer("x", DType::i32), y = b.buffer("y", DType::i32);
  const ExprId n = b.use(b.scalar("n"));
  const ExprId i = b.begin_for("i", b.index(0), n, b.index(1));
  const ExprId before = b.let("before", b.load(x, b.index(0)));
  b.store(x, b.index(0), b.add(b.load(x, b.index(0)), b.cast(i, DType::i32)));
  b.store(y, i, b.add(b.mul(before, b.literal<int32_t>(1000)), b.load(x, b.index(0))));
  b.end();
  check_kernel(
      f, {buffer_of(std::vector<int32_t>{5}), buffer_of(std::vector<int32_t>(9)), scalar_of(int64_t{9})});
}
