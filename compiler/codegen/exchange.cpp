// Exchanges between the lanes of registers: shuffles of two vectors at a time.
#include <algorithm>
#include <utility>

#include "codegen/emitter.h"

namespace tenon::codegen {
using kernel::Stmt;

// As many registers as lanes: parts are transposed one by one, each by halving: blocks of 2^n lanes off the
// diagonal change places.
void FunctionEmitter::exchange_square(std::vector<std::vector<llvm::Value*>>& rows) {
  const auto lanes = static_cast<size_t>(lanes_->part_lanes), parts = static_cast<size_t>(lanes_->parts);
  for (size_t p = 0; p < parts; ++p)
    for (size_t q = 0; q < parts; ++q)
      for (size_t distance = lanes / 2; distance > 0; distance /= 2) {
        std::vector<int> low, high;
        for (size_t l = 0; l < lanes; ++l) {
          const bool off = (l & distance) != 0;
          low.push_back(static_cast<int>(off ? l + lanes - distance : l));
          high.push_back(static_cast<int>(off ? l + lanes : l + distance));
        }
        for (size_t i = 0; i < lanes; ++i) {
          if ((i & distance) != 0) continue;
          llvm::Value *&a = rows[p * lanes + i][q], *&b = rows[p * lanes + i + distance][q];
          llvm::Value *x = a, *y = b;
          a = builder_.CreateShuffleVector(x, y, low);
          b = builder_.CreateShuffleVector(x, y, high);
        }
      }
  const std::vector<std::vector<llvm::Value*>> old = rows;
  for (size_t i = 0; i < rows.size(); ++i)
    for (size_t p = 0; p < parts; ++p) rows[i][p] = old[p * lanes + i % lanes][i / lanes];
}

// Fewer registers than lanes: each part of the result takes lanes of two sources at a time to where they
// belong; these then differ in the lanes that count and not in their places, and are blended.
void FunctionEmitter::exchange_narrow(std::vector<std::vector<llvm::Value*>>& rows) {
  const auto lanes = static_cast<size_t>(lanes_->part_lanes), parts = static_cast<size_t>(lanes_->parts);
  const std::vector<std::vector<llvm::Value*>> old = rows;
  const size_t n = rows.size();
  for (size_t k0 = 0; k0 < n * parts * lanes; k0 += lanes) {
    std::vector<std::pair<llvm::Value*, std::vector<int>>> taken;  // and the lanes that count; others are -1
    for (size_t l = 0; l < lanes; ++l) {
      const size_t from = (k0 + l) / n;
      llvm::Value* source = old[(k0 + l) % n][from / lanes];
      auto at = std::find_if(taken.begin(), taken.end(), [&](const auto& t) { return t.first == source; });
      if (at == taken.end()) at = taken.insert(at, {source, std::vector<int>(lanes, -1)});
      at->second[l] = static_cast<int>(from % lanes);
    }
    for (bool moved = false; taken.size() > 1 || !moved; moved = true) {
      std::vector<std::pair<llvm::Value*, std::vector<int>>> next;
      for (size_t i = 0; i < taken.size(); i += 2) {
        const bool pair = i + 1 < taken.size();
        std::vector<int> mask = taken[i].second, places(lanes, -1);
        for (size_t l = 0; l < lanes; ++l) {
          if (pair && taken[i + 1].second[l] >= 0) mask[l] = taken[i + 1].second[l] + static_cast<int>(lanes);
          if (mask[l] >= 0) places[l] = static_cast<int>(l);
        }
        llvm::Value* x = taken[i].first;
        next.emplace_back(builder_.CreateShuffleVector(x, pair ? taken[i + 1].first : x, mask), places);
      }
      taken = std::move(next);
    }
    rows[k0 / (parts * lanes)][k0 / lanes % parts] = taken[0].first;
  }
}

void FunctionEmitter::emit_exchange(const Stmt& s) {
  Variable& v = variables_[s.var.index];
  const auto parts = static_cast<size_t>(lanes_->parts);
  if (v.elements.size() > static_cast<size_t>(lanes_->width) || lanes_->predicates > 0)
    return m_.refuse(f_, "an exchange needs as many registers as there are lanes, or fewer");
  std::vector<std::vector<llvm::Value*>> rows;
  for (const Value& e : v.elements) {
    rows.emplace_back();
    for (size_t p = 0; p < parts; ++p) {
      llvm::Value* x = part(e, static_cast<int>(p));
      if (!lanes_->mask.empty())
        x = builder_.CreateSelect(lanes_->mask[p], x, llvm::Constant::getNullValue(x->getType()));
      rows.back().push_back(x);
    }
  }
  if (rows.size() == static_cast<size_t>(lanes_->width))
    exchange_square(rows);
  else
    exchange_narrow(rows);
  for (size_t i = 0; i < rows.size(); ++i) {
    Value e;
    e.shape = Value::Shape::vector;
    e.parts.assign(rows[i].begin(), rows[i].end());
    assign_element(v, i, at(depth(), std::move(e)));
  }
}

}  // namespace tenon::codegen
