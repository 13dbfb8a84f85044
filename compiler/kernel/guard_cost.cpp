#include "kernel/guard_cost.h"

#include <algorithm>
#include <bit>
#include <unordered_set>

namespace tenon::kernel {
namespace {

constexpr int64_t most_cost = int64_t{1} << 20, call_cost = 128, vector_lanes = 16;

class Counter {
 public:
  explicit Counter(const Function& f) : f_(f) {}

  int64_t block(const std::vector<Stmt>& body) {
    int64_t sum = 0;
    for (const Stmt& s : body) sum = std::min(most_cost, sum + statement(s));
    return sum;
  }
  // Nodes not counted before.
  int64_t nodes(ExprId root) {
    int64_t count = 0;
    std::vector<ExprId> stack;
    if (root.valid()) stack.push_back(root);
    while (!stack.empty()) {
      const ExprId e = stack.back();
      stack.pop_back();
      if (!seen_.insert(e.index).second) continue;
      ++count;
      for (ExprId a : f_.expr(e).args) stack.push_back(a);
    }
    return count;
  }

 private:
  int64_t statement(const Stmt& s) {
    int64_t sum = 1 + nodes(s.value) + nodes(s.index);
    for (ExprId a : s.args) sum += nodes(a);
    switch (s.kind) {
      case StmtKind::for_:
      case StmtKind::lanes:
      case StmtKind::parallel:
        return sum;
      case StmtKind::call:
        return sum + call_cost;
      case StmtKind::unroll: {
        const Expr &lo = f_.expr(s.lo), &hi = f_.expr(s.hi);
        constexpr int64_t usual = 16;
        const bool known = lo.op == Op::constant && hi.op == Op::constant;
        const int64_t trips = known ? static_cast<int64_t>(hi.bits) - static_cast<int64_t>(lo.bits) : usual;
        return std::min(most_cost, sum + block(s.body) * std::clamp<int64_t>(trips, 0, 4096));
      }
      default:
        return sum + block(s.body) + block(s.other);
    }
  }

  const Function& f_;
  std::unordered_set<uint32_t> seen_;
};

}  // namespace

int64_t trip_cost(const Function& f, const Stmt& loop, int64_t lanes) {
  Counter counter(f);
  int64_t cost = counter.block(loop.body);
  // A fold halves its lanes, one step after the other.
  for (const Fold& fold : loop.folds)
    cost += counter.nodes(fold.value) + 4 * std::bit_width(static_cast<uint64_t>(lanes));
  return std::clamp<int64_t>(cost * std::max<int64_t>(1, lanes / vector_lanes), 1, most_cost);
}

}  // namespace tenon::kernel
