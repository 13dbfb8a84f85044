// Fixed points: rounds over a unit until nothing changes. A round visits every subject once, in program
// order, with its operands rewritten already; so chains collapse in one round, and further rounds are only
// for what replacements made possible.
#pragma once

#include <cstddef>
#include <vector>

namespace tenon::rewrite {

// Rules have a direction and shrink or keep; more rounds than this mean that two of them undo each other.
inline constexpr size_t max_rounds = 64;

struct FixedPoint {
  bool changed = false;  // in any round
  bool settled = false;  // the last round changed nothing
  size_t rounds = 0;
};

// `round` returns true where it changed the unit.
template <class Round>
FixedPoint run_to_fixed_point(Round&& round, size_t limit = max_rounds) {
  FixedPoint out;
  while (out.rounds < limit) {
    ++out.rounds;
    if (!round()) {
      out.settled = true;
      break;
    }
    out.changed = true;
  }
  return out;
}

// A worklist over dense ids: each id is in it at most once at a time, so work is bounded by pushes.
class Worklist {
 public:
  explicit Worklist(size_t size) : waiting_(size, 0) {}
  void push(size_t id) {
    if (id >= waiting_.size()) waiting_.resize(id + 1, 0);
    if (waiting_[id]) return;
    waiting_[id] = 1;
    items_.push_back(id);
  }
  bool empty() const { return items_.empty(); }
  size_t pop() {
    const size_t id = items_.back();
    items_.pop_back();
    waiting_[id] = 0;
    return id;
  }

 private:
  std::vector<char> waiting_;
  std::vector<size_t> items_;
};

}  // namespace tenon::rewrite
