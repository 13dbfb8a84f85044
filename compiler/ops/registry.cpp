// The table of all operations, made from the families the build found. Lookup is by hash; the index is built
// on first use (the families themselves are constants).
#include <algorithm>

#include "ir/op_def.h"
#include "support/hash.h"

namespace tenon::ops {

#define X(stem) extern const std::span<const ir::OpDef> family_##stem;
#include "ops/families.inc"
#undef X

namespace {

const std::span<const ir::OpDef>* const families[] = {
#define X(stem) &family_##stem,
#include "ops/families.inc"
#undef X
};

class Registry final : public ir::OpTable {
 public:
  Registry() {
    for (const std::span<const ir::OpDef>* family : families) {
      const size_t first = all_.size();
      for (const ir::OpDef& op : *family) all_.push_back(&op);
      std::sort(all_.begin() + static_cast<ptrdiff_t>(first), all_.end(),
                [](const ir::OpDef* a, const ir::OpDef* b) { return a->name < b->name; });
    }
    size_t size = 64;
    while (size < all_.size() * 2) size *= 2;
    slots_.resize(size, nullptr);
    for (const ir::OpDef* op : all_) {
      const ir::OpDef** slot = &slots_[probe(op->name)];
      TENON_CHECK(*slot == nullptr, "two operations are named " + std::string(op->name));
      *slot = op;
    }
  }

  const ir::OpDef* find(std::string_view name) const override { return slots_[probe(name)]; }
  std::span<const ir::OpDef* const> all() const override { return all_; }

 private:
  // Index of the slot that holds the name, or of the free slot where it would go.
  size_t probe(std::string_view name) const {
    const size_t mask = slots_.size() - 1;
    size_t i = support::fnv1a(name) & mask;
    while (slots_[i] != nullptr && slots_[i]->name != name) i = (i + 1) & mask;
    return i;
  }

  std::vector<const ir::OpDef*> all_;
  std::vector<const ir::OpDef*> slots_;
};

}  // namespace
}  // namespace tenon::ops

namespace tenon::ir {

const OpTable& op_table() {
  static const ops::Registry registry;
  return registry;
}

}  // namespace tenon::ir
