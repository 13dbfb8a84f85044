#include "kernel/kernel.h"

namespace tenon::kernel {

const Function* Module::find(std::string_view function) const {
  for (const Function& f : functions)
    if (f.name == function) return &f;
  return nullptr;
}

}  // namespace tenon::kernel
