#include "kernel/kernel.h"

namespace tenon::kernel {

const Function* Module::find(std::string_view function) const {
  for (const Function& f : functions)
    if (f.name == function) return &f;
  return nullptr;
}

uint64_t layout_hash(const Module& module) {
  Hasher h;
  h.add(module.state_bytes);
  for (const StateSlot& s : module.state) {
    h.add(s.name).add(dtype_name(s.dtype)).add(uint64_t{s.shape.size()});
    for (const int64_t extent : s.shape) h.add(static_cast<uint64_t>(extent));
    h.add(s.offset);
  }
  return h.low();
}

}  // namespace tenon::kernel
