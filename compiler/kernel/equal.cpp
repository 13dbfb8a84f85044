#include <algorithm>
#include <unordered_map>

#include "kernel/text.h"
#include "support/hash.h"

namespace tenon::kernel {

std::vector<uint32_t> equal_expressions(const Function& function) {
  const std::vector<Expr>& exprs = function.exprs;
  std::vector<uint32_t> first(exprs.size());
  std::unordered_multimap<uint64_t, uint32_t> found;
  std::vector<uint32_t> args, other;
  auto args_of = [&](const Expr& e, std::vector<uint32_t>* out) {
    out->clear();
    for (const ExprId a : e.args) out->push_back(first[a.index]);
  };
  for (uint32_t i = 0; i < exprs.size(); ++i) {
    const Expr& e = exprs[i];
    first[i] = i;
    // Malformed: the verifier says so.
    if (std::any_of(e.args.begin(), e.args.end(), [&](ExprId a) { return a.index >= i; })) continue;
    args_of(e, &args);
    Hasher h;
    h.add(static_cast<uint64_t>(e.op) << 8 | static_cast<uint64_t>(e.dtype)).add(e.bits).add(e.var.index);
    for (const uint32_t a : args) h.add(a);
    const auto [begin, end] = found.equal_range(h.low());
    const auto same = std::find_if(begin, end, [&](const auto& entry) {
      const Expr& x = exprs[entry.second];
      if (x.args.size() != args.size()) return false;
      args_of(x, &other);
      return x.op == e.op && x.dtype == e.dtype && x.var == e.var && x.bits == e.bits && other == args;
    });
    if (same != end) {
      first[i] = same->second;
    } else {
      found.emplace(h.low(), i);
    }
  }
  return first;
}

}  // namespace tenon::kernel
