// Where parameters, state and constants lie.
#include <algorithm>

#include "ir/made_names.h"
#include "lower/plan.h"

namespace tenon::lower {
namespace {
constexpr uint64_t alignment = 64;
uint64_t aligned(uint64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }
void index_slots(Layout* layout) {
  for (size_t i = 0; i < layout->state.size(); ++i) layout->slot_of.emplace(layout->state[i].name, i);
}
}  // namespace

Layout layout_state(const ir::Module& module, const std::vector<kernel::StateSlot>* like) {
  Layout out;
  uint64_t offset = 64;  // the header, see runtime/abi.h
  if (like != nullptr) {
    out.state = *like;
    for (const kernel::StateSlot& s : out.state) offset = std::max(offset, s.offset + aligned(s.bytes));
    out.state_bytes = offset;
    index_slots(&out);
    return out;
  }
  for (const ir::Global& g : module.globals) {
    if (g.kind == ir::GlobalKind::hyper) continue;
    kernel::StateSlot slot;
    slot.name = g.name;
    slot.dtype = g.type.dtype;
    uint64_t count = 1;
    for (const Dim& d : g.type.shape) {
      slot.shape.push_back(d.constant());
      count *= static_cast<uint64_t>(d.constant());
    }
    slot.offset = offset;
    slot.bytes = count * dtype_bytes(g.type.dtype);
    slot.kind = g.kind == ir::GlobalKind::param    ? "param"
                : ir::is_counter_init(g.init.name) ? g.init.name
                                                   : "state";
    offset += aligned(slot.bytes);
    out.state.push_back(std::move(slot));
  }
  out.state_bytes = offset;
  index_slots(&out);
  return out;
}

const kernel::StateSlot* Layout::find(const std::string& name) const {
  const auto at = slot_of.find(name);
  return at == slot_of.end() ? nullptr : &state[at->second];
}

uint64_t Layout::constant_offset(const std::shared_ptr<const Array>& array) {
  Hasher h;
  h.add(dtype_name(array->dtype()));
  for (int64_t extent : array->shape()) h.add(static_cast<uint64_t>(extent));
  h.add(std::string_view(reinterpret_cast<const char*>(array->data()), array->bytes()));
  std::string hash = h.hex();
  const auto [at, fresh] = constant_of.try_emplace(hash, constants.size());
  if (!fresh) return constants[at->second].offset;
  constants.push_back({hash, constant_bytes, array});
  uint64_t offset = constant_bytes;
  constant_bytes += aligned(array->bytes());
  return offset;
}

}  // namespace tenon::lower
