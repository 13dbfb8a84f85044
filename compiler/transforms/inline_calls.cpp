#include "ir/inline_calls.h"

#include "transforms/transforms.h"

namespace tenon::transforms {

Status inline_calls(ir::Module& module, ir::Function& function) {
  return ir::inline_calls(module, function.graph);
}

}  // namespace tenon::transforms
